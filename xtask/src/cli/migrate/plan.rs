//! `migrate plan`: what could be split, host by host; writes nothing.

use clap::Args;
use rayon::prelude::*;
use serde::Serialize;

use super::super::context::Context;
use super::super::fleet::{Reader, select};
use super::super::outcome::{Failure, Outcome};
use super::host::GroupingArguments;
use super::show;
use crate::refactor::migrate::{Knowledge, MigratePlan, MigrateRequest, migrate_host};
use crate::ui::{Align, Table};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Only these hosts
    #[arg(value_name = "NAME")]
    hosts: Vec<String>,
    #[command(flatten)]
    grouping: GroupingArguments,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    hosts: Vec<show::HostDocument<'a>>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Outcome, Failure> {
    let workspace = context.workspace()?;
    let (snapshot, config) = context.read(&workspace)?;
    let reader = Reader::new();
    let fleet = reader.load_told(&snapshot.tree, context)?;
    let hosts = select(&fleet, &arguments.hosts)?;
    let taxonomy = arguments.grouping.taxonomy(&config)?;
    let knowledge = Knowledge {
        table: &reader.table,
        taxonomy: &taxonomy,
        cache: &reader.cache,
    };
    let total = u64::try_from(hosts.len()).unwrap_or(u64::MAX);
    let task = context.ui.progress().task("plan", total);
    // Each host by itself, from the tree as it is.
    let plans: Vec<MigratePlan> = hosts
        .par_iter()
        .filter(|_| !context.cancel.is_cancelled())
        .map(|host| {
            let request = MigrateRequest {
                host: &host.name,
                grouping: arguments.grouping.grouping(),
                namespace: reader.namespace(&config, &snapshot.tree, &fleet),
                accept_order_only: false,
            };
            let plan = migrate_host(&snapshot.tree, &fleet, &request, &knowledge);
            task.advance(&host.name);
            plan
        })
        .collect();
    drop(task);
    context.check_interrupted()?;
    report(&plans, context);
    context.ui.document(&Document {
        schema: "migrate-plan/1",
        hosts: plans
            .iter()
            .map(|plan| {
                let verdict = plan
                    .verdicts
                    .iter()
                    .find(|verdict| verdict.host == plan.host);
                show::HostDocument::new(plan, verdict)
            })
            .collect(),
    });
    Ok(Outcome::Done)
}

fn report(plans: &[MigratePlan], context: &Context) {
    let palette = *context.ui.palette();
    let mut table = Table::new(&[
        ("host", Align::Left),
        ("outcome", Align::Left),
        ("lines", Align::Right),
        ("movable", Align::Right),
        ("moves", Align::Right),
        ("features, or why not", Align::Left),
    ]);
    for plan in plans {
        let features: Vec<String> = plan
            .features
            .iter()
            .map(|(name, lines)| format!("{name} {lines}"))
            .collect();
        let last = match &plan.reason {
            Some(reason) if features.is_empty() => reason.clone(),
            _ => features.join(", "),
        };
        table.row([
            plan.host.clone(),
            show::outcome_word(plan.outcome).to_owned(),
            plan.lines.0.to_string(),
            plan.movable.to_string(),
            plan.moved().to_string(),
            last,
        ]);
    }
    context.ui.text(&table.render(&palette));
    let moved: usize = plans.iter().map(MigratePlan::moved).sum();
    let lines: usize = plans.iter().map(|plan| plan.lines.0).sum();
    context.ui.text(&format!(
        "{moved} of {lines} lines in {} hosts would move; `cargo xtask migrate host NAME --dry-run` shows how",
        plans.len()
    ));
}
