//! Definitions and their order.
//!
//! Per path, the definitions at it and above it are one sequence. Modules that
//! are not followed, and nixpkgs' own modules where they define the path too,
//! take part as fixed points: what passes one of them changes places.

use rustc_hash::{FxHashMap, FxHashSet};

use super::places::changed_read;
use super::{Difference, HostVerdict, Judgement, describe, identity, is_empty_set};
use crate::model::term::{Digest, Key};
use crate::model::{Definition, Origin, Resolved, terms_of};
use crate::options::{OptionTable, OptionType, PathKind, View};
use crate::problem::Span;

/// An element of the merge order.
enum Step<'d> {
    Definition(&'d Definition, Digest),
    /// A module that is not followed.
    Opaque(Digest),
    /// nixpkgs' own modules at one level of the walk.
    Nixpkgs(Digest),
}

pub(super) fn compare_definitions(
    before: &Resolved<'_>,
    after: &Resolved<'_>,
    table: &OptionTable<'_>,
    verdict: &mut HostVerdict,
) {
    let view = table.for_release(None);
    let levels = [before, after]
        .iter()
        .flat_map(|side| side.host.modules.iter().map(|module| module.level))
        .max()
        .unwrap_or(0);
    let (a, b) = (Side::new(before, levels), Side::new(after, levels));
    let new = b
        .by_path
        .keys()
        .filter(|path| !a.by_path.contains_key(*path));
    let found = verdict.differences.len();
    for path in a.by_path.keys().chain(new) {
        compare_path(&a, &b, view, path, verdict);
    }
    if let Some(own) = verdict.differences.get_mut(found..) {
        own.sort_by_cached_key(Difference::path_text);
    }
}

struct Side<'d> {
    resolved: &'d Resolved<'d>,
    steps: Vec<Step<'d>>,
    /// Positions of definitions by their (fixed part of the) path.
    by_path: FxHashMap<&'d [Key], Vec<usize>>,
    /// Positions of what is not followed.
    opaque: Vec<usize>,
    nixpkgs: Vec<usize>,
}

impl<'d> Side<'d> {
    fn new(resolved: &'d Resolved<'d>, levels: usize) -> Self {
        let mut per_module: Vec<Vec<&Definition>> = vec![Vec::new(); resolved.host.modules.len()];
        for definition in &resolved.definitions {
            if let Some(list) = per_module.get_mut(definition.module) {
                list.push(definition);
            }
        }
        let mut steps = Vec::new();
        let marker = |level: usize, side: &str| {
            Step::Nixpkgs(Digest::of(
                format!("nixpkgs modules {side} level {level}").as_bytes(),
            ))
        };
        // Merge order is the reverse of the walk: the deepest level first.
        for level in (0..=levels).rev() {
            steps.push(marker(level, "behind"));
            for (index, module) in resolved.host.modules.iter().enumerate().rev() {
                if module.level != level {
                    continue;
                }
                if let Origin::Opaque(term, _) = &module.origin {
                    steps.push(Step::Opaque(term.digest()));
                }
                for definition in &per_module[index] {
                    steps.push(Step::Definition(definition, identity(definition)));
                }
            }
            steps.push(marker(level, "before"));
        }
        let mut side = Self {
            resolved,
            steps,
            by_path: FxHashMap::default(),
            opaque: Vec::new(),
            nixpkgs: Vec::new(),
        };
        for (position, step) in side.steps.iter().enumerate() {
            match step {
                Step::Definition(definition, _) => {
                    let path = &definition.path;
                    let fixed = path
                        .iter()
                        .position(|key| matches!(key, Key::Term(_)))
                        .unwrap_or(path.len());
                    side.by_path
                        .entry(&path[..fixed])
                        .or_default()
                        .push(position);
                }
                Step::Opaque(_) => side.opaque.push(position),
                Step::Nixpkgs(_) => side.nixpkgs.push(position),
            }
        }
        side
    }

    fn exact(&self, path: &[Key]) -> &[usize] {
        self.by_path.get(path).map_or(&[], Vec::as_slice)
    }

    /// Positions of all that overlaps with a path, in merge order.
    fn overlapping(&self, path: &[Key], nixpkgs: bool) -> Vec<usize> {
        let mut found: Vec<usize> = (0..=path.len())
            .flat_map(|end| self.exact(&path[..end]).iter().map(move |at| (*at, end)))
            .filter(|(at, end)| {
                self.definition(*at).is_none_or(|definition| {
                    definition.path.len() > *end || definition.value.may_define(&path[*end..])
                })
            })
            .map(|(at, _)| at)
            .collect();
        found.extend(&self.opaque);
        if nixpkgs {
            found.extend(&self.nixpkgs);
        }
        found.sort_unstable();
        found
    }

    fn digest(&self, position: usize) -> Digest {
        match &self.steps[position] {
            Step::Definition(_, digest) | Step::Opaque(digest) | Step::Nixpkgs(digest) => *digest,
        }
    }

