//! Which directory new features can stand in: one that is read in no other way
//! than by the files that import it, or one of which every file is a module.
//!
//! ```nix
//! modules = map (name: ./modules + "/${name}") (attrNames (readDir ./modules));
//! # a directory `modules/features` without a `default.nix` would end evaluation
//! ```

use super::migrate::Knowledge;
use super::namespace::Namespace;
use crate::edit::{Change, ChangeSet};
use crate::model::{Fleet, Host};
use crate::proof::{self, Judgement};
use crate::tree::{Tree, TreePath};

/// The name of a file that is not there yet.
const PROBE: &str = "feature-probe.nix";

/// What becomes of a new file in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    /// Nobody reads it unasked.
    Unread,
    /// Hosts import it as a module.
    Imported,
    /// It changes hosts in other ways.
    Disturbs,
}

/// The directories that features can stand in, the best first: that of the
/// repository's habit, or else one that takes new files.
pub fn choices(
    tree: &Tree,
    fleet: &Fleet,
    habit: &Namespace,
    knowledge: &Knowledge<'_>,
) -> Vec<TreePath> {
    let usual = &habit.directory;
    if tree.is_directory(usual) || arrival(tree, fleet, usual, knowledge) != Arrival::Disturbs {
        return vec![usual.clone()];
    }
    let beside = usual.parent().filter(|it| *it != TreePath::root());
    let others = ["features", "nix/features"].into_iter();
    let others = beside
        .into_iter()
        .chain(others.filter_map(TreePath::new))
        .map(|directory| (arrival(tree, fleet, &directory, knowledge), directory))
        .filter(|(arrival, _)| *arrival != Arrival::Disturbs);
    let mut found = Vec::new();
    for (arrival, directory) in others {
        // A directory of other files is read as they are, or not at all.
        if arrival == Arrival::Unread && tree.is_directory(&directory) {
            continue;
        }
        found.push(directory);
        if arrival == Arrival::Unread {
            break;
        }
    }
    if found.is_empty() {
        found.push(usual.clone());
    }
    found
}

/// Whether a host imports every file of a directory without naming it.
pub fn is_read(tree: &Tree, host: &str, directory: &TreePath, knowledge: &Knowledge<'_>) -> bool {
    let Some(probe) = directory.join(PROBE) else {
        return false;
    };
    let tree = tree.with(&creating(&probe));
    let after = Fleet::draft_host(&tree, knowledge.table, knowledge.cache, host);
    let mut files = after.hosts.iter().flat_map(Host::module_files);
    files.any(|file| *file == probe)
}

/// A module that does nothing.
fn creating(probe: &TreePath) -> ChangeSet {
    let mut changes = ChangeSet::new();
    changes.insert(
        probe.clone(),
        Change::Create {
            contents: b"{ ... }: { }\n".to_vec(),
            executable: false,
        },
    );
    changes
}

fn arrival(tree: &Tree, fleet: &Fleet, directory: &TreePath, knowledge: &Knowledge<'_>) -> Arrival {
    let Some(probe) = directory.join(PROBE) else {
        return Arrival::Disturbs;
    };
    let after = Fleet::draft(
        &tree.with(&creating(&probe)),
        knowledge.table,
        knowledge.cache,
    );
    let verdicts = proof::compare(fleet, &after, knowledge.table);
    if verdicts.iter().any(|it| it.judgement != Judgement::Equal) {
        return Arrival::Disturbs;
    }
    let mut files = after.hosts.iter().flat_map(Host::module_files);
    if files.any(|file| *file == probe) {
        Arrival::Imported
    } else {
        Arrival::Unread
    }
}
