//! Attributes that exist by a definition under a condition that is false.
//!
//! ```nix
//! home.sessionVariables.EDITOR = lib.mkIf false "vi";
//! ```
//! A set of type `lazyAttrsOf` has the attribute all the same. (Names above such
//! a definition are the model's affair.)

use rustc_hash::FxHashSet;

use super::{HostVerdict, Judgement};
use crate::model::term::{Key, TermKind};
use crate::model::{Definition, Resolved, Wrapper, path_text};
use crate::options::{OptionTable, OptionType, PathKind, View};

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
        if level <= definition.option {
            continue;
        }
        let Some(path) = definition.path.get(..level) else {
            continue;
        };
        let names: Vec<&str> = path
            .iter()
            .map_while(|key| match key {
                Key::Name(name) => Some(&**name),
                Key::Term(_) => None,
            })
            .collect();
        let kind = match names.len() {
            len if len == level => side.host.path_kind(view, &names[..level - 1]),
            _ => PathKind::Unknown,
        };
        let keeps = kind.value_type().is_none_or(keeps_attribute);
        if keeps && !exists(side, path) {
            found.insert(path.to_vec());
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

/// Whether a set of this type may have an attribute with a definition under a false
/// condition alone.
fn keeps_attribute(kind: &OptionType) -> bool {
    match kind {
        OptionType::NullOr(inner) | OptionType::Uniq(inner) => keeps_attribute(inner),
        OptionType::Submodule { freeform } => freeform.as_deref().is_some_and(keeps_attribute),
        OptionType::AttrsOf(_) | OptionType::LoaOf(_) | OptionType::Namespace => false,
        _ => true,
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
