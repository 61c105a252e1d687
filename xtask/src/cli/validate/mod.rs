//! `validate`: does every host evaluate and build?

mod flake;
mod merge;
mod show;
mod start;
mod vm;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::context::Context;
use super::fleet::select;
use super::nix::{Setup, Told, located};
use super::outcome::{Failure, Outcome};
use crate::config::Health;
use crate::engine::build::{Builds, Built};
use crate::engine::memory::{self, Memory};
use crate::engine::tracer::Tracer;
use crate::engine::validation::{Commit, Outcome as Evaluated, Validation};
use crate::inventory::Inventory;
use crate::model::Fleet;
use crate::problem::Problem;
use crate::proof::derivation::Facts;
use crate::taxonomy::Taxonomy;
use crate::tree::Tree;
use crate::validate::report::{self, Row};
use show::{Event, Report, failure, word};
use start::Start;

/// The version of what `--json` prints.
const SCHEMA: &str = "validate/1";

/// What is checked of each host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Task {
    /// What `nix flake check --no-build` says of the flake as a whole
    FlakeCheck,
    /// The toplevel derivation can be made: everything is evaluated
    Eval,
    /// It can be built
    Build,
    /// It boots as a virtual machine, and its health checks pass
    Vm,
}

impl Task {
    fn name(self) -> &'static str {
        match self {
            Self::FlakeCheck => "flake-check",
            Self::Eval => "eval",
            Self::Build => "build",
            Self::Vm => "vm",
        }
    }
}

/// A part of all hosts: `2/4` is the second of four.
#[derive(Debug, Clone, Copy)]
struct Shard {
    index: usize,
    count: usize,
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = || "write I/N, with I from 1 to N".to_owned();
        let (index, count) = text.split_once('/').ok_or_else(usage)?;
        let index = index.parse().map_err(|_| usage())?;
        let count = count.parse().map_err(|_| usage())?;
        if index == 0 || index > count {
            return Err(usage());
        }
        Ok(Self { index, count })
    }
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only these hosts
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Only hosts of this rollout stage
    #[arg(long, value_name = "N")]
    stage: Option<u32>,
    /// Only hosts for which something they read has changed since a revision
    #[arg(long, value_name = "REV")]
    affected: Option<String>,
    /// Only these tasks
    #[arg(long, value_enum, value_name = "TASK", value_delimiter = ',', default_values_t = [Task::Eval, Task::Build])]
    only: Vec<Task>,
    /// Processes at the same time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Memory for all evaluations together, like 800M or 1.5G; three quarters of
    /// what is free, if nothing is said
    #[arg(long, value_name = "AMOUNT", value_parser = memory::amount)]
    memory: Option<u64>,
    /// Only a part of the hosts, as for one of several machines
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Build on these machines, as nix.conf's `builders` has it
    #[arg(long, value_name = "BUILDERS")]
    builders: Option<String>,
    /// How long a virtual machine may take until it is up and healthy
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    vm_timeout: u64,
    /// Evaluate every host, whatever is known of earlier runs
    #[arg(long)]
    fresh: bool,
    /// Write a JUnit report
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print annotations for GitHub's log
    #[arg(long)]
    github: bool,
    /// Validate nothing, and put together what earlier runs said with --json, as
    /// those of all shards: one table, one report, one exit status
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["hosts", "stage", "affected", "shard", "builders", "fresh"])]
    merge: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Outcome, Failure> {
    if !arguments.merge.is_empty() {
        return merge::run(arguments, context);
    }
    let started = Instant::now();
    let Start {
        workspace,
        snapshot,
        config,
        fleet,
        commit,
        nix,
        tracer,
    } = Start::read(context)?;
    let tree = &snapshot.tree;
    let mut hosts: Vec<String> = select(&fleet, &arguments.hosts)?
        .iter()
        .map(|host| host.name.clone())
        .collect();
    let with_health = arguments.only.contains(&Task::Vm);
    let mut health = BTreeMap::new();
    if arguments.stage.is_some() || with_health {
        let inventory = Inventory::take(&fleet, tree, &Taxonomy::embedded(), &config);
        if with_health {
            let all = inventory.hosts.iter();
            health = all
                .map(|host| (host.name.clone(), host.health.clone()))
                .collect();
        }
        let staged = |name: &String| {
            let mut all = inventory.hosts.iter();
            all.any(|host| host.name == *name && host.stage == arguments.stage)
        };
        if arguments.stage.is_some() {
            hosts.retain(staged);
        }
        if let (true, Some(stage)) = (hosts.is_empty(), arguments.stage) {
            return Err(
                Problem::error("no-such-stage", format!("no host is of stage {stage}"))
                    .help("`cargo xtask inventory` shows the stage of each")
                    .into(),
            );
        }
    }
    let mut setup = Setup::with(nix, context, &workspace, tree)?;
    if arguments.memory.is_some() {
        setup.memory = Memory::new(arguments.memory, Some(&setup.state));
    }
    if tracer.is_none() {
        context.ui.remark(
            "processes may not be traced here: every host is evaluated, whatever has changed",
        );
    }
    let count = || workspace.git().and_then(|git| git.count().ok());
    let job = Job {
        count: &count,
        arguments,
        context,
        tree,
        fleet: &fleet,
        setup: &setup,
        health,
        tracer: tracer.as_ref().filter(|_| !arguments.fresh),
        recorder: tracer.as_ref(),
        commit,
        told: Told::default(),
    };
    if let Some(revision) = &arguments.affected {
        let before = workspace.snapshot_at(revision)?;
        let affected = job.affected(&before.tree, &hosts);
        hosts.retain(|host| affected.contains(host));
        if hosts.is_empty() {
            let text = format!("no host reads anything that has changed since {revision}");
            context.ui.remark(&text);
        }
    }
    if let Some(Shard { index, count }) = arguments.shard {
        let mine = |number: usize| number % count == index - 1;
        let all = std::mem::take(&mut hosts).into_iter().enumerate();
        hosts = all.filter(|(at, _)| mine(*at)).map(|(_, it)| it).collect();
    }
    let rows = job.run(&hosts)?;
    if arguments.only.contains(&Task::FlakeCheck) {
        hosts.insert(0, flake::WHOLE.to_owned());
    }
    job.report().finish(&hosts, rows, started.elapsed())
}

