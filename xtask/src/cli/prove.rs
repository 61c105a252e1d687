//! `prove`: is every host of the working tree equal to a revision?

use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::derivation::{self, Judge};
use super::fleet::{Reader, select};
use super::outcome::{Failure, Outcome};
use super::proof::{self, DifferenceDocument, Proof};
use crate::proof::{HostVerdict, Judgement, compare};
use crate::ui::{Align, Table};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The revision to compare with
    #[arg(value_name = "REV", default_value = "HEAD")]
    revision: String,
    /// Only these hosts
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Do not ask Nix for derivations, even if it is there
    #[arg(long)]
    no_nix: bool,
}

impl Arguments {
    /// All hosts against a revision.
    pub(super) fn against(revision: &str) -> Self {
        Self {
            revision: revision.to_owned(),
            hosts: Vec::new(),
            no_nix: true,
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    revision: &'a str,
    hosts: Vec<HostDocument<'a>>,
}

#[derive(Serialize)]
struct HostDocument<'a> {
    name: &'a str,
    proof: Proof,
    differences: Vec<DifferenceDocument<'a>>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let workspace = context.workspace()?;
    let (after_tree, _) = context.read(&workspace)?;
    let before_tree = workspace.snapshot_at(&arguments.revision)?;
    let task = context.ui.progress().task("proof", 2);
    let reader = Reader::new();
    let (before, after) = reader.load_both(&before_tree.tree, &after_tree.tree, context)?;
    task.advance("both states read");
    let mut verdicts = context
        .cancel
        .harmless(|| compare(&before, &after, &reader.table));
    task.advance("compared");
    drop(task);
    if !arguments.hosts.is_empty() {
        let chosen = select(&after, &arguments.hosts)?;
        verdicts.retain(|verdict| chosen.iter().any(|host| host.name == verdict.host));
    }
    let time = started.elapsed().as_secs_f64();
    let names: Vec<String> = verdicts.iter().map(|it| it.host.clone()).collect();
    let trees = (&before_tree.tree, &after_tree.tree);
    let second = match Judge::find_unless(arguments.no_nix, context, &workspace, trees.1)? {
        Some(judge) => judge.judge(context, trees.0, trees.1, &names, &after)?,
        None => derivation::Verdicts::new(),
    };
    report(&verdicts, &second, context);
    if after.is_broken() {
        context
            .ui
            .remark("what differs is not listed as long as a file cannot be read (see above)");
    } else {
        proof::explain(&context.ui, &verdicts, &before_tree.tree, &after_tree.tree);
    }
    context.ui.document(&Document {
        schema: "prove/1",
        revision: &arguments.revision,
        hosts: verdicts
            .iter()
            .map(|verdict| HostDocument {
                name: &verdict.host,
                proof: proof::document(verdict, second.get(&verdict.host)),
                differences: proof::differences(verdict),
            })
            .collect(),
    });
    context.ui.text(&format!(
        "{} (by module input, against {}, {time:.2} s)",
        proof::summary(&verdicts),
        arguments.revision
    ));
    derivation::tell(context, &second);
    let disagreements = derivation::disagreements(&verdicts, &second);
    context.ui.problems(&disagreements, None);
    let equal = verdicts
        .iter()
        .all(|verdict| verdict.judgement == Judgement::Equal);
    Ok(
        if equal && derivation::holds(&second, &verdicts, Judgement::Equal) {
            Outcome::Done
        } else {
            Outcome::Findings
        },
    )
}

fn report(verdicts: &[HostVerdict], second: &derivation::Verdicts, context: &Context) {
    let palette = *context.ui.palette();
    let mut table = Table::new(&[
        ("host", Align::Left),
        ("before", Align::Right),
        ("after", Align::Right),
        ("definitions", Align::Left),
        ("derivation", Align::Left),
    ]);
    for verdict in verdicts {
        let (before, after) = verdict.definitions;
        table.row([
            verdict.host.clone(),
            before.to_string(),
            after.to_string(),
            verdict.judgement.as_str().to_owned(),
            derivation::word(second, &verdict.host).to_owned(),
        ]);
    }
    context.ui.text(&table.render(&palette));
}
