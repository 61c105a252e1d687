//! What is declared, and what is defined that may not be.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Difference, HostVerdict, Judgement};
use crate::model::term::{Digest, Key};
use crate::model::{Definition, Resolved};
use crate::options::{OptionTable, PathKind};
use crate::problem::Span;
use crate::syntax::hir::Name;

/// What is said of a new option of which nobody knows the value.
pub const NOT_CERTAIN: &str = "is declared, and its value is not certain";

pub(super) fn compare_declarations(
    before: &Resolved<'_>,
    after: &Resolved<'_>,
    verdict: &mut HostVerdict,
) {
    let effects = |side: &Resolved<'_>| {
        let mut all: FxHashMap<Vec<Name>, Vec<(Digest, Option<Span>)>> = FxHashMap::default();
        for declaration in &side.host.declarations {
            if !side.transparent.contains(&declaration.path) {
                all.entry(declaration.path.clone())
                    .or_default()
                    .push((declaration.effect.digest(), declaration.span.clone()));
            }
        }
        all
    };
    let (a, b) = (effects(before), effects(after));
    let mut paths: Vec<&Vec<Name>> = a.keys().chain(b.keys()).collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        let digests = |side: &FxHashMap<Vec<Name>, Vec<(Digest, Option<Span>)>>| {
            let mut digests: Vec<Digest> = side
                .get(path)
                .into_iter()
                .flatten()
                .map(|(digest, _)| *digest)
                .collect();
            digests.sort_unstable();
            digests
        };
        if digests(&a) == digests(&b) {
            continue;
        }
        let shown = path.join(".");
        let (message, judgement) = match (a.get(path), b.get(path)) {
            (None, Some(_)) => (
                format!("option `{shown}` {NOT_CERTAIN}"),
                Judgement::Unknown,
            ),
            (Some(_), None) => (
                format!("option `{shown}` is no longer declared"),
                Judgement::Different,
            ),
            _ => (
                format!("the declaration of option `{shown}` changed"),
                Judgement::Different,
            ),
        };
        let spans = |side: &FxHashMap<Vec<Name>, Vec<(Digest, Option<Span>)>>| -> Vec<Span> {
            side.get(path)
                .into_iter()
                .flatten()
                .filter_map(|(_, span)| span.clone())
                .collect()
        };
        verdict.differences.push(Difference {
            judgement,
            path: path.iter().cloned().map(Key::Name).collect(),
            message,
            before: spans(&a),
            after: spans(&b),
        });
    }
    // The module system refuses an option that is declared twice.
    for (side, host) in [(before, "before"), (after, "after")] {
        let mut seen: FxHashMap<&[Name], usize> = FxHashMap::default();
        for declaration in &side.host.declarations {
            *seen.entry(&declaration.path).or_default() += 1;
        }
        let doubled = |path: &[Name], other: &Resolved<'_>| {
            other
                .host
                .declarations
                .iter()
                .filter(|d| d.path == path)
                .count()
        };
        let other = if host == "before" { after } else { before };
        for (path, count) in seen {
            if count > 1 && doubled(path, other) != count {
                let path = path.join(".");
                verdict.add(
                    Judgement::Different,
                    format!("option `{path}` is declared {count} times {host}"),
                );
            }
        }
    }
}

/// Even under a condition that is false, an undeclared option is an error.
pub(super) fn compare_inactive(
    before: &Resolved<'_>,
    after: &Resolved<'_>,
    table: &OptionTable<'_>,
    verdict: &mut HostVerdict,
) {
    let view = table.for_release(None);
    let known = |side: &Resolved<'_>, definition: &Definition| {
        // Below a computed name the option has long been decided on.
        let names: Vec<&str> = definition
            .path
            .iter()
            .map_while(|key| match key {
                Key::Name(name) => Some(&**name),
                Key::Term(_) => None,
            })
            .collect();
        // A namespace of the repository's own may hold options of inputs too.
        (1..=names.len()).any(|end| {
            matches!(
                side.host.path_kind(view, &names[..end]),
                PathKind::Option(_) | PathKind::Inside { .. }
            )
        })
    };
    let defined: FxHashSet<&[Key]> = before
        .definitions
        .iter()
        .chain(&before.inactive)
        .map(|definition| definition.path.as_slice())
        .collect();
    for definition in &after.inactive {
        let path = definition.path.as_slice();
        // Short paths are namespaces of which all that is below was defined.
        let before_too = defined.contains(path)
            || (1..=2).any(|end| path.get(..end).is_some_and(|above| defined.contains(above)));
        if !before_too && !known(after, definition) {
            verdict.differences.push(Difference {
                judgement: Judgement::Unknown,
                path: definition.path.clone(),
                message: format!(
                    "`{}` is defined under a condition that is false, and it is not known whether the option is declared",
                    definition.path_text()
                ),
                before: Vec::new(),
                after: definition.span.iter().cloned().collect(),
            });
        }
    }
}
