//! `migrate host`: a monolithic module becomes feature modules and a
//! composition.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::anatomy::{Anatomy, ItemId, NotAModule};
use super::carve::Carver;
use super::catalogue::Catalogue;
use super::compose::{Composition, Position, Setting, host_text};
use super::emit::{self, Draft, Form};
use super::group::{Grouping, Groups, group};
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
                holes: draft.holes(),
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
        let text = emit::module(&carver, draft, carried, request.namespace)
            .map_err(|reason| reason.reason())?;
        proposal.changes.insert(
            draft.file.clone(),
            Change::Create {
                contents: text.into_bytes(),
                executable: false,
            },
        );
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
        if draft.form == Form::Feature {
            settings.push(Setting {
                feature: draft.name.clone(),
                enable: true,
                values: draft.settings.clone(),
            });
        }
        if !request.auto_import || draft.form == Form::Private {
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
            match emit::check(anatomy, &own, &holes, Form::Feature) {
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
        if tree.entry(&file).is_some() {
            for id in items {
                keep.insert(id, format!("differs from {file}"));
            }
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
    let groups = group(&anatomy, catalogue, request.grouping, request.namespace);
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
    anatomy
        .items
        .iter()
        .filter(|item| !matches!(catalogue.class(&item.path), Class::Host(_)))
        .filter(|item| !identity::is_in_the_path(&item.path, catalogue))
        .map(|item| item.lines)
        .sum()
}
