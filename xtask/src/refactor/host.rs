//! `migrate host`: a monolithic module becomes feature modules and a
//! composition.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::anatomy::{Anatomy, Item, ItemId, NotAModule};
use super::carve::Carver;
use super::catalogue::Catalogue;
use super::compose::{Composition, Position, Setting, host_text};
use super::emit::{self, Draft, Form};
use super::existing::{Adaptation, Feature};
use super::group::{Grouping, Groups, MIN_LINES, feature_name, group};
use super::identity;
use super::locals::{self, Party};
use super::reindent::Lines;
use crate::edit::{Change, ChangeSet};
use crate::model::{Fleet, Host, Origin};
use crate::problem::Span;
use crate::taxonomy::Class;
use crate::tree::{Tree, TreePath};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The host.
    pub host: &'a str,
    /// The file that holds its definitions.
    pub entry: &'a TreePath,
    /// Attribute path of all features.
    pub namespace: &'a str,
    /// Directory of feature files.
    pub directory: &'a TreePath,
    /// How to group.
    pub grouping: &'a Grouping,
    /// Where features go in the host's `imports`.
    pub position: Position,
    /// Whether feature files are imported without being named (`readDir`).
    pub auto_import: bool,
    /// Changes that give feature files their place in the host's list.
    pub list: Option<&'a ChangeSet>,
    /// What the machine is for; tells variants of a feature apart.
    pub roles: &'a [String],
}

/// A definition that stays with the host although its class could move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The option path.
    pub path: String,
    /// Why.
    pub reason: String,
    /// Where.
    pub span: Span,
    /// Non-blank lines.
    pub lines: usize,
}

/// What a proposal does.
#[derive(Debug, Clone, Default)]
pub struct Proposal {
    /// The files.
    pub changes: ChangeSet,
    /// Feature files and how many lines moved into each.
    pub features: BTreeMap<String, usize>,
    /// What stays, and why.
    pub kept: Vec<Kept>,
    /// Which feature took each item.
    pub taken: BTreeMap<ItemId, String>,
    /// Non-blank lines of the entry before and after.
    pub lines: (usize, usize),
}

/// Makes a proposal in which the items of `keep` stay, for the given reasons.
pub fn propose(
    tree: &Tree,
    anatomy: &Anatomy,
    groups: &Groups,
    request: &Request<'_>,
    catalogue: &Catalogue<'_>,
    keep: &BTreeMap<ItemId, String>,
) -> Result<Proposal, String> {
    let mut keep = keep.clone();
    for (id, item) in anatomy.items.iter().enumerate() {
        if let Some(fixed) = &item.fixed {
            keep.entry(id).or_insert_with(|| fixed.reason().to_owned());
        }
    }
    for (id, reason) in &groups.small {
        keep.entry(*id).or_insert_with(|| reason.clone());
    }
    let mut drafts = loop {
        let drafts = drafts(tree, anatomy, groups, request, catalogue, &mut keep);
        let parties: Vec<Party<'_>> = drafts
            .iter()
            .map(|draft| Party {
                items: &draft.items,
                holes: draft.holes(anatomy),
                stays: draft.stays(),
            })
            .collect();
        match locals::plan(anatomy, &parties) {
            Ok(plan) => break (drafts, plan),
            Err(stays) => {
                for stay in stays {
                    keep.insert(stay.item, stay.reason);
                }
            }
        }
    };
    let mut proposal = Proposal {
        kept: keep
            .iter()
            .filter_map(|(id, reason)| kept(anatomy, *id, reason))
            .collect(),
        ..Proposal::default()
    };
    let before = nonblank(&anatomy.text);
    proposal.lines = (before, before);
    let (drafts, plan) = (&mut drafts.0, drafts.1);
    if drafts.is_empty() {
        return Ok(proposal);
    }
    let moved: BTreeSet<ItemId> = drafts
        .iter()
        .flat_map(|draft| draft.items.iter().copied())
        .collect();
    let carver = Carver::new(anatomy, &moved);
    if let Some(list) = request.list {
        proposal.changes.extend(list.clone());
    }
    let mut settings = Vec::new();
    let mut imports = Vec::new();
    for (draft, carried) in drafts.iter().zip(&plan.carried) {
        if let Form::Existing { text, .. } = &draft.form {
            if let Some(text) = text {
                let before = tree.raw(&draft.file).map_err(|error| error.to_string())?;
                proposal.changes.insert(
                    draft.file.clone(),
                    Change::Modify {
                        before: before.to_vec(),
                        contents: text.clone().into_bytes(),
                    },
                );
            }
        } else {
            let text = emit::module(&carver, draft, carried, request.namespace)
                .map_err(|reason| reason.reason())?;
            proposal.changes.insert(
                draft.file.clone(),
                Change::Create {
                    contents: text.into_bytes(),
                    executable: false,
                },
            );
        }
        let lines = draft
            .items
            .iter()
            .filter_map(|id| anatomy.items.get(*id))
            .map(|item| item.lines)
            .sum();
        proposal.features.insert(draft.name.clone(), lines);
        for id in &draft.items {
            proposal.taken.insert(*id, draft.name.clone());
        }
        if draft.form == Form::Private {
            let shared = format!("{}.nix", draft.name);
            let reason = format!("differs from features {shared}; moved to {}", draft.file);
            let own = draft.items.iter();
            proposal
                .kept
                .extend(own.filter_map(|id| kept(anatomy, *id, &reason)));
        } else {
            settings.push(Setting {
                feature: draft.name.clone(),
                enable: true,
                values: draft.settings.clone(),
            });
        }
        let is_imported = catalogue
            .host
            .is_some_and(|host| host.module_files().any(|file| file == &draft.file));
        if !is_imported && (!request.auto_import || draft.form == Form::Private) {
            imports.push(draft.file.clone());
        }
    }
    let composition = Composition {
        namespace: request.namespace,
        settings: &settings,
        imports: &imports,
        position: request.position,
        removals: plan.removals,
    };
    let text = host_text(&carver, &composition).map_err(|error| error.to_string())?;
    proposal.lines.1 = nonblank(&text);
    proposal.changes.insert(
        anatomy.path.clone(),
        Change::Modify {
            before: anatomy.text.clone().into_bytes(),
            contents: text.into_bytes(),
        },
    );
    Ok(proposal)
}

