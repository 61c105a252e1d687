//! `validate --only flake-check`: what Nix itself says of the flake as a whole, its
//! other outputs included.

use std::path::Path;
use std::time::Instant;

use super::super::nix::span;
use super::super::outcome::Failure;
use super::show::{At, Event, word};
use super::{Job, Task};
use crate::engine::stand::write_out;
use crate::engine::standin;
use crate::problem::Problem;
use crate::process::Failure as Ending;
use crate::tools::nix::{EvaluationError, below};
use crate::tree::{Tree, TreePath};
use crate::validate::report::{self, Row};

/// What stands for the flake where others have the name of a host.
pub(super) const WHOLE: &str = "(flake)";

impl Job<'_> {
    /// `nix flake check --no-build` of the tree. It does not force what hosts consist
    /// of; that is what `eval` is for.
    pub(super) fn check_flake(&self) -> Result<Row, Failure> {
        let started = Instant::now();
        let context = self.context;
        let progress = context.ui.progress();
        let task = progress.task(Task::FlakeCheck.name(), 1);
        // The state's own directory may be none that older versions take as a URL.
        let directory = tempfile::tempdir().map_err(|error| no_scratch(&error))?;
        let scratch = directory.path().canonicalize();
        let scratch = scratch.map_err(|error| no_scratch(&error))?;
        let place = scratch.join("tree");
        write_out(self.tree, &place)?;
        let mut inputs = self.setup.inputs.clone();
        for input in inputs.values_mut() {
            if self.setup.stand_in.as_ref() == Some(&input.path) {
                input.path = standin::unpack(&scratch)?;
            }
        }
        let mut failure = None;
        match self.setup.nix.flake_check(&place, &inputs) {
            Ok(()) => {}
            Err(EvaluationError::Run(error)) if matches!(error.failure, Ending::Cancelled) => {
                context.check_interrupted()?;
            }
            Err(EvaluationError::Run(error)) => failure = Some((error.to_string(), None)),
            Err(EvaluationError::Nix(message)) => {
                let at = message.at.as_ref().and_then(|at| {
                    let path = below(&at.file, &[&place]);
                    let path = path.or_else(|| in_store(&at.file));
                    Some((TreePath::new(path?)?, at.line, at.column))
                });
                failure = Some((without_store(&message.text, self.tree), at));
            }
        }
        task.advance(WHOLE);
        drop(task);
        let problem = failure.as_ref().map(|(text, at)| Problem {
            span: span(at.as_ref(), self.tree),
            ..Problem::error("flake-check-failed", text.clone())
        });
        context.ui.problems(problem.as_slice(), Some(self.tree));
        let seconds = started.elapsed().as_secs_f64();
        context.ui.line(&Event::Task {
            host: WHOLE,
            task: Task::FlakeCheck.name(),
            outcome: word(failure.is_none()),
            cached: false,
            seconds,
            derivation: None,
            problem,
            option: None,
            at: failure
                .as_ref()
                .and_then(|(_, at)| at.as_ref())
                .map(At::from),
            changed: None,
            vm: None,
        });
        Ok(Row {
            host: WHOLE.to_owned(),
            task: Task::FlakeCheck.name(),
            failure: failure.map(|(text, at)| report::Failure {
                text,
                at: at.map(|(path, line, column)| (path.to_string(), line, column)),
            }),
            skipped: None,
            seconds,
            cached: false,
        })
    }
}

fn no_scratch(error: &std::io::Error) -> Problem {
    Problem::error("no-scratch", format!("no temporary directory: {error}"))
        .help("set TMPDIR to a directory that can be written")
}

/// A text with the files of the tree named as they are there.
fn without_store(text: &str, tree: &Tree) -> String {
    const STORE: &str = "/nix/store/";
    let mut parts = text.split(STORE);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let below = part.split_once("-source/").map(|(_, below)| below);
        let path = below.and_then(|below| below.split(['\'', '"', ':', ',', ' ', '\n']).next());
        let path = path.and_then(TreePath::new);
        let is_own = path.is_some_and(|it| tree.entry(&it).is_some() || tree.is_directory(&it));
        match below.filter(|_| is_own) {
            Some(below) => out.push_str(below),
            None => out.extend([STORE, part]),
        }
    }
    out
}

/// The part of a file's path below the copy of a flake in the store.
fn in_store(file: &str) -> Option<&str> {
    let rest = Path::new(file).strip_prefix("/nix/store").ok()?.to_str()?;
    let (copy, path) = rest.split_once('/')?;
    copy.ends_with("-source").then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_tree_are_named_without_the_store() {
        let tree = Tree::from_texts([("hosts/a/default.nix", "")]);
        let check = |text: &str, expect: &str| assert_eq!(without_store(text, &tree), expect);
        check(
            "- In `/nix/store/abc-source/hosts/a': 1, at /nix/store/abc-source/hosts/a/default.nix:1:2",
            "- In `hosts/a': 1, at hosts/a/default.nix:1:2",
        );
        for other in [
            "/nix/store/abc-source/lib/modules.nix:3",
            "/nix/store/abc-hello",
            "/nix/store/",
            "no path",
        ] {
            check(other, other);
        }
    }
}
