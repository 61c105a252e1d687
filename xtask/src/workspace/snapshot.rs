//! What a flake would see of the working tree.

use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::Workspace;
use super::open::git_problem;
use crate::problem::Problem;
use crate::process::Quoted;
use crate::tools::git::{GitError, Revision, Status};
use crate::tree::{Kind, Source, Tree, TreePath};

/// A tree, and what could not be taken into it.
pub struct Snapshot {
    /// Files and links; contents are read when first asked for.
    pub tree: Tree,
    /// Tolerated findings: names that are no UTF-8, unresolved merges, submodules.
    pub problems: Vec<Problem>,
}

/// Reads from a directory, links not followed.
struct Disk {
    root: PathBuf,
}

impl Source for Disk {
    fn read(&self, path: &TreePath, kind: Kind) -> io::Result<Vec<u8>> {
        let path = self.root.join(path.as_str());
        match kind {
            Kind::Symlink => Ok(fs::read_link(path)?.into_os_string().into_vec()),
            Kind::File | Kind::Executable => fs::read(path),
        }
    }
}

/// The kind of what stands at a path; `None` for what a flake does not copy.
fn kind_on_disk(path: &Path) -> Option<Kind> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let kind = metadata.file_type();
    if kind.is_symlink() {
        Some(Kind::Symlink)
    } else if !kind.is_file() {
        None
    } else if metadata.permissions().mode() & 0o100 != 0 {
        Some(Kind::Executable)
    } else {
        Some(Kind::File)
    }
}

/// The path as a path of the tree, or the finding that it cannot be one.
fn tree_path(path: &Path) -> Result<TreePath, Problem> {
    path.to_str().and_then(TreePath::new).ok_or_else(|| {
        let name = Quoted(path.as_os_str());
        Problem::warning(
            "name-not-utf8",
            format!("{name}: the file name is not UTF-8 text; the file is left out"),
        )
        .help("rename it if a host needs it")
    })
}

impl Workspace {
    /// The working tree as a flake sees it: with git the tracked files in the
    /// contents that they have on disk, otherwise every file that no ignore
    /// rule hides.
    ///
    /// # Errors
    /// git fails, or `flake.nix` itself is not tracked.
    pub fn snapshot(&self) -> Result<Snapshot, Problem> {
        let mut problems = Vec::new();
        let paths = match self.git() {
            Some(git) => {
                let staged = git.staged().map_err(|error| git_problem(&error))?;
                let mut paths = Vec::with_capacity(staged.len());
                for entry in staged {
                    if entry.mode == "160000" {
                        problems.push(Problem::note(
                            "submodule",
                            format!(
                                "{}: a submodule, which a flake does not see",
                                Quoted(entry.path.as_os_str())
                            ),
                        ));
                        continue;
                    }
                    if entry.stage > 0 && paths.last() == Some(&entry.path) {
                        continue;
                    }
                    if entry.stage > 0 {
                        problems.push(
                            Problem::warning(
                                "unmerged",
                                format!(
                                    "{}: a merge conflict is not resolved",
                                    Quoted(entry.path.as_os_str())
                                ),
                            )
                            .help("resolve it, then `git add` the file"),
                        );
                    }
                    paths.push(entry.path);
                }
                paths
            }
            None => self.walk(&mut problems),
        };
        let mut entries = Vec::with_capacity(paths.len());
        for path in paths {
            match tree_path(&path) {
                Ok(in_tree) => entries.push((in_tree, path)),
                Err(problem) => problems.push(problem),
            }
        }
        let root = self.root();
        let tracked = entries.len();
        let entries: Vec<(TreePath, Kind)> = entries
            .into_par_iter()
            .filter_map(|(in_tree, path)| Some((in_tree, kind_on_disk(&root.join(path))?)))
            .collect();
        if entries.len() < tracked
            && let Some(commit) = self.commit_if_clean()?
        {
            let mut committed = self.snapshot_at(&commit)?;
            let absent = tracked - entries.len();
            let message = format!(
                "{absent} of {tracked} tracked files are not checked out; as long as nothing is changed the commit counts"
            );
            committed.problems.push(
                Problem::note("sparse-checkout", message)
                    .help("`git sparse-checkout disable` brings all files"),
            );
            return Ok(committed);
        }
        let tree = Tree::new(entries, self.disk());
        if TreePath::new("flake.nix").is_none_or(|path| tree.entry(&path).is_none()) {
            return Err(Problem::error(
                "flake-not-tracked",
                "flake.nix is not tracked by git, so Nix does not see it",
            )
            .help("git add -- flake.nix"));
        }
        Ok(Snapshot { tree, problems })
    }