struct Job<'a> {
    arguments: &'a Arguments,
    context: &'a Context,
    tree: &'a Tree,
    fleet: &'a Fleet,
    setup: &'a Setup,
    /// The checks of every host.
    health: BTreeMap<String, Vec<Health>>,
    /// Whose records count.
    tracer: Option<&'a Tracer>,
    /// Who makes records.
    recorder: Option<&'a Tracer>,
    commit: Commit,
    told: Told,
    /// How many commits lead to it.
    count: &'a (dyn Fn() -> Option<u64> + Sync),
}

impl Job<'_> {
    fn report(&self) -> Report<'_> {
        Report {
            ui: &self.context.ui,
            tasks: &self.arguments.only,
            junit: self.arguments.junit.as_deref(),
            github: self.arguments.github,
        }
    }

    fn jobs(&self) -> usize {
        self.arguments.jobs.map_or(self.setup.jobs, usize::from)
    }

    fn validation<'v>(&'v self, done: &'v (dyn Fn(&str, &Evaluated) + Sync)) -> Validation<'v> {
        Validation {
            nix: &self.setup.nix,
            stand: &self.setup.stand,
            tracer: self.recorder,
            use_records: self.tracer.is_some(),
            inputs: self.setup.inputs.clone(),
            jobs: self.jobs(),
            memory: &self.setup.memory,
            state: &self.setup.state,
            count: self.count,
            done,
        }
    }

    /// Hosts that a change since an earlier state may reach.
    fn affected(&self, before: &Tree, hosts: &[String]) -> Vec<String> {
        let validation = self.validation(&|_, _| {});
        validation.affected(before, self.tree, &self.commit, hosts)
    }

    /// All tasks of these hosts, told as they come.
    fn run(&self, hosts: &[String]) -> Result<Vec<Row>, Failure> {
        let context = self.context;
        context.ui.line(&Event::Started {
            schema: SCHEMA,
            hosts: hosts.iter().map(String::as_str).collect(),
            tasks: self.arguments.only.clone(),
            nix: self.setup.nix.version().to_string(),
            traced: self.tracer.is_some(),
        });
        let mut rows = Vec::new();
        if self.arguments.only.contains(&Task::FlakeCheck) {
            rows.push(self.check_flake()?);
        }
        // Building and booting need what evaluation gives.
        if self.arguments.only == [Task::FlakeCheck] {
            return Ok(rows);
        }
        let total = u64::try_from(hosts.len()).unwrap_or(u64::MAX);
        let progress = context.ui.progress();
        let task = progress.task("eval", total);
        let done = |host: &str, outcome: &Evaluated| {
            task.advance(host);
            self.tell_evaluation(host, &self.located(host, outcome.clone()));
        };
        let outcomes = self
            .validation(&done)
            .evaluate(self.tree, &self.commit, hosts)?;
        let outcomes: BTreeMap<String, Evaluated> = outcomes
            .into_iter()
            .map(|(host, outcome)| {
                let outcome = self.located(&host, outcome);
                (host, outcome)
            })
            .collect();
        drop(task);
        context.check_interrupted()?;
        rows.extend(outcomes.iter().map(|(host, outcome)| Row {
            host: host.clone(),
            task: Task::Eval.name(),
            failure: outcome.result.as_ref().err().map(failure),
            skipped: None,
            seconds: outcome.seconds,
            cached: outcome.cached,
        }));
        if self.arguments.only.contains(&Task::Build) {
            rows.extend(self.build(&outcomes)?);
        }
        if self.arguments.only.contains(&Task::Vm) {
            rows.extend(self.boot(&outcomes)?);
        }
        Ok(rows)
    }

    /// The same, with the place of what is wrong where the model knows it.
    fn located(&self, host: &str, outcome: Evaluated) -> Evaluated {
        let result = outcome
            .result
            .map_err(|refusal| located(refusal, self.fleet.host(host), self.tree));
        Evaluated { result, ..outcome }
    }

    fn build_options(&self) -> Vec<String> {
        let mut options = self.setup.build_options.clone();
        if let Some(builders) = &self.arguments.builders {
            options.extend(["--builders".to_owned(), builders.clone()]);
        }
        options
    }

    fn build(&self, outcomes: &BTreeMap<String, Evaluated>) -> Result<Vec<Row>, Failure> {
        let wanted: Vec<(String, String, String)> = outcomes
            .iter()
            .filter_map(|(host, outcome)| {
                let facts: &Facts = outcome.result.as_ref().ok()?;
                Some((
                    host.clone(),
                    facts.derivation.clone()?,
                    facts.output.clone()?,
                ))
            })
            .collect();
        let total = u64::try_from(wanted.len()).unwrap_or(u64::MAX);
        let progress = self.context.ui.progress();
        let task = progress.task("build", total);
        let done = |host: &str, built: &Built| {
            task.advance(host);
            let problem = built
                .failure
                .as_ref()
                .map(|text| Problem::error("build-failed", format!("{host}: {text}")));
            self.context.ui.problems(problem.as_slice(), None);
            self.context.ui.line(&Event::Task {
                host,
                task: Task::Build.name(),
                outcome: word(built.failure.is_none()),
                cached: built.cached,
                seconds: built.seconds,
                derivation: None,
                problem,
                option: None,
                at: None,
                changed: None,
                vm: None,
            });
        };
        let builds = Builds {
            nix: &self.setup.nix,
            options: self.build_options(),
            jobs: self.jobs(),
            done: &done,
        };
        let built = builds.run(&wanted);
        self.context.check_interrupted()?;
        let rows = built.into_iter().map(|(host, built)| Row {
            host,
            task: Task::Build.name(),
            failure: built.failure.map(|text| report::Failure { text, at: None }),
            skipped: None,
            seconds: built.seconds,
            cached: built.cached,
        });
        Ok(rows.collect())
    }
}
