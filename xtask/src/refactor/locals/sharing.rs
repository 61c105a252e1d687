//! Who reads a local once definitions have gone to several files, and what
//! follows: it is repeated, passed as an option, or its readers stay together.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rnix::ast::{self, Expr};
use rowan::ast::AstNode;

use super::{Local, LocalsPlan, Names, Party, SHARES, Stay, kept_needs, needs_of, remove_entries};
use crate::refactor::anatomy::{Anatomy, ItemId, Layer, peel};
use crate::refactor::comments::span;
use crate::refactor::option;
use crate::refactor::scope::Needs;

/// A local that several sides read is repeated on each if it has at most this
/// many lines.
const REPEATED_LINES: usize = 3;

/// The same for a function: it cannot become an option.
const REPEATED_FUNCTION_LINES: usize = 12;

/// Who reads what.
pub(super) struct Sharing<'a> {
    anatomy: &'a Anatomy,
    parties: &'a [Party<'a>],
    all: &'a [Local],
    /// What each party needs.
    needs: Vec<Needs>,
    /// What the file itself still reads.
    kept: Needs,
}

impl<'a> Sharing<'a> {
    pub(super) fn of(
        anatomy: &'a Anatomy,
        parties: &'a [Party<'a>],
        all: &'a [Local],
        handed: &[Names],
    ) -> Self {
        let needs = parties
            .iter()
            .zip(handed)
            .map(|(party, handed)| needs_of(anatomy, party.items, &party.holes, handed))
            .collect();
        let moved: BTreeSet<ItemId> = parties
            .iter()
            .flat_map(|party| party.items.iter().copied())
            .collect();
        let staying: Vec<Range<usize>> = parties
            .iter()
            .flat_map(|party| party.stays.iter().cloned())
            .collect();
        let passed: Names = handed.iter().flatten().cloned().collect();
        Self {
            anatomy,
            parties,
            all,
            needs,
            kept: kept_needs(anatomy, &moved, all, &staying, &passed),
        }
    }

    fn readers(&self, local: &Local) -> Vec<usize> {
        (0..self.needs.len())
            .filter(|&at| self.needs.get(at).is_some_and(|needs| reads(needs, local)))
            .collect()
    }

    /// Whether several sides read a local that is too long to repeat.
    fn is_shared(&self, local: &Local, readers: &[usize]) -> bool {
        let sides = readers.len() + usize::from(reads(&self.kept, local));
        sides > 1 && !is_repeated(self.anatomy, local)
    }

    /// Locals that become options of those who read them.
    pub(super) fn to_hand_over(&self, handed: &[Names]) -> Vec<(usize, (usize, String))> {
        let mut more = Vec::new();
        for local in self.all {
            let readers = self.readers(local);
            let Some(name) = local.names.first().filter(|_| local.names.len() == 1) else {
                continue;
            };
            if !self.is_shared(local, &readers) || !is_data(local) {
                continue;
            }
            let takes = |at: &usize| {
                let options = self.parties.get(*at).and_then(|it| it.options.as_ref());
                let already = handed.get(*at).into_iter().flatten();
                options.is_some_and(|options| !options.contains(name) && name != "enable")
                    && !already.into_iter().any(|(_, other)| other == name)
                    // A name that is bound twice is not told apart in a let.
                    && !self.all.iter().any(|it| it.layer != local.layer && it.names.contains(name))
            };
            if readers.iter().all(takes) {
                more.extend(
                    readers
                        .into_iter()
                        .map(|at| (at, (local.layer, name.clone()))),
                );
            }
        }
        more
    }

    pub(super) fn settle(self, handed: Vec<Names>) -> Result<LocalsPlan, Vec<Stay>> {
        let mut stays: BTreeMap<ItemId, String> = BTreeMap::new();
        let mut gone: BTreeMap<usize, Vec<bool>> = BTreeMap::new();
        for local in self.all {
            let readers = self.readers(local);
            let host_reads = reads(&self.kept, local);
            if self.is_shared(local, &readers) {
                // Whoever reads most of it keeps it; the others stay behind.
                let size = |party: &Party<'_>| -> usize {
                    let items = party
                        .items
                        .iter()
                        .filter_map(|id| self.anatomy.items.get(*id));
                    items.map(|item| item.lines).sum()
                };
                let winner = readers
                    .iter()
                    .copied()
                    .filter(|_| !host_reads)
                    .max_by_key(|&at| self.parties.get(at).map_or(0, size));
                for at in readers.iter().copied().filter(|at| Some(*at) != winner) {
                    self.stay(at, local, &handed, &mut stays);
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
            if let Some(Layer::Let(node)) = self.anatomy.layers.get(layer) {
                remove_entries(self.anatomy, node, &gone, &mut removals);
            }
        }
        Ok(LocalsPlan {
            carried: self.needs.into_iter().map(|needs| needs.locals).collect(),
            handed,
            removals,
        })
    }

    /// The items of a party that read a local stay.
    fn stay(
        &self,
        at: usize,
        local: &Local,
        handed: &[Names],
        stays: &mut BTreeMap<ItemId, String>,
    ) {
        let (Some(party), Some(handed)) = (self.parties.get(at), handed.get(at)) else {
            return;
        };
        for id in party.items {
            let own = needs_of(self.anatomy, &BTreeSet::from([*id]), &party.holes, handed);
            if reads(&own, local) {
                let names = local.names.join("`, `");
                stays
                    .entry(*id)
                    .or_insert_with(|| format!("{SHARES}{names}` with other definitions"));
            }
        }
    }
}

fn reads(needs: &Needs, local: &Local) -> bool {
    local
        .names
        .iter()
        .any(|name| needs.locals.contains(&(local.layer, name.clone())))
}

/// Whether a local is written once more for every side that reads it.
fn is_repeated(anatomy: &Anatomy, local: &Local) -> bool {
    let text = anatomy.slice(span(local.slot.node.text_range()));
    let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
    let limit = match value_of(local) {
        Some(Expr::Lambda(_)) => REPEATED_FUNCTION_LINES,
        Some(_) => REPEATED_LINES,
        // Of an `inherit` only the names that are read are repeated.
        None => return true,
    };
    lines <= limit
}

/// Whether a local is a value that can be the value of an option.
fn is_data(local: &Local) -> bool {
    let value = value_of(local);
    value.is_some_and(|value| {
        !matches!(value, Expr::Lambda(_)) && !option::is_property(value.syntax())
    })
}

/// What is bound to a local; `None` for an `inherit`.
fn value_of(local: &Local) -> Option<Expr> {
    let binding = ast::AttrpathValue::cast(local.slot.node.clone())?;
    binding.value().map(peel)
}