    fn definition(&self, position: usize) -> Option<&'d Definition> {
        match &self.steps[position] {
            Step::Definition(definition, _) => Some(definition),
            _ => None,
        }
    }

    fn spans(&self, positions: &[usize]) -> Vec<Span> {
        positions
            .iter()
            .filter_map(|at| self.definition(*at)?.span.clone())
            .collect()
    }
}

fn compare_path<'d>(
    a: &Side<'d>,
    b: &Side<'d>,
    view: View<'_, '_>,
    path: &[Key],
    verdict: &mut HostVerdict,
) {
    let (own_a, own_b) = (a.exact(path), b.exact(path));
    let sorted = |side: &Side<'_>, positions: &[usize]| {
        let mut digests: Vec<Digest> = positions.iter().map(|at| side.digest(*at)).collect();
        digests.sort_unstable();
        digests
    };
    if sorted(a, own_a) != sorted(b, own_b) {
        let common: FxHashSet<Digest> = {
            let of_b: FxHashSet<Digest> = own_b.iter().map(|at| b.digest(*at)).collect();
            own_a
                .iter()
                .map(|at| a.digest(*at))
                .filter(|digest| of_b.contains(digest))
                .collect()
        };
        let list = |side: &Side<'_>, positions: &[usize]| {
            let shown: Vec<String> = positions
                .iter()
                .filter(|at| !common.contains(&side.digest(**at)))
                .filter_map(|at| side.definition(*at))
                .map(describe)
                .collect();
            match shown.as_slice() {
                [] if positions.is_empty() => "not defined".to_owned(),
                [] => "defined more or less often".to_owned(),
                _ => shown.join(" and "),
            }
        };
        let (was, becomes) = (list(a, own_a), list(b, own_b));
        let text = crate::model::path_text(path);
        let terms = |side: &Side<'d>, positions: &[usize]| {
            let definitions = positions.iter().filter_map(|at| side.definition(*at));
            definitions.flat_map(terms_of).collect::<Vec<_>>()
        };
        let read = (was == becomes)
            .then(|| changed_read(terms(a, own_a).into_iter(), terms(b, own_b).into_iter()))
            .flatten();
        let message = match read {
            Some(read) => {
                format!("`{text}` is {was} as before, but reads {read}, and that changed")
            }
            None => format!("`{text}` was {was}, becomes {becomes}"),
        };
        verdict.differences.push(Difference {
            judgement: Judgement::Different,
            path: path.to_vec(),
            message,
            before: a.spans(own_a),
            after: b.spans(own_b),
        });
        return;
    }
    if !order_matters(a, view, path) || !order_matters(b, view, path) {
        return;
    }
    // Sets without attributes say only that a path exists, in any order.
    let settled = |side: &Side<'_>| {
        side.exact(path)
            .iter()
            .all(|at| side.definition(*at).is_some_and(|d| is_empty_set(&d.value)))
    };
    if settled(a) && settled(b) {
        return;
    }
    let nixpkgs = defined_by_nixpkgs(view, path);
    let (all_a, all_b) = (a.overlapping(path, nixpkgs), b.overlapping(path, nixpkgs));
    let sequence = |side: &Side<'_>, positions: &[usize]| -> Vec<Digest> {
        positions.iter().map(|at| side.digest(*at)).collect()
    };
    if sequence(a, &all_a) != sequence(b, &all_b) {
        let list = |side: &Side<'_>, positions: &[usize]| {
            let shown: Vec<String> = positions
                .iter()
                .filter_map(|at| side.definition(*at))
                .map(describe)
                .collect();
            shown.join(", then ")
        };
        let own: (String, String) = (list(a, own_a), list(b, own_b));
        let text = crate::model::path_text(path);
        let message = if own.0 == own.1 {
            format!(
                "the definitions of `{text}` change places with those of modules that are not followed or of nixpkgs"
            )
        } else {
            format!(
                "the definitions of `{text}` change their order: {} becomes {}",
                own.0, own.1
            )
        };
        verdict.differences.push(Difference {
            judgement: Judgement::OrderOnly,
            path: path.to_vec(),
            message,
            before: a.spans(own_a),
            after: b.spans(own_b),
        });
    }
}

fn names(path: &[Key]) -> Vec<&str> {
    path.iter()
        .map(|key| {
            if let Key::Name(name) = key {
                &**name
            } else {
                "<computed>"
            }
        })
        .collect()
}

fn order_matters(side: &Side<'_>, view: View<'_, '_>, path: &[Key]) -> bool {
    let kind = side.resolved.host.path_kind(view, &names(path));
    let element: &OptionType = match &kind {
        PathKind::Option(kind) | PathKind::Inside { element: kind, .. } => kind,
        PathKind::Namespace | PathKind::Unknown => return true,
    };
    element.order_matters() && !element.merges_per_attribute()
        || element.merges_per_attribute()
            && side.exact(path).iter().any(|at| {
                side.definition(*at)
                    .is_some_and(|definition| !is_empty_set(&definition.value))
            })
}

/// Whether nixpkgs' own modules may define the path too.
fn defined_by_nixpkgs(view: View<'_, '_>, path: &[Key]) -> bool {
    path.iter().any(|key| matches!(key, Key::Term(_))) || view.defined_by_nixpkgs(&names(path))
}
