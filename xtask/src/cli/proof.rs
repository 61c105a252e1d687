//! Showing proofs: the same for every command that has one.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::problem::{Problem, Severity, Span, line_col};
use crate::proof::derivation::{DerivationJudgement, DerivationVerdict};
use crate::proof::{Difference, HostVerdict, Judgement};
use crate::tree::Tree;
use crate::ui::{Ui, count};

/// The proof of one host in JSON.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Proof {
    /// The judgement by module input.
    definitions: Judgement,
    /// The judgement by derivation.
    derivation: DerivationJudgement,
    /// The toplevel derivation before, if it was checked.
    before: Option<String>,
    /// The toplevel derivation after, if it was checked.
    after: Option<String>,
    /// What differs by derivation, or why that was not checked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    derivation_reasons: Vec<String>,
    /// Warnings name other files of the tree, and differ in nothing else.
    message_location: bool,
}

/// One difference in JSON.
#[derive(Debug, Clone, Serialize)]
pub(super) struct DifferenceDocument<'a> {
    judgement: Judgement,
    path: String,
    message: &'a str,
    before: &'a [Span],
    after: &'a [Span],
}

/// The proof of one host; without a judgement by derivation that is not checked.
pub(super) fn document(verdict: &HostVerdict, second: Option<&DerivationVerdict>) -> Proof {
    Proof {
        definitions: verdict.judgement,
        derivation: second.map_or(DerivationJudgement::NotChecked, |it| it.judgement),
        before: second.and_then(|it| it.before.clone()),
        after: second.and_then(|it| it.after.clone()),
        derivation_reasons: second.map_or_else(Vec::new, |it| it.reasons.clone()),
        message_location: second.is_some_and(|it| it.message_location),
    }
}

impl<'a> From<&'a Difference> for DifferenceDocument<'a> {
    fn from(difference: &'a Difference) -> Self {
        Self {
            judgement: difference.judgement,
            path: difference.path_text(),
            message: &difference.message,
            before: &difference.before,
            after: &difference.after,
        }
    }
}

/// What differs, for a document.
pub(super) fn differences(verdict: &HostVerdict) -> Vec<DifferenceDocument<'_>> {
    verdict
        .differences
        .iter()
        .map(DifferenceDocument::from)
        .collect()
}

fn code(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Equal => "equal",
        Judgement::OrderOnly => "order-only",
        Judgement::Unknown => "unknown",
        Judgement::Different => "different",
    }
}

/// A span as `path:line:column`.
pub(super) fn place(span: &Span, tree: &Tree) -> String {
    match tree.text(&span.path) {
        Ok(text) => {
            let (line, column) = line_col(&text, span.start as usize);
            format!("{}:{line}:{column}", span.path)
        }
        Err(_) => span.path.to_string(),
    }
}

/// A difference, and the hosts that it concerns.
type Group<'a> = (&'a Difference, Vec<&'a str>);

/// Says what differs: each difference once, with the hosts that it concerns.
pub(super) fn explain(ui: &Ui, verdicts: &[HostVerdict], before: &Tree, after: &Tree) {
    /// Differences beyond this are only counted.
    const SHOWN: usize = 30;
    // The gravest first.
    type Order<'a> = (Reverse<Judgement>, &'a [Span], String, &'a str);
    let mut grouped: BTreeMap<Order<'_>, Group<'_>> = BTreeMap::new();
    for verdict in verdicts {
        for difference in &verdict.differences {
            let key = (
                Reverse(difference.judgement),
                &*difference.after,
                difference.path_text(),
                &*difference.message,
            );
            let group = grouped
                .entry(key)
                .or_insert_with(|| (difference, Vec::new()));
            group.1.push(&verdict.host);
        }
    }
    let hidden = grouped.len().saturating_sub(SHOWN);
    for ((_, _, path, message), (difference, mut hosts)) in grouped.into_iter().take(SHOWN) {
        hosts.dedup();
        let hosts = match hosts.as_slice() {
            [one] => (*one).to_owned(),
            [first, second] => format!("{first}, {second}"),
            [first, ..] => format!("{first} and {} more", hosts.len() - 1),
            [] => String::new(),
        };
        let path = if path.is_empty() || message.contains(&path) {
            String::new()
        } else {
            format!("{path}: ")
        };
        let was: Vec<String> = difference
            .before
            .iter()
            .map(|span| place(span, before))
            .collect();
        let mut problem = Problem::error(
            code(difference.judgement),
            format!("{hosts}: {path}{message}"),
        );
        problem.severity = match difference.judgement {
            Judgement::Equal => Severity::Note,
            _ => Severity::Error,
        };
        problem.span = difference.after.first().cloned();
        if !was.is_empty() {
            problem.help = Some(format!("before at {}", was.join(", ")));
        }
        ui.problems(&[problem], Some(after));
    }
    if hidden > 0 {
        ui.remark(&format!(
            "… and {}; --json has all of them",
            count(hidden, "difference")
        ));
    }
}

/// How many hosts have which verdict, in words.
pub(super) fn summary(verdicts: &[HostVerdict]) -> String {
    let mut counts: BTreeMap<Judgement, usize> = BTreeMap::new();
    for verdict in verdicts {
        *counts.entry(verdict.judgement).or_default() += 1;
    }
    let parts: Vec<String> = counts
        .iter()
        .map(|(judgement, hosts)| format!("{hosts} {}", judgement.as_str()))
        .collect();
    format!("{}: {}", count(verdicts.len(), "host"), parts.join(", "))
}
