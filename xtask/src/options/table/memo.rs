//! Rows with what look-ups have found in them so far.

use std::sync::{Arc, RwLock};

use rustc_hash::FxHashMap;

use super::walk::Entry;
use crate::options::Release;

/// Rows as text, sorted by bytes.
#[derive(Debug, Clone)]
pub(super) struct Rows<'t> {
    pub(super) text: &'t str,
    pub(super) memo: Arc<Memo>,
}

impl<'t> Rows<'t> {
    /// Rows that are looked up in these releases.
    pub(super) fn new(text: &'t str, releases: &[Release]) -> Self {
        Self {
            text,
            memo: Arc::new(Memo::new(releases)),
        }
    }
}

/// Entries by release and row key. A row key has `*` for the names in a set, so
/// the names of a fleet's own hardly add to it.
#[derive(Debug)]
pub(super) struct Memo(Vec<(Release, RwLock<Entries>)>);

type Entries = FxHashMap<Box<str>, Entry>;

impl Memo {
    fn new(releases: &[Release]) -> Self {
        let empty = |release: &Release| (*release, RwLock::default());
        Self(releases.iter().map(empty).collect())
    }

    /// The entry at a key in a release, looked up with `find` the first time.
    pub(super) fn entry(&self, release: Release, key: &str, find: impl FnOnce() -> Entry) -> Entry {
        let Some((_, entries)) = self.0.iter().find(|(own, _)| *own == release) else {
            return find();
        };
        if let Ok(entries) = entries.read()
            && let Some(entry) = entries.get(key)
        {
            return entry.clone();
        }
        let entry = find();
        if let Ok(mut entries) = entries.write() {
            entries.insert(Box::from(key), entry.clone());
        }
        entry
    }
}
