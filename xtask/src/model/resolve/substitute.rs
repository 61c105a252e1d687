//! Reads of certain options replaced by their values.

use rustc_hash::{FxHashMap, FxHashSet};

use super::ROUNDS;
use crate::model::term::{Key, Term, TermKind as K};
use crate::model::{Definition, Wrapper};
use crate::syntax::hir::Name;

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
        // Above the outermost condition that is false.
        let mut holds_above: Option<usize> = None;
        definition.wrappers.retain_mut(|(level, wrapper)| {
            let Wrapper::If(condition) = wrapper else {
                return true;
            };
            *condition = replace(condition);
            match condition.kind() {
                K::Bool(true) => false,
                K::Bool(false) => {
                    holds_above = Some(holds_above.map_or(*level, |other| other.min(*level)));
                    true
                }
                _ => true,
            }
        });
        fates.push((definition, holds_above));
    }
    let created = names_created(&fates);
    // A false condition at an option or above it leaves nothing. Below, the names
    // above it exist: `etc.motd.text = mkIf false …` makes an entry `motd`, which
    // is nothing where that entry exists anyway.
    let is_gone = |(definition, holds_above): &(Definition, Option<usize>)| {
        holds_above.is_some_and(|level| {
            let above = level.saturating_sub(1).max(definition.option);
            let above = definition.path.get(..above);
            level <= definition.option || above.is_some_and(|above| created.contains(above))
        })
    };
    let gone: Vec<bool> = fates.iter().map(is_gone).collect();
    for ((definition, _), gone) in fates.into_iter().zip(gone) {
        if gone {
            inactive.push(definition);
        } else {
            definitions.push(definition);
        }
    }
}

/// The paths at and below options that exist by definitions that hold.
fn names_created(fates: &[(Definition, Option<usize>)]) -> FxHashSet<&[Key]> {
    let mut created = FxHashSet::default();
    if fates.iter().all(|(_, holds_above)| holds_above.is_none()) {
        return created;
    }
    for (definition, holds_above) in fates {
        if holds_above.is_some() {
            continue;
        }
        let conditions = definition.wrappers.iter().filter_map(|(level, wrapper)| {
            matches!(wrapper, Wrapper::If(_)).then_some(level.saturating_sub(1))
        });
        let last = conditions.min().unwrap_or(definition.path.len());
        let known = definition.option..=last.min(definition.path.len());
        created.extend(known.filter_map(|end| definition.path.get(..end)));
    }
    created
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
