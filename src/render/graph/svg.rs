//! The graph as a picture: a band for each topic, and in it the resources from left to right in the order of the work.
//!
//! The picture needs nothing from outside itself, and adapts to light and dark. It takes time in proportion to its
//! nodes and arrows.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Drawing, Node};
use crate::render::layout::width;
use crate::render::markup::escaped;
use crate::render::outline::verb;

/// How everything is coloured, here and on the page of a plan.
pub const STYLE: &str = include_str!("drawing.css");

/// Pixels of a character of the labels, at most.
const CHARACTER: usize = 7;
/// Height of a node, and what is between two of them.
const NODE: (usize, usize) = (40, 12);
/// Between two columns, for the arrows.
const COLUMN_GAP: usize = 56;
/// Around everything, and inside of a band.
const MARGIN: usize = 14;
/// Height of a band's title.
const TITLE: usize = 22;

/// Where a node is.
#[derive(Clone, Copy, Default)]
struct Place {
    column: usize,
    x: usize,
    y: usize,
    width: usize,
}

/// A picture of its own, for a file.
pub fn document(drawing: &Drawing, title: &str, description: &str) -> String {
    picture(drawing, title, description, &format!("<style>\n{STYLE}</style>\n"), &|_| None)
}

/// A picture that is part of a page with [`STYLE`]. `link` says where on the page more is said of a node.
pub fn inline(drawing: &Drawing, title: &str, description: &str, link: &dyn Fn(&Node) -> Option<String>) -> String {
    picture(drawing, title, description, "", link)
}

fn picture(
    drawing: &Drawing,
    title: &str,
    description: &str,
    style: &str,
    link: &dyn Fn(&Node) -> Option<String>,
) -> String {
    let arranged = Arranged::new(drawing);
    let (wide, high) = arranged.size;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"drawing\" viewBox=\"0 0 {wide} {high}\" width=\"{wide}\" \
         height=\"{high}\" role=\"img\" aria-labelledby=\"drawing-title drawing-description\">\n\
         <title id=\"drawing-title\">{}</title>\n<desc id=\"drawing-description\">{}</desc>\n{style}\
         <rect class=\"paper\" width=\"{wide}\" height=\"{high}\"/>\n",
        escaped(title),
        escaped(description)
    );
    for (topic, top, height) in &arranged.bands {
        let _ = writeln!(
            text,
            "<g class=\"topic\"><rect x=\"{MARGIN}\" y=\"{top}\" width=\"{}\" height=\"{height}\" rx=\"8\"/>\
             <text x=\"{}\" y=\"{}\">{}</text></g>",
            wide - 2 * MARGIN,
            2 * MARGIN,
            top + 17,
            escaped(topic)
        );
    }
    // Those that matter are drawn last, over the others.
    for is_critical in [false, true] {
        for edge in drawing.edges.iter().filter(|edge| edge.is_critical == is_critical) {
            arranged.arrow(edge.from, edge.to, is_critical, &mut text);
        }
    }
    for (node, place) in drawing.nodes.iter().zip(&arranged.places) {
        draw(node, *place, link(node).as_deref(), &mut text);
    }
    text.push_str("</svg>\n");
    text
}

fn draw(node: &Node, place: Place, link: Option<&str>, text: &mut String) {
    let action = node.action.as_ref().map(verb);
    let mut class = format!("node {}", action.unwrap_or("unchanged"));
    if node.is_critical {
        class.push_str(" critical");
    }
    let (open, close) = match link {
        Some(link) => (format!("<a href=\"{}\">", escaped(link)), "</a>"),
        None => (String::new(), ""),
    };
    let what = action.map_or(String::new(), |action| format!(": {action}"));
    let how_long = if node.is_critical { ", part of what takes longest" } else { "" };
    let Place { x, y, width, .. } = place;
    let _ = writeln!(
        text,
        "{open}<g class=\"{class}\"><title>{}{what}{how_long}</title><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" \
         height=\"{}\" rx=\"5\"/><text class=\"type\" x=\"{}\" y=\"{}\">{}</text><text x=\"{}\" y=\"{}\">{}</text>\
         </g>{close}",
        escaped(&node.title()),
        NODE.0,
        x + 9,
        y + 16,
        escaped(&node.type_name.to_string()),
        x + 9,
        y + 32,
        escaped(&node.label())
    );
}

