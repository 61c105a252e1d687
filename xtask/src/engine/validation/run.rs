//! One run of a validation: processes, what they read, and what that is worth.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::{Commit, Outcome, Validation};
use crate::engine::closure::Scanned;
use crate::engine::evaluation::{Evaluation, Observer, Refusal};
use crate::engine::stand::link_out;
use crate::problem::Problem;
use crate::process::Invocation;
use crate::proof::derivation::Facts;
use crate::tools::nix::{Itself, Request};
use crate::tree::{Tree, TreePath};
use crate::validate::reads::{Aspect, Digests, Reads};
use crate::validate::record::{Record, SCHEMA, may_ask_for_commit};
use crate::validate::trace;

/// One run: what is known so far.
pub(super) struct Run<'r, 'a> {
    pub(super) validation: &'r Validation<'a>,
    pub(super) tree: &'r Tree,
    pub(super) commit: &'r Commit,
    pub(super) digests: &'r Digests<'r>,
    pub(super) setting: String,
    pub(super) reasons: BTreeMap<String, Option<String>>,
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) outcomes: BTreeMap<String, Outcome>,
    /// Hosts that have to be evaluated by themselves.
    pub(super) alone: BTreeSet<String>,
    /// By process: its hosts that are done, and when the last one was.
    processes: BTreeMap<usize, Process>,
    /// Derivations in which the place of a view was looked for.
    scanned: Scanned,
}

struct Process {
    last: Instant,
    done: Vec<(String, Result<Facts, Refusal>, f64)>,
    asked: BTreeSet<String>,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            last: Instant::now(),
            done: Vec::new(),
            asked: BTreeSet::new(),
        }
    }
}

impl Run<'_, '_> {
    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn views(&self) -> PathBuf {
        self.validation.stand.place().with_file_name("views")
    }

    fn trace(&self, kind: &str, process: usize) -> PathBuf {
        let directory = self.validation.stand.place();
        directory.with_file_name(format!("trace-{kind}-{process}"))
    }

    /// Evaluates hosts in few processes.
    pub(super) fn through_views(&self, hosts: &[String]) -> Result<(), Problem> {
        let validation = self.validation;
        let directory = self.views();
        let mut views = BTreeMap::new();
        for (number, host) in hosts.iter().enumerate() {
            views.insert(host.clone(), directory.join(number.to_string()));
        }
        link_out(self.tree, validation.stand.place(), &directory, hosts.len())?;
        let observer = Views {
            run: self,
            views: &views,
        };
        let evaluation = Evaluation {
            nix: validation.nix,
            request: Request {
                tree: validation.stand.place().to_owned(),
                itself: Itself::View {
                    attributes: self.commit.attributes.clone(),
                },
                nar_hash: None,
                inputs: validation.inputs.clone(),
                hosts: Vec::new(),
                ask: vec!["derivation", "output", "system", "beside"],
                views: views.clone(),
            },
            jobs: validation.jobs,
            memory: validation.memory,
            apart: false,
            observer: &observer,
        };
        evaluation.run(hosts);
        Ok(())
    }

    /// Evaluates hosts each by itself, as Nix would.
    pub(super) fn alone(&self, hosts: &[String]) -> Result<(), Problem> {
        let validation = self.validation;
        let place = validation.stand.place();
        let hash = validation
            .nix
            .hash(place.as_os_str())
            .map_err(|error| Problem::error("nix-failed", error.to_string()))?;
        let mut attributes = self.commit.attributes.clone();
        if let (true, Some(count)) = (self.commit.is_clean(), (validation.count)()) {
            attributes.insert("revCount".to_owned(), count.into());
        }
        // Pure evaluation reads nothing that has no hash.
        let pure = validation.inputs.values().all(|it| it.nar_hash.is_some());
        let evaluation = Evaluation {
            nix: validation.nix,
            request: Request {
                tree: place.to_owned(),
                itself: Itself::Store { attributes },
                nar_hash: pure.then_some(hash),
                inputs: validation.inputs.clone(),
                hosts: Vec::new(),
                ask: vec!["derivation", "output", "system", "beside"],
                views: BTreeMap::new(),
            },
            jobs: validation.jobs,
            memory: validation.memory,
            apart: true,
            observer: &Alone(self),
        };
        evaluation.run(hosts);
        Ok(())
    }

    fn outcome(&self, host: &str, result: Result<Facts, Refusal>, seconds: f64) {
        let outcome = Outcome {
            result,
            cached: false,
            changed: self.reasons.get(host).cloned().flatten(),
            seconds,
        };
        (self.validation.done)(host, &outcome);
        self.lock().outcomes.insert(host.to_owned(), outcome);
    }

    fn begin(&self, process: usize) {
        self.lock().processes.insert(process, Process::default());
    }

    fn done(&self, process: usize, host: &str, result: &Result<Facts, Refusal>) {
        let mut state = self.lock();
        let process = state.processes.entry(process).or_default();
        let seconds = process.last.elapsed().as_secs_f64();
        process.last = Instant::now();
        process
            .done
            .push((host.to_owned(), result.clone(), seconds));
    }

    fn asked(&self, process: usize, host: &str) {
        let mut state = self.lock();
        let process = state.processes.entry(process).or_default();
        process.asked.insert(host.to_owned());
    }