/// One draft per group; items that cannot stand in another file are kept.
fn drafts(
    tree: &Tree,
    anatomy: &Anatomy,
    groups: &Groups,
    request: &Request<'_>,
    catalogue: &Catalogue<'_>,
    keep: &mut BTreeMap<ItemId, String>,
) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let lines = Lines::of(&anatomy.root);
    for (name, group) in &groups.features {
        let mut items = BTreeSet::new();
        for id in &group.items {
            if keep.contains_key(id) {
                continue;
            }
            let own = BTreeSet::from([*id]);
            let holes: Vec<_> = identity::extract(anatomy, &lines, &own, catalogue)
                .replace
                .into_iter()
                .map(|(range, _)| range)
                .collect();
            match emit::check(anatomy, &own, &holes, &Form::Feature) {
                Ok(()) => {
                    items.insert(*id);
                }
                Err(reason) => {
                    keep.insert(*id, reason.reason());
                }
            }
        }
        if items.is_empty() {
            continue;
        }
        let description = catalogue.description(name);
        let Some(file) = request.directory.join(&format!("{name}.nix")) else {
            continue;
        };
        if let Ok(text) = tree.text(&file) {
            let known = Known {
                file,
                text,
                name,
                description,
            };
            known.drafts(
                tree,
                anatomy,
                &lines,
                request,
                catalogue,
                items,
                keep,
                &mut drafts,
            );
            continue;
        }
        let named = identity::extract(anatomy, &lines, &items, catalogue);
        drafts.push(Draft {
            name: name.clone(),
            description,
            file,
            form: Form::Feature,
            items,
            options: named.options,
            replace: named.replace,
            settings: named.settings,
        });
    }
    drafts
}

/// A feature that exists already.
struct Known<'a> {
    file: TreePath,
    text: String,
    name: &'a str,
    description: String,
}

impl Known<'_> {
    /// What the feature can take over, it takes; the rest becomes a file of the
    /// host, or stays if it is short.
    #[expect(clippy::too_many_arguments, reason = "one caller, one step of it")]
    fn drafts(
        &self,
        tree: &Tree,
        anatomy: &Anatomy,
        lines: &Lines,
        request: &Request<'_>,
        catalogue: &Catalogue<'_>,
        mut items: BTreeSet<ItemId>,
        keep: &mut BTreeMap<ItemId, String>,
        drafts: &mut Vec<Draft>,
    ) {
        let mut path: Vec<&str> = request.namespace.split('.').collect();
        path.push(self.name);
        let is_on = anatomy.items.iter().any(|item| {
            item.path.len() > path.len() && item.path.iter().zip(&path).all(|(a, b)| a == b)
        });
        let feature = Feature::read(
            &self.file,
            &self.text,
            self.name,
            request.namespace,
            catalogue,
        );
        let adapted = feature
            .filter(|_| !is_on)
            .and_then(|feature| feature.adapt(anatomy, lines, &items, catalogue));
        let size = |items: &BTreeSet<ItemId>| -> usize {
            let own = items.iter().filter_map(|id| anatomy.items.get(*id));
            own.map(|item| item.lines).sum()
        };
        // Rather a variant that takes all than a feature that takes a little
        // and leaves too little for a file.
        let is_worth_it = |adapted: &Adaptation| {
            let (all, taken) = (size(&items), size(&adapted.taken));
            request.roles.is_empty()
                || all < MIN_LINES
                || taken * 2 >= all
                || all - taken >= MIN_LINES
        };
        if let Some(adapted) = adapted.filter(is_worth_it) {
            items.retain(|id| !adapted.taken.contains(id));
            drafts.push(Draft {
                name: self.name.to_owned(),
                description: self.description.clone(),
                file: self.file.clone(),
                form: Form::Existing {
                    text: adapted.text,
                    stays: adapted.holes,
                },
                items: adapted.taken,
                options: Vec::new(),
                replace: Vec::new(),
                settings: adapted.settings,
            });
        }
        if size(&items) >= MIN_LINES && !is_on {
            self.variants(tree, anatomy, lines, request, catalogue, &mut items, drafts);
        }
        let private = private_file(anatomy, request.host, self.name)
            .filter(|file| tree.entry(file).is_none());
        match private {
            Some(file) if size(&items) >= MIN_LINES => drafts.push(Draft {
                name: self.name.to_owned(),
                description: self.description.clone(),
                file,
                form: Form::Private,
                items,
                options: Vec::new(),
                replace: Vec::new(),
                settings: Vec::new(),
            }),
            _ => {
                for id in items {
                    keep.insert(id, format!("differs from {}", self.file));
                }
            }
        }
    }
}

