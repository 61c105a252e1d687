//! Terms evaluated over what they lead to.

use std::collections::BTreeMap;

use super::leads::{Leads, STANDARD};
use super::names::{CONFIG, holds_modules, is_config, is_outer, without_option};
use super::scope::Scope;
use super::{STEPS, Walk};
use crate::model::term::{Key, ParamTerm, Term, TermKind as K};
use crate::syntax::hir::{BinaryOp, Name};

/// What the flake says of itself; with its place pinned these are pinned, too.
const OF_ITSELF: [&str; 11] = [
    "_type",
    "dirtyRev",
    "dirtyShortRev",
    "lastModified",
    "lastModifiedDate",
    "narHash",
    "rev",
    "revCount",
    "shortRev",
    "submodules",
    "type",
];

impl Walk<'_, '_> {
    /// What the value of a term leads to; what it reads of the flake is recorded.
    pub(super) fn leads(&mut self, term: &Term, scope: &Scope) -> Leads {
        if self.steps >= STEPS {
            self.read_all();
        }
        if self.reads_all() {
            return Leads::default();
        }
        self.steps += 1;
        let mark = scope.mark(term.parameters());
        if mark == 0 && !self.mentions(term) {
            return Leads::default();
        }
        if let Some(leads) = self.known.get(&(term.digest(), mark, self.outside)) {
            return leads.clone();
        }
        let outer = self.current.replace(term.clone());
        let leads = stacker::maybe_grow(128 << 10, 4 << 20, || self.leads_here(term, scope));
        self.current = outer;
        self.known
            .insert((term.digest(), mark, self.outside), leads.clone());
        leads
    }

    fn leads_here(&mut self, term: &Term, scope: &Scope) -> Leads {
        match term.kind() {
            K::Flake => Leads::tree(),
            K::Inputs => Leads::inputs(),
            K::Path(..) if *term == Term::tree() => Leads::tree(),
            K::Arg(name) => self.argument(name),
            K::ArgSet(_) => self.all_handed(),
            K::Bound(depth, name) => {
                let bound = scope.given(*depth);
                if matches!(&**name, "" | "@") {
                    return bound;
                }
                let mut found = self.select(bound, &[Key::Name(name.clone())], false);
                if STANDARD.contains(&&**name) {
                    found = self.argument(name);
                } else if is_outer(name) {
                    found.join(&self.argument(name));
                }
                found
            }
            K::List(items) => {
                let mut all = Leads::default();
                for item in items {
                    all.join(&self.leads(item, scope));
                }
                Leads::list(all)
            }
            K::Set(fixed, dynamic) => {
                let mut all = Leads::default();
                for (name, term) in fixed {
                    let leads = self.leads(term, scope);
                    all.put(&[Key::Name(name.clone())], leads);
                }
                for (name, term) in dynamic {
                    self.leads(name, scope);
                    let leads = self.leads(term, scope);
                    all.join(&Leads::set_of(leads));
                }
                all
            }
            K::Select(base, keys, default) => {
                let literal = !self.outside && matches!(base.kind(), K::Flake | K::Inputs);
                self.keys(keys, scope);
                let keys = without_option(base, keys);
                let mut found = match (base.kind(), keys.split_first()) {
                    // All of it is large.
                    (K::Arg(_) | K::Bound(..), Some((Key::Name(first), rest)))
                        if is_config(base) =>
                    {
                        let option = self.option(base, first);
                        let mut found = self.select(option, rest, false);
                        // Of a configuration in it, as a user's home has one.
                        let inner = if holds_modules(first) { keys.len() } else { 1 };
                        for at in 1..inner {
                            if let Some((Key::Name(first), rest)) =
                                keys.get(at..).and_then(<[Key]>::split_first)
                                && let Some(inner) = self.config.members.get(first).cloned()
                            {
                                found.join(&self.select(inner, rest, false));
                            }
                        }
                        found
                    }
                    _ => {
                        let base = self.leads(base, scope);
                        self.select(base, keys, literal)
                    }
                };
                if let Some(default) = default {
                    found.join(&self.leads(default, scope));
                }
                found
            }
            K::HasAttr(base, keys) => {
                self.keys(keys, scope);
                let base = self.leads(base, scope);
                let of_itself = |name: &str| {
                    OF_ITSELF.contains(&name)
                        || matches!(name, "inputs" | "outPath" | "nixosConfigurations")
                };
                match keys.first() {
                    Some(Key::Name(name)) if base.tree && !of_itself(name) => {
                        self.output(name);
                    }
                    Some(Key::Term(_)) if base.tree => self.read_all(),
                    _ => {}
                }
                Leads::default()
            }
            K::WithVar(name, scopes) => {
                let mut found = Leads::default();
                for with in scopes {
                    let leads = self.leads(with, scope);
                    found.join(&self.select(leads, &[Key::Name(name.clone())], false));
                }
                found
            }
            K::Interp(parts) => self.text(&parts.iter().collect::<Vec<_>>(), scope),
            K::Binary(BinaryOp::Add, ..) => {
                let mut parts = Vec::new();
                let mut rest = vec![term];
                while let Some(term) = rest.pop() {
                    match term.kind() {
                        K::Binary(BinaryOp::Add, left, right) => rest.extend([right, left]),
                        _ => parts.push(term),
                    }
                }
                self.text(&parts, scope)
            }
            // What is read there is in the term with its digest.
            K::PathInterp(place, _, parts) => {
                for part in parts.iter().filter(|part| *part.kind() != K::Flake) {
                    // In a file that is not followed the digest counts nowhere else.
                    if self.leads(part, scope).names_tree() {
                        self.read(place);
                    }
                }
                Leads::default()
            }
            K::Lambda(param, body) => {
                let mut given = Leads::default();
                match param {
                    // It refuses whatever else there is.
                    ParamTerm::Set(formals, false, _) => {
                        let handed = self.all_handed();
                        for (name, _) in formals {
                            let leads = self.member(&handed, name);
                            given.put(&[Key::Name(name.clone())], leads);
                        }
                    }
                    ParamTerm::Set(..) => given = self.all_handed(),
                    ParamTerm::Plain if self.is_given_arguments(body) => {
                        given = self.all_handed();
                    }
                    ParamTerm::Plain => {}
                }
                let inner = self.bind(param, given, scope);
                self.leads(body, &inner)
            }
            K::Mu(body) if matches!(body.kind(), K::Lambda(..)) => {
                self.leads(body, &scope.with_function())
            }
            K::Mu(body) => {
                let first = self.leads(body, &scope.with(Leads::default()));
                if first.is_none() {
                    return first;
                }
                let again = self.leads(body, &scope.with(first.clone()));
                first.or(&again)
            }
            K::Apply(..) => self.call(term, scope),
            K::If(condition, then, other) => {
                self.leads(condition, scope);
                let then = self.leads(then, scope);
                then.or(&self.leads(other, scope))
            }
            K::Assert(condition, body) => {
                self.leads(condition, scope);
                self.leads(body, scope)
            }
            K::Binary(op, left, right) => {
                let both = self.leads(left, scope).or(&self.leads(right, scope));
                match op {
                    BinaryOp::Update | BinaryOp::Concat => both,
                    _ => Leads::default(),
                }
            }
            K::Unary(_, operand) => {
                self.leads(operand, scope);
                Leads::default()
            }
            _ => Leads::default(),
        }
    }

