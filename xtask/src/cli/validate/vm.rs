//! `validate --only vm`: every host boots, and its health checks pass.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use super::super::outcome::Failure;
use super::show::{Asked, Event, failure, word};
use super::{Job, Task};
use crate::engine::build::Builds;
use crate::engine::validation::Outcome as Evaluated;
use crate::engine::vm::{Booted, Machine, Machines, lacking};
use crate::problem::Problem;
use crate::validate::report::{self, Row};

impl Job<'_> {
    /// Boots the hosts that evaluate.
    pub(super) fn boot(&self, outcomes: &BTreeMap<String, Evaluated>) -> Result<Vec<Row>, Failure> {
        let context = self.context;
        let systems: BTreeMap<String, Option<String>> = outcomes
            .iter()
            .filter_map(|(host, outcome)| {
                let facts = outcome.result.as_ref().ok()?;
                Some((host.clone(), facts.system.clone()))
            })
            .collect();
        let mut rows = Vec::new();
        let mut wanted = Vec::new();
        let path = std::env::var_os("PATH").unwrap_or_default();
        // The stand-in's machines are of this computer's architecture, whatever
        // the host is of, and take emulator and kernel from it.
        let offline = context.global.offline;
        let lacking = offline.then(|| lacking(&path)).flatten();
        let own = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
        for (host, system) in systems {
            let foreign = system.filter(|system| !offline && *system != own);
            let foreign = foreign.map(|it| format!("it is of {it}, this computer of {own}"));
            match lacking.clone().or(foreign) {
                Some(reason) => rows.push(self.skip(&host, reason)),
                None => wanted.push(host),
            }
        }
        let progress = context.ui.progress();
        let total = u64::try_from(wanted.len()).unwrap_or(u64::MAX);
        let task = progress.task("vm", total);
        let told = Mutex::new(Vec::new());
        let tell = |host: &str, booted: &Booted| {
            task.advance(host);
            let row = self.tell_boot(host, booted);
            told.lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .push(row);
        };
        let broken = |text: String, seconds: f64| Booted {
            failure: Some(text),
            passed: Vec::new(),
            left_out: Vec::new(),
            seconds,
            interrupted: false,
        };
        let mut derivations = Vec::new();
        let nothing = |_: &str, _: &Evaluated| {};
        let evaluated = self
            .validation(&nothing)
            .machines(self.tree, &self.commit, &wanted)?;
        for (host, result) in evaluated {
            match result.map(|facts| facts.vm) {
                Ok(Some((derivation, output))) => derivations.push((host, derivation, output)),
                Ok(None) => tell(
                    &host,
                    &broken("there is no `system.build.vm`".to_owned(), 0.0),
                ),
                Err(refusal) => tell(&host, &broken(failure(&refusal).text, 0.0)),
            }
        }
        context.check_interrupted()?;
        let builds = Builds {
            nix: &self.setup.nix,
            options: self.build_options(),
            jobs: self.jobs(),
            done: &|_, _| {},
        };
        let mut machines = Vec::new();
        let built = builds.run(&derivations);
        for (host, _, output) in derivations {
            let failed = built
                .get(&host)
                .and_then(|it| Some((it.failure.clone()?, it.seconds)));
            match failed {
                Some((text, seconds)) => tell(&host, &broken(text, seconds)),
                None => machines.push(Machine {
                    health: self.health.get(&host).cloned().unwrap_or_default(),
                    built: output.into(),
                    host,
                }),
            }
        }
        context.check_interrupted()?;
        let machinery = Machines {
            cancel: &context.cancel,
            jobs: self.jobs(),
            deadline: Duration::from_secs(self.arguments.vm_timeout),
            done: &tell,
        };
        machinery.run(&machines);
        context.check_interrupted()?;
        rows.extend(
            told.into_inner()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        Ok(rows)
    }

    fn skip(&self, host: &str, reason: String) -> Row {
        let problem = Problem::warning("vm-skipped", format!("{host}: not booted: {reason}"));
        self.context.ui.problems(&[problem], None);
        self.context.ui.line(&Event::Task {
            host,
            task: Task::Vm.name(),
            outcome: "skipped",
            cached: false,
            seconds: 0.0,
            derivation: None,
            problem: None,
            option: None,
            at: None,
            changed: None,
            vm: Some(Asked {
                skipped: Some(&reason),
                ..Asked::default()
            }),
        });
        Row {
            host: host.to_owned(),
            task: Task::Vm.name(),
            failure: None,
            skipped: Some(reason),
            seconds: 0.0,
            cached: false,
        }
    }

    fn tell_boot(&self, host: &str, booted: &Booted) -> Row {
        let problem = booted
            .failure
            .as_ref()
            .map(|text| Problem::error("vm-failed", format!("{host}: {text}")));
        let problem = problem.filter(|_| !booted.interrupted);
        self.context.ui.problems(problem.as_slice(), None);
        self.context.ui.line(&Event::Task {
            host,
            task: Task::Vm.name(),
            outcome: word(booted.failure.is_none()),
            cached: false,
            seconds: booted.seconds,
            derivation: None,
            problem,
            option: None,
            at: None,
            changed: None,
            vm: Some(Asked {
                checks: &booted.passed,
                left_out: &booted.left_out,
                skipped: None,
            }),
        });
        let text = booted.failure.clone();
        Row {
            host: host.to_owned(),
            task: Task::Vm.name(),
            failure: text.map(|text| report::Failure { text, at: None }),
            skipped: None,
            seconds: booted.seconds,
            cached: false,
        }
    }
}
