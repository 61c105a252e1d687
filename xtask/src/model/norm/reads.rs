//! Which reads of files are followed to what they read.

use crate::model::term::{Key, Term, TermKind as K};
use crate::syntax::hir::BinaryOp;

/// Functions that read what stands at their last argument.
const READERS: [&str; 11] = [
    "fileContents",
    "filterSource",
    "hashFile",
    "import",
    "importJSON",
    "importTOML",
    "listFilesRecursive",
    "pathExists",
    "readDir",
    "readFile",
    "readFileType",
];

/// Whether a function reads files.
pub(super) fn is_reader(function: &Term) -> bool {
    let name = match function.kind() {
        K::Global(name) | K::WithVar(name, _) => name,
        K::Select(_, path, None) => match path.last() {
            Some(Key::Name(name)) => name,
            _ => return false,
        },
        // Of two arguments the last is the file.
        K::Apply(inner, _) => {
            return match inner.kind() {
                K::Global(name) => matches!(&**name, "filterSource" | "hashFile"),
                _ => false,
            };
        }
        _ => return false,
    };
    READERS.contains(&&**name)
}

/// Whether a function gives the directory that a path is in.
pub(super) fn is_parent_of(function: &Term) -> bool {
    match function.kind() {
        K::Global(name) | K::WithVar(name, _) => &**name == "dirOf",
        K::Select(_, keys, None) => {
            matches!(keys.last(), Some(Key::Name(name)) if &**name == "dirOf")
        }
        _ => false,
    }
}

/// Whether what a reader is given says which part of the tree it reads: the place
/// is in the term with its digest, or it is none of the tree.
pub(super) fn is_followed(argument: &Term) -> bool {
    match argument.kind() {
        K::Path(..) | K::PathInterp(..) | K::Arg(_) | K::Bound(..) | K::Fresh(..) => true,
        K::Select(base, _, _) => is_followed(base),
        K::Interp(parts) => match parts.split_first() {
            Some((first, rest)) if matches!(first.kind(), K::Path(..) | K::PathInterp(..)) => {
                rest.iter().all(stays)
            }
            _ => !may_hold_tree(argument),
        },
        K::Binary(BinaryOp::Add, left, right) => {
            is_place(left) && stays(right) || !may_hold_tree(argument)
        }
        K::If(_, then, other) => is_followed(then) && is_followed(other),
        K::Apply(function, _) if is_of_packages(function) => !may_hold(argument, true),
        _ => !may_hold_tree(argument),
    }
}

/// Whether a function is one of `pkgs`: of the tree its result is made of what it is
/// given alone, which is in its term.
fn is_of_packages(function: &Term) -> bool {
    match function.kind() {
        K::Apply(function, _) => is_of_packages(function),
        K::Select(base, _, None) => {
            matches!(base.kind(), K::Arg(name) if &**name == "pkgs")
        }
        _ => false,
    }
}

/// The beginning of a sum that has its digest.
fn is_place(term: &Term) -> bool {
    match term.kind() {
        K::Path(..) | K::PathInterp(..) => true,
        K::Binary(BinaryOp::Add, left, right) => is_place(left) && stays(right),
        _ => false,
    }
}

/// Whether a text leads to nothing above of where it begins, as far as it is written.
fn stays(term: &Term) -> bool {
    let mut stays = true;
    term.walk(&mut |term| {
        stays &= !matches!(term.kind(), K::Str(text) if text.contains(".."));
    });
    stays
}

/// Whether a text after a path leads to something below that path.
pub(super) fn goes_down(term: &Term) -> bool {
    let first = match term.kind() {
        K::Interp(parts) => parts.first().map(Term::kind),
        kind => Some(kind),
    };
    let down = match first {
        Some(K::Str(text)) => text.starts_with('/'),
        Some(K::OutsidePath(_)) => true,
        _ => false,
    };
    down && stays(term)
}

/// Whether a term holds the tree, a place in it, or what may be one.
fn may_hold_tree(term: &Term) -> bool {
    may_hold(term, false)
}

/// The same, but for places that are in the term with what stands there.
fn may_hold(term: &Term, but_places: bool) -> bool {
    let mut stack = vec![term.clone()];
    while let Some(term) = stack.pop() {
        match term.kind() {
            K::Path(..) if but_places => {}
            K::PathInterp(_, _, parts) if but_places => stack.extend(parts.iter().cloned()),
            K::Flake | K::Inputs | K::Path(..) | K::PathInterp(..) | K::Place(..) => return true,
            K::Arg(name) | K::Bound(_, name) | K::Fresh(_, name) if !is_elsewhere(name) => {
                return true;
            }
            K::Select(base, path, _) if is_inputs(base) => match path.first() {
                Some(Key::Name(name)) if &**name != "self" => {}
                _ => return true,
            },
            _ => term.children(&mut |child| stack.push(child.clone())),
        }
    }
    false
}

fn is_inputs(term: &Term) -> bool {
    match term.kind() {
        K::Inputs => true,
        K::Arg(name) => &**name == "inputs",
        _ => false,
    }
}

/// Whether an argument of this name holds nothing of the tree.
fn is_elsewhere(name: &str) -> bool {
    matches!(
        name,
        "pkgs" | "config" | "lib" | "options" | "modulesPath" | "utils"
    )
}
