//! `migrate host`: a monolithic module becomes feature modules and a
//! composition.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::anatomy::{Anatomy, ItemId, NotAModule};
use super::carve::Carver;
use super::catalogue::Catalogue;
use super::compose::{Composition, Position, Setting, host_text};
use super::draft::Form;
use super::emit;
use super::group::{Grouping, Groups, group};
use super::locals::{self, Party};
use super::placement::Beside;
use crate::edit::{Change, ChangeSet};
use crate::problem::Span;
use crate::tree::{Tree, TreePath};

use super::drafts::drafts;
pub use super::entry::{entry, has_others, movable_lines, roles};

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
    /// The place in another file's `imports` that features go to.
    pub beside: Option<&'a Beside>,
    /// What the machine is for; tells variants of a feature apart.
    pub roles: &'a [String],
    /// Features that exist and shall not be changed for this host.
    pub avoid: BTreeSet<String>,
    /// Modules of the host alone, beside its file, which declare no option.
    pub plain: bool,
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
    /// Those of them that existed before.
    pub existing: BTreeSet<String>,
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
                options: draft.option_names(),
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
    for (draft, handed) in drafts.iter_mut().zip(plan.handed) {
        draft.hand_over(handed);
    }
    for (draft, carried) in drafts.iter().zip(&plan.carried) {
        if let Form::Existing { text, .. } = &draft.form {
            proposal.existing.insert(draft.name.clone());
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
        let lines: usize = draft
            .items
            .iter()
            .filter_map(|id| anatomy.items.get(*id))
            .map(|item| item.lines)
            .sum();
        // What the host still says itself has not left it.
        let said = draft.settings.iter().map(|(_, value)| nonblank(value));
        let lines = lines.saturating_sub(said.sum());
        *proposal.features.entry(draft.name.clone()).or_default() += lines;
        for id in &draft.items {
            proposal.taken.insert(*id, draft.name.clone());
        }
        if draft.form == Form::Private && !request.plain {
            let shared = format!("{}.nix", draft.name);
            let reason = format!("differs from features {shared}; moved to {}", draft.file);
            let own = draft.items.iter();
            proposal
                .kept
                .extend(own.filter_map(|id| kept(anatomy, *id, &reason)));
        } else if draft.form != Form::Private {
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
    if let Some(beside) = request.beside.filter(|_| !imports.is_empty()) {
        let (file, change) = beside.change(&std::mem::take(&mut imports));
        proposal.changes.insert(file, change);
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
