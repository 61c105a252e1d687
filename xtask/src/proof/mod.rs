//! The proof by module input: has a change left every host as it was?
//!
//! The module system's result is a function of what a host hands to it: the
//! arguments of the call, the modules that are not followed, the declarations,
//! and per option path the ordered definitions. That is what is compared; it
//! needs no Nix.

mod call;
mod created;
mod declarations;
pub mod derivation;
mod escapes;
mod foreign;
mod order;
mod places;
mod provenance;
#[cfg(test)]
mod tests;

use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::model::term::{Digest, Key, Term, TermKind};
use crate::model::{Definition, Fleet, ForeignReads, Host, Resolved, Wrapper, path_text, show};
use crate::options::OptionTable;
use crate::problem::Span;
use crate::syntax::hir::Name;
use call::{compare_calls, compare_looked_up, compare_modules};
use created::compare_created;
pub use declarations::NOT_CERTAIN;
use declarations::{compare_declarations, compare_inactive};
use provenance::compare_provenance;

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
    let foreign = ForeignReads::of(before.hosts.iter().chain(&after.hosts));
    let mut verdicts: Vec<HostVerdict> = names
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
        .collect();
    foreign::spread(before, after, table, &mut verdicts);
    verdicts
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
    foreign: &FxHashMap<Name, ForeignReads>,
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
    compare_looked_up(before, after, &mut verdict);
    // Reads of no certain host are of every host.
    let read: Vec<&ForeignReads> = [before.name.as_str(), ""]
        .iter()
        .filter_map(|name| foreign.get(*name))
        .collect();
    let a = Resolved::against(before, None, &read);
    let b = Resolved::against(after, Some(before), &read);
    compare_declarations(&a, &b, &mut verdict);
    verdict.definitions = (a.definitions.len(), b.definitions.len());
    order::compare_definitions(&a, &b, table, &mut verdict);
    compare_inactive(&a, &b, table, &mut verdict);
    compare_created(&a, &b, table, &mut verdict);
    compare_provenance(before, after, &mut verdict);
    escapes::compare_escapes(before, after, &mut verdict);
    verdict.close()
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
