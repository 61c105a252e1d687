//! Which files a migration makes, and what goes into each.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::anatomy::{Anatomy, ItemId};
use super::catalogue::Catalogue;
use super::draft::{Draft, Form};
use super::emit;
use super::group::{Group, Groups, LARGE, MAX_SHARE, MIN_LINES, feature_name, role_feature};
use super::host::Request;
use super::identity;
use super::locals::Names;
use super::reindent::Lines;
use crate::taxonomy::Class;
use crate::tree::{Tree, TreePath};

mod known;

use known::Known;

/// One draft per group; items that cannot stand in another file are kept.
pub(super) fn drafts(
    tree: &Tree,
    anatomy: &Anatomy,
    groups: &Groups,
    request: &Request<'_>,
    catalogue: &Catalogue<'_>,
    keep: &mut BTreeMap<ItemId, String>,
) -> Vec<Draft> {
    let mut planner = Planner {
        tree,
        anatomy,
        groups,
        request,
        catalogue,
        lines: Lines::of(&anatomy.root),
        purposes: Vec::new(),
        drafts: Vec::new(),
        keep,
    };
    planner.purposes = planner.purposes();
    planner.run();
    planner.drafts
}

/// Words in the name of what a machine is there for, at most.
const PURPOSE_WORDS: usize = 2;

/// What a group is called and what it holds.
type Pending = BTreeMap<String, BTreeSet<ItemId>>;

struct Planner<'a> {
    tree: &'a Tree,
    anatomy: &'a Anatomy,
    groups: &'a Groups,
    request: &'a Request<'a>,
    catalogue: &'a Catalogue<'a>,
    lines: Lines,
    /// What the host is there for: the names that tell variants apart, with
    /// what they are.
    purposes: Vec<(String, String)>,
    drafts: Vec<Draft>,
    keep: &'a mut BTreeMap<ItemId, String>,
}

