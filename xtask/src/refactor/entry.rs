//! The file that holds a host's own definitions.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::anatomy::{Anatomy, Item, ItemId};
use super::catalogue::Catalogue;
use super::group::MIN_LINES;
use super::host::nonblank;
use super::identity;
use super::reindent::Lines;
use crate::model::{Fleet, Host, Origin};
use crate::taxonomy::Class;
use crate::tree::{Tree, TreePath};

/// Concerns that make a file monolithic beside or below the nearest one: one
/// service with its host name, account and secret is still one concern to its
/// author.
const CONCERNS: usize = 6;

/// Hosts that may share their only file, at most.
const FAMILY: usize = 4;

/// The roles that a host states in the `host.toml` beside its file.
pub fn roles(tree: &Tree, entry: &TreePath) -> Vec<String> {
    let text = entry
        .parent()
        .and_then(|directory| directory.join("host.toml"))
        .and_then(|file| tree.text(&file).ok());
    let table: Option<toml::Table> = text.and_then(|text| text.parse().ok());
    let roles = table.as_ref().and_then(|table| table.get("roles"));
    roles
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|role| role.as_str().map(str::to_owned))
        .collect()
}

/// The file that holds a host's own definitions: imported by no other host,
/// with several concerns, nearest to the evaluation's own list, and with the
/// most to move.
///
/// Hosts that have no file of their own, such as a machine and the virtual
/// machine that it is tried in, may share theirs with each other.
pub fn entry(
    tree: &Tree,
    fleet: &Fleet,
    host: &Host,
    directory: &TreePath,
    catalogue: &Catalogue<'_>,
) -> Option<TreePath> {
    let features = features(host, directory);
    let best = |is_own: &dyn Fn(&TreePath) -> bool| {
        let mut best: Option<(bool, usize, usize, TreePath)> = None;
        let own = host.modules.iter().filter(|module| match &module.origin {
            Origin::File(path) => is_own(path) && !features.contains(path),
            _ => false,
        });
        let nearest = own.map(|module| module.level).min().unwrap_or_default();
        for module in &host.modules {
            let Origin::File(path) = &module.origin else {
                continue;
            };
            if !is_own(path) || features.contains(path) {
                continue;
            }
            let Ok(text) = tree.text(path) else { continue };
            let (movable, is_monolithic) =
                Anatomy::of(path, &text, &|path| catalogue.above_options(path))
                    .map(|anatomy| {
                        let movable = movable_lines(&anatomy, catalogue);
                        (movable, is_monolithic(&anatomy, movable, catalogue))
                    })
                    .unwrap_or_default();
            let better = best.as_ref().is_none_or(|(monolithic, level, lines, _)| {
                let rank = |is_monolithic: bool, level: usize, lines: usize| {
                    let goes_first = lines >= MIN_LINES && level == nearest || is_monolithic;
                    (!goes_first, level, Reverse(lines))
                };
                rank(is_monolithic, module.level, movable) < rank(*monolithic, *level, *lines)
            });
            if better {
                best = Some((is_monolithic, module.level, movable, path.clone()));
            }
        }
        best.map(|(_, _, _, path)| path)
    };
    let mut importers: BTreeMap<&TreePath, BTreeSet<&str>> = BTreeMap::new();
    for other in &fleet.hosts {
        for file in other.module_files() {
            importers.entry(file).or_default().insert(&other.name);
        }
    }
    let alone = |path: &TreePath| importers.get(path).is_none_or(|hosts| hosts.len() == 1);
    if let Some(own) = best(&alone) {
        return Some(own);
    }
    let homeless: BTreeSet<&str> = fleet
        .hosts
        .iter()
        .filter(|host| !host.module_files().any(alone))
        .map(|host| host.name.as_str())
        .collect();
    // The fewest hosts: what a family of hosts shares beside that is no file of
    // one machine.
    let family = |path: &TreePath| {
        let hosts = importers.get(path)?;
        (hosts.is_subset(&homeless) && hosts.len() <= FAMILY).then_some(hosts.len())
    };
    let fewest = host.module_files().filter_map(family).min()?;
    best(&|path| family(path) == Some(fewest))
}

/// Whether a host has a file beside its entry that is monolithic, too.
pub fn has_others(
    tree: &Tree,
    fleet: &Fleet,
    host: &Host,
    entry: &TreePath,
    directory: &TreePath,
    catalogue: &Catalogue<'_>,
) -> bool {
    let features = features(host, directory);
    let is_shared = |path: &TreePath| {
        let mut others = fleet.hosts.iter().filter(|other| other.name != host.name);
        others.any(|other| other.module_files().any(|file| file == path))
    };
    host.module_files()
        .filter(|path| *path != entry && !features.contains(path) && !is_shared(path))
        .any(|path| {
            let text = tree.text(path).ok();
            let anatomy =
                text.and_then(|it| Anatomy::of(path, &it, &|it| catalogue.above_options(it)).ok());
            anatomy.is_some_and(|anatomy| {
                let movable = movable_lines(&anatomy, catalogue);
                is_monolithic(&anatomy, movable, catalogue)
            })
        })
}

/// Files that are features already, whatever is in them: they declare options, in the
/// directory of features.
fn features<'h>(host: &'h Host, directory: &TreePath) -> BTreeSet<&'h TreePath> {
    let declaring = host.declarations.iter().filter_map(|declaration| {
        match &host.modules.get(declaration.module)?.origin {
            Origin::File(path) => Some(path),
            _ => None,
        }
    });
    declaring.filter(|path| path.is_within(directory)).collect()
}

/// Whether a file has several concerns that are worth a feature: a private file
/// of one concern is left as its author cut it.
fn is_monolithic(anatomy: &Anatomy, movable: usize, catalogue: &Catalogue<'_>) -> bool {
    let concerns: BTreeSet<String> = anatomy
        .items
        .iter()
        .filter(|item| item.fixed.is_none() && !catalogue.is_own_option(&item.path))
        .filter_map(|item| match catalogue.class(&item.path) {
            Class::Host(_) => None,
            Class::Feature(name) => Some(name.to_owned()),
            Class::Unmatched => catalogue.derived(&item.path),
        })
        .collect();
    movable >= MIN_LINES && concerns.len() >= CONCERNS
}

/// Non-blank lines of definitions that are of none of the host's own classes.
pub fn movable_lines(anatomy: &Anatomy, catalogue: &Catalogue<'_>) -> usize {
    let lines = Lines::of(&anatomy.root);
    let is_movable = |id: ItemId, item: &Item| {
        !matches!(catalogue.class(&item.path), Class::Host(_))
            && !catalogue.is_own_option(&item.path)
            && !identity::is_mostly_identity(anatomy, &lines, id, catalogue)
    };
    anatomy
        .items
        .iter()
        .enumerate()
        .filter(|(id, item)| is_movable(*id, item))
        .map(|(id, item)| {
            // Values that name the machine are its identity.
            let named = identity::extract(anatomy, &lines, &BTreeSet::from([id]), catalogue);
            let stays = named.settings.iter().map(|(_, value)| nonblank(value));
            item.lines.saturating_sub(stays.sum())
        })
        .sum()
}
