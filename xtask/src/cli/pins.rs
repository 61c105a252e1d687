//! `pins`: the inputs of the flake, how old they are, and what is wrong with them.

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::fleet::Reader;
use super::outcome::{Failure, Outcome};
use crate::inventory::Inventory;
use crate::lock::{Lock, is_unstable};
use crate::problem::Problem;
use crate::taxonomy::Taxonomy;
use crate::tree::TreePath;
use crate::ui::{Align, Table};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// An input that is older than this many days is a finding
    #[arg(long, value_name = "DAYS")]
    max_age: Option<u32>,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    inputs: &'a [Pin],
    duplicates: Vec<DuplicateDocument<'a>>,
}

#[derive(Serialize)]
struct DuplicateDocument<'a> {
    place: &'a str,
    /// By commit: paths of inputs.
    states: &'a std::collections::BTreeMap<String, Vec<String>>,
}

/// One input.
#[derive(Serialize)]
struct Pin {
    name: String,
    place: String,
    branch: Option<String>,
    rev: Option<String>,
    /// When the commit was made, as a day.
    date: Option<String>,
    age_days: Option<i64>,
    /// nixpkgs as it is developed.
    unstable: bool,
    /// Inputs of inputs that follow it.
    followers: Vec<String>,
    /// Hosts that its library makes, or whose modules name it.
    hosts: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Outcome, Failure> {
    const DAY: i64 = 86_400;
    let workspace = context.workspace()?;
    let (snapshot, config) = context.read(&workspace)?;
    let tree = &snapshot.tree;
    let file = TreePath::new("flake.lock").and_then(|path| tree.read(&path).ok());
    let Some(bytes) = file else {
        return Err(
            Problem::error("no-lock", "there is no flake.lock: nothing is pinned")
                .help("`nix flake lock` makes one; then `git add flake.lock`")
                .into(),
        );
    };
    let lock = Lock::read(&bytes).map_err(|error| {
        Problem::error("bad-lock", format!("flake.lock: {error}"))
            .help("`nix flake lock` writes it anew")
    })?;
    let fleet = Reader::new().draft(tree);
    let inventory = Inventory::take(&fleet, tree, &Taxonomy::embedded(), &config);
    let now = jiff::Timestamp::now().as_second();
    let followers = lock.followers();
    let pins: Vec<Pin> = lock
        .inputs()
        .into_iter()
        .map(|(name, node)| {
            let locked = node.locked.clone().unwrap_or_default();
            let original = node.original.clone().unwrap_or_else(|| locked.clone());
            let time = locked.last_modified;
            let date = time.and_then(|time| jiff::Timestamp::from_second(time).ok());
            let using = inventory.hosts.iter();
            Pin {
                name: name.to_owned(),
                place: locked.place(),
                branch: original.branch.clone(),
                rev: locked.rev.clone(),
                date: date.map(|date| date.strftime("%Y-%m-%d").to_string()),
                age_days: time.map(|time| (now - time) / DAY),
                unstable: is_unstable(&original),
                followers: followers.get(name).cloned().unwrap_or_default(),
                hosts: using
                    .filter(|host| host.inputs.contains(name))
                    .map(|host| host.name.clone())
                    .collect(),
            }
        })
        .collect();
    let duplicates = lock.duplicates();
    show(&pins, context);
    let mut problems = Vec::new();
    for duplicate in &duplicates {
        let states: Vec<String> = duplicate
            .states
            .iter()
            .map(|(commit, paths)| {
                let short: String = commit.chars().take(8).collect();
                format!("{short} as {}", paths.join(", "))
            })
            .collect();
        let problem = Problem::warning(
            "duplicate-input",
            format!(
                "{} is there in {} states: {}",
                duplicate.place,
                states.len(),
                states.join("; ")
            ),
        );
        problems.push(match duplicate.remedy() {
            Some(line) => problem.help(format!("in flake.nix: `{line}`, then `nix flake lock`")),
            None => problem,
        });
    }
    for pin in pins
        .iter()
        .filter(|pin| pin.unstable && !pin.hosts.is_empty())
    {
        problems.push(Problem::note(
            "unstable-input",
            format!(
                "{} is no release, and is used by {}",
                pin.name,
                pin.hosts.join(", ")
            ),
        ));
    }
    let limit = arguments.max_age.map(i64::from);
    let mut old = false;
    for pin in &pins {
        if let (Some(limit), Some(age)) = (limit, pin.age_days)
            && age > limit
        {
            old = true;
            let text = format!("{} is {age} days old, more than {limit}", pin.name);
            problems.push(
                Problem::error("old-input", text)
                    .help(format!("`nix flake lock --update-input {}`", pin.name)),
            );
        }
    }
    context.ui.problems(&problems, Some(tree));
    context.ui.document(&Document {
        schema: "pins/1",
        inputs: &pins,
        duplicates: duplicates
            .iter()
            .map(|it| DuplicateDocument {
                place: &it.place,
                states: &it.states,
            })
            .collect(),
    });
    Ok(if old {
        Outcome::Findings
    } else {
        Outcome::Done
    })
}

fn show(pins: &[Pin], context: &Context) {
    let mut table = Table::new(&[
        ("input", Align::Left),
        ("from", Align::Left),
        ("branch", Align::Left),
        ("commit", Align::Left),
        ("of", Align::Left),
        ("days", Align::Right),
        ("followed by", Align::Left),
        ("used by hosts", Align::Right),
    ]);
    for pin in pins {
        let short = pin.rev.iter().flat_map(|rev| rev.chars().take(8)).collect();
        table.row([
            pin.name.clone(),
            pin.place.clone(),
            pin.branch.clone().unwrap_or_default(),
            short,
            pin.date.clone().unwrap_or_default(),
            pin.age_days.map_or_else(String::new, |age| age.to_string()),
            pin.followers.join(", "),
            pin.hosts.len().to_string(),
        ]);
    }
    context.ui.text(&table.render(context.ui.palette()));
}
