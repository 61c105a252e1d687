//! What can be told of a term without evaluating it.

use super::functions::hands_on;
use super::leads::Leads;
use super::names::{holds_modules, is_config};
use super::{Walk, given_host, terms_inside};
use crate::model::Host;
use crate::model::term::{Key, ParamTerm, Term, TermKind as K};
use crate::syntax::hir::BinaryOp;

impl Walk<'_, '_> {
    /// Whether anything that leads to the flake is named in a term.
    pub(super) fn mentions(&mut self, term: &Term) -> bool {
        if let Some(known) = self.mentions.get(&term.digest()) {
            return *known;
        }
        let known = stacker::maybe_grow(128 << 10, 4 << 20, || self.mentions_here(term));
        self.mentions.insert(term.digest(), known);
        known
    }

    fn mentions_here(&mut self, term: &Term) -> bool {
        match term.kind() {
            K::Flake | K::Inputs => true,
            K::Path(path, _) => path.as_str().is_empty(),
            K::ArgSet(_) => !self.handed.is_none() || !self.config.is_none(),
            K::Bound(_, name) if matches!(&**name, "" | "@") => {
                !self.handed.is_none() || !self.config.is_none()
            }
            K::Arg(name) | K::Bound(_, name) => !self.argument(name).is_none(),
            K::Select(base, keys, default) if is_config(base) => {
                let mut found = match keys.first() {
                    Some(Key::Name(first)) => self.option(base, first),
                    _ => self.elements(&Leads::config()),
                };
                let holder = matches!(keys.first(), Some(Key::Name(name)) if holds_modules(name));
                let mut mentioned = default.as_ref().is_some_and(|it| self.mentions(it));
                for (at, key) in keys.iter().enumerate() {
                    if let Key::Term(term) = key {
                        mentioned |= self.mentions(term);
                    }
                    match key {
                        _ if at == 0 => {}
                        Key::Name(name) => {
                            mentioned |= holder && self.config.members.contains_key(name);
                            found = self.member(&found, name);
                        }
                        Key::Term(_) => found = self.elements(&found),
                    }
                    // Outputs and other hosts are read of the flake.
                    mentioned |= found.tree || found.inputs;
                }
                mentioned || !found.is_none()
            }
            _ => {
                let mut children = Vec::new();
                term.children(&mut |child| children.push(child.clone()));
                children.iter().any(|child| self.mentions(child))
            }
        }
    }

    /// Whether the parameter of a function with this body is a set of arguments.
    pub(super) fn is_given_arguments(&mut self, body: &Term) -> bool {
        if let Some(known) = self.arguments.get(&body.digest()) {
            return *known;
        }
        let known = self.is_of_arguments(body, 0);
        self.arguments.insert(body.digest(), known);
        known
    }

    /// Whether a parameter is a set of arguments: names that are handed on are read
    /// of it, or it is itself handed on.
    fn is_of_arguments(&self, term: &Term, depth: u32) -> bool {
        let is_it = |term: &Term| matches!(term.kind(), K::Bound(at, _) if *at == depth);
        let mut found = match term.kind() {
            K::Select(base, keys, _) if is_it(base) => match keys.first() {
                Some(Key::Name(name)) => !self.member(&self.handed, name).is_none(),
                _ => true,
            },
            K::WithVar(_, scopes) => scopes.iter().any(is_it),
            K::Apply(function, argument) => {
                let whole = match argument.kind() {
                    K::Binary(BinaryOp::Update, left, right) => is_it(left) || is_it(right),
                    _ => is_it(argument),
                };
                whole && self.takes_arguments(function)
            }
            _ => false,
        };
        let deeper = depth + u32::from(matches!(term.kind(), K::Lambda(..) | K::Mu(_)));
        term.children(&mut |child| found = found || self.is_of_arguments(child, deeper));
        found
    }

    /// Whether the next parameter of a function is a set of arguments.
    fn takes_arguments(&self, function: &Term) -> bool {
        let (mut head, mut before) = (function, 0);
        while let K::Apply(function, _) = head.kind() {
            (head, before) = (function, before + 1);
        }
        if let K::Mu(body) = head.kind() {
            head = body;
        }
        while let K::Lambda(param, body) = head.kind() {
            if before == 0 {
                return *param != ParamTerm::Plain || self.is_of_arguments(body, 0);
            }
            (head, before) = (body, before - 1);
        }
        hands_on(head)
    }

    /// Whether an argument that is another host may be taken by what is not followed:
    /// by a function that others call, or out of a set of all arguments.
    pub(super) fn takes_a_host(&self, host: &Host) -> bool {
        let given: Vec<&str> = host.arguments.iter().filter_map(given_host).collect();
        if given.is_empty() {
            return false;
        }
        let given = |name: &str| given.contains(&name);
        let mut taken = false;
        for term in terms_inside(host).chain(&self.files) {
            term.walk(&mut |term| {
                taken |= match term.kind() {
                    K::ArgSet(_) => true,
                    K::Lambda(ParamTerm::Set(formals, ..), _) => {
                        formals.iter().any(|(name, _)| given(name))
                    }
                    K::Select(base, keys, _) if matches!(base.kind(), K::Bound(..)) => {
                        !matches!(keys.first(), Some(Key::Name(name)) if !given(name))
                    }
                    K::WithVar(name, _) => given(name),
                    _ => false,
                };
            });
        }
        taken
    }
}
