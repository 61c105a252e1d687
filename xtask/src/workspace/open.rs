//! Finding the flake, its repository and the place for our own state.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::problem::Problem;
use crate::process::Runner;
use crate::tools::git::{Git, GitError, Status};

/// A flake on disk.
pub struct Workspace {
    root: PathBuf,
    git: Option<Git>,
    state: PathBuf,
}

/// A failure of git as a finding.
pub(super) fn git_problem(error: &GitError) -> Problem {
    let text = error.to_string();
    let problem = Problem::error("git-failed", text.clone());
    if text.contains("dubious ownership") || text.contains("safe.directory") {
        problem.help("the repository belongs to another user; `git config --global --add safe.directory DIR` trusts it")
    } else if text.contains("no such program") {
        Problem::error(
            "git-missing",
            "this is a git repository, and there is no git",
        )
        .help("install git, then `cargo xtask doctor` shows what else is missing")
    } else if text.contains("index.lock") {
        problem.help("another git runs here, or one was killed: when none runs, remove the lock file named above")
    } else {
        problem
    }
}

impl Workspace {
    /// The flake in `directory`, or in the nearest directory above it that has
    /// a `flake.nix`, within the same git repository.
    ///
    /// # Errors
    /// There is no flake, git refuses, or there is no place for our state.
    pub fn open(runner: Arc<dyn Runner>, directory: &Path) -> Result<Self, Problem> {
        let shown = directory.display();
        let directory = directory.canonicalize().map_err(|error| {
            Problem::error("no-such-directory", format!("{shown}: {error}"))
                .help("`--repo DIR` names a directory with a flake.nix")
        })?;
        if !directory.is_dir() {
            return Err(
                Problem::error("no-such-directory", format!("{shown}: not a directory"))
                    .help("`--repo DIR` names a directory with a flake.nix"),
            );
        }
        let git = Git::open(runner, &directory).map_err(|error| git_problem(&error))?;
        let limit = git.as_ref().map_or(Path::new("/"), |git| git.top());
        let root = directory
            .ancestors()
            .take_while(|ancestor| ancestor.starts_with(limit))
            .find(|ancestor| ancestor.join("flake.nix").is_file())
            .ok_or_else(|| {
                Problem::error(
                    "not-a-flake",
                    format!("{shown}: no flake.nix here or above"),
                )
                .help("`--repo DIR` names a directory with a flake.nix")
            })?
            .to_owned();
        let git = git.map(|git| git.at(&root));
        let state = match &git {
            Some(git) => git_state(git, &root)?,
            None => plain_state(&root)?,
        };
        Ok(Self { root, git, state })
    }

    /// The directory that holds `flake.nix`, absolute, links resolved.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The repository, seen from [`Self::root`]; `None` without git.
    pub fn git(&self) -> Option<&Git> {
        self.git.as_ref()
    }

    /// Branch and changed files below the flake; `None` without git.
    ///
    /// # Errors
    /// git fails.
    pub fn status(&self) -> Result<Option<Status>, Problem> {
        let status = self.git.as_ref().map(Git::status).transpose();
        status.map_err(|error| git_problem(&error))
    }

    /// Where journals and locks live; it may not exist yet.
    pub fn state_directory(&self) -> &Path {
        &self.state
    }
}

/// A short name for a path: two flakes of one repository have two states.
fn fingerprint(path: &OsStr) -> String {
    blake3::hash(path.as_bytes())
        .to_hex()
        .chars()
        .take(16)
        .collect()
}

fn git_state(git: &Git, root: &Path) -> Result<PathBuf, Problem> {
    let base = git.git_path("fleet").map_err(|error| git_problem(&error))?;
    Ok(match root.strip_prefix(git.top()) {
        Ok(below) if !below.as_os_str().is_empty() => {
            base.join("flakes").join(fingerprint(below.as_os_str()))
        }
        _ => base,
    })
}

fn plain_state(root: &Path) -> Result<PathBuf, Problem> {
    let variable = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = variable("XDG_STATE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/state")))
        .ok_or_else(|| {
            Problem::error(
                "no-state-directory",
                "neither XDG_STATE_HOME nor HOME names a place for the journal",
            )
            .help("without git the journal of a migration lives there; set one of them")
        })?;
    Ok(base.join("fleet").join(fingerprint(root.as_os_str())))
}
