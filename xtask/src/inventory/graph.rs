//! Who stands on whom.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::{Inventory, Kind};

/// Edges of the needs: from, to (positions of hosts) and the kinds between them.
pub fn edges(inventory: &Inventory) -> BTreeMap<(usize, usize), BTreeSet<Kind>> {
    let positions: BTreeMap<&str, usize> = inventory
        .hosts
        .iter()
        .map(|host| host.name.as_str())
        .zip(0..)
        .collect();
    let mut edges: BTreeMap<(usize, usize), BTreeSet<Kind>> = BTreeMap::new();
    for (from, host) in inventory.hosts.iter().enumerate() {
        for need in &host.needs {
            if let Some(to) = positions.get(need.host.as_str()) {
                edges.entry((from, *to)).or_default().insert(need.kind);
            }
        }
    }
    edges
}

/// Hosts in layers: every host stands above all that it needs, except within a
/// circle, whose hosts share a layer. The first layer needs nobody below it.
/// Within a layer hosts stand near those that they need.
pub fn layers(inventory: &Inventory) -> Vec<Vec<usize>> {
    let edges = edges(inventory);
    let mut graph: DiGraph<(), ()> = DiGraph::new();
    let nodes: Vec<NodeIndex> = inventory.hosts.iter().map(|_| graph.add_node(())).collect();
    for (from, to) in edges.keys() {
        if let (Some(from), Some(to)) = (nodes.get(*from), nodes.get(*to)) {
            graph.add_edge(*from, *to, ());
        }
    }
    let mut level = vec![0_usize; nodes.len()];
    // Components come after all that they lead to.
    for component in tarjan_scc(&graph) {
        let below = component
            .iter()
            .flat_map(|node| graph.neighbors(*node))
            .filter(|node| !component.contains(node))
            .filter_map(|node| level.get(node.index()).map(|level| level + 1))
            .max()
            .unwrap_or(0);
        for node in &component {
            if let Some(level) = level.get_mut(node.index()) {
                *level = below;
            }
        }
    }
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); level.iter().max().map_or(0, |top| top + 1)];
    for (host, level) in level.iter().enumerate() {
        if let Some(layer) = layers.get_mut(*level) {
            layer.push(host);
        }
    }
    order(&mut layers, &edges);
    layers
}

/// A few sweeps of the barycentre method against crossings.
fn order(layers: &mut [Vec<usize>], edges: &BTreeMap<(usize, usize), BTreeSet<Kind>>) {
    let mut neighbours: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (from, to) in edges.keys() {
        neighbours.entry(*from).or_default().push(*to);
        neighbours.entry(*to).or_default().push(*from);
    }
    let mut position: BTreeMap<usize, f64> = BTreeMap::new();
    let place = |layer: &[usize], position: &mut BTreeMap<usize, f64>| {
        for (index, host) in layer.iter().enumerate() {
            position.insert(*host, (index as f64 + 0.5) / layer.len() as f64);
        }
    };
    layers.iter().for_each(|layer| place(layer, &mut position));
    for _ in 0..4 {
        for layer in layers.iter_mut() {
            let weight = |host: &usize| {
                let near: Vec<f64> = neighbours
                    .get(host)
                    .into_iter()
                    .flatten()
                    .filter(|other| !layer.contains(other))
                    .filter_map(|other| position.get(other).copied())
                    .collect();
                if near.is_empty() {
                    position.get(host).copied().unwrap_or(0.5)
                } else {
                    near.iter().sum::<f64>() / near.len() as f64
                }
            };
            let mut weighted: Vec<(f64, usize)> =
                layer.iter().map(|host| (weight(host), *host)).collect();
            weighted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            *layer = weighted.into_iter().map(|(_, host)| host).collect();
            place(layer, &mut position);
        }
    }
}
