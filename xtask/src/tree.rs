//! A snapshot of a repository: what a flake would see of it.
//!
//! Paths are relative to the root and normalised. Contents are read when they
//! are first asked for and kept; [`Tree::with`] lays a change set over a
//! snapshot without touching any disk, which is how a plan is proved before it
//! is written.

mod path;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use crate::edit::{Change, ChangeSet};
pub use path::TreePath;

/// What stands at a path. Directories are implied by what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A regular file with the executable bit.
    Executable,
    /// A symbolic link; its content is the target.
    Symlink,
}

/// Where contents come from when a tree is first asked for them.
pub trait Source: Send + Sync {
    /// The bytes of a file, or the target of a symbolic link.
    fn read(&self, path: &TreePath, kind: Kind) -> std::io::Result<Vec<u8>>;
}

/// One file or symbolic link.
pub struct Entry {
    kind: Kind,
    contents: OnceLock<Result<Arc<[u8]>, String>>,
}

impl Entry {
    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// Why a path could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing stands at the path.
    #[error("{0}: no such file in the repository")]
    Missing(TreePath),
    /// A directory stands at the path.
    #[error("{0}: is a directory")]
    Directory(TreePath),
    /// A symbolic link leaves the tree or runs in a circle.
    #[error("{0}: symbolic link leaves the repository or runs in a circle")]
    Link(TreePath),
    /// The file is no UTF-8 text.
    #[error("{path}: not UTF-8 text (first bad byte at offset {offset})")]
    NotText {
        /// The file.
        path: TreePath,
        /// Bytes before the first bad one.
        offset: usize,
    },
    /// The source failed.
    #[error("{path}: {cause}")]
    Io {
        /// The file.
        path: TreePath,
        /// What the system said.
        cause: String,
    },
}

/// A snapshot of a repository.
#[derive(Clone)]
pub struct Tree {
    entries: Arc<BTreeMap<TreePath, Arc<Entry>>>,
    source: Arc<dyn Source>,
}

/// A snapshot whose contents are all in memory.
struct Memory;

impl Source for Memory {
    fn read(&self, _: &TreePath, _: Kind) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

impl Tree {
    /// A snapshot of these paths, read from `source` on demand.
    pub fn new(paths: impl IntoIterator<Item = (TreePath, Kind)>, source: Arc<dyn Source>) -> Self {
        let entries = paths
            .into_iter()
            .map(|(path, kind)| {
                (
                    path,
                    Arc::new(Entry {
                        kind,
                        contents: OnceLock::new(),
                    }),
                )
            })
            .collect();
        Self {
            entries: Arc::new(entries),
            source,
        }
    }

    /// A snapshot of files given as text; paths that leave the tree are left out.
    pub fn from_texts<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let changes = files
            .into_iter()
            .filter_map(|(path, text)| {
                let contents = text.as_bytes().to_vec();
                Some((
                    TreePath::new(path)?,
                    Change::Create {
                        contents,
                        executable: false,
                    },
                ))
            })
            .collect();
        Self::new([], Arc::new(Memory)).with(&changes)
    }

    /// This snapshot with a change set laid over it.
    #[must_use]
    pub fn with(&self, changes: &ChangeSet) -> Self {
        let mut entries = (*self.entries).clone();
        for (path, change) in changes {
            let (kind, contents) = match change {
                Change::Delete { .. } => {
                    entries.remove(path);
                    continue;
                }
                Change::Create {
                    contents,
                    executable: true,
                } => (Kind::Executable, contents),
                Change::Create { contents, .. } => (Kind::File, contents),
                Change::Modify { contents, .. } => (
                    entries.get(path).map_or(Kind::File, |entry| entry.kind),
                    contents,
                ),
            };
            let contents = OnceLock::from(Ok(Arc::from(contents.as_slice())));
            entries.insert(path.clone(), Arc::new(Entry { kind, contents }));
        }
        Self {
            entries: Arc::new(entries),
            source: Arc::clone(&self.source),
        }
    }

    /// All files and links, sorted by path.
    pub fn files(&self) -> impl Iterator<Item = (&TreePath, Kind)> {
        self.entries.iter().map(|(path, entry)| (path, entry.kind))
    }

    /// The entry at exactly this path, links not followed. Two snapshots that
    /// share an entry share its contents.
    pub fn entry(&self, path: &TreePath) -> Option<&Arc<Entry>> {
        self.entries.get(path)
    }

    /// Whether a directory stands at exactly this path.
    pub fn is_directory(&self, path: &TreePath) -> bool {
        path.as_str().is_empty() || self.below(path).next().is_some()
    }

