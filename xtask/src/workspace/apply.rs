//! Changing the working tree: all of a change set or nothing of it.

use std::ffi::OsStr;
use std::io;

use super::draft::{directories, draft};
use super::place::Place;
use super::staging::{Draft, pending, read_phase, stage};
use super::transaction::Transaction;
use super::{Lock, Workspace};
use crate::edit::ChangeSet;
use crate::journal::transaction::{Decision, Intent, Phase, Purpose, decide};
use crate::problem::Problem;
use crate::process::Cancel;
use crate::tree::TreePath;

/// Why a change was not made. Unless it says otherwise the tree is as it was.
#[derive(Debug)]
pub enum ApplyError {
    /// These files are not what the plan was made from.
    Changed(Vec<TreePath>),
    /// The request makes no sense for this tree.
    Refused(Problem),
    /// The user wanted out; everything was taken back.
    Cancelled,
    /// The system failed; everything was taken back.
    Failed(Problem),
    /// The system failed, and taking back failed too: `recover` is needed.
    Stuck(Problem),
    /// Left as it was at this point, as a killed process would.
    Abandoned,
}

impl ApplyError {
    pub(super) fn from_io(path: &str, error: &io::Error) -> Self {
        let problem = Problem::error("write-failed", format!("{path}: {error}"));
        Self::Failed(match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                problem.help("nothing was changed; make room and run it again")
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => problem
                .help("nothing was changed; make the repository writable, or look with --dry-run"),
            _ => problem.help("nothing was changed"),
        })
    }

    /// The same failure when taking back failed as well.
    pub(super) fn stuck(self, second: &Self) -> Self {
        let (first, second) = (self.problem(), second.problem());
        let message = format!(
            "{}; taking it back failed too: {}",
            first.message, second.message
        );
        Self::Stuck(Problem::error("half-done", message).help("cargo xtask migrate recover"))
    }

    /// As a finding.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Changed(paths) => {
                let names: Vec<String> = paths
                    .iter()
                    .map(|path| path.as_str().escape_debug().to_string())
                    .collect();
                Problem::error(
                    "changed-meanwhile",
                    format!(
                        "changed by someone else in the meantime: {}",
                        names.join(", ")
                    ),
                )
                .help("nothing was changed; run it again to plan from the files as they are now")
            }
            Self::Refused(problem) | Self::Failed(problem) | Self::Stuck(problem) => {
                problem.clone()
            }
            Self::Cancelled => {
                Problem::error("interrupted", "interrupted; everything was taken back")
            }
            Self::Abandoned => {
                Problem::error("half-done", "left half done").help("cargo xtask migrate recover")
            }
        }
    }
}

/// A place in a transaction where it can be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// On the way to the new tree.
    Forward(&'static str),
    /// On the way back; an interruption no longer counts.
    Back(&'static str),
    /// The tree is the new one.
    Final(&'static str),
}

/// Is asked at every point whether to go on.
pub trait Watch {
    /// Goes on, or says why not: [`ApplyError::Abandoned`] leaves everything
    /// as it is, any other error takes everything back.
    ///
    /// # Errors
    /// To stop.
    fn at(&mut self, point: Point) -> Result<(), ApplyError>;
}

/// Stops on the way forward when the user wants out.
impl Watch for Cancel {
    fn at(&mut self, point: Point) -> Result<(), ApplyError> {
        if self.is_cancelled() && matches!(point, Point::Forward(_)) {
            Err(ApplyError::Cancelled)
        } else {
            Ok(())
        }
    }
}

/// What to do beside writing files.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The command, for the messages of `undo` and `recover`.
    pub label: &'a str,
    /// Whether created files are added to the index and deleted ones removed.
    pub git_add: bool,
}

/// A finished change or undo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The command that made the change.
    pub label: String,
    /// What was written or removed.
    pub paths: Vec<String>,
    /// The change that was taken back had been committed: the way back is in the
    /// index, ready for a commit of its own.
    pub is_staged: bool,
}

/// What recovery found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovered {
    /// Nothing was under way.
    Nothing,
    /// The tree is the old one.
    Old(Option<Done>),
    /// The tree is the new one.
    New(Done),
}

