//! `migrate plan`: what could be split, host by host; writes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use rayon::prelude::*;
use serde::Serialize;

use super::super::context::Context;
use super::super::editor;
use super::super::fleet::{Reader, select};
use super::super::outcome::{Failure, Outcome};
use super::grouping::GroupingArguments;
use super::show;
use crate::config::Config;
use crate::guard;
use crate::model::Fleet;
use crate::problem::Problem;
use crate::process::Quoted;
use crate::refactor::editable;
use crate::refactor::group::Grouping;
use crate::refactor::migrate::{Knowledge, MigratePlan, MigrateRequest, migrate_host};
use crate::taxonomy::Taxonomy;
use crate::tree::{Tree, TreePath};
use crate::ui::{self, Align, Table};
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Only these hosts
    #[arg(value_name = "NAME")]
    hosts: Vec<String>,
    /// Edit which definition goes to which feature; the grouping is kept
    /// outside the tree, for `migrate host NAME --grouping`
    #[arg(long)]
    edit: bool,
    #[command(flatten)]
    grouping: GroupingArguments,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    /// The file of the grouping that was edited.
    grouping: Option<PathBuf>,
    hosts: Vec<show::HostDocument<'a>>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Outcome, Failure> {
    if arguments.edit && arguments.hosts.len() != 1 {
        return Err(
            Problem::error("usage", "--edit takes the name of one host".to_owned())
                .help("cargo xtask migrate plan NAME --edit")
                .into(),
        );
    }
    let workspace = context.workspace()?;
    let (snapshot, config) = context.read(&workspace)?;
    let reader = Reader::new();
    let fleet = reader.load_told(&snapshot.tree, context)?;
    let job = Job {
        context,
        tree: &snapshot.tree,
        fleet: &fleet,
        reader: &reader,
        taxonomy: arguments.grouping.taxonomy(&config)?,
        directory: arguments.grouping.directory(&config)?,
        config,
    };
    let names: Vec<&str> = select(&fleet, &arguments.hosts)?
        .iter()
        .map(|host| host.name.as_str())
        .collect();
    let mut grouping = arguments.grouping.grouping()?;
    let mut plans = job.plans(&names, &grouping)?;
    let mut kept = None;
    if let (true, [plan]) = (arguments.edit, plans.as_slice()) {
        let Some(text) = edit(plan, context)? else {
            context
                .ui
                .text("nothing was edited: the grouping is as it was");
            return Ok(Outcome::Done);
        };
        grouping.features.splice(0..0, text.pairs);
        kept = Some(keep(&workspace, &plan.host, &text.text, "ini")?);
        plans = job.plans(&names, &grouping)?;
    }
    report(&plans, context);
    if let (Some(file), [name]) = (&kept, names.as_slice()) {
        let file = Quoted(file.as_os_str());
        context.ui.text(&format!(
            "the grouping is in {file}\nhelp: cargo xtask migrate host {name} --grouping {file} --dry-run"
        ));
    }
    context.ui.document(&Document {
        schema: "migrate-plan/1",
        grouping: kept,
        hosts: plans
            .iter()
            .map(|plan| {
                let verdict = plan
                    .verdicts
                    .iter()
                    .find(|verdict| verdict.host == plan.host);
                show::HostDocument::new(plan, verdict, None)
            })
            .collect(),
    });
    Ok(Outcome::Done)
}

struct Job<'a> {
    context: &'a Context,
    tree: &'a Tree,
    fleet: &'a Fleet,
    reader: &'a Reader,
    taxonomy: Taxonomy,
    directory: Option<TreePath>,
    config: Config,
}

impl Job<'_> {
    /// Each host by itself, from the tree as it is.
    fn plans(&self, names: &[&str], grouping: &Grouping) -> Result<Vec<MigratePlan>, Failure> {
        let knowledge = Knowledge {
            table: &self.reader.table,
            taxonomy: &self.taxonomy,
            cache: &self.reader.cache,
        };
        let total = u64::try_from(names.len()).unwrap_or(u64::MAX);
        let task = self.context.ui.progress().task("plan", total);
        let plans = names.par_iter();
        let plans = plans.map(|name| {
            let request = MigrateRequest {
                host: name,
                grouping: grouping.clone(),
                namespace: self.config.namespace.clone(),
                directory: self.directory.clone(),
                accept_order_only: false,
            };
            let plan = migrate_host(self.tree, self.fleet, &request, &knowledge);
            task.advance(name);
            plan
        });
        let plans = self.context.cancel.harmless(|| plans.collect());
        drop(task);
        self.context.check_interrupted()?;
        Ok(plans)
    }
}

/// A grouping that a person has edited.
struct Edited {
    text: String,
    pairs: Vec<(String, String)>,
}

/// Lets a person edit the grouping of a plan. What was typed is never lost: a
/// text with mistakes is kept, and its file is named.
fn edit(plan: &MigratePlan, context: &Context) -> Result<Option<Edited>, Failure> {
    if plan.grouping.is_empty() {
        let reason = plan.reason.clone().unwrap_or_default();
        return Err(Problem::error(
            "nothing-to-group",
            format!("{} has nothing to group: {reason}", plan.host),
        )
        .into());
    }
    let workspace = context.workspace()?;
    // What was saved before goes on from there, as long as it fits the host.
    let saved = fs::read_to_string(place(&workspace, &plan.host, "ini")).ok();
    let fits = |text: &String| {
        editable::parse(text).is_ok_and(|pairs| {
            !pairs.is_empty() && editable::strangers(&plan.grouping, &pairs).is_empty()
        })
    };
    let start = saved.filter(fits).unwrap_or_else(|| plan.grouping.clone());
    let Some(text) = editor::edit(&start)? else {
        return Ok(None);
    };
    let pairs = editable::parse(&text);
    if pairs.as_ref().is_ok_and(Vec::is_empty) {
        return Err(Problem::error(
            "bad-grouping",
            "nothing to group: the file is empty; the proposal counts",
        )
        .into());
    }
    let problems = match &pairs {
        Ok(pairs) => editable::strangers(&plan.grouping, pairs),
        Err(problems) => problems.clone(),
    };
    match pairs {
        Ok(pairs) if !guard::refuses(&problems) => Ok(Some(Edited { text, pairs })),
        _ => {
            // Beside the last good one, which stays.
            let file = keep(&workspace, &plan.host, &text, "rejected.ini")?;
            let mut problems = problems;
            problems.push(Problem::note(
                "bad-grouping",
                format!("what you wrote is in {}", Quoted(file.as_os_str())),
            ));
            Err(Failure {
                outcome: Outcome::Failed,
                problems,
            })
        }
    }
}

/// Where the grouping of a host is kept: in the state of the repository.
fn place(workspace: &Workspace, host: &str, extension: &str) -> PathBuf {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name: String = host.chars().filter(|c| plain(*c)).collect();
    let directory = workspace.state_directory().join("groupings");
    directory.join(format!("{name}.{extension}"))
}

/// Writes a grouping to the state of the repository, outside its tree.
fn keep(
    workspace: &Workspace,
    host: &str,
    text: &str,
    extension: &str,
) -> Result<PathBuf, Failure> {
    let path = place(workspace, host, extension);
    let directory = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(&path, text))
        .map_err(|error| {
            Problem::error(
                "unwritable",
                format!("{}: {error}", Quoted(path.as_os_str())),
            )
        })?;
    Ok(path)
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
        "{moved} of {} in {} would move; `cargo xtask migrate host NAME --dry-run` shows how",
        ui::count(lines, "line"),
        ui::count(plans.len(), "host")
    ));
}
