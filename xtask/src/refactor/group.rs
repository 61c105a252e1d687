//! Which definitions make up a feature.

use std::collections::{BTreeMap, BTreeSet};

use super::anatomy::{Anatomy, ItemId};

/// What is known about option paths and features.
pub trait Catalogue {
    /// Whether a path lies strictly above options, so that a set bound to it
    /// can be split.
    fn above_options(&self, path: &[String]) -> bool;
    /// What a path belongs to.
    fn class(&self, path: &[String]) -> Class;
    /// What a feature is, to follow "Whether to enable".
    fn description(&self, feature: &str) -> Option<String>;
    /// The feature that a small one joins.
    fn parent(&self, feature: &str) -> Option<String>;
}

/// What a path belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// Hardware, file systems, boot, identity: the host keeps it.
    Host,
    /// A feature of this name.
    Feature(String),
    /// Nothing that is known.
    Unmatched,
}

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
}

/// The default of [`Grouping::min_lines`].
pub const MIN_LINES: usize = 8;

/// One proposed feature.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// Its definitions.
    pub items: BTreeSet<ItemId>,
    /// Whether the user asked for it by name.
    pub asked: bool,
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

/// Roots below which the second component names a concern of its own.
const ROOTS: [&str; 7] = [
    "services",
    "programs",
    "virtualisation",
    "security",
    "hardware",
    "networking",
    "environment",
];

/// Paths whose third component names a unit or account of some service.
const COMPANIONS: [&[&str]; 8] = [
    &["systemd", "services"],
    &["systemd", "timers"],
    &["systemd", "sockets"],
    &["systemd", "paths"],
    &["users", "users"],
    &["users", "groups"],
    &["services", "prometheus", "exporters"],
    &["services", "logrotate", "settings"],
];

/// Sorts the items of a file into features.
pub fn group(
    anatomy: &Anatomy,
    catalogue: &dyn Catalogue,
    wanted: &Grouping,
    namespace: &str,
) -> Groups {
    let mut groups = Groups::default();
    let namespace: Vec<&str> = namespace.split('.').collect();
    let mut names: BTreeMap<ItemId, String> = BTreeMap::new();
    let own_services = service_features(anatomy, catalogue);
    for (id, item) in anatomy.items.iter().enumerate() {
        if item.fixed.is_some() {
            continue;
        }
        let in_namespace = item.path.len() >= namespace.len()
            && item.path.iter().zip(&namespace).all(|(a, b)| a == b);
        if in_namespace {
            groups.host.insert(id);
            continue;
        }
        let asked = wanted
            .features
            .iter()
            .find(|(_, pattern)| matches(pattern, &item.path));
        if let Some((name, _)) = asked {
            let group = groups.features.entry(name.clone()).or_default();
            group.asked = true;
            group.items.insert(id);
            continue;
        }
        match catalogue.class(&item.path) {
            Class::Host => {
                groups.host.insert(id);
            }
            Class::Feature(name) => {
                names.insert(id, name);
            }
            Class::Unmatched => {
                let name = companion(&item.path, &own_services)
                    .unwrap_or_else(|| fallback_name(&item.path));
                names.insert(id, name);
            }
        }
    }
    for (id, name) in names {
        let name = feature_name(&name, &wanted.reserved);
        groups.features.entry(name).or_default().items.insert(id);
    }
    join_small(anatomy, catalogue, wanted, &mut groups);
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
                groups
                    .small
                    .insert(id, format!("feature {name} was left out by the request"));
            }
        }
    }
    groups
}

