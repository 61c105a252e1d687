//! The record of an evaluation: its outcome, and all that it depended on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::reads::{Aspect, Digests, Reads};
use crate::proof::derivation::Facts;
use crate::tree::TreePath;

/// The version of what is written; another one is not read.
pub const SCHEMA: u32 = 1;

/// Records that are kept of one host: as many states can be gone back to.
const KEPT: usize = 8;

/// One evaluation of one host that came out well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Digest of all that is not in the tree: Nix, the expression that calls
    /// it, inputs, and whether the tree is that of a commit.
    pub setting: String,
    /// The commit, if the host asked for it.
    pub revision: Option<String>,
    /// What was read, with a digest of what stood there.
    pub reads: BTreeMap<TreePath, (Aspect, String)>,
    /// The outcome.
    pub facts: Facts,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Memory of the process at its most, in bytes.
    pub memory: u64,
}

impl Record {
    /// What was read, with what stands there now.
    pub fn digests(reads: &Reads, digests: &Digests<'_>) -> BTreeMap<TreePath, (Aspect, String)> {
        let closed = digests.closed(reads);
        closed
            .iter()
            .map(|(path, aspect)| (path.clone(), (aspect, digests.of(path, aspect))))
            .collect()
    }

    /// Whether the evaluation would come out the same.
    pub fn holds(&self, setting: &str, revision: &str, digests: &Digests<'_>) -> bool {
        self.broken_by(setting, revision, digests).is_none()
    }

    /// What has changed since, in words; the first that is found.
    pub fn broken_by(
        &self,
        setting: &str,
        revision: &str,
        digests: &Digests<'_>,
    ) -> Option<String> {
        if self.schema != SCHEMA || self.setting != setting {
            return Some("Nix, an input or the lock file".to_owned());
        }
        if self.revision.as_deref().is_some_and(|it| it != revision) {
            return Some("the commit, which the host asks for".to_owned());
        }
        if self.reads.is_empty() {
            return Some("nothing is known of what it reads".to_owned());
        }
        self.reads
            .iter()
            .find(|(path, (aspect, digest))| digests.of(path, *aspect) != *digest)
            .map(|(path, _)| path.to_string())
    }
}

/// All records of one host, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Records(pub Vec<Record>);

impl Records {
    /// What [`Records::write`] gave; rubbish and other versions are nothing.
    pub fn read(bytes: &[u8]) -> Self {
        let sum = blake3::Hash::from_hex(bytes.get(..64).unwrap_or_default()).ok();
        let json = bytes.get(65..).unwrap_or_default();
        if sum != Some(blake3::hash(json)) {
            return Self::default();
        }
        let values: Vec<serde_json::Value> = serde_json::from_slice(json).unwrap_or_default();
        let records = values.into_iter();
        Self(
            records
                .filter_map(|value| serde_json::from_value(value).ok())
                .filter(|record: &Record| record.schema == SCHEMA)
                .collect(),
        )
    }

    /// As bytes, with a checksum in front: what a record says is believed.
    ///
    /// # Errors
    ///
    /// A number has no form in JSON.
    pub fn write(&self) -> Result<Vec<u8>, serde_json::Error> {
        let json = serde_json::to_vec(self)?;
        let mut bytes = blake3::hash(&json).to_hex().as_bytes().to_vec();
        bytes.push(b'\n');
        bytes.extend(json);
        Ok(bytes)
    }

    /// Puts in a new one.
    pub fn add(&mut self, record: Record) {
        let same = |other: &Record| {
            other.setting == record.setting
                && other.revision == record.revision
                && other.reads == record.reads
        };
        self.0.retain(|other| !same(other));
        self.0.insert(0, record);
        self.0.truncate(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::{Change, ChangeSet};
    use crate::tree::Tree;

    fn path(text: &str) -> TreePath {
        TreePath::new(text).unwrap()
    }

    fn record(tree: &Tree) -> Record {
        let mut reads = Reads::default();
        reads.add(path("a"), Aspect::Contents);
        reads.add(path("gone"), Aspect::Kind);
        Record {
            schema: SCHEMA,
            setting: "s".to_owned(),
            revision: None,
            reads: Record::digests(&reads, &Digests::new(tree)),
            facts: Facts::default(),
            seconds: 1.5,
            memory: 1 << 30,
        }
    }

    #[test]
    fn a_record_holds_until_something_it_read_changes() {
        let tree = Tree::from_texts([("a", "1"), ("b", "1")]);
        let record = record(&tree);
        let with = |at: &str| {
            let change = Change::Create {
                contents: b"2".to_vec(),
                executable: false,
            };
            tree.with(&ChangeSet::from([(path(at), change)]))
        };
        for (tree, setting, expect) in [
            (tree.clone(), "s", None),
            (with("b"), "s", None),
            (with("a"), "s", Some("a")),
            (with("gone"), "s", Some("gone")),
            (tree.clone(), "t", Some("Nix, an input or the lock file")),
        ] {
            let broken = record.broken_by(setting, "r", &Digests::new(&tree));
            assert_eq!(broken.as_deref(), expect);
        }
        let asks = Record {
            revision: Some("r".to_owned()),
            ..record
        };
        assert!(asks.holds("s", "r", &Digests::new(&tree)));
        assert!(!asks.holds("s", "q", &Digests::new(&tree)));
    }

    #[test]
    fn records_survive_writing_and_rubbish_does_not() {
        let tree = Tree::from_texts([("a", "1")]);
        let mut records = Records::default();
        for number in 0..12 {
            records.add(Record {
                setting: number.to_string(),
                ..record(&tree)
            });
        }
        assert_eq!(records.0.len(), KEPT);
        let bytes = records.write().unwrap();
        assert_eq!(Records::read(&bytes), records);
        let mut flipped = bytes.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let newer = Records(vec![Record {
            schema: SCHEMA + 1,
            ..records.0[0].clone()
        }]);
        for rubbish in [
            b"",
            &b"{"[..],
            &bytes[..99],
            &flipped,
            &newer.write().unwrap(),
        ] {
            assert_eq!(Records::read(rubbish), Records::default());
        }
    }
}
