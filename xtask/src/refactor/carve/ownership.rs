//! Comments that leave with a definition without being attached to it.

use std::collections::BTreeSet;
use std::ops::Range;

use rowan::ast::AstNode;

use super::Carver;
use super::select::{first_item, last_item, prefix_len};
use crate::refactor::anatomy::{Block, Entry, ItemId, static_path};

impl Carver<'_> {
    /// Decides which section headers and loose comments leave, and with whom.
    pub(super) fn assign_comments(&mut self, block: &Block) {
        let gone: Vec<bool> = block.entries.iter().map(|entry| self.gone(entry)).collect();
        for (at, slot) in block.slots.slots.iter().enumerate() {
            if !slot.headers.is_empty()
                && self.header_leaves(block, at, &gone)
                && let Some(owner) = first_item(&block.entries[at])
            {
                self.give(owner, &slot.headers);
            }
            for loose in &slot.loose {
                let paths = self.commented_paths(loose);
                let related = |entry: &Entry| {
                    first_item(entry)
                        .and_then(|id| self.anatomy.items.get(id))
                        .is_some_and(|item| {
                            let depth = item.path.len().saturating_sub(prefix_len(block, item));
                            let own = &item.path[item.path.len() - depth..];
                            paths.iter().any(|path| {
                                let shared =
                                    own.iter().zip(path).take_while(|(a, b)| a == b).count();
                                shared >= 2.min(own.len()).min(path.len()).max(1)
                            })
                        })
                };
                let before = at.checked_sub(1);
                let owner = [before, Some(at)]
                    .into_iter()
                    .flatten()
                    .find(|&candidate| gone[candidate] && related(&block.entries[candidate]));
                if let Some(owner) = owner.and_then(|owner| {
                    if owner == at {
                        first_item(&block.entries[at])
                    } else {
                        last_item(&block.entries[owner])
                    }
                }) {
                    self.give(owner, std::slice::from_ref(loose));
                }
            }
        }
    }

    /// Whether the headers of the section that begins at a slot leave.
    fn header_leaves(&self, block: &Block, at: usize, gone: &[bool]) -> bool {
        let section = block.slots.slots.get(at).map(|slot| slot.section);
        let mut others = block.slots.slots.iter().zip(gone);
        let section_gone = others.all(|(other, gone)| Some(other.section) != section || *gone);
        let is_gone = gone.get(at).is_some_and(|gone| *gone);
        section_gone || is_gone && !self.is_about_what_stays(block, at, gone)
    }

    /// Whether what stays of the section that begins at a slot has to do with
    /// what goes of it: then its header stays, too.
    fn is_about_what_stays(&self, block: &Block, first: usize, gone: &[bool]) -> bool {
        let section = block.slots.slots.get(first).map(|slot| slot.section);
        let (mut goes, mut stays) = (BTreeSet::new(), BTreeSet::new());
        for ((slot, entry), gone) in block.slots.slots.iter().zip(&block.entries).zip(gone) {
            if Some(slot.section) != section {
                continue;
            }
            let items = match entry {
                Entry::Leaf(id) => *id..*id + 1,
                Entry::Group { items, .. } => items.clone(),
                Entry::Frame => continue,
            };
            let items = items.filter_map(|id| Some((id, self.anatomy.items.get(id)?)));
            for (id, item) in items {
                let is_gone = *gone || self.moved.contains(&id);
                let words = if is_gone { &mut goes } else { &mut stays };
                words.extend(subjects(&item.path));
            }
        }
        !goes.is_disjoint(&stays)
    }

    /// Comments at the end of a set that is split up and goes follow its last
    /// entry.
    pub(super) fn assign_tail(&mut self, block: &Block) {
        let Some((slot, entry)) = block.slots.slots.last().zip(block.entries.last()) else {
            return;
        };
        let range = slot.extent.end..block.slots.close_start;
        let text = self.anatomy.slice(range.clone());
        let trimmed = text.trim();
        if trimmed.is_empty() || !block.entries.iter().all(|entry| self.gone(entry)) {
            return;
        }
        let start = range.start + (text.len() - text.trim_start().len());
        if let Some(owner) = last_item(entry) {
            let comment = start..start + trimmed.len();
            self.give(owner, std::slice::from_ref(&comment));
        }
    }

    fn give(&mut self, owner: ItemId, ranges: &[Range<usize>]) {
        for range in ranges {
            self.leaving.insert(range.start);
            self.owned.entry(owner).or_default().push(range.clone());
        }
    }

    /// The paths that a block of commented-out code binds.
    fn commented_paths(&self, range: &Range<usize>) -> Vec<Vec<String>> {
        let mut code = String::from("{\n");
        for line in self.anatomy.slice(range.clone()).lines() {
            code.push_str(line.trim_start().trim_start_matches('#'));
            code.push('\n');
        }
        code.push('}');
        rnix::Root::parse(&code)
            .syntax()
            .descendants()
            .filter_map(rnix::ast::AttrpathValue::cast)
            .filter_map(|binding| binding.attrpath())
            .map(|path| static_path(&path).0)
            .collect()
    }
}

/// Names in a path that say what it is about, and not what kind of thing it is.
fn subjects(path: &[String]) -> impl Iterator<Item = String> {
    const KINDS: [&str; 8] = [
        "config",
        "enable",
        "file",
        "interfaces",
        "secrets",
        "services",
        "settings",
        "system",
    ];
    path.iter()
        .skip(1)
        .flat_map(|name| name.split(|c: char| !c.is_ascii_alphanumeric()))
        .map(str::to_ascii_lowercase)
        .filter(|word| word.len() > 2 && !KINDS.contains(&word.as_str()))
}
