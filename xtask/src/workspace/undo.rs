//! Taking the last change back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use super::apply::{ApplyError, Done, Watch};
use super::draft::own;
use super::place::{Found, Place};
use super::staging::{Directories, Draft, Permissions, hash_of, old_file, read_phase, stage};
use super::transaction::{entry, numbers};
use super::{Lock, Workspace};
use crate::journal::transaction::{
    Directory, IndexState, IndexTarget, Intent, Now, Phase, Purpose, now,
};
use crate::problem::Problem;
use crate::tools::git::{Git, Status, StatusEntry};
use crate::tree::TreePath;

impl Workspace {
    /// Whether there is a change that [`Self::undo`] could take back.
    pub fn has_history(&self) -> bool {
        self.changes_on_record() > 0
    }

    /// The label of the last change, if all that is not as committed is of it.
    pub fn uncommitted_change(&self, status: &Status) -> Option<String> {
        let number = numbers(self).ok()?.last().copied()?;
        let Ok(Phase::Committed(intent)) = read_phase(&entry(self, number)) else {
            return None;
        };
        let prefix = self.git()?.prefix();
        let is_of_it = |entry: &StatusEntry| {
            let mut steps = intent.steps.iter();
            steps.any(|step| prefix.join(&step.path) == entry.path)
        };
        let mut changed = status.entries.iter().filter(|it| !it.is_untracked());
        changed.all(is_of_it).then(|| intent.label.clone())
    }

    /// How many changes [`Self::undo`] could take back, one after the other.
    pub fn changes_on_record(&self) -> usize {
        numbers(self).map_or(0, |numbers| numbers.len())
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
        let in_index = self.in_index(&intent)?;
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
                    IndexTarget::Keep if !in_index.contains(&step.path) => IndexTarget::Keep,
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
        let done = self.carry_out(&place, lock, back, watch)?;
        Ok(Done {
            is_staged: !in_index.is_empty() && self.is_staged(&intent)?,
            ..done
        })
    }

    /// The paths that the index has as they are on disk: what a change wrote there
    /// was committed or added since, so the way back belongs into the index too.
    fn in_index(&self, intent: &Intent) -> Result<BTreeSet<String>, ApplyError> {
        let Some(git) = self.git() else {
            return Ok(BTreeSet::new());
        };
        let codes = self.codes(git)?;
        let paths = intent.steps.iter().map(|step| &step.path);
        let is_in = |path: &&String| {
            let code = codes.get(&git.prefix().join(path));
            code.is_none_or(|code| code.ends_with('.'))
        };
        Ok(paths.filter(is_in).cloned().collect())
    }

    /// Whether something at the paths of a change is staged for the next commit.
    fn is_staged(&self, intent: &Intent) -> Result<bool, ApplyError> {
        let Some(git) = self.git() else {
            return Ok(false);
        };
        let codes = self.codes(git)?;
        let mut paths = intent.steps.iter().map(|step| &step.path);
        Ok(paths.any(|path| {
            let code = codes.get(&git.prefix().join(path));
            code.is_some_and(|code| !code.starts_with(['.', '?']))
        }))
    }

    /// What `git status` says of each path that is not as committed.
    fn codes(&self, git: &Git) -> Result<BTreeMap<PathBuf, String>, ApplyError> {
        let status = git.status().map_err(|error| ApplyError::from_git(&error))?;
        let entries = status.entries.into_iter();
        Ok(entries.map(|entry| (entry.path, entry.code)).collect())
    }
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
