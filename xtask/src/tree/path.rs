//! Paths inside a tree.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// A normalised path relative to the root of a tree; the root itself is `""`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(Arc<str>);

impl<'de> serde::Deserialize<'de> for TreePath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Self::root());
        }
        Self::new(&text).ok_or_else(|| serde::de::Error::custom("no path of a tree"))
    }
}

impl TreePath {
    /// The root of the tree.
    pub fn root() -> Self {
        Self(Arc::from(""))
    }

    /// Normalises `.`, `..` and doubled slashes; `None` if the path is
    /// absolute or leaves the tree.
    pub fn new(path: &str) -> Option<Self> {
        if path.starts_with('/') {
            None
        } else {
            Self::root().join(path)
        }
    }

    /// This path extended by a relative one; `None` if that leaves the tree.
    pub fn join(&self, relative: &str) -> Option<Self> {
        let mut parts: Vec<&str> = self.components().collect();
        for part in relative.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop()?;
                }
                name => parts.push(name),
            }
        }
        Some(Self(Arc::from(parts.join("/"))))
    }

    /// The components from the root down; none for the root.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// The directory that holds this path; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.0.is_empty() {
            return None;
        }
        Some(Self(Arc::from(
            self.0.rfind('/').map_or("", |at| &self.0[..at]),
        )))
    }

    /// The last component; `None` for the root.
    pub fn file_name(&self) -> Option<&str> {
        self.components().next_back()
    }

    /// Whether this is `directory` or lies below it.
    pub fn is_within(&self, directory: &Self) -> bool {
        directory.0.is_empty()
            || self
                .0
                .strip_prefix(&*directory.0)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// How a file in `directory` would spell this path in Nix: `./x`, `../a/x`.
    pub fn relative_to(&self, directory: &Self) -> String {
        let own: Vec<&str> = self.components().collect();
        let base: Vec<&str> = directory.components().collect();
        let common = own.iter().zip(&base).take_while(|(a, b)| a == b).count();
        let up = base.len() - common;
        let down = own[common..].join("/");
        match (up, down.is_empty()) {
            (0, true) => "./.".to_owned(),
            (0, false) => format!("./{down}"),
            (up, true) => vec![".."; up].join("/") + if up == 1 { "/." } else { "" },
            (up, false) => format!("{}/{down}", vec![".."; up].join("/")),
        }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Borrow<str> for TreePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for TreePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}
