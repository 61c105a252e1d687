//! What a migration says: table, findings, diff, document, commit message.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::context::Context;
use super::super::derivation;
use super::super::proof::{self, Proof};
use crate::edit::ChangeSet;
use crate::problem::{Problem, Span};
use crate::proof::derivation::DerivationVerdict;
use crate::proof::{HostVerdict, Judgement};
use crate::refactor::migrate::{MigratePlan, Outcome, Placement};
use crate::tree::{Tree, TreePath};
use crate::ui::{self, Align, Table, unified_diff};

/// Plans for some hosts, and the proof over all of them.
pub(super) struct Migration {
    pub before: Tree,
    pub after: Tree,
    pub plans: Vec<MigratePlan>,
    pub changes: ChangeSet,
    pub verdicts: Vec<HostVerdict>,
    pub derivations: derivation::Verdicts,
}

impl Migration {
    fn verdict(&self, host: &str) -> Option<&HostVerdict> {
        self.verdicts.iter().find(|verdict| verdict.host == host)
    }

    fn worst(&self) -> Judgement {
        let judgements = self.verdicts.iter().map(|verdict| verdict.judgement);
        judgements.max().unwrap_or(Judgement::Equal)
    }
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    dry_run: bool,
    hosts: Vec<HostDocument<'a>>,
    changes: Vec<ChangeDocument<'a>>,
    /// The judgement on every host of the fleet.
    fleet: BTreeMap<&'a str, Judgement>,
}

/// One host in JSON.
#[derive(Serialize)]
pub(super) struct HostDocument<'a> {
    name: &'a str,
    outcome: Outcome,
    reason: Option<&'a str>,
    span: Option<&'a Span>,
    entry: Option<&'a TreePath>,
    features: Vec<&'a str>,
    /// Lines that moved, by feature.
    moved_to: &'a BTreeMap<String, usize>,
    lines_before: usize,
    lines_after: usize,
    moved: usize,
    movable: usize,
    kept: Vec<KeptDocument<'a>>,
    placement: Option<Placement>,
    proof: Option<Proof>,
}

#[derive(Serialize)]
struct KeptDocument<'a> {
    path: &'a str,
    reason: &'a str,
    lines: usize,
    /// In the tree as it is after the migration.
    span: &'a Span,
}

#[derive(Serialize)]
struct ChangeDocument<'a> {
    path: &'a TreePath,
    kind: &'static str,
}

/// The JSON document.
pub(super) fn document(migration: &Migration, dry_run: bool, context: &Context) {
    let changes = migration.changes.iter();
    context.ui.document(&Document {
        schema: "migrate-host/1",
        dry_run,
        hosts: migration
            .plans
            .iter()
            .map(|plan| {
                let second = migration.derivations.get(&plan.host);
                HostDocument::new(plan, migration.verdict(&plan.host), second)
            })
            .collect(),
        changes: changes
            .map(|(path, change)| ChangeDocument {
                path,
                kind: change.kind(),
            })
            .collect(),
        fleet: migration
            .verdicts
            .iter()
            .map(|verdict| (verdict.host.as_str(), verdict.judgement))
            .collect(),
    });
}

impl<'a> HostDocument<'a> {
    /// `verdict` is that on the host itself.
    pub(super) fn new(
        plan: &'a MigratePlan,
        verdict: Option<&HostVerdict>,
        second: Option<&DerivationVerdict>,
    ) -> Self {
        Self {
            name: &plan.host,
            outcome: plan.outcome,
            reason: plan.reason.as_deref(),
            span: plan.span.as_ref(),
            entry: plan.entry.as_ref(),
            features: plan.features.keys().map(String::as_str).collect(),
            moved_to: &plan.features,
            lines_before: plan.lines.0,
            lines_after: plan.lines.1,
            moved: plan.moved(),
            movable: plan.movable,
            kept: plan
                .kept
                .iter()
                .map(|kept| KeptDocument {
                    path: &kept.path,
                    reason: &kept.reason,
                    lines: kept.lines,
                    span: &kept.span,
                })
                .collect(),
            placement: plan.placement,
            proof: verdict.map(|verdict| proof::document(verdict, second)),
        }
    }
}

pub(super) fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Migrated => "migrated",
        Outcome::Unchanged => "unchanged",
        Outcome::Refused => "refused",
    }
}

fn placement_words(placement: Placement) -> &'static str {
    match placement {
        Placement::CompositionHead => "imported first",
        Placement::CompositionTail => "imported last",
        Placement::ModuleList => "listed beside the host",
        Placement::ImportList => "imported beside the host",
        Placement::AutoImport => "auto-imported",
    }
}

