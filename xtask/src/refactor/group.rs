//! Which definitions make up a feature.

use std::collections::{BTreeMap, BTreeSet};

use super::anatomy::{Anatomy, ItemId};
use super::catalogue::Catalogue;
use super::reindent::Lines;
use crate::taxonomy::Class;

mod common;
mod oversize;
mod purpose;
mod small;

pub use common::{LARGE, role_feature};
pub use oversize::MAX_SHARE;

/// How the user wants definitions to be grouped.
#[derive(Debug, Clone, Default)]
pub struct Grouping {
    /// Patterns of option paths that make up a feature: (name, pattern). A
    /// pattern is a path whose components may be `*`; `**` at its end, or
    /// nothing, takes in what is below.
    pub features: Vec<(String, String)>,
    /// If not empty, only these features are taken out.
    pub only: Vec<String>,
    /// These features are left alone.
    pub except: Vec<String>,
    /// Features smaller than this many lines join their parent or stay.
    pub min_lines: Option<usize>,
    /// Names that no feature may have: those of hosts.
    pub reserved: Vec<String>,
    /// What the machine is for: names what it alone has of other concerns.
    pub role: Option<String>,
}

/// What definitions are asked to go to that shall stay.
pub const STAYS: &str = "host";

/// The default of [`Grouping::min_lines`].
pub const MIN_LINES: usize = 8;

/// One proposed feature.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// Its definitions.
    pub items: BTreeSet<ItemId>,
    /// Whether the user asked for it by name.
    pub asked: bool,
    /// Whether other hosts define it alike: then it may be small.
    pub shared: bool,
}

impl Group {
    /// Non-blank lines of its definitions.
    fn lines(&self, anatomy: &Anatomy) -> usize {
        let items = self.items.iter().filter_map(|id| anatomy.items.get(*id));
        items.map(|item| item.lines).sum()
    }
}

/// What was decided about every item of a file.
#[derive(Debug, Clone, Default)]
pub struct Groups {
    /// By name of the feature.
    pub features: BTreeMap<String, Group>,
    /// Definitions that could move, but stay: they are too few, or the request
    /// leaves them out.
    pub small: BTreeMap<ItemId, String>,
    /// Definitions of the host's own classes.
    pub host: BTreeSet<ItemId>,
}

/// Sorts the items of a file into features; one that `exists` already may take
/// over as little as one definition.
pub fn group(
    anatomy: &Anatomy,
    catalogue: &Catalogue<'_>,
    wanted: &Grouping,
    namespace: &str,
    exists: &dyn Fn(&str) -> bool,
) -> Groups {
    let mut groups = Groups::default();
    let namespace: Vec<&str> = namespace.split('.').collect();
    let mut names: BTreeMap<ItemId, String> = BTreeMap::new();
    let mut derived: BTreeMap<ItemId, String> = BTreeMap::new();
    let lines = Lines::of(&anatomy.root);
    for (id, item) in anatomy.items.iter().enumerate() {
        if item.fixed.is_some() {
            continue;
        }
        let in_namespace = item.path.len() >= namespace.len()
            && item.path.iter().zip(&namespace).all(|(a, b)| a == b);
        if in_namespace || catalogue.is_own_option(&item.path) {
            groups.host.insert(id);
            continue;
        }
        let asked = wanted
            .features
            .iter()
            .find(|(_, pattern)| matches(pattern, &item.path));
        if let Some((name, _)) = asked.filter(|(name, _)| name == STAYS) {
            let reason = format!("the request leaves it with the {name}");
            groups.small.insert(id, reason);
            continue;
        }
        if let Some((name, _)) = asked {
            let group = groups.features.entry(name.clone()).or_default();
            group.asked = true;
            group.items.insert(id);
            continue;
        }
        match catalogue.class(&item.path) {
            Class::Host(_) => {
                groups.host.insert(id);
            }
            _ if super::identity::is_mostly_identity(anatomy, &lines, id, catalogue) => {
                groups.small.insert(id, "names this machine".to_owned());
            }
            Class::Feature(name) => {
                names.insert(id, name.to_owned());
            }
            Class::Unmatched => {
                let name = catalogue.derived(&item.path);
                derived.insert(id, name.unwrap_or_else(|| "settings".to_owned()));
            }
        }
    }
    purpose::share(&mut derived);
    names.append(&mut derived);
    for (id, name) in names {
        let name = feature_name(&name, &wanted.reserved);
        groups.features.entry(name).or_default().items.insert(id);
    }
    join_bundles(anatomy, catalogue, &mut groups);
    let parted = common::part(anatomy, catalogue, wanted, exists, &mut groups);
    small::join(anatomy, catalogue, wanted, exists, &mut groups);
    common::gather(anatomy, catalogue, wanted, exists, &mut groups, parted);
    oversize::part(anatomy, catalogue, wanted, exists, &mut groups);
    let chosen = |name: &str| {
        (wanted.only.is_empty() || wanted.only.iter().any(|it| it == name))
            && !wanted.except.iter().any(|it| it == name)
    };
    let left_out: Vec<String> = groups
        .features
        .keys()
        .filter(|name| !chosen(name))
        .cloned()
        .collect();
    for name in left_out {
        if let Some(group) = groups.features.remove(&name) {
            for id in group.items {
                groups.small.insert(id, left_out_reason(&name));
            }
        }
    }
    groups
}

