//! The graph of needs for Mermaid.

use std::fmt::Write;

use super::graph::edges;
use super::{Inventory, svg};

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('\n', " ")
}

/// A flowchart: an arrow leads from a host to one that it needs.
pub fn render(inventory: &Inventory) -> String {
    let mut out = String::from("flowchart BT\n");
    for (index, host) in inventory.hosts.iter().enumerate() {
        let mut label = escape(&host.name);
        if let Some(what) = svg::subtitle(host) {
            let _ = write!(label, "<br/>{}", escape(&what));
        }
        let _ = writeln!(out, "  h{index}[\"{label}\"]");
    }
    for ((from, to), kinds) in edges(inventory) {
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
        let _ = writeln!(out, "  h{from} -- {} --> h{to}", kinds.join(", "));
    }
    out
}
