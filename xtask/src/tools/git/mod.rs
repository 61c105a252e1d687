//! git: reading the index and the history, and the few writes that a
//! migration needs.
//!
//! Everything is asked with `-z`, so no file name can be mistaken for another;
//! pathspecs are literal; variables that would redirect git to another
//! repository are taken away; hooks and file system monitors run only where
//! the user would expect them, in [`Git::commit`].

mod parse;
mod revision;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::journal::transaction::IndexState;
use crate::process::{Failure, Invocation, Output, RunError, Runner};

pub use parse::{ParseError, Staged, Status, StatusEntry, TreeEntry};
pub use revision::Revision;

/// Variables that point git at another repository, index or configuration, or
/// make it talk: what `git rev-parse --local-env-vars` names, and helpers.
const FOREIGN_VARIABLES: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_EXTERNAL_DIFF",
    "GIT_GLOB_PATHSPECS",
    "GIT_GRAFT_FILE",
    "GIT_ICASE_PATHSPECS",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_LITERAL_PATHSPECS",
    "GIT_NAMESPACE",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_TRACE",
    "GIT_TRACE2",
    "GIT_TRACE2_EVENT",
    "GIT_WORK_TREE",
];

/// What git could not do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GitError {
    /// It ran and failed, or could not be started.
    #[error(transparent)]
    Run(#[from] RunError),
    /// It said something that this program does not understand.
    #[error("`git {command}` answered with something unexpected: {cause}")]
    Answer {
        /// The subcommand.
        command: &'static str,
        /// What was wrong with it.
        cause: String,
    },
    /// The user named a revision that does not exist.
    #[error("`{0}` names no commit of this repository")]
    NoSuchRevision(String),
}

impl GitError {
    /// Whether the user's interruption ended it.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Run(error) if error.failure == Failure::Cancelled)
    }
}

/// A repository with a work tree, seen from one directory in it.
#[derive(Clone)]
pub struct Git {
    runner: Arc<dyn Runner>,
    directory: PathBuf,
    top: PathBuf,
}

/// A call of git in `directory` that no surrounding variable or configuration
/// can redirect.
fn git(directory: &Path) -> Invocation {
    let mut invocation = Invocation::new("git")
        .args([
            "--no-pager",
            "--literal-pathspecs",
            "-c",
            "core.quotePath=false",
            "-c",
            "core.fsmonitor=false",
            "-c",
            "color.ui=false",
        ])
        .directory(directory)
        .env("LC_ALL", "C")
        .env("GIT_TERMINAL_PROMPT", "0");
    for name in FOREIGN_VARIABLES {
        invocation = invocation.env_remove(name);
    }
    invocation
}

/// The same, running no hook of the repository.
fn quiet(directory: &Path) -> Invocation {
    git(directory).args(["-c", "core.hooksPath=/dev/null"])
}

/// Standard output as one path: the final newline is git's, all others are part of it.
fn one_path(output: Output) -> PathBuf {
    let mut bytes = output.stdout;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    PathBuf::from(OsString::from_vec(bytes))
}

impl Git {
    /// The repository whose work tree holds `directory`; `None` if there is
    /// none, or if there is no git and no sign of a repository either.
    ///
    /// # Errors
    /// git is missing where a repository is, or refuses to look (a repository
    /// of another user, a broken one).
    pub fn open(runner: Arc<dyn Runner>, directory: &Path) -> Result<Option<Self>, GitError> {
        let asked = quiet(directory).args(["rev-parse", "--show-toplevel"]);
        let output = match runner.run(&asked) {
            Ok(output) => output,
            Err(error) => {
                let outside = match error.failure {
                    Failure::Status(_) => error.stderr_tail.contains("not a git repository"),
                    Failure::NotFound => directory
                        .ancestors()
                        .all(|ancestor| !ancestor.join(".git").exists()),
                    _ => false,
                };
                return if outside { Ok(None) } else { Err(error.into()) };
            }
        };
        Ok(Some(Self {
            runner,
            directory: directory.to_owned(),
            top: one_path(output),
        }))
    }

