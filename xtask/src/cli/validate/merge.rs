//! `validate --merge`: the results of several runs, as those of all shards, as one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use serde::Deserialize;

use super::super::context::Context;
use super::super::outcome::{Failure, Outcome};
use super::show::Report;
use super::{Arguments, Task};
use crate::problem::Problem;
use crate::process::Quoted;
use crate::validate::report::{self, Row};

/// A line of an earlier run, as far as it counts here.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Line {
    Started {
        schema: String,
        hosts: Vec<String>,
        tasks: Vec<String>,
    },
    Task {
        host: String,
        task: String,
        outcome: String,
        cached: bool,
        seconds: f64,
        problem: Option<Said>,
        at: Option<Place>,
        skipped: Option<String>,
    },
    Finished {
        seconds: f64,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Said {
    message: String,
}

#[derive(Deserialize)]
struct Place {
    path: String,
    line: u32,
    column: u32,
}

/// What the runs said.
#[derive(Default)]
struct All {
    hosts: BTreeSet<String>,
    tasks: BTreeSet<Task>,
    rows: Vec<Row>,
    /// Of the run that took longest.
    seconds: f64,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Outcome, Failure> {
    let mut all = All::default();
    let mut problems = Vec::new();
    for file in &arguments.merge {
        match fs::read_to_string(file) {
            Ok(text) => problems.extend(all.add(file, &text).err()),
            Err(error) => problems.push(unreadable(file, &error.to_string())),
        }
    }
    if !problems.is_empty() {
        return Err(Failure {
            outcome: Outcome::Failed,
            problems,
        });
    }
    let report = Report {
        ui: &context.ui,
        tasks: &all.tasks.into_iter().collect::<Vec<_>>(),
        junit: arguments.junit.as_deref(),
        github: arguments.github,
    };
    let hosts: Vec<String> = all.hosts.into_iter().collect();
    report.finish(&hosts, all.rows, Duration::from_secs_f64(all.seconds))
}

fn unreadable(file: &Path, what: &str) -> Problem {
    let shown = Quoted(file.as_os_str());
    Problem::error("bad-results", format!("{shown}: {what}"))
        .help("--merge takes what `cargo xtask validate --json` printed, one file a run")
}

impl All {
    /// Takes in one run. Of a host that two runs have looked at, both count.
    fn add(&mut self, file: &Path, text: &str) -> Result<(), Problem> {
        let (mut begun, mut ended) = (false, false);
        for (number, line) in text.lines().enumerate() {
            let at = |what: &str| unreadable(file, &format!("line {}: {what}", number + 1));
            let line: Line = serde_json::from_str(line).map_err(|error| at(&error.to_string()))?;
            let task = |name: &str| {
                Task::from_str(name, false).map_err(|_| at(&format!("no task is called {name}")))
            };
            match line {
                Line::Started {
                    schema,
                    hosts,
                    tasks,
                } => {
                    if schema != super::SCHEMA {
                        return Err(at(&format!("is of {schema}, and not of {}", super::SCHEMA)));
                    }
                    begun = true;
                    self.hosts.extend(hosts);
                    for name in tasks {
                        self.tasks.insert(task(&name)?);
                    }
                }
                Line::Task {
                    host,
                    task: name,
                    outcome,
                    cached,
                    seconds,
                    problem,
                    at: place,
                    skipped,
                } => {
                    self.hosts.insert(host.clone());
                    let failed = outcome != "passed" && skipped.is_none();
                    let failure = failed.then(|| report::Failure {
                        text: problem.map_or(outcome, |said| said.message),
                        at: place.map(|at| (at.path, at.line, at.column)),
                    });
                    self.rows.push(Row {
                        task: task(&name)?.name(),
                        host,
                        failure,
                        skipped,
                        seconds,
                        cached,
                    });
                }
                Line::Finished { seconds } => {
                    ended = true;
                    self.seconds = self.seconds.max(seconds);
                }
                Line::Other => {}
            }
        }
        if !begun || !ended {
            return Err(unreadable(file, "the run did not come to its end"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_come_together_and_half_of_one_does_not() {
        let shard = |host: &str, outcome: &str| {
            format!(
                "{{\"event\":\"started\",\"schema\":\"validate/1\",\"hosts\":[\"{host}\"],\"tasks\":[\"eval\"],\"nix\":\"2\",\"traced\":true}}\n\
                 {{\"event\":\"task\",\"host\":\"{host}\",\"task\":\"eval\",\"outcome\":\"{outcome}\",\"cached\":false,\"seconds\":1.0,\"problem\":null}}\n\
                 {{\"event\":\"finished\",\"passed\":1,\"failed\":0,\"skipped\":0,\"cached\":0,\"seconds\":2.5}}\n"
            )
        };
        let mut all = All::default();
        let file = Path::new("x");
        all.add(file, &shard("a", "passed")).unwrap();
        all.add(file, &shard("b", "failed")).unwrap();
        assert_eq!(all.hosts.len(), 2);
        let failed: Vec<bool> = all.rows.iter().map(|row| row.failure.is_some()).collect();
        assert_eq!((failed, all.seconds), (vec![false, true], 2.5));
        let whole = shard("c", "passed");
        let (half, _) = whole.split_at(whole.rfind("{\"event\":\"fin").unwrap());
        for bad in [half, "", "rubbish", &whole.replace("eval", "evil")] {
            assert!(All::default().add(file, bad).is_err(), "{bad}");
        }
    }
}
