//! Reads of a repository's own options replaced by their values.
//!
//! An option that a repository declares for itself (`features.x.enable`) has no
//! effect but through its reads. Where its value is certain, the reads are
//! replaced by it and the option itself no longer counts; what is left is what
//! the module system would have been given without the option.

mod certain;
mod reads;
mod restrictions;
mod slice;
mod substitute;

use rustc_hash::{FxHashMap, FxHashSet};

use super::path_index::PathIndex;
use super::term::{Key, Term};
use super::{Declaration, Definition, Host, Wrapper};
use crate::syntax::hir::Name;
use certain::{candidates, certain_value};
pub use reads::{ForeignReads, foreign_reads, foreign_reads_in, terms_of_host};
use reads::{Reads, outside_terms, read_by, read_paths};
pub(super) use reads::{given_host, terms_inside};
pub use slice::Slice;
use substitute::substitute;

/// Rounds of replacing until nothing changes; features that read features.
const ROUNDS: usize = 8;

/// Priority of an option's default.
const DEFAULT_PRIORITY: i64 = 1500;

/// A host with the reads of its certain options replaced.
pub struct Resolved<'h> {
    /// The host.
    pub host: &'h Host,
    /// The definitions that count, in merge order.
    pub definitions: Vec<Definition>,
    /// Definitions under a condition that is certainly false.
    pub inactive: Vec<Definition>,
    /// Paths of options that no longer count.
    pub transparent: FxHashSet<Vec<Name>>,
    /// Values of those options.
    pub values: FxHashMap<Vec<Name>, Term>,
}

impl<'h> Resolved<'h> {
    /// Replaces what is certain.
    pub fn new(host: &'h Host) -> Self {
        Self::against(host, None, &[])
    }

    /// Replaces what is certain, knowing an earlier state of the host. A module
    /// that is not followed and has not changed since cannot define an option
    /// that was not declared then: it would not have evaluated. Options that
    /// other hosts read (`foreign`) count as they are.
    pub fn against(host: &'h Host, before: Option<&Host>, foreign: &[&ForeignReads]) -> Self {
        let mut candidates: Vec<&Declaration> = candidates(host, before);
        let is_old = |path: &[Name]| before.is_none_or(|before| before.declared.overlaps(path));
        // A read of which the path is not known cannot be meant for a new option.
        candidates.retain(|declaration| {
            let path = &declaration.path;
            !foreign
                .iter()
                .any(|reads| reads.paths.overlaps(path) || reads.all && is_old(path))
        });
        if !candidates.is_empty() {
            let reads = Reads::of(host);
            // Code that is handed all of `config` cannot have been written for
            // an option that is new.
            candidates.retain(|declaration| {
                let path = &declaration.path;
                !(reads.block(path) || reads.escapes && is_old(path))
            });
        }
        let mut resolved = Self {
            host,
            definitions: host.definitions.clone(),
            inactive: Vec::new(),
            transparent: FxHashSet::default(),
            values: FxHashMap::default(),
        };
        if !candidates.is_empty() {
            resolved.replace(&candidates);
            resolved.count_what_is_read();
            let Self {
                definitions,
                inactive,
                transparent,
                ..
            } = &mut resolved;
            definitions.retain(|definition| !is_transparent(&definition.path, transparent));
            inactive.retain(|definition| !is_transparent(&definition.path, transparent));
        }
        resolved
    }

    /// An option that is still read where values are not replaced counts as it is.
    fn count_what_is_read(&mut self) {
        loop {
            let counting = self.host.declarations.iter();
            let counting = counting.filter(|it| !self.transparent.contains(&it.path));
            let terms = counting
                .map(|it| &it.effect)
                .chain(outside_terms(self.host));
            let reads: PathIndex = read_by(terms).iter().collect();
            let count = self.transparent.len();
            self.transparent.retain(|path| !reads.overlaps(path));
            if self.transparent.len() == count {
                return;
            }
        }
    }

    fn replace(&mut self, candidates: &[&Declaration]) {
        let Self {
            definitions,
            inactive,
            transparent,
            values,
            ..
        } = self;
        for _ in 0..ROUNDS {
            let mut learned = false;
            let index = fixed_parts(definitions);
            for declaration in candidates {
                if values.contains_key(&declaration.path) {
                    continue;
                }
                if let Some(value) = certain_value(declaration, definitions, &index) {
                    values.insert(declaration.path.clone(), value);
                    learned = true;
                }
            }
            if !learned {
                break;
            }
            substitute(definitions, inactive, values);
        }
        // A value that still reads a replaced option would be replaced forever.
        transparent.extend(values.keys().cloned());
        // The module system never asks for the value of an option that nothing
        // defines and nothing reads.
        let reads: PathIndex = read_paths(definitions).iter().collect();
        let defined = fixed_parts(definitions);
        for declaration in candidates {
            let path = &declaration.path;
            if declaration.default.is_none()
                && !transparent.contains(path)
                && !reads.overlaps(path)
                && !defined.overlaps(path)
            {
                transparent.insert(path.clone());
            }
        }
    }
}

/// The definitions by the part of their path that is fixed.
fn fixed_parts(definitions: &[Definition]) -> PathIndex {
    let paths = definitions.iter();
    paths
        .map(|definition| known_part(&definition.path))
        .collect()
}

/// All that a definition consists of beside its fixed names.
pub fn terms_of(definition: &Definition) -> impl Iterator<Item = &Term> {
    let keys = definition.path.iter().filter_map(|key| match key {
        Key::Term(term) => Some(term),
        Key::Name(_) => None,
    });
    let conditions = definition
        .wrappers
        .iter()
        .filter_map(|(_, wrapper)| match wrapper {
            Wrapper::If(condition) => Some(condition),
            _ => None,
        });
    keys.chain(conditions).chain([&definition.value])
}

fn known_part(keys: &[Key]) -> Vec<Name> {
    keys.iter()
        .map_while(|key| match key {
            Key::Name(name) => Some(name.clone()),
            Key::Term(_) => None,
        })
        .collect()
}

fn is_transparent(path: &[Key], transparent: &FxHashSet<Vec<Name>>) -> bool {
    fixed_path(path).is_some_and(|path| transparent.contains(&path))
}

fn fixed_path(path: &[Key]) -> Option<Vec<Name>> {
    path.iter()
        .map(|key| {
            if let Key::Name(name) = key {
                Some(name.clone())
            } else {
                None
            }
        })
        .collect()
}
