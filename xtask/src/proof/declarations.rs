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

/// What each option's declarations do, and where they stand.
struct Effects<'a>(FxHashMap<&'a [Name], Vec<(Digest, Option<&'a Span>)>>);

impl<'a> Effects<'a> {
    fn of(side: &'a Resolved<'_>, wanted: impl Fn(&Vec<Name>) -> bool) -> Self {
        let mut all: FxHashMap<&[Name], Vec<_>> = FxHashMap::default();
        for declaration in &side.host.declarations {
            if wanted(&declaration.path) {
                all.entry(&declaration.path)
                    .or_default()
                    .push((declaration.effect.digest(), declaration.span.as_ref()));
            }
        }
        Self(all)
    }

    fn at(&self, path: &[Name]) -> impl Iterator<Item = &(Digest, Option<&'a Span>)> {
        self.0.get(path).into_iter().flatten()
    }

    fn digests(&self, path: &[Name]) -> Vec<Digest> {
        let mut digests: Vec<Digest> = self.at(path).map(|(digest, _)| *digest).collect();
        digests.sort_unstable();
        digests
    }

    fn spans(&self, path: &[Name]) -> Vec<Span> {
        self.at(path)
            .filter_map(|(_, span)| span.cloned())
            .collect()
    }
}

pub(super) fn compare_declarations(
    before: &Resolved<'_>,
    after: &Resolved<'_>,
    verdict: &mut HostVerdict,
) {
    let (all_a, all_b) = (Effects::of(before, |_| true), Effects::of(after, |_| true));
    // An option that is replaced by its value has no effect of its own.
    let a = Effects::of(before, |path| !before.transparent.contains(path));
    let b = Effects::of(after, |path| !after.transparent.contains(path));
    let mut paths: Vec<&[Name]> = a.0.keys().chain(b.0.keys()).copied().collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        if a.digests(path) == b.digests(path) {
            continue;
        }
        let shown = path.join(".");
        let (digests_a, digests_b) = (all_a.digests(path), all_b.digests(path));
        let (message, judgement) = if digests_b.is_empty() {
            (
                format!("option `{shown}` is no longer declared"),
                Judgement::Different,
            )
        } else if digests_a.is_empty() || digests_a == digests_b {
            (
                format!("option `{shown}` {NOT_CERTAIN}"),
                Judgement::Unknown,
            )
        } else {
            (
                format!("the declaration of option `{shown}` changed"),
                Judgement::Different,
            )
        };
        verdict.differences.push(Difference {
            judgement,
            path: path.iter().cloned().map(Key::Name).collect(),
            message,
            before: all_a.spans(path),
            after: all_b.spans(path),
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
