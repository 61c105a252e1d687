//! Which files a migration makes, and what goes into each.

use std::collections::{BTreeMap, BTreeSet};

use super::anatomy::{Anatomy, ItemId};
use super::catalogue::Catalogue;
use super::emit::{self, Draft, Form};
use super::existing::{Adaptation, Feature};
use super::group::{Groups, MIN_LINES, feature_name};
use super::host::Request;
use super::identity;
use super::locals::Names;
use super::reindent::Lines;
use crate::tree::{Tree, TreePath};

/// One draft per group; items that cannot stand in another file are kept.
pub(super) fn drafts(
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
            match emit::check(anatomy, &own, &holes, &Names::new(), &Form::Feature) {
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
            handed: Names::new(),
        });
    }
    drafts
}

/// A feature that exists already.
pub(super) struct Known<'a> {
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
                handed: Names::new(),
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
                handed: Names::new(),
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
                        handed: Names::new(),
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
                        handed: Names::new(),
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
