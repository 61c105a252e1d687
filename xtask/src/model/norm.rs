//! From delayed values to normal forms.

use std::sync::Arc;

use super::eval::{Eval, Member, is_global, place_path};
use super::term::{Digest, Key, ParamTerm, Term, TermKind as K};
use super::value::{Code, Env, Item, Opaque, Role, Scope, Thunk, Unit, Value};
use crate::syntax::hir::{
    Attr, BinaryOp, Bindings, Bound, Expr, ExprId, Name, Param, Part, PathBase,
};
use crate::tree::TreePath;

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
            return Term::new(K::Fresh(id, Name::from("")));
        }
        cell.norming = Some(fresh);
        self.fresh += 1;
        let code = cell.code.clone();
        let term = self.term_of_code(thunk, code);
        self.cells[thunk.0 as usize].norming = None;
        let closed = term.close(fresh..fresh + 1);
        let term = if closed == term {
            term
        } else {
            Term::new(K::Mu(closed))
        };
        if term.is_closed() {
            self.cells[thunk.0 as usize].term = Some(term.clone());
        }
        term
    }

    /// The normal form of a value that a host is given. What is computed from the
    /// tree itself (`readDir`, `fromTOML (readFile …)`, paths put together) counts
    /// by its outcome where that is plain data: how it is computed may touch
    /// files that have nothing to do with it.
    pub fn outcome(&mut self, thunk: Thunk) -> Term {
        let term = self.term(thunk);
        let mut reads_tree = false;
        term.walk(&mut |term| {
            reads_tree |= match term.kind() {
                K::PathInterp(..) => true,
                K::Path(path, _) => self.files.tree.is_directory(path),
                K::Global(name) => {
                    matches!(
                        &**name,
                        "readDir" | "readFile" | "pathExists" | "fromTOML" | "fromJSON"
                    )
                }
                _ => false,
            };
        });
        if !reads_tree {
            return term;
        }
        self.data(thunk, 0).unwrap_or(term)
    }

    /// The value as a literal, if all of it is known plain data.
    fn data(&mut self, thunk: Thunk, depth: u32) -> Option<Term> {
        if depth > 64 {
            return None;
        }
        Some(match self.force(thunk) {
            Value::Null => Term::new(K::Null),
            Value::Bool(value) => Term::new(K::Bool(value)),
            Value::Int(value) => Term::new(K::Int(value)),
            Value::Str(text) => Term::new(K::Str(text)),
            Value::Path(path) if !path.as_str().is_empty() => self.path_term(&path),
            Value::List(items) => {
                let mut terms = Vec::with_capacity(items.len());
                for item in items.iter() {
                    let Item::One(item) = item else { return None };
                    terms.push(self.data(*item, depth + 1)?);
                }
                Term::new(K::List(terms))
            }
            Value::Set(set) if set.dynamic.is_empty() => {
                let mut fixed = Vec::with_capacity(set.fixed.len());
                for (name, attribute) in &set.fixed {
                    fixed.push((name.clone(), self.data(attribute.value, depth + 1)?));
                }
                Term::set(fixed, Vec::new())
            }
            _ => return None,
        })
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

    fn term_of_value(&mut self, thunk: Thunk, value: &Value) -> Term {
        match value {
            Value::Null => Term::new(K::Null),
            Value::Bool(value) => Term::new(K::Bool(*value)),
            Value::Int(value) => Term::new(K::Int(*value)),
            Value::Float(value) => Term::new(K::Float(Name::from(value.to_string()))),
            Value::Str(text) => Term::new(K::Str(text.clone())),
            Value::Path(path) => self.path_term(path),
            Value::Place(text) => self.place_text(text),
            Value::List(items) => {
                let mut terms = Vec::new();
                let mut whole: Option<Term> = None;
                for item in items.iter() {
                    match item {
                        Item::One(item) => terms.push(self.term(*item)),
                        Item::Splice(rest) => {
                            let rest = self.term(*rest);
                            let known = Term::new(K::List(std::mem::take(&mut terms)));
                            whole = Some(concat_terms(whole, known));
                            whole = Some(concat_terms(whole, rest));
                        }
                    }
                }
                let known = Term::new(K::List(terms));
                match whole {
                    Some(_) => concat_terms(whole, known),
                    None => known,
                }
            }
            Value::Set(set) => {
                let set = set.clone();
                let fixed = set
                    .fixed
                    .iter()
                    .map(|(name, a)| (name.clone(), self.term(a.value)))
                    .collect();
                let dynamic = set
                    .dynamic
                    .iter()
                    .map(|(name, a)| (self.term(*name), self.term(a.value)))
                    .collect();
                Term::set(fixed, dynamic)
            }
            Value::Prim(prim, arguments) => {
                let mut term = Term::new(K::Global(Name::from(format!("{prim:?}"))));
                for argument in arguments.iter() {
                    let argument = self.term(*argument);
                    term = Term::new(K::Apply(term, argument));
                }
                term
            }
            Value::Opaque(Opaque {
                role: Role::Flake, ..
            }) => Term::new(K::Flake),
            Value::Opaque(Opaque {
                role: Role::Input(name),
                ..
            }) => Term::new(K::Input(name.clone())),
            Value::Opaque(Opaque {
                role: Role::Lib, ..
            }) => Term::new(K::Arg(Name::from("lib"))),
            Value::Lambda(closure) => {
                self.norm_lambda(closure.unit, &closure.param, closure.body, closure.env)
            }
            Value::Update(left, right) => {
                let (left, right) = (self.term(*left), self.term(*right));
                Term::new(K::Binary(BinaryOp::Update, left, right))
            }
            // Computed values that nothing was written for: each is its own.
            Value::Opaque(_) | Value::Property(_) | Value::Host(_) | Value::Declaration(..) => {
                Term::new(K::Place(TreePath::root(), thunk.0, Digest::of(b"computed")))
            }
        }
    }

    /// The term of a place in the tree.
    pub fn path_term(&self, path: &TreePath) -> Term {
        Term::new(K::Path(path.clone(), self.files.digest(path)))
    }

    /// The term of a string that begins with the tree's own place.
    fn place_text(&self, text: &str) -> Term {
        match place_path(text) {
            Some(path) if path.as_str().is_empty() => Term::new(K::Flake),
            Some(path) => self.path_term(&path),
            None => Term::interp(vec![Term::new(K::Flake), Term::str(text)]),
        }
    }

    /// The normal form of an expression in a scope.
    pub(super) fn norm(&mut self, unit: Unit, id: ExprId, env: Env) -> Term {
        if self.depth >= DEPTH || self.exhausted() {
            return self.place_term(unit, id);
        }
        self.depth += 1;
        let term = stacker::maybe_grow(256 << 10, 8 << 20, || self.norm_here(unit, id, env));
        self.depth -= 1;
        term
    }

    fn place_term(&self, unit: Unit, id: ExprId) -> Term {
        let (path, file) = self.unit_file(unit);
        let (start, _) = file.range(id);
        let digest = match file.expr(id) {
            // Its value is the line and the column.
            Expr::CurPos => {
                let before = file.text.get(..start as usize).unwrap_or("");
                let line = before.matches('\n').count();
                let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
                Digest::of(format!("{line}:{column}").as_bytes())
            }
            // What was not read, or not to its end, counts with all of its file.
            _ => self.files.digest(path),
        };
        Term::new(K::Place(path.clone(), start, digest))
    }

    fn norm_here(&mut self, unit: Unit, id: ExprId, env: Env) -> Term {
        let file = Arc::clone(self.unit_file(unit).1);
        match file.expr(id) {
            Expr::Error | Expr::CurPos => self.place_term(unit, id),
            Expr::Int(value) => Term::new(K::Int(*value)),
            Expr::Float(text) => Term::new(K::Float(text.clone())),
            Expr::Str(parts) => self.norm_string(unit, parts, env),
            Expr::Path(base, parts) => self.norm_path(unit, id, *base, parts, env),
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
                let term = self.norm(unit, *argument, env);
                if hands_config_on(&term) {
                    // What the callee reads of `config` has to be seen.
                    let callee = self.delay(unit, *function, env);
                    if let Value::Lambda(closure) = self.force(callee) {
                        let argument = self.delay(unit, *argument, env);
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

    fn norm_sum(&mut self, unit: Unit, left: ExprId, right: ExprId, env: Env) -> Term {
        let file = Arc::clone(self.unit_file(unit).1);
        let (mut first, mut rest) = (left, vec![right]);
        while let Expr::Binary(BinaryOp::Add, left, right) = file.expr(first) {
            rest.push(*right);
            first = *left;
        }
        let count = rest.len();
        let thunk = self.delay(unit, first, env);
        let certain = match self.force(thunk) {
            Value::Opaque(Opaque {
                role: Role::Flake, ..
            }) => true,
            Value::Place(text) => place_path(&text).is_some_and(|path| path.as_str().is_empty()),
            _ => false,
        };
        let mut sum = self.norm(unit, first, env);
        for (index, operand) in rest.into_iter().rev().enumerate() {
            let operand = self.norm(unit, operand, env);
            // `self + "/x"` reads what stands there.
            if index == 0 && (certain || may_be_tree(&sum)) {
                let (parts, open) = match operand.kind() {
                    K::Str(_) => (vec![operand.clone()], count > 1),
                    K::Interp(parts) => (parts.clone(), true),
                    _ => (vec![operand.clone()], true),
                };
                sum = self.tree_read(sum, certain, &parts, open);
            }
            sum = Term::binary(BinaryOp::Add, sum, operand);
        }
        sum
    }

    fn norm_variable(&mut self, name: &Name, env: Env) -> Term {
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

    fn norm_keys(&mut self, unit: Unit, path: &[Attr], env: Env) -> Vec<(Key, Option<Thunk>)> {
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
    fn norm_select(
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
                return Term::new(K::Path(TreePath::root(), Digest::of(b"self")));
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

    fn apply_term(&mut self, function: Term, argument: Term) -> Term {
        let import = matches!(function.kind(), K::Global(name) if &**name == "import");
        if import
            && let K::Path(path, _) = argument.kind()
            && let Ok(thunk) = self.import(path)
        {
            return self.term(thunk);
        }
        Term::new(K::Apply(function, argument))
    }

    fn norm_string(&mut self, unit: Unit, parts: &[Part], env: Env) -> Term {
        let mut terms: Vec<Term> = Vec::new();
        let mut index = 0;
        while let Some(part) = parts.get(index) {
            index += 1;
            match part {
                Part::Text(text) => terms.push(Term::new(K::Str(text.clone()))),
                Part::Expr(expr) => {
                    let thunk = self.delay(unit, *expr, env);
                    let base = match self.force(thunk) {
                        // A path in a string is copied, with all that is below it.
                        Value::Path(path) => {
                            terms.push(self.path_term(&path));
                            continue;
                        }
                        Value::Place(text) if place_path(&text).is_some() => {
                            let base = self.place_text(&text);
                            if !matches!(base.kind(), K::Flake) {
                                terms.push(base);
                                continue;
                            }
                            base
                        }
                        Value::Opaque(Opaque {
                            role: Role::Flake, ..
                        }) => Term::new(K::Flake),
                        // A set in a string is its store path.
                        _ => self.term(thunk),
                    };
                    if !may_be_tree(&base) {
                        terms.push(base);
                        continue;
                    }
                    // `"${self}/x"` reads what stands there.
                    let (rest, open) = match parts.get(index) {
                        Some(Part::Text(text)) => (
                            vec![Term::new(K::Str(text.clone()))],
                            parts.len() > index + 1,
                        ),
                        Some(Part::Expr(expr)) => (vec![self.norm(unit, *expr, env)], true),
                        None => (Vec::new(), false),
                    };
                    let certain = is_tree(&base);
                    terms.push(self.tree_read(base, certain, &rest, open));
                }
            }
        }
        Term::interp(terms)
    }

    /// The term of a value that is, or may be, the tree's own place, with what
    /// is read there by the text that follows. `certain` says that it is the
    /// tree, `open` that more follows, which is not known.
    fn tree_read(&self, base: Term, certain: bool, rest: &[Term], open: bool) -> Term {
        let root = TreePath::root();
        let place = match rest.first().map(Term::kind) {
            None => return base,
            Some(K::Str(text)) if text.starts_with('/') => {
                let end = text.find(|c: char| !is_path_char(c)).unwrap_or(text.len());
                let end = if end == text.len() && (open || rest.len() > 1) {
                    text.rfind('/').unwrap_or(0)
                } else {
                    end
                };
                let parent = text[..end].rfind('/').unwrap_or(0);
                let exists = |path: &TreePath| self.files.digest(path) != super::files::missing();
                let place = root.join(&text[..end]);
                // A name may go on where it seems to end: a space is no end.
                match root.join(&text[..parent]) {
                    Some(parent)
                        if !parent.as_str().is_empty()
                            && exists(&parent)
                            && !place.as_ref().is_some_and(exists) =>
                    {
                        Some(parent)
                    }
                    _ => place.filter(|place| certain || exists(place)),
                }
            }
            Some(K::Str(_)) => None,
            Some(_) => Some(root),
        };
        match place {
            Some(place) if certain || !place.as_str().is_empty() => {
                let digest = self.files.digest(&place);
                Term::new(K::PathInterp(place, digest, vec![base]))
            }
            _ => base,
        }
    }

    fn norm_path(
        &mut self,
        unit: Unit,
        id: ExprId,
        base: PathBase,
        parts: &[Part],
        env: Env,
    ) -> Term {
        if base != PathBase::Relative {
            let (_, file) = self.unit_file(unit);
            let (start, end) = file.range(id);
            let text = Name::from(file.text.get(start as usize..end as usize).unwrap_or(""));
            return if parts.iter().all(|part| matches!(part, Part::Text(_))) {
                Term::new(K::OutsidePath(text))
            } else {
                self.norm_string(unit, parts, env)
            };
        }
        let thunk = self.thunk(Code::Expr(unit, id, env));
        if let Some(path) = self.place(thunk) {
            return self.path_term(&path);
        }
        let directory = self
            .unit_file(unit)
            .0
            .parent()
            .unwrap_or_else(TreePath::root);
        let prefix = match parts.first() {
            Some(Part::Text(text)) => &text[..text.rfind('/').map_or(0, |at| at + 1)],
            _ => "",
        };
        let place = directory.join(prefix).unwrap_or_else(TreePath::root);
        let digest = self.files.digest(&place);
        let mut terms = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            terms.push(match part {
                Part::Text(text) if index == 0 => Term::str(&text[prefix.len()..]),
                Part::Text(text) => Term::new(K::Str(text.clone())),
                Part::Expr(expr) => self.norm(unit, *expr, env),
            });
        }
        Term::new(K::PathInterp(place, digest, terms))
    }

    fn norm_set(&mut self, unit: Unit, recursive: bool, bindings: &Bindings, env: Env) -> Term {
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

    fn norm_lambda(&mut self, unit: Unit, param: &Param, body: ExprId, env: Env) -> Term {
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

/// Whether a term is the place of the tree itself.
fn is_tree(term: &Term) -> bool {
    match term.kind() {
        K::Flake => true,
        K::Path(path, digest) => path.as_str().is_empty() && *digest == Digest::of(b"self"),
        K::Select(base, keys, _) => match (base.kind(), keys.as_slice()) {
            (K::Inputs, [Key::Name(name), ..]) => &**name == "self",
            _ => false,
        },
        _ => false,
    }
}

/// Whether a term may be the place of the tree: it is, or it is what a function
/// that is not called here is given under a name that does not say otherwise.
fn may_be_tree(term: &Term) -> bool {
    match term.kind() {
        K::Select(base, _, _) if !is_tree(term) => may_be_tree(base),
        K::Bound(_, name) | K::Fresh(_, name) => {
            !matches!(&**name, "pkgs" | "config" | "lib" | "options")
        }
        _ => is_tree(term),
    }
}

fn is_path_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+')
}

fn concat_terms(before: Option<Term>, after: Term) -> Term {
    match before {
        None => after,
        Some(before) => Term::new(K::Binary(BinaryOp::Concat, before, after)),
    }
}
