//! `explain`: which options of a host changed, from where, and which derivations
//! that reached.

use std::fs;

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::derivation::Judge;
use super::fleet::{Reader, select};
use super::outcome::{Failure, Outcome};
use super::proof::{self, DifferenceDocument};
use crate::explain::{aterm, causes, join, leaves};
use crate::model::Fleet;
use crate::problem::{Problem, Span};
use crate::proof::{Difference, HostVerdict, compare};
use crate::tree::Tree;
use crate::ui::count;
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The host
    #[arg(value_name = "HOST")]
    host: String,
    /// Two revisions, or one that the working tree is compared with
    #[arg(value_name = "A..B", default_value = "HEAD")]
    range: String,
    /// Do not ask Nix for derivations, even if it is there
    #[arg(long)]
    no_nix: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    host: &'a str,
    /// Toplevel derivations.
    before: Option<&'a str>,
    after: Option<&'a str>,
    options: Vec<OptionDocument<'a>>,
    derivations: Vec<LeafDocument<'a>>,
}

#[derive(Serialize)]
struct OptionDocument<'a> {
    #[serde(flatten)]
    difference: DifferenceDocument<'a>,
    /// The changed lines that made it differ.
    causes: &'a [Span],
    /// Derivations in which it shows, as far as names tell.
    derivations: Vec<&'a str>,
}

#[derive(Serialize)]
struct LeafDocument<'a> {
    name: &'a str,
    before: Option<&'a str>,
    after: Option<&'a str>,
    changes: Vec<ChangeDocument<'a>>,
}

#[derive(Serialize)]
struct ChangeDocument<'a> {
    what: &'a str,
    lines: &'a [String],
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Outcome, Failure> {
    let workspace = context.workspace()?;
    let (first, second) = match arguments.range.split_once("..") {
        Some((first, second)) => (first, Some(second).filter(|it| !it.is_empty())),
        None => (arguments.range.as_str(), None),
    };
    let first = if first.is_empty() { "HEAD" } else { first };
    let before = workspace.snapshot_at(first)?.tree;
    let after = state(context, &workspace, second)?;
    let reader = Reader::new();
    let fleets = reader.load_both(&before, &after, context)?;
    let host = chosen(&fleets, &arguments.host)?;
    let verdicts = compare(&fleets.0, &fleets.1, &reader.table);
    let verdict = verdicts.into_iter().find(|it| it.host == host);
    let Some(verdict) = verdict else {
        return Err(Problem::error("no-such-host", format!("nothing is known of {host}")).into());
    };
    let judge = Judge::find_unless(arguments.no_nix, context, &workspace, &after)?;
    let is_asked = judge.is_some();
    let derivations = match judge {
        Some(judge) => {
            let hosts = [host.clone()];
            let judged = judge.judge(context, &before, &after, &hosts, &fleets.1)?;
            let judged = judged.get(&host);
            judged.map(|it| (it.before.clone(), it.after.clone()))
        }
        None => None,
    };
    let (old, new) = derivations.unwrap_or_default();
    let asked = if !is_asked {
        let why = if arguments.no_nix {
            "--no-nix"
        } else {
            "there is no Nix"
        };
        Err(format!("derivations not asked ({why})"))
    } else {
        match (&old, &new) {
            (Some(_), Some(_)) => Ok(()),
            (None, None) => Err("derivations not known: neither state evaluates".to_owned()),
            (None, _) => {
                Err("derivations not known: the state before does not evaluate".to_owned())
            }
            _ => Err("derivations not known: the state after does not evaluate".to_owned()),
        }
    };
    let leaves = match (&old, &new) {
        (Some(old), Some(new)) => leaves::leaves(old, new, &|path| {
            aterm::parse(&String::from_utf8_lossy(&fs::read(path).ok()?))
        }),
        _ => Vec::new(),
    };
    let differences: Vec<&Difference> = verdict.differences.iter().collect();
    let paths: Vec<Vec<String>> = differences
        .iter()
        .map(|difference| words(&difference.path_text()))
        .collect();
    let joined = join::join(&paths, &leaves);
    let causes = causes::causes(&differences, &causes::hunks(&before, &after));
    tell(
        context,
        &verdict,
        (&joined, &causes),
        &leaves,
        (&before, &after),
        &asked,
    );
    context.ui.document(&Document {
        schema: "explain/1",
        host: &host,
        before: old.as_deref(),
        after: new.as_deref(),
        options: differences
            .iter()
            .zip(joined.iter().zip(&causes))
            .map(|(difference, (joined, causes))| OptionDocument {
                difference: DifferenceDocument::from(*difference),
                causes,
                derivations: names(joined, &leaves),
            })
            .collect(),
        derivations: leaves
            .iter()
            .map(|leaf| LeafDocument {
                name: &leaf.name,
                before: leaf.before.as_deref(),
                after: leaf.after.as_deref(),
                changes: leaf
                    .changes
                    .iter()
                    .map(|(what, lines)| ChangeDocument { what, lines })
                    .collect(),
            })
            .collect(),
    });
    Ok(Outcome::Done)
}

