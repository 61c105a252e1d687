//! The proof by module input: has a change left every host as it was?
//!
//! The module system's result is a function of what a host hands to it: the
//! arguments of the call, the modules that are not followed, the declarations,
//! and per option path the ordered definitions. That is what is compared; it
//! needs no Nix.

mod order;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::model::term::{Digest, Key, Term, TermKind};
use crate::model::{Definition, Fleet, Host, Origin, Resolved, Wrapper, path_text, show};
use crate::options::{OptionTable, PathKind};
use crate::problem::Span;

/// The judgement by module input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// The module system is given the same.
    Equal,
    /// The same up to the order of definitions whose order may show.
    OrderOnly,
    /// Something that is not known changed, or may matter to what changed.
    Unknown,
    /// The module system is given something else.
    Different,
}

impl Judgement {
    /// The name used in reports and commit trailers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::OrderOnly => "order-only",
            Self::Unknown => "unknown",
            Self::Different => "different",
        }
    }
}

/// One difference between the two sides of a host.
#[derive(Debug, Clone)]
pub struct Difference {
    /// How much it weighs.
    pub judgement: Judgement,
    /// The option path it is about; empty if it is about no option.
    pub path: Vec<Key>,
    /// What differs, for people.
    pub message: String,
    /// Places on the side before.
    pub before: Vec<Span>,
    /// Places on the side after.
    pub after: Vec<Span>,
}

impl Difference {
    /// The path as text.
    pub fn path_text(&self) -> String {
        path_text(&self.path)
    }
}

/// The judgement on one host.
#[derive(Debug, Clone)]
pub struct HostVerdict {
    /// The host.
    pub host: String,
    /// The gravest of the differences, or equal.
    pub judgement: Judgement,
    /// All differences.
    pub differences: Vec<Difference>,
    /// Definitions that were compared, before and after.
    pub definitions: (usize, usize),
}

/// Judges every host that either side has.
pub fn compare(before: &Fleet, after: &Fleet, table: &OptionTable<'_>) -> Vec<HostVerdict> {
    let mut names: Vec<&str> = before
        .hosts
        .iter()
        .chain(&after.hosts)
        .map(|host| host.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let foreign = Foreign::of([before, after]);
    names
        .par_iter()
        .map(|name| match (before.host(name), after.host(name)) {
            (Some(a), Some(b)) => {
                let mut verdict = compare_hosts(a, b, table, &foreign);
                if before.inputs != after.inputs {
                    verdict.add(
                        Judgement::Different,
                        "the flake's inputs or their lock changed".to_owned(),
                    );
                }
                verdict.close()
            }
            (Some(_), None) => verdict(name, "the host is gone"),
            _ => verdict(name, "the host is new"),
        })
        .collect()
}

/// What hosts read of each other's configurations.
struct Foreign(FxHashMap<String, Vec<Vec<crate::syntax::hir::Name>>>);

impl Foreign {
    fn of(fleets: [&Fleet; 2]) -> Self {
        let mut reads: FxHashMap<String, Vec<_>> = FxHashMap::default();
        for host in fleets.iter().flat_map(|fleet| &fleet.hosts) {
            for (name, path) in crate::model::foreign_reads(host) {
                reads.entry(name.to_string()).or_default().push(path);
            }
        }
        Self(reads)
    }

    /// Reads of one host; those of no certain host are of every host.
    fn of_host(&self, name: &str) -> Vec<Vec<crate::syntax::hir::Name>> {
        [name, ""]
            .iter()
            .filter_map(|name| self.0.get(*name))
            .flatten()
            .cloned()
            .collect()
    }
}

fn verdict(name: &str, message: &str) -> HostVerdict {
    let mut verdict = HostVerdict::new(name);
    verdict.add(Judgement::Different, message.to_owned());
    verdict.close()
}

impl HostVerdict {
    fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            judgement: Judgement::Equal,
            differences: Vec::new(),
            definitions: (0, 0),
        }
    }

    fn add(&mut self, judgement: Judgement, message: String) {
        self.differences.push(Difference {
            judgement,
            path: Vec::new(),
            message,
            before: Vec::new(),
            after: Vec::new(),
        });
    }

    fn close(mut self) -> Self {
        self.judgement = self
            .differences
            .iter()
            .map(|difference| difference.judgement)
            .max()
            .unwrap_or(Judgement::Equal);
        self
    }
}

