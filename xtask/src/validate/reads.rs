//! Which parts of a tree were read, and what stood there.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::tree::{Kind, Tree, TreePath};

/// How much of a path was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// Whether something stands there, and of which kind.
    Kind,
    /// The contents of a file, the names in a directory, the target of a link.
    Contents,
}

/// What was read, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads(BTreeMap<TreePath, Aspect>);

impl Reads {
    /// Takes in one more read.
    pub fn add(&mut self, path: TreePath, aspect: Aspect) {
        let known = self.0.entry(path).or_insert(aspect);
        *known = (*known).max(aspect);
    }

    /// All reads, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&TreePath, Aspect)> {
        self.0.iter().map(|(path, aspect)| (path, *aspect))
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What stands at the paths of a tree, in digests; each is made once.
pub struct Digests<'t> {
    tree: &'t Tree,
    known: Mutex<BTreeMap<(TreePath, Aspect), String>>,
}

impl<'t> Digests<'t> {
    /// Of a tree.
    pub fn new(tree: &'t Tree) -> Self {
        Self {
            tree,
            known: Mutex::default(),
        }
    }

    /// What was read, with every link on the way to it and what stands where the
    /// links lead: the kernel follows them without a word.
    pub fn closed(&self, reads: &Reads) -> Reads {
        /// A path with more links than this is a circle.
        const LINKS: usize = 40;
        let mut all = Reads::default();
        for (path, aspect) in reads.iter() {
            let mut path = path.clone();
            for _ in 0..LINKS {
                match self.link_on(&path) {
                    Some((link, target)) => {
                        all.add(link, Aspect::Contents);
                        match target {
                            Some(target) => path = target,
                            None => break,
                        }
                    }
                    None => {
                        all.add(path.clone(), aspect);
                        break;
                    }
                }
            }
        }
        all
    }

    /// The first link on a path, and where the path leads through it; nowhere if
    /// that is outside the tree.
    fn link_on(&self, path: &TreePath) -> Option<(TreePath, Option<TreePath>)> {
        let mut so_far = TreePath::root();
        let mut rest = path.components();
        while let Some(name) = rest.next() {
            so_far = so_far.join(name)?;
            let entry = self.tree.entry(&so_far);
            if entry.is_some_and(|entry| entry.kind() == Kind::Symlink) {
                let contents = self.tree.raw(&so_far).ok()?;
                let text = std::str::from_utf8(&contents).ok();
                let parent = so_far.parent().unwrap_or_else(TreePath::root);
                let left: Vec<&str> = rest.collect();
                let target = text
                    .filter(|text| !text.starts_with('/'))
                    .and_then(|text| parent.join(text))
                    .and_then(|target| match left.as_slice() {
                        [] => Some(target),
                        left => target.join(&left.join("/")),
                    });
                return Some((so_far, target));
            }
        }
        None
    }

    /// The digest of what stands at a path.
    pub fn of(&self, path: &TreePath, aspect: Aspect) -> String {
        let key = (path.clone(), aspect);
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(digest) = known().get(&key) {
            return digest.clone();
        }
        let digest = self.make(path, aspect);
        known().insert(key, digest.clone());
        digest
    }

    fn make(&self, path: &TreePath, aspect: Aspect) -> String {
        let kind = match self.tree.entry(path).map(|entry| entry.kind()) {
            Some(Kind::File) => "file",
            Some(Kind::Executable) => "executable",
            Some(Kind::Symlink) => "link",
            None if self.tree.is_directory(path) => "directory",
            None => return "missing".to_owned(),
        };
        if aspect == Aspect::Kind {
            return kind.to_owned();
        }
        let mut hasher = blake3::Hasher::new();
        if kind == "directory" {
            for (name, kind) in self.tree.list(path) {
                hasher.update(name.as_bytes());
                hasher.update(match kind {
                    None => b"\0d",
                    Some(Kind::File) => b"\0f",
                    Some(Kind::Executable) => b"\0x",
                    Some(Kind::Symlink) => b"\0l",
                });
            }
        } else {
            match self.tree.raw(path) {
                Ok(contents) => hasher.update(&contents),
                // It cannot be read: no digest is equal to this one.
                Err(error) => return format!("unreadable {error} {:p}", self),
            };
        }
        format!("{kind} {}", hasher.finalize().to_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::{Change, ChangeSet};

    fn path(text: &str) -> TreePath {
        TreePath::new(text).unwrap()
    }

    #[test]
    fn every_kind_of_change_shows_in_what_it_touches() {
        let before = Tree::from_texts([("a/x", "1"), ("a/y", "1"), ("b", "1")]);
        let digest = |tree: &Tree, at: &str, aspect| Digests::new(tree).of(&path(at), aspect);
        let changed = |changes: ChangeSet, at: &str, aspect| {
            digest(&before, at, aspect) != digest(&before.with(&changes), at, aspect)
        };
        let create = |executable| Change::Create {
            contents: b"1".to_vec(),
            executable,
        };
        let one = |at: &str, change: Change| ChangeSet::from([(path(at), change)]);
        let modify = Change::Modify {
            before: b"1".to_vec(),
            contents: b"2".to_vec(),
        };
        let delete = || Change::Delete {
            before: b"1".to_vec(),
        };
        for (changes, at, aspect, expect) in [
            (one("b", modify.clone()), "b", Aspect::Contents, true),
            (one("b", modify.clone()), "b", Aspect::Kind, false),
            (one("a/x", modify), "a", Aspect::Contents, false),
            (one("a/z", create(false)), "a", Aspect::Contents, true),
            (one("a/z", create(false)), "a", Aspect::Kind, false),
            (one("b", create(true)), "b", Aspect::Kind, true),
            (one("b", delete()), "b", Aspect::Kind, true),
            (one("a/x", delete()), "a", Aspect::Contents, true),
            (one("c", create(false)), "c", Aspect::Kind, true),
        ] {
            assert_eq!(
                changed(changes.clone(), at, aspect),
                expect,
                "{changes:?} {at}"
            );
        }
    }
}
