//! What the benchmarks share.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use xtask::config::Config;
use xtask::edit::{Change, ChangeSet};
use xtask::inventory::Inventory;
use xtask::model::{Fleet, ParseCache};
use xtask::options::OptionTable;
use xtask::process::DuctRunner;
use xtask::proof::{HostVerdict, Judgement, compare};
use xtask::taxonomy::Taxonomy;
use xtask::tree::{Tree, TreePath};
use xtask::workspace::Workspace;

/// The tables that every command reads.
pub struct Tables {
    pub options: OptionTable<'static>,
    pub taxonomy: Taxonomy,
}

impl Tables {
    pub fn new() -> Self {
        Self {
            options: OptionTable::embedded(),
            taxonomy: Taxonomy::embedded(),
        }
    }

    /// All of `inventory` but for files and output.
    pub fn inventory(&self, tree: &Tree) -> Inventory {
        let fleet = Fleet::load(tree, &self.options, &ParseCache::default());
        Inventory::take(&fleet, tree, &self.taxonomy, &Config::default())
    }

    /// All of `prove` but for files and output: both sides are read, nothing is
    /// kept from one run to the next.
    pub fn proof(&self, before: &Tree, after: &Tree) -> Vec<HostVerdict> {
        let cache = ParseCache::default();
        let before = Fleet::load(before, &self.options, &cache);
        let after = Fleet::load(after, &self.options, &cache);
        let verdicts = compare(&before, &after, &self.options);
        assert!(
            verdicts
                .iter()
                .all(|verdict| verdict.judgement == Judgement::Equal),
            "the two sides mean the same"
        );
        verdicts
    }
}

/// The root of this repository.
pub fn repository() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// A directory of this repository as a flake sees it, all contents read.
pub fn tree_of(directory: &Path) -> Tree {
    let workspace = Workspace::open(Arc::new(DuctRunner::default()), directory).unwrap();
    let tree = workspace.snapshot().unwrap().tree;
    for (path, _) in tree.files() {
        let _ = tree.raw(path);
    }
    tree
}

/// The same fleet with every host's files spelt otherwise: no text of a host is
/// the same, all of it means the same. A proof of it has all the work of a proof.
pub fn respelt(tree: &Tree) -> Tree {
    let hosts = TreePath::new("hosts").unwrap();
    let changes: ChangeSet = tree
        .files()
        .filter(|(path, _)| path.is_within(&hosts) && path.as_str().ends_with(".nix"))
        .map(|(path, _)| {
            let before = tree.text(path).unwrap();
            let change = Change::Modify {
                contents: format!("# respelt\n{before}").into_bytes(),
                before: before.into_bytes(),
            };
            (path.clone(), change)
        })
        .collect();
    tree.with(&changes)
}
