//! What definitions under a condition that is false bring about all the same.
//!
//! ```nix
//! users.users.bob.shell = lib.mkIf false "/bin/sh";
//! ```
//! defines no shell, but a user: `users.users` has an attribute `bob`.

use rustc_hash::FxHashSet;

use super::{HostVerdict, Judgement};
use crate::model::term::{Key, TermKind};
use crate::model::{Definition, Resolved, Wrapper, path_text};
use crate::options::{OptionTable, OptionType, View};

/// Attributes that only definitions under a false condition create must be the
/// same on both sides.
pub(super) fn compare_created(
    before: &Resolved<'_>,
    after: &Resolved<'_>,
    table: &OptionTable<'_>,
    verdict: &mut HostVerdict,
) {
    if before.inactive.is_empty() && after.inactive.is_empty() {
        return;
    }
    let view = table.for_release(None);
    let (a, b) = (created(before, view), created(after, view));
    let mut changed: Vec<&Vec<Key>> = a.symmetric_difference(&b).collect();
    changed.sort_by_key(|path| path_text(path));
    for path in changed {
        verdict.add(
            Judgement::Different,
            format!(
                "`{}` exists because of a definition whose condition is false, on one side only",
                path_text(path)
            ),
        );
    }
}

/// Paths of attributes that exist by nothing but inactive definitions.
fn created(side: &Resolved<'_>, view: View<'_, '_>) -> FxHashSet<Vec<Key>> {
    let mut found = FxHashSet::default();
    for definition in &side.inactive {
        let level = false_level(definition);
        let names: Vec<&str> = definition
            .path
            .iter()
            .map_while(|key| match key {
                Key::Name(name) => Some(&**name),
                Key::Term(_) => None,
            })
            .collect();
        for end in 1..=level.min(names.len()) {
            let parent = names.get(..end - 1).unwrap_or_default();
            let kind = side.host.path_kind(view, parent);
            // A condition right around an attribute takes it out of an `attrsOf`,
            // but not out of a `lazyAttrsOf`.
            let creates = match kind.value_type() {
                Some(kind) if end < level => is_open(kind),
                Some(OptionType::LazyAttrsOf(_)) => true,
                _ => false,
            };
            let path = definition.path.get(..end).unwrap_or_default();
            if creates && !exists(side, path) {
                found.insert(path.to_vec());
            }
        }
    }
    found
}

/// How many names stand above the outermost condition that is false.
fn false_level(definition: &Definition) -> usize {
    let levels = definition
        .wrappers
        .iter()
        .filter_map(|(level, wrapper)| match wrapper {
            Wrapper::If(condition) if matches!(condition.kind(), TermKind::Bool(false)) => {
                Some(*level)
            }
            _ => None,
        });
    levels.min().unwrap_or(0)
}

/// Whether a set of this type has whatever attributes its definitions name.
fn is_open(kind: &OptionType) -> bool {
    match kind {
        OptionType::AttrsOf(_) | OptionType::LazyAttrsOf(_) | OptionType::LoaOf(_) => true,
        OptionType::NullOr(inner) => is_open(inner),
        _ => false,
    }
}

/// Whether a definition that certainly holds stands at the path or below it.
fn exists(side: &Resolved<'_>, path: &[Key]) -> bool {
    side.definitions.iter().any(|definition| {
        definition.path.starts_with(path)
            && !definition
                .wrappers
                .iter()
                .any(|(level, wrapper)| matches!(wrapper, Wrapper::If(_)) && *level <= path.len())
    })
}
