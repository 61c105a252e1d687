//! The tree of a commit as a source of contents.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::{Git, GitError, TreeEntry, parse, quiet};
use crate::process::Conversation;
use crate::tree::{Kind, Source, TreePath};

/// What a commit holds below the directory of a [`Git`].
///
/// Files that git says are the same in the work tree are read from there: that
/// is quicker, and it sees what a checkout would have made of them (line
/// endings, decrypted files). All others come from one `git cat-file --batch`.
pub struct Revision {
    /// Full object name of the commit.
    pub commit: String,
    /// Every file, in git's order.
    pub entries: Vec<TreeEntry>,
    changed: HashSet<PathBuf>,
    git: Git,
}

impl Git {
    /// The commit that `name` stands for, with the list of its files.
    ///
    /// # Errors
    /// There is no such commit, or git fails.
    pub fn revision(&self, name: &str) -> Result<Revision, GitError> {
        let missing = || GitError::NoSuchRevision(name.escape_debug().to_string());
        if name.is_empty() || name.contains('\0') {
            return Err(missing());
        }
        let wanted = format!("{name}^{{commit}}");
        let asked = quiet(&self.directory).args([
            "rev-parse",
            "--quiet",
            "--verify",
            "--end-of-options",
            &wanted,
        ]);
        let output = self.runner.run_unchecked(&asked)?;
        let commit = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status != 0 || commit.is_empty() {
            return Err(missing());
        }
        let listing = self.read(&["ls-tree", "-r", "-z", &commit])?;
        let entries = parse::tree(&listing.stdout).map_err(|error| error.of("ls-tree"))?;
        let differing = self.read(&[
            "diff",
            "--name-only",
            "-z",
            "--no-renames",
            "--no-ext-diff",
            "--no-textconv",
            "--ignore-submodules",
            "--relative",
            &commit,
            "--",
        ])?;
        let changed = differing
            .stdout
            .split(|byte| *byte == 0)
            .map(|path| PathBuf::from(OsStr::from_bytes(path)))
            .collect();
        Ok(Revision {
            commit,
            entries,
            changed,
            git: self.clone(),
        })
    }
}

impl Revision {
    /// Turns the list into a source; `disk` is the source of the work tree.
    pub fn into_source(self, disk: std::sync::Arc<dyn Source>) -> RevisionSource {
        let objects = self
            .entries
            .into_iter()
            .filter(|entry| self.changed.contains(&entry.path))
            .map(|entry| (entry.path, entry.object))
            .collect();
        RevisionSource {
            objects,
            disk,
            git: self.git,
            conversation: Mutex::new(None),
        }
    }
}

/// Reads files of a commit on demand.
pub struct RevisionSource {
    /// The files that the work tree does not have in the same form.
    objects: HashMap<PathBuf, String>,
    disk: std::sync::Arc<dyn Source>,
    git: Git,
    conversation: Mutex<Option<Conversation>>,
}

impl RevisionSource {
    fn object(&self, object: &str) -> io::Result<Vec<u8>> {
        let mut guard = self
            .conversation
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let talk = match &mut *guard {
            Some(talk) => talk,
            empty => {
                let asked = quiet(&self.git.directory).args(["cat-file", "--batch"]);
                let talk = self.git.runner.converse(&asked).map_err(io::Error::other)?;
                empty.insert(talk)
            }
        };
        talk.ask(format!("{object}\n").as_bytes())?;
        // `<object> <type> <size>`, or `<object> missing`.
        let header = String::from_utf8_lossy(&talk.line()?).into_owned();
        let size = header
            .rsplit(' ')
            .next()
            .and_then(|size| size.parse::<usize>().ok())
            .ok_or_else(|| io::Error::other(format!("git has no object {header}")))?;
        let bytes = talk.bytes(size)?;
        talk.line()?;
        Ok(bytes)
    }
}

impl Source for RevisionSource {
    fn read(&self, path: &TreePath, kind: Kind) -> io::Result<Vec<u8>> {
        match self.objects.get(Path::new(path.as_str())) {
            Some(object) => self.object(object),
            None => self.disk.read(path, kind),
        }
    }
}
