// What a browser can tell of a page by looking at it: a list of complaints, empty if all is well.
(() => {
  const complaints = [];
  const complain = (text) => { if (!complaints.includes(text)) complaints.push(text); };
  document.querySelectorAll("details").forEach((details) => { details.open = true; });

  if (!document.documentElement.lang) complain("the page does not say its language");
  if (!document.title.trim()) complain("the page has no title");
  const levels = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((heading) => Number(heading.tagName[1]));
  if (levels[0] !== 1 || levels.filter((level) => level === 1).length !== 1) complain("there is not one h1 at the top");
  levels.forEach((level, index) => {
    if (index > 0 && level > levels[index - 1] + 1) complain(`an h${level} follows an h${levels[index - 1]}`);
  });

  const { scrollWidth } = document.documentElement;
  if (scrollWidth > innerWidth) complain(`the page is ${scrollWidth} pixels wide, and the window ${innerWidth}`);

  // Colours as numbers from 0 to 255, with an alpha from 0 to 1.
  const parsed = (colour) => {
    const [red, green, blue, alpha = 1] = colour.match(/[\d.]+/g).map(Number);
    return { red, green, blue, alpha };
  };
  const over = (top, below) => {
    const mixed = (part) => top[part] * top.alpha + below[part] * (1 - top.alpha);
    return { red: mixed("red"), green: mixed("green"), blue: mixed("blue"), alpha: 1 };
  };
  const luminance = ({ red, green, blue }) => {
    const linear = (part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  };
  const contrast = (one, other) => {
    const [dark, bright] = [luminance(one), luminance(other)].sort((left, right) => left - right);
    return (bright + 0.05) / (dark + 0.05);
  };
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const canvas = dark ? { red: 18, green: 18, blue: 18, alpha: 1 } : { red: 255, green: 255, blue: 255, alpha: 1 };
  // What is below a text: the backgrounds of all around it, and in a picture the shapes drawn before it.
  const below = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) {
      if (each instanceof SVGElement) {
        for (let shape = each.previousElementSibling; shape; shape = shape.previousElementSibling) {
          const box = shape.getBoundingClientRect();
          const own = element.getBoundingClientRect();
          const covers = box.left <= own.left && box.right >= own.left && box.top <= own.top && box.bottom >= own.bottom;
          if (shape.tagName === "rect" && covers) layers.push(parsed(getComputedStyle(shape).fill));
          const inner = shape.tagName === "g" ? shape.querySelector("rect") : null;
          if (inner) {
            const frame = inner.getBoundingClientRect();
            if (frame.left <= own.left && frame.right >= own.left && frame.top <= own.top && frame.bottom >= own.bottom) {
              layers.push(parsed(getComputedStyle(inner).fill));
            }
          }
        }
      } else {
        layers.push(parsed(getComputedStyle(each).backgroundColor));
      }
    }
    return layers.reverse().reduce((result, layer) => over(layer, result), canvas);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || ["SCRIPT", "STYLE", "title", "desc"].includes(element.tagName) || !element.checkVisibility()) continue;
    const box = element.getBoundingClientRect();
    if (box.width <= 1 || box.height <= 1) continue; // for those who listen
    texts += 1;
    const style = getComputedStyle(element);
    const ink = parsed(element instanceof SVGElement ? style.fill : style.color);
    for (let each = element; each; each = each.parentElement) ink.alpha *= Number(getComputedStyle(each).opacity);
    const size = parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const paper = below(element);
    const ratio = contrast(over(ink, paper), paper);
    if (ratio < least) complain(`${text.slice(0, 40)}: a contrast of ${ratio.toFixed(2)}`);
  }
  if (texts < 3) complain(`only ${texts} texts can be seen`);
  return complaints;
})()
