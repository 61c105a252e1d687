//! `baseline`: the derivation of every host, recorded, and compared later.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::fleet::Reader;
use super::nix::{Setup, Told, refused};
use super::outcome::{Failure, Outcome};
use crate::engine::tracer::{ITSELF, Tracer};
use crate::engine::validation::{Outcome as Evaluated, Validation};
use crate::problem::Problem;
use crate::process::Quoted;
use crate::ui::{Align, Table, count};
use crate::workspace::Workspace;

/// The version of what is written.
const SCHEMA: &str = "baseline/1";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Evaluate every host and keep its derivation
    Record(Arguments),
    /// Evaluate every host and compare
    Check(Arguments),
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The file of the baseline; by default one beside git's own, outside the tree
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What is written.
#[derive(Debug, Serialize, Deserialize)]
struct Baseline {
    schema: String,
    /// The commit; `None` without one.
    revision: Option<String>,
    /// Whether files differed from it.
    dirty: bool,
    /// Which Nix evaluated.
    nix: String,
    /// Whether the offline stand-in took the place of the inputs.
    #[serde(default)]
    offline: bool,
    /// Toplevel derivation by host.
    hosts: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    revision: Option<&'a str>,
    hosts: Vec<HostDocument<'a>>,
}

#[derive(Serialize)]
struct HostDocument<'a> {
    name: &'a str,
    /// `equal`, `different`, `new`, `gone`, `failed`.
    outcome: &'static str,
    before: Option<&'a str>,
    after: Option<&'a str>,
}

pub(super) fn run(command: &Command, context: &Context) -> Result<Outcome, Failure> {
    let workspace = context.workspace()?;
    match command {
        Command::Record(arguments) => record(arguments, context, &workspace),
        Command::Check(arguments) => check(arguments, context, &workspace),
    }
}

fn file(arguments: &Arguments, workspace: &Workspace) -> PathBuf {
    let usual = || workspace.state_directory().join("baseline.json");
    arguments.file.clone().unwrap_or_else(usual)
}

/// Derivations of all hosts, and whether every host has one.
fn now(context: &Context, workspace: &Workspace) -> Result<(Baseline, bool), Failure> {
    let (snapshot, _) = context.read(workspace)?;
    let tree = &snapshot.tree;
    let fleet = Reader::new().load_told(tree, context)?;
    let hosts: Vec<String> = fleet.hosts.iter().map(|host| host.name.clone()).collect();
    let setup = Setup::find(context, workspace, tree)?;
    let tracer = Tracer::find(&*context.runner, Path::new(ITSELF));
    let commit = context.commit(workspace)?;
    let status = workspace.status()?.unwrap_or_default();
    let total = u64::try_from(hosts.len()).unwrap_or(u64::MAX);
    let task = context.ui.progress().task("eval", total);
    let told = Told::default();
    let tell = |host: &str, outcome: &Evaluated| {
        task.advance(host);
        if let Err(refusal) = &outcome.result
            && told.is_new(refusal)
        {
            context
                .ui
                .problems(&[refused(host, refusal, tree, context)], Some(tree));
        }
    };
    let validation = Validation {
        nix: &setup.nix,
        stand: &setup.stand,
        tracer: tracer.as_ref(),
        use_records: true,
        inputs: setup.inputs.clone(),
        jobs: setup.jobs,
        memory: &setup.memory,
        state: &setup.state,
        count: &|| workspace.git().and_then(|git| git.count().ok()),
        done: &tell,
    };
    let outcomes = validation.evaluate(tree, &commit, &hosts)?;
    context.check_interrupted()?;
    let derivations: BTreeMap<String, String> = outcomes
        .into_iter()
        .filter_map(|(host, outcome)| Some((host, outcome.result.ok()?.derivation?)))
        .collect();
    let whole = derivations.len() == hosts.len();
    let baseline = Baseline {
        schema: SCHEMA.to_owned(),
        revision: status.commit,
        dirty: status.entries.iter().any(|entry| !entry.is_untracked()),
        nix: setup.nix.version().to_string(),
        offline: context.global.offline,
        hosts: derivations,
    };
    Ok((baseline, whole))
}

fn record(
    arguments: &Arguments,
    context: &Context,
    workspace: &Workspace,
) -> Result<Outcome, Failure> {
    let (baseline, whole) = now(context, workspace)?;
    if !whole {
        context
            .ui
            .remark("nothing was recorded: not every host evaluates");
        return Ok(Outcome::Findings);
    }
    let file = file(arguments, workspace);
    write(&file, &baseline)?;
    context.ui.text(&format!(
        "recorded {}{} in {}",
        count(baseline.hosts.len(), "host"),
        at(&baseline),
        Quoted(file.as_os_str())
    ));
    context.ui.document(&baseline);
    Ok(Outcome::Done)
}

