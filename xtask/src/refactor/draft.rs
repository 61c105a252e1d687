//! Files that are going to be made.

use std::collections::BTreeSet;
use std::ops::Range;

use super::anatomy::{Anatomy, ItemId};
use super::emit::node_range;
use super::locals::Names;
use crate::tree::TreePath;

/// What a generated file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// Declares `<namespace>.<name>.enable` and acts when it is set.
    Feature,
    /// A plain module of one host.
    Private,
    /// A feature that exists, with its new text if it changes; `stays` are the
    /// values that the host keeps as settings.
    Existing {
        /// Its new text.
        text: Option<String>,
        /// Byte ranges in the host's file.
        stays: Vec<Range<usize>>,
    },
}

/// An option that a generated feature declares beside `enable`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionDecl {
    /// Its name.
    pub name: String,
    /// Type expression, with `lib.` where needed.
    pub type_text: String,
    /// Default expression.
    pub default: Option<String>,
    /// What it is, a noun phrase with a full stop.
    pub description: String,
}

/// One file that is going to be made.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Name of the feature.
    pub name: String,
    /// What the feature is, to follow "Whether to enable".
    pub description: String,
    /// Where it goes.
    pub file: TreePath,
    /// What it is.
    pub form: Form,
    /// The definitions that it takes over.
    pub items: BTreeSet<ItemId>,
    /// Options beside `enable`.
    pub options: Vec<OptionDecl>,
    /// Values replaced by `cfg.<option>`.
    pub replace: Vec<(Range<usize>, String)>,
    /// What the host sets: option name and expression.
    pub settings: Vec<(String, String)>,
    /// Names of the host's `let` that it passes as options of the same name.
    pub handed: Names,
}

impl Draft {
    /// A plain module of one host.
    pub fn private(
        name: &str,
        description: String,
        file: TreePath,
        items: BTreeSet<ItemId>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            description,
            file,
            form: Form::Private,
            items,
            options: Vec::new(),
            replace: Vec::new(),
            settings: Vec::new(),
            handed: Names::new(),
        }
    }

    /// The names of its options, if it can have more of them.
    pub fn option_names(&self) -> Option<BTreeSet<String>> {
        let names = self.options.iter().map(|option| option.name.clone());
        (self.form == Form::Feature).then(|| names.collect())
    }

    /// Makes options of names that the host's `let` binds.
    pub fn hand_over(&mut self, names: Names) {
        for (_, name) in &names {
            self.options.push(OptionDecl {
                name: name.clone(),
                type_text: "lib.types.uniq lib.types.unspecified".to_owned(),
                default: None,
                description: format!("What the host calls `{name}`."),
            });
            self.settings.push((name.clone(), name.clone()));
        }
        self.handed = names;
    }

    /// Parts of its definitions that are not written to its file.
    pub fn holes(&self, anatomy: &Anatomy) -> Vec<Range<usize>> {
        match self.form {
            Form::Existing { .. } => self
                .items
                .iter()
                .filter_map(|id| anatomy.items.get(*id))
                .map(|item| node_range(&item.node))
                .collect(),
            _ => self.stays(),
        }
    }

    /// Values of its definitions that the host keeps as settings.
    pub fn stays(&self) -> Vec<Range<usize>> {
        match &self.form {
            Form::Existing { stays, .. } => stays.clone(),
            _ => self
                .replace
                .iter()
                .map(|(range, _)| range.clone())
                .collect(),
        }
    }
}
