//! Features that exist already.

use std::collections::BTreeSet;

use super::{Planner, private_file};
use crate::refactor::anatomy::ItemId;
use crate::refactor::draft::{Draft, Form};
use crate::refactor::existing::{Adaptation, Feature};
use crate::refactor::group::{MIN_LINES, feature_name};
use crate::refactor::locals::Names;
use crate::tree::TreePath;

/// A feature that exists already.
pub(super) struct Known<'a> {
    pub(super) file: TreePath,
    pub(super) text: String,
    pub(super) name: &'a str,
}

impl Known<'_> {
    /// Whether the host uses the feature, or a variant of it.
    pub(super) fn is_on(&self, planner: &Planner<'_>) -> bool {
        let namespace: Vec<&str> = planner.request.namespace.split('.').collect();
        let is_this = |used: &String| {
            let variant = used.strip_prefix(self.name);
            used == self.name
                || variant.is_some_and(|rest| rest.starts_with('-'))
                    && planner.catalogue.taxonomy.feature(used).is_none()
        };
        planner.anatomy.items.iter().any(|item| {
            item.path.iter().zip(&namespace).all(|(a, b)| a == b)
                && item.path.get(namespace.len()).is_some_and(is_this)
        })
    }

    /// What the feature can take over, it takes; the rest becomes a variant of
    /// it, or a file of the host. Returns what is left.
    pub(super) fn drafts(
        &self,
        planner: &mut Planner<'_>,
        mut items: BTreeSet<ItemId>,
    ) -> BTreeSet<ItemId> {
        if self.is_on(planner) {
            return items;
        }
        let description = planner.catalogue.description(self.name);
        // Rather a variant that takes all than a feature that takes a little
        // and leaves too little for a file.
        let is_worth_it = |adapted: &Adaptation| {
            let (all, taken) = (planner.size(&items), planner.size(&adapted.taken));
            let rest = items.difference(&adapted.taken).copied().collect();
            planner.purposes.is_empty()
                || planner.role_for(self.name, &rest).is_some()
                || all < MIN_LINES
                || taken * 2 >= all
                || all - taken >= MIN_LINES
        };
        let adapted = Some(self.name)
            .filter(|name| !planner.request.avoid.contains(*name))
            .and_then(|name| adapted(planner, &self.file, &self.text, name, &items));
        if let Some(adapted) = adapted.filter(is_worth_it) {
            items.retain(|id| !adapted.taken.contains(id));
            let draft = existing(self.name, description.clone(), self.file.clone(), adapted);
            planner.drafts.push(draft);
        }
        if planner.size(&items) < MIN_LINES || planner.role_for(self.name, &items).is_some() {
            return items;
        }
        self.variants(planner, &description, &mut items);
        let private = private_file(planner.anatomy, planner.request.host, self.name)
            .filter(|file| planner.tree.entry(file).is_none());
        if let Some(file) = private
            && planner.size(&items) >= MIN_LINES
        {
            let items = std::mem::take(&mut items);
            let draft = Draft::private(self.name, description, file, items);
            planner.drafts.push(draft);
        }
        items
    }

    /// Hosts of one purpose share what the feature does differently for them:
    /// `packages` and `packages-kiosk`. A variant that is there already comes
    /// before one that would be new.
    fn variants(&self, planner: &mut Planner<'_>, description: &str, items: &mut BTreeSet<ItemId>) {
        for name in self.existing_variants(planner) {
            let Some(file) = planner.file(&name) else {
                continue;
            };
            let text = planner.tree.text(&file).ok();
            let adapted = text.and_then(|text| adapted(planner, &file, &text, &name, items));
            let Some(adapted) = adapted else { continue };
            let (all, taken) = (planner.size(items), planner.size(&adapted.taken));
            if taken * 2 < all && all - taken < MIN_LINES {
                continue;
            }
            items.retain(|id| !adapted.taken.contains(id));
            let draft = existing(&name, description.to_owned(), file, adapted);
            planner.drafts.push(draft);
            if planner.size(items) < MIN_LINES {
                return;
            }
        }
        let purposes = planner.purposes.clone();
        let first = purposes.iter();
        let plain = first.map(|(purpose, whose)| (purpose.clone(), whose));
        // Two hosts of one purpose that have nothing in common.
        let others = purposes
            .iter()
            .flat_map(|(purpose, whose)| (2..10).map(move |n| (format!("{purpose}-{n}"), whose)));
        for (purpose, whose) in plain.chain(others) {
            let reserved = &planner.request.grouping.reserved;
            let name = match purpose.strip_prefix(self.name) {
                // A role's own feature for another machine of that role.
                Some(rest) => feature_name(&format!("{}{rest}", self.name), reserved),
                None => feature_name(&format!("{}-{purpose}", self.name), reserved),
            };
            let is_named_so = name == self.name || self.name.split('-').any(|part| part == purpose);
            let file = planner.file(&name).filter(|file| {
                let is_drafted = planner.drafts.iter().any(|draft| draft.file == *file);
                !is_named_so && !is_drafted && planner.tree.entry(file).is_none()
            });
            if let Some(file) = file {
                let description = match planner.is_role(self.name) {
                    true => planner.description(self.name),
                    false => format!("{description} {whose}"),
                };
                let draft = planner.feature(&name, description, file, std::mem::take(items));
                planner.drafts.push(draft);
                return;
            }
        }
    }

    /// Features named after this one that the taxonomy does not know.
    fn existing_variants(&self, planner: &Planner<'_>) -> Vec<String> {
        let listed = planner.tree.list(planner.request.directory);
        listed
            .keys()
            .filter_map(|file| file.strip_suffix(".nix"))
            .filter(|name| {
                let variant = name.strip_prefix(self.name);
                variant.is_some_and(|rest| rest.starts_with('-'))
                    && planner.catalogue.taxonomy.feature(name).is_none()
                    && !planner.request.avoid.contains(*name)
            })
            .map(str::to_owned)
            .collect()
    }
}

/// How a feature can take over items of the host.
fn adapted(
    planner: &Planner<'_>,
    file: &TreePath,
    text: &str,
    name: &str,
    items: &BTreeSet<ItemId>,
) -> Option<Adaptation> {
    let feature = Feature::read(
        file,
        text,
        name,
        planner.request.namespace,
        planner.catalogue,
    );
    feature?.adapt(planner.anatomy, &planner.lines, items, planner.catalogue)
}

fn existing(name: &str, description: String, file: TreePath, adapted: Adaptation) -> Draft {
    Draft {
        name: name.to_owned(),
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