/// Groups that are too small join their parents, bottom up, or stay.
fn join_small(
    anatomy: &Anatomy,
    catalogue: &dyn Catalogue,
    wanted: &Grouping,
    groups: &mut Groups,
) {
    let min = wanted.min_lines.unwrap_or(MIN_LINES);
    let size = |group: &Group| -> usize {
        group
            .items
            .iter()
            .filter_map(|id| anatomy.items.get(*id))
            .map(|item| item.lines)
            .sum()
    };
    // A parent may itself be too small; a parent's parent is at most a few
    // steps away, and a circle ends because each step removes a group.
    for _ in 0..8 {
        let small: Vec<String> = groups
            .features
            .iter()
            .filter(|(_, group)| !group.asked && size(group) < min)
            .map(|(name, _)| name.clone())
            .collect();
        let mut joined = false;
        for name in small {
            let Some(parent) = catalogue.parent(&name).filter(|parent| parent != &name) else {
                continue;
            };
            let parent = feature_name(&parent, &wanted.reserved);
            if let Some(group) = groups.features.remove(&name) {
                groups
                    .features
                    .entry(parent)
                    .or_default()
                    .items
                    .extend(group.items);
                joined = true;
            }
        }
        if !joined {
            break;
        }
    }
    let small: Vec<String> = groups
        .features
        .iter()
        .filter(|(_, group)| !group.asked && size(group) < min)
        .map(|(name, _)| name.clone())
        .collect();
    for name in small {
        if let Some(group) = groups.features.remove(&name) {
            for id in group.items {
                groups
                    .small
                    .insert(id, format!("too little for a feature of its own ({name})"));
            }
        }
    }
}

/// The features of the services that a file defines, by name of the service.
fn service_features(anatomy: &Anatomy, catalogue: &dyn Catalogue) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for item in &anatomy.items {
        if let [root, name, ..] = item.path.as_slice()
            && ["services", "programs", "virtualisation", "networking"].contains(&root.as_str())
        {
            match catalogue.class(&item.path) {
                Class::Feature(feature) => {
                    found.entry(name.clone()).or_insert(feature);
                }
                Class::Unmatched => {
                    found
                        .entry(name.clone())
                        .or_insert_with(|| fallback_name(&item.path));
                }
                Class::Host => {}
            }
        }
    }
    found
}

/// Units, accounts and exporters of a service go with the service.
fn companion(path: &[String], services: &BTreeMap<String, String>) -> Option<String> {
    COMPANIONS.iter().find_map(|prefix| {
        let below = path.len() > prefix.len() && path.iter().zip(*prefix).all(|(a, b)| a == b);
        if !below {
            return None;
        }
        let unit = path.get(prefix.len())?;
        let base = unit.split(['@', '-']).next().unwrap_or(unit);
        services.get(unit).or_else(|| services.get(base)).cloned()
    })
}

/// The first two components of a path that no pattern matches.
fn fallback_name(path: &[String]) -> String {
    match path {
        [] => "settings".to_owned(),
        [only] => only.clone(),
        [root, second, ..] if ROOTS.contains(&root.as_str()) => second.clone(),
        [root, second, ..] => format!("{root}-{second}"),
    }
}

/// A name in kebab case that no host has.
pub fn feature_name(name: &str, reserved: &[String]) -> String {
    let mut kebab = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && kebab.ends_with(|last: char| last.is_ascii_lowercase()) {
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
    for part in pattern.split('.') {
        if part == "**" {
            return true;
        }
        match rest.split_first() {
            Some((name, tail)) if part == "*" || part.trim_matches('"') == name => rest = tail,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_in_what_is_below() {
        let path: Vec<String> = ["services", "nginx", "enable"].map(str::to_owned).to_vec();
        for (pattern, expect) in [
            ("services.nginx", true),
            ("services.*.enable", true),
            ("services.**", true),
            ("services.nginx.enable.x", false),
            ("programs", false),
        ] {
            assert_eq!(matches(pattern, &path), expect, "{pattern}");
        }
    }

    #[test]
    fn names_are_kebab_case_and_no_hosts() {
        let check = |name, expect: &str| {
            assert_eq!(feature_name(name, &["beacon".to_owned()]), expect, "{name}");
        };
        check("nginx", "nginx");
        check("batteryNotifier", "battery-notifier");
        check("beacon", "beacon-settings");
        check("3proxy", "feature-3proxy");
        check("a.b_c", "a-b-c");
    }
}
