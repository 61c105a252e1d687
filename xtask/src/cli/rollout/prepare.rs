//! From the tree to a plan: every host's closure, and what owners say about it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::super::context::Context;
use super::super::fleet::Reader;
use super::super::nix::{Setup, span};
use super::super::outcome::{Failure, Outcome};
use super::{Start, Strategy, settings};
use crate::config::Config;
use crate::engine::build::{Builds, Built};
use crate::engine::rollout::Hooks;
use crate::engine::tracer::{ITSELF, Tracer};
use crate::engine::validation::{Outcome as Evaluated, Validation};
use crate::inventory::Inventory;
use crate::problem::Problem;
use crate::proof::derivation::Facts;
use crate::rollout::{BuildOn, Colour, HostPlan, Options, Plan, Strategy as Order};
use crate::taxonomy::Taxonomy;
use crate::tree::Tree;
use crate::workspace::Workspace;

/// The tree and what it says.
pub(super) struct Repository {
    pub workspace: Workspace,
    pub tree: Tree,
    pub config: Config,
    pub inventory: Inventory,
    pub setup: Setup,
}

impl Repository {
    pub(super) fn open(context: &Context) -> Result<Self, Failure> {
        let workspace = context.workspace()?;
        let (snapshot, config) = context.read(&workspace)?;
        let tree = snapshot.tree;
        let fleet = Reader::new().load_told(&tree, context)?;
        let inventory = Inventory::take(&fleet, &tree, &Taxonomy::embedded(), &config);
        let setup = Setup::find(context, &workspace, &tree)?;
        Ok(Self {
            workspace,
            tree,
            config,
            inventory,
            setup,
        })
    }

    pub(super) fn hooks(&self) -> BTreeMap<String, Hooks> {
        settings::hooks(&self.config)
    }

    /// Evaluates all hosts, as validation does.
    pub(super) fn closures(&self, context: &Context) -> Result<BTreeMap<String, Facts>, Failure> {
        let tracer = Tracer::find(&*context.runner, Path::new(ITSELF));
        let hosts: Vec<String> = self
            .inventory
            .hosts
            .iter()
            .map(|it| it.name.clone())
            .collect();
        let total = u64::try_from(hosts.len()).unwrap_or(u64::MAX);
        let task = context.ui.progress().task("eval", total);
        let done = |host: &str, _: &Evaluated| task.advance(host);
        let count = || self.workspace.git().and_then(|git| git.count().ok());
        let validation = Validation {
            nix: &self.setup.nix,
            stand: &self.setup.stand,
            tracer: tracer.as_ref(),
            use_records: tracer.is_some(),
            inputs: self.setup.inputs.clone(),
            jobs: self.setup.jobs,
            memory: &self.setup.memory,
            state: &self.setup.state,
            count: &count,
            done: &done,
        };
        let commit = context.commit(&self.workspace)?;
        let outcomes = validation.evaluate(&self.tree, &commit, &hosts)?;
        drop(task);
        context.check_interrupted()?;
        let mut closures = BTreeMap::new();
        let mut problems = Vec::new();
        for (host, outcome) in outcomes {
            match outcome.result {
                Ok(facts) if facts.derivation.is_some() && facts.output.is_some() => {
                    closures.insert(host, facts);
                }
                Ok(_) => problems.push(Problem::error(
                    "not-evaluated",
                    format!("{host}: it has no `system.build.toplevel`"),
                )),
                Err(refusal) => {
                    let text = format!("{host}: {}", refusal.text);
                    problems.push(Problem {
                        span: span(refusal.at.as_ref(), &self.tree),
                        ..Problem::error("not-evaluated", text)
                    });
                }
            }
        }
        if problems.is_empty() {
            return Ok(closures);
        }
        context.ui.problems(&problems, Some(&self.tree));
        let count = problems.len();
        Err(Failure {
            outcome: Outcome::Findings,
            problems: vec![
                Problem::error(
                    "not-valid",
                    format!("not every host evaluates: {count} failed"),
                )
                .help("a rollout is planned for all hosts; cargo xtask validate"),
            ],
        })
    }

    /// Builds what is built here.
    pub(super) fn build(&self, plan: &Plan, context: &Context) -> Result<(), Failure> {
        let local =
            |host: &&HostPlan| plan.stages.contains(&host.stage) && host.build_on == BuildOn::Local;
        let wanted: Vec<(String, String, String)> = plan
            .hosts
            .iter()
            .filter(local)
            .filter_map(|host| {
                let derivation = host.derivation.as_ref()?.0.clone();
                Some((host.name.clone(), derivation, host.closure.0.clone()))
            })
            .collect();
        let total = u64::try_from(wanted.len()).unwrap_or(u64::MAX);
        let task = context.ui.progress().task("build", total);
        let done = |host: &str, _: &Built| task.advance(host);
        let builds = Builds {
            nix: &self.setup.nix,
            options: self.setup.build_options.clone(),
            jobs: self.setup.jobs,
            done: &done,
        };
        let built = builds.run(&wanted);
        drop(task);
        context.check_interrupted()?;
        let problems: Vec<Problem> = built
            .into_iter()
            .filter_map(|(host, built)| {
                let text = built.failure?;
                Some(Problem::error("build-failed", format!("{host}: {text}")))
            })
            .collect();
        if problems.is_empty() {
            return Ok(());
        }
        Err(Failure {
            outcome: Outcome::Findings,
            problems,
        })
    }

