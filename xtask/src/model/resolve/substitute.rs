//! Reads of certain options replaced by their values.

use rustc_hash::{FxHashMap, FxHashSet};

use super::ROUNDS;
use crate::model::term::{Key, Term, TermKind as K};
use crate::model::{Definition, Wrapper};
use crate::syntax::hir::Name;

/// What a condition that is false leaves of a definition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// The names above it: `etc.motd.text = mkIf false …` makes an entry `motd`.
    Kept,
    /// The option itself, defined as empty: `settings.x = mkIf false …`.
    Name,
    /// Nothing.
    Gone,
}

impl Fate {
    /// Of a condition below `level` components of a path to an option of `option`.
    fn of(level: usize, option: usize) -> Self {
        match level.saturating_sub(option) {
            0 => Self::Gone,
            1 => Self::Name,
            _ => Self::Kept,
        }
    }
}

pub(super) fn substitute(
    definitions: &mut Vec<Definition>,
    inactive: &mut Vec<Definition>,
    values: &FxHashMap<Vec<Name>, Term>,
) {
    let mut memo = FxHashMap::default();
    let mut replace = |term: &Term| {
        let mut term = term.clone();
        for _ in 0..ROUNDS {
            let next = term.rewrite(0, &mut memo, &|term, _| read_of(term, values));
            if next == term {
                break;
            }
            term = next;
        }
        term
    };
    let mut fates = Vec::with_capacity(definitions.len());
    for mut definition in definitions.drain(..) {
        definition.value = replace(&definition.value);
        for key in &mut definition.path {
            if let Key::Term(term) = key {
                let term = replace(term);
                *key = match term.kind() {
                    K::Str(name) => Key::Name(name.clone()),
                    _ => Key::Term(term),
                };
            }
        }
        let mut fate = Fate::Kept;
        let option = definition.option;
        definition.wrappers.retain_mut(|(level, wrapper)| {
            let Wrapper::If(condition) = wrapper else {
                return true;
            };
            *condition = replace(condition);
            match condition.kind() {
                K::Bool(true) => false,
                K::Bool(false) => {
                    fate = fate.max(Fate::of(*level, option));
                    true
                }
                _ => true,
            }
        });
        fates.push((definition, fate));
    }
    // An option that is defined otherwise does not mind a name that is not there.
    let defined: FxHashSet<Vec<Key>> = fates
        .iter()
        .filter(|(_, fate)| *fate == Fate::Kept)
        .filter_map(|(it, _)| Some(it.path.get(..it.option)?.to_vec()))
        .collect();
    let mut kept = Vec::with_capacity(fates.len());
    for (definition, fate) in fates {
        let option = definition.path.get(..definition.option);
        let gone = match fate {
            Fate::Kept => false,
            Fate::Name => option.is_some_and(|option| defined.contains(option)),
            Fate::Gone => true,
        };
        if gone {
            inactive.push(definition)
        } else {
            kept.push(definition)
        }
    }
    *definitions = kept;
}

/// The value that stands for a term, if it reads a certain option.
fn read_of(term: &Term, values: &FxHashMap<Vec<Name>, Term>) -> Option<Term> {
    let K::Select(base, path, _) = term.kind() else {
        return None;
    };
    if !matches!(base.kind(), K::Arg(name) if &**name == "config") {
        return None;
    }
    let mut prefix: Vec<Name> = Vec::with_capacity(path.len());
    for (index, key) in path.iter().enumerate() {
        let Key::Name(name) = key else { return None };
        prefix.push(name.clone());
        if let Some(value) = values.get(&prefix) {
            return Some(Term::select(
                value.clone(),
                path[index + 1..].to_vec(),
                None,
            ));
        }
    }
    None
}