    /// The commit, if every tracked file is as committed: what is absent all the
    /// same is not checked out, and of such a directory Nix takes the commit.
    fn commit_if_clean(&self) -> Result<Option<String>, Problem> {
        let status = self.status()?.filter(Status::is_clean);
        Ok(status.and_then(|status| status.commit))
    }

    /// How many tracked files are not checked out, though none is changed.
    ///
    /// # Errors
    /// git fails.
    pub fn not_checked_out(&self) -> Result<usize, Problem> {
        let Some(git) = self.git() else {
            return Ok(0);
        };
        let staged = git.staged().map_err(|error| git_problem(&error))?;
        let is_absent = |path: &&PathBuf| fs::symlink_metadata(self.root().join(path)).is_err();
        let absent = staged
            .iter()
            .map(|entry| &entry.path)
            .filter(is_absent)
            .count();
        Ok(match absent {
            0 => 0,
            absent => self.commit_if_clean()?.map_or(0, |_| absent),
        })
    }

    fn disk(&self) -> Arc<dyn Source> {
        Arc::new(Disk {
            root: self.root().to_owned(),
        })
    }

    fn walk(&self, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        let walk = ignore::WalkBuilder::new(self.root())
            .hidden(false)
            .parents(false)
            .require_git(false)
            .git_global(false)
            .filter_entry(|entry| entry.file_name() != ".git")
            .sort_by_file_name(|a, b| a.as_bytes().cmp(b.as_bytes()))
            .build();
        for entry in walk {
            match entry {
                Ok(entry) if entry.file_type().is_some_and(|kind| !kind.is_dir()) => {
                    if let Ok(path) = entry.path().strip_prefix(self.root()) {
                        paths.push(path.to_owned());
                    }
                }
                Ok(_) => {}
                Err(error) => problems.push(Problem::warning("unreadable", error.to_string())),
            }
        }
        paths
    }

    /// The tree of a commit, below the root of the flake.
    ///
    /// # Errors
    /// Without git there is no history; the commit may not exist.
    pub fn snapshot_at(&self, revision: &str) -> Result<Snapshot, Problem> {
        let git = self.git().ok_or_else(|| {
            Problem::error(
                "no-git",
                "there is no git repository here, so there is no earlier state to compare with",
            )
        })?;
        let revision = git.revision(revision).map_err(|error| match error {
            GitError::NoSuchRevision(_) => Problem::error("no-such-revision", error.to_string())
                .help("`git log --oneline` lists what there is"),
            other => git_problem(&other),
        })?;
        Ok(self.snapshot_of(revision))
    }

    fn snapshot_of(&self, revision: Revision) -> Snapshot {
        let mut problems = Vec::new();
        let mut entries = Vec::with_capacity(revision.entries.len());
        for entry in &revision.entries {
            let kind = match entry.mode.as_str() {
                "120000" => Kind::Symlink,
                "100755" => Kind::Executable,
                "160000" => continue,
                _ => Kind::File,
            };
            match tree_path(&entry.path) {
                Ok(path) => entries.push((path, kind)),
                Err(problem) => problems.push(problem),
            }
        }
        let tree = Tree::new(entries, Arc::new(revision.into_source(self.disk())));
        Snapshot { tree, problems }
    }
}
