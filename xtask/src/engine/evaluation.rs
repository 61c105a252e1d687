//! Evaluating many hosts: worker processes, a few hosts each.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::process::{Failure, Invocation};
use crate::proof::derivation::Facts;
use crate::tools::nix::{EvaluationError, Event, Nix, NixMessage, Request, below};
use crate::tree::TreePath;

/// The usual number of hosts that one process evaluates, one after the other.
/// More would start fewer processes; fewer keeps the memory of each small.
pub const PER_PROCESS: usize = 4;

/// Why a host does not evaluate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, in Nix's words.
    pub text: String,
    /// The place in the tree that is nearest to the cause: file, line, column.
    pub at: Option<(TreePath, u32, u32)>,
    /// The option whose value failed, as Nix names it.
    pub option: Option<String>,
    /// The run was interrupted: nothing is known of the host.
    pub interrupted: bool,
}

/// What came of an evaluation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results {
    /// By name of the host.
    pub hosts: BTreeMap<String, Result<Facts, Refusal>>,
    /// All hosts of the flake as Nix sees them; `None` if it came to nothing.
    pub names: Option<Vec<String>>,
}

/// Looks on while hosts are evaluated, from any thread.
pub trait Observer: Sync {
    /// May change the command of a process that evaluates these hosts; `process`
    /// tells processes apart.
    fn command(&self, _process: usize, _hosts: &[String], invocation: Invocation) -> Invocation {
        invocation
    }

    /// A host is done, well or not.
    fn host(&self, process: usize, name: &str, result: &Result<Facts, Refusal>);

    /// The host that is evaluated asked for an attribute of `self` that depends
    /// on the commit.
    fn read_self(&self, _process: usize, _host: &str, _attribute: &str) {}

    /// A process has ended. `source` is where it put the tree in the store.
    fn ended(&self, _process: usize, _source: Option<&str>) {}
}

/// How to evaluate.
pub struct Evaluation<'a> {
    /// Nix.
    pub nix: &'a Nix,
    /// What all processes have in common.
    pub request: Request,
    /// Processes at the same time.
    pub jobs: usize,
    /// Hosts that one process evaluates at most.
    pub per_process: usize,
    /// Looks on.
    pub observer: &'a dyn Observer,
}

impl Evaluation<'_> {
    /// Evaluates these hosts. One that fails does not keep the others.
    pub fn run(&self, hosts: &[String]) -> Results {
        let share = hosts.len().div_ceil(self.jobs.max(1));
        let share = share.clamp(1, self.per_process.max(1));
        let processes = AtomicUsize::new(0);
        let queue: Mutex<VecDeque<Vec<String>>> =
            Mutex::new(hosts.chunks(share).map(<[String]>::to_vec).collect());
        let results: Mutex<Results> = Mutex::default();
        let workers = self.jobs.clamp(1, hosts.len().max(1));
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let next = lock(&queue).pop_front();
                        let Some(chunk) = next else { break };
                        let process = processes.fetch_add(1, Ordering::Relaxed);
                        let rest = self.process(process, chunk, &results);
                        if !rest.is_empty() {
                            lock(&queue).push_front(rest);
                        }
                    }
                });
            }
        });
        results.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// One process; returns the hosts that a failure has kept it from.
    fn process(&self, process: usize, hosts: Vec<String>, results: &Mutex<Results>) -> Vec<String> {
        let request = Request {
            hosts: hosts.clone(),
            ..self.request.clone()
        };
        let mut source = None;
        let mut begun: Option<String> = None;
        let tell = |name: String, result: Result<Facts, Refusal>| {
            self.observer.host(process, &name, &result);
            lock(results).hosts.insert(name, result);
        };
        let command = |invocation| self.observer.command(process, &hosts, prompt(invocation));
        let outcome = self
            .nix
            .evaluate(&request, command, &mut |event| match event {
                Event::Names(names) => lock(results).names = Some(names),
                Event::Begin(name) => begun = Some(name),
                Event::Source(path) => source = Some(path),
                Event::Host(name, facts) => tell(name, Ok(*facts)),
                Event::ReadSelf(attribute) => {
                    let host = begun.as_deref().unwrap_or_default();
                    self.observer.read_self(process, host, &attribute);
                }
                Event::Said(_) => {}
            });
        let missing = |hosts: Vec<String>| -> Vec<String> {
            let known = lock(results);
            let missing = hosts
                .into_iter()
                .filter(|host| !known.hosts.contains_key(host));
            missing.collect()
        };
        let left = missing(hosts.clone());
        let Err(error) = outcome else {
            for name in left {
                let text = "Nix ended without a word on it".to_owned();
                tell(name, Err(plain(text)));
            }
            self.observer.ended(process, source.as_deref());
            return Vec::new();
        };
        let refusal = self.refusal(error, source.as_deref());
        // Before the first host: it fails for all of them.
        let to_blame: Vec<String> = match begun {
            Some(name) if !refusal.interrupted => vec![name],
            _ => left.clone(),
        };
        for name in to_blame {
            tell(name, Err(refusal.clone()));
        }
        self.observer.ended(process, source.as_deref());
        missing(left)
    }

    fn refusal(&self, error: EvaluationError, source: Option<&str>) -> Refusal {
        match error {
            EvaluationError::Nix(message) => {
                let mut places: Vec<&Path> = vec![&self.request.tree];
                places.extend(source.map(Path::new));
                places.extend(self.request.views.values().map(|view| &**view));
                Refusal {
                    at: nearest(&message, &places),
                    option: option(&message),
                    text: message.text,
                    interrupted: false,
                }
            }
            EvaluationError::Run(error) => Refusal {
                interrupted: matches!(error.failure, Failure::Cancelled),
                ..plain(error.to_string())
            },
        }
    }
}

