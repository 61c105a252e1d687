//! Carrying a staged transaction out, or taking it back.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;

use super::apply::{ApplyError, Point, Watch};
use super::open::git_problem;
use super::place::Place;
use super::staging::{
    append_committed, discard, hash_of, history, new_file, old_file, pending, sync_directory,
};
use super::{Lock, Workspace};
use crate::journal::transaction::{IndexState, IndexTarget, Intent, Now, Purpose, Step, now};
use crate::problem::Problem;
use crate::tree::TreePath;

/// How many finished changes are kept for `undo`.
const KEPT: usize = 100;

/// A staged transaction.
pub(super) struct Transaction<'a> {
    pub workspace: &'a Workspace,
    pub place: &'a Place,
    pub lock: &'a Lock,
    pub intent: Intent,
}

fn tree_path(text: &str) -> Result<TreePath, ApplyError> {
    TreePath::new(text).ok_or_else(|| {
        ApplyError::Failed(Problem::error(
            "journal-unreadable",
            format!("the journal names {text:?}, which is no path of this repository"),
        ))
    })
}

impl Transaction<'_> {
    fn directory(&self) -> PathBuf {
        pending(self.workspace)
    }

    /// The name of the copy that is used when the state directory is on
    /// another file system.
    fn sibling(&self, index: usize) -> String {
        format!(".fleet-{}-{index}", self.intent.id)
    }

    /// What stands at the path of every step.
    pub(super) fn observe(&self) -> Result<Vec<Now>, ApplyError> {
        let mut seen = Vec::with_capacity(self.intent.steps.len());
        for step in &self.intent.steps {
            seen.push(self.now(step)?);
        }
        Ok(seen)
    }

    fn now(&self, step: &Step) -> Result<Now, ApplyError> {
        let path = tree_path(&step.path)?;
        let found = self.place.look(&path);
        let found = found.map_err(|error| ApplyError::from_io(&step.path, &error))?;
        Ok(now(step, hash_of(&found).as_deref()))
    }

    /// Carries everything out; takes everything back if something fails.
    pub(super) fn run(&self, watch: &mut dyn Watch) -> Result<(), ApplyError> {
        let mut reached = 0;
        match self.forward(&mut reached, watch) {
            Ok(()) => {}
            Err(ApplyError::Abandoned) => return Err(ApplyError::Abandoned),
            Err(error) => {
                return Err(match self.back(Some(reached), watch) {
                    Ok(()) => error,
                    Err(ApplyError::Abandoned) => ApplyError::Abandoned,
                    Err(second) => error.stuck(&second),
                });
            }
        }
        watch
            .at(Point::Final("committed"))
            .or_else(|stop| match stop {
                ApplyError::Abandoned => Err(stop),
                // It is too late to stop: the tree is the new one.
                _ => Ok(()),
            })?;
        self.archive()
    }

    /// `reached` counts the steps whose files are in place.
    fn forward(&self, reached: &mut usize, watch: &mut dyn Watch) -> Result<(), ApplyError> {
        let io = |path: &str, error: io::Error| ApplyError::from_io(path, &error);
        watch.at(Point::Forward("begin"))?;
        for directory in &self.intent.created_directories {
            let path = tree_path(&directory.path)?;
            let result = match self.intent.purpose {
                Purpose::Change => self.place.make_directory(&path, directory.mode),
                // What was there before comes back with its own permissions.
                Purpose::Undo(_) => self.restore_directory(&path, directory.mode),
            };
            result.map_err(|error| io(&directory.path, error))?;
            watch.at(Point::Forward("directory"))?;
        }
        for (index, step) in self.intent.steps.iter().enumerate() {
            // Somebody may have written while we were writing.
            if self.now(step)? != Now::Before {
                return Err(ApplyError::Changed(vec![tree_path(&step.path)?]));
            }
            let path = tree_path(&step.path)?;
            let staged = new_file(&self.directory(), index);
            let result = if step.after.is_some() {
                let replace = step.before.is_some();
                self.place
                    .put(&staged, &path, replace, &self.sibling(index))
            } else {
                self.place.remove(&path)
            };
            result.map_err(|error| {
                if error.kind() == io::ErrorKind::AlreadyExists {
                    ApplyError::Changed(vec![path])
                } else {
                    io(&step.path, error)
                }
            })?;
            *reached = index + 1;
            watch.at(Point::Forward("file"))?;
        }
        for directory in &self.intent.emptied_directories {
            let path = tree_path(&directory.path)?;
            self.place
                .remove_directory(&path)
                .map_err(|error| io(&directory.path, error))?;
            watch.at(Point::Forward("emptied"))?;
        }
        self.sync()?;
        watch.at(Point::Forward("index"))?;
        self.set_index()?;
        watch.at(Point::Forward("commit"))?;
        append_committed(&self.directory()).map_err(|error| io("journal", error))
    }

    /// Makes all names in the tree durable.
    fn sync(&self) -> Result<(), ApplyError> {
        let steps = self.intent.steps.iter().map(|step| &step.path);
        let created = self.intent.created_directories.iter();
        let emptied = self.intent.emptied_directories.iter();
        let directories = created.chain(emptied).map(|directory| &directory.path);
        let mut parents = std::collections::BTreeSet::new();
        for path in steps.chain(directories) {
            parents.extend(tree_path(path)?.parent());
        }
        for parent in parents {
            self.place
                .sync_directory(&parent)
                .map_err(|error| ApplyError::from_io(parent.as_str(), &error))?;
        }
        Ok(())
    }

    /// Brings the index to what the steps say.
    pub(super) fn set_index(&self) -> Result<(), ApplyError> {
        let Some(git) = self.workspace.git() else {
            return Ok(());
        };
        let mut added: Vec<&OsStr> = Vec::new();
        let mut set: Vec<(&OsStr, &IndexState)> = Vec::new();
        for step in &self.intent.steps {
            match &step.index_after {
                IndexTarget::Keep => {}
                IndexTarget::Add => added.push(step.path.as_ref()),
                IndexTarget::Set(state) => set.push((step.path.as_ref(), state)),
            }
        }
        self.lock
            .with_children(|| git.add(&added).and_then(|()| git.set_index(&set)))
            .map_err(|error| ApplyError::from_git(&error))
    }

    /// Brings the index entries of the steps back, where they differ.
    fn restore_index(&self) -> Result<(), ApplyError> {
        let Some(git) = self.workspace.git() else {
            return Ok(());
        };
        let touched: Vec<(&OsStr, &IndexState)> = self
            .intent
            .steps
            .iter()
            .filter(|step| step.index_after != IndexTarget::Keep)
            .map(|step| (step.path.as_ref(), &step.index_before))
            .collect();
        let paths: Vec<&OsStr> = touched.iter().map(|(path, _)| *path).collect();
        let present = git
            .index_entries(&paths)
            .map_err(|error| ApplyError::from_git(&error))?;
        let differing: Vec<_> = touched
            .into_iter()
            .zip(&present)
            .filter(|((_, wanted), present)| wanted != present)
            .map(|(entry, _)| entry)
            .collect();
        self.lock
            .with_children(|| git.set_index(&differing))
            .map_err(|error| ApplyError::from_git(&error))
    }

    /// Makes the tree the old one, from wherever it is; can be repeated.
    ///
    /// `reached`, where it is known, is how many steps were made: what stands
    /// at the paths of the others is not ours.
    pub(super) fn back(
        &self,
        reached: Option<usize>,
        watch: &mut dyn Watch,
    ) -> Result<(), ApplyError> {
        let io = |path: &str, error: io::Error| ApplyError::from_io(path, &error);
        let mut edited = Vec::new();
        for directory in self.intent.emptied_directories.iter().rev() {
            let path = tree_path(&directory.path)?;
            self.restore_directory(&path, directory.mode)
                .map_err(|error| io(&directory.path, error))?;
            watch.at(Point::Back("directory"))?;
        }
        for (index, step) in self.intent.steps.iter().enumerate().rev() {
            let path = tree_path(&step.path)?;
            let sibling = self.sibling(index);
            self.place
                .remove_beside(&path, &sibling)
                .map_err(|error| io(&step.path, error))?;
            if reached.is_some_and(|reached| index >= reached)
                && (step.after.is_none() || new_file(&self.directory(), index).exists())
            {
                continue;
            }
            let result = match (self.now(step)?, &step.before) {
                (Now::Before, _) => Ok(()),
                (Now::Edited, _) => {
                    edited.push(path);
                    continue;
                }
                (_, Some(_)) => {
                    let old = old_file(&self.directory(), index);
                    self.place.put(&old, &path, true, &sibling)
                }
                (_, None) => self.place.remove(&path),
            };
            result.map_err(|error| io(&step.path, error))?;
            watch.at(Point::Back("file"))?;
        }
        for directory in self.intent.created_directories.iter().rev() {
            let path = tree_path(&directory.path)?;
            self.place
                .remove_directory(&path)
                .map_err(|error| io(&directory.path, error))?;
            watch.at(Point::Back("created"))?;
        }
        self.sync()?;
        self.restore_index()?;
        watch.at(Point::Back("index"))?;
        if !edited.is_empty() {
            return Err(ApplyError::Changed(edited));
        }
        discard(self.workspace, &self.directory()).map_err(|error| io("journal", error))
    }

    fn restore_directory(&self, path: &TreePath, mode: u32) -> io::Result<()> {
        if self.place.directory_mode(path)?.is_some() {
            return Ok(());
        }
        self.place.make_directory(path, mode)?;
        let directory = self.place.directory(path)?;
        rustix::fs::fchmod(&directory, rustix::fs::Mode::from_raw_mode(mode))?;
        Ok(())
    }

    /// Files a committed transaction away; can be repeated.
    pub(super) fn archive(&self) -> Result<(), ApplyError> {
        let result = match self.intent.purpose {
            Purpose::Change => self.keep(),
            Purpose::Undo(number) => discard(self.workspace, &entry(self.workspace, number))
                .and_then(|()| discard(self.workspace, &self.directory())),
        };
        result.map_err(|error| {
            ApplyError::Stuck(
                Problem::error(
                    "journal",
                    format!("the tree is the new one, but the journal could not be filed: {error}"),
                )
                .help("cargo xtask migrate recover"),
            )
        })
    }

    fn keep(&self) -> io::Result<()> {
        let history = history(self.workspace);
        std::fs::create_dir_all(&history)?;
        let numbers = numbers(self.workspace)?;
        let next = numbers.last().map_or(1, |last| last + 1);
        std::fs::rename(self.directory(), entry(self.workspace, next))?;
        sync_directory(&history)?;
        sync_directory(self.workspace.state_directory())?;
        let surplus = (numbers.len() + 1).saturating_sub(KEPT);
        for number in numbers.into_iter().take(surplus) {
            discard(self.workspace, &entry(self.workspace, number))?;
        }
        Ok(())
    }
}

/// The directory of a finished change.
pub(super) fn entry(workspace: &Workspace, number: u64) -> PathBuf {
    history(workspace).join(format!("{number:06}"))
}

/// The numbers of the finished changes, oldest first.
pub(super) fn numbers(workspace: &Workspace) -> io::Result<Vec<u64>> {
    let listing = match std::fs::read_dir(history(workspace)) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut numbers = Vec::new();
    for entry in listing {
        numbers.extend(
            entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u64>().ok()),
        );
    }
    numbers.sort_unstable();
    Ok(numbers)
}

impl ApplyError {
    pub(super) fn from_git(error: &crate::tools::git::GitError) -> Self {
        if error.is_cancelled() {
            Self::Cancelled
        } else {
            Self::Failed(git_problem(error))
        }
    }
}
