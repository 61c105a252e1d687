//! What other hosts define alike, apart from what only one machine has.
//!
//! A feature is worth its name where several hosts can take it. Of a concern that
//! every machine has (its network, its packages) the part that others define in
//! the same way makes the feature; the rest belongs to what the machine is for.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashSet;

use super::oversize::MAX_SHARE;
use super::{Group, Grouping, Groups, MIN_LINES, feature_name};
use crate::model::term::{Digest, Key};
use crate::model::{Definition, Host, Wrapper, path_text};
use crate::refactor::anatomy::{Anatomy, ItemId};
use crate::refactor::catalogue::Catalogue;
use crate::refactor::emit::node_range;

/// Other hosts that are looked at, at most.
const LOOK_AT: usize = 40;

/// Lines that a shared part has at least.
const MIN_CORE: usize = 3;

/// Lines that a shared part saves over all hosts, at least.
const MIN_SAVED: usize = 12;

/// Lines from which on what only one machine has of a concern is a feature of
/// its own.
pub const LARGE: usize = 20;

/// The hosts, by number, that define each item alike.
type Support = BTreeMap<ItemId, BTreeSet<usize>>;

/// What was found out about concerns that every machine has, by concern.
#[derive(Default)]
pub(super) struct Parted {
    /// What other hosts define alike.
    cores: BTreeMap<String, BTreeSet<ItemId>>,
    /// What only this machine has beside that.
    own: BTreeMap<String, BTreeSet<ItemId>>,
}

/// Parts the concerns that every machine has into what is shared and what is the
/// machine's own; the latter is taken out.
pub(super) fn part(
    anatomy: &Anatomy,
    catalogue: &Catalogue<'_>,
    wanted: &Grouping,
    exists: &dyn Fn(&str) -> bool,
    groups: &mut Groups,
) -> Parted {
    let mut parted = Parted::default();
    if wanted.role.is_none() {
        return parted;
    }
    let support = support(anatomy, catalogue);
    let names: Vec<String> = groups
        .features
        .iter()
        .filter(|(name, group)| !group.asked && !exists(name) && catalogue.is_collection(name))
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        let Some(group) = groups.features.get_mut(&name) else {
            continue;
        };
        let (core, hosts) = core(&support, group);
        let core = Group {
            items: core,
            ..Group::default()
        };
        let lines = core.lines(anatomy);
        if lines < MIN_CORE || lines * hosts < MIN_SAVED {
            continue;
        }
        let rest: BTreeSet<ItemId> = group.items.difference(&core.items).copied().collect();
        group.items.clone_from(&core.items);
        group.shared = true;
        parted.own.insert(name.clone(), rest);
        parted.cores.insert(name, core.items);
    }
    parted
}

/// What only this machine has goes to the feature of its role, or to one of its
/// own if that is large.
pub(super) fn gather(
    anatomy: &Anatomy,
    catalogue: &Catalogue<'_>,
    wanted: &Grouping,
    exists: &dyn Fn(&str) -> bool,
    groups: &mut Groups,
    parted: Parted,
) {
    let Some(role) = &wanted.role else { return };
    let Parted { cores, mut own } = parted;
    // Small concerns that have joined a shared one.
    for (name, core) in cores {
        if let Some(group) = groups.features.get_mut(&name) {
            let joined = group.items.difference(&core).copied();
            own.entry(name).or_default().extend(joined);
            group.items = core;
        }
    }
    let names: Vec<String> = groups
        .features
        .iter()
        .filter(|(name, group)| {
            !group.asked && !group.shared && !exists(name) && catalogue.is_collection(name)
        })
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        if let Some(group) = groups.features.remove(&name) {
            own.entry(name).or_default().extend(group.items);
        }
    }
    let lines = |items: &BTreeSet<ItemId>| -> usize {
        let items = items.iter().filter_map(|id| anatomy.items.get(*id));
        items.map(|item| item.lines).sum()
    };
    let total: usize = groups.features.values().map(|it| it.lines(anatomy)).sum();
    let mut name = role_feature(groups.features.keys(), role, &wanted.reserved);
    let before = groups.features.get(&name);
    let before = before.map_or(0, |group| group.lines(anatomy));
    let mut pooled: usize = own.values().map(lines).sum();
    let total = total + pooled;
    if pooled >= MIN_LINES && (before + pooled) * 100 > total * MAX_SHARE {
        name = feature_name(role, &wanted.reserved);
    }
    if groups.features.contains_key(&name) {
        pooled += before;
    }
    let mut parts: Vec<(String, BTreeSet<ItemId>)> = own.into_iter().collect();
    parts.sort_by_key(|(name, items)| (std::cmp::Reverse(lines(items)), name.clone()));
    let mut pool = Group::default();
    for (concern, items) in parts {
        let size = lines(&items);
        let named = feature_name(&format!("{concern}-{role}"), &wanted.reserved);
        let is_large = size >= LARGE || pooled * 100 > total * MAX_SHARE && size >= MIN_LINES;
        if is_large && !exists(&named) && concern != "base" {
            pooled -= size;
            let items = Group {
                items,
                ..Group::default()
            };
            groups.features.insert(named, items);
        } else {
            pool.items.extend(items);
        }
    }
    if pool.items.is_empty() {
        return;
    }
    let has_one = groups.features.contains_key(&name) || exists(&name);
    if !has_one && pool.lines(anatomy) < wanted.min_lines.unwrap_or(MIN_LINES) {
        for id in pool.items {
            let reason = format!("too little for a feature of its own ({name})");
            groups.small.insert(id, reason);
        }
        return;
    }
    let group = groups.features.entry(name).or_default();
    group.items.extend(pool.items);
}

