//! Building derivations: one process each, some at the same time.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::process::Failure;
use crate::tools::nix::{Line, Nix};

/// Lines of a builder's output that are shown of a failed build.
const TAIL: usize = 20;

/// What came of a build.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// What is wrong; `None` if the output is there.
    pub failure: Option<String>,
    /// The output was there already.
    pub cached: bool,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// It was interrupted.
    pub interrupted: bool,
}

/// How to build.
pub struct Builds<'a> {
    /// Nix.
    pub nix: &'a Nix,
    /// Options of Nix, for all builds.
    pub options: Vec<String>,
    /// Builds at the same time.
    pub jobs: usize,
    /// Is told of every build that is done.
    pub done: &'a (dyn Fn(&str, &Built) + Sync),
}

impl Builds<'_> {
    /// Builds derivations, each with the name of what it is for and its output.
    pub fn run(&self, wanted: &[(String, String, String)]) -> BTreeMap<String, Built> {
        let queue: Mutex<VecDeque<_>> = Mutex::new(wanted.iter().collect());
        let results: Mutex<BTreeMap<String, Built>> = Mutex::default();
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.clamp(1, wanted.len().max(1)) {
                scope.spawn(|| {
                    loop {
                        let next = lock(&queue).pop_front();
                        let Some((name, derivation, output)) = next else {
                            break;
                        };
                        let built = self.one(derivation, output);
                        (self.done)(name, &built);
                        lock(&results).insert(name.clone(), built);
                    }
                });
            }
        });
        results.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn one(&self, derivation: &str, output: &str) -> Built {
        let started = Instant::now();
        let was_there = Path::new(output).exists();
        let mut said: VecDeque<String> = VecDeque::new();
        let mut error = None;
        let mut keep = |line: String| {
            said.push_back(line);
            if said.len() > TAIL {
                said.pop_front();
            }
        };
        let command = self.nix.realisation(derivation, &self.options);
        let outcome = self.nix.follow(&command, &mut |_, line| match line {
            Line::BuildLog(_, text) => keep(text),
            Line::Error(message) => error = Some(message.text),
            _ => {}
        });
        let mut built = Built {
            failure: None,
            cached: was_there,
            seconds: started.elapsed().as_secs_f64(),
            interrupted: false,
        };
        match outcome {
            Ok(0) => {}
            Ok(status) => {
                let mut text = error.unwrap_or_else(|| format!("nix-store ended with {status}"));
                for line in said {
                    text.push_str("\n  ");
                    text.push_str(&line);
                }
                built.failure = Some(text);
            }
            Err(error) => {
                built.interrupted = matches!(error.failure, Failure::Cancelled);
                built.failure = Some(error.to_string());
            }
        }
        built.cached &= built.failure.is_none();
        built
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
