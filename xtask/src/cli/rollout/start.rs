//! A new rollout: what comes before it, and its plan.

use std::collections::BTreeMap;

use super::super::context::Context;
use super::super::fleet::Reader;
use super::super::outcome::{Failure, Outcome};
use super::super::proof;
use super::prepare::Repository;
use super::{Start, run, show};
use crate::engine::rollout::journal::Journals;
use crate::guard::{judge, refuses};
use crate::problem::Problem;
use crate::proof::compare;
use crate::rollout::{Final, HostPlan, Phase, Plan, State, admit, script};
use crate::ui;

/// What is known of a host from earlier rollouts.
pub(super) struct Known {
    /// What it ran at the end.
    pub closure: String,
    /// The commit that this is of.
    pub revision: Option<String>,
}

/// What hosts ran when they were last heard of, from all rollouts, oldest first.
pub(super) fn known(states: &[State]) -> BTreeMap<String, Known> {
    let mut known = BTreeMap::new();
    for state in states {
        let Some(plan) = &state.plan else { continue };
        for (planned, host) in plan.hosts.iter().zip(&state.hosts) {
            let closure = match &host.phase {
                Phase::Final(Final::Confirmed | Final::Kept) => Some(&planned.closure),
                Phase::Final(Final::RolledBack | Final::Restored | Final::Untouched) => {
                    host.baseline.as_ref().map(|baseline| &baseline.profile)
                }
                _ => None,
            };
            if let Some(closure) = closure {
                let revision = (*closure == planned.closure)
                    .then(|| plan.revision.clone())
                    .flatten();
                let closure = closure.0.clone();
                known.insert(planned.name.clone(), Known { closure, revision });
            }
        }
    }
    known
}

pub(super) fn start(start: &Start, context: &Context) -> Result<Outcome, Failure> {
    let repository = Repository::open(context)?;
    repository.need_stages(context)?;
    if start.stages.is_empty() && !start.all {
        return Err(
            Problem::error("no-stage", "which stage is to be rolled out?")
                .help("--stage N, or --all; --plan says what would happen")
                .into(),
        );
    }
    let facts = context.facts(&repository.workspace, &repository.config)?;
    let problems = judge(&facts);
    context.ui.problems(&problems, None);
    let refused = refuses(&problems);
    if refused && !start.plan {
        return Err(Failure {
            outcome: Outcome::Refused,
            problems: vec![Problem::error(
                "guard",
                "a rollout starts from a clean tree of the right branch",
            )],
        });
    }
    let journals = Journals::of(repository.workspace.root());
    // A second one is refused before anything is evaluated.
    let owner = match start.plan {
        true => None,
        false => Some(journals.own()?),
    };
    let states = run::states(&journals, context);
    if let Some((id, _)) = states.iter().rev().find(|(_, state)| !state.finished)
        && !start.plan
    {
        let text = format!("rollout {id} was cut off");
        return Err(Problem::error("half-done", text)
            .help("`rollout resume` goes on with it, `rollout abort` takes it back")
            .into());
    }
    let states: Vec<State> = states.into_iter().map(|(_, state)| state).collect();
    let plan = repository.plan(start, journals.name(jiff::Timestamp::now()), context)?;
    let scenes = script(&plan).map_err(|error| {
        Problem::error("bad-plan", error.to_string())
            .help("`ignore-needs` of [rollout] in fleet.toml, or --ignore-need WHO:WHOM")
    })?;
    let admitted = admit(&plan, &states);
    let known = known(&states);
    let changes = changes(&plan, &known);
    if start.plan {
        let looks = run::look(&plan, &repository, &start.reaching, context)?;
        show::plan(&plan, &scenes, &known, &looks, context);
        if let Err(refused) = &admitted {
            let problem = Problem::warning("stage-order", refused.to_string());
            context.ui.problems(&[problem], None);
        }
        differences(&repository, &changes, &known, context);
        context.ui.text(&format!("digest {}", plan.digest()));
        return Ok(Outcome::Done);
    }
    admitted.map_err(|refused| {
        Problem::error("stage-order", refused.to_string())
            .help("roll that stage out first, or --force-stage")
    })?;
    acknowledge(start, &repository, &plan, &changes, &known, context)?;
    repository.build(&plan, context)?;
    let reach = run::reach(
        &repository.setup,
        repository.hooks(),
        journals.roots(&plan.id),
        &start.reaching,
        context,
    )?;
    let outcome = run::begin(plan, &journals, reach, &known, context);
    drop(owner);
    outcome
}

/// Hosts of the plan's stages that are to run something else than they did.
fn changes<'p>(plan: &'p Plan, known: &BTreeMap<String, Known>) -> Vec<&'p HostPlan> {
    let changes = |host: &&HostPlan| {
        let was = known.get(&host.name).map(|it| it.closure.as_str());
        plan.stages.contains(&host.stage) && was != Some(host.closure.0.as_str())
    };
    plan.hosts.iter().filter(changes).collect()
}

/// Nothing new goes out that nobody has seen.
fn acknowledge(
    start: &Start,
    repository: &Repository,
    plan: &Plan,
    changes: &[&HostPlan],
    known: &BTreeMap<String, Known>,
    context: &Context,
) -> Result<(), Failure> {
    if changes.is_empty() {
        return Ok(());
    }
    let digest = plan.digest();
    if let Some(seen) = &start.acknowledge {
        if seen.len() >= 8 && digest.starts_with(seen.as_str()) {
            return Ok(());
        }
        return Err(Problem::error(
            "not-acknowledged",
            format!("what would be rolled out is {digest}, and not {seen}"),
        )
        .help("look at `--plan` again")
        .into());
    }
    for host in changes {
        context.ui.text(&show::change(host, known));
    }
    differences(repository, changes, known, context);
    if context.global.yes {
        return Ok(());
    }
    if context.ui.is_interactive() && context.ui.confirm("roll this out?") {
        return Ok(());
    }
    Err(Problem::error(
        "not-acknowledged",
        format!(
            "{} would change, and nobody has agreed",
            ui::count(changes.len(), "host")
        ),
    )
    .help(format!(
        "look at `--plan`, then --acknowledge {}, or --yes",
        digest.chars().take(12).collect::<String>()
    ))
    .into())
}

/// Which options differ from what the hosts got from us last.
fn differences(
    repository: &Repository,
    changes: &[&HostPlan],
    known: &BTreeMap<String, Known>,
    context: &Context,
) {
    let mut revisions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for host in changes {
        let revision = known.get(&host.name).and_then(|it| it.revision.as_deref());
        if let Some(revision) = revision {
            revisions.entry(revision).or_default().push(&host.name);
        }
    }
    for (revision, hosts) in revisions {
        let Ok(before) = repository.workspace.snapshot_at(revision) else {
            context
                .ui
                .remark(&format!("{revision} is not in the repository any more"));
            continue;
        };
        let reader = Reader::new();
        let fleets = (reader.load(&before.tree), reader.load(&repository.tree));
        let mut verdicts = compare(&fleets.0, &fleets.1, &reader.table);
        verdicts.retain(|verdict| hosts.contains(&verdict.host.as_str()));
        let short: String = revision.chars().take(12).collect();
        context
            .ui
            .text(&format!("since {short}: {}", proof::summary(&verdicts)));
        proof::explain(&context.ui, &verdicts, &before.tree, &repository.tree);
    }
}
