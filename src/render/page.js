// Without this the page works too: each change opens by itself.
const changes = document.querySelectorAll("details.change");
for (const [id, open] of [["open-all", true], ["close-all", false]]) {
  document.getElementById(id)?.addEventListener("click", () => changes.forEach((change) => { change.open = open; }));
}
document.querySelector(".buttons")?.removeAttribute("hidden");
// Whoever follows a link from the picture wants to see what is there.
const show = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) { target.open = true; }
};
addEventListener("hashchange", show);
show();
