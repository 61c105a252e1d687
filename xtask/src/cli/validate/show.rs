//! What a validation says: lines of JSON, findings, the table, reports.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::super::nix::refused;
use super::super::outcome::{Failure, Outcome};
use super::flake::WHOLE;
use super::{Job, Task};
use crate::engine::evaluation::Refusal;
use crate::engine::validation::Outcome as Evaluated;
use crate::problem::Problem;
use crate::process::Quoted;
use crate::tree::TreePath;
use crate::ui::{Align, Table, Ui, count};
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
        /// Where it is wrong.
        #[serde(skip_serializing_if = "Option::is_none")]
        at: Option<At<'a>>,
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

/// A place in the tree; lines and columns are counted from 1.
#[derive(Serialize)]
pub(super) struct At<'a> {
    path: &'a str,
    line: u32,
    column: u32,
}

impl<'a> From<&'a (TreePath, u32, u32)> for At<'a> {
    fn from((path, line, column): &'a (TreePath, u32, u32)) -> Self {
        Self {
            path: path.as_str(),
            line: *line,
            column: *column,
        }
    }
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
        let refusal = outcome.result.as_ref().err();
        let problem = refusal.map(|refusal| refused(host, refusal, self.tree, self.context));
        if refusal.is_some_and(|refusal| self.told.is_new(refusal)) {
            self.context
                .ui
                .problems(problem.as_slice(), Some(self.tree));
        }
        let facts = outcome.result.as_ref().ok();
        self.context.ui.line(&Event::Task {
            host,
            task: Task::Eval.name(),
            outcome: word(problem.is_none()),
            cached: outcome.cached,
            seconds: outcome.seconds,
            derivation: facts.and_then(|facts| facts.derivation.as_deref()),
            problem,
            option: refusal.and_then(|refusal| refusal.option.as_deref()),
            at: refusal
                .and_then(|refusal| refusal.at.as_ref())
                .map(At::from),
            changed: outcome.changed.as_deref(),
            vm: None,
        });
    }
}

/// How the end of a run is told.
pub(super) struct Report<'a> {
    pub(super) ui: &'a Ui,
    pub(super) tasks: &'a [Task],
    pub(super) junit: Option<&'a Path>,
    pub(super) github: bool,
}

impl Report<'_> {
    /// Table, reports and the last line.
    pub(super) fn finish(
        &self,
        hosts: &[String],
        rows: Vec<Row>,
        took: Duration,
    ) -> Result<Outcome, Failure> {
        let ui = self.ui;
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
        let seconds = took.as_secs_f64();
        ui.text(&self.table(hosts, &rows));
        if let Some(file) = self.junit {
            fs::write(file, report::junit(&rows)).map_err(|error| {
                let shown = Quoted(file.as_os_str());
                Problem::error("unwritable", format!("{shown}: {error}"))
            })?;
        }
        if self.github {
            ui.raw(report::annotations(&rows).as_bytes());
        }
        let passed = hosts.len() - failures - skips;
        let not_done = match skips {
            0 => String::new(),
            some => format!(", {some} skipped"),
        };
        let flakes = hosts.iter().filter(|host| *host == WHOLE).count();
        let what = match (hosts.len() - flakes, flakes) {
            (hosts, 0) => count(hosts, "host"),
            (0, _) => "flake".to_owned(),
            (hosts, _) => format!("flake and {}", count(hosts, "host")),
        };
        ui.text(&format!(
            "{what}: {passed} passed ({known} of them known from before), {failures} failed{not_done}, {seconds:.1} s"
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
        columns.extend(self.tasks.iter().map(|it| (it.name(), Align::Left)));
        columns.push(("seconds", Align::Right));
        let mut table = Table::new(&columns);
        for host in hosts {
            let of = |task: Task| {
                let mut rows = rows.iter();
                rows.find(|row| row.host == *host && row.task == task.name())
            };
            let mut cells = vec![host.clone()];
            for task in self.tasks {
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
        table.render(self.ui.palette())
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