/// Judges two states of one host.
fn compare_hosts(
    before: &Host,
    after: &Host,
    table: &OptionTable<'_>,
    foreign: &Foreign,
) -> HostVerdict {
    let mut verdict = HostVerdict::new(&before.name);
    if before.exhausted || after.exhausted {
        verdict.add(
            Judgement::Unknown,
            "the evaluation is too large to be followed whole".to_owned(),
        );
    }
    compare_calls(before, after, &mut verdict);
    compare_modules(before, after, &mut verdict);
    let read = foreign.of_host(&before.name);
    let a = Resolved::against(before, None, &read);
    let b = Resolved::against(after, Some(before), &read);
    compare_declarations(&a, &b, &mut verdict);
    verdict.definitions = (a.definitions.len(), b.definitions.len());
    order::compare_definitions(&a, &b, table, &mut verdict);
    compare_inactive(&a, &b, table, &mut verdict);
    verdict.close()
}

fn compare_calls(before: &Host, after: &Host, verdict: &mut HostVerdict) {
    if before.call.is_ok() != after.call.is_ok() {
        verdict.add(
            Judgement::Unknown,
            "the host can be followed on one side only".to_owned(),
        );
    } else if let (Ok(a), Ok(b)) = (&before.call, &after.call)
        && a != b
    {
        verdict.add(
            Judgement::Different,
            format!("made by `{b}` instead of `{a}`"),
        );
    }
    // A host that is not followed is equal only if all that makes it is.
    let gravity = if before.call.is_ok() {
        Judgement::Different
    } else {
        Judgement::Unknown
    };
    let a: BTreeMap<&str, &Term> = before
        .arguments
        .iter()
        .map(|(k, t)| (k.as_str(), t))
        .collect();
    let b: BTreeMap<&str, &Term> = after
        .arguments
        .iter()
        .map(|(k, t)| (k.as_str(), t))
        .collect();
    for name in a
        .keys()
        .chain(b.keys())
        .collect::<std::collections::BTreeSet<_>>()
    {
        if a.get(name) != b.get(name) {
            verdict.add(gravity, format!("argument `{name}` of the call changed"));
        }
    }
}

