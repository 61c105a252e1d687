//! The place where trees stand while Nix looks at them.
//!
//! Two trees that stand at the same place one after the other differ in nothing
//! but their contents: strings made from `self` are equal, reads through it see
//! the tree that stands there.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::problem::Problem;
use crate::process::Quoted;
use crate::tree::{Kind, Tree};

/// The place; nobody else uses it while this value lives.
pub struct Stand {
    place: PathBuf,
    _lock: Option<File>,
    _scratch: Option<tempfile::TempDir>,
}

impl Stand {
    /// The place that belongs to a repository, below the directory of its
    /// state: the same for every run, so that results can be kept. Where that
    /// cannot be written, or another run has it, one of this run's own.
    ///
    /// # Errors
    ///
    /// There is no temporary directory either.
    pub fn take(state: &Path) -> Result<Self, Problem> {
        let directory = state.join("stand");
        match lock(&directory) {
            Ok(Some(lock)) => Ok(Self {
                place: directory.join("tree"),
                _lock: Some(lock),
                _scratch: None,
            }),
            Ok(None) | Err(_) => {
                let scratch = tempfile::Builder::new()
                    .prefix("fleet-")
                    .tempdir()
                    .map_err(|error| {
                        Problem::error("no-scratch", format!("no temporary directory: {error}"))
                            .help("set TMPDIR to a directory that can be written")
                    })?;
                // Nix would look through a link otherwise.
                let place = scratch.path().canonicalize().map_err(|error| {
                    Problem::error("no-scratch", format!("no temporary directory: {error}"))
                })?;
                Ok(Self {
                    place: place.join("tree"),
                    _lock: None,
                    _scratch: Some(scratch),
                })
            }
        }
    }

    /// Whether the place is the same in every run.
    pub fn is_lasting(&self) -> bool {
        self._scratch.is_none()
    }

    /// The place.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Puts a tree there, instead of what stood there.
    ///
    /// # Errors
    ///
    /// A file of the tree cannot be read, or the place cannot be written.
    pub fn put(&self, tree: &Tree) -> Result<(), Problem> {
        match fs::remove_dir_all(&self.place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let shown = Quoted(self.place.as_os_str());
                return Err(Problem::error("no-scratch", format!("{shown}: {error}")));
            }
            _ => {}
        }
        write_out(tree, &self.place)
    }
}

/// Writes all files of a tree below a directory that is not there yet.
///
/// # Errors
///
/// A file of the tree cannot be read, or the directory cannot be written.
pub fn write_out(tree: &Tree, directory: &Path) -> Result<(), Problem> {
    let failed = |path: &Path, error: io::Error| {
        Problem::error(
            "no-scratch",
            format!("{}: {error}", Quoted(path.as_os_str())),
        )
    };
    fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    for (path, kind) in tree.files() {
        let contents = tree
            .raw(path)
            .map_err(|error| Problem::error("unreadable", error.to_string()))?;
        let target = directory.join(path.as_str());
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
        }
        let mode = if kind == Kind::Executable {
            0o755
        } else {
            0o644
        };
        let written = match kind {
            Kind::Symlink => symlink(std::ffi::OsStr::from_bytes(&contents), &target),
            Kind::File | Kind::Executable => OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(&target)
                .and_then(|mut file| io::Write::write_all(&mut file, &contents)),
        };
        written.map_err(|error| failed(&target, error))?;
    }
    Ok(())
}

/// Makes `count` copies of a tree, `directory/0` and so on, out of links to the
/// files of one that was written out.
///
/// # Errors
///
/// The directory cannot be written.
pub fn link_out(
    tree: &Tree,
    written: &Path,
    directory: &Path,
    count: usize,
) -> Result<(), Problem> {
    let failed = |error: io::Error| {
        let shown = Quoted(directory.as_os_str());
        Problem::error("no-scratch", format!("{shown}: {error}"))
    };
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut directories: BTreeSet<PathBuf> = BTreeSet::new();
    for (path, _) in tree.files() {
        directories.extend(path.parent().map(|parent| PathBuf::from(parent.as_str())));
    }
    for number in 0..count {
        let copy = directory.join(number.to_string());
        fs::create_dir_all(&copy).map_err(failed)?;
        for parent in &directories {
            fs::create_dir_all(copy.join(parent)).map_err(failed)?;
        }
        for (path, _) in tree.files() {
            // A link to a symbolic link is one to the link itself.
            fs::hard_link(written.join(path.as_str()), copy.join(path.as_str())).map_err(failed)?;
        }
    }
    Ok(())
}

/// Makes a directory and locks it; `None` if somebody else has it.
fn lock(directory: &Path) -> io::Result<Option<File>> {
    fs::create_dir_all(directory)?;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join("lock"))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_takes_the_place_of_the_one_before() {
        let state = tempfile::tempdir().unwrap();
        let stand = Stand::take(state.path()).unwrap();
        let tree = |name: &str| Tree::from_texts([(name, "x"), ("d/e", "y")]);
        stand.put(&tree("one")).unwrap();
        stand.put(&tree("two")).unwrap();
        let mut names: Vec<_> = fs::read_dir(stand.place())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["d", "two"]);
    }

    #[test]
    fn a_second_run_stands_elsewhere() {
        let state = tempfile::tempdir().unwrap();
        let first = Stand::take(state.path()).unwrap();
        let second = Stand::take(state.path()).unwrap();
        assert!(first.is_lasting() && !second.is_lasting());
        assert_ne!(first.place(), second.place());
        drop(first);
        assert!(Stand::take(state.path()).unwrap().is_lasting());
    }
}
