//! The lazy symbolic evaluator: what can be known of a value, no more.
//!
//! Everything unknown is a [`Value::Opaque`] with the reason. Bounded in steps
//! and depth, so no input makes it loop or exhausts the stack.

use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::files::Files;
use super::prims::{self, Prim};
use super::term::Term;
use super::value::{
    Attribute, Cell, Closure, Code, Env, Item, Opaque, Role, Scope, Set, Thunk, Unit, Value,
};
use crate::syntax::hir::{
    Attr, BinaryOp, Bindings, Bound, Expr, ExprId, File, Name, Param, Part, PathBase, UnaryOp,
};
use crate::tree::TreePath;

/// Evaluation steps per evaluator; a fleet's flake needs a few thousand a host.
const STEPS: u64 = 20_000_000;
/// Deepest nesting of evaluations.
const DEPTH: u32 = 4_000;

/// Evaluates over one tree. Not shared between threads.
pub struct Eval<'t> {
    pub files: &'t Files<'t>,
    pub(super) cells: Vec<Cell>,
    pub(super) scopes: Vec<(Scope, Env)>,
    pub(super) units: Vec<(TreePath, Arc<File>)>,
    unit_index: FxHashMap<TreePath, Unit>,
    import_cache: FxHashMap<TreePath, Thunk>,
    /// The flake's outputs, once its `outputs` function is called.
    pub(super) outputs: Option<Thunk>,
    pub(super) fresh: u32,
    steps: u64,
    pub(super) depth: u32,
    /// Files that took part, in order of first use.
    pub used: Vec<TreePath>,
}

impl<'t> Eval<'t> {
    /// An evaluator with the language's own names in its root scope.
    pub fn new(files: &'t Files<'t>) -> Self {
        Self {
            files,
            cells: Vec::new(),
            scopes: vec![(Scope::Names(FxHashMap::default()), Env(0))],
            units: Vec::new(),
            unit_index: FxHashMap::default(),
            import_cache: FxHashMap::default(),
            outputs: None,
            fresh: 0,
            steps: 0,
            depth: 0,
            used: Vec::new(),
        }
    }

    /// Whether the evaluation was cut off for its size.
    pub fn exhausted(&self) -> bool {
        self.steps >= STEPS
    }

    // --- heap -----------------------------------------------------------

    pub(super) fn thunk(&mut self, code: Code) -> Thunk {
        let id = Thunk(u32::try_from(self.cells.len()).unwrap_or(u32::MAX));
        self.cells.push(Cell {
            code,
            value: None,
            term: None,
            forcing: false,
            norming: None,
        });
        id
    }

    pub(super) fn ready(&mut self, value: Value) -> Thunk {
        self.thunk(Code::Ready(value))
    }

    pub(super) fn scope(&mut self, scope: Scope, parent: Env) -> Env {
        let id = Env(u32::try_from(self.scopes.len()).unwrap_or(u32::MAX));
        self.scopes.push((scope, parent));
        id
    }

    /// The file at a place, loaded once. Directories stand for their `default.nix`.
    pub fn unit(&mut self, path: &TreePath) -> Result<Unit, String> {
        if let Some(unit) = self.unit_index.get(path) {
            return Ok(*unit);
        }
        let place = self.files.module_file(path)?;
        let file = self.files.file(&place)?;
        let unit = Unit(u32::try_from(self.units.len()).unwrap_or(u32::MAX));
        self.units.push((place.clone(), file));
        self.unit_index.insert(path.clone(), unit);
        self.used.push(place);
        Ok(unit)
    }

    /// Path and content of a unit.
    pub fn unit_file(&self, unit: Unit) -> (&TreePath, &Arc<File>) {
        let (path, file) = &self.units[unit.0 as usize];
        (path, file)
    }

    /// The expression of a whole file in the root scope.
    pub fn import(&mut self, path: &TreePath) -> Result<Thunk, String> {
        if let Some(thunk) = self.import_cache.get(path) {
            return Ok(*thunk);
        }
        let unit = self.unit(path)?;
        let root = self.units[unit.0 as usize].1.root;
        let thunk = self.thunk(Code::Expr(unit, root, Env(0)));
        self.import_cache.insert(path.clone(), thunk);
        Ok(thunk)
    }

    // --- names ----------------------------------------------------------

