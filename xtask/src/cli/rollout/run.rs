//! Carrying a rollout out, from its beginning or from where it was cut off.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::super::context::Context;
use super::super::nix::Setup;
use super::super::outcome::{Failure, Outcome};
use super::prepare::Repository;
use super::start::Known;
use super::{Reaching, settings, show};
use crate::engine::rollout::journal::Journals;
use crate::engine::rollout::{Ended, Fleet, Hooks, Reach, Store, carry};
use crate::problem::Problem;
use crate::rollout::{Action, Event, Observation, Plan, Runner, Sink, State, StorePath};

/// What it takes to reach targets.
pub(super) fn reach(
    setup: &Setup,
    hooks: BTreeMap<String, Hooks>,
    roots: PathBuf,
    reaching: &Reaching,
    context: &Context,
) -> Result<Reach, Failure> {
    let store = Store::open(
        Arc::new(crate::process::DuctRunner::default()),
        setup.nix.program(),
        setup.build_options.clone(),
        roots,
    )?;
    // A printer of its own: workers outlive no session, but they may be many.
    let voice = context.ui.part();
    Ok(Reach {
        ssh_config: reaching.ssh_config.clone(),
        store: Arc::new(store),
        hooks,
        said: Arc::new(move |host, text| voice.detail(&format!("{host}: {text}"))),
    })
}

fn fleet(plan: &Plan, reach: Reach) -> Result<Fleet, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(Fleet::new(plan, reach, &path)?)
}

/// All rollouts so far, oldest first; what cannot be read is said and left out.
pub(super) fn states(journals: &Journals, context: &Context) -> Vec<(String, State)> {
    let mut states = Vec::new();
    for id in journals.list() {
        match journals.read(&id) {
            Ok(read) => states.push((id, read.state)),
            Err(problem) => {
                let problem = Problem::warning("bad-journal", problem.message);
                context.ui.problems(&[problem], None);
            }
        }
    }
    states
}

/// What the hosts of the plan's stages look like now; nothing is put there.
pub(super) fn look(
    plan: &Plan,
    repository: &Repository,
    reaching: &Reaching,
    context: &Context,
) -> Result<BTreeMap<String, Result<Observation, String>>, Failure> {
    let reach = reach(
        &repository.setup,
        BTreeMap::new(),
        PathBuf::new(),
        reaching,
        context,
    )?;
    let fleet = fleet(plan, reach)?;
    let staged = plan
        .hosts
        .iter()
        .filter(|it| plan.stages.contains(&it.stage));
    let names: Vec<&str> = staged.map(|host| host.name.as_str()).collect();
    let total = u64::try_from(names.len()).unwrap_or(u64::MAX);
    let task = context.ui.progress().task("look", total);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(plan.options.jobs.max(1))
        .build();
    let pool = pool.map_err(|error| Problem::error("no-thread", error.to_string()))?;
    let looks = pool.install(|| {
        use rayon::prelude::*;
        let one = |name: &&str| {
            let seen = fleet.glance(name);
            task.advance(name);
            ((*name).to_owned(), seen)
        };
        names.par_iter().map(one).collect()
    });
    context.check_interrupted()?;
    Ok(looks)
}

/// Where the journal's lines go as well.
fn written(context: &Context) -> impl FnMut(&str) + '_ {
    |line| context.ui.json_line(line)
}

/// What hosts may run when they are first looked at, by name: what they got from us
/// last, and what they are to get.
type Expected = BTreeMap<String, [StorePath; 2]>;

/// Says that somebody else was at work, before anything is done to a host.
fn stranger(event: &Event, expected: &mut Expected, context: &Context) {
    let Event::Ended {
        host: Some(host),
        outcome: crate::rollout::Outcome::Observed(seen),
        ..
    } = event
    else {
        return;
    };
    let unknown = |closures: &[StorePath; 2]| !closures.contains(&seen.current);
    if expected.remove(host).as_ref().is_some_and(unknown) {
        let text = format!(
            "{host} runs {}, which no rollout from here has brought",
            seen.current
        );
        let problem = Problem::warning("unknown-closure", text);
        context.ui.problems(&[problem], None);
    }
}

/// A new rollout, from its first record. `known` is what hosts got from us last.
pub(super) fn begin(
    plan: Plan,
    journals: &Journals,
    reach: Reach,
    known: &BTreeMap<String, Known>,
    context: &Context,
) -> Result<Outcome, Failure> {
    let expected = plan.hosts.iter().filter_map(|host| {
        let was = StorePath(known.get(&host.name)?.closure.clone());
        Some((host.name.clone(), [was, host.closure.clone()]))
    });
    let expected = expected.collect();
    let fleet = fleet(&plan, reach)?;
    let journal = journals.create(&plan.id, written(context))?;
    context.ui.remark(&format!("rollout {}", plan.id));
    let (runner, first) = Runner::start(plan, journal)?;
    go_on(runner, first, fleet, expected, context)
}

