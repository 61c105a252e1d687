//! Groups that are too small for a feature of their own.

use super::{Group, Grouping, Groups, MIN_LINES, feature_name};
use crate::refactor::anatomy::Anatomy;
use crate::refactor::catalogue::Catalogue;

/// Small groups join one that is near, or their parents, bottom up. What is too
/// little even together stays with the host.
pub(super) fn join(
    anatomy: &Anatomy,
    catalogue: &Catalogue<'_>,
    wanted: &Grouping,
    exists: &dyn Fn(&str) -> bool,
    groups: &mut Groups,
) {
    let min = wanted.min_lines.unwrap_or(MIN_LINES);
    let is_small = |name: &str, group: &Group| {
        !group.asked && !group.shared && group.lines(anatomy) < min && !exists(name)
    };
    let target = |groups: &Groups, name: &str| -> Option<String> {
        let is_large = |near: &&String| {
            let group = groups.features.get(near.as_str());
            group.is_some_and(|group| !is_small(near, group))
        };
        if let Some(near) = catalogue.near(name).iter().find(is_large) {
            return Some(near.clone());
        }
        let first = groups.features.get(name)?.items.first()?;
        let parent = catalogue.parent(name, &anatomy.items.get(*first)?.path)?;
        Some(feature_name(parent, &wanted.reserved)).filter(|parent| parent != name)
    };
    // Deepest first, so that a parent has all its children when its own size
    // counts. Every step removes a group or leads to an ancestor of it.
    loop {
        let next = groups
            .features
            .iter()
            .filter(|(name, group)| is_small(name, group))
            .filter_map(|(name, _)| Some((catalogue.depth(name), name, target(groups, name)?)))
            .max_by_key(|(depth, name, _)| (*depth, std::cmp::Reverse(*name)))
            .map(|(_, name, target)| (name.clone(), target));
        let Some((name, target)) = next else { break };
        let items = groups.features.remove(&name).map(|group| group.items);
        let joined = groups.features.entry(target).or_default();
        joined.items.extend(items.into_iter().flatten());
    }
    // What an existing feature does not take over may make up for the lines
    // that are missing.
    let is_tiny = |group: &Group| !group.asked && !group.shared && group.lines(anatomy) < min;
    let exist = |(name, group): (&String, &Group)| is_tiny(group) && exists(name);
    let small: Vec<String> = groups
        .features
        .iter()
        .filter(|_| !groups.features.iter().any(exist))
        .filter(|(name, group)| is_small(name, group))
        // What the machine is for takes them.
        .filter(|(name, _)| wanted.role.is_none() || !catalogue.is_collection(name))
        .map(|(name, _)| name.clone())
        .collect();
    for name in small {
        for id in groups
            .features
            .remove(&name)
            .into_iter()
            .flat_map(|group| group.items)
        {
            let reason = format!("too little for a feature of its own ({name})");
            groups.small.insert(id, reason);
        }
    }
}