    /// The lexical binding of a name.
    pub(super) fn lexical(&self, name: &str, env: Env) -> Option<Thunk> {
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
    pub(super) fn with_scopes(&self, env: Env) -> Vec<Thunk> {
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

    fn variable(&mut self, name: &Name, env: Env) -> Value {
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

    // --- forcing --------------------------------------------------------

    /// What is known of a delayed value.
    pub fn force(&mut self, thunk: Thunk) -> Value {
        let cell = &mut self.cells[thunk.0 as usize];
        if let Some(value) = &cell.value {
            return value.clone();
        }
        if cell.forcing {
            return Value::unknown("it refers to itself");
        }
        if self.steps >= STEPS {
            return Value::unknown("the evaluation is too large");
        }
        if self.depth >= DEPTH {
            return Value::unknown("the evaluation is nested too deeply");
        }
        cell.forcing = true;
        let code = cell.code.clone();
        self.steps += 1;
        self.depth += 1;
        let value = stacker::maybe_grow(256 << 10, 8 << 20, || self.run(code));
        self.depth -= 1;
        let cell = &mut self.cells[thunk.0 as usize];
        cell.forcing = false;
        cell.value = Some(value.clone());
        value
    }

    fn run(&mut self, code: Code) -> Value {
        match code {
            Code::Ready(value) => value,
            Code::Named(_, Some(inner)) => self.force(inner),
            Code::Named(term, None) => named_value(&term),
            Code::Var(name, env) => self.variable(&name, env),
            Code::Member(base, name) => self.select_value(base, &name),
            Code::Call(function, argument) => self.apply(function, argument),
            Code::Expr(unit, expr, env) => self.eval(unit, expr, env),
        }
    }

    /// A delayed expression; a plain variable is the value it stands for.
    pub(super) fn delay(&mut self, unit: Unit, expr: ExprId, env: Env) -> Thunk {
        if let Expr::Var(name) = self.units[unit.0 as usize].1.expr(expr)
            && let Some(thunk) = self.lexical(name, env)
        {
            return thunk;
        }
        self.thunk(Code::Expr(unit, expr, env))
    }

    pub(super) fn eval(&mut self, unit: Unit, id: ExprId, env: Env) -> Value {
        self.steps += 1;
        let file = Arc::clone(&self.units[unit.0 as usize].1);
        match file.expr(id) {
            Expr::Error => Value::unknown("it does not parse"),
            Expr::Int(value) => Value::Int(*value),
            Expr::Float(text) => text
                .parse()
                .map_or_else(|_| Value::unknown("not a number"), Value::Float),
            Expr::Str(parts) => self.string(unit, parts, env),
            Expr::Path(base, parts) => self.path(unit, *base, parts, env),
            Expr::Var(name) => self.variable(name, env),
            Expr::List(items) => {
                let items: Vec<Thunk> = items
                    .iter()
                    .map(|item| self.delay(unit, *item, env))
                    .collect();
                Value::list(items)
            }
            Expr::Set {
                recursive,
                bindings,
            } => self.set(unit, *recursive, bindings, env),
            Expr::Let(bindings, body) => {
                let inner = self.bind(unit, bindings, env);
                self.eval_deeper(unit, *body, inner)
            }
            Expr::With(scope, body) => {
                let scope = self.delay(unit, *scope, env);
                let inner = self.scope(Scope::With(scope), env);
                self.eval_deeper(unit, *body, inner)
            }
            Expr::Lambda(param, body) => Value::Lambda(Rc::new(Closure {
                unit,
                param: param.clone(),
                body: *body,
                env,
            })),
            Expr::Apply(function, argument) => {
                let function = self.delay(unit, *function, env);
                let argument = self.delay(unit, *argument, env);
                self.apply(function, argument)
            }
            Expr::Select(base, path, default) => {
                let base = self.delay(unit, *base, env);
                self.select(unit, base, path, *default, env)
            }
            Expr::HasAttr(base, path) => self.has_attr(unit, *base, path, env),
            Expr::If(condition, then, other) => {
                let condition = self.delay(unit, *condition, env);
                match self.force(condition) {
                    Value::Bool(true) => self.eval_deeper(unit, *then, env),
                    Value::Bool(false) => self.eval_deeper(unit, *other, env),
                    Value::Opaque(opaque) => {
                        Value::unknown(&format!("it depends on a condition: {}", opaque.why))
                    }
                    _ => Value::unknown("it depends on a condition that is no boolean"),
                }
            }
            Expr::Assert(condition, body) => {
                let condition = self.delay(unit, *condition, env);
                match self.force(condition) {
                    Value::Bool(false) => Value::unknown("an assertion fails"),
                    _ => self.eval_deeper(unit, *body, env),
                }
            }
            Expr::Unary(op, operand) => {
                let operand = self.delay(unit, *operand, env);
                match (op, self.force(operand)) {
                    (UnaryOp::Invert, Value::Bool(value)) => Value::Bool(!value),
                    (UnaryOp::Negate, Value::Int(value)) => Value::Int(value.wrapping_neg()),
                    (UnaryOp::Negate, Value::Float(value)) => Value::Float(-value),
                    (_, Value::Opaque(opaque)) => Value::unknown(&opaque.why),
                    _ => Value::unknown("an operand of the wrong type"),
                }
            }
            Expr::Binary(op, left, right) => {
                let left = self.delay(unit, *left, env);
                let right = self.delay(unit, *right, env);
                self.binary(*op, left, right)
            }
            Expr::CurPos => Value::unknown("it depends on its own position"),
        }
    }

    fn eval_deeper(&mut self, unit: Unit, expr: ExprId, env: Env) -> Value {
        if self.depth >= DEPTH || self.steps >= STEPS {
            return Value::unknown("the evaluation is nested too deeply");
        }
        self.depth += 1;
        let value = stacker::maybe_grow(256 << 10, 8 << 20, || self.eval(unit, expr, env));
        self.depth -= 1;
        value
    }

    // --- bindings and functions -----------------------------------------

    /// A scope with recursive bindings.
    pub(super) fn bind(&mut self, unit: Unit, bindings: &Bindings, env: Env) -> Env {
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

    fn inherited(&mut self, name: &Name, env: Env) -> Thunk {
        match self.lexical(name, env) {
            Some(thunk) => thunk,
            None => self.thunk(Code::Var(name.clone(), env)),
        }
    }

    fn set(&mut self, unit: Unit, recursive: bool, bindings: &Bindings, env: Env) -> Value {
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
    pub(super) fn apply(&mut self, function: Thunk, argument: Thunk) -> Value {
        match self.force(function) {
            Value::Lambda(closure) => {
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
            Value::Opaque(opaque) => {
                Value::unknown(&format!("an unknown function: {}", opaque.why))
            }
            _ => Value::unknown("something that is no function is called"),
        }
    }

    /// The scope of a function's body.
    pub(super) fn parameters(&mut self, closure: &Closure, argument: Thunk) -> Env {
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

    // --- selection ------------------------------------------------------

    fn select(
        &mut self,
        unit: Unit,
        base: Thunk,
        path: &[Attr],
        default: Option<ExprId>,
        env: Env,
    ) -> Value {
        let mut current = base;
        for attr in path {
            let name = match attr {
                Attr::Name(name) => name.clone(),
                Attr::Expr(expr) => {
                    let thunk = self.delay(unit, *expr, env);
                    match self.force(thunk) {
                        Value::Str(name) => name,
                        _ => return Value::unknown("an attribute name that is not known"),
                    }
                }
            };
            match self.member(current, &name) {
                Member::Found(thunk) => current = thunk,
                Member::Value(value) => current = self.ready(value),
                Member::Missing => {
                    return match default {
                        Some(default) => self.eval_deeper(unit, default, env),
                        None => Value::unknown(&format!("attribute `{name}` is missing")),
                    };
                }
                Member::Unknown(why) => return Value::unknown(&why),
            }
        }
        self.force(current)
    }

    fn select_value(&mut self, base: Thunk, name: &Name) -> Value {
        match self.member(base, name) {
            Member::Found(thunk) => self.force(thunk),
            Member::Value(value) => value,
            Member::Missing => Value::unknown(&format!("attribute `{name}` is missing")),
            Member::Unknown(why) => Value::unknown(&why),
        }
    }

    /// Looks a name up in a value.
    pub(super) fn member(&mut self, base: Thunk, name: &Name) -> Member {
        if self.depth >= DEPTH {
            return Member::Unknown("it is nested too deeply".into());
        }
        self.depth += 1;
        let found = stacker::maybe_grow(128 << 10, 8 << 20, || self.member_here(base, name));
        self.depth -= 1;
        found
    }

    fn member_here(&mut self, base: Thunk, name: &Name) -> Member {
        match self.force(base) {
            Value::Set(set) => match set.fixed.get(name) {
                Some(attribute) => Member::Found(attribute.value),
                None if set.dynamic.is_empty() => Member::Missing,
                None => Member::Unknown(format!("`{name}` may be one of the computed attributes")),
            },
            Value::Update(left, right) => match self.member(right, name) {
                Member::Missing => self.member(left, name),
                // One input's library is not taken to replace another's functions.
                Member::Unknown(why) => match self.member(left, name) {
                    Member::Value(value @ Value::Prim(..)) => Member::Value(value),
                    _ => Member::Unknown(why),
                },
                Member::Value(Value::Opaque(opaque)) if opaque.role == Role::Unknown => {
                    match self.member(left, name) {
                        Member::Value(value @ Value::Prim(..)) => Member::Value(value),
                        _ => Member::Value(Value::Opaque(opaque)),
                    }
                }
                found => found,
            },
            Value::Opaque(opaque) => self.opaque_member(&opaque, name),
            Value::Host(_) if &**name == "extendModules" => {
                let base: Rc<[Thunk]> = Rc::new([base]);
                Member::Value(Value::Prim(Prim::ExtendModules, base))
            }
            Value::Host(_) => Member::Value(Value::unknown("a host's own evaluation")),
            Value::Declaration(..) | Value::Property(_) => {
                Member::Unknown("part of a definition".into())
            }
            _ => Member::Missing,
        }
    }

    fn opaque_member(&mut self, opaque: &Opaque, name: &Name) -> Member {
        match &opaque.role {
            Role::Lib => match prims::library(name) {
                Some(value) => Member::Value(value),
                None => Member::Value(Value::unknown(&format!("`lib.{name}` is not modelled"))),
            },
            Role::Builtins => match global(name).or_else(|| prims::builtin(name)) {
                Some(value) => Member::Value(value),
                None => Member::Value(Value::unknown(&format!(
                    "`builtins.{name}` is not modelled"
                ))),
            },
            Role::Input(input) => match &**name {
                "lib" => Member::Value(Value::role(Role::Lib, "the library")),
                _ => Member::Value(Value::unknown(&format!("it comes from input `{input}`"))),
            },
            Role::Flake => self.flake_member(name),
            Role::Unknown => Member::Value(Value::unknown(&opaque.why)),
        }
    }

    fn flake_member(&mut self, name: &Name) -> Member {
        match &**name {
            "outPath" => return Member::Value(Value::Place(Name::from(""))),
            "inputs" => return Member::Value(self.inputs_value()),
            "outputs" => return Member::Value(Value::role(Role::Flake, "the flake")),
            "rev" | "shortRev" | "dirtyRev" | "dirtyShortRev" | "lastModified"
            | "lastModifiedDate" | "narHash" | "sourceInfo" | "submodules" | "_type"
            | "revCount" => {
                return Member::Value(Value::unknown("it depends on the whole repository"));
            }
            _ => {}
        }
        match self.outputs {
            Some(outputs) => self.member(outputs, name),
            None => Member::Unknown("the flake's outputs are not known".into()),
        }
    }

    fn has_attr(&mut self, unit: Unit, base: ExprId, path: &[Attr], env: Env) -> Value {
        let mut current = self.delay(unit, base, env);
        for attr in path {
            let name = match attr {
                Attr::Name(name) => name.clone(),
                Attr::Expr(expr) => {
                    let thunk = self.delay(unit, *expr, env);
                    match self.force(thunk) {
                        Value::Str(name) => name,
                        _ => return Value::unknown("an attribute name that is not known"),
                    }
                }
            };
            match self.member(current, &name) {
                Member::Found(thunk) => current = thunk,
                Member::Value(Value::Opaque(opaque)) if opaque.role == Role::Unknown => {
                    return Value::unknown(&opaque.why);
                }
                Member::Value(value) => current = self.ready(value),
                Member::Missing => return Value::Bool(false),
                Member::Unknown(why) => return Value::unknown(&why),
            }
        }
        Value::Bool(true)
    }

    // --- strings and paths ----------------------------------------------

    /// A value as it is interpolated into a string; `None` if not known.
    pub(super) fn coerce(&mut self, thunk: Thunk) -> Option<Coerced> {
        match self.force(thunk) {
            Value::Str(text) => Some(Coerced::Text(text)),
            Value::Path(path) => Some(Coerced::Place(path_text(&path))),
            Value::Place(text) => Some(Coerced::Place(text)),
            Value::Opaque(Opaque {
                role: Role::Flake, ..
            }) => Some(Coerced::Place(Name::from(""))),
            Value::Set(set) => {
                let out = set.fixed.get("outPath")?.value;
                self.coerce(out)
            }
            _ => None,
        }
    }

    /// The place in the tree that a path, or a string that names one, leads to.
    pub(super) fn place(&mut self, thunk: Thunk) -> Option<TreePath> {
        match self.coerce(thunk)? {
            Coerced::Place(text) => place_path(&text),
            Coerced::Text(_) => None,
        }
    }

    fn string(&mut self, unit: Unit, parts: &[Part], env: Env) -> Value {
        let mut text = String::new();
        let mut placed = false;
        for (index, part) in parts.iter().enumerate() {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Expr(expr) => {
                    let thunk = self.delay(unit, *expr, env);
                    match self.coerce(thunk) {
                        Some(Coerced::Text(part)) => text.push_str(&part),
                        Some(Coerced::Place(part)) if index == 0 => {
                            placed = true;
                            text.push_str(&part);
                        }
                        _ => return Value::unknown("a string with unknown parts"),
                    }
                }
            }
        }
        if placed {
            Value::Place(Name::from(text))
        } else {
            Value::str(&text)
        }
    }

    fn path(&mut self, unit: Unit, base: PathBase, parts: &[Part], env: Env) -> Value {
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Expr(expr) => {
                    let thunk = self.delay(unit, *expr, env);
                    match self.coerce(thunk) {
                        Some(Coerced::Text(part)) => text.push_str(&part),
                        _ => return Value::unknown("a path with unknown parts"),
                    }
                }
            }
        }
        if base != PathBase::Relative {
            return Value::unknown(&format!("`{text}` lies outside of the repository"));
        }
        let directory = self.units[unit.0 as usize]
            .0
            .parent()
            .unwrap_or_else(TreePath::root);
        match directory.join(&text) {
            Some(path) => Value::Path(path),
            None => Value::unknown("a path that leaves the repository"),
        }
    }

    // --- operators ------------------------------------------------------

    pub(super) fn binary(&mut self, op: BinaryOp, left: Thunk, right: Thunk) -> Value {
        use BinaryOp as B;
        match op {
            B::And | B::Or | B::Implication => {
                let left = self.force(left);
                match (op, left) {
                    (B::And, Value::Bool(false)) => Value::Bool(false),
                    (B::Or, Value::Bool(true)) | (B::Implication, Value::Bool(false)) => {
                        Value::Bool(true)
                    }
                    (_, Value::Bool(_)) => self.force(right),
                    (_, Value::Opaque(opaque)) => Value::unknown(&opaque.why),
                    _ => Value::unknown("an operand of the wrong type"),
                }
            }
            B::Equal | B::NotEqual => match self.equal(left, right, 0) {
                Some(equal) => Value::Bool(equal == (op == B::Equal)),
                None => Value::unknown("a comparison of unknown values"),
            },
            B::Concat => self.concat(left, right),
            B::Update => self.update(left, right),
            B::Add => self.add(left, right),
            B::Sub | B::Mul | B::Div | B::Less | B::LessOrEq | B::More | B::MoreOrEq => {
                match (self.force(left), self.force(right)) {
                    (Value::Int(a), Value::Int(b)) => match op {
                        B::Sub => Value::Int(a.wrapping_sub(b)),
                        B::Mul => Value::Int(a.wrapping_mul(b)),
                        B::Div if b != 0 => Value::Int(a.wrapping_div(b)),
                        B::Less => Value::Bool(a < b),
                        B::LessOrEq => Value::Bool(a <= b),
                        B::More => Value::Bool(a > b),
                        B::MoreOrEq => Value::Bool(a >= b),
                        _ => Value::unknown("a division by zero"),
                    },
                    (Value::Str(a), Value::Str(b)) => match op {
                        B::Less => Value::Bool(a < b),
                        B::LessOrEq => Value::Bool(a <= b),
                        B::More => Value::Bool(a > b),
                        B::MoreOrEq => Value::Bool(a >= b),
                        _ => Value::unknown("arithmetic on strings"),
                    },
                    (Value::Opaque(opaque), _) | (_, Value::Opaque(opaque)) => {
                        Value::unknown(&opaque.why)
                    }
                    _ => Value::unknown("an operand that is not modelled"),
                }
            }
            B::PipeRight | B::PipeLeft => Value::unknown("a pipe that was not lowered"),
        }
    }

    fn add(&mut self, left: Thunk, right: Thunk) -> Value {
        match (self.force(left), self.force(right)) {
            (Value::Int(a), Value::Int(b)) => Value::Int(a.wrapping_add(b)),
            (Value::Str(a), Value::Str(b)) => Value::str(&format!("{a}{b}")),
            (Value::Path(base), Value::Str(rest)) => {
                // `./a + "b"` is `./ab`: the text joins the last component.
                let text = format!("{}{rest}", base.as_str());
                match TreePath::new(text.trim_start_matches('/')) {
                    Some(path) => Value::Path(path),
                    None => Value::unknown("a path that leaves the repository"),
                }
            }
            (Value::Place(a), Value::Str(b)) => Value::Place(Name::from(format!("{a}{b}"))),
            (Value::Path(base), Value::Path(rest)) => {
                // An absolute spelling such as `/hosts` reads as text here.
                match base.join(rest.as_str()) {
                    Some(path) => Value::Path(path),
                    None => Value::unknown("a path that leaves the repository"),
                }
            }
            (Value::Path(base), Value::Opaque(_)) => self.add_absolute(&base, right),
            (
                Value::Opaque(Opaque {
                    role: Role::Flake, ..
                }),
                Value::Str(rest),
            ) => Value::Place(rest),
            (Value::Opaque(opaque), _) | (_, Value::Opaque(opaque)) => Value::unknown(&opaque.why),
            _ => Value::unknown("an addition that is not modelled"),
        }
    }

    /// `./hosts + /name/file.nix`: the right side is an absolute path literal.
    fn add_absolute(&mut self, base: &TreePath, right: Thunk) -> Value {
        let Code::Expr(unit, expr, env) = self.cells[right.0 as usize].code.clone() else {
            return Value::unknown("a path with an unknown part");
        };
        let file = Arc::clone(&self.units[unit.0 as usize].1);
        let Expr::Path(PathBase::Absolute, parts) = file.expr(expr) else {
            return Value::unknown("a path with an unknown part");
        };
        let mut text = base.as_str().to_owned();
        for part in parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Expr(expr) => {
                    let thunk = self.delay(unit, *expr, env);
                    match self.coerce(thunk) {
                        Some(Coerced::Text(part)) => text.push_str(&part),
                        _ => return Value::unknown("a path with unknown parts"),
                    }
                }
            }
        }
        match TreePath::new(text.trim_start_matches('/')) {
            Some(path) => Value::Path(path),
            None => Value::unknown("a path that leaves the repository"),
        }
    }

    /// The elements of a list; an unknown list is one splice.
    pub(super) fn items(&mut self, thunk: Thunk) -> Vec<Item> {
        match self.force(thunk) {
            Value::List(items) => items.to_vec(),
            _ => vec![Item::Splice(thunk)],
        }
    }

    fn concat(&mut self, left: Thunk, right: Thunk) -> Value {
        let mut items = self.items(left);
        items.extend(self.items(right));
        Value::List(items.into())
    }

    pub(super) fn update(&mut self, left: Thunk, right: Thunk) -> Value {
        match (self.force(left), self.force(right)) {
            (Value::Set(a), Value::Set(b)) if a.dynamic.is_empty() && b.dynamic.is_empty() => {
                let mut set = (*a).clone();
                set.fixed.extend(
                    b.fixed
                        .iter()
                        .map(|(name, attribute)| (name.clone(), *attribute)),
                );
                Value::Set(Rc::new(set))
            }
            (Value::Host(host), _) => Value::Host(host),
            _ => Value::Update(left, right),
        }
    }

    /// Whether two values are equal; `None` if that is not known.
    pub(super) fn equal(&mut self, left: Thunk, right: Thunk, depth: u32) -> Option<bool> {
        if depth > 32 {
            return None;
        }
        match (self.force(left), self.force(right)) {
            (Value::Opaque(_) | Value::Update(..), _)
            | (_, Value::Opaque(_) | Value::Update(..)) => None,
            (Value::Null, Value::Null) => Some(true),
            (Value::Bool(a), Value::Bool(b)) => Some(a == b),
            (Value::Int(a), Value::Int(b)) => Some(a == b),
            (Value::Float(a), Value::Float(b)) => Some(a == b),
            (Value::Str(a), Value::Str(b)) => Some(a == b),
            (Value::Path(a), Value::Path(b)) => Some(a == b),
            (Value::Place(a), Value::Place(b)) => Some(a == b),
            (Value::List(a), Value::List(b)) => {
                let one = |items: &[Item]| -> Option<Vec<Thunk>> {
                    items
                        .iter()
                        .map(|item| {
                            if let Item::One(t) = item {
                                Some(*t)
                            } else {
                                None
                            }
                        })
                        .collect()
                };
                let (a, b) = (one(&a)?, one(&b)?);
                if a.len() != b.len() {
                    return Some(false);
                }
                for (x, y) in a.into_iter().zip(b) {
                    if !self.equal(x, y, depth + 1)? {
                        return Some(false);
                    }
                }
                Some(true)
            }
            (Value::Set(a), Value::Set(b)) => {
                if !a.dynamic.is_empty() || !b.dynamic.is_empty() {
                    return None;
                }
                if !a.fixed.keys().eq(b.fixed.keys()) {
                    return Some(false);
                }
                for (name, attribute) in &a.fixed {
                    let other = b.fixed.get(name)?.value;
                    if !self.equal(attribute.value, other, depth + 1)? {
                        return Some(false);
                    }
                }
                Some(true)
            }
            (Value::Int(_), Value::Float(_)) | (Value::Float(_), Value::Int(_)) => None,
            (
                Value::Null
                | Value::Bool(_)
                | Value::Int(_)
                | Value::Float(_)
                | Value::Str(_)
                | Value::List(_)
                | Value::Set(_)
                | Value::Path(_)
                | Value::Lambda(_)
                | Value::Prim(..),
                Value::Null
                | Value::Bool(_)
                | Value::Int(_)
                | Value::Float(_)
                | Value::Str(_)
                | Value::List(_)
                | Value::Set(_)
                | Value::Path(_)
                | Value::Lambda(_)
                | Value::Prim(..),
            ) => Some(false),
            _ => None,
        }
    }
}

/// What a value is in a string.
pub(super) enum Coerced {
    /// Plain text.
    Text(Name),
    /// Where the tree stands, with this text after it.
    Place(Name),
}

/// The text of a path after where the tree stands.
pub(super) fn path_text(path: &TreePath) -> Name {
    match path.as_str() {
        "" => Name::from(""),
        text => Name::from(format!("/{text}")),
    }
}

/// The path that a text after the tree's own place leads to.
pub(super) fn place_path(text: &str) -> Option<TreePath> {
    if text.is_empty() || text.starts_with('/') {
        TreePath::root().join(text)
    } else {
        None
    }
}

/// Outcome of looking a name up.
pub(super) enum Member {
    /// A delayed value.
    Found(Thunk),
    /// A value.
    Value(Value),
    /// The name is certainly not there.
    Missing,
    /// It is not known whether it is there.
    Unknown(String),
}

/// A name of the language itself.
fn global(name: &str) -> Option<Value> {
    Some(match name {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" => Value::Null,
        "builtins" => Value::role(Role::Builtins, "builtins"),
        _ => return prims::global(name),
    })
}

/// Whether a name is one of the language itself.
pub(super) fn is_global(name: &str) -> bool {
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

fn named_value(term: &Term) -> Value {
    use super::term::TermKind as K;
    match term.kind() {
        K::Arg(name) if &**name == "lib" => Value::role(Role::Lib, "the library"),
        K::Arg(name) => Value::unknown(&format!("it depends on `{name}`")),
        K::Input(name) => Value::role(Role::Input(name.clone()), &format!("input `{name}`")),
        K::Flake => Value::role(Role::Flake, "the flake"),
        _ => Value::unknown("a parameter"),
    }
}
