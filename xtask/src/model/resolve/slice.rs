//! What a part of a host's configuration is made of.

use rustc_hash::FxHashSet;

use super::known_part;
use super::reads::{is_around, is_whole, through_nested};
use crate::model::term::{ParamTerm, Term, TermKind as K};
use crate::syntax::hir::Name;

/// What terms take from the rest of their host.
#[derive(Debug, Default)]
pub struct Slice {
    /// Paths of `config` and `options` that are read; the empty one for all of it.
    pub paths: FxHashSet<Vec<Name>>,
    /// The set of packages is named.
    pub packages: bool,
    /// Arguments are named that the host itself may define.
    pub arguments: bool,
}

/// What every module is given.
fn is_standard(name: &str) -> bool {
    matches!(name, "lib" | "modulesPath" | "name") || is_around(name) || is_packages(name)
}

fn is_packages(name: &str) -> bool {
    matches!(name, "pkgs" | "final" | "prev" | "super" | "self'")
}

impl Slice {
    /// Adds what a term takes.
    pub fn add(&mut self, term: &Term) {
        self.handed_on(term);
        term.walk(&mut |term| self.add_one(term));
    }

    /// A configuration that is not the base of a selection is read as a whole.
    fn handed_on(&mut self, term: &Term) {
        let is_nested = matches!(term.kind(), K::Bound(_, name) | K::Fresh(_, name) if is_around(name) && &**name != "config");
        if is_whole(term) || is_nested {
            self.paths.insert(Vec::new());
        }
    }

    fn add_one(&mut self, term: &Term) {
        let base = match term.kind() {
            K::Select(base, keys, _) | K::HasAttr(base, keys) => {
                let path = match base.kind() {
                    K::Arg(name) if is_around(name) => Some(keys.as_slice()),
                    _ => through_nested(base, keys).map(|(_, path)| path),
                };
                self.paths.extend(path.map(known_part));
                path.map(|_| base)
            }
            _ => None,
        };
        term.children(&mut |child| {
            if base != Some(child) {
                self.handed_on(child);
            }
        });
        match term.kind() {
            K::ArgSet(_) => (self.packages, self.arguments) = (true, true),
            K::Arg(name) | K::Bound(_, name) | K::Fresh(_, name) if is_packages(name) => {
                self.packages = true;
            }
            K::Arg(name) => self.arguments |= !is_standard(name),
            K::Lambda(ParamTerm::Set(formals, ..), _) => {
                self.arguments |= formals.iter().any(|(name, _)| !is_standard(name));
            }
            K::Lambda(..) => self.arguments = true,
            _ => {}
        }
    }
}
