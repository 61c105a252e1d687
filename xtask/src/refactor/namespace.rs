//! Where a repository keeps its feature modules and what it calls them.

use std::collections::{BTreeMap, BTreeSet};

use super::placement::is_listed;
use crate::model::{Fleet, Origin};
use crate::options::{PathKind, View};
use crate::tree::{Tree, TreePath};

/// The habits that generated features follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Attribute path of all features: `features`, `my`, `fleet.features`.
    pub attribute: String,
    /// Directory of their files.
    pub directory: TreePath,
}

/// Reads the habits off the modules: the namespace that most of them declare
/// `enable` options in, and the directory that most of those stand in.
pub fn detect(tree: &Tree, fleet: &Fleet, table: View<'_, '_>) -> Namespace {
    let mut found: BTreeMap<String, BTreeSet<(String, TreePath)>> = BTreeMap::new();
    let mut features_taken = false;
    for host in &fleet.hosts {
        for declaration in &host.declarations {
            let path: Vec<&str> = declaration.path.iter().map(|name| &**name).collect();
            let file = match host.modules.get(declaration.module).map(|it| &it.origin) {
                Some(Origin::File(file)) => file,
                _ => continue,
            };
            if let [namespace @ .., feature, "enable"] = path.as_slice()
                && (1..=2).contains(&namespace.len())
                && table.lookup(namespace) == PathKind::Unknown
                && table.lookup(&namespace[..1]) == PathKind::Unknown
            {
                found
                    .entry(namespace.join("."))
                    .or_default()
                    .insert(((*feature).to_owned(), file.clone()));
            } else if path.first() == Some(&"features") && path.len() < 3 {
                features_taken = true;
            }
        }
    }
    let best = found
        .into_iter()
        .max_by_key(|(name, uses)| (uses.len(), std::cmp::Reverse(name.clone())));
    match best {
        Some((attribute, uses)) => {
            let directory = usual_directory(uses.iter().map(|(_, file)| file))
                .map(|directory| of_its_own(tree, directory))
                .unwrap_or_else(|| default_directory(tree));
            Namespace {
                attribute,
                directory,
            }
        }
        None => fallback(tree, features_taken),
    }
}

/// The namespace of a repository that has none of its own, or none that can
/// be used.
pub fn fallback(tree: &Tree, features_taken: bool) -> Namespace {
    Namespace {
        attribute: if features_taken {
            "fleet.features".to_owned()
        } else {
            "features".to_owned()
        },
        directory: default_directory(tree),
    }
}

/// Features go to a directory of their own beside the modules that are there:
/// only then can all that is in it be listed.
fn of_its_own(tree: &Tree, directory: TreePath) -> TreePath {
    if is_listed(tree, &directory) || directory.file_name() == Some("features") {
        return directory;
    }
    directory.join("features").unwrap_or(directory)
}

/// The directory that most files stand in; `x/default.nix` counts as `x`.
fn usual_directory<'f>(files: impl Iterator<Item = &'f TreePath>) -> Option<TreePath> {
    let mut count: BTreeMap<TreePath, usize> = BTreeMap::new();
    for file in files {
        let parent = file.parent()?;
        let directory = if file.file_name() == Some("default.nix") {
            parent.parent()?
        } else {
            parent
        };
        *count.entry(directory).or_default() += 1;
    }
    count
        .into_iter()
        .max_by_key(|(directory, uses)| (*uses, std::cmp::Reverse(directory.clone())))
        .map(|(directory, _)| directory)
}

fn default_directory(tree: &Tree) -> TreePath {
    let candidates = [
        "modules/features",
        "modules/nixos",
        "nixos/modules",
        "modules",
    ];
    let found = candidates
        .into_iter()
        .filter_map(TreePath::new)
        .find(|path| tree.is_directory(path));
    let base = found
        .or_else(|| TreePath::new("modules"))
        .unwrap_or_else(TreePath::root);
    if base.file_name() == Some("features") {
        base
    } else {
        base.join("features").unwrap_or(base)
    }
}
