//! What a name stands for: lexical scopes, `with`, the language's own names.

use super::Eval;
use super::selection::Member;
use crate::model::prims;
use crate::model::term::Term;
use crate::model::value::{Env, Role, Scope, Thunk, Value};
use crate::syntax::hir::Name;

impl Eval<'_> {
    /// The lexical binding of a name.
    pub(in crate::model) fn lexical(&self, name: &str, env: Env) -> Option<Thunk> {
        let mut at = env;
        loop {
            let (scope, parent) = &self.scopes[at.0 as usize];
            if let Scope::Names(names) = scope
                && let Some(thunk) = names.get(name)
            {
                return Some(*thunk);
            }
            if at.0 == 0 {
                return None;
            }
            at = *parent;
        }
    }

    /// The `with` scopes around a place, innermost first.
    pub(in crate::model) fn with_scopes(&self, env: Env) -> Vec<Thunk> {
        let mut found = Vec::new();
        let mut at = env;
        while at.0 != 0 {
            let (scope, parent) = &self.scopes[at.0 as usize];
            if let Scope::With(thunk) = scope {
                found.push(*thunk);
            }
            at = *parent;
        }
        found
    }

    pub(super) fn variable(&mut self, name: &Name, env: Env) -> Value {
        if let Some(thunk) = self.lexical(name, env) {
            return self.force(thunk);
        }
        if let Some(value) = global(name) {
            return value;
        }
        for scope in self.with_scopes(env) {
            match self.member(scope, name) {
                Member::Found(thunk) => return self.force(thunk),
                Member::Value(value) => return value,
                Member::Missing => {}
                Member::Unknown(why) => return Value::unknown(&why),
            }
        }
        Value::unknown(&format!("`{name}` is not defined"))
    }
}

/// A name of the language itself.
pub(super) fn global(name: &str) -> Option<Value> {
    Some(match name {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" => Value::Null,
        "builtins" => Value::role(Role::Builtins, "builtins"),
        _ => return prims::global(name),
    })
}

/// Whether a name is one of the language itself.
pub(in crate::model) fn is_global(name: &str) -> bool {
    matches!(
        name,
        "true"
            | "false"
            | "null"
            | "builtins"
            | "abort"
            | "baseNameOf"
            | "break"
            | "derivation"
            | "derivationStrict"
            | "dirOf"
            | "fetchGit"
            | "fetchMercurial"
            | "fetchTarball"
            | "fetchTree"
            | "fromTOML"
            | "import"
            | "isNull"
            | "map"
            | "placeholder"
            | "removeAttrs"
            | "scopedImport"
            | "throw"
            | "toString"
    ) || name.starts_with("__")
}

pub(super) fn named_value(term: &Term) -> Value {
    use crate::model::term::TermKind as K;
    match term.kind() {
        K::Arg(name) if &**name == "lib" => Value::role(Role::Lib, "the library"),
        K::Arg(name) => Value::unknown(&format!("it depends on `{name}`")),
        K::Input(name) => Value::role(Role::Input(name.clone()), &format!("input `{name}`")),
        K::Flake => Value::role(Role::Flake, "the flake"),
        _ => Value::unknown("a parameter"),
    }
}
