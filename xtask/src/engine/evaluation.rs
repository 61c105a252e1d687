//! Evaluating many hosts: worker processes, a few hosts each.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::memory::{Memory, Share};
use crate::process::{Failure, Invocation, RunError};
use crate::proof::derivation::Facts;
use crate::tools::nix::{EvaluationError, Event, Nix, NixMessage, Request, below};
use crate::tree::TreePath;

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
    /// It is none of the host's: no host evaluates.
    pub shared: bool,
    /// Something could not be downloaded.
    pub unavailable: bool,
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
    /// Processes at the same time, if there is memory for them.
    pub jobs: usize,
    /// Memory for all of them.
    pub memory: &'a Memory,
    /// Whether every host has a process of its own.
    pub apart: bool,
    /// Looks on.
    pub observer: &'a dyn Observer,
}

/// One process and what is around it.
struct Frame<'a> {
    process: usize,
    share: Share,
    /// Where it says what it has needed.
    statistics: Option<&'a Path>,
    results: &'a Mutex<Results>,
    /// Hosts that no process has yet.
    queue: &'a Mutex<VecDeque<String>>,
}

impl Evaluation<'_> {
    /// Evaluates these hosts. One that fails does not keep the others.
    pub fn run(&self, hosts: &[String]) -> Results {
        let processes = AtomicUsize::new(0);
        let queue: Mutex<VecDeque<String>> = Mutex::new(hosts.iter().cloned().collect());
        let results: Mutex<Results> = Mutex::default();
        // Where processes say what they have needed; without it, nothing is learned.
        let scratch = tempfile::tempdir().ok();
        let scratch = scratch.as_ref().map(tempfile::TempDir::path);
        let workers = self.memory.processes(self.jobs).min(hosts.len().max(1));
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let (share, chunk) = self.next(workers, &mut lock(&queue));
                        if chunk.is_empty() {
                            break;
                        }
                        let process = processes.fetch_add(1, Ordering::Relaxed);
                        let statistics = scratch.map(|it| it.join(process.to_string()));
                        let frame = Frame {
                            process,
                            share,
                            statistics: statistics.as_deref(),
                            results: &results,
                            queue: &queue,
                        };
                        let rest = self.process(&frame, chunk);
                        let mut queue = lock(&queue);
                        rest.into_iter().rev().for_each(|it| queue.push_front(it));
                    }
                });
            }
        });
        results.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a process gets, and its hosts; none if none are left.
    fn next(&self, workers: usize, queue: &mut VecDeque<String>) -> (Share, Vec<String>) {
        let mut share = self.memory.share(workers, queue.len());
        if self.apart {
            share.hosts = 1;
        }
        let count = share.hosts.min(queue.len());
        (share, queue.drain(..count).collect())
    }

    /// One process; returns the hosts that a failure has kept it from.
    fn process(&self, frame: &Frame<'_>, hosts: Vec<String>) -> Vec<String> {
        let Frame {
            process, results, ..
        } = *frame;
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
        let command = |invocation| {
            let invocation = match frame.statistics {
                Some(file) => frame.share.apply(prompt(invocation), file),
                None => prompt(invocation),
            };
            self.observer.command(process, &hosts, invocation)
        };
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
        // What failed may have needed less than it would have.
        if let (Ok(()), Some(file)) = (&outcome, frame.statistics) {
            self.memory.learn(file, hosts.len());
        }
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
        // A process that was killed says nothing of the hosts of others.
        let by_nix = matches!(error, EvaluationError::Nix(_));
        let mut refusal = self.refusal(error, source.as_deref());
        refusal.shared = by_nix && (begun.is_none() || refusal.unavailable);
        let to_blame: Vec<String> = match begun {
            // Before the first host it fails for all, also in other processes; what
            // cannot be downloaded cannot be for the next one either.
            _ if refusal.shared => left
                .iter()
                .cloned()
                .chain(lock(frame.queue).drain(..))
                .collect(),
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
                    unavailable: is_unavailable(&message.text),
                    ..plain(without(&message.text, &places))
                }
            }
            EvaluationError::Run(error) => {
                let interrupted = matches!(error.failure, Failure::Cancelled);
                // The command holds all of the expression, and what it has said so far
                // is meant for machines.
                let error = RunError {
                    command: "nix eval".to_owned(),
                    stderr_tail: String::new(),
                    ..error
                };
                Refusal {
                    interrupted,
                    ..plain(error.to_string())
                }
            }
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

/// The text with files of the tree named as they are in the tree.
fn without(text: &str, places: &[&Path]) -> String {
    let names = places.iter().filter_map(|place| place.to_str());
    names.fold(text.to_owned(), |text, place| {
        text.replace(&format!("{place}/"), "")
    })
}

/// Whether Nix could not download something, in the words of any version.
fn is_unavailable(text: &str) -> bool {
    const WORDS: [&str; 4] = [
        "unable to download",
        "resolve host",
        "Failed to connect",
        "Failed to fetch git repository",
    ];
    WORDS.iter().any(|words| text.contains(words))
}

/// The innermost option that the message names: "The option `x.y' …", "while
/// evaluating the option `x.y':", "Cannot merge definitions of `x.y'". An element of a
/// list is named as its list.
fn option(message: &NixMessage) -> Option<String> {
    const BEFORE: [&str; 3] = ["option `", "option value `", "definitions of `"];
    let way = message.trace.iter().map(|(text, _)| text);
    std::iter::once(&message.text).chain(way).find_map(|text| {
        let begins = BEFORE.iter().filter_map(|it| Some((text.find(it)?, it)));
        let (at, before) = begins.min()?;
        let rest = text.get(at + before.len()..)?;
        let (name, _) = rest.split_once(['\'', '`'])?;
        let name = name.split(".[definition ").next().unwrap_or(name);
        // What is quoted in a name may hold anything.
        let outside = name.split('"').step_by(2);
        let is_name = !name.is_empty()
            && !outside
                .into_iter()
                .any(|it| it.contains(char::is_whitespace));
        is_name.then(|| name.to_owned())
    })
}

fn plain(text: String) -> Refusal {
    Refusal {
        text,
        at: None,
        option: None,
        interrupted: false,
        shared: false,
        unavailable: false,
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

    #[test]
    fn options_are_found_however_they_are_named() {
        for (text, expect) in [
            (
                "A definition for option `a.b.[definition 1-entry 1]' is not of type `signed integer'.",
                Some("a.b"),
            ),
            (
                "A definition for option `a.b.[definition 2-entry 1].[definition 1-entry 3]' is not of type `x'.",
                Some("a.b"),
            ),
            (
                "The option value `a.b' in `f.nix' is not of type",
                Some("a.b"),
            ),
            (
                "The option `a.\"b c\".d' is used but not defined.",
                Some("a.\"b c\".d"),
            ),
            (
                "Cannot merge definitions of `a.b'. Definition values:",
                Some("a.b"),
            ),
            (
                "The unique option `a' is defined multiple times, in:",
                Some("a"),
            ),
            ("an option `that is none'", None),
            ("attribute `a' missing", None),
        ] {
            let message = NixMessage {
                text: text.to_owned(),
                ..NixMessage::default()
            };
            assert_eq!(option(&message).as_deref(), expect, "{text}");
        }
    }
}
