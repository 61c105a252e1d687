//! The file that holds a host's own definitions.

use std::collections::BTreeSet;

use super::anatomy::{Anatomy, Item, ItemId};
use super::catalogue::Catalogue;
use super::host::nonblank;
use super::identity;
use super::reindent::Lines;
use crate::model::{Fleet, Host, Origin};
use crate::taxonomy::Class;
use crate::tree::{Tree, TreePath};

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
/// nearest to the evaluation's own list, and with the most to move.
pub fn entry(
    tree: &Tree,
    fleet: &Fleet,
    host: &Host,
    catalogue: &Catalogue<'_>,
) -> Option<TreePath> {
    let shared: BTreeSet<&TreePath> = fleet
        .hosts
        .iter()
        .filter(|other| other.name != host.name)
        .flat_map(Host::module_files)
        .collect();
    let mut best: Option<(usize, usize, TreePath)> = None;
    for module in &host.modules {
        let Origin::File(path) = &module.origin else {
            continue;
        };
        if shared.contains(path) {
            continue;
        }
        let Ok(text) = tree.text(path) else { continue };
        let movable = Anatomy::of(path, &text, &|path| catalogue.above_options(path))
            .map(|anatomy| movable_lines(&anatomy, catalogue))
            .unwrap_or_default();
        let better = best.as_ref().is_none_or(|(level, lines, _)| {
            module.level < *level || (module.level == *level && movable > *lines)
        });
        if better {
            best = Some((module.level, movable, path.clone()));
        }
    }
    best.map(|(_, _, path)| path)
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
