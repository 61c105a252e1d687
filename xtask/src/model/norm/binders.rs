//! Sets and functions: what binds names.

use crate::model::eval::Eval;
use crate::model::term::{Key, ParamTerm, Term, TermKind as K};
use crate::model::value::{Code, Env, Scope, Unit, Value};
use crate::syntax::hir::{Bindings, Bound, ExprId, Name, Param};

impl Eval<'_> {
    pub(super) fn norm_set(
        &mut self,
        unit: Unit,
        recursive: bool,
        bindings: &Bindings,
        env: Env,
    ) -> Term {
        let inner = if recursive {
            self.bind(unit, bindings, env)
        } else {
            env
        };
        let mut fixed = Vec::with_capacity(bindings.fixed.len());
        for binding in &bindings.fixed {
            let term = match (recursive, &binding.bound) {
                (true, _) => match self.lexical(&binding.name, inner) {
                    Some(thunk) => self.term(thunk),
                    None => Term::new(K::Null),
                },
                (false, Bound::Expr(expr)) => self.norm(unit, *expr, env),
                (false, Bound::Inherit) => self.norm_variable(&binding.name, env),
                (false, Bound::InheritFrom(from)) => {
                    let from = self.delay(unit, *from, env);
                    self.norm_select(from, vec![(Key::Name(binding.name.clone()), None)], None)
                }
            };
            fixed.push((binding.name.clone(), term));
        }
        let dynamic = bindings
            .dynamic
            .iter()
            .map(|(name, value, _)| {
                let name = self.delay(unit, *name, inner);
                let known = match self.force(name) {
                    Value::Str(name) => Some(Term::new(K::Str(name))),
                    _ => None,
                };
                let name = known.unwrap_or_else(|| self.term(name));
                (name, self.norm(unit, *value, inner))
            })
            .collect();
        Term::set(fixed, dynamic)
    }

    pub(super) fn norm_lambda(
        &mut self,
        unit: Unit,
        param: &Param,
        body: ExprId,
        env: Env,
    ) -> Term {
        let id = self.fresh;
        self.fresh += 1;
        let symbol = |name: &Name| Term::new(K::Fresh(id, name.clone()));
        let mut names = rustc_hash::FxHashMap::default();
        let mut add = |eval: &mut Self, name: &Name, term: Term| {
            let thunk = eval.thunk(Code::Named(term, None));
            names.insert(name.clone(), thunk);
        };
        match param {
            Param::Name(name) => add(self, name, symbol(&Name::from(""))),
            Param::Set { formals, bind, .. } => {
                for (name, _) in formals {
                    add(self, name, symbol(name));
                }
                if let Some(bind) = bind {
                    add(self, bind, symbol(&Name::from("@")));
                }
            }
        }
        let inner = self.scope(Scope::Names(names), env);
        let close = |term: Term| term.close(id..id + 1);
        let param = match param {
            Param::Name(_) => ParamTerm::Plain,
            Param::Set {
                formals,
                ellipsis,
                bind,
            } => {
                let mut terms: Vec<(Name, Option<Term>)> = formals
                    .iter()
                    .map(|(name, default)| {
                        (
                            name.clone(),
                            default.map(|default| close(self.norm(unit, default, inner))),
                        )
                    })
                    .collect();
                terms.sort_by(|a, b| a.0.cmp(&b.0));
                ParamTerm::Set(terms, *ellipsis, bind.is_some())
            }
        };
        let body = self.norm(unit, body, inner);
        Term::new(K::Lambda(param, close(body)))
    }
}