impl Planner<'_> {
    /// Deepest first: what is left of a group goes to its parent, which must
    /// not be drafted by then.
    fn run(&mut self) {
        let mut pending: Pending = BTreeMap::new();
        for (name, group) in &self.groups.features {
            pending.insert(name.clone(), group.items.clone());
        }
        loop {
            let next = pending.keys().max_by_key(|name| {
                (
                    !self.is_role(name),
                    self.catalogue.depth(name),
                    Reverse(*name),
                )
            });
            let Some((name, items)) = next.cloned().and_then(|name| pending.remove_entry(&name))
            else {
                break;
            };
            let mut items = self.movable(items);
            if self.is_role(&name) {
                self.part_role(&mut items);
            }
            let Some(file) = self.file(&name).filter(|_| !items.is_empty()) else {
                continue;
            };
            if self.request.plain && self.tree.entry(&file).is_some() {
                let reason = format!("{file} is there already");
                self.leave(&name, items, reason, false, &mut pending);
                continue;
            }
            if let Ok(text) = self.tree.text(&file) {
                let reason = format!("differs from {file}");
                let known = Known {
                    file,
                    text,
                    name: &name,
                };
                let is_on = known.is_on(self);
                let left = known.drafts(self, items);
                self.leave(&name, left, reason, is_on, &mut pending);
                continue;
            }
            let is_wanted = |group: &Group| group.asked || group.shared;
            let is_wanted = (self.groups.features.get(&name)).is_some_and(is_wanted);
            if self.size(&items) < self.min_lines() && !is_wanted {
                let reason = format!("too little for a feature of its own ({name})");
                self.leave(&name, items, reason, false, &mut pending);
                continue;
            }
            let draft = self.feature(&name, self.description(&name), file, items);
            self.drafts.push(draft);
        }
        self.drafts.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// What no file took goes to the parent's group, or stays.
    fn leave(
        &mut self,
        name: &str,
        items: BTreeSet<ItemId>,
        reason: String,
        is_settled: bool,
        pending: &mut Pending,
    ) {
        let Some(first) = items.first().and_then(|id| self.anatomy.items.get(*id)) else {
            return;
        };
        let grouping = self.request.grouping;
        let is_asked = (self.groups.features.get(name)).is_some_and(|group| group.asked);
        let parent = self
            .role_for(name, &items)
            .or_else(|| {
                let parent = self.catalogue.parent(name, &first.path)?;
                Some(feature_name(parent, &grouping.reserved))
            })
            .filter(|parent| parent != name && !grouping.except.contains(parent))
            .filter(|_| !is_settled && !is_asked && !self.is_role(name))
            .filter(|_| grouping.only.is_empty());
        match parent {
            Some(parent) => pending.entry(parent).or_default().extend(items),
            None => {
                for id in items {
                    self.keep.insert(id, reason.clone());
                }
            }
        }
    }

    /// The feature of what the machine is for.
    fn role(&self) -> Option<String> {
        let grouping = self.request.grouping;
        let role = grouping.role.as_ref()?;
        let names = self.groups.features.keys();
        Some(role_feature(names, role, &grouping.reserved))
    }

    fn is_role(&self, name: &str) -> bool {
        self.role().is_some_and(|role| role == name)
    }

    /// The role takes what is left of a concern that any machine has, unless that
    /// is enough for a variant.
    fn role_for(&self, name: &str, items: &BTreeSet<ItemId>) -> Option<String> {
        let is_small = self.size(items) < LARGE || name == "base";
        let role = self.role().filter(|role| role != name)?;
        (is_small && self.catalogue.is_collection(name)).then_some(role)
    }

    /// The role does not take most of the host: what is too much of it becomes
    /// variants of the concerns that it is about.
    fn part_role(&mut self, items: &mut BTreeSet<ItemId>) {
        let grouping = self.request.grouping;
        let Some(role) = grouping.role.clone() else {
            return;
        };
        let all = self.groups.features.values();
        let total: usize = all.map(|group| self.size(&group.items)).sum();
        let mut parts: BTreeMap<&str, BTreeSet<ItemId>> = BTreeMap::new();
        for id in items.iter() {
            let path = self.anatomy.items.get(*id).map(|item| item.path.as_slice());
            if let Some(Class::Feature(concern)) = path.map(|path| self.catalogue.class(path))
                && self.catalogue.is_collection(concern)
            {
                parts.entry(concern).or_default().insert(*id);
            }
        }
        let mut parts: Vec<_> = parts.into_iter().collect();
        parts.sort_by_key(|(_, part)| Reverse(self.size(part)));
        for (concern, part) in parts {
            let size = self.size(items);
            let fits = self.size(&part) >= MIN_LINES && size - self.size(&part) >= MIN_LINES;
            // Some of what counts here turns out to stay.
            if size * 100 <= total * (MAX_SHARE - 2) || !fits {
                return;
            }
            let is_free = |file: &TreePath| {
                let is_drafted = self.drafts.iter().any(|draft| draft.file == *file);
                !is_drafted && self.tree.entry(file).is_none()
            };
            let purposes = self.purposes.iter();
            let first = purposes.map(|(purpose, whose)| (purpose.clone(), whose.clone()));
            let whose = format!("of hosts in the role {role}");
            let more = (2..10).map(|n| (format!("{role}-{n}"), whose.clone()));
            let free = first.chain(more).find_map(|(purpose, whose)| {
                let name = feature_name(&format!("{concern}-{purpose}"), &grouping.reserved);
                let file = self.file(&name).filter(is_free)?;
                Some((name, file, whose))
            });
            let Some((name, file, whose)) = free else {
                continue;
            };
            items.retain(|id| !part.contains(id));
            let description = format!("{} {whose}", self.catalogue.description(concern));
            let draft = self.feature(&name, description, file, part);
            self.drafts.push(draft);
        }
    }

    fn description(&self, name: &str) -> String {
        match &self.request.grouping.role {
            Some(role) if self.is_role(name) && self.catalogue.taxonomy.feature(name).is_none() => {
                format!("settings of hosts in the role {role}")
            }
            _ => self.catalogue.description(name),
        }
    }

    /// Items that can stand in another file; the others are kept.
    fn movable(&mut self, items: BTreeSet<ItemId>) -> BTreeSet<ItemId> {
        let mut movable = BTreeSet::new();
        for id in items {
            if self.keep.contains_key(&id) {
                continue;
            }
            let own = BTreeSet::from([id]);
            let holes: Vec<_> = identity::extract(self.anatomy, &self.lines, &own, self.catalogue)
                .replace
                .into_iter()
                .map(|(range, _)| range)
                .collect();
            match emit::check(self.anatomy, &own, &holes, &Names::new(), &Form::Feature) {
                Ok(()) => {
                    movable.insert(id);
                }
                Err(reason) => {
                    self.keep.insert(id, reason.reason());
                }
            }
        }
        movable
    }

    /// A feature that does not exist yet.
    fn feature(
        &self,
        name: &str,
        description: String,
        file: TreePath,
        items: BTreeSet<ItemId>,
    ) -> Draft {
        if self.request.plain {
            return Draft::private(name, description, file, items);
        }
        let named = identity::extract(self.anatomy, &self.lines, &items, self.catalogue);
        Draft {
            name: name.to_owned(),
            description,
            file,
            form: Form::Feature,
            items,
            options: named.options,
            replace: named.replace,
            settings: named.settings,
            handed: Names::new(),
        }
    }

    fn file(&self, name: &str) -> Option<TreePath> {
        if self.request.plain {
            return private_file(self.anatomy, self.request.host, name);
        }
        self.request.directory.join(&format!("{name}.nix"))
    }

    fn size(&self, items: &BTreeSet<ItemId>) -> usize {
        let own = items.iter().filter_map(|id| self.anatomy.items.get(*id));
        own.map(|item| item.lines).sum()
    }

    fn min_lines(&self) -> usize {
        self.request.grouping.min_lines.unwrap_or(MIN_LINES)
    }

    /// The roles that the host states, then the services and unheard-of
    /// concerns that no other host has a feature for, largest first.
    fn purposes(&self) -> Vec<(String, String)> {
        let roles = self.request.roles.iter();
        let stated = roles.map(|role| (role.clone(), format!("of hosts in the role {role}")));
        let mut own: Vec<(usize, &String)> = self
            .groups
            .features
            .iter()
            .filter(|(name, _)| self.catalogue.is_purpose(name))
            .filter(|(name, _)| name.split('-').count() <= PURPOSE_WORDS)
            .filter(|(name, _)| {
                self.file(name)
                    .is_some_and(|file| self.tree.entry(&file).is_none())
            })
            .map(|(name, group)| (self.size(&group.items), name))
            .collect();
        own.sort_by_key(|(size, name)| (Reverse(*size), *name));
        let named = own.into_iter().map(|(_, name)| {
            let description = self.catalogue.description(name);
            (name.clone(), format!("on hosts with {description}"))
        });
        stated.chain(named).collect()
    }
}

/// Where a file of the host alone goes.
pub(super) fn private_file(anatomy: &Anatomy, host: &str, name: &str) -> Option<TreePath> {
    let directory = anatomy.path.parent()?;
    let file = anatomy.path.file_name()?;
    let stem = file.strip_suffix(".nix").unwrap_or(file);
    let own_directory =
        ["default", "configuration"].contains(&stem) || directory.file_name() == Some(host);
    let directory = if own_directory {
        directory
    } else {
        directory.join(stem)?
    };
    directory.join(&format!("{name}.nix"))
}
