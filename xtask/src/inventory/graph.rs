//! Who stands on whom.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::{greedy_feedback_arc_set, tarjan_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::stable_graph::StableDiGraph;
use petgraph::visit::EdgeRef;

use super::{Inventory, Kind};

/// From, to, and what for.
pub type Edges = BTreeMap<(usize, usize), BTreeSet<Kind>>;

/// Edges of the needs: from, to (positions of hosts) and the kinds between them.
pub fn edges(inventory: &Inventory) -> Edges {
    let positions: BTreeMap<&str, usize> = inventory
        .hosts
        .iter()
        .map(|host| host.name.as_str())
        .zip(0..)
        .collect();
    let mut edges = Edges::new();
    for (from, host) in inventory.hosts.iter().enumerate() {
        for need in &host.needs {
            if let Some(to) = positions.get(need.host.as_str()) {
                edges.entry((from, *to)).or_default().insert(need.kind);
            }
        }
    }
    edges
}

/// What gives way, in this order, where needs run in a circle: who only watches
/// or only reads a value stands on others less than who works through them.
const WEAKEST: [Kind; 2] = [Kind::Metrics, Kind::Config];

/// The needs without those that would close a circle.
fn without_circles(hosts: usize, edges: &Edges) -> DiGraph<(), ()> {
    let mut graph: StableDiGraph<(), Vec<Kind>> = StableDiGraph::new();
    let nodes: Vec<NodeIndex> = (0..hosts).map(|_| graph.add_node(())).collect();
    for ((from, to), kinds) in edges {
        if let (Some(from), Some(to)) = (nodes.get(*from), nodes.get(*to)) {
            graph.add_edge(*from, *to, kinds.iter().copied().collect());
        }
    }
    for weak in 1..=WEAKEST.len() {
        let mut circle = vec![0; hosts];
        for (number, component) in tarjan_scc(&graph).iter().enumerate() {
            for node in component {
                if let Some(circle) = circle.get_mut(node.index()) {
                    *circle = number;
                }
            }
        }
        graph.retain_edges(|graph, edge| {
            let within = graph
                .edge_endpoints(edge)
                .is_some_and(|(from, to)| circle.get(from.index()) == circle.get(to.index()));
            let is_weak = graph.edge_weight(edge).is_some_and(|kinds| {
                kinds
                    .iter()
                    .all(|kind| WEAKEST.iter().take(weak).any(|weak| weak == kind))
            });
            !(within && is_weak)
        });
    }
    let closing: Vec<_> = greedy_feedback_arc_set(&graph)
        .map(|edge| edge.id())
        .collect();
    for edge in closing {
        graph.remove_edge(edge);
    }
    graph.map(|_, ()| (), |_, _| ()).into()
}

/// Hosts in layers: every host stands above all that it needs, but for needs
/// that close a circle. The first layer needs nobody below it. Within a layer
/// hosts stand near those that they need.
pub fn layers(inventory: &Inventory) -> Vec<Vec<usize>> {
    let edges = edges(inventory);
    let graph = without_circles(inventory.hosts.len(), &edges);
    let mut level = vec![0_usize; inventory.hosts.len()];
    // What a host needs comes before it in the reverse of the order.
    for node in toposort(&graph, None).unwrap_or_default().into_iter().rev() {
        let below = graph
            .neighbors(node)
            .filter_map(|node| level.get(node.index()).map(|level| level + 1))
            .max()
            .unwrap_or(0);
        if let Some(level) = level.get_mut(node.index()) {
            *level = below;
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
fn order(layers: &mut [Vec<usize>], edges: &Edges) {
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