/// Where a baseline was taken, in words.
fn at(baseline: &Baseline) -> String {
    let Some(revision) = &baseline.revision else {
        return String::new();
    };
    let short: String = revision.chars().take(12).collect();
    let changed = if baseline.dirty { " with changes" } else { "" };
    format!(" at {short}{changed}")
}

/// Writes in one step: a baseline is the old one or the new one.
fn write(file: &Path, baseline: &Baseline) -> Result<(), Problem> {
    let unwritable = |error: &dyn std::fmt::Display| {
        let shown = Quoted(file.as_os_str());
        Problem::error("unwritable", format!("{shown}: {error}"))
            .help("--file FILE names another place")
    };
    let mut json = serde_json::to_vec_pretty(baseline).map_err(|error| unwritable(&error))?;
    json.push(b'\n');
    let parent = file.parent().filter(|it| !it.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|error| unwritable(&error))?;
    let mut scratch =
        tempfile::NamedTempFile::new_in(parent).map_err(|error| unwritable(&error))?;
    std::io::Write::write_all(&mut scratch, &json).map_err(|error| unwritable(&error))?;
    scratch
        .persist(file)
        .map_err(|error| unwritable(&error.error))?;
    Ok(())
}

fn read(file: &Path) -> Result<Baseline, Problem> {
    let unreadable = |what: String| {
        let shown = Quoted(file.as_os_str());
        Problem::error("no-baseline", format!("{shown}: {what}"))
            .help("`cargo xtask baseline record` writes one")
    };
    let bytes = fs::read(file).map_err(|error| unreadable(error.to_string()))?;
    let baseline: Baseline =
        serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
    if baseline.schema != SCHEMA {
        let schema = &baseline.schema;
        return Err(unreadable(format!("is of {schema}, and not of {SCHEMA}")));
    }
    Ok(baseline)
}

fn check(
    arguments: &Arguments,
    context: &Context,
    workspace: &Workspace,
) -> Result<Outcome, Failure> {
    let before = read(&file(arguments, workspace))?;
    if before.offline != context.global.offline {
        let (with, help) = if before.offline {
            ("with", "add --offline, or record a baseline without it")
        } else {
            (
                "without",
                "leave --offline out, or record a baseline with it",
            )
        };
        let text = format!("the baseline was recorded {with} the offline stand-in");
        return Err(Problem::error("other-inputs", text).help(help).into());
    }
    let (after, whole) = now(context, workspace)?;
    let names: std::collections::BTreeSet<&String> =
        before.hosts.keys().chain(after.hosts.keys()).collect();
    let hosts: Vec<HostDocument<'_>> = names
        .into_iter()
        .map(|name| {
            let sides = (before.hosts.get(name), after.hosts.get(name));
            HostDocument {
                name,
                outcome: match sides {
                    (Some(before), Some(after)) if before == after => "equal",
                    (Some(_), Some(_)) => "different",
                    (None, _) => "new",
                    (Some(_), None) if whole => "gone",
                    (Some(_), None) => "failed",
                },
                before: sides.0.map(String::as_str),
                after: sides.1.map(String::as_str),
            }
        })
        .collect();
    let mut table = Table::new(&[("host", Align::Left), ("against the baseline", Align::Left)]);
    for host in &hosts {
        table.row([host.name.to_owned(), host.outcome.to_owned()]);
    }
    context.ui.text(&table.render(context.ui.palette()));
    let differing = hosts.iter().filter(|host| host.outcome != "equal").count();
    context.ui.text(&format!(
        "{}: {} equal, {differing} not, against the baseline{}",
        count(hosts.len(), "host"),
        hosts.len() - differing,
        at(&before)
    ));
    if before.nix != after.nix {
        context.ui.remark(&format!(
            "the baseline was made with Nix {}, this is {}",
            before.nix, after.nix
        ));
    }
    if let (true, Some(first)) = (differing > 0, &before.revision) {
        context.ui.remark(&format!(
            "help: `cargo xtask explain HOST {}` says what changed",
            first.chars().take(12).collect::<String>()
        ));
    }
    context.ui.document(&Document {
        schema: "baseline-check/1",
        revision: before.revision.as_deref(),
        hosts,
    });
    Ok(if differing == 0 && whole {
        Outcome::Done
    } else {
        Outcome::Findings
    })
}
