//! Evaluating hosts for validation: only those of which something has changed.
//!
//! Hosts share processes. Each reads the tree through a directory of its own, a
//! view, so that a trace of the process tells which host has read what. What a
//! view cannot show truly (a host that asks for its commit, or puts the place of
//! the tree into a derivation) is evaluated once more by itself, from the store,
//! as Nix does it.

mod machines;
mod run;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::evaluation::Refusal;
use super::memory::Memory;
use super::stand::Stand;
use super::tracer::Tracer;
use crate::problem::Problem;
use crate::proof::derivation::Facts;
use crate::tools::nix::{EXPRESSION, Input, Nix};
use crate::tree::{Tree, TreePath};
use crate::validate::reads::Digests;
use crate::validate::record::{Now, Record, Records};
use run::Run;

/// What came of a host.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its facts, or why it does not evaluate.
    pub result: Result<Facts, Refusal>,
    /// Nothing it had read has changed, and it was not evaluated.
    pub cached: bool,
    /// What had changed, where there was a record.
    pub changed: Option<String>,
    /// How long it took, in seconds; 0 if it was not evaluated.
    pub seconds: f64,
}

/// The commit that a tree belongs to, as Nix tells `self` of it.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// `rev`, `lastModified`, ….
    pub attributes: BTreeMap<String, serde_json::Value>,
}

impl Commit {
    /// Of a commit made at a time, in seconds since 1970. A tree that is not
    /// `clean` is not that of the commit, and has no revision.
    pub fn of(revision: &str, time: i64, clean: bool) -> Self {
        let mut attributes = BTreeMap::new();
        let date = jiff::Timestamp::from_second(time).unwrap_or_default();
        let date = date.strftime("%Y%m%d%H%M%S").to_string();
        attributes.insert("lastModified".to_owned(), time.into());
        attributes.insert("lastModifiedDate".to_owned(), date.into());
        let short: String = revision.chars().take(7).collect();
        let dirty = |text: &str| format!("{text}-dirty").into();
        if clean {
            attributes.insert("rev".to_owned(), revision.into());
            attributes.insert("shortRev".to_owned(), short.into());
            // Counting takes long, and a host that asks is evaluated once more.
            attributes.insert("revCount".to_owned(), 0.into());
        } else {
            attributes.insert("dirtyRev".to_owned(), dirty(revision));
            attributes.insert("dirtyShortRev".to_owned(), dirty(&short));
        }
        Self { attributes }
    }

    fn revision(&self) -> String {
        serde_json::to_string(&self.attributes).unwrap_or_default()
    }

    fn is_clean(&self) -> bool {
        self.attributes.contains_key("rev")
    }
}

/// How to validate.
pub struct Validation<'a> {
    /// Nix.
    pub nix: &'a Nix,
    /// Where trees stand.
    pub stand: &'a Stand,
    /// Tells what was read; without it every host is evaluated.
    pub tracer: Option<&'a Tracer>,
    /// Whether what is known of earlier runs counts.
    pub use_records: bool,
    /// Inputs that are taken from directories.
    pub inputs: BTreeMap<String, Input>,
    /// Processes at the same time.
    pub jobs: usize,
    /// Memory for all of them.
    pub memory: &'a Memory,
    /// The directory of the repository's state.
    pub state: &'a Path,
    /// How many commits lead to this one; asked for only where a host may need it.
    pub count: &'a (dyn Fn() -> Option<u64> + Sync),
    /// Is told of every host that is done.
    pub done: &'a (dyn Fn(&str, &Outcome) + Sync),
}

