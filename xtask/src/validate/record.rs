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
    /// it, and inputs.
    pub setting: String,
    /// The commit, if the host asked for it.
    pub revision: Option<String>,
    /// Whether the tree was that of a commit, if the host may have asked.
    pub clean: Option<bool>,
    /// What was read, with a digest of what stood there.
    pub reads: BTreeMap<TreePath, (Aspect, String)>,
    /// The outcome.
    pub facts: Facts,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// What a record is held against.
#[derive(Clone, Copy)]
pub struct Now<'t> {
    /// As [`Record::setting`].
    pub setting: &'t str,
    /// The commit.
    pub revision: &'t str,
    /// Whether the tree is that of the commit.
    pub clean: bool,
    /// What stands in the tree.
    pub digests: &'t Digests<'t>,
}

/// Whether a file may ask whether its tree is that of a commit, which shows in
/// the names that `self` has.
pub fn may_ask_for_commit(text: &str) -> bool {
    /// Names of attributes that only one of both has.
    const NAMES: [&str; 5] = ["rev", "shortRev", "revCount", "dirtyRev", "dirtyShortRev"];
    let word = |c: char| c.is_alphanumeric() || "_'-".contains(c);
    let mut words = text.split(|c| !word(c)).filter(|word| !word.is_empty());
    let mut listing = false;
    words.any(|word| {
        let asks = NAMES.contains(&word) || listing && word == "self";
        listing = word == "attrNames" || listing && matches!(word, "inputs" | "builtins" | "lib");
        asks
    })
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
    pub fn holds(&self, now: &Now<'_>) -> bool {
        self.broken_by(now).is_none()
    }

    /// What has changed since, in words; the first that is found.
    pub fn broken_by(&self, now: &Now<'_>) -> Option<String> {
        let digests = now.digests;
        if self.schema != SCHEMA || self.setting != now.setting {
            return Some("Nix, an input or the lock file".to_owned());
        }
        if self
            .revision
            .as_deref()
            .is_some_and(|it| it != now.revision)
            || self.clean.is_some_and(|it| it != now.clean)
        {
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
                && other.clean == record.clean
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

    fn now<'t>(
        setting: &'t str,
        revision: &'t str,
        clean: bool,
        digests: &'t Digests<'t>,
    ) -> Now<'t> {
        Now {
            setting,
            revision,
            clean,
            digests,
        }
    }

    fn record(tree: &Tree) -> Record {
        let mut reads = Reads::default();
        reads.add(path("a"), Aspect::Contents);
        reads.add(path("gone"), Aspect::Kind);
        Record {
            schema: SCHEMA,
            setting: "s".to_owned(),
            revision: None,
            clean: None,
            reads: Record::digests(&reads, &Digests::new(tree)),
            facts: Facts::default(),
            seconds: 1.5,
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
            let digests = Digests::new(&tree);
            assert_eq!(
                record
                    .broken_by(&now(setting, "r", true, &digests))
                    .as_deref(),
                expect
            );
        }
        let asks = Record {
            revision: Some("r".to_owned()),
            ..record
        };
        let digests = Digests::new(&tree);
        assert!(asks.holds(&now("s", "r", true, &digests)));
        assert!(!asks.holds(&now("s", "q", true, &digests)));
        let asks = Record {
            revision: None,
            clean: Some(true),
            ..asks
        };
        assert!(asks.holds(&now("s", "q", true, &digests)));
        assert!(!asks.holds(&now("s", "q", false, &digests)));
    }

    #[test]
    fn questions_for_the_commit_are_recognised() {
        for (text, expect) in [
            ("if self ? rev then 1 else 2", true),
            ("inherit (self) shortRev;", true),
            ("lib.attrNames inputs.self", true),
            ("builtins.attrNames self.nixosConfigurations", true),
            ("reverseList revision pre-rev", false),
            ("attrNames hosts; self.outPath", false),
        ] {
            assert_eq!(may_ask_for_commit(text), expect, "{text}");
        }
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
