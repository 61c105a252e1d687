//! The graph of needs for Graphviz.

use std::fmt::Write;

use super::graph::edges;
use super::{Inventory, svg};

fn quote(text: &str) -> String {
    format!(
        "\"{}\"",
        text.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', " ")
    )
}

/// A directed graph: an edge leads from a host to one that it needs.
pub fn render(inventory: &Inventory) -> String {
    let mut out = String::from("digraph fleet {\n  rankdir=BT;\n  node [shape=box];\n");
    for host in &inventory.hosts {
        let mut label = host.name.clone();
        if let Some(what) = svg::subtitle(host) {
            label.push_str(" (");
            label.push_str(&what);
            label.push(')');
        }
        let style = if host.not_followed.is_some() {
            ", style=dashed"
        } else {
            ""
        };
        let _ = writeln!(
            out,
            "  {} [label={}{style}];",
            quote(&host.name),
            quote(&label)
        );
    }
    for ((from, to), kinds) in edges(inventory) {
        let (Some(from), Some(to)) = (inventory.hosts.get(from), inventory.hosts.get(to)) else {
            continue;
        };
        for kind in kinds {
            let _ = writeln!(
                out,
                "  {} -> {} [label=\"{}\", color=\"{}\"];",
                quote(&from.name),
                quote(&to.name),
                kind.name(),
                svg::colour(kind),
            );
        }
    }
    out.push_str("}\n");
    out
}
