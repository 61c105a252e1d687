//! From delayed values to normal forms.

mod binders;
mod names;
mod places;
mod reads;
mod values;

use std::sync::Arc;

use super::eval::Eval;
use super::term::{Key, Term, TermKind as K};
use super::value::{Code, Env, Scope, Thunk, Unit, Value};
use crate::syntax::hir::{BinaryOp, Expr, ExprId, Name};

/// Deepest nesting of normalisations.
const DEPTH: u32 = 3_000;

impl Eval<'_> {
    /// The normal form of a delayed value.
    pub fn term(&mut self, thunk: Thunk) -> Term {
        let fresh = self.fresh;
        let cell = &mut self.cells[thunk.0 as usize];
        if let Some(term) = &cell.term {
            return term.clone();
        }
        if let Some(id) = cell.norming {
            self.referred = self.referred.min(id);
            return Term::new(K::Fresh(id, Name::from("")));
        }
        cell.norming = Some(fresh);
        self.fresh += 1;
        let code = cell.code.clone();
        let outside = std::mem::replace(&mut self.referred, u32::MAX);
        let term = self.term_of_code(thunk, code);
        // Of parameters a value is made wherever it stands: those are its scope's own.
        let stands_alone = self.referred >= fresh;
        if stands_alone {
            self.referred = outside;
        } else {
            self.referred = self.referred.min(outside);
        }
        self.cells[thunk.0 as usize].norming = None;
        let closed = term.close(fresh..fresh + 1);
        let term = if closed == term {
            term
        } else {
            Term::new(K::Mu(closed))
        };
        if stands_alone {
            self.cells[thunk.0 as usize].term = Some(term.clone());
        }
        term
    }

    fn term_of_code(&mut self, thunk: Thunk, code: Code) -> Term {
        match code {
            Code::Named(term, _) => term,
            Code::Expr(unit, expr, env) => self.norm(unit, expr, env),
            Code::Var(name, env) => self.norm_variable(&name, env),
            Code::Call(function, argument) => {
                let function = self.term(function);
                let argument_term = self.term(argument);
                self.apply_term(function, argument_term)
            }
            Code::Member(base, name) => self.norm_select(base, vec![(Key::Name(name), None)], None),
            Code::Ready(value) => self.term_of_value(thunk, &value),
        }
    }

    /// The normal form of an expression in a scope.
    pub(super) fn norm(&mut self, unit: Unit, id: ExprId, env: Env) -> Term {
        // What the names in it stand for is anywhere.
        if self.depth >= DEPTH {
            let place = self.place_term(unit, id);
            return self.whole_tree(place);
        }
        if self.exhausted() {
            return self.place_term(unit, id);
        }
        self.depth += 1;
        self.count_normalised();
        let term = stacker::maybe_grow(256 << 10, 8 << 20, || self.norm_here(unit, id, env));
        self.depth -= 1;
        term
    }

    fn norm_here(&mut self, unit: Unit, id: ExprId, env: Env) -> Term {
        let file = Arc::clone(self.unit_file(unit).1);
        match file.expr(id) {
            Expr::Error | Expr::CurPos => self.place_term(unit, id),
            Expr::Int(value) => Term::new(K::Int(*value)),
            Expr::Float(text) => Term::new(K::Float(text.clone())),
            Expr::Str(parts) => self.norm_string(unit, parts, env),
            Expr::Path(base, parts) => self.norm_path(unit, id, *base, parts, env, false),
            Expr::Var(name) => self.norm_variable(name, env),
            Expr::List(items) => Term::new(K::List(
                items
                    .iter()
                    .map(|item| self.norm(unit, *item, env))
                    .collect(),
            )),
            Expr::Set {
                recursive,
                bindings,
            } => self.norm_set(unit, *recursive, bindings, env),
            Expr::Let(bindings, body) => {
                let inner = self.bind(unit, bindings, env);
                self.norm(unit, *body, inner)
            }
            Expr::With(scope, body) => {
                let scope = self.delay(unit, *scope, env);
                let inner = self.scope(Scope::With(scope), env);
                self.norm(unit, *body, inner)
            }
            Expr::Lambda(param, body) => self.norm_lambda(unit, param, *body, env),
            Expr::Apply(function, argument) => {
                let call = (id, *function, *argument);
                if let Some(place) = self.norm_appended(unit, call, env) {
                    return place;
                }
                let term = match file.expr(*argument) {
                    // Nothing but what is read there counts, wherever that is.
                    Expr::Path(base, parts) if parts.len() > 1 => {
                        let callee = self.delay(unit, *function, env);
                        let reads = matches!(self.force(callee), Value::Prim(prim, _) if prim.reads_a_file());
                        self.norm_path(unit, *argument, *base, parts, env, reads)
                    }
                    _ => self.norm(unit, *argument, env),
                };
                if hands_config_on(&term) {
                    // What the callee reads of `config` has to be seen.
                    let callee = self.delay(unit, *function, env);
                    let argument = self.delay(unit, *argument, env);
                    if let Value::Lambda(closure) = self.force(callee)
                        && self.refuses(&closure, argument).is_none()
                    {
                        let inner = self.parameters(&closure, argument);
                        return self.norm(closure.unit, closure.body, inner);
                    }
                }
                let function = self.norm(unit, *function, env);
                self.apply_term(function, term)
            }
            Expr::Select(base, path, default) => {
                let base = self.delay(unit, *base, env);
                let keys = self.norm_keys(unit, path, env);
                let default = default.map(|default| self.norm(unit, default, env));
                self.norm_select(base, keys, default)
            }
            Expr::HasAttr(base, path) => {
                let base = self.norm(unit, *base, env);
                let keys = self
                    .norm_keys(unit, path, env)
                    .into_iter()
                    .map(|(key, _)| key)
                    .collect();
                Term::new(K::HasAttr(base, keys))
            }
            Expr::If(condition, then, other) => {
                let condition = self.norm(unit, *condition, env);
                let then = self.norm(unit, *then, env);
                let other = self.norm(unit, *other, env);
                Term::if_else(condition, then, other)
            }
            Expr::Assert(condition, body) => {
                let condition = self.norm(unit, *condition, env);
                Term::new(K::Assert(condition, self.norm(unit, *body, env)))
            }
            Expr::Unary(op, operand) => Term::unary(*op, self.norm(unit, *operand, env)),
            Expr::Binary(BinaryOp::Add, left, right) => {
                // A sum that is a place in the tree is that place; asked once
                // for a whole chain of sums.
                let thunk = self.thunk(Code::Expr(unit, id, env));
                if let Value::Path(path) = self.force(thunk) {
                    return self.path_term(&path);
                }
                self.norm_sum(unit, *left, *right, env)
            }
            Expr::Binary(op, left, right) => {
                let left = self.norm(unit, *left, env);
                Term::binary(*op, left, self.norm(unit, *right, env))
            }
        }
    }

    fn apply_term(&mut self, function: Term, argument: Term) -> Term {
        let import = matches!(function.kind(), K::Global(name) if &**name == "import");
        if import
            && let K::Path(path, _) = argument.kind()
            && let Ok(thunk) = self.import(path)
        {
            return self.term(thunk);
        }
        // What stands around a path that is not known here is meant.
        if reads::is_parent_of(&function) && !matches!(argument.kind(), K::Path(..)) {
            return self.whole_tree(Term::new(K::Apply(function, argument)));
        }
        // A function that gives places below the tree names the tree itself for them alone.
        if matches!(function.library_call(), Some(("append", given)) if given.is_empty())
            && matches!(argument.kind(), K::Path(path, _) if path.as_str().is_empty())
        {
            return Term::apply(function, Term::tree());
        }
        // What is imported into a scope of its own is not looked into at all.
        let scoped = matches!(function.kind(), K::Global(name) if &**name == "scopedImport");
        let reads = scoped || reads::is_reader(&function) && !reads::is_followed(&argument);
        let argument = if reads {
            self.whole_tree(argument)
        } else {
            argument
        };
        Term::apply(function, argument)
    }
}

/// Whether an argument is, or directly holds, all of `config` or `options`.
fn hands_config_on(term: &Term) -> bool {
    let whole = |term: &Term| match term.kind() {
        K::Arg(name) => matches!(&**name, "config" | "options"),
        K::ArgSet(_) => true,
        _ => false,
    };
    match term.kind() {
        K::Set(fixed, _) => fixed.iter().any(|(_, term)| whole(term)),
        K::Binary(BinaryOp::Update, left, right) => hands_config_on(left) || hands_config_on(right),
        _ => whole(term),
    }
}
