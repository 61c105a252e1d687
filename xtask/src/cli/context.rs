//! What every command works with.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::Global;
use super::outcome::{Failure, Outcome};
use crate::config::{self, Config};
use crate::engine::validation::Commit;
use crate::guard::{Facts, GitFacts};
use crate::problem::Problem;
use crate::process::{Cancel, Quoted, Runner};
use crate::tools::git::GitError;
use crate::ui::Ui;
use crate::workspace::{Snapshot, Workspace};

/// What every command works with.
pub struct Context {
    /// Global options.
    pub global: Global,
    /// Starts programs.
    pub runner: Arc<dyn Runner>,
    /// Set when the user wants out.
    pub cancel: Cancel,
    /// Prints.
    pub ui: Ui,
}

/// What `--json` gives when there is no result.
#[derive(Serialize)]
struct ErrorDocument<'a> {
    schema: &'static str,
    problems: &'a [Problem],
}

impl Context {
    /// The same for another repository, as a part of this command.
    pub fn beside(&self, repository: &Path) -> Self {
        Self {
            global: Global {
                repo: repository.to_owned(),
                yes: true,
                ..self.global.clone()
            },
            runner: Arc::clone(&self.runner),
            cancel: self.cancel.within(),
            ui: self.ui.part(),
        }
    }

    /// The flake that `--repo` names.
    pub fn workspace(&self) -> Result<Workspace, Failure> {
        Ok(Workspace::open(
            Arc::clone(&self.runner),
            &self.global.repo,
        )?)
    }

    /// The commit that the working tree belongs to, as Nix tells a flake of it.
    pub fn commit(&self, workspace: &Workspace) -> Result<Commit, Failure> {
        let Some(git) = workspace.git() else {
            return Ok(Commit::default());
        };
        let (status, time) = rayon::join(|| workspace.status(), || git.time());
        let Some(status) = status? else {
            return Ok(Commit::default());
        };
        // Where there is no commit there is no time either.
        let Some(revision) = &status.commit else {
            return Ok(Commit::default());
        };
        let failed = |error: GitError| Problem::error("git-failed", error.to_string());
        let clean = status.is_clean();
        let time = time.map_err(failed)?;
        Ok(Commit::of(revision, time, clean))
    }

    /// The working tree and the settings in it; what is tolerated is said.
    pub fn read(&self, workspace: &Workspace) -> Result<(Snapshot, Config), Failure> {
        let mut snapshot = workspace.snapshot()?;
        let (config, problems) = config::load(&snapshot.tree);
        if crate::guard::refuses(&problems) {
            self.ui.problems(&snapshot.problems, Some(&snapshot.tree));
            self.ui.problems(&problems, Some(&snapshot.tree));
            return Err(Failure {
                outcome: Outcome::Failed,
                problems: vec![Problem::error(
                    "bad-settings",
                    format!("{} cannot be used", config::FILE),
                )],
            });
        }
        snapshot.problems.extend(problems);
        self.ui.problems(&snapshot.problems, Some(&snapshot.tree));
        Ok((snapshot, config))
    }

    /// What the safety rules look at.
    pub fn facts(&self, workspace: &Workspace, config: &Config) -> Result<Facts, Failure> {
        let mut last_change = None;
        let git = match workspace.status()? {
            None => None,
            Some(status) => {
                last_change = workspace.uncommitted_change(&status);
                let (untracked, changed) = status
                    .entries
                    .iter()
                    .partition(|entry| entry.is_untracked());
                let names = |entries: Vec<&crate::tools::git::StatusEntry>| {
                    let quoted = |entry: &&crate::tools::git::StatusEntry| {
                        Quoted(entry.path.as_os_str()).to_string()
                    };
                    entries.iter().map(quoted).collect()
                };
                Some(GitFacts {
                    not_checked_out: workspace.not_checked_out()?,
                    branch: status.branch,
                    changed: names(changed),
                    untracked: names(untracked),
                })
            }
        };
        Ok(Facts {
            git,
            half_done: workspace.is_half_done(),
            last_change,
            locked_branch: config.branch.locked.clone(),
        })
    }

    /// Ends a command that has not changed anything yet, if the user wants out.
    pub fn check_interrupted(&self) -> Result<(), Failure> {
        if self.cancel.is_cancelled() {
            let done = self.cancel.last_done();
            let text = match &done {
                Some(done) => format!("interrupted; {done}, and nothing after it"),
                None => "interrupted; nothing was changed".to_owned(),
            };
            let problem = Problem::error("interrupted", text);
            return Err(problem.into());
        }
        Ok(())
    }

    /// Says why there is no result.
    pub fn explain(&self, failure: &Failure) -> Outcome {
        self.ui.problems(&failure.problems, None);
        // One line: what reads JSON lines reads it too.
        self.ui.line(&ErrorDocument {
            schema: "error/1",
            problems: &failure.problems,
        });
        if self.cancel.is_cancelled() && failure.outcome == Outcome::Failed {
            return Outcome::Interrupted;
        }
        failure.outcome
    }
}