/// Modules that are not followed, what is disabled, and their order.
fn compare_modules(before: &Host, after: &Host, verdict: &mut HostVerdict) {
    let opaque = |host: &Host| -> Vec<Term> {
        let opaque = host
            .modules
            .iter()
            .filter_map(|module| match &module.origin {
                Origin::Opaque(term, _) => Some(term.clone()),
                _ => None,
            });
        opaque.collect()
    };
    let (mut a, mut b) = (opaque(before), opaque(after));
    let same_order = a == b;
    a.sort_by_key(Term::digest);
    b.sort_by_key(Term::digest);
    if a != b {
        let gone: Vec<&Term> = a.iter().filter(|term| !b.contains(term)).collect();
        let new: Vec<&Term> = b.iter().filter(|term| !a.contains(term)).collect();
        for (terms, what) in [(gone, "is gone or changed"), (new, "is new or changed")] {
            for term in terms {
                let shown = show::show(term, 120);
                verdict.add(
                    Judgement::Unknown,
                    format!("module `{shown}`, which is not followed, {what}"),
                );
            }
        }
        if verdict.differences.is_empty() {
            verdict.add(
                Judgement::Unknown,
                "a module that is not followed is imported more or less often".to_owned(),
            );
        }
    } else if !same_order {
        verdict.add(
            Judgement::OrderOnly,
            "modules that are not followed changed places".to_owned(),
        );
    }
    let disabled = |host: &Host| -> Vec<Digest> {
        let mut all: Vec<Digest> = host
            .modules
            .iter()
            .flat_map(|m| &m.disabled)
            .map(|(_, term)| term.digest())
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    if disabled(before) != disabled(after) {
        verdict.add(Judgement::Different, "`disabledModules` changed".to_owned());
    }
}

fn compare_declarations(before: &Resolved<'_>, after: &Resolved<'_>, verdict: &mut HostVerdict) {
    let effects = |side: &Resolved<'_>| {
        let mut all: FxHashMap<String, Vec<(Digest, Option<Span>)>> = FxHashMap::default();
        for declaration in &side.host.declarations {
            if !side.transparent.contains(&declaration.path) {
                let path = declaration.path.join(".");
                all.entry(path)
                    .or_default()
                    .push((declaration.effect.digest(), declaration.span.clone()));
            }
        }
        all
    };
    let (a, b) = (effects(before), effects(after));
    let mut paths: Vec<&String> = a.keys().chain(b.keys()).collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        let digests = |side: &FxHashMap<String, Vec<(Digest, Option<Span>)>>| {
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
        let (message, judgement) = match (a.get(path), b.get(path)) {
            (None, Some(_)) => (
                format!("option `{path}` is declared, and its value is not certain"),
                Judgement::Unknown,
            ),
            (Some(_), None) => (
                format!("option `{path}` is no longer declared"),
                Judgement::Different,
            ),
            _ => (
                format!("the declaration of option `{path}` changed"),
                Judgement::Different,
            ),
        };
        let spans = |side: &FxHashMap<String, Vec<(Digest, Option<Span>)>>| -> Vec<Span> {
            side.get(path)
                .into_iter()
                .flatten()
                .filter_map(|(_, span)| span.clone())
                .collect()
        };
        verdict.differences.push(Difference {
            judgement,
            path: path.split('.').map(|part| Key::Name(part.into())).collect(),
            message,
            before: spans(&a),
            after: spans(&b),
        });
    }
    // The module system refuses an option that is declared twice.
    for (side, host) in [(before, "before"), (after, "after")] {
        let mut seen: FxHashMap<&[crate::syntax::hir::Name], usize> = FxHashMap::default();
        for declaration in &side.host.declarations {
            *seen.entry(&declaration.path).or_default() += 1;
        }
        let doubled = |path: &[crate::syntax::hir::Name], other: &Resolved<'_>| {
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
fn compare_inactive(
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
    for definition in &after.inactive {
        let first = definition.path.first();
        let before_too = before
            .definitions
            .iter()
            .chain(&before.inactive)
            .any(|other| {
                other.path.first() == first
                    && (other.path == definition.path
                        || other.path.len() <= 2 && definition.path.starts_with(&other.path))
            });
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

/// What makes two definitions of one path the same.
fn identity(definition: &Definition) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for key in &definition.path {
        match key {
            Key::Name(name) => hasher.update(&[0]).update(name.as_bytes()),
            Key::Term(term) => hasher.update(&[1]).update(&term.digest().0),
        };
        hasher.update(&[0xff]);
    }
    for (level, wrapper) in &definition.wrappers {
        hasher.update(&(*level as u64).to_le_bytes());
        match wrapper {
            Wrapper::If(condition) => hasher.update(&[1]).update(&condition.digest().0),
            Wrapper::Override(priority) => hasher.update(&[2]).update(&priority.to_le_bytes()),
            Wrapper::Order(order) => hasher.update(&[3]).update(&order.to_le_bytes()),
        };
    }
    hasher
        .update(&[u8::from(definition.open)])
        .update(&definition.value.digest().0);
    Digest::finish(&hasher)
}

/// A definition for people: its wrappers and its value.
fn describe(definition: &Definition) -> String {
    let mut text = show::show(&definition.value, 80);
    for (_, wrapper) in definition.wrappers.iter().rev() {
        text = match wrapper {
            Wrapper::If(condition) => format!("mkIf ({}) ({text})", show::show(condition, 60)),
            Wrapper::Override(priority) => format!("mkOverride {priority} ({text})"),
            Wrapper::Order(order) => format!("mkOrder {order} ({text})"),
        };
    }
    text
}

/// Whether a value is the empty set, which says only that its path exists.
fn is_empty_set(term: &Term) -> bool {
    matches!(term.kind(), TermKind::Set(fixed, dynamic) if fixed.is_empty() && dynamic.is_empty())
}
