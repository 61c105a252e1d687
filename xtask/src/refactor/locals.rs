//! What becomes of the names that a file's `let` binds when code that reads
//! them moves away.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rnix::SyntaxNode;
use rnix::ast;
use rowan::ast::AstNode;

use super::anatomy::{Anatomy, ItemId, Layer};
use super::comments::{Slot, slots, span};
use super::scope::{self, Needs};
use crate::edit::TextEdit;

/// A local that several sides read is repeated on each if it has at most this
/// many lines.
const REPEATED_LINES: usize = 3;

/// How the reason of those begins that stay for the sake of a local.
pub const SHARES: &str = "shares `";

/// What some items need of their file, conditions around them included.
///
/// What stands in `holes` stays behind and needs nothing.
pub fn needs_of(anatomy: &Anatomy, items: &BTreeSet<ItemId>, holes: &[Range<usize>]) -> Needs {
    let mut nodes = Vec::new();
    let mut needs = Needs::default();
    let mut queue = Vec::new();
    for item in items.iter().filter_map(|id| anatomy.items.get(*id)) {
        if has_position(&item.node) {
            needs.bound_here.get_or_insert(scope::BoundHere::Position);
        }
        for usage in scope::uses(&item.node) {
            let at = scope::usage_range(&usage);
            if !holes
                .iter()
                .any(|hole| hole.start <= at.start && at.end <= hole.end)
            {
                scope::note(anatomy, usage, &mut needs, &mut queue);
            }
        }
        for context in &item.context {
            for usage in glue(context) {
                scope::note(anatomy, usage, &mut needs, &mut queue);
            }
        }
        // The attribute paths of the sets around it are copied too.
        for set in item.node.ancestors().skip(1) {
            if let Some(binding) = ast::AttrpathValue::cast(set)
                && let Some(path) = binding.attrpath()
            {
                nodes.push(path.syntax().clone());
            }
        }
    }
    nodes.extend(queue);
    let mut more = scope::needs(anatomy, &nodes);
    more.formals.append(&mut needs.formals);
    more.locals.append(&mut needs.locals);
    more.withs.append(&mut needs.withs);
    more.unbound.append(&mut needs.unbound);
    more.spelt.append(&mut needs.spelt);
    more.bound_here = more.bound_here.or(needs.bound_here);
    more
}

fn has_position(node: &SyntaxNode) -> bool {
    node.descendants()
        .any(|it| it.kind() == rnix::SyntaxKind::NODE_CUR_POS)
}

/// What the text around the inner value of a wrapper reads.
fn glue(node: &SyntaxNode) -> Vec<scope::Usage> {
    let inner = if let Some(with) = ast::With::cast(node.clone()) {
        with.body()
    } else if let Some(node) = ast::LetIn::cast(node.clone()) {
        node.body()
    } else {
        ast::Apply::cast(node.clone()).and_then(|apply| apply.argument())
    };
    match inner {
        Some(inner) => scope::uses_around(node, inner.syntax()),
        None => scope::uses(node),
    }
}

/// One entry of a `let` layer.
#[derive(Debug, Clone)]
pub struct Local {
    /// Index of the layer.
    pub layer: usize,
    /// The names that it binds.
    pub names: Vec<String>,
    /// The entry with its comments.
    pub slot: Slot,
}

/// All entries of the file's `let` layers, in order.
pub fn locals(anatomy: &Anatomy) -> Vec<Local> {
    let mut found = Vec::new();
    for (layer, it) in anatomy.layers.iter().enumerate() {
        if let Layer::Let(node) = it {
            for slot in slots(node.syntax()).slots {
                found.push(Local {
                    layer,
                    names: scope::bound_names(&slot.node),
                    slot,
                });
            }
        }
    }
    found
}

/// A reason why an item has to stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stay {
    /// The item.
    pub item: ItemId,
    /// The reason for people.
    pub reason: String,
}

/// Definitions that go to one file.
#[derive(Debug, Clone)]
pub struct Party<'a> {
    /// The definitions.
    pub items: &'a BTreeSet<ItemId>,
    /// Parts of them that do not go.
    pub holes: Vec<Range<usize>>,
    /// Values in them that the host keeps as settings.
    pub stays: Vec<Range<usize>>,
}

/// Where the locals of a file go.
#[derive(Debug, Clone, Default)]
pub struct LocalsPlan {
    /// Per party (in the order given) the names it gets, by layer.
    pub carried: Vec<BTreeSet<(usize, String)>>,
    /// Edits that take out of the file what it no longer needs.
    pub removals: Vec<TextEdit>,
}

