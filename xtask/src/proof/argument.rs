//! Arguments that know where the flake stands.
//!
//! `relativeToRoot = lib.path.append ./.` says no more than `self` does: whatever is
//! changed in the tree, it stays the same function. What it makes is a path, which
//! counts with all that stands there, wherever the path is known.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::term::{Key, Term, TermKind as K};
use crate::model::{Host, terms_of_host};
use crate::syntax::hir::Name;
use crate::tree::TreePath;

/// What the call that makes a host is given.
#[derive(PartialEq)]
pub(super) struct Argument<'h> {
    /// As in [`Host::arguments`]: `specialArgs.NAME`.
    pub name: &'h str,
    pub term: &'h Term,
}

impl Argument<'_> {
    /// With the flake in the place of its root's contents.
    pub(super) fn by_place(&self) -> Term {
        let mut memo = FxHashMap::default();
        self.term
            .rewrite(0, &mut memo, &|term, _| root_by_place(term))
    }

    /// Whether something that a host consists of still asks for what knows the
    /// place: a path that could not be computed, so that what stands there is not
    /// known either.
    pub(super) fn is_read_by(&self, host: &Host) -> bool {
        let own = self.name.rsplit('.').next().unwrap_or(self.name);
        let mut names = FxHashSet::default();
        let is_itself = attributes_with_root(self.term, &mut names);
        let mut found = false;
        for term in terms_of_host_alone(host) {
            term.walk(&mut |term| {
                found |= match term.kind() {
                    K::Arg(name) => is_itself && **name == *own,
                    K::ArgSet(_) => is_itself,
                    K::WithVar(name, _) => names.contains(name),
                    K::Select(_, keys, _) => keys.iter().any(|key| match key {
                        Key::Name(name) => names.contains(name) || is_itself && **name == *own,
                        Key::Term(_) => false,
                    }),
                    _ => false,
                }
            });
        }
        found
    }
}

/// All but the arguments themselves.
fn terms_of_host_alone(host: &Host) -> impl Iterator<Item = &Term> {
    let is_argument = |term: &Term| host.arguments.iter().any(|(_, own)| own == term);
    terms_of_host(host).filter(move |term| !is_argument(term))
}

/// The innermost attributes whose values know the root. Whether the value itself
/// does, outside of any attribute.
fn attributes_with_root(term: &Term, names: &mut FxHashSet<Name>) -> bool {
    match term.kind() {
        K::Set(fixed, dynamic) => {
            for (name, value) in fixed {
                if attributes_with_root(value, names) {
                    names.insert(name.clone());
                }
            }
            dynamic.iter().any(|(name, value)| {
                attributes_with_root(name, names) || attributes_with_root(value, names)
            })
        }
        _ if root_by_place(term).is_some_and(|other| other != *term) => true,
        _ => {
            let mut found = false;
            term.children(&mut |child| found |= attributes_with_root(child, names));
            found
        }
    }
}

/// A path to the root stands for the flake. A function of elsewhere that is given
/// one may read what is there.
fn root_by_place(term: &Term) -> Option<Term> {
    let flake = || Term::new(K::Flake);
    let is_root = |path: &TreePath| *path == TreePath::root();
    match term.kind() {
        K::Path(path, _) if is_root(path) => Some(flake()),
        K::PathInterp(path, _, parts) if is_root(path) => {
            Some(Term::interp([&[flake()], parts.as_slice()].concat()))
        }
        K::Apply(function, argument) => match argument.kind() {
            // `lib.path.append ./.`
            K::Path(path, _) if is_root(path) => Some(match is_append(function) {
                true => Term::new(K::Apply(function.clone(), flake())),
                false => term.clone(),
            }),
            // The overlay of a library is a part of it.
            K::Lambda(..) if is_extend(function) => None,
            _ => Some(term.clone()),
        },
        _ => None,
    }
}

fn ends_with(function: &Term, names: &[&str]) -> bool {
    let K::Select(_, keys, _) = function.kind() else {
        return false;
    };
    let mut pairs = keys.iter().rev().zip(names.iter().rev());
    keys.len() >= names.len()
        && pairs.all(|(key, name)| matches!(key, Key::Name(key) if **key == **name))
}

fn is_append(function: &Term) -> bool {
    ends_with(function, &["path", "append"])
}

fn is_extend(function: &Term) -> bool {
    ends_with(function, &["lib", "extend"])
}