    /// What a process has read below places; nothing without a tracer.
    fn reads(&self, file: &Path, places: &BTreeMap<&str, &Path>) -> BTreeMap<String, Reads> {
        let trace = fs::read(file).ok().and_then(|it| trace::paths(&it));
        let _ = fs::remove_file(file);
        let Some(trace) = trace else {
            return BTreeMap::new();
        };
        places
            .iter()
            .map(|(host, place)| ((*host).to_owned(), trace::read(&trace, place)))
            .collect()
    }

    fn record(&self, host: &str, facts: &Facts, seconds: f64, reads: &Reads, asks: bool) {
        if reads.is_empty() {
            return;
        }
        let record = Record {
            schema: SCHEMA,
            setting: self.setting.clone(),
            revision: asks.then(|| self.commit.revision()),
            clean: self
                .texts(reads)
                .any(|text| may_ask_for_commit(&text))
                .then(|| self.commit.is_clean()),
            reads: Record::digests(reads, self.digests),
            facts: facts.clone(),
            seconds,
        };
        self.validation.keep(host, record);
    }

    /// Whether something that was read may depend on more than the tree: pure
    /// evaluation has no such values.
    fn is_impure(&self, reads: &Reads) -> bool {
        const IMPURE: [&str; 2] = ["currentSystem", "currentTime"];
        self.texts(reads)
            .any(|text| IMPURE.iter().any(|name| text.contains(name)))
    }

    /// Texts of the files that were read; any of them may be Nix.
    fn texts<'t>(&'t self, reads: &'t Reads) -> impl Iterator<Item = String> + 't {
        reads
            .iter()
            .filter(|(_, aspect)| *aspect == Aspect::Contents)
            .filter_map(|(path, _)| self.tree.text(path).ok())
    }
}

/// Hosts of a shared process.
struct Views<'r, 'v, 'a> {
    run: &'v Run<'r, 'a>,
    views: &'v BTreeMap<String, PathBuf>,
}

impl Observer for Views<'_, '_, '_> {
    fn command(&self, process: usize, _: &[String], invocation: Invocation) -> Invocation {
        self.run.begin(process);
        match self.run.validation.tracer {
            Some(tracer) => tracer.around(invocation, &self.run.trace("views", process)),
            None => invocation,
        }
    }

    fn host(&self, process: usize, name: &str, result: &Result<Facts, Refusal>) {
        self.run.done(process, name, result);
    }

    fn read_self(&self, process: usize, host: &str, _: &str) {
        self.run.asked(process, host);
    }

    fn ended(&self, process: usize, _: Option<&str>) {
        let run = self.run;
        let Some(ended) = run.lock().processes.remove(&process) else {
            return;
        };
        let views = run.views();
        let mut places: BTreeMap<&str, &Path> = BTreeMap::new();
        for (host, ..) in &ended.done {
            if let Some(view) = self.views.get(host) {
                places.insert(host, view);
            }
        }
        let reads = run.reads(&run.trace("views", process), &places);
        for (host, result, seconds) in &ended.done {
            let none = Reads::default();
            let reads = reads.get(host).unwrap_or(&none);
            let place = views.to_string_lossy();
            let shows_place = |facts: &Facts| {
                let mut state = run.lock();
                let derivation = facts.derivation.as_deref();
                derivation.is_some_and(|it| state.scanned.mentions(Path::new(it), &place))
                    || facts.beside.to_string().contains(&*place)
            };
            match result {
                Ok(facts)
                    if !ended.asked.contains(host)
                        && !run.is_impure(reads)
                        && !shows_place(facts) =>
                {
                    run.record(host, facts, *seconds, reads, false);
                    run.outcome(host, result.clone(), *seconds);
                }
                Err(refusal) if refusal.interrupted => {
                    run.outcome(host, result.clone(), *seconds);
                }
                // What fails may do so because of the view: Nix has the last word.
                _ => {
                    run.lock().alone.insert(host.clone());
                }
            }
        }
    }
}

/// Hosts that have a process of their own.
struct Alone<'v, 'r, 'a>(&'v Run<'r, 'a>);

impl Observer for Alone<'_, '_, '_> {
    fn command(&self, process: usize, _: &[String], invocation: Invocation) -> Invocation {
        self.0.begin(process);
        match self.0.validation.tracer {
            Some(tracer) => tracer.around(invocation, &self.0.trace("alone", process)),
            None => invocation,
        }
    }

    fn host(&self, process: usize, name: &str, result: &Result<Facts, Refusal>) {
        self.0.done(process, name, result);
    }

    fn read_self(&self, process: usize, host: &str, _: &str) {
        self.0.asked(process, host);
    }

    fn ended(&self, process: usize, source: Option<&str>) {
        let run = self.0;
        let Some(ended) = run.lock().processes.remove(&process) else {
            return;
        };
        for (host, result, seconds) in ended.done {
            if let (Ok(facts), Some(source)) = (&result, source) {
                let places = BTreeMap::from([(host.as_str(), Path::new(source))]);
                let reads = run.reads(&run.trace("alone", process), &places);
                let derivation = facts.derivation.as_deref();
                // The whole tree is in it: any change of the tree is one of it.
                let whole =
                    derivation.is_some_and(|it| run.lock().scanned.mentions(Path::new(it), source));
                let mut reads = reads.get(&host).cloned().unwrap_or_default();
                if whole && !reads.is_empty() {
                    for (path, _) in run.tree.files() {
                        reads.add(path.clone(), Aspect::Contents);
                    }
                    reads.add(TreePath::root(), Aspect::Contents);
                }
                run.record(&host, facts, seconds, &reads, !ended.asked.is_empty());
            }
            run.outcome(&host, result, seconds);
        }
    }
}
