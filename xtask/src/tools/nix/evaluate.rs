//! Evaluating hosts: one process, any number of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Line, Nix, NixMessage};
use crate::process::{Invocation, RunError};
use crate::proof::derivation::Facts;

/// The expression; what it takes and prints stands on its top.
pub const EXPRESSION: &str = include_str!("evaluate.nix");

/// Where locked inputs may come from.
const FETCHED: &str = "https:// http:// ssh:// file:// path:/ github: gitlab: sourcehut: git+ git:// hg+ tarball+ file+ flake:";

/// What `self` is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Itself {
    /// What Nix makes of the tree: a path in the store.
    Store {
        /// `rev`, `shortRev`, `revCount`, `lastModified`, `lastModifiedDate`.
        attributes: BTreeMap<String, serde_json::Value>,
    },
    /// The place where the tree stands, or the host's view of it; the rest is what
    /// Nix makes of the tree.
    View {
        /// As for the store.
        attributes: BTreeMap<String, serde_json::Value>,
    },
    /// The place where the tree stands, and constants.
    Place,
}

/// An input that does not come from where the lock says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// Its directory.
    pub path: PathBuf,
    /// The hash of the directory: then it goes through the store. Without, it is
    /// read where it stands.
    pub nar_hash: Option<String>,
}

/// What to evaluate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The tree.
    pub tree: PathBuf,
    /// What `self` is.
    #[serde(rename = "self")]
    pub itself: Itself,
    /// Hash of the tree; with it evaluation is pure.
    pub nar_hash: Option<String>,
    /// Inputs taken from directories.
    pub inputs: BTreeMap<String, Input>,
    /// The hosts.
    pub hosts: Vec<String>,
    /// Which facts: `derivation`, `output`, `system`, `vm`, `beside`.
    pub ask: Vec<&'static str>,
    /// Copies of the tree through which hosts are evaluated.
    pub views: BTreeMap<String, PathBuf>,
}

/// What happens while hosts are evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// All hosts of the flake.
    Names(Vec<String>),
    /// A host is begun.
    Begin(String),
    /// A host is done.
    Host(String, Box<Facts>),
    /// An attribute of `self` that depends on the commit was read.
    ReadSelf(String),
    /// Where the tree stands in the store.
    Source(String),
    /// Anything else that was said: a warning, or the repository's own trace.
    Said(String),
}

/// Why an evaluation ended early. The host that was begun last is to blame.
#[derive(Debug)]
pub enum EvaluationError {
    /// Nix found something wrong.
    Nix(NixMessage),
    /// Nix was ended, or could not be started.
    Run(RunError),
}

#[derive(Deserialize)]
struct Told {
    name: String,
    facts: Facts,
}

impl Nix {
    /// The command that evaluates a request.
    pub fn evaluation(&self, request: &Request) -> Result<Invocation, serde_json::Error> {
        let json = serde_json::to_string(request)?;
        let expression = format!("({EXPRESSION}) (builtins.fromJSON {})", string(&json));
        let mut purity: Vec<OsString> = Vec::new();
        if request.nar_hash.is_none() {
            purity.push("--impure".into());
        }
        if matches!(request.itself, Itself::View { .. }) {
            // As near to pure evaluation as reading outside the store allows.
            purity.extend(["--option", "restrict-eval", "true"].map(Into::into));
            purity.extend(["--option", "allowed-uris", FETCHED].map(Into::into));
            let inputs = request.inputs.values().map(|input| &input.path);
            for place in inputs.chain([&request.tree]).chain(request.views.values()) {
                purity.extend(["-I".into(), place.into()]);
            }
        }
        Ok(self
            .command(&["eval", "--json", "--show-trace"])
            .args(purity)
            .arg("--expr")
            .arg(expression)
            // `<nixpkgs>` means nothing in a flake.
            .env_remove("NIX_PATH"))
    }

    /// `nix flake check --no-build` of a directory that is a flake, with some of its
    /// inputs taken from directories.
    ///
    /// # Errors
    ///
    /// See [`EvaluationError`].
    pub fn flake_check(
        &self,
        directory: &Path,
        inputs: &BTreeMap<String, Input>,
    ) -> Result<(), EvaluationError> {
        let mut invocation = self
            .command(&["flake", "check", "--no-build", "--no-write-lock-file"])
            .args(["--option", "connect-timeout", "10"])
            .args(["--option", "download-attempts", "2"])
            .arg(reference(directory));
        for (name, input) in inputs {
            invocation = invocation
                .args(["--override-input", name])
                .arg(reference(&input.path));
        }
        let mut failure: Option<NixMessage> = None;
        let mut last = String::new();
        let status = self
            .follow(&invocation, &mut |text, line| match line {
                // The first is the cause.
                Line::Error(message) => {
                    failure.get_or_insert(message);
                }
                Line::Message(level, text) if level <= 1 => last = text,
                Line::Other if !text.trim().is_empty() && !text.contains("@nix ") => {
                    last = text.to_owned();
                }
                _ => {}
            })
            .map_err(EvaluationError::Run)?;
        if status == 0 {
            return Ok(());
        }
        Err(EvaluationError::Nix(failure.unwrap_or_else(|| {
            NixMessage {
                text: format!("nix ended with status {status}: {last}"),
                ..NixMessage::default()
            }
        })))
    }