impl Validation<'_> {
    /// Evaluates hosts of a tree, or finds that it need not.
    ///
    /// # Errors
    ///
    /// The place where trees stand cannot be written.
    pub fn evaluate(
        &self,
        tree: &Tree,
        commit: &Commit,
        hosts: &[String],
    ) -> Result<BTreeMap<String, Outcome>, Problem> {
        let digests = Digests::new(tree);
        let setting = self.setting(tree);
        let revision = commit.revision();
        let now = Now {
            setting: &setting,
            revision: &revision,
            clean: commit.is_clean(),
            digests: &digests,
        };
        let mut outcomes = BTreeMap::new();
        let mut left = Vec::new();
        let mut reasons = BTreeMap::new();
        for host in hosts {
            let records = self.records(host);
            let holding = records
                .0
                .iter()
                .filter(|_| self.use_records)
                .find(|record| record.holds(&now));
            if let Some(record) = holding {
                let outcome = Outcome {
                    result: Ok(record.facts.clone()),
                    cached: true,
                    changed: None,
                    seconds: 0.0,
                };
                (self.done)(host, &outcome);
                outcomes.insert(host.clone(), outcome);
            } else {
                let newest = records.0.first();
                let reason = newest.and_then(|it| it.broken_by(&now));
                reasons.insert(host.clone(), reason);
                left.push(host.clone());
            }
        }
        if left.is_empty() {
            return Ok(outcomes);
        }
        self.stand.put(tree)?;
        let run = Run {
            validation: self,
            tree,
            commit,
            digests: &digests,
            setting,
            reasons,
            state: Mutex::default(),
        };
        run.through_views(&left)?;
        let alone = std::mem::take(&mut run.lock().alone);
        if !alone.is_empty() {
            run.alone(&alone.into_iter().collect::<Vec<_>>())?;
        }
        outcomes.append(&mut run.lock().outcomes);
        Ok(outcomes)
    }

    /// Hosts that a change between two trees may reach: of which no record holds
    /// for both.
    pub fn affected(
        &self,
        before: &Tree,
        after: &Tree,
        commit: &Commit,
        hosts: &[String],
    ) -> Vec<String> {
        let digests = (Digests::new(before), Digests::new(after));
        let settings = (self.setting(before), self.setting(after));
        let revision = commit.revision();
        let old = Now {
            setting: &settings.0,
            revision: &revision,
            clean: commit.is_clean(),
            digests: &digests.0,
        };
        let new = Now {
            setting: &settings.1,
            digests: &digests.1,
            ..old
        };
        let reaches = |host: &&String| {
            !self.records(host).0.iter().any(|record| {
                // Another commit is a change for those that ask for it.
                record.revision.is_none()
                    && record.clean.is_none()
                    && record.holds(&old)
                    && record.holds(&new)
            })
        };
        hosts.iter().filter(reaches).cloned().collect()
    }

    /// Whether all that an evaluation depends on is known. An input that is read
    /// from a directory as it stands may change at any time.
    fn is_recorded(&self) -> bool {
        let mut inputs = self.inputs.values();
        self.tracer.is_some() && inputs.all(|input| input.nar_hash.is_some())
    }

    /// A digest of everything outside the tree that an evaluation depends on.
    fn setting(&self, tree: &Tree) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(EXPRESSION.as_bytes());
        part(self.nix.version().to_string().as_bytes());
        let lock = TreePath::new("flake.lock").and_then(|path| tree.read(&path).ok());
        part(lock.as_deref().unwrap_or_default());
        for (name, input) in &self.inputs {
            part(name.as_bytes());
            part(input.nar_hash.as_deref().unwrap_or_default().as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    fn record_file(&self, host: &str) -> PathBuf {
        // A host's name may be anything.
        let name = blake3::hash(host.as_bytes()).to_hex();
        self.state.join("evaluations").join(name.as_str())
    }

    fn records(&self, host: &str) -> Records {
        if !self.is_recorded() {
            return Records::default();
        }
        fs::read(self.record_file(host))
            .map(|bytes| Records::read(&bytes))
            .unwrap_or_default()
    }

    /// Keeps a record. That it does not work costs an evaluation, no more.
    fn keep(&self, host: &str, record: Record) {
        if !self.is_recorded() {
            return;
        }
        let mut records = self.records(host);
        records.add(record);
        let file = self.record_file(host);
        let (Ok(bytes), Some(directory)) = (records.write(), file.parent()) else {
            return;
        };
        let _ = fs::create_dir_all(directory).and_then(|()| {
            let mut scratch = tempfile::NamedTempFile::new_in(directory)?;
            io::Write::write_all(&mut scratch, &bytes)?;
            scratch.persist(&file)?;
            Ok(())
        });
    }
}