fn done(intent: &Intent) -> Done {
    Done {
        label: intent.label.clone(),
        paths: intent.steps.iter().map(|step| step.path.clone()).collect(),
        is_staged: false,
    }
}

impl Workspace {
    /// Whether a transaction was cut off and waits for [`Self::recover`].
    pub fn is_half_done(&self) -> bool {
        pending(self).exists()
    }

    pub(super) fn place(&self) -> Result<Place, ApplyError> {
        Place::open(self.root())
            .map_err(|error| ApplyError::from_io(&self.root().display().to_string(), &error))
    }

    pub(super) fn refuse_half_done(&self) -> Result<(), ApplyError> {
        if self.is_half_done() {
            return Err(ApplyError::Refused(
                Problem::error(
                    "half-done",
                    "an earlier change of this repository was cut off",
                )
                .help("cargo xtask migrate recover"),
            ));
        }
        Ok(())
    }

    /// Brings the tree to what the change set says, or leaves it as it is.
    ///
    /// # Errors
    /// See [`ApplyError`].
    pub fn apply(
        &self,
        lock: &Lock,
        changes: &ChangeSet,
        request: Request<'_>,
        watch: &mut dyn Watch,
    ) -> Result<Done, ApplyError> {
        self.refuse_half_done()?;
        let place = self.place()?;
        let mut drafts = draft(&place, changes, request.git_add && self.git().is_some())?;
        self.fill_index(&mut drafts)?;
        let directories = directories(&place, &drafts)?;
        let intent = stage(
            self,
            Purpose::Change,
            request.label,
            drafts,
            directories,
            watch,
        )?;
        self.carry_out(&place, lock, intent, watch)
    }

    pub(super) fn carry_out(
        &self,
        place: &Place,
        lock: &Lock,
        intent: Intent,
        watch: &mut dyn Watch,
    ) -> Result<Done, ApplyError> {
        let done = done(&intent);
        let transaction = Transaction {
            workspace: self,
            place,
            lock,
            intent,
        };
        transaction.run(watch)?;
        Ok(done)
    }

    /// Notes the present index entries of what will be changed there.
    pub(super) fn fill_index(&self, drafts: &mut [Draft]) -> Result<(), ApplyError> {
        let Some(git) = self.git() else {
            return Ok(());
        };
        let paths: Vec<&OsStr> = drafts
            .iter()
            .map(|draft| draft.path.as_str().as_ref())
            .collect();
        let entries = git
            .index_entries(&paths)
            .map_err(|error| ApplyError::from_git(&error))?;
        for (draft, entry) in drafts.iter_mut().zip(entries) {
            draft.index_before = entry;
        }
        Ok(())
    }

    /// Puts right what a killed run left: the tree is then the old one or the new one.
    ///
    /// # Errors
    /// Files were edited since the crash, or the system fails.
    pub fn recover(&self, lock: &Lock, watch: &mut dyn Watch) -> Result<Recovered, ApplyError> {
        let directory = pending(self);
        if !directory.exists() {
            return Ok(Recovered::Nothing);
        }
        let place = self.place()?;
        let phase = read_phase(&directory).map_err(ApplyError::Failed)?;
        let (Phase::Running(intent) | Phase::Committed(intent)) = &phase else {
            super::staging::discard(self, &directory)
                .map_err(|error| ApplyError::from_io(&directory.display().to_string(), &error))?;
            return Ok(Recovered::Old(None));
        };
        let transaction = Transaction {
            workspace: self,
            place: &place,
            lock,
            intent: (**intent).clone(),
        };
        match decide(&phase, &transaction.observe()?) {
            Decision::Finish => {
                transaction.archive()?;
                Ok(Recovered::New(done(intent)))
            }
            Decision::Discard | Decision::TakeBack => {
                transaction.back(None, watch)?;
                Ok(Recovered::Old(Some(done(intent))))
            }
            Decision::Blocked(paths) => Err(ApplyError::Refused(
                Problem::error(
                    "edited-since",
                    format!("edited after `{}` was cut off: {}", intent.label, paths.join(", ")),
                )
                .help("recovery would lose these edits: move the files aside, run it again, and put them back"),
            )),
        }
    }
}