    /// Evaluates hosts one after the other, in one process; `with` may change
    /// the command (a deadline, a tracer).
    ///
    /// # Errors
    ///
    /// See [`EvaluationError`]; hosts that were told by then are done.
    pub fn evaluate(
        &self,
        request: &Request,
        with: impl FnOnce(Invocation) -> Invocation,
        on: &mut dyn FnMut(Event),
    ) -> Result<(), EvaluationError> {
        let invocation = self.evaluation(request).map_err(|error| {
            // A path that is no text.
            EvaluationError::Nix(NixMessage {
                text: error.to_string(),
                ..NixMessage::default()
            })
        })?;
        let mut failure: Option<NixMessage> = None;
        let mut last = String::new();
        let status = self
            .follow(&with(invocation), &mut |text, line| match line {
                Line::Trace(text) => on(event(text)),
                Line::Error(message) => failure = Some(message),
                Line::Message(level, text) if level <= 1 => {
                    last.clone_from(&text);
                    on(Event::Said(text));
                }
                // What is meant for machines says nothing to people.
                Line::Other if !text.trim().is_empty() && !text.contains("@nix ") => {
                    last = text.to_owned();
                }
                _ => {}
            })
            .map_err(EvaluationError::Run)?;
        if status == 0 {
            return Ok(());
        }
        let message = failure.unwrap_or_else(|| NixMessage {
            text: format!("nix ended with status {status}: {last}"),
            ..NixMessage::default()
        });
        Err(EvaluationError::Nix(message))
    }
}

fn event(text: String) -> Event {
    let parsed = match text.split_once(' ') {
        Some(("fleet-names", json)) => serde_json::from_str(json).map(Event::Names).ok(),
        Some(("fleet-begin", json)) => serde_json::from_str(json).map(Event::Begin).ok(),
        Some(("fleet-host", json)) => serde_json::from_str(json)
            .map(|told: Told| Event::Host(told.name, Box::new(told.facts)))
            .ok(),
        Some(("fleet-self", name)) => Some(Event::ReadSelf(name.to_owned())),
        Some(("fleet-source", path)) => Some(Event::Source(path.to_owned())),
        _ => None,
    };
    parsed.unwrap_or(Event::Said(text))
}

/// A directory as a reference to a flake: a URL.
fn reference(directory: &Path) -> String {
    let mut url = "path:".to_owned();
    for byte in directory.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' => url.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => url.push(char::from(*byte)),
            byte => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

/// A string of the Nix language.
pub fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' | '$' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The wrapped command under a tracer or limiter: `words` stand before it.
pub fn under(words: &[OsString], invocation: Invocation) -> Invocation {
    let Some((program, args)) = words.split_first() else {
        return invocation;
    };
    let mut args: Vec<OsString> = args.to_vec();
    args.push(invocation.program.clone());
    args.extend(invocation.args.iter().cloned());
    Invocation {
        program: program.clone(),
        args,
        ..invocation
    }
}

/// The part of a file's path below one of the places where the tree stood.
pub fn below<'a>(file: &'a str, places: &[&Path]) -> Option<&'a str> {
    places.iter().find_map(|place| {
        let rest = file.strip_prefix(place.to_str()?)?;
        let rest = rest.strip_prefix('/')?;
        (!rest.is_empty()).then_some(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_say_what_they_say() {
        assert_eq!(string("a\"b\\c${d}\n"), "\"a\\\"b\\\\c\\${d}\n\"");
    }

    #[test]
    fn a_directory_is_a_url() {
        let url = reference(Path::new("/a b/ü?#%.x"));
        assert_eq!(url, "path:/a%20b/%C3%BC%3F%23%25.x");
    }

    #[test]
    fn events_are_read_and_foreign_traces_kept() {
        let host = r#"fleet-host {"name":"a","facts":{"derivation":"/nix/store/x.drv"}}"#;
        let facts = Facts {
            derivation: Some("/nix/store/x.drv".to_owned()),
            ..Facts::default()
        };
        for (text, expect) in [
            (host, Event::Host("a".to_owned(), Box::new(facts))),
            ("fleet-begin \"a\"", Event::Begin("a".to_owned())),
            (
                "fleet-host rubbish",
                Event::Said("fleet-host rubbish".to_owned()),
            ),
            ("hello there", Event::Said("hello there".to_owned())),
            ("fleet-self rev", Event::ReadSelf("rev".to_owned())),
        ] {
            assert_eq!(event(text.to_owned()), expect);
        }
    }

    #[test]
    fn files_below_a_place_are_of_the_tree() {
        let places = [Path::new("/a/tree"), Path::new("/b")];
        assert_eq!(below("/a/tree/x/y.nix", &places), Some("x/y.nix"));
        assert_eq!(below("/b/y.nix", &places), Some("y.nix"));
        assert_eq!(below("/a/treetop/y.nix", &places), None);
    }
}