    /// All files and links below a directory, sorted.
    pub fn below<'a>(
        &'a self,
        directory: &'a TreePath,
    ) -> impl Iterator<Item = (&'a TreePath, Kind)> + 'a {
        let prefix = if directory.as_str().is_empty() {
            String::new()
        } else {
            format!("{directory}/")
        };
        self.entries
            .range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded))
            .take_while(move |(path, _)| path.as_str().starts_with(&prefix))
            .map(|(path, entry)| (path, entry.kind))
    }

    /// The names directly in a directory, sorted; `None` stands for a
    /// subdirectory, otherwise the kind of the file.
    pub fn list(&self, directory: &TreePath) -> BTreeMap<String, Option<Kind>> {
        let skip = directory.components().count();
        let mut names = BTreeMap::new();
        for (path, kind) in self.below(directory) {
            let mut rest = path.components().skip(skip);
            if let Some(name) = rest.next() {
                let kind = if rest.next().is_none() {
                    Some(kind)
                } else {
                    None
                };
                names.insert(name.to_owned(), kind);
            }
        }
        names
    }

    /// Follows symbolic links in every component.
    pub fn resolve(&self, path: &TreePath) -> Result<TreePath, ReadError> {
        let mut current = path.clone();
        for _ in 0..32 {
            match self.follow_first_link(&current)? {
                Some(to) => current = to,
                None => return Ok(current),
            }
        }
        Err(ReadError::Link(path.clone()))
    }

    /// The path with its first symbolic link replaced by what it points at.
    fn follow_first_link(&self, path: &TreePath) -> Result<Option<TreePath>, ReadError> {
        let link = || ReadError::Link(path.clone());
        let mut prefix = TreePath::root();
        let mut components = path.components();
        while let Some(component) = components.next() {
            prefix = prefix.join(component).ok_or_else(link)?;
            if self
                .entries
                .get(&prefix)
                .is_none_or(|entry| entry.kind != Kind::Symlink)
            {
                continue;
            }
            let bytes = self.raw(&prefix)?;
            let target = std::str::from_utf8(&bytes).map_err(|_| link())?;
            if target.starts_with('/') {
                return Err(link());
            }
            let mut to = prefix
                .parent()
                .and_then(|dir| dir.join(target))
                .ok_or_else(link)?;
            for rest in components {
                to = to.join(rest).ok_or_else(link)?;
            }
            return Ok(Some(to));
        }
        Ok(None)
    }

    /// The bytes at exactly this path, links not followed.
    pub fn raw(&self, path: &TreePath) -> Result<Arc<[u8]>, ReadError> {
        let Some(entry) = self.entries.get(path) else {
            return Err(if self.is_directory(path) {
                ReadError::Directory(path.clone())
            } else {
                ReadError::Missing(path.clone())
            });
        };
        entry
            .contents
            .get_or_init(|| {
                self.source
                    .read(path, entry.kind)
                    .map(Arc::from)
                    .map_err(|error| error.to_string())
            })
            .clone()
            .map_err(|cause| ReadError::Io {
                path: path.clone(),
                cause,
            })
    }

    /// The bytes of a file, links followed.
    pub fn read(&self, path: &TreePath) -> Result<Arc<[u8]>, ReadError> {
        self.raw(&self.resolve(path)?)
    }

    /// The text of a file, links followed.
    pub fn text(&self, path: &TreePath) -> Result<String, ReadError> {
        let bytes = self.read(path)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(ReadError::NotText {
                path: path.clone(),
                offset: error.valid_up_to(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::new(text).unwrap()
    }

    #[test]
    fn paths_are_normalised_and_stay_inside() {
        assert_eq!(path("a/./b//../c").as_str(), "a/c");
        assert_eq!(path("a/..").as_str(), "");
        assert_eq!(TreePath::new("../x"), None);
        assert_eq!(TreePath::new("/etc"), None);
        assert!(path("ab/c").is_within(&path("ab")));
        assert!(!path("abc").is_within(&path("ab")));
    }

    #[test]
    fn relative_spelling_leads_back() {
        for (to, from) in [
            ("a/b", "a"),
            ("a/b", "c/d"),
            ("a", "a/b/c"),
            ("x", ""),
            ("a", "a"),
            ("", "a"),
        ] {
            let (to, from) = (path(to), path(from));
            let spelt = to.relative_to(&from);
            assert!(spelt.starts_with('.') && spelt.contains('/'), "{spelt}");
            assert_eq!(from.join(&spelt), Some(to), "{spelt}");
        }
    }

    #[test]
    fn listings_and_overlays() {
        let tree = Tree::from_texts([("a/b.nix", "1"), ("a/c/d.nix", "2"), ("ab.nix", "3")]);
        let names: Vec<_> = tree.list(&path("a")).into_iter().collect();
        assert_eq!(
            names,
            [
                ("b.nix".to_owned(), Some(Kind::File)),
                ("c".to_owned(), None)
            ]
        );
        assert!(tree.is_directory(&path("a/c")) && !tree.is_directory(&path("b")));
        let changes = ChangeSet::from([(
            path("a/b.nix"),
            Change::Delete {
                before: b"1".to_vec(),
            },
        )]);
        assert_eq!(
            tree.with(&changes).text(&path("a/b.nix")),
            Err(ReadError::Missing(path("a/b.nix")))
        );
        assert_eq!(tree.text(&path("a/b.nix")).as_deref(), Ok("1"));
    }
}
