//! Recursive sets.

use std::ops::Range;

use rnix::ast;
use rowan::ast::AstNode;

use super::{Anatomy, Entry, Fixed, ItemId};
use crate::refactor::scope;

impl Anatomy {
    /// In a `rec` set, definitions that read a sibling by its bare name stay,
    /// and so does the sibling.
    pub(super) fn fix_recursive(&mut self) {
        let mut stay = Vec::new();
        for config in &self.configs {
            for block in config.value.blocks() {
                let set = ast::AttrSet::cast(block.set.clone());
                if set.is_none_or(|set| set.rec_token().is_none()) {
                    continue;
                }
                let binders: Vec<(String, &Entry)> = block
                    .slots
                    .slots
                    .iter()
                    .zip(&block.entries)
                    .flat_map(|(slot, entry)| {
                        scope::bound_names(&slot.node)
                            .into_iter()
                            .map(move |name| (name, entry))
                    })
                    .collect();
                for (slot, entry) in block.slots.slots.iter().zip(&block.entries) {
                    for usage in scope::uses(&slot.node) {
                        let Some(binder) = &usage.recursive else {
                            continue;
                        };
                        if binder != &block.set {
                            continue;
                        }
                        stay.extend(items_of(entry));
                        for (name, bound) in &binders {
                            if name == &usage.name {
                                stay.extend(items_of(bound));
                            }
                        }
                    }
                }
            }
        }
        for id in stay {
            if let Some(item) = self.items.get_mut(id) {
                item.fixed.get_or_insert(Fixed::Recursive);
            }
        }
    }
}

fn items_of(entry: &Entry) -> Range<ItemId> {
    match entry {
        Entry::Leaf(id) => *id..*id + 1,
        Entry::Group { items, .. } => items.clone(),
        Entry::Frame => 0..0,
    }
}
