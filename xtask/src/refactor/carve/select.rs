//! Which items are in what.

use std::collections::BTreeSet;

use rnix::{SyntaxKind, SyntaxNode};
use rowan::ast::AstNode;

use crate::refactor::anatomy::{Block, Entry, Item, ItemId, Value, static_path};

/// How many names of an item's path stand outside of a block.
pub(super) fn prefix_len(block: &Block, item: &Item) -> usize {
    let node = &item.node;
    let mut inside = 0;
    let mut current: Option<SyntaxNode> = Some(node.clone());
    while let Some(it) = current {
        if it == block.set {
            break;
        }
        if let Some(binding) = rnix::ast::AttrpathValue::cast(it.clone()) {
            inside += binding
                .attrpath()
                .map_or(0, |path| static_path(&path).0.len());
        } else if it.kind() == SyntaxKind::NODE_INHERIT {
            inside += 1;
        }
        current = it.parent();
    }
    item.path.len().saturating_sub(inside)
}

pub(super) fn first_item(entry: &Entry) -> Option<ItemId> {
    match entry {
        Entry::Leaf(id) => Some(*id),
        Entry::Group { items, .. } => items.clone().next(),
        Entry::Frame => None,
    }
}

pub(super) fn last_item(entry: &Entry) -> Option<ItemId> {
    match entry {
        Entry::Leaf(id) => Some(*id),
        Entry::Group { items, .. } => items.clone().next_back(),
        Entry::Frame => None,
    }
}

pub(super) fn selects_entry(entry: &Entry, select: &BTreeSet<ItemId>) -> bool {
    match entry {
        Entry::Leaf(id) => select.contains(id),
        Entry::Group { items, .. } => items.clone().any(|id| select.contains(&id)),
        Entry::Frame => false,
    }
}

/// Whether any selected item is inside of a value.
pub fn selects(value: &Value, select: &BTreeSet<ItemId>) -> bool {
    value
        .blocks()
        .iter()
        .flat_map(|block| &block.entries)
        .any(|entry| selects_entry(entry, select))
}

/// All literal sets of a value, nested groups included.
pub(super) fn all_blocks(value: &Value) -> Vec<&Block> {
    let mut found = Vec::new();
    let mut queue: Vec<&Value> = vec![value];
    while let Some(value) = queue.pop() {
        for block in value.blocks() {
            found.push(block);
            queue.extend(block.entries.iter().filter_map(|entry| match entry {
                Entry::Group { value, .. } => Some(value),
                _ => None,
            }));
        }
    }
    found
}