/// Decides for each local; `Err` names items that have to stay because they
/// share something too long to repeat.
pub fn plan(anatomy: &Anatomy, parties: &[Party<'_>]) -> Result<LocalsPlan, Vec<Stay>> {
    let all = locals(anatomy);
    let needs: Vec<Needs> = parties
        .iter()
        .map(|party| needs_of(anatomy, party.items, &party.holes))
        .collect();
    let moved: BTreeSet<ItemId> = parties
        .iter()
        .flat_map(|party| party.items.iter().copied())
        .collect();
    let staying: Vec<Range<usize>> = parties
        .iter()
        .flat_map(|party| party.stays.iter().cloned())
        .collect();
    let kept = kept_needs(anatomy, &moved, &all, &staying);
    let reads = |needs: &Needs, local: &Local| {
        local
            .names
            .iter()
            .any(|name| needs.locals.contains(&(local.layer, name.clone())))
    };
    let mut stays: BTreeMap<ItemId, String> = BTreeMap::new();
    let mut gone: BTreeMap<usize, Vec<bool>> = BTreeMap::new();
    for local in &all {
        let readers: Vec<usize> = (0..needs.len())
            .filter(|&at| reads(&needs[at], local))
            .collect();
        let host_reads = reads(&kept, local);
        let text = anatomy.slice(span(local.slot.node.text_range()));
        let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
        let shared = readers.len() + usize::from(host_reads) > 1;
        if shared && lines > REPEATED_LINES {
            // Whoever reads most of it keeps it; the others stay behind.
            let winner = if host_reads {
                None
            } else {
                readers.iter().copied().max_by_key(|&at| {
                    parties[at]
                        .items
                        .iter()
                        .map(|id| anatomy.items[*id].lines)
                        .sum::<usize>()
                })
            };
            for at in readers.iter().copied().filter(|at| Some(*at) != winner) {
                for id in parties[at].items {
                    let own = needs_of(anatomy, &BTreeSet::from([*id]), &parties[at].holes);
                    if reads(&own, local) {
                        stays.entry(*id).or_insert_with(|| {
                            format!(
                                "{SHARES}{}` with other definitions",
                                local.names.join("`, `")
                            )
                        });
                    }
                }
            }
        }
        gone.entry(local.layer)
            .or_default()
            .push(!host_reads && !readers.is_empty());
    }
    if !stays.is_empty() {
        return Err(stays
            .into_iter()
            .map(|(item, reason)| Stay { item, reason })
            .collect());
    }
    let mut removals = Vec::new();
    for (layer, gone) in gone {
        if let Some(Layer::Let(node)) = anatomy.layers.get(layer) {
            remove_entries(anatomy, node, &gone, &mut removals);
        }
    }
    Ok(LocalsPlan {
        carried: needs.into_iter().map(|needs| needs.locals).collect(),
        removals,
    })
}

/// What the file itself still reads when `moved` is gone.
fn kept_needs(
    anatomy: &Anatomy,
    moved: &BTreeSet<ItemId>,
    all: &[Local],
    staying: &[Range<usize>],
) -> Needs {
    let holes: Vec<rowan::TextRange> = moved
        .iter()
        .filter_map(|id| anatomy.items.get(*id))
        .map(|item| item.node.text_range())
        .chain(all.iter().map(|local| local.slot.node.text_range()))
        .collect();
    let mut needs = Needs::default();
    let mut queue = Vec::new();
    for usage in scope::uses(&anatomy.root) {
        let at = usage.node.text_range();
        let stays = staying
            .iter()
            .any(|range| range.start <= span(at).start && span(at).end <= range.end);
        if stays || !holes.iter().any(|hole| hole.contains_range(at)) {
            scope::note(anatomy, usage, &mut needs, &mut queue);
        }
    }
    let mut more = scope::needs(anatomy, &queue);
    // `needs` follows locals from the queue only.
    more.locals.append(&mut needs.locals);
    more.formals.append(&mut needs.formals);
    more
}

fn remove_entries(
    anatomy: &Anatomy,
    node: &ast::LetIn,
    gone: &[bool],
    removals: &mut Vec<TextEdit>,
) {
    let entries = slots(node.syntax());
    let comments_left = anatomy
        .slice(
            entries
                .slots
                .last()
                .map_or(entries.open_end, |slot| slot.extent.end)..entries.close_start,
        )
        .contains('#');
    if gone.iter().all(|gone| *gone) && !comments_left {
        // The whole `let … in`, up to the body.
        if let Some(body) = node.body() {
            let start = span(node.syntax().text_range()).start;
            let end = span(body.syntax().text_range()).start;
            let between = anatomy.slice(entries.close_start..end);
            let keep = between.find('#').map_or(end, |at| entries.close_start + at);
            removals.push(remove(start..keep));
            return;
        }
    }
    let mut kept_before = false;
    let mut removed_before = false;
    for (slot, gone) in entries.slots.iter().zip(gone) {
        if *gone {
            removals.push(remove(slot.extent.clone()));
            removed_before = true;
            continue;
        }
        if removed_before && !kept_before {
            let lead = anatomy.slice(slot.extent.clone());
            let space = &lead[..lead.len() - lead.trim_start().len()];
            if let (Some(first), Some(last)) = (space.find('\n'), space.rfind('\n'))
                && first < last
            {
                removals.push(remove(slot.extent.start..slot.extent.start + last));
            }
        }
        kept_before = true;
    }
}

fn remove(range: Range<usize>) -> TextEdit {
    TextEdit {
        range,
        insert: String::new(),
    }
}