fn go_on<S: Sink<Error = Problem>>(
    mut runner: Runner<S>,
    first: Vec<Action>,
    mut fleet: Fleet,
    mut expected: Expected,
    context: &Context,
) -> Result<Outcome, Failure> {
    for action in &first {
        show::intent(action, context);
    }
    let mut seen = |event: &Event, actions: &[Action]| {
        stranger(event, &mut expected, context);
        show::event(event, context);
        for action in actions {
            show::intent(action, context);
        }
    };
    let ended = carry(&mut runner, first, &mut fleet, &context.cancel, &mut seen);
    fleet.close();
    let handshakes = fleet.handshakes();
    let ended = ended.map_err(|problem| Failure {
        outcome: Outcome::Failed,
        problems: vec![problem],
    })?;
    let state = runner.state();
    show::summary(state, &handshakes, context);
    if let Some(plan) = &state.plan {
        show::ends(&plan.id, state, &handshakes, context);
    }
    let outcome = match state.exit_status() {
        0 => Outcome::Done,
        1 => Outcome::Findings,
        3 => Outcome::Refused,
        4 => Outcome::Stopped,
        _ => Outcome::Failed,
    };
    Ok(match ended {
        Ended::Aborted if outcome != Outcome::Done => Outcome::Interrupted,
        _ => outcome,
    })
}

/// The rollout that is meant: the one of that name, or the newest that is not done.
fn meant(
    id: Option<&str>,
    journals: &Journals,
    abort: bool,
    context: &Context,
) -> Result<String, Failure> {
    let all = states(journals, context);
    if let Some(id) = id {
        return match all.iter().any(|(name, _)| name == id) {
            true => Ok(id.to_owned()),
            false => Err(
                Problem::error("no-such-rollout", format!("no rollout is called `{id}`"))
                    .help("`rollout history` lists them")
                    .into(),
            ),
        };
    }
    let undone =
        |(_, state): &&(String, State)| !state.finished || (!abort && show::is_open(state));
    let found = all.iter().rev().find(undone);
    found.map(|(id, _)| id.clone()).ok_or_else(|| {
        Problem::error(
            "nothing-to-resume",
            "no rollout was cut off, and no host is missing",
        )
        .into()
    })
}

/// Takes a rollout up where its journal ends, or takes back what it had begun.
pub(super) fn resume(
    id: Option<&str>,
    reaching: &Reaching,
    abort: bool,
    context: &Context,
) -> Result<Outcome, Failure> {
    let workspace = context.workspace()?;
    let journals = Journals::of(workspace.root());
    if let Some(owner) = journals.owner().filter(|_| abort) {
        return interrupt(owner, &journals, context);
    }
    let _owner = journals.own()?;
    let id = meant(id, &journals, abort, context)?;
    let read = journals.read(&id)?;
    let Some(plan) = read.state.plan.clone() else {
        return Err(Problem::error("bad-journal", format!("rollout {id} has no plan")).into());
    };
    if abort && read.state.finished {
        return Err(
            Problem::error("nothing-to-resume", format!("rollout {id} has ended"))
                .help("`rollback stage N` takes a stage back")
                .into(),
        );
    }
    let (snapshot, config) = context.read(&workspace)?;
    let setup = Setup::find(context, &workspace, &snapshot.tree)?;
    let roots = journals.roots(&id);
    let reach = reach(&setup, settings::hooks(&config), roots, reaching, context)?;
    let fleet = fleet(&plan, reach)?;
    let journal = journals.append(&read, written(context))?;
    context.ui.remark(&format!("rollout {id}, taken up again"));
    let (mut runner, mut first) = Runner::resume(read.state, journal)?;
    if abort {
        runner.feed(Event::Abort)?;
        // Of what the first of both had asked for only this is still wanted.
        let open = runner.state().open.values();
        first = open.map(|open| open.action.clone()).collect();
    }
    let outcome = go_on(runner, first, fleet, Expected::new(), context)?;
    Ok(match outcome {
        // What was asked for is that it ends.
        Outcome::Stopped | Outcome::Findings if abort => Outcome::Done,
        other => other,
    })
}

/// Tells the process that rolls out to take back what it has begun.
fn interrupt(owner: i32, journals: &Journals, context: &Context) -> Result<Outcome, Failure> {
    let failed = |what: String| Problem::error("not-interrupted", what);
    let pid = rustix::process::Pid::from_raw(owner)
        .ok_or_else(|| failed(format!("process {owner} is none")))?;
    rustix::process::kill_process(pid, rustix::process::Signal::INT)
        .map_err(|error| failed(format!("process {owner}: {error}")))?;
    context
        .ui
        .remark(&format!("process {owner} takes back what it has begun"));
    while journals.owner() == Some(owner) {
        context.check_interrupted()?;
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    Ok(Outcome::Done)
}
