//! What a validation says: lines of JSON, findings, the table, reports.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use serde::Serialize;

use super::super::nix::span;
use super::super::outcome::{Failure, Outcome};
use super::{Job, Task};
use crate::engine::evaluation::Refusal;
use crate::engine::validation::Outcome as Evaluated;
use crate::problem::Problem;
use crate::process::Quoted;
use crate::ui::{Align, Table};
use crate::validate::report::{self, Row};

/// One line of `--json`.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum Event<'a> {
    Started {
        schema: &'static str,
        hosts: Vec<&'a str>,
        tasks: Vec<Task>,
        nix: String,
        traced: bool,
    },
    Task {
        host: &'a str,
        task: &'static str,
        outcome: &'static str,
        cached: bool,
        seconds: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        derivation: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        problem: Option<Problem>,
        #[serde(skip_serializing_if = "Option::is_none")]
        option: Option<&'a str>,
        /// What had changed since it was last evaluated.
        #[serde(skip_serializing_if = "Option::is_none")]
        changed: Option<&'a str>,
        /// What a virtual machine was asked.
        #[serde(flatten)]
        vm: Option<Asked<'a>>,
    },
    Finished {
        passed: usize,
        failed: usize,
        skipped: usize,
        cached: usize,
        seconds: f64,
    },
}

/// What a virtual machine was asked.
#[derive(Default, Serialize)]
pub(super) struct Asked<'a> {
    /// Health checks that passed.
    pub checks: &'a [String],
    /// Health checks that cannot be made from outside.
    pub left_out: &'a [String],
    /// Why it was not booted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<&'a str>,
}

impl Job<'_> {
    pub(super) fn tell_evaluation(&self, host: &str, outcome: &Evaluated) {
        let problem = outcome.result.as_ref().err().map(|refusal| {
            let option = refusal.option.as_ref();
            let option = option.map_or(String::new(), |option| format!(" (option `{option}`)"));
            let text = format!("{host}: {}{option}", refusal.text);
            Problem {
                span: span(refusal, self.tree),
                ..Problem::error("eval-failed", text)
            }
        });
        self.context
            .ui
            .problems(problem.as_slice(), Some(self.tree));
        let facts = outcome.result.as_ref().ok();
        let refusal = outcome.result.as_ref().err();
        self.context.ui.line(&Event::Task {
            host,
            task: Task::Eval.name(),
            outcome: word(problem.is_none()),
            cached: outcome.cached,
            seconds: outcome.seconds,
            derivation: facts.and_then(|facts| facts.derivation.as_deref()),
            problem,
            option: refusal.and_then(|refusal| refusal.option.as_deref()),
            changed: outcome.changed.as_deref(),
            vm: None,
        });
    }

    /// Table, reports and the last line.
    pub(super) fn finish(
        &self,
        hosts: &[String],
        rows: Vec<Row>,
        started: Instant,
    ) -> Result<Outcome, Failure> {
        let ui = &self.context.ui;
        let mut by_host: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in &rows {
            by_host.entry(&row.host).or_default().push(row);
        }
        let of = |host: &str| by_host.get(host).map_or(&[][..], Vec::as_slice);
        // A host of which nothing is known has not passed.
        let failed = |host: &&String| {
            let rows = of(host);
            rows.is_empty() || rows.iter().any(|row| row.failure.is_some())
        };
        let cached = |host: &&String| !failed(host) && of(host).iter().all(|row| row.cached);
        let skipped =
            |host: &&String| !failed(host) && of(host).iter().any(|row| row.skipped.is_some());
        let failures = hosts.iter().filter(failed).count();
        let skips = hosts.iter().filter(skipped).count();
        let known = hosts.iter().filter(cached).count();
        let seconds = started.elapsed().as_secs_f64();
        ui.text(&self.table(hosts, &rows));
        if let Some(file) = &self.arguments.junit {
            fs::write(file, report::junit(&rows)).map_err(|error| {
                let shown = Quoted(file.as_os_str());
                Problem::error("unwritable", format!("{shown}: {error}"))
            })?;
        }
        if self.arguments.github {
            ui.raw(report::annotations(&rows).as_bytes());
        }
        let passed = hosts.len() - failures - skips;
        let not_done = match skips {
            0 => String::new(),
            some => format!(", {some} skipped"),
        };
        ui.text(&format!(
            "{} hosts: {passed} passed ({known} of them known from before), {failures} failed{not_done}, {seconds:.1} s",
            hosts.len()
        ));
        ui.line(&Event::Finished {
            passed,
            failed: failures,
            skipped: skips,
            cached: known,
            seconds,
        });
        Ok(match (failures, skips) {
            (0, 0) => Outcome::Done,
            // Something that it needs is not there: nothing is known.
            (0, _) => Outcome::Failed,
            _ => Outcome::Findings,
        })
    }

    fn table(&self, hosts: &[String], rows: &[Row]) -> String {
        let mut columns = vec![("host", Align::Left)];
        columns.extend(
            self.arguments
                .only
                .iter()
                .map(|it| (it.name(), Align::Left)),
        );
        columns.push(("seconds", Align::Right));
        let mut table = Table::new(&columns);
        for host in hosts {
            let of = |task: Task| {
                let mut rows = rows.iter();
                rows.find(|row| row.host == *host && row.task == task.name())
            };
            let mut cells = vec![host.clone()];
            for task in &self.arguments.only {
                cells.push(
                    match of(*task) {
                        None => "",
                        Some(row) if row.failure.is_some() => "failed",
                        Some(row) if row.skipped.is_some() => "skipped",
                        Some(row) if row.cached => "known",
                        Some(_) => "passed",
                    }
                    .to_owned(),
                );
            }
            let seconds: f64 = rows
                .iter()
                .filter(|row| row.host == *host)
                .map(|row| row.seconds)
                .sum();
            cells.push(format!("{seconds:.1}"));
            table.row(cells);
        }
        table.render(self.context.ui.palette())
    }
}

pub(super) fn word(passed: bool) -> &'static str {
    if passed { "passed" } else { "failed" }
}

pub(super) fn failure(refusal: &Refusal) -> report::Failure {
    report::Failure {
        text: refusal.text.clone(),
        at: refusal
            .at
            .as_ref()
            .map(|(path, line, column)| (path.to_string(), *line, *column)),
    }
}
