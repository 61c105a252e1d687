//! Taking back, and what sudo has to allow.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use super::super::context::Context;
use super::super::nix::Setup;
use super::super::outcome::{Failure, Outcome};
use super::prepare::Repository;
use super::{Reaching, run, settings};
use crate::engine::rollout::journal::Journals;
use crate::engine::rollout::{Fleet, Store};
use crate::problem::Problem;
use crate::rollout::{BuildOn, HostPlan, Options, Plan, State, StorePath, rollback as plan_of};

#[derive(Debug, Subcommand)]
pub(in super::super) enum RollbackCommand {
    /// Bring one host back to what the last rollout found on it
    Host(HostArguments),
    /// Bring all hosts of a stage back to what the last rollout of it found on them
    Stage(StageArguments),
}

#[derive(Debug, clap::Args)]
pub(in super::super) struct HostArguments {
    /// The host
    #[arg(value_name = "NAME")]
    name: String,
    /// To this generation of its system profile, or to this store path
    #[arg(long, value_name = "GENERATION|PATH")]
    to: Option<String>,
    #[command(flatten)]
    reaching: Reaching,
}

#[derive(Debug, clap::Args)]
pub(in super::super) struct StageArguments {
    /// The stage
    #[arg(value_name = "N")]
    stage: u32,
    #[command(flatten)]
    reaching: Reaching,
}

/// Where it goes.
enum To {
    Generation(u64),
    Path(String),
}

fn to(text: &str) -> Result<To, Problem> {
    if let Ok(number) = text.parse() {
        return Ok(To::Generation(number));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "+._?=-".contains(c);
    let name = text.strip_prefix("/nix/store/");
    match name.filter(|name| !name.is_empty() && name.chars().all(plain)) {
        Some(_) => Ok(To::Path(text.to_owned())),
        None => Err(Problem::error(
            "bad-closure",
            format!("--to {text:?}: neither a generation nor a store path"),
        )),
    }
}

pub(super) fn rollback(command: &RollbackCommand, context: &Context) -> Result<Outcome, Failure> {
    let workspace = context.workspace()?;
    let journals = Journals::of(workspace.root());
    let _owner = journals.own()?;
    let states = run::states(&journals, context);
    if let Some((id, _)) = states.iter().rev().find(|(_, state)| !state.finished) {
        return Err(
            Problem::error("half-done", format!("rollout {id} was cut off"))
                .help("`rollout abort` takes it back, `rollout resume` goes on with it")
                .into(),
        );
    }
    let id = journals.name(jiff::Timestamp::now());
    let (snapshot, config) = context.read(&workspace)?;
    let setup = Setup::find(context, &workspace, &snapshot.tree)?;
    let reaching = match command {
        RollbackCommand::Host(host) => &host.reaching,
        RollbackCommand::Stage(stage) => &stage.reaching,
    };
    let roots = journals.roots(&id);
    let reach = || {
        run::reach(
            &setup,
            settings::hooks(&config),
            roots.clone(),
            reaching,
            context,
        )
    };
    let plan = match command {
        RollbackCommand::Stage(StageArguments { stage, .. }) => {
            last(&states, &id, Some(*stage), None).ok_or_else(|| {
                Problem::error(
                    "nothing-to-undo",
                    format!("no rollout from here has changed a host of stage {stage}"),
                )
            })?
        }
        RollbackCommand::Host(HostArguments { name, to: None, .. }) => {
            last(&states, &id, None, Some(name)).ok_or_else(|| {
                Problem::error(
                    "nothing-to-undo",
                    format!("no rollout from here has changed `{name}`"),
                )
                .help("--to GENERATION or --to PATH names what it is to go back to")
            })?
        }
        RollbackCommand::Host(HostArguments {
            name,
            to: Some(text),
            ..
        }) => {
            let to = to(text)?;
            let mut host = planned(&states, name, context)?;
            host.build_on = BuildOn::Existing;
            host.health.clear();
            host.moves = false;
            host.next = None;
            host.derivation = None;
            let mut plan = Plan {
                id: id.clone(),
                stages: BTreeSet::from([host.stage]),
                hosts: vec![host],
                revision: None,
                options: Options {
                    force_stage: true,
                    ..Options::default()
                },
            };
            let (closure, generation) = match to {
                To::Path(path) => (path, None),
                To::Generation(number) => {
                    let fleet = fleet(&plan, reach()?)?;
                    (resolve(&fleet, name, number)?, Some(number))
                }
            };
            for host in &mut plan.hosts {
                host.closure = StorePath(closure.clone());
                host.generation = generation;
            }
            plan
        }
    };
    for host in &plan.hosts {
        context
            .ui
            .text(&format!("{}: back to {}", host.name, host.closure));
    }
    run::begin(plan, &journals, reach()?, &BTreeMap::new(), context)
}

fn fleet(plan: &Plan, reach: crate::engine::rollout::Reach) -> Result<Fleet, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(Fleet::new(plan, reach, &path)?)
}