    /// The top of the work tree, symbolic links resolved.
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// The same repository seen from another directory in it.
    #[must_use]
    pub fn at(&self, directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            ..self.clone()
        }
    }

    fn read(&self, args: &[&str]) -> Result<Output, GitError> {
        let invocation = quiet(&self.directory)
            .env("GIT_OPTIONAL_LOCKS", "0")
            .args(args);
        Ok(self.runner.run(&invocation)?)
    }

    /// Where this repository keeps what belongs to `name` (`--git-path`).
    ///
    /// # Errors
    /// git fails.
    pub fn git_path(&self, name: &str) -> Result<PathBuf, GitError> {
        let output = self.read(&["rev-parse", "--git-path", name])?;
        Ok(self.directory.join(one_path(output)))
    }

    /// When HEAD was committed, in seconds since 1970.
    ///
    /// # Errors
    /// git fails: there is no commit.
    pub fn time(&self) -> Result<i64, GitError> {
        let output = self.read(&["log", "-1", "--format=%ct"])?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.trim().parse().unwrap_or(0))
    }

    /// How many commits lead to HEAD.
    ///
    /// # Errors
    /// git fails.
    pub fn count(&self) -> Result<u64, GitError> {
        let output = self.read(&["rev-list", "--count", "HEAD"])?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.trim().parse().unwrap_or(0))
    }

    /// Where the directory of this value is, seen from the top of the work tree.
    pub fn prefix(&self) -> &Path {
        self.directory
            .strip_prefix(&self.top)
            .unwrap_or(Path::new(""))
    }

    /// The index below this directory, paths relative to it.
    ///
    /// # Errors
    /// git fails.
    pub fn staged(&self) -> Result<Vec<Staged>, GitError> {
        let output = self.read(&["ls-files", "-z", "--stage", "--"])?;
        parse::staged(&output.stdout).map_err(|error| error.of("ls-files"))
    }

    /// Branch and changed files below this directory.
    ///
    /// Paths are relative to the top of the work tree.
    ///
    /// # Errors
    /// git fails.
    pub fn status(&self) -> Result<Status, GitError> {
        let output = self.read(&[
            "status",
            "--porcelain=v2",
            "-z",
            "--branch",
            "--no-renames",
            "--untracked-files=all",
            "--",
            ".",
        ])?;
        parse::status(&output.stdout).map_err(|error| error.of("status"))
    }

    /// Puts files into the index in full, with the contents that they have on
    /// disk. Paths are relative to the directory of this value.
    ///
    /// # Errors
    /// git fails: a path is ignored, or the index is locked.
    pub fn add(&self, paths: &[&OsStr]) -> Result<(), GitError> {
        if paths.is_empty() {
            return Ok(());
        }
        let invocation = quiet(&self.directory)
            .args(["add", "--pathspec-from-file=-", "--pathspec-file-nul"])
            .stdin(nul_separated(paths))
            .shielded();
        self.runner.run(&invocation)?;
        Ok(())
    }

    /// The index entries of these paths, in their order. Paths are relative to
    /// the directory of this value.
    ///
    /// # Errors
    /// git fails.
    pub fn index_entries(&self, paths: &[&OsStr]) -> Result<Vec<IndexState>, GitError> {
        /// Paths per call, for the limit on the length of a command line.
        const CHUNK: usize = 500;
        let mut states = Vec::with_capacity(paths.len());
        for chunk in paths.chunks(CHUNK) {
            let invocation = quiet(&self.directory)
                .env("GIT_OPTIONAL_LOCKS", "0")
                .args(["ls-files", "-z", "--stage", "--"])
                .args(chunk)
                .shielded();
            let output = self.runner.run(&invocation)?;
            let staged = parse::staged(&output.stdout).map_err(|error| error.of("ls-files"))?;
            states.extend(chunk.iter().map(|path| {
                staged
                    .iter()
                    .find(|entry| entry.path.as_os_str() == *path)
                    .map_or(IndexState::Absent, |entry| IndexState::Entry {
                        mode: entry.mode.clone(),
                        object: entry.object.clone(),
                    })
            }));
        }
        Ok(states)
    }

    /// Sets index entries to exactly these states, without a look at the disk.
    /// Paths are relative to the directory of this value.
    ///
    /// # Errors
    /// git fails: the index is locked, or an object is gone.
    pub fn set_index(&self, changes: &[(&OsStr, &IndexState)]) -> Result<(), GitError> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut input = Vec::new();
        for (path, change) in changes {
            let line = match change {
                // The object name of a removal is ignored, but must be there.
                IndexState::Absent => format!("0 {}\t", "0".repeat(40)),
                IndexState::Entry { mode, object } => format!("{mode} {object}\t"),
            };
            input.extend_from_slice(line.as_bytes());
            // Unlike all other commands this one takes paths from the top.
            let path = self.prefix().join(path);
            input.extend_from_slice(path.as_os_str().as_bytes());
            input.push(0);
        }
        let invocation = quiet(&self.directory)
            .args(["update-index", "-z", "--index-info"])
            .stdin(input)
            .shielded();
        self.runner.run(&invocation)?;
        Ok(())
    }

    /// Commits exactly these paths (relative to the directory of this value),
    /// whatever else is staged; the user's own hooks run.
    ///
    /// # Errors
    /// git or a hook refuses.
    pub fn commit(
        &self,
        message: &str,
        trailers: &[(&str, String)],
        paths: &[&OsStr],
    ) -> Result<String, GitError> {
        let mut text = format!("{}\n", message.trim_end());
        for (index, (name, value)) in trailers.iter().enumerate() {
            if index == 0 {
                text.push('\n');
            }
            // A trailer ends with its line.
            let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
            text.push_str(&format!("{name}: {value}\n"));
        }
        let directory = tempfile::NamedTempFile::new().and_then(|mut file| {
            std::io::Write::write_all(&mut file, text.as_bytes())?;
            Ok(file)
        });
        let file = directory.map_err(|error| GitError::Answer {
            command: "commit",
            cause: format!("no place for the message: {error}"),
        })?;
        let invocation = git(&self.directory)
            .args(["commit", "--quiet", "--cleanup=verbatim", "--file"])
            .arg(file.path())
            .args(["--only", "--pathspec-from-file=-", "--pathspec-file-nul"])
            .stdin(nul_separated(paths));
        self.runner.run(&invocation)?;
        let output = self.read(&["rev-parse", "--verify", "HEAD"])?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

fn nul_separated(paths: &[&OsStr]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for path in paths {
        bytes.extend_from_slice(path.as_bytes());
        bytes.push(0);
    }
    bytes
}
