//! What modules are called with.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::model::eval::Eval;
use crate::model::term::{Term, TermKind as K};
use crate::model::value::{Attribute, Code, Set, Thunk, Value};
use crate::syntax::hir::{Name, Param};

/// The arguments that modules of one evaluation are called with.
pub struct Arguments {
    names: FxHashMap<Name, Thunk>,
    /// Names that every module gets, whether it asks for them or not.
    always: Vec<Name>,
}

impl Arguments {
    /// Arguments with the given `specialArgs`.
    pub fn new(eval: &mut Eval<'_>, special: Option<&Set>) -> Self {
        let mut names = FxHashMap::default();
        if let Some(special) = special {
            for (name, attribute) in &special.fixed {
                let term = Term::new(K::Arg(name.clone()));
                let thunk = eval.thunk(Code::Named(term, Some(attribute.value)));
                names.insert(name.clone(), thunk);
            }
        }
        let mut always: Vec<Name> = names.keys().cloned().collect();
        for name in ["config", "options", "lib"] {
            let name = Name::from(name);
            if !names.contains_key(&name) {
                let thunk = eval.thunk(Code::Named(Term::new(K::Arg(name.clone())), None));
                names.insert(name.clone(), thunk);
                always.push(name);
            }
        }
        Self { names, always }
    }

    fn get(&mut self, eval: &mut Eval<'_>, name: &Name) -> Thunk {
        if let Some(thunk) = self.names.get(name) {
            return *thunk;
        }
        let thunk = eval.thunk(Code::Named(Term::new(K::Arg(name.clone())), None));
        self.names.insert(name.clone(), thunk);
        thunk
    }

    /// An argument that every module is given and this function refuses.
    pub(super) fn unexpected(&self, param: &Param) -> Option<&Name> {
        match param {
            Param::Set {
                formals,
                ellipsis: false,
                ..
            } => self
                .always
                .iter()
                .find(|name| !formals.iter().any(|(formal, _)| formal == *name)),
            _ => None,
        }
    }

    pub(super) fn for_function(&mut self, eval: &mut Eval<'_>, param: &Param) -> Thunk {
        let mut formals: Vec<Name> = match param {
            Param::Name(_) => Vec::new(),
            Param::Set { formals, .. } => formals.iter().map(|(name, _)| name.clone()).collect(),
        };
        formals.sort();
        let mut set = Set::default();
        for name in self.always.clone().iter().chain(&formals) {
            let value = self.get(eval, name);
            set.fixed
                .insert(name.clone(), Attribute { value, at: None });
        }
        let set = eval.ready(Value::Set(Rc::new(set)));
        eval.thunk(Code::Named(Term::new(K::ArgSet(formals)), Some(set)))
    }
}