fn state(
    context: &Context,
    workspace: &Workspace,
    revision: Option<&str>,
) -> Result<Tree, Failure> {
    Ok(match revision {
        Some(revision) => workspace.snapshot_at(revision)?.tree,
        None => context.read(workspace)?.0.tree,
    })
}

/// The host's name, if either state has it.
fn chosen(fleets: &(Fleet, Fleet), name: &str) -> Result<String, Failure> {
    if fleets.0.host(name).is_some() {
        return Ok(name.to_owned());
    }
    let hosts = select(&fleets.1, &[name.to_owned()])?;
    Ok(hosts.first().map_or_else(String::new, |it| it.name.clone()))
}

/// The names of a path as it is shown.
fn words(path: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in path.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => words.push(String::new()),
            c => {
                if let Some(last) = words.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    words
}

fn names<'a>(joined: &[usize], leaves: &'a [leaves::Leaf]) -> Vec<&'a str> {
    let mut names: Vec<&str> = joined
        .iter()
        .filter_map(|index| leaves.get(*index))
        .map(|leaf| leaf.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn tell(
    context: &Context,
    verdict: &HostVerdict,
    (joined, causes): (&[Vec<usize>], &[Vec<Span>]),
    leaves: &[leaves::Leaf],
    trees: (&Tree, &Tree),
    asked: &Result<(), String>,
) {
    let ui = &context.ui;
    for ((difference, joined), causes) in verdict.differences.iter().zip(joined).zip(causes) {
        let one = HostVerdict {
            differences: vec![difference.clone()],
            ..verdict.clone()
        };
        proof::explain(ui, &[one], trees.0, trees.1);
        let lines: Vec<String> = causes.iter().map(|it| proof::place(it, trees.1)).collect();
        if !lines.is_empty() {
            ui.remark(&format!("changed at {}", lines.join(", ")));
        }
        let names = names(joined, leaves);
        if !names.is_empty() {
            ui.remark(&format!("reached: {}", names.join(", ")));
        }
    }
    for (index, leaf) in leaves.iter().enumerate() {
        let what = match (&leaf.before, &leaf.after) {
            (None, _) => "is new",
            (_, None) => "is gone",
            _ => "changed",
        };
        let known = joined.iter().any(|joined| joined.contains(&index));
        let tied = if known {
            ""
        } else {
            " (tied to no option by name)"
        };
        ui.text(&format!("{} {what}{tied}", leaf.name));
        for (name, lines) in &leaf.changes {
            for line in lines {
                ui.text(&format!("  {name}: {line}"));
            }
        }
    }
    let derivations = match asked {
        Ok(()) => format!("{} by themselves", count(leaves.len(), "derivation")),
        Err(why) => why.clone(),
    };
    ui.text(&format!(
        "{}: {} changed, {derivations}",
        verdict.host,
        count(verdict.differences.len(), "option")
    ));
}
