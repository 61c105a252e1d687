//! The judgement by derivation: two trees, one after the other, at one place.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::evaluation::{Evaluation, Observer, Refusal, Results};
use super::memory::Memory;
use super::stand::Stand;
use crate::problem::Problem;
use crate::proof::derivation::{DerivationVerdict, Facts, judge};
use crate::tools::nix::{EXPRESSION, Input, Itself, Nix, Request};
use crate::tree::{Kind, Tree};

/// Results that are kept for later runs; older ones go.
const KEPT: usize = 32;

/// Evaluates trees at one place.
pub struct Derivations<'a> {
    /// Nix.
    pub nix: &'a Nix,
    /// Where trees stand.
    pub stand: &'a Stand,
    /// Inputs that are taken from directories.
    pub inputs: BTreeMap<String, Input>,
    /// Processes at the same time.
    pub jobs: usize,
    /// Memory for all of them.
    pub memory: &'a Memory,
    /// Where results are kept: the directory of the repository's state.
    pub state: &'a Path,
    /// Is told of every host that is done.
    pub done: &'a (dyn Fn(&str) + Sync),
}

/// Hands on who is done.
struct Telling<'a>(&'a (dyn Fn(&str) + Sync));

impl Observer for Telling<'_> {
    fn host(&self, _: usize, name: &str, _: &Result<Facts, Refusal>) {
        (self.0)(name);
    }
}

#[derive(Serialize, Deserialize)]
struct Kept {
    hosts: BTreeMap<String, Facts>,
    names: Vec<String>,
}

impl Derivations<'_> {
    /// What Nix makes of these hosts of a tree.
    ///
    /// # Errors
    ///
    /// The tree cannot be written to the place.
    pub fn of(&self, tree: &Tree, hosts: &[String]) -> Result<Results, Problem> {
        let file = self.file(tree)?;
        if let Some(kept) = file.as_deref().and_then(read) {
            let known: BTreeMap<_, _> = hosts
                .iter()
                .filter_map(|host| Some((host.clone(), Ok(kept.hosts.get(host)?.clone()))))
                .collect();
            if known.len() == hosts.len() {
                hosts.iter().for_each(|host| (self.done)(host));
                return Ok(Results {
                    hosts: known,
                    names: Some(kept.names),
                });
            }
        }
        self.stand.put(tree)?;
        let evaluation = Evaluation {
            nix: self.nix,
            request: Request {
                tree: self.stand.place().to_owned(),
                itself: Itself::Place,
                nar_hash: None,
                inputs: self.inputs.clone(),
                hosts: Vec::new(),
                ask: vec!["derivation", "output", "system", "beside"],
                views: BTreeMap::new(),
            },
            jobs: self.jobs,
            memory: self.memory,
            apart: false,
            observer: &Telling(self.done),
        };
        let results = evaluation.run(hosts);
        if let Some(file) = file {
            keep(&file, &results);
        }
        Ok(results)
    }

    /// The file for what a tree gives, if that depends on nothing else: not on
    /// directories that may change, nor on a place that is of this run alone.
    fn file(&self, tree: &Tree) -> Result<Option<PathBuf>, Problem> {
        let hashed = self.inputs.values().all(|input| input.nar_hash.is_some());
        if !self.stand.is_lasting() || !hashed {
            return Ok(None);
        }
        let mut hasher = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(EXPRESSION.as_bytes());
        part(self.nix.version().to_string().as_bytes());
        part(self.stand.place().as_os_str().as_encoded_bytes());
        for (name, input) in &self.inputs {
            part(name.as_bytes());
            part(input.nar_hash.as_deref().unwrap_or_default().as_bytes());
        }
        for (path, kind) in tree.files() {
            let contents = tree
                .raw(path)
                .map_err(|error| Problem::error("unreadable", error.to_string()))?;
            part(path.as_str().as_bytes());
            part(match kind {
                Kind::File => b"f",
                Kind::Executable => b"x",
                Kind::Symlink => b"l",
            });
            part(&contents);
        }
        let name = format!("{}.json", hasher.finalize().to_hex());
        Ok(Some(self.state.join("derivations").join(name)))
    }

    /// The judgement on each host, from what its two states gave.
    pub fn verdicts(
        &self,
        before: &Results,
        after: &Results,
    ) -> BTreeMap<String, DerivationVerdict> {
        let place = self.stand.place().to_string_lossy();
        let names = before.hosts.keys().chain(after.hosts.keys());
        names
            .map(|name| {
                let verdict = match (before.hosts.get(name), after.hosts.get(name)) {
                    (Some(before), Some(after)) => {
                        if [before, after].into_iter().any(is_interrupted) {
                            DerivationVerdict::not_checked("interrupted")
                        } else {
                            judge(
                                before.as_ref().map_err(|refusal| refusal.text.as_str()),
                                after.as_ref().map_err(|refusal| refusal.text.as_str()),
                                &place,
                            )
                        }
                    }
                    _ => DerivationVerdict::not_checked("there on one side only"),
                };
                (name.clone(), verdict)
            })
            .collect()
    }
}

fn is_interrupted(result: &Result<Facts, Refusal>) -> bool {
    matches!(result, Err(refusal) if refusal.interrupted)
}

/// What was kept; rubbish is nothing.
fn read(file: &Path) -> Option<Kept> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

/// Keeps results if every host has one. That it does not work is no harm.
fn keep(file: &Path, results: &Results) {
    let hosts: Option<BTreeMap<String, Facts>> = results
        .hosts
        .iter()
        .map(|(name, result)| Some((name.clone(), result.as_ref().ok()?.clone())))
        .collect();
    let (Some(hosts), Some(names), Some(directory)) = (hosts, results.names.clone(), file.parent())
    else {
        return;
    };
    let Ok(json) = serde_json::to_vec(&Kept { hosts, names }) else {
        return;
    };
    let _ = fs::create_dir_all(directory).and_then(|()| {
        let mut scratch = tempfile::NamedTempFile::new_in(directory)?;
        std::io::Write::write_all(&mut scratch, &json)?;
        scratch.persist(file)?;
        prune(directory)
    });
}

/// Lets go of the oldest.
fn prune(directory: &Path) -> std::io::Result<()> {
    let mut files: Vec<(std::time::SystemTime, PathBuf)> = fs::read_dir(directory)?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        })
        .collect();
    files.sort();
    let surplus = files.len().saturating_sub(KEPT);
    for (_, file) in files.into_iter().take(surplus) {
        fs::remove_file(file)?;
    }
    Ok(())
}
