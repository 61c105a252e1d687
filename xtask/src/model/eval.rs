//! The lazy symbolic evaluator: what can be known of a value, no more.
//!
//! Everything unknown is a [`Value::Opaque`] with the reason. Bounded in steps
//! and depth, so no input makes it loop or exhausts the stack.

mod functions;
mod names;
mod operators;
mod selection;
mod text;

use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::files::Files;
use super::value::{Cell, Closure, Code, Env, Scope, Thunk, Unit, Value};
use crate::syntax::hir::{Expr, ExprId, File, UnaryOp};
use crate::tree::TreePath;
pub(super) use names::is_global;
use names::named_value;
pub(super) use selection::{LIBRARY_OF_INPUT, Member};
pub(super) use text::{path_text, place_path};

/// Evaluation steps per evaluator; a fleet's flake needs a few thousand a host.
const STEPS: u64 = 20_000_000;
/// Expressions that are brought into normal form for one host; the largest known need
/// some ten thousand. Files that import each other in rings have no end of forms.
const NORMALISED: u64 = 300_000;
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
    /// The outermost value under way that a normal form referred to, by its variable.
    pub(super) referred: u32,
    steps: u64,
    /// Expressions brought into normal form for the host in hand.
    normalised: u64,
    /// The limit of a host was reached once: what is shared with others is cut off, too.
    cut_off: bool,
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
            referred: u32::MAX,
            steps: 0,
            normalised: 0,
            cut_off: false,
            depth: 0,
            used: Vec::new(),
        }
    }

    /// Whether the evaluation was cut off for its size.
    pub fn exhausted(&self) -> bool {
        self.cut_off || self.steps >= STEPS
    }

    /// Begins with another host.
    pub(super) fn begin_host(&mut self) {
        self.normalised = 0;
    }

    /// Counts an expression that is brought into normal form.
    pub(super) fn count_normalised(&mut self) {
        self.normalised += 1;
        self.cut_off |= self.normalised >= NORMALISED;
    }

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

    /// Gives a value that was not known when it was handed on. What has been computed
    /// from it by now stays unknown.
    pub(super) fn redefine(&mut self, thunk: Thunk, value: Value) {
        if let Some(cell) = self.cells.get_mut(thunk.0 as usize) {
            cell.code = Code::Ready(value);
            cell.value = None;
        }
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
        let file = self.files.imported(&place)?;
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
                    Value::Bool(true) => self.eval_deeper(unit, *body, env),
                    Value::Opaque(opaque) => {
                        Value::unknown(&format!("it depends on an assertion: {}", opaque.why))
                    }
                    _ => Value::unknown("an assertion fails"),
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
}
