//! Whether a command that writes may start: pure, from facts to findings.

use crate::problem::{Problem, Severity};

/// What git says about the working tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitFacts {
    /// `None` if HEAD is detached.
    pub branch: Option<String>,
    /// Tracked paths that are not as committed, for display.
    pub changed: Vec<String>,
    /// Paths that git does not know, for display.
    pub untracked: Vec<String>,
    /// How many tracked paths are not checked out.
    pub not_checked_out: usize,
}

/// What the rules look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// `None` without git.
    pub git: Option<GitFacts>,
    /// Whether an earlier change was cut off.
    pub half_done: bool,
    /// The last change on record, if nothing else is not as committed.
    pub last_change: Option<String>,
    /// `[branch] locked` of fleet.toml.
    pub locked_branch: Option<String>,
}

/// Names, the first few of them.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut text = names
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// Judges all rules; a finding of severity [`Severity::Error`] means: refuse.
pub fn judge(facts: &Facts) -> Vec<Problem> {
    let mut problems = Vec::new();
    if facts.half_done {
        problems.push(
            Problem::error(
                "half-done",
                "an earlier change of this repository was cut off",
            )
            .help("cargo xtask migrate recover"),
        );
    }
    let Some(git) = &facts.git else {
        problems.push(Problem::note(
            "no-git",
            "no git repository: neither a clean tree nor a branch can be checked",
        ));
        return problems;
    };
    if !git.changed.is_empty() {
        let problem = Problem::error(
            "dirty-tree",
            format!("not as committed: {}", some(&git.changed)),
        );
        problems.push(match &facts.last_change {
            Some(label) => problem.help(format!(
                "that is `{label}`: commit it, or `cargo xtask migrate undo` takes it back"
            )),
            None => problem
                .help("commit or stash it, so that the change can be told apart and taken back"),
        });
    }
    if git.not_checked_out > 0 {
        let message = format!(
            "tracked files that are not checked out: {}; after a change no host would see them",
            git.not_checked_out
        );
        problems.push(
            Problem::error("sparse-checkout", message)
                .help("`git sparse-checkout disable` brings all files"),
        );
    }
    if !git.untracked.is_empty() {
        problems.push(
            Problem::note(
                "untracked",
                format!(
                    "git does not know, so no host sees: {}",
                    some(&git.untracked)
                ),
            )
            .help("`git add` what belongs to the fleet"),
        );
    }
    match (&facts.locked_branch, &git.branch) {
        (Some(locked), Some(branch)) if locked != branch => problems.push(
            Problem::error(
                "wrong-branch",
                format!("on branch `{branch}`, and fleet.toml locks `{locked}`"),
            )
            .help(format!("git switch {locked}")),
        ),
        (Some(locked), None) => problems.push(
            Problem::error(
                "detached-head",
                format!("HEAD is detached, and fleet.toml locks branch `{locked}`"),
            )
            .help(format!("git switch {locked}")),
        ),
        (None, None) => problems.push(
            Problem::warning(
                "detached-head",
                "HEAD is detached: a commit made here belongs to no branch",
            )
            .help("git switch BRANCH"),
        ),
        _ => {}
    }
    problems
}

/// Whether the findings forbid to go on.
pub fn refuses(problems: &[Problem]) -> bool {
    problems
        .iter()
        .any(|problem| problem.severity == Severity::Error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Facts), expect: &[&str], refused: bool) {
        let mut facts = Facts {
            git: Some(GitFacts {
                branch: Some("main".to_owned()),
                ..GitFacts::default()
            }),
            half_done: false,
            last_change: None,
            locked_branch: Some("main".to_owned()),
        };
        change(&mut facts);
        let problems = judge(&facts);
        let codes: Vec<_> = problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, expect, "{facts:?}");
        assert_eq!(refuses(&problems), refused, "{facts:?}");
    }

    fn git(facts: &mut Facts) -> &mut GitFacts {
        facts.git.as_mut().unwrap()
    }

    #[test]
    fn every_rule_can_fail() {
        check(|_| {}, &[], false);
        check(|facts| facts.half_done = true, &["half-done"], true);
        check(
            |facts| git(facts).not_checked_out = 3,
            &["sparse-checkout"],
            true,
        );
        check(|facts| facts.git = None, &["no-git"], false);
        check(
            |facts| git(facts).changed.push("a".to_owned()),
            &["dirty-tree"],
            true,
        );
        check(
            |facts| git(facts).untracked.push("a".to_owned()),
            &["untracked"],
            false,
        );
        check(
            |facts| git(facts).branch = Some("topic".to_owned()),
            &["wrong-branch"],
            true,
        );
        check(|facts| git(facts).branch = None, &["detached-head"], true);
        check(
            |facts| {
                git(facts).branch = None;
                facts.locked_branch = None;
            },
            &["detached-head"],
            false,
        );
        check(
            |facts| {
                facts.locked_branch = Some("x".to_owned());
                git(facts).changed.push("a".to_owned());
                facts.half_done = true;
            },
            &["half-done", "dirty-tree", "wrong-branch"],
            true,
        );
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..9).map(|n| n.to_string()).collect();
        assert_eq!(some(&names), "0, 1, 2, 3, 4 and 4 more");
    }
}
