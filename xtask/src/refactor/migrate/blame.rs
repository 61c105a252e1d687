//! Which of the moved definitions a difference is about.

use std::collections::{BTreeMap, BTreeSet};

use super::judge::Judge;
use crate::model::term::Key;
use crate::proof::{Difference, Judgement};
use crate::refactor::anatomy::ItemId;
use crate::refactor::emit;
use crate::refactor::host::Proposal;

impl Judge<'_> {
    /// The moved items that differences are about.
    pub(super) fn blame(
        &self,
        bad: &[&Difference],
        proposal: &Proposal,
    ) -> BTreeMap<ItemId, String> {
        let mut blamed = BTreeMap::new();
        for difference in bad {
            let reason = match difference.judgement {
                Judgement::OrderOnly => "the order of its definitions would change".to_owned(),
                _ => difference.message.clone(),
            };
            let mut found: BTreeSet<ItemId> = BTreeSet::new();
            for span in &difference.before {
                if span.path != self.anatomy.path {
                    continue;
                }
                for id in proposal.taken.keys() {
                    let range = emit::node_range(&self.anatomy.items[*id].node);
                    if range.start < span.end as usize && (span.start as usize) < range.end {
                        found.insert(*id);
                    }
                }
            }
            if found.is_empty() {
                found = self.items_at(&difference.path, proposal);
            }
            if found.is_empty() {
                // Another host of a feature that had to change.
                let files: BTreeSet<&str> = difference
                    .before
                    .iter()
                    .chain(&difference.after)
                    .filter_map(|span| span.path.file_name()?.strip_suffix(".nix"))
                    .collect();
                let of_these =
                    |(id, name): (&ItemId, &String)| files.contains(name.as_str()).then_some(*id);
                found = proposal.taken.iter().filter_map(of_these).collect();
            }
            for id in found {
                blamed.entry(id).or_insert_with(|| reason.clone());
            }
        }
        blamed
    }

    /// Moved items whose path lies on the way to, or below, another.
    fn items_at(&self, path: &[Key], proposal: &Proposal) -> BTreeSet<ItemId> {
        let names: Vec<&str> = path
            .iter()
            .map_while(|key| match key {
                Key::Name(name) => Some(&**name),
                Key::Term(_) => None,
            })
            .collect();
        if names.is_empty() {
            return BTreeSet::new();
        }
        proposal
            .taken
            .keys()
            .copied()
            .filter(|id| {
                let own = &self.anatomy.items[*id].path;
                own.iter().zip(&names).all(|(a, b)| a == b)
            })
            .collect()
    }
}
