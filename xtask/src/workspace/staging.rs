//! Getting a transaction ready: everything it needs is durable before the
//! first file of the tree is touched.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Workspace;
use super::apply::{ApplyError, Point, Watch};
use super::place::{Found, Place};
use crate::journal::transaction::{
    Directory, FileState, IndexState, IndexTarget, Intent, Phase, Purpose, Record, Step, phase,
};
use crate::journal::{self, Tip};
use crate::problem::Problem;
use crate::tree::TreePath;

/// Permissions of a file to come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Permissions {
    /// What the user's umask leaves of 0666 or 0777.
    Fresh { executable: bool },
    /// Exactly these bits, and this owner if we may.
    Exact(u32, (u32, u32)),
}

/// One path of a transaction that is not staged yet.
pub(super) struct Draft {
    pub path: TreePath,
    pub before: Option<(Vec<u8>, u32, (u32, u32))>,
    pub after: Option<(Vec<u8>, Permissions)>,
    pub index_before: IndexState,
    pub index_after: IndexTarget,
}

/// Directories that a transaction makes, and that it removes if they are empty.
pub(super) struct Directories {
    pub created: Vec<Directory>,
    pub emptied: Vec<Directory>,
}

/// The directory of the one transaction that may be under way.
pub(super) fn pending(workspace: &Workspace) -> PathBuf {
    workspace.state_directory().join("pending")
}

/// Finished changes that can be taken back, by number.
pub(super) fn history(workspace: &Workspace) -> PathBuf {
    workspace.state_directory().join("history")
}

/// Where a transaction keeps the contents that step `index` replaces.
pub(super) fn old_file(directory: &Path, index: usize) -> PathBuf {
    directory.join(format!("old-{index}"))
}

/// Where a transaction keeps the contents that step `index` brings.
pub(super) fn new_file(directory: &Path, index: usize) -> PathBuf {
    directory.join(format!("new-{index}"))
}

fn journal_file(directory: &Path) -> PathBuf {
    directory.join("journal")
}

pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Removes a state directory so that a crash leaves either all or nothing of
/// it under its name.
pub(super) fn discard(workspace: &Workspace, directory: &Path) -> io::Result<()> {
    let trash = workspace.state_directory().join("trash");
    match fs::remove_dir_all(&trash) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    match fs::rename(directory, &trash) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    sync_directory(workspace.state_directory())?;
    fs::remove_dir_all(&trash)
}

/// How far the transaction in `directory` got.
pub(super) fn read_phase(directory: &Path) -> Result<Phase, Problem> {
    let path = journal_file(directory);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            return Err(Problem::error(
                "journal-unreadable",
                format!("{}: {error}", path.display()),
            ));
        }
    };
    let decoded = journal::decode::<Record>(&bytes).map_err(|error| {
        Problem::error("journal-unreadable", format!("{}: {error}", path.display()))
            .help("old contents lie beside it as old-N; `git status` shows what differs from the last commit")
    })?;
    Ok(phase(decoded.records))
}

/// Appends the line that makes a transaction final.
pub(super) fn append_committed(directory: &Path) -> io::Result<()> {
    let path = journal_file(directory);
    let bytes = fs::read(&path)?;
    let mut decoded = journal::decode::<Record>(&bytes).map_err(io::Error::other)?;
    let line = journal::encode(&mut decoded.tip, &Record::Committed).map_err(io::Error::other)?;
    let mut file = fs::OpenOptions::new().write(true).open(&path)?;
    let length = u64::try_from(decoded.valid_length).map_err(io::Error::other)?;
    file.set_len(length)?;
    io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
    file.write_all(line.as_bytes())?;
    file.sync_all()
}

fn write_file(path: &Path, contents: &[u8], permissions: Permissions) -> io::Result<u32> {
    let creation = match permissions {
        Permissions::Fresh { executable: true } => 0o777,
        Permissions::Fresh { executable: false } => 0o666,
        Permissions::Exact(..) => 0o600,
    };
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(creation)
        .open(path)?;
    file.write_all(contents)?;
    if let Permissions::Exact(mode, (user, group)) = permissions {
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (user, group) {
            // Only root may give files away; a file of ours is as good.
            let _ = std::os::unix::fs::fchown(&file, Some(user), Some(group));
        }
        file.set_permissions(fs::Permissions::from_mode(mode))?;
    }
    file.sync_all()?;
    Ok(file.metadata()?.mode() & 0o7777)
}