impl Known<'_> {
    /// Hosts of one role share what the feature does differently for them:
    /// `packages` and `packages-kiosk`.
    #[expect(clippy::too_many_arguments, reason = "one caller, one step of it")]
    fn variants(
        &self,
        tree: &Tree,
        anatomy: &Anatomy,
        lines: &Lines,
        request: &Request<'_>,
        catalogue: &Catalogue<'_>,
        items: &mut BTreeSet<ItemId>,
        drafts: &mut Vec<Draft>,
    ) {
        for role in request.roles {
            let name = feature_name(&format!("{}-{role}", self.name), &request.grouping.reserved);
            let Some(file) = request.directory.join(&format!("{name}.nix")) else {
                continue;
            };
            if self.name.split('-').any(|part| part == role) {
                continue;
            }
            let description = format!("{} of hosts in the role {role}", self.description);
            let draft = match tree.text(&file) {
                Ok(text) => {
                    let feature = Feature::read(&file, &text, &name, request.namespace, catalogue);
                    let adapted = feature.and_then(|it| it.adapt(anatomy, lines, items, catalogue));
                    let Some(adapted) = adapted else { continue };
                    Draft {
                        name,
                        description,
                        file,
                        form: Form::Existing {
                            text: adapted.text,
                            stays: adapted.holes,
                        },
                        items: adapted.taken,
                        options: Vec::new(),
                        replace: Vec::new(),
                        settings: adapted.settings,
                    }
                }
                Err(_) => {
                    let named = identity::extract(anatomy, lines, items, catalogue);
                    Draft {
                        name,
                        description,
                        file,
                        form: Form::Feature,
                        items: items.clone(),
                        options: named.options,
                        replace: named.replace,
                        settings: named.settings,
                    }
                }
            };
            items.retain(|id| !draft.items.contains(id));
            drafts.push(draft);
            if items.is_empty() {
                return;
            }
        }
    }
}

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

/// Where a file of the host alone goes.
fn private_file(anatomy: &Anatomy, host: &str, name: &str) -> Option<TreePath> {
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

fn kept(anatomy: &Anatomy, id: ItemId, reason: &str) -> Option<Kept> {
    let item = anatomy.items.get(id)?;
    let range = emit::node_range(&item.node);
    Some(Kept {
        path: item.path.join("."),
        reason: reason.to_owned(),
        span: Span {
            path: anatomy.path.clone(),
            start: u32::try_from(range.start).unwrap_or(u32::MAX),
            end: u32::try_from(range.end).unwrap_or(u32::MAX),
        },
        lines: item.lines,
    })
}

/// Lines that are not blank.
pub fn nonblank(text: &str) -> usize {
    text.lines().filter(|line| !line.trim().is_empty()).count()
}

/// Takes the host's file apart and groups its definitions.
pub fn dissect(
    tree: &Tree,
    request: &Request<'_>,
    catalogue: &Catalogue<'_>,
) -> Result<(Anatomy, Groups), Unreadable> {
    let text = tree
        .text(request.entry)
        .map_err(|error| Unreadable::Read(error.to_string()))?;
    let path = tree
        .resolve(request.entry)
        .map_err(|error| Unreadable::Read(error.to_string()))?;
    let anatomy = Anatomy::of(&path, &text, &|path| catalogue.above_options(path))
        .map_err(Unreadable::Shape)?;
    let exists = |name: &str| {
        let file = request.directory.join(&format!("{name}.nix"));
        file.is_some_and(|file| tree.entry(&file).is_some())
    };
    let groups = group(
        &anatomy,
        catalogue,
        request.grouping,
        request.namespace,
        &exists,
    );
    Ok((anatomy, groups))
}

/// Why a host's file cannot be taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// It cannot be read.
    Read(String),
    /// It is no literal module.
    Shape(NotAModule),
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
            && !identity::is_mostly_identity(anatomy, &lines, id, catalogue)
    };
    anatomy
        .items
        .iter()
        .enumerate()
        .filter(|(id, item)| is_movable(*id, item))
        .map(|(_, item)| item.lines)
        .sum()
}
