//! `adopt`: settings, and the tool itself, for a repository that has neither; as one
//! change that is proved before it is written.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::derivation::{self, Judge};
use super::fleet::Reader;
use super::outcome::{Failure, Outcome};
use super::proof::{self, Proof};
use crate::adopt;
use crate::edit::{self, Change};
use crate::guard;
use crate::inventory::Inventory;
use crate::problem::Problem;
use crate::proof::{Judgement, compare};
use crate::taxonomy::Taxonomy;
use crate::ui::{count, unified_diff};
use crate::workspace::{Request, Workspace};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Show the diff and the proof, and leave no trace
    #[arg(long)]
    dry_run: bool,
    /// Also copy the tool, from a checkout of its repository, so that `cargo xtask`
    /// works here
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    engine: Option<PathBuf>,
    /// Do not ask Nix for derivations, even if it is there
    #[arg(long)]
    no_nix: bool,
    /// Leave git's index alone; Nix sees new files only after `git add`
    #[arg(long)]
    no_git_add: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    /// `adopted`, `proposed` (a dry run), `unchanged`, `refused`.
    outcome: &'static str,
    stages: Vec<StageDocument<'a>>,
    hosts: Vec<HostDocument<'a>>,
    changes: Vec<ChangeDocument<'a>>,
}

#[derive(Serialize)]
struct StageDocument<'a> {
    host: &'a str,
    stage: u32,
    needed_by: &'a [String],
}

#[derive(Serialize)]
struct HostDocument<'a> {
    name: &'a str,
    proof: Proof,
}

#[derive(Serialize)]
struct ChangeDocument<'a> {
    path: &'a str,
    kind: &'static str,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Outcome, Failure> {
    let workspace = context.workspace()?;
    let lock = if arguments.dry_run {
        None
    } else {
        Some(workspace.lock()?)
    };
    let (snapshot, config) = context.read(&workspace)?;
    let tree = &snapshot.tree;
    if lock.is_some() {
        let problems = guard::judge(&context.facts(&workspace, &config)?);
        if guard::refuses(&problems) {
            return Err(Failure {
                outcome: Outcome::Refused,
                problems,
            });
        }
        context.ui.problems(&problems, None);
    }
    let reader = Reader::new();
    let fleet = reader.load_told(tree, context)?;
    let inventory = Inventory::take(&fleet, tree, &Taxonomy::embedded(), &config);
    let proposals = adopt::stages(&inventory);
    let mut changes = adopt::settings(tree, &config, &proposals);
    if let Some(directory) = &arguments.engine {
        let from = Workspace::open(Arc::clone(&context.runner), directory)?;
        let files = adopt::engine(&from.snapshot()?.tree, tree);
        let files = files.map_err(|problems| Failure {
            outcome: Outcome::Refused,
            problems,
        })?;
        changes = edit::then(changes, files);
    }
    let after_tree = tree.with(&changes);
    let after = reader.load(&after_tree);
    let verdicts = compare(&fleet, &after, &reader.table);
    let names: Vec<String> = verdicts.iter().map(|it| it.host.clone()).collect();
    let judge = Judge::find_unless(arguments.no_nix, context, &workspace, tree)?;
    let second = match judge {
        Some(judge) if !changes.is_empty() => {
            judge.judge(context, tree, &after_tree, &names, &after)?
        }
        _ => derivation::Verdicts::new(),
    };
    let equal = verdicts
        .iter()
        .all(|verdict| verdict.judgement == Judgement::Equal);
    let holds = equal && derivation::holds(&second, &verdicts, Judgement::Equal);
    let ui = &context.ui;
    if arguments.dry_run {
        ui.text(&unified_diff(&changes, ui.palette()));
    }
    if !equal {
        proof::explain(ui, &verdicts, tree, &after_tree);
    }
    ui.text(&format!("{} (by module input)", proof::summary(&verdicts)));
    derivation::tell(context, &second);
    let outcome = match (changes.is_empty(), holds, &lock) {
        (true, ..) => "unchanged",
        (_, false, _) => "refused",
        (_, _, None) => "proposed",
        (_, _, Some(lock)) => {
            let count = changes.len();
            if !context.global.yes && !ui.confirm(&format!("change {count} files?")) {
                let text = "not confirmed; nothing was changed";
                return Err(Problem::error("interrupted", text).into());
            }
            let request = Request {
                label: "adopt",
                git_add: !arguments.no_git_add,
            };
            workspace.apply(lock, &changes, request, &mut context.cancel.clone())?;
            "adopted"
        }
    };
    tell(outcome, changes.len(), proposals.len(), context);
    ui.document(&Document {
        schema: "adopt/1",
        outcome,
        stages: proposals
            .iter()
            .map(|it| StageDocument {
                host: &it.host,
                stage: it.stage,
                needed_by: &it.needed_by,
            })
            .collect(),
        hosts: verdicts
            .iter()
            .map(|verdict| HostDocument {
                name: &verdict.host,
                proof: proof::document(verdict, second.get(&verdict.host)),
            })
            .collect(),
        changes: changes
            .iter()
            .map(|(path, change)| ChangeDocument {
                path: path.as_str(),
                kind: match change {
                    Change::Create { .. } => "create",
                    Change::Modify { .. } => "modify",
                    Change::Delete { .. } => "delete",
                },
            })
            .collect(),
    });
    Ok(if outcome == "refused" {
        Outcome::Findings
    } else {
        Outcome::Done
    })
}

fn tell(outcome: &str, files: usize, stages: usize, context: &Context) {
    let ui = &context.ui;
    match outcome {
        "unchanged" => ui.text("nothing to adopt: every host has a stage, and no file is missing"),
        "refused" => ui.text("nothing was changed: not every host is equal with it"),
        "proposed" => ui.text(&format!(
            "{}, stages for {}; nothing was changed (--dry-run)",
            count(files, "file"),
            count(stages, "host")
        )),
        _ => {
            ui.text(&format!(
                "{} written, stages for {}",
                count(files, "file"),
                count(stages, "host")
            ));
            ui.remark("help: look at the stages in fleet.toml; `cargo xtask migrate undo` takes all of it back");
        }
    }
}
