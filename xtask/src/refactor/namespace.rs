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

/// Names of directories that modules for several hosts stand in.
const SHELVES: [&str; 7] = [
    "modules",
    "nixosModules",
    "nixos-modules",
    "nixos_modules",
    "aspects",
    "features",
    "mixins",
];

/// Parts of such a directory that hold what is for NixOS, beside what is for
/// other systems.
const SECTIONS: [&str; 5] = ["nixos", "nixosModules", "system", "features", "modules"];

/// Features and files of them that make a namespace a habit.
const HABIT: usize = 2;

/// Reads the habits off the modules: the namespace that most of them declare
/// `enable` options in, and the directory where modules for several hosts stand.
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
    let is_habit = |name: &str, uses: &BTreeSet<(String, TreePath)>| {
        let files: BTreeSet<&TreePath> = uses.iter().map(|(_, file)| file).collect();
        uses.len().min(files.len()) >= HABIT || name.split('.').any(|part| part == "features")
    };
    let hosts: BTreeSet<&str> = fleet.hosts.iter().map(|host| host.name.as_str()).collect();
    let best = found
        .into_iter()
        .filter(|(name, uses)| is_habit(name, uses))
        .max_by_key(|(name, uses)| (uses.len(), std::cmp::Reverse(name.clone())));
    match best {
        Some((attribute, uses)) => Namespace {
            attribute,
            directory: evident(tree, uses.iter().map(|(_, file)| file), &hosts)
                .unwrap_or_else(|| default_directory(tree)),
        },
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

/// Where modules for several hosts evidently stand: the directory of such a
/// name above most of some files. A directory of one concern, or of one host, is
/// no such place.
fn evident<'f>(
    tree: &Tree,
    files: impl Iterator<Item = &'f TreePath>,
    hosts: &BTreeSet<&str>,
) -> Option<TreePath> {
    let mut listed: BTreeMap<TreePath, usize> = BTreeMap::new();
    let mut shelves: BTreeMap<TreePath, Vec<&TreePath>> = BTreeMap::new();
    for file in files {
        let own = file.parent().unwrap_or_else(TreePath::root);
        if is_listed(tree, &own) {
            *listed.entry(own).or_default() += 1;
        }
        if let Some(shelf) = shelf(file, hosts) {
            shelves.entry(shelf).or_default().push(file);
        }
    }
    if let Some((directory, _)) = listed.into_iter().max_by_key(|(_, uses)| *uses) {
        return Some(directory);
    }
    let (mut directory, files) = shelves
        .into_iter()
        .max_by_key(|(directory, files)| (files.len(), std::cmp::Reverse(directory.clone())))?;
    let sections = SECTIONS.iter().filter_map(|name| directory.join(name));
    let holds_most = |section: &TreePath| {
        let inside = files.iter().filter(|file| file.is_within(section));
        inside.count() * 2 > files.len()
    };
    if let Some(section) = sections.into_iter().find(holds_most) {
        directory = section;
    }
    Some(of_its_own(tree, directory))
}

/// The outermost directory above a file that is named as one for modules.
fn shelf(file: &TreePath, hosts: &BTreeSet<&str>) -> Option<TreePath> {
    let mut at = TreePath::root();
    for part in file.parent()?.components() {
        if hosts.contains(part) {
            return None;
        }
        at = at.join(part)?;
        if SHELVES.contains(&part) {
            return Some(at);
        }
    }
    None
}

fn default_directory(tree: &Tree) -> TreePath {
    let candidates = [
        "modules/features",
        "modules/nixos",
        "nixos/modules",
        "modules/system",
        "system/modules",
        "modules",
        "nixosModules",
        "nixos-modules",
    ];
    let found = candidates
        .into_iter()
        .filter_map(TreePath::new)
        .find(|path| tree.is_directory(path));
    let base = found
        .or_else(|| TreePath::new("modules"))
        .unwrap_or_else(TreePath::root);
    of_its_own(tree, base)
}
