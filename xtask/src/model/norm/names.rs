//! Variables and selections: what a name, or a path of names, is read from.

use crate::model::eval::{Eval, Member, is_global};
use crate::model::term::{Key, Term, TermKind as K};
use crate::model::value::{Env, Opaque, Role, Thunk, Unit, Value};
use crate::syntax::hir::{Attr, Name};

impl Eval<'_> {
    pub(super) fn norm_variable(&mut self, name: &Name, env: Env) -> Term {
        if let Some(thunk) = self.lexical(name, env) {
            return self.term(thunk);
        }
        match &**name {
            "true" => return Term::new(K::Bool(true)),
            "false" => return Term::new(K::Bool(false)),
            "null" => return Term::new(K::Null),
            name if is_global(name) => {
                return Term::new(K::Global(Name::from(
                    name.strip_prefix("__").unwrap_or(name),
                )));
            }
            _ => {}
        }
        // Scopes that certainly lack the name do not matter.
        let mut scopes = Vec::new();
        for scope in self.with_scopes(env) {
            match self.member(scope, name) {
                Member::Missing => {}
                Member::Found(thunk) if scopes.is_empty() => return self.term(thunk),
                Member::Value(value)
                    if scopes.is_empty()
                        && matches!(
                            &value,
                            Value::Prim(..)
                                | Value::Opaque(Opaque {
                                    role: Role::Lib,
                                    ..
                                })
                        ) =>
                {
                    let base = self.term(scope);
                    return Term::select(base, vec![Key::Name(name.clone())], None);
                }
                Member::Found(_) => {
                    scopes.push(self.term(scope));
                    break;
                }
                _ => scopes.push(self.term(scope)),
            }
        }
        match scopes.as_slice() {
            [only] => Term::select(only.clone(), vec![Key::Name(name.clone())], None),
            _ => Term::new(K::WithVar(name.clone(), scopes)),
        }
    }

    pub(super) fn norm_keys(
        &mut self,
        unit: Unit,
        path: &[Attr],
        env: Env,
    ) -> Vec<(Key, Option<Thunk>)> {
        path.iter()
            .map(|attr| match attr {
                Attr::Name(name) => (Key::Name(name.clone()), None),
                Attr::Expr(expr) => {
                    let thunk = self.delay(unit, *expr, env);
                    let term = self.term(thunk);
                    match term.kind() {
                        K::Str(name) => (Key::Name(name.clone()), None),
                        _ => (Key::Term(term), Some(thunk)),
                    }
                }
            })
            .collect()
    }

    /// Selection. What is read through the flake itself is followed to what
    /// stands there, so that a change of it is seen; other hosts stay names,
    /// since a proof covers every host.
    pub(super) fn norm_select(
        &mut self,
        base: Thunk,
        keys: Vec<(Key, Option<Thunk>)>,
        default: Option<Term>,
    ) -> Term {
        let mut current = base;
        for (index, (key, _)) in keys.iter().enumerate() {
            let value = self.force(current);
            if matches!(
                &value,
                Value::Opaque(Opaque {
                    role: Role::Flake,
                    ..
                })
            ) {
                let rest: Vec<Key> = keys[index..].iter().map(|(key, _)| key.clone()).collect();
                return self.norm_flake(rest, default);
            }
            let Key::Name(name) = key else { break };
            match self.member(current, name) {
                Member::Found(thunk) => current = thunk,
                Member::Value(
                    value @ Value::Opaque(Opaque {
                        role: Role::Flake | Role::Input(_),
                        ..
                    }),
                ) => {
                    current = self.ready(value);
                }
                _ => break,
            }
        }
        let base = self.term(base);
        Term::select(
            base,
            keys.into_iter().map(|(key, _)| key).collect(),
            default,
        )
    }

    fn norm_flake(&mut self, keys: Vec<Key>, default: Option<Term>) -> Term {
        let flake = Term::new(K::Flake);
        let symbolic = |keys: Vec<Key>| Term::select(flake.clone(), keys, default.clone());
        let first = match keys.first() {
            Some(Key::Name(name)) => name.clone(),
            _ => return symbolic(keys),
        };
        match &*first {
            "nixosConfigurations" => return symbolic(keys),
            "outputs" => return self.norm_flake(keys[1..].to_vec(), default),
            "inputs" => return Term::select(Term::new(K::Inputs), keys[1..].to_vec(), default),
            "outPath" if keys.len() == 1 => {
                return Term::tree();
            }
            _ => {}
        }
        let Some(outputs) = self.outputs else {
            return symbolic(keys);
        };
        let mut current = outputs;
        for (index, key) in keys.iter().enumerate() {
            let Key::Name(name) = key else {
                let base = self.term(current);
                return Term::select(base, keys[index..].to_vec(), default);
            };
            match self.member(current, name) {
                Member::Found(thunk) => current = thunk,
                Member::Missing if default.is_some() => return default.unwrap_or(flake),
                _ if index == 0 => return symbolic(keys),
                _ => {
                    let base = self.term(current);
                    return Term::select(base, keys[index..].to_vec(), default);
                }
            }
        }
        self.term(current)
    }
}