/// Why something stays that would go into a feature which was not asked for.
pub fn left_out_reason(feature: &str) -> String {
    format!("feature {feature} was left out by the request")
}

/// The part of a path below which definitions of one set cannot be parted: an
/// option that is not merged per attribute, or a path that nothing is known of.
fn bundle_key(path: &[String], catalogue: &Catalogue<'_>) -> Option<Vec<String>> {
    (1..path.len()).find_map(|end| {
        let prefix = &path[..end];
        let kind = catalogue.kind(prefix);
        let parts = kind.conditions_pass() || kind.splittable();
        (!parts).then(|| prefix.to_vec())
    })
}

/// What cannot be parted goes where most of it goes, or stays.
fn join_bundles(anatomy: &Anatomy, catalogue: &Catalogue<'_>, groups: &mut Groups) {
    let mut bundles: BTreeMap<Vec<String>, Vec<ItemId>> = BTreeMap::new();
    for (id, item) in anatomy.items.iter().enumerate() {
        if let Some(key) = bundle_key(&item.path, catalogue) {
            bundles.entry(key).or_default().push(id);
        }
    }
    for (key, ids) in bundles.into_iter().filter(|(_, ids)| ids.len() > 1) {
        let lines = |id: &ItemId| anatomy.items.get(*id).map_or(0, |item| item.lines);
        let mut weight: BTreeMap<String, usize> = BTreeMap::new();
        let mut movable = 0;
        for id in &ids {
            for (name, group) in &groups.features {
                if group.items.contains(id) {
                    *weight.entry(name.clone()).or_default() += lines(id);
                    movable += 1;
                }
            }
        }
        let most = weight.iter().max_by_key(|(_, lines)| **lines);
        let Some((winner, _)) = most.map(|(name, lines)| (name.clone(), *lines)) else {
            continue;
        };
        if weight.len() == 1 && movable == ids.len() {
            continue;
        }
        for group in groups.features.values_mut() {
            group.items.retain(|id| !ids.contains(id));
        }
        if movable == ids.len() {
            groups.features.entry(winner).or_default().items.extend(ids);
            continue;
        }
        for id in ids {
            if !groups.host.contains(&id) {
                let reason = format!(
                    "the type of `{}` is not known to allow parting it from what stays",
                    key.join(".")
                );
                groups.small.insert(id, reason);
            }
        }
    }
    groups.features.retain(|_, group| !group.items.is_empty());
}

/// A name in kebab case that no host has.
pub fn feature_name(name: &str, reserved: &[String]) -> String {
    let mut kebab = String::new();
    let letters: Vec<char> = name.chars().collect();
    for (at, &c) in letters.iter().enumerate() {
        // `allowedTCPPorts` is three words, and so is `TCPPortRange`.
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let starts_word = c.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_uppercase()
                        && letters.get(at + 1).is_some_and(char::is_ascii_lowercase)
            });
        if starts_word && !kebab.ends_with('-') {
            kebab.push('-');
        }
        if c.is_ascii_alphanumeric() {
            kebab.push(c.to_ascii_lowercase());
        } else if !kebab.ends_with('-') && !kebab.is_empty() {
            kebab.push('-');
        }
    }
    let mut kebab = kebab.trim_end_matches('-').to_owned();
    if kebab.is_empty() || kebab.starts_with(|c: char| c.is_ascii_digit()) {
        kebab.insert_str(0, "feature-");
    }
    const KEYWORDS: [&str; 10] = [
        "assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with",
    ];
    if KEYWORDS.contains(&kebab.as_str()) || reserved.iter().any(|host| host == &kebab) {
        kebab.push_str("-settings");
    }
    kebab
}

/// Whether a pattern of option paths takes in a path.
pub fn matches(pattern: &str, path: &[String]) -> bool {
    let mut rest = path;
    for part in components(pattern) {
        if part == "**" {
            return true;
        }
        match rest.split_first() {
            Some((name, tail)) if part == "*" || part == *name => rest = tail,
            _ => return false,
        }
    }
    true
}

/// The components of a pattern; quotes keep dots together.
pub fn components(pattern: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for c in pattern.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            c => {
                if let Some(last) = parts.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests;
