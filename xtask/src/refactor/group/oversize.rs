//! Features that hold most of what moves.
//!
//! ```nix
//! services.prometheus = { enable = true; …; scrapeConfigs = [ … ]; rules = [ … ]; };
//! # becomes
//! features.prometheus, features.prometheus-scrape-configs, features.prometheus-rules
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::{Group, Grouping, Groups, MIN_LINES, bundle_key, feature_name};
use crate::refactor::anatomy::{Anatomy, ItemId};
use crate::refactor::catalogue::Catalogue;

/// The share of all that moves, in percent, that one feature may hold.
pub const MAX_SHARE: usize = 40;

/// Parts features that hold more than their share by the option paths in them,
/// as far as each part is large enough.
pub(super) fn part(
    anatomy: &Anatomy,
    catalogue: &Catalogue<'_>,
    wanted: &Grouping,
    exists: &dyn Fn(&str) -> bool,
    groups: &mut Groups,
) {
    let min = wanted.min_lines.unwrap_or_default().max(MIN_LINES);
    let total: usize = groups
        .features
        .values()
        .map(|group| group.lines(anatomy))
        .sum();
    let is_oversize = |lines: usize| lines * 100 > total * MAX_SHARE && lines >= 2 * min;
    let mut queue: Vec<String> = groups
        .features
        .iter()
        .filter(|(name, group)| {
            !group.asked && !group.shared && !exists(name) && is_oversize(group.lines(anatomy))
        })
        .map(|(name, _)| name.clone())
        .collect();
    while let Some(name) = queue.pop() {
        let Some(group) = groups.features.get(&name) else {
            continue;
        };
        let mut left = group.lines(anatomy);
        for (key, ids) in parts(anatomy, catalogue, group) {
            let part = Group {
                items: ids,
                ..Group::default()
            };
            let lines = part.lines(anatomy);
            let key = feature_name(&key, &[]);
            let new = match key.starts_with(&format!("{name}-")) {
                true => key,
                false => format!("{name}-{key}"),
            };
            let new = feature_name(&new, &wanted.reserved);
            let fits = lines >= min && left - lines >= min;
            if !fits || exists(&new) || groups.features.contains_key(&new) {
                continue;
            }
            if let Some(group) = groups.features.get_mut(&name) {
                group.items.retain(|id| !part.items.contains(id));
            }
            left -= lines;
            if is_oversize(lines) {
                queue.push(new.clone());
            }
            groups.features.insert(new, part);
            if !is_oversize(left) {
                break;
            }
        }
    }
}

/// The parts of a group, largest first: by the name that follows the path that
/// most of it stands below.
fn parts(
    anatomy: &Anatomy,
    catalogue: &Catalogue<'_>,
    group: &Group,
) -> Vec<(String, BTreeSet<ItemId>)> {
    let items: Vec<_> = group
        .items
        .iter()
        .filter_map(|id| Some((*id, anatomy.items.get(*id)?)))
        .collect();
    let all: usize = items.iter().map(|(_, item)| item.lines).sum();
    let mut prefix: Vec<String> = Vec::new();
    loop {
        let mut below: BTreeMap<&String, (usize, BTreeSet<ItemId>)> = BTreeMap::new();
        for (id, item) in &items {
            if let Some(name) = item
                .path
                .get(prefix.len())
                .filter(|_| item.path.starts_with(&prefix))
            {
                let (lines, ids) = below.entry(name).or_default();
                *lines += item.lines;
                ids.insert(*id);
            }
        }
        let most = below.iter().max_by_key(|(_, (lines, _))| *lines);
        match most {
            // Nearly everything stands below one name: look further down.
            Some((name, (lines, _))) if prefix.len() < 2 || *lines * 100 > all * 80 => {
                prefix.push((*name).clone());
            }
            _ => {
                let whole = |id: &ItemId| {
                    let path = anatomy.items.get(*id).map(|item| item.path.as_slice());
                    let key = path.and_then(|path| bundle_key(path, catalogue));
                    key.is_some_and(|key| key.len() <= prefix.len())
                };
                let mut parts: Vec<_> = below
                    .into_iter()
                    .filter(|(_, (_, ids))| !ids.iter().any(whole))
                    .collect();
                parts.sort_by_key(|(_, (lines, _))| std::cmp::Reverse(*lines));
                let named =
                    |(name, (_, ids)): (&String, (usize, BTreeSet<ItemId>))| (name.clone(), ids);
                return parts.into_iter().map(named).collect();
            }
        }
    }
}
