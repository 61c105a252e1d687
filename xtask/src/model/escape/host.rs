//! What a host's modules lead to.

use super::Walk;
use super::functions::name_of;
use super::leads::Leads;
use super::scope::Scope;
use crate::model::term::{Key, Term, TermKind as K};
use crate::model::{Definition, Host, Origin, Wrapper};
use crate::syntax::hir::Name;

impl Walk<'_, '_> {
    pub(super) fn host(&mut self, host: &Host) {
        for (name, term) in &host.arguments {
            let leads = self.value(term);
            match name.strip_prefix("specialArgs.") {
                Some(name) => self.handed.put(&[Key::Name(Name::from(name))], leads),
                None => self.handed.join(&leads),
            }
        }
        for module in &host.modules {
            if let Origin::Opaque(term, _) = &module.origin {
                self.value(term);
                self.renamed(term);
            }
        }
        for declaration in &host.declarations {
            self.place.clone_from(&declaration.span);
            let effect = self.value(&declaration.effect);
            let path: Vec<Key> = declaration.path.iter().cloned().map(Key::Name).collect();
            self.config.put(&path, effect.member("apply"));
            // Submodules: what their options are by default.
            self.defined(&effect.member("type"));
            if let Some(default) = &declaration.default {
                let leads = self.value(default);
                self.config.put(&path, leads);
            }
        }
        for definition in &host.definitions {
            self.definition(definition);
        }
        self.place = None;
        let mut given = Leads::default();
        self.config.arguments(&mut given);
        self.handed.join(&given);
        // What overlays add to the packages is given by name, too.
        let mut overlays = self.config.named("overlays").elements();
        // They are sets.
        (overlays.tree, overlays.anywhere) = (false, false);
        self.handed
            .put(&[Key::Name("pkgs".into())], overlays.clone());
        self.handed.join(&overlays);
    }

    fn definition(&mut self, definition: &Definition) {
        self.place.clone_from(&definition.span);
        for key in &definition.path {
            if let Key::Term(term) = key {
                self.value(term);
            }
        }
        for (_, wrapper) in &definition.wrappers {
            if let Wrapper::If(condition) = wrapper {
                self.value(condition);
            }
        }
        let leads = self.value(&definition.value);
        self.options_in(&leads);
        self.config.put(&definition.path, leads);
    }

    /// What a module defines of which it is not known where it counts.
    pub(super) fn defined(&mut self, module: &Leads) {
        let mut module = module.clone();
        (module.tree, module.inputs, module.anywhere) = (false, false, false);
        self.options_in(&module);
        self.config.join(&module.member("config"));
        self.config.join(&module);
    }

    /// What options that modules inside of a value declare are by default.
    fn options_in(&mut self, module: &Leads) {
        for (name, leads) in &module.members {
            match &**name {
                "options" => self.config.join(&leads.defaults()),
                _ => self.options_in(leads),
            }
        }
        for leads in [&module.each, &module.items].into_iter().flatten() {
            self.options_in(leads);
        }
    }

    /// What a file leads to that others call with what they are handed.
    pub(super) fn file(&mut self, file: &Term) -> Leads {
        let mut scope = Scope::default();
        let mut body = file;
        while let K::Lambda(param, inner) = body.kind() {
            let given = self.all_handed();
            scope = self.bind(param, given, &scope);
            body = inner;
        }
        self.leads(body, &scope)
    }

    /// What a term of the host leads to.
    pub(super) fn value(&mut self, term: &Term) -> Leads {
        self.leads(term, &Scope::default())
    }

    /// An option that is defined by the name of another one.
    fn renamed(&mut self, module: &Term) {
        let K::Apply(function, to) = module.kind() else {
            return;
        };
        let K::Apply(function, from) = function.kind() else {
            return;
        };
        let name = name_of(function).unwrap_or_default();
        if !(name.starts_with("mkAliasOptionModule") || name.starts_with("mkRenamedOptionModule")) {
            return;
        }
        let [from, to] = [from, to].map(path_of);
        let (Some(from), Some(to)) = (from, to) else {
            return;
        };
        for (from, to) in [(&from, &to), (&to, &from)] {
            let leads = self.select(self.config.clone(), from, false);
            self.config.put(to, leads);
        }
    }
}

/// A path of names written as a list.
fn path_of(term: &Term) -> Option<Vec<Key>> {
    let K::List(items) = term.kind() else {
        return None;
    };
    let name = |item: &Term| match item.kind() {
        K::Str(name) => Some(Key::Name(name.clone())),
        _ => None,
    };
    items.iter().map(name).collect()
}