    /// The scope of the body of a function that is given this.
    pub(super) fn bind(&mut self, param: &ParamTerm, given: Leads, scope: &Scope) -> Scope {
        let mut given = given;
        if let ParamTerm::Set(formals, ..) = param {
            for (name, default) in formals {
                if let Some(default) = default {
                    let leads = self.leads(default, &scope.with(given.clone()));
                    given.put(&[Key::Name(name.clone())], leads);
                }
            }
        }
        scope.with(given)
    }

    /// An argument that the module system gives.
    pub(super) fn argument(&self, name: &str) -> Leads {
        match name {
            _ if CONFIG.contains(&name) && self.config.is_none() => Leads::default(),
            _ if CONFIG.contains(&name) => Leads::config(),
            "specialArgs" => self.all_handed(),
            _ if STANDARD.contains(&name) => {
                self.handed.members.get(name).cloned().unwrap_or_default()
            }
            _ => self.member(&self.handed, name),
        }
    }

    /// The attribute of a name.
    pub(super) fn member(&self, leads: &Leads, name: &str) -> Leads {
        let mut found = leads.member(name);
        if leads.config {
            found.join(&self.config.named(name));
        }
        if leads.handed {
            found.join(&self.handed.member(name));
            if is_outer(name) && !self.config.is_none() {
                found.join(&Leads::config());
            }
        }
        found
    }

    /// All that is handed on. What of it has a name is not copied: names may be handed
    /// on below themselves.
    pub(super) fn all_handed(&self) -> Leads {
        Leads {
            members: BTreeMap::new(),
            handed: !self.handed.is_none(),
            ..self.handed.clone()
        }
    }

    /// Any of its attributes or elements.
    pub(super) fn elements(&self, leads: &Leads) -> Leads {
        let mut all = leads.elements();
        if leads.config {
            all.join(&self.config.elements());
        }
        if leads.handed {
            all.join(&self.handed.elements());
        }
        all
    }

    /// It, and all that is in it.
    pub(super) fn flat(&self, leads: &Leads) -> Leads {
        let mut all = leads.flat();
        if all.config {
            all.join(&self.config.flat());
        }
        if all.handed {
            all.join(&self.handed.flat());
        }
        all
    }

    /// What is below the first name of an option. A module that is a value of the host
    /// may be given a configuration of its own, in which what is defined below any
    /// option of the host stands at the top.
    pub(super) fn option(&self, base: &Term, first: &str) -> Leads {
        if first == "_module" {
            let arguments = self.all_handed();
            let named = ["args", "specialArgs"].map(|name| (Name::from(name), arguments.clone()));
            return Leads {
                members: BTreeMap::from(named),
                ..Leads::default()
            };
        }
        match base.kind() {
            K::Arg(_) => self.config.member(first),
            _ => self.config.named(first),
        }
    }

    fn keys(&mut self, keys: &[Key], scope: &Scope) {
        for key in keys {
            if let Key::Term(term) = key {
                self.leads(term, scope);
            }
        }
    }

    /// What stands at a path of attributes. `literal` says that the base is written
    /// as the flake or its inputs: reads of other hosts are known of these.
    pub(super) fn select(&mut self, base: Leads, keys: &[Key], literal: bool) -> Leads {
        let mut current = base;
        for key in keys {
            if current.is_none() {
                break;
            }
            let mut next = match key {
                Key::Name(name) => self.member(&current, name),
                Key::Term(_) => self.elements(&current),
            };
            if current.tree {
                match key {
                    Key::Name(name) => match &**name {
                        "outPath" | "sourceInfo" | "outputs" => next.tree = true,
                        "inputs" => next.inputs = true,
                        "nixosConfigurations" => {
                            self.hosts |= !literal;
                            return next;
                        }
                        text if OF_ITSELF.contains(&text) => {}
                        _ => next.join(&self.output(name)),
                    },
                    Key::Term(_) => self.read_all(),
                }
            } else if let Key::Name(name) = key
                && current.anywhere
                && self.is_output(name)
            {
                next.join(&self.output(name));
            }
            current = next;
        }
        current
    }
}