struct Arranged {
    places: Vec<Place>,
    /// Topic, top, height.
    bands: Vec<(String, usize, usize)>,
    size: (usize, usize),
}

impl Arranged {
    fn new(drawing: &Drawing) -> Self {
        let columns = drawing.columns();
        let mut places: Vec<Place> =
            columns.iter().map(|column| Place { column: *column, ..Place::default() }).collect();
        // As wide as the widest node of each column.
        let mut widths: BTreeMap<usize, usize> = BTreeMap::new();
        for (node, place) in drawing.nodes.iter().zip(&places) {
            let label = width(&node.label()).max(width(&node.type_name.to_string()));
            let wide = widths.entry(place.column).or_default();
            *wide = (*wide).max(label * CHARACTER + 18);
        }
        let mut lefts: BTreeMap<usize, usize> = BTreeMap::new();
        let mut x = 2 * MARGIN;
        for (column, wide) in &widths {
            lefts.insert(*column, x);
            x += wide + COLUMN_GAP;
        }
        let right = x.saturating_sub(COLUMN_GAP) + 2 * MARGIN;
        let mut bands = Vec::new();
        let mut top = MARGIN;
        for (topic, members) in drawing.topics() {
            let mut rows: BTreeMap<usize, usize> = BTreeMap::new();
            for member in members {
                let place = &mut places[member];
                let row = rows.entry(place.column).or_default();
                place.x = lefts.get(&place.column).copied().unwrap_or_default();
                place.y = top + TITLE + *row * (NODE.0 + NODE.1) + NODE.1 / 2;
                place.width = widths.get(&place.column).copied().unwrap_or_default();
                *row += 1;
            }
            let height = TITLE + rows.values().max().copied().unwrap_or(0) * (NODE.0 + NODE.1) + NODE.1 / 2;
            bands.push((topic.to_owned(), top, height));
            top += height + MARGIN;
        }
        Self { places, bands, size: (right.max(20 * MARGIN), top) }
    }

    /// From the right side of one node to the left side of another one.
    fn arrow(&self, from: usize, to: usize, is_critical: bool, text: &mut String) {
        let (start, end) = (self.places[from], self.places[to]);
        let (x1, y1) = (start.x + start.width, start.y + NODE.0 / 2);
        let (x2, y2) = (end.x, end.y + NODE.0 / 2);
        let middle = COLUMN_GAP * 3 / 4;
        let class = if is_critical { "edge critical" } else { "edge" };
        let _ = writeln!(
            text,
            "<path class=\"{class}\" d=\"M{x1} {y1}C{} {y1} {} {y2} {} {y2}\"/>\
             <path class=\"{class} head\" d=\"M{x2} {y2}l-8 -4v8z\"/>",
            x1 + middle,
            x2.saturating_sub(middle),
            x2.saturating_sub(6)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::graph::Edge;

    fn drawing(edges: &[(usize, usize)]) -> Drawing {
        let node = |number: usize| Node {
            type_name: crate::address::TypeName::new("a", "b"),
            name: format!("n{number}"),
            addresses: vec![format!("a.b.n{number}").parse().expect("an address")],
            topic: "t".into(),
            action: None,
            is_critical: false,
        };
        let count = edges.iter().map(|(from, to)| from.max(to) + 1).max().unwrap_or(0);
        let edges = edges.iter().map(|(from, to)| Edge { from: *from, to: *to, is_critical: false }).collect();
        Drawing { nodes: (0..count).map(node).collect(), edges }
    }

    #[test]
    fn everything_stands_right_of_what_it_needs() {
        assert_eq!(drawing(&[(0, 1), (0, 2), (1, 2), (2, 4), (3, 4)]).columns(), [0, 1, 2, 2, 3]);
    }

    #[test]
    fn a_graph_without_nodes_is_a_picture_too() {
        assert!(document(&drawing(&[]), "t", "d").ends_with("</svg>\n"));
    }
}