/// The place in the tree that is nearest to what failed: its own, or that of the
/// innermost step on the way to it.
fn nearest(message: &NixMessage, places: &[&Path]) -> Option<(TreePath, u32, u32)> {
    let own = message.at.iter();
    let way = message.trace.iter().filter_map(|(_, at)| at.as_ref());
    own.chain(way).find_map(|at| {
        let path = TreePath::new(below(&at.file, places)?)?;
        Some((path, at.line, at.column))
    })
}

/// The innermost option that the message names: "The option `x.y' …", "while
/// evaluating the option `x.y':".
fn option(message: &NixMessage) -> Option<String> {
    let way = message.trace.iter().map(|(text, _)| text);
    std::iter::once(&message.text).chain(way).find_map(|text| {
        let (_, rest) = text.split_once("option `")?;
        let (name, _) = rest.split_once(['\'', '`'])?;
        (!name.is_empty() && !name.contains(char::is_whitespace)).then(|| name.to_owned())
    })
}

fn plain(text: String) -> Refusal {
    Refusal {
        text,
        at: None,
        option: None,
        interrupted: false,
    }
}

/// No long waits for a network that is not there.
pub(super) fn prompt(invocation: Invocation) -> Invocation {
    invocation
        .args(["--option", "connect-timeout", "10"])
        .args(["--option", "download-attempts", "2"])
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::nix::Position;

    #[test]
    fn the_nearest_place_and_option_are_found() {
        let at = |file: &str| {
            Some(Position {
                file: file.to_owned(),
                line: 3,
                column: 5,
            })
        };
        let message = NixMessage {
            text: "undefined variable 'x'".to_owned(),
            at: at("/nix/store/h-lib/modules.nix"),
            trace: vec![
                ("while evaluating 'merge'".to_owned(), at("/t/hosts/a.nix")),
                (
                    "while evaluating the option `services.x.enable':".to_owned(),
                    None,
                ),
                (
                    "while evaluating the option `environment.etc':".to_owned(),
                    at("/t/b.nix"),
                ),
            ],
        };
        let found = nearest(&message, &[Path::new("/t")]);
        assert_eq!(
            found.map(|(path, ..)| path.to_string()).as_deref(),
            Some("hosts/a.nix")
        );
        assert_eq!(option(&message).as_deref(), Some("services.x.enable"));
    }
}