/// Diff, kept and refused constructs, the table, and the proof.
pub(super) fn migration(migration: &Migration, holds: bool, dry_run: bool, context: &Context) {
    let ui = &context.ui;
    let palette = *ui.palette();
    if dry_run {
        ui.text(&unified_diff(&migration.changes, &palette));
    }
    for plan in &migration.plans {
        tell(plan, migration, context);
    }
    let mut table = Table::new(&[
        ("host", Align::Left),
        ("outcome", Align::Left),
        ("lines", Align::Right),
        ("then", Align::Right),
        ("moved", Align::Right),
        ("features", Align::Left),
        ("kept", Align::Right),
        ("placement", Align::Left),
        ("proof", Align::Left),
    ]);
    for plan in &migration.plans {
        let features: Vec<String> = plan
            .features
            .iter()
            .map(|(name, lines)| format!("{name} {lines}"))
            .collect();
        let verdict = migration.verdict(&plan.host);
        table.row([
            plan.host.clone(),
            outcome_word(plan.outcome).to_owned(),
            plan.lines.0.to_string(),
            plan.lines.1.to_string(),
            plan.moved().to_string(),
            features.join(", "),
            plan.kept.len().to_string(),
            plan.placement.map_or("", placement_words).to_owned(),
            verdict
                .map_or("", |verdict| verdict.judgement.as_str())
                .to_owned(),
        ]);
    }
    ui.text(&table.render(&palette));
    if migration.worst() != Judgement::Equal {
        proof::explain(ui, &migration.verdicts, &migration.before, &migration.after);
    }
    ui.text(&format!(
        "proof by module input: {}",
        proof::summary(&migration.verdicts)
    ));
    derivation::tell(context, &migration.derivations);
    let disagreements = derivation::disagreements(&migration.verdicts, &migration.derivations);
    ui.problems(&disagreements, None);
    let unchanged = |plan: &MigratePlan| plan.outcome == Outcome::Unchanged;
    if migration.plans.iter().all(unchanged) {
        ui.text("nothing to do");
    }
    let refused = migration
        .plans
        .iter()
        .filter(|plan| plan.outcome == Outcome::Refused)
        .count();
    if !holds && refused < migration.plans.len() && refused > 0 {
        ui.remark("nothing was written: leave the refused hosts out to migrate the others");
    } else if !holds && refused == 0 {
        ui.remark("nothing was written: not every host is proved equal");
    }
}

/// What stays and why; why a host is refused.
fn tell(plan: &MigratePlan, migration: &Migration, context: &Context) {
    let mut problems: Vec<Problem> = Vec::new();
    if let Some(reason) = &plan.reason {
        let code = match plan.outcome {
            Outcome::Refused => "refused",
            _ => "unchanged",
        };
        let message = format!("{}: {reason}", plan.host);
        let problem = match plan.outcome {
            Outcome::Refused => Problem::error(code, message),
            _ => Problem::note(code, message),
        };
        problems.push(Problem {
            span: plan.span.clone(),
            ..problem
        });
    }
    context.ui.problems(&problems, Some(&migration.before));
    let mut reasons: BTreeMap<&str, (usize, Vec<&str>)> = BTreeMap::new();
    for kept in &plan.kept {
        let entry = reasons.entry(&kept.reason).or_default();
        entry.0 += kept.lines;
        entry.1.push(&kept.path);
    }
    for (reason, (lines, paths)) in reasons {
        let paths = paths.join(", ");
        context.ui.text(&format!(
            "{}: {} {}, {reason}: {paths}",
            plan.host,
            ui::count(lines, "line"),
            if lines == 1 { "stays" } else { "stay" }
        ));
    }
}

/// What was written, and the way back.
pub(super) fn written(migration: &Migration, context: &Context) {
    for (path, change) in &migration.changes {
        context.ui.detail(&format!("{} {path}", change.kind()));
    }
    let count = migration.changes.len();
    context.ui.text(&format!(
        "changed {count} file{}; `cargo xtask migrate undo` takes it back",
        if count == 1 { "" } else { "s" }
    ));
}

/// Message and trailers of the commit of one host.
pub(super) fn commit_message(migration: &Migration) -> (String, Vec<(&'static str, String)>) {
    let hosts: Vec<&str> = migration
        .plans
        .iter()
        .map(|plan| plan.host.as_str())
        .collect();
    let mut features: Vec<&str> = Vec::new();
    for plan in &migration.plans {
        features.extend(plan.features.keys().map(String::as_str));
    }
    let hosts = hosts.join(", ");
    let count = features.len();
    let subject = match features.as_slice() {
        [one] => format!("{hosts}: move {one} into a feature module"),
        _ => format!("{hosts}: split into {count} feature modules"),
    };
    let message = format!("{subject}\n\nFeatures: {}.", features.join(", "));
    let judgement = migration.worst();
    let mut trailers = vec![
        ("Hosts", hosts),
        (
            "Proof",
            format!(
                "definitions={} derivations={}",
                judgement.as_str(),
                derivation::overall(&migration.derivations)
            ),
        ),
    ];
    if judgement == Judgement::OrderOnly {
        trailers.push(("Accepted", judgement.as_str().to_owned()));
    }
    (message, trailers)
}
