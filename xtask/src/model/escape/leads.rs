//! Where the flake may be in a value.

use std::collections::BTreeMap;

use crate::model::term::Key;
use crate::syntax::hir::Name;

/// Deepest nesting that is told apart.
const DEPTH: u32 = 8;

/// Names that the module system or nixpkgs give, whatever is handed on.
pub(super) const STANDARD: [&str; 11] = [
    "config",
    "final",
    "lib",
    "modulesPath",
    "options",
    "pkgs",
    "prev",
    "stdenv",
    "super",
    "system",
    "utils",
];

/// An abstract value: where in it the flake may be found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Leads {
    /// It may be the flake, or a text that is its place.
    pub tree: bool,
    /// It may be the set of inputs, one of which is the flake.
    pub inputs: bool,
    /// Attributes by name.
    pub members: BTreeMap<Name, Leads>,
    /// Attributes of any name.
    pub each: Option<Box<Leads>>,
    /// Elements of a list.
    pub items: Option<Box<Leads>>,
    /// It may be it or anywhere in it, as in a system that was made of it.
    pub anywhere: bool,
    /// It may be all of a configuration.
    pub config: bool,
    /// It may be all that is handed on, by name.
    pub handed: bool,
}

impl Leads {
    /// The flake.
    pub fn tree() -> Self {
        Self {
            tree: true,
            ..Self::default()
        }
    }

    /// The inputs.
    pub fn inputs() -> Self {
        Self {
            inputs: true,
            ..Self::default()
        }
    }

    /// All of a configuration. It is not copied: the configuration may hold itself.
    pub fn config() -> Self {
        Self {
            config: true,
            ..Self::default()
        }
    }

    /// A list of these.
    pub fn list(of: Self) -> Self {
        Self {
            items: (!of.is_none()).then(|| Box::new(of)),
            ..Self::default()
        }
    }

    /// A set of these.
    pub fn set_of(of: Self) -> Self {
        Self {
            each: (!of.is_none()).then(|| Box::new(of)),
            ..Self::default()
        }
    }

    /// Whether the flake is nowhere in it.
    pub fn is_none(&self) -> bool {
        !self.tree
            && !self.anywhere
            && !self.config
            && !self.handed
            && !self.inputs
            && self.members.is_empty()
            && self.each.is_none()
            && self.items.is_none()
    }

    /// Whether it may be a text that is the flake's place.
    pub fn names_tree(&self) -> bool {
        self.tree || self.anywhere
    }

    /// Both of them.
    pub fn join(&mut self, other: &Self) {
        self.join_at(other, 0);
    }

    fn join_at(&mut self, other: &Self, depth: u32) {
        if other.is_none() {
            return;
        }
        if depth >= DEPTH {
            (self.tree, self.anywhere) = (true, true);
            return;
        }
        self.tree |= other.tree;
        self.inputs |= other.inputs;
        self.anywhere |= other.anywhere;
        self.config |= other.config;
        self.handed |= other.handed;
        for (name, leads) in &other.members {
            let own = self.members.entry(name.clone()).or_default();
            own.join_at(leads, depth + 1);
        }
        for (own, other) in [
            (&mut self.each, &other.each),
            (&mut self.items, &other.items),
        ] {
            if let Some(other) = other {
                own.get_or_insert_default().join_at(other, depth + 1);
            }
        }
    }

    /// Both of them.
    pub fn or(mut self, other: &Self) -> Self {
        self.join(other);
        self
    }

    /// Adds what stands at a path.
    pub fn put(&mut self, path: &[Key], leads: Self) {
        if leads.is_none() {
            return;
        }
        let nested = path.iter().rev().fold(leads, |leads, key| match key {
            Key::Name(name) => Self {
                members: BTreeMap::from([(name.clone(), leads)]),
                ..Self::default()
            },
            Key::Term(_) => Self::set_of(leads),
        });
        self.join(&nested);
    }

    /// The attribute of a name; not what the flake, a configuration or
    /// all that is handed on has.
    pub fn member(&self, name: &str) -> Self {
        let mut found = self.members.get(name).cloned().unwrap_or_default();
        if let Some(each) = &self.each {
            found.join(each);
        }
        found.tree |= self.inputs && name == "self";
        found.anywhere |= self.anywhere;
        found
    }

    /// Of declarations: what the options are by default, or made of what they are.
    pub fn defaults(&self) -> Self {
        let mut all = Self::default();
        for (name, leads) in &self.members {
            match &**name {
                "default" | "apply" => all.join(leads),
                _ => all.put(&[Key::Name(name.clone())], leads.defaults()),
            }
        }
        if let Some(each) = &self.each {
            all.join(&Self::set_of(each.defaults()));
        }
        all
    }

    /// The attributes of a name at any depth.
    pub fn named(&self, name: &str) -> Self {
        let mut found = self.member(name);
        let inner = self.members.values();
        for leads in inner
            .chain(self.each.as_deref())
            .chain(self.items.as_deref())
        {
            found.join(&leads.named(name));
        }
        found
    }

    /// Any of its attributes or elements.
    pub fn elements(&self) -> Self {
        let mut all = Self::default();
        self.members.values().for_each(|leads| all.join(leads));
        for leads in [&self.each, &self.items].into_iter().flatten() {
            all.join(leads);
        }
        all.tree |= self.inputs;
        all.anywhere |= self.anywhere;
        all
    }

    /// It, and all that is in it.
    pub fn flat(&self) -> Self {
        let mut all = self.clone();
        let mut level = self.elements();
        for _ in 0..DEPTH {
            if level.is_none() {
                break;
            }
            all.join(&level);
            level = level.elements();
        }
        all
    }

    /// Collects what stands below names that are of arguments (`specialArgs`,
    /// `extraSpecialArgs`, `_module.args`).
    pub fn arguments(&self, given: &mut Self) {
        for (name, leads) in &self.members {
            if name.to_ascii_lowercase().contains("args") {
                given.join(leads);
            }
            leads.arguments(given);
        }
        for leads in [&self.each, &self.items].into_iter().flatten() {
            leads.arguments(given);
        }
    }
}
