//! Reads of certain options replaced by their values.

use rustc_hash::FxHashMap;

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
    let mut kept = Vec::with_capacity(definitions.len());
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
        let mut active = true;
        definition.wrappers.retain_mut(|(_, wrapper)| {
            let Wrapper::If(condition) = wrapper else {
                return true;
            };
            *condition = replace(condition);
            match condition.kind() {
                K::Bool(true) => false,
                K::Bool(false) => {
                    active = false;
                    true
                }
                _ => true,
            }
        });
        if active {
            kept.push(definition)
        } else {
            inactive.push(definition)
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
