//! The graph of needs as a drawing: hosts in layers, those that need nobody at
//! the bottom.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::graph::{Edges, edges, layers};
use super::{HostEntry, Inventory, Kind};

/// Sizes in pixels.
const WIDTH: f64 = 132.0;
const HEIGHT: f64 = 44.0;
const GAP: f64 = 22.0;
const RISE: f64 = 84.0;
const MARGIN: f64 = 32.0;
const HEAD: f64 = 72.0;
/// Hosts in one row; a layer with more takes several rows.
const ROW: usize = 12;

/// The colour of a kind of need.
pub fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Vpn => "#7b3fb5",
        Kind::Dns => "#1f77b4",
        Kind::Builder => "#b8860b",
        Kind::Storage => "#2e8b57",
        Kind::Proxy => "#d2691e",
        Kind::Metrics => "#c71585",
        Kind::Config => "#5f6b7a",
        Kind::Declared => "#222222",
    }
}

/// What a host is for and when it is rolled out.
pub fn subtitle(host: &HostEntry) -> Option<String> {
    let role = host.roles.first().map(String::as_str);
    let stage = host.stage.map(|stage| format!("stage {stage}"));
    match (role, stage) {
        (Some(role), Some(stage)) => Some(format!("{role}, {stage}")),
        (Some(role), None) => Some(role.to_owned()),
        (None, stage) => stage,
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The text, cut to what fits into a box.
fn fit(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return escape(text);
    }
    let cut: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", escape(&cut))
}

/// An SVG document.
pub fn render(inventory: &Inventory) -> String {
    let rows: Vec<Vec<usize>> = layers(inventory)
        .into_iter()
        .flat_map(|layer| layer.chunks(ROW).map(<[usize]>::to_vec).collect::<Vec<_>>())
        .collect();
    let widest = rows.iter().map(Vec::len).max().unwrap_or(0).max(5) as f64;
    let width = 2.0 * MARGIN + widest * (WIDTH + GAP) - GAP;
    let height = HEAD + MARGIN + rows.len() as f64 * (HEIGHT + RISE)
        - RISE.min(rows.len() as f64 * RISE)
        + MARGIN;
    let mut places: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for (index, row) in rows.iter().rev().enumerate() {
        let used = row.len() as f64 * (WIDTH + GAP) - GAP;
        let y = HEAD + MARGIN + index as f64 * (HEIGHT + RISE);
        for (column, host) in row.iter().enumerate() {
            let x = (width - used) / 2.0 + column as f64 * (WIDTH + GAP);
            places.insert(*host, (x, y));
        }
    }
    let edges = edges(inventory);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\">\n"
    );
    let title = format!("Who needs whom: {} hosts", inventory.hosts.len());
    let _ = writeln!(out, "<title>{title}</title>");
    let _ = writeln!(
        out,
        "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>"
    );
    let _ = writeln!(
        out,
        "<text x=\"{MARGIN}\" y=\"30\" font-size=\"18\" font-weight=\"bold\">{title}</text>"
    );
    legend(&mut out, &edges);
    out.push_str("<g fill=\"none\" stroke-width=\"1.4\" stroke-opacity=\"0.75\">\n");
    for ((from, to), kinds) in &edges {
        let (Some(start), Some(end)) = (places.get(from), places.get(to)) else {
            continue;
        };
        for (index, kind) in kinds.iter().enumerate() {
            let shift = (index as f64 - (kinds.len() as f64 - 1.0) / 2.0) * 7.0;
            let _ = writeln!(out, "{}", edge(*start, *end, shift, *kind));
        }
    }
    out.push_str("</g>\n");
    for (index, host) in inventory.hosts.iter().enumerate() {
        if let Some(place) = places.get(&index) {
            out.push_str(&node(host, *place));
        }
    }
    out.push_str("</svg>\n");
    out
}

fn legend(out: &mut String, edges: &Edges) {
    out.push_str("<defs>\n");
    for kind in Kind::ALL {
        let (name, colour) = (kind.name(), colour(kind));
        let _ = writeln!(
            out,
            "<marker id=\"{name}\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"{colour}\"/></marker>"
        );
    }
    out.push_str("</defs>\n");
    let used = Kind::ALL
        .into_iter()
        .filter(|kind| edges.values().any(|kinds| kinds.contains(kind)));
    for (index, kind) in used.enumerate() {
        let x = MARGIN + index as f64 * 88.0;
        let (name, colour) = (kind.name(), colour(kind));
        let _ = writeln!(
            out,
            "<line x1=\"{x:.0}\" y1=\"52\" x2=\"{:.0}\" y2=\"52\" stroke=\"{colour}\" stroke-width=\"3\"/><text x=\"{:.0}\" y=\"56\" font-size=\"12\">{name}</text>",
            x + 20.0,
            x + 26.0,
        );
    }
}

/// Down from the one that needs to the one that is needed; up or sideways
/// within a circle, around the boxes.
fn edge(from: (f64, f64), to: (f64, f64), shift: f64, kind: Kind) -> String {
    let (name, colour) = (kind.name(), colour(kind));
    let (x1, x2) = (from.0 + WIDTH / 2.0 + shift, to.0 + WIDTH / 2.0 + shift);
    let path = if from.1 < to.1 {
        let (y1, y2) = (from.1 + HEIGHT, to.1);
        let bend = (y2 - y1) / 2.0;
        format!(
            "M{x1:.1} {y1:.1}C{x1:.1} {:.1} {x2:.1} {:.1} {x2:.1} {y2:.1}",
            y1 + bend,
            y2 - bend
        )
    } else {
        let (y1, y2) = (from.1, to.1 + if from.1 > to.1 { HEIGHT } else { 0.0 });
        let lift = RISE * 0.45;
        let end = if from.1 > to.1 { y2 + lift } else { y2 - lift };
        format!(
            "M{x1:.1} {y1:.1}C{x1:.1} {:.1} {x2:.1} {end:.1} {x2:.1} {y2:.1}",
            y1 - lift
        )
    };
    format!("<path d=\"{path}\" stroke=\"{colour}\" marker-end=\"url(#{name})\"/>")
}

fn node(host: &HostEntry, (x, y): (f64, f64)) -> String {
    let (dash, fill) = match host.not_followed {
        Some(_) => (" stroke-dasharray=\"4 3\"", "#f6f6f6"),
        None => ("", "#eef3f8"),
    };
    let middle = x + WIDTH / 2.0;
    let what = match &host.not_followed {
        Some(_) => Some("not followed".to_owned()),
        None => subtitle(host),
    };
    let line = if what.is_some() { 19.0 } else { 27.0 };
    let mut out = format!(
        "<g><title>{}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"5\" fill=\"{fill}\" stroke=\"#44546a\"{dash}/><text x=\"{middle:.1}\" y=\"{:.1}\" font-size=\"13\" text-anchor=\"middle\">{}</text>",
        escape(&host.name),
        y + line,
        fit(&host.name, 17),
    );
    if let Some(what) = what {
        let _ = write!(
            out,
            "<text x=\"{middle:.1}\" y=\"{:.1}\" font-size=\"10\" fill=\"#44546a\" text-anchor=\"middle\">{}</text>",
            y + 35.0,
            fit(&what, 23),
        );
    }
    out.push_str("</g>\n");
    out
}