    /// Proposes stages where no host has one.
    ///
    /// # Errors
    ///
    /// No host has a stage; the proposal has been printed.
    pub(super) fn need_stages(&self, context: &Context) -> Result<(), Failure> {
        let hosts = &self.inventory.hosts;
        if hosts.iter().any(|host| host.stage.is_some()) {
            return Ok(());
        }
        context.ui.text(&settings::proposal(hosts));
        Err(Failure {
            outcome: Outcome::Findings,
            problems: vec![
                Problem::error("no-stages", "no host has a stage").help(
                    "put the proposal above into fleet.toml, and change what you know better",
                ),
            ],
        })
    }

    /// The plan of a rollout.
    pub(super) fn plan(
        &self,
        start: &Start,
        id: String,
        context: &Context,
    ) -> Result<Plan, Failure> {
        let unstaged: Vec<&str> = self
            .inventory
            .hosts
            .iter()
            .filter(|host| host.stage.is_none())
            .map(|host| host.name.as_str())
            .collect();
        let closures = self.closures(context)?;
        let mut hosts = Vec::new();
        let mut problems = Vec::new();
        for entry in &self.inventory.hosts {
            let Some(closure) = closures.get(&entry.name) else {
                continue;
            };
            match settings::host(&self.config, entry, closure) {
                Ok(host) if host.stage > 0 => hosts.push(host),
                Ok(_) => {}
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(Failure {
                outcome: Outcome::Failed,
                problems,
            });
        }
        if !unstaged.is_empty() {
            let text = format!("without a stage, and left alone: {}", unstaged.join(", "));
            context
                .ui
                .problems(&[Problem::warning("no-stage", text)], None);
        }
        let stages = match start.all {
            true => hosts.iter().map(|host| host.stage).collect(),
            false => start.stages(),
        };
        let revision = context.commit(&self.workspace)?.attributes.remove("rev");
        let options = self.options(start, &hosts, &stages, context)?;
        Ok(Plan {
            id,
            hosts,
            stages,
            revision: revision.and_then(|it| it.as_str().map(str::to_owned)),
            options,
        })
    }

    fn options(
        &self,
        start: &Start,
        hosts: &[HostPlan],
        stages: &BTreeSet<u32>,
        context: &Context,
    ) -> Result<Options, Failure> {
        let fleet = &self.config.rollout;
        let mut options = Options::default();
        options.jobs = start
            .jobs
            .map(usize::from)
            .or(fleet.jobs)
            .unwrap_or(options.jobs);
        options.max_unavailable = start
            .max_unavailable
            .map(usize::from)
            .or(fleet.max_unavailable);
        options.max_failures = start
            .max_failures
            .map(usize::from)
            .or(fleet.max_failures)
            .unwrap_or(0);
        options.at_risk = start.at_risk.map(usize::from).or(fleet.at_risk);
        options.on_failure = start
            .on_failure
            .map(Into::into)
            .or(fleet.on_failure)
            .unwrap_or_default();
        options.adopt_drift = start.adopt_drift.map(Into::into);
        options.force_stage = start.force_stage;
        options.ignore_needs = fleet.ignore_needs.iter().cloned().collect();
        for text in &start.ignore_need {
            let (who, whom) = text.split_once(':').ok_or_else(|| {
                Problem::error("bad-need", format!("--ignore-need {text}: has no `:`"))
                    .help("write --ignore-need WHO:WHOM")
            })?;
            options
                .ignore_needs
                .insert((who.to_owned(), whom.to_owned()));
        }
        options.strategy = match start.strategy {
            Strategy::Rolling => Order::Rolling,
            Strategy::Canary => Order::Canary(start.canaries.into()),
            Strategy::BlueGreen => Order::BlueGreen(self.traffic(hosts, stages, context)?),
        };
        Ok(options)
    }

    /// Where the traffic of the groups goes now that have both colours.
    fn traffic(
        &self,
        hosts: &[HostPlan],
        stages: &BTreeSet<u32>,
        context: &Context,
    ) -> Result<BTreeMap<String, Colour>, Failure> {
        let mut colours: BTreeMap<&str, BTreeSet<Colour>> = BTreeMap::new();
        for host in hosts.iter().filter(|host| stages.contains(&host.stage)) {
            if let (Some(group), Some(colour)) = (&host.group, host.colour) {
                colours.entry(group).or_default().insert(colour);
            }
        }
        let mut traffic = BTreeMap::new();
        let hooks = self.hooks();
        for (group, colours) in colours {
            if colours.len() < 2 {
                continue;
            }
            let hook = hooks.get(group).cloned().unwrap_or_default();
            let asked = hook.ask(&*context.runner, std::time::Duration::from_secs(30));
            let colour = asked.map_err(|text| {
                Problem::error("no-traffic", format!("group `{group}`: {text}")).help(format!(
                    "[groups.{group}] of fleet.toml needs `switch` and `traffic`"
                ))
            })?;
            traffic.insert(group.to_owned(), colour);
        }
        if traffic.is_empty() {
            return Err(Problem::error(
                "no-colours",
                "no group of these stages has hosts of both colours",
            )
            .help("`colour` in [rollout] of host.toml, or [hosts.NAME.rollout] of fleet.toml")
            .into());
        }
        Ok(traffic)
    }
}