fn resolve(fleet: &Fleet, host: &str, generation: u64) -> Result<String, Failure> {
    let link = format!("/nix/var/nix/profiles/system-{generation}-link");
    let found = fleet.ask(host, &["readlink", "-f", &link], Duration::from_secs(20));
    let path = found.map_err(|text| Problem::error("unreachable", text))?;
    let path = path.trim();
    if path.starts_with("/nix/store/") {
        Ok(path.to_owned())
    } else {
        Err(Problem::error(
            "no-such-generation",
            format!("{host} has no generation {generation} of its system profile"),
        )
        .into())
    }
}

/// The plan that takes back what the newest rollout did that fits.
fn last(
    states: &[(String, State)],
    id: &str,
    stage: Option<u32>,
    host: Option<&str>,
) -> Option<Plan> {
    let newest_first = states.iter().rev();
    let mut plans = newest_first.filter_map(|(_, state)| plan_of(state, id, stage, host));
    plans.next()
}

/// A host as the newest rollout had it, or as the tree has it.
fn planned(states: &[(String, State)], name: &str, context: &Context) -> Result<HostPlan, Failure> {
    let of = |(_, state): &(String, State)| {
        let hosts = &state.plan.as_ref()?.hosts;
        hosts.iter().find(|host| host.name == name).cloned()
    };
    if let Some(host) = states.iter().rev().find_map(of) {
        return Ok(host);
    }
    let repository = Repository::open(context)?;
    let mut entries = repository.inventory.hosts.iter();
    let Some(entry) = entries.find(|host| host.name == name) else {
        return Err(Problem::error("no-such-host", format!("no host is called {name:?}")).into());
    };
    // What it would be now is of no interest.
    let nothing = crate::proof::derivation::Facts::default();
    let mut host = settings::host(&repository.config, entry, &nothing)?;
    host.stage = host.stage.max(1);
    Ok(host)
}

/// What sudo has to allow on hosts that are not reached as root.
pub(super) fn sudoers(nix_bin: &str, context: &Context) -> Result<Outcome, Failure> {
    let repository = Repository::open(context)?;
    let store = Store::open(
        std::sync::Arc::new(crate::process::DuctRunner::default()),
        repository.setup.nix.program(),
        Vec::new(),
        PathBuf::new(),
    )?;
    let mut users: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for host in &repository.inventory.hosts {
        let user = host
            .deploy
            .as_ref()
            .and_then(|deploy| deploy.user.as_deref());
        if let Some(user) = user.filter(|user| *user != "root") {
            users.entry(user).or_default().push(&host.name);
        }
    }
    let mut text = String::new();
    for (user, hosts) in users {
        text += &format!("# {}\n", hosts.join(", "));
        for command in [
            store.agent.clone(),
            format!("{nix_bin}/nix-daemon --stdio"),
            format!("{nix_bin}/nix-store --serve --write"),
        ] {
            text += &format!("{user} ALL=(root) NOPASSWD: {command}\n");
        }
    }
    if text.is_empty() {
        text.push_str("# every host is reached as root\n");
    }
    context.ui.raw(text.as_bytes());
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_a_rollback_are_told_apart() {
        assert!(matches!(to("12"), Ok(To::Generation(12))));
        assert!(matches!(to("/nix/store/abc-x"), Ok(To::Path(_))));
        for wrong in [
            "",
            "-1",
            "/nix/store/",
            "/nix/store/a/b",
            "/etc",
            "/nix/store/a b",
        ] {
            assert!(to(wrong).is_err(), "{wrong}");
        }
    }
}