/// Directories above a new file that do not exist yet, parents first.
pub(super) fn missing_parents(place: &Place, path: &TreePath) -> io::Result<Vec<TreePath>> {
    let mut missing = Vec::new();
    let mut current = path.parent();
    while let Some(directory) = current {
        if directory.as_str().is_empty() || place.directory_mode(&directory)?.is_some() {
            break;
        }
        current = directory.parent();
        missing.push(directory);
    }
    missing.reverse();
    Ok(missing)
}

/// Writes old and new contents and the intent; the tree is not touched.
pub(super) fn stage(
    workspace: &Workspace,
    purpose: Purpose,
    label: &str,
    drafts: Vec<Draft>,
    directories: Directories,
    watch: &mut dyn Watch,
) -> Result<Intent, ApplyError> {
    let directory = pending(workspace);
    let result = write_all(&directory, purpose, label, drafts, directories, watch);
    match result {
        Ok(intent) => Ok(intent),
        Err(ApplyError::Abandoned) => Err(ApplyError::Abandoned),
        Err(error) => {
            // What is left is harmless: recovery knows it as never begun.
            let _ = discard(workspace, &directory);
            Err(error)
        }
    }
}

fn write_all(
    directory: &Path,
    purpose: Purpose,
    label: &str,
    drafts: Vec<Draft>,
    directories: Directories,
    watch: &mut dyn Watch,
) -> Result<Intent, ApplyError> {
    let failed = |error: io::Error| ApplyError::from_io(&directory.display().to_string(), &error);
    fs::create_dir(directory).map_err(failed)?;
    let mut steps = Vec::with_capacity(drafts.len());
    let mut seed = blake3::Hasher::new();
    for (index, draft) in drafts.into_iter().enumerate() {
        watch.at(Point::Forward("stage"))?;
        let before = match &draft.before {
            Some((contents, mode, owner)) => {
                let permissions = Permissions::Exact(*mode, *owner);
                write_file(&old_file(directory, index), contents, permissions).map_err(failed)?;
                Some(FileState::new(contents, *mode))
            }
            None => None,
        };
        let after = match &draft.after {
            Some((contents, permissions)) => {
                let path = new_file(directory, index);
                let mode = write_file(&path, contents, *permissions).map_err(failed)?;
                Some(FileState::new(contents, mode))
            }
            None => None,
        };
        let step = Step {
            path: draft.path.as_str().to_owned(),
            before,
            after,
            index_before: draft.index_before,
            index_after: draft.index_after,
        };
        seed.update(format!("{step:?}").as_bytes());
        steps.push(step);
    }
    let intent = Intent {
        id: seed.finalize().to_hex().chars().take(16).collect(),
        purpose,
        label: label.to_owned(),
        steps,
        created_directories: directories.created,
        emptied_directories: directories.emptied,
    };
    watch.at(Point::Forward("intent"))?;
    let line = journal::encode(
        &mut Tip::default(),
        &Record::Intent(Box::new(intent.clone())),
    )
    .map_err(|error| failed(io::Error::other(error)))?;
    // The contents must have their names before the intent can be read.
    sync_directory(directory).map_err(failed)?;
    let mut file = File::create_new(journal_file(directory)).map_err(failed)?;
    file.write_all(line.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    sync_directory(directory).map_err(failed)?;
    if let Some(parent) = directory.parent() {
        sync_directory(parent).map_err(failed)?;
    }
    Ok(intent)
}

/// What stands there, as far as a step can be compared with it.
pub(super) fn hash_of(found: &Found) -> Option<String> {
    match found {
        Found::Nothing => None,
        Found::File { contents, mode, .. } => Some(FileState::new(contents, *mode).hash),
        // No hash is equal to this.
        Found::Other(what) => Some((*what).to_owned()),
    }
}
