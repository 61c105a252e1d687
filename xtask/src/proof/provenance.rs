//! Who reads where definitions stand.
//!
//! `options.x.files`, `definitionsWithLocations` and their like show in which files
//! an option is defined: then a definition that moves is a change.

use rustc_hash::FxHashSet;

use super::{HostVerdict, Judgement};
use crate::model::term::{Key, Term, TermKind as K};
use crate::model::{Definition, Host, terms_of_host};
use crate::problem::Span;
use crate::syntax::hir::Name;
use crate::tree::TreePath;

/// What an option says of itself wherever it is defined.
const HARMLESS: [&str; 14] = [
    "_type",
    "default",
    "defaultText",
    "definitions",
    "description",
    "example",
    "highestPrio",
    "internal",
    "isDefined",
    "loc",
    "name",
    "type",
    "value",
    "visible",
];

pub(super) fn compare_provenance(before: &Host, after: &Host, verdict: &mut HostVerdict) {
    let mut read: FxHashSet<Vec<Name>> = FxHashSet::default();
    let mut positions = false;
    for host in [before, after] {
        for term in terms_of_host(host) {
            term.walk(&mut |term| {
                read.extend(reads(term));
                positions |= reads_positions(term);
            });
        }
    }
    let spans = |host: &Host| -> Vec<Option<Span>> {
        let definitions = host.definitions.iter();
        definitions
            .map(|definition| definition.span.clone())
            .collect()
    };
    if positions && spans(before) != spans(after) {
        verdict.add(
            Judgement::Unknown,
            "`unsafeGetAttrPos` reads where attributes stand, and that changed".to_owned(),
        );
    }
    let mut read: Vec<Vec<Name>> = read.into_iter().collect();
    read.sort();
    for path in read {
        if places(before, &path) == places(after, &path) {
            continue;
        }
        let name = std::iter::once("options").chain(path.iter().map(|name| &**name));
        let name: Vec<&str> = name.collect();
        verdict.add(
            Judgement::Unknown,
            format!(
                "`{}` is read with the places of what is below, and these changed",
                name.join(".")
            ),
        );
    }
}

/// The path below which this term may read places.
fn reads(term: &Term) -> Option<Vec<Name>> {
    let K::Select(base, keys, _) = term.kind() else {
        return None;
    };
    // A parameter of that name is the argument of a module inside of a value: a
    // specialisation has the options of its host.
    let is_options = |name: &Name| &**name == "options";
    let keys = match (base.kind(), keys.split_first()) {
        (K::Arg(name) | K::Bound(_, name), _) if is_options(name) => keys,
        (K::Bound(..) | K::ArgSet(_), Some((Key::Name(name), rest))) if is_options(name) => rest,
        _ => return None,
    };
    let mut path = Vec::new();
    for key in keys {
        match key {
            Key::Name(name) if HARMLESS.contains(&&**name) => return None,
            Key::Name(name) if is_of_places(name) => return Some(path),
            Key::Name(name) => path.push(name.clone()),
            Key::Term(_) => return Some(path),
        }
    }
    Some(path)
}

fn reads_positions(term: &Term) -> bool {
    let is_it = |name: &str| name == "unsafeGetAttrPos";
    match term.kind() {
        K::Global(name) => is_it(name),
        K::Select(_, keys, _) => {
            matches!(keys.last(), Some(Key::Name(name)) if is_it(name))
        }
        _ => false,
    }
}

fn is_of_places(name: &str) -> bool {
    name.starts_with("definitionsWith") || name == "files" || name.starts_with("declaration")
}

/// The files in which everything at, above and below a path is defined, in merge
/// order, and declared.
fn places<'h>(host: &'h Host, path: &[Name]) -> (Vec<Option<&'h TreePath>>, Vec<&'h TreePath>) {
    let overlaps = |definition: &&Definition| {
        let mut pairs = definition.path.iter().zip(path);
        pairs.all(|(key, name)| match key {
            Key::Name(key) => key == name,
            Key::Term(_) => true,
        })
    };
    let definitions = host.definitions.iter().filter(overlaps);
    let declared = host.declarations.iter().filter(|declaration| {
        let mut pairs = declaration.path.iter().zip(path);
        pairs.all(|(declared, name)| declared == name)
    });
    let mut declared: Vec<&TreePath> = declared
        .filter_map(|declaration| Some(&declaration.span.as_ref()?.path))
        .collect();
    declared.sort();
    (
        definitions
            .map(|it| it.span.as_ref().map(|span| &span.path))
            .collect(),
        declared,
    )
}
