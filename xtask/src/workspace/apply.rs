//! Changing the working tree: all of a change set or nothing of it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;

use super::place::{Found, Place};
use super::staging::{
    Directories, Draft, Permissions, hash_of, missing_parents, old_file, pending, read_phase, stage,
};
use super::transaction::{Transaction, entry, numbers};
use super::{Lock, Workspace};
use crate::edit::{Change, ChangeSet};
use crate::journal::transaction::{
    Decision, Directory, IndexState, IndexTarget, Intent, Now, Phase, Purpose, decide, now,
};
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
    }
}

impl Workspace {
    /// Whether a transaction was cut off and waits for [`Self::recover`].
    pub fn is_half_done(&self) -> bool {
        pending(self).exists()
    }

    fn place(&self) -> Result<Place, ApplyError> {
        Place::open(self.root())
            .map_err(|error| ApplyError::from_io(&self.root().display().to_string(), &error))
    }

    fn refuse_half_done(&self) -> Result<(), ApplyError> {
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

    fn carry_out(
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
    fn fill_index(&self, drafts: &mut [Draft]) -> Result<(), ApplyError> {
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

    /// Takes the last change back, byte for byte, its index entries too.
    ///
    /// # Errors
    /// There is none, or its files were edited since (code `edited-since`).
    pub fn undo(&self, lock: &Lock, watch: &mut dyn Watch) -> Result<Done, ApplyError> {
        self.refuse_half_done()?;
        let place = self.place()?;
        let numbers = numbers(self).map_err(|error| ApplyError::from_io("history", &error))?;
        let Some(number) = numbers.last().copied() else {
            return Err(ApplyError::Refused(Problem::error(
                "nothing-to-undo",
                "no migration of this repository is on record here",
            )));
        };
        let directory = entry(self, number);
        let Phase::Committed(intent) = read_phase(&directory).map_err(ApplyError::Failed)? else {
            return Err(ApplyError::Failed(Problem::error(
                "journal-unreadable",
                format!(
                    "{}: not the record of a finished change",
                    directory.display()
                ),
            )));
        };
        let mut drafts = Vec::new();
        let mut edited = Vec::new();
        for (index, step) in intent.steps.iter().enumerate() {
            let Some(path) = TreePath::new(&step.path) else {
                continue;
            };
            let found = place.look(&path);
            let found = found.map_err(|error| ApplyError::from_io(&step.path, &error))?;
            if now(step, hash_of(&found).as_deref()) != Now::After {
                edited.push(step.path.escape_debug().to_string());
                continue;
            }
            let before = match found {
                Found::File {
                    contents,
                    mode,
                    owner,
                } => Some((contents, mode, owner)),
                _ => None,
            };
            let after = match &step.before {
                Some(state) => {
                    let old = old_file(&directory, index);
                    let contents = fs::read(&old)
                        .map_err(|error| ApplyError::from_io(&old.display().to_string(), &error))?;
                    let owner = before.as_ref().map_or_else(own, |(_, _, owner)| *owner);
                    Some((contents, Permissions::Exact(state.mode, owner)))
                }
                None => None,
            };
            drafts.push(Draft {
                path,
                before,
                after,
                index_before: IndexState::Absent,
                index_after: match step.index_after {
                    IndexTarget::Keep => IndexTarget::Keep,
                    _ => IndexTarget::Set(step.index_before.clone()),
                },
            });
        }
        if !edited.is_empty() {
            let names = edited.join(", ");
            return Err(ApplyError::Refused(
                Problem::error(
                    "edited-since",
                    format!("edited since `{}`: {names}", intent.label),
                )
                .help("undo would lose these edits: commit or remove them first"),
            ));
        }
        drafts.reverse();
        self.fill_index(&mut drafts)?;
        let reversed = |directories: &[Directory]| directories.iter().rev().cloned().collect();
        let directories = Directories {
            created: split(&place, reversed(&intent.emptied_directories))?.absent,
            emptied: split(&place, reversed(&intent.created_directories))?.present,
        };
        let label = format!("undo of {}", intent.label);
        let back = stage(
            self,
            Purpose::Undo(number),
            &label,
            drafts,
            directories,
            watch,
        )?;
        self.carry_out(&place, lock, back, watch)
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

/// Our own user and group.
fn own() -> (u32, u32) {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    (user.as_raw(), group.as_raw())
}

struct Split {
    present: Vec<Directory>,
    absent: Vec<Directory>,
}

/// Tells directories that are there, with the permissions that they now have,
/// from those that are not.
fn split(place: &Place, directories: Vec<Directory>) -> Result<Split, ApplyError> {
    let mut split = Split {
        present: Vec::new(),
        absent: Vec::new(),
    };
    for directory in directories {
        let Some(path) = TreePath::new(&directory.path) else {
            continue;
        };
        let mode = place.directory_mode(&path);
        match mode.map_err(|error| ApplyError::from_io(&directory.path, &error))? {
            Some(mode) => split.present.push(Directory { mode, ..directory }),
            None => split.absent.push(directory),
        }
    }
    Ok(split)
}

/// Compares every change with what is there.
fn draft(place: &Place, changes: &ChangeSet, git_add: bool) -> Result<Vec<Draft>, ApplyError> {
    let mut drafts: BTreeMap<TreePath, Draft> = BTreeMap::new();
    let mut changed = Vec::new();
    for (asked, change) in changes {
        let io = |error: io::Error| ApplyError::from_io(asked.as_str(), &error);
        let refuse = |code, message: String| ApplyError::Refused(Problem::error(code, message));
        let path = place.resolve(asked).map_err(io)?.ok_or_else(|| {
            refuse(
                "link-leaves-repository",
                format!("{asked}: a symbolic link on the way leaves the repository"),
            )
        })?;
        let found = place.look(&path).map_err(io)?;
        if let Found::Other(what) = found {
            let target = place
                .link_target(&path)
                .map(|target| format!(" to {target}"))
                .unwrap_or_default();
            return Err(refuse(
                "not-a-file",
                format!("{asked}: {what}{target} stands there"),
            ));
        }
        let before = match found {
            Found::File {
                contents,
                mode,
                owner,
            } => Some((contents, mode, owner)),
            _ => None,
        };
        let present = before.as_ref().map(|(contents, ..)| contents.as_slice());
        let (expected, after, index_after) = match change {
            Change::Create {
                contents,
                executable,
            } => {
                let permissions = Permissions::Fresh {
                    executable: *executable,
                };
                (
                    None,
                    Some((contents.clone(), permissions)),
                    IndexTarget::Add,
                )
            }
            Change::Modify {
                before: expected,
                contents,
            } => {
                let (mode, owner) = before
                    .as_ref()
                    .map_or_else(|| (0o644, own()), |(_, mode, owner)| (*mode, *owner));
                let after = (contents.clone(), Permissions::Exact(mode, owner));
                (Some(expected.as_slice()), Some(after), IndexTarget::Keep)
            }
            Change::Delete { before: expected } => (
                Some(expected.as_slice()),
                None,
                IndexTarget::Set(IndexState::Absent),
            ),
        };
        if present != expected {
            changed.push(path);
            continue;
        }
        let draft = Draft {
            path: path.clone(),
            before,
            after,
            index_before: IndexState::Absent,
            index_after: if git_add {
                index_after
            } else {
                IndexTarget::Keep
            },
        };
        if drafts.insert(path.clone(), draft).is_some() {
            return Err(refuse(
                "changed-twice",
                format!("{path}: two changes reach this file through different links"),
            ));
        }
    }
    if !changed.is_empty() {
        return Err(ApplyError::Changed(changed));
    }
    Ok(drafts.into_values().collect())
}

/// Directories that a fresh change makes and may empty.
fn directories(place: &Place, drafts: &[Draft]) -> Result<Directories, ApplyError> {
    let mut created: BTreeMap<TreePath, u32> = BTreeMap::new();
    let mut emptied: BTreeMap<TreePath, u32> = BTreeMap::new();
    for draft in drafts {
        let io = |error: io::Error| ApplyError::from_io(draft.path.as_str(), &error);
        if draft.after.is_some() {
            for path in missing_parents(place, &draft.path).map_err(io)? {
                created.insert(path, 0o777);
            }
        } else {
            let mut current = draft.path.parent();
            while let Some(path) = current.filter(|path| !path.as_str().is_empty()) {
                if let Some(mode) = place.directory_mode(&path).map_err(io)? {
                    emptied.insert(path.clone(), mode);
                }
                current = path.parent();
            }
        }
    }
    let list = |(path, mode): (TreePath, u32)| Directory {
        path: path.as_str().to_owned(),
        mode,
    };
    Ok(Directories {
        created: created.into_iter().map(list).collect(),
        emptied: emptied.into_iter().rev().map(list).collect(),
    })
}
