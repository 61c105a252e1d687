//! Bindings, sets, calls and what parameters are bound to.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::Eval;
use crate::model::flake::frameworks::import_tree;
use crate::model::prims;
use crate::model::value::{Attribute, Closure, Code, Env, Role, Scope, Set, Thunk, Unit, Value};
use crate::syntax::hir::{Bindings, Bound, ExprId, Name, Param};

impl Eval<'_> {
    /// A scope with recursive bindings.
    pub(in crate::model) fn bind(&mut self, unit: Unit, bindings: &Bindings, env: Env) -> Env {
        let inner = self.scope(Scope::Names(FxHashMap::default()), env);
        let mut names = FxHashMap::default();
        for binding in &bindings.fixed {
            let thunk = match binding.bound {
                Bound::Expr(expr) => self.thunk(Code::Expr(unit, expr, inner)),
                Bound::Inherit => self.inherited(&binding.name, env),
                Bound::InheritFrom(from) => {
                    let from = self.thunk(Code::Expr(unit, from, inner));
                    self.thunk(Code::Member(from, binding.name.clone()))
                }
            };
            names.insert(binding.name.clone(), thunk);
        }
        self.scopes[inner.0 as usize].0 = Scope::Names(names);
        inner
    }

    pub(super) fn inherited(&mut self, name: &Name, env: Env) -> Thunk {
        match self.lexical(name, env) {
            Some(thunk) => thunk,
            None => self.thunk(Code::Var(name.clone(), env)),
        }
    }

    pub(super) fn set(
        &mut self,
        unit: Unit,
        recursive: bool,
        bindings: &Bindings,
        env: Env,
    ) -> Value {
        let inner = if recursive {
            self.bind(unit, bindings, env)
        } else {
            env
        };
        let mut set = Set::default();
        for binding in &bindings.fixed {
            let value = if recursive {
                self.lexical(&binding.name, inner)
                    .unwrap_or(Thunk(u32::MAX))
            } else {
                match binding.bound {
                    Bound::Expr(expr) => self.delay(unit, expr, env),
                    Bound::Inherit => self.inherited(&binding.name, env),
                    Bound::InheritFrom(from) => {
                        let from = self.delay(unit, from, env);
                        self.thunk(Code::Member(from, binding.name.clone()))
                    }
                }
            };
            let at = Some((unit, binding.range));
            set.fixed
                .insert(binding.name.clone(), Attribute { value, at });
        }
        for (name, value, range) in &bindings.dynamic {
            let name = self.delay(unit, *name, inner);
            let value = self.delay(unit, *value, inner);
            let attribute = Attribute {
                value,
                at: Some((unit, *range)),
            };
            match self.force(name) {
                Value::Str(name) => {
                    set.fixed.entry(name).or_insert(attribute);
                }
                Value::Null => {}
                _ => set.dynamic.push((name, attribute)),
            }
        }
        Value::Set(Rc::new(set))
    }

    /// Calls a function.
    pub(in crate::model) fn apply(&mut self, function: Thunk, argument: Thunk) -> Value {
        match self.force(function) {
            Value::Lambda(closure) => {
                if let Some(why) = self.refuses(&closure, argument) {
                    return Value::unknown(&why);
                }
                let env = self.parameters(&closure, argument);
                self.eval_deeper(closure.unit, closure.body, env)
            }
            Value::Prim(prim, arguments) => {
                let arguments: Rc<[Thunk]> = arguments.iter().copied().chain([argument]).collect();
                if arguments.len() < prim.arity() {
                    Value::Prim(prim, arguments)
                } else {
                    prims::call(self, prim, &arguments)
                }
            }
            Value::Set(set) => match set.fixed.get("__functor") {
                Some(functor) => {
                    let bound = self.thunk(Code::Call(functor.value, function));
                    self.apply(bound, argument)
                }
                None => Value::unknown("a set is called like a function"),
            },
            Value::Opaque(opaque) => match &opaque.role {
                Role::Input(name) if self.is_import_tree(name) => import_tree(self, argument),
                _ => Value::unknown(&format!("an unknown function: {}", opaque.why)),
            },
            _ => Value::unknown("something that is no function is called"),
        }
    }

    /// Why Nix refuses to call a function with this, where that is known.
    pub(in crate::model) fn refuses(
        &mut self,
        closure: &Closure,
        argument: Thunk,
    ) -> Option<String> {
        let Param::Set {
            formals, ellipsis, ..
        } = &closure.param
        else {
            return None;
        };
        let Value::Set(set) = self.force(argument) else {
            return None;
        };
        let taken = |name: &Name| formals.iter().any(|(formal, _)| formal == name);
        if !ellipsis && let Some(name) = set.fixed.keys().find(|name| !taken(name)) {
            return Some(format!(
                "a function is called with `{name}`, which it does not take"
            ));
        }
        let missing = |(name, default): &&(Name, Option<ExprId>)| {
            default.is_none() && !set.fixed.contains_key(name)
        };
        let (name, _) = formals.iter().find(missing)?;
        set.dynamic
            .is_empty()
            .then(|| format!("a function is called without `{name}`"))
    }

    /// The scope of a function's body.
    pub(in crate::model) fn parameters(&mut self, closure: &Closure, argument: Thunk) -> Env {
        let mut names = FxHashMap::default();
        match &closure.param {
            Param::Name(name) => {
                names.insert(name.clone(), argument);
                self.scope(Scope::Names(names), closure.env)
            }
            Param::Set { formals, bind, .. } => {
                let inner = self.scope(Scope::Names(FxHashMap::default()), closure.env);
                let known = match self.force(argument) {
                    Value::Set(set) if set.dynamic.is_empty() => Some(set),
                    _ => None,
                };
                for (name, default) in formals {
                    let given = known.as_ref().and_then(|set| set.fixed.get(name));
                    let thunk = match (given, default, &known) {
                        (Some(attribute), ..) => attribute.value,
                        (None, Some(default), Some(_)) => {
                            self.thunk(Code::Expr(closure.unit, *default, inner))
                        }
                        _ => self.thunk(Code::Member(argument, name.clone())),
                    };
                    names.insert(name.clone(), thunk);
                }
                if let Some(bind) = bind {
                    names.insert(bind.clone(), argument);
                }
                self.scopes[inner.0 as usize].0 = Scope::Names(names);
                inner
            }
        }
    }
}