/// The feature of a role: one of the host's that is named after it, or a new one.
pub fn role_feature<'n>(
    mut names: impl Iterator<Item = &'n String> + Clone,
    role: &str,
    reserved: &[String],
) -> String {
    let own = feature_name(role, reserved);
    if names.clone().any(|name| *name == own) {
        return own;
    }
    let is_named_so = |name: &&String| {
        let rest = name.strip_prefix(&own);
        rest.is_some_and(|rest| rest.len() <= 3 && !rest.contains('-'))
    };
    names.find(is_named_so).cloned().unwrap_or(own)
}

/// The items that most hosts have together, and how many hosts that are, this one
/// included.
fn core(support: &Support, group: &Group) -> (BTreeSet<ItemId>, usize) {
    let mut items: Vec<(&ItemId, &BTreeSet<usize>)> = group
        .items
        .iter()
        .filter_map(|id| support.get_key_value(id))
        .collect();
    items.sort_by_key(|(id, hosts)| (std::cmp::Reverse(hosts.len()), **id));
    let mut core = BTreeSet::new();
    let mut together: Option<BTreeSet<usize>> = None;
    for (id, hosts) in items {
        let common = match &together {
            None => hosts.clone(),
            Some(together) => together.intersection(hosts).copied().collect(),
        };
        let before = together.as_ref().map_or(0, BTreeSet::len);
        if common.len() < 2 || common.len() * 10 < before * 6 {
            continue;
        }
        core.insert(*id);
        together = Some(common);
    }
    (core, together.map_or(0, |hosts| hosts.len() + 1))
}

/// Which other hosts have all definitions of an item as they are.
fn support(anatomy: &Anatomy, catalogue: &Catalogue<'_>) -> Support {
    let (Some(host), Some(fleet)) = (catalogue.host, catalogue.seen_through) else {
        return Support::new();
    };
    let is_other = |other: &Host| {
        other.name != host.name && !other.module_files().any(|file| *file == anatomy.path)
    };
    let others: Vec<FxHashSet<Digest>> = fleet
        .hosts()
        .filter(|(other, _)| is_other(other))
        .take(LOOK_AT)
        .map(|(_, definitions)| definitions.iter().map(fingerprint).collect())
        .collect();
    // By their first byte, for the ones inside of an item: a file may have thousands.
    let mut here: Vec<(usize, usize, &Definition)> = host
        .definitions
        .iter()
        .filter_map(|definition| {
            let span = definition.span.as_ref()?;
            let is_here = span.path == anatomy.path;
            is_here.then_some((span.start as usize, span.end as usize, definition))
        })
        .collect();
    here.sort_by_key(|(start, ..)| *start);
    let mut found = Support::new();
    for (id, item) in anatomy.items.iter().enumerate() {
        let range = node_range(&item.node);
        let first = here.partition_point(|(start, ..)| *start < range.start);
        let own: Vec<Digest> = here
            .iter()
            .skip(first)
            .take_while(|(start, ..)| *start <= range.end)
            .filter(|(_, end, _)| *end <= range.end)
            .map(|(.., definition)| fingerprint(definition))
            .collect();
        if own.is_empty() {
            continue;
        }
        let has_all = |other: &FxHashSet<Digest>| own.iter().all(|it| other.contains(it));
        let hosts = others.iter().enumerate().filter(|(_, it)| has_all(it));
        found.insert(id, hosts.map(|(at, _)| at).collect());
    }
    found
}

/// What a definition says, wherever it stands.
fn fingerprint(definition: &Definition) -> Digest {
    let mut text = path_text(&definition.path);
    for key in &definition.path {
        if let Key::Term(term) = key {
            text.push_str(&format!(" {:?}", term.digest().0));
        }
    }
    for (at, wrapper) in &definition.wrappers {
        let said = match wrapper {
            Wrapper::If(condition) => format!("if {:?}", condition.digest().0),
            Wrapper::Override(priority) => format!("override {priority}"),
            Wrapper::Order(order) => format!("order {order}"),
        };
        text.push_str(&format!(" {at} {said}"));
    }
    text.push_str(&format!(" = {:?}", definition.value.digest().0));
    Digest::of(text.as_bytes())
}
