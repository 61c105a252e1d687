//! Evaluation of expressions to shapes.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use xtask::syntax::hir::{
    Attr, BinaryOp, Bindings, Bound, Expr, ExprId, Name, Param, Part, PathBase,
};
use xtask::syntax::lower;

use crate::primitives;
use crate::shape::{Env, Scope, Set, Shape, Source, State, Thunk, done, later};

/// Deeper evaluations, and longer ones, end in [`Shape::Any`].
const DEPTH: usize = 600;
const STEPS: usize = 400_000;

pub struct Evaluator {
    files: HashMap<PathBuf, Option<Rc<Source>>>,
    depth: usize,
    steps: usize,
}

impl Evaluator {
    pub fn new() -> Self {
        Self {
            files: HashMap::new(),
            depth: 0,
            steps: 0,
        }
    }

    /// The shape of the expression in a file; the budget begins anew.
    pub fn file(&mut self, path: &Path) -> Shape {
        self.steps = 0;
        self.import(path)
    }

    /// Whether the last file was given up half-way.
    pub fn exhausted(&self) -> bool {
        self.steps > STEPS
    }

    pub fn import(&mut self, path: &Path) -> Shape {
        let path = if path.is_dir() {
            path.join("default.nix")
        } else {
            path.to_owned()
        };
        let source = self.files.entry(path.clone()).or_insert_with(|| {
            let text = std::fs::read_to_string(&path).ok()?;
            let file = lower(Arc::from(text));
            let folder = path.parent().map(Path::to_owned)?;
            file.errors
                .is_empty()
                .then(|| Rc::new(Source { file, folder }))
        });
        match source.clone() {
            Some(source) => {
                let root = source.file.root;
                self.eval(&source, root, &None)
            }
            None => Shape::Any,
        }
    }

    pub fn force(&mut self, thunk: &Thunk) -> Shape {
        let state = match &mut *thunk.borrow_mut() {
            State::Done(shape) => return shape.clone(),
            state => std::mem::replace(state, State::Busy),
        };
        let shape = match state {
            State::Done(shape) => shape,
            // A value that depends on itself may be anything.
            State::Busy => Shape::Any,
            State::Expression(source, expr, env) => self.eval(&source, expr, &env),
            State::Apply(function, arguments) => {
                arguments.into_iter().fold(function, |function, argument| {
                    self.apply(&function, argument)
                })
            }
            State::Attribute(set, name, default) => {
                let set = self.force(&set);
                let default =
                    default.map(|(source, expr, env)| later(State::Expression(source, expr, env)));
                self.attribute(&set, &name, default.as_ref())
            }
            State::Variable(name, env) => self.variable(&name, &env),
        };
        *thunk.borrow_mut() = State::Done(shape.clone());
        shape
    }

    fn eval(&mut self, source: &Rc<Source>, expr: ExprId, env: &Env) -> Shape {
        self.steps += 1;
        if self.depth > DEPTH || self.steps > STEPS {
            return Shape::Any;
        }
        self.depth += 1;
        let shape = stacker::maybe_grow(256 << 10, 8 << 20, || self.eval_here(source, expr, env));
        self.depth -= 1;
        shape
    }

    fn eval_here(&mut self, source: &Rc<Source>, expr: ExprId, env: &Env) -> Shape {
        let thunk = |expr: ExprId| later(State::Expression(source.clone(), expr, env.clone()));
        match source.file.expr(expr) {
            Expr::Error => Shape::Any,
            Expr::Int(_) | Expr::Float(_) | Expr::HasAttr(..) | Expr::CurPos => Shape::Scalar,
            Expr::Unary(..) => Shape::Scalar,
            Expr::Str(parts) => match parts.as_slice() {
                [] => Shape::Text("".into()),
                [Part::Text(text)] => Shape::Text(text.clone()),
                _ => Shape::Scalar,
            },
            Expr::Path(PathBase::Relative, parts) => match parts.as_slice() {
                [Part::Text(text)] => Shape::Path(normal(&source.folder.join(&**text))),
                _ => Shape::Any,
            },
            Expr::Path(..) => Shape::Any,
            Expr::Var(name) => self.variable(name, env),
            Expr::List(items) => Shape::list(items.iter().map(|item| thunk(*item)).collect(), true),
            Expr::Set {
                recursive,
                bindings,
            } => self.set(source, bindings, env, *recursive),
            Expr::Let(bindings, body) => {
                let env = self.scope(source, bindings, env).1;
                self.eval(source, *body, &env)
            }
            Expr::With(set, body) => {
                let env = Some(Rc::new(Scope {
                    names: RefCell::default(),
                    with: Some(thunk(*set)),
                    outer: env.clone(),
                }));
                self.eval(source, *body, &env)
            }
            Expr::Lambda(..) => Shape::Closure(source.clone(), expr, env.clone()),
            Expr::Apply(function, argument) => {
                let function = self.eval(source, *function, env);
                self.apply(&function, thunk(*argument))
            }
            Expr::Select(set, path, default) => {
                let mut shape = self.eval(source, *set, env);
                let default = default.map(thunk);
                for attr in path {
                    shape = match attr {
                        Attr::Name(name) => self.attribute(&shape, name, default.as_ref()),
                        Attr::Expr(_) => {
                            let values = self.values(&shape);
                            let default = default.as_ref().map(|default| self.force(default));
                            Shape::union([values].into_iter().chain(default))
                        }
                    };
                }
                shape
            }
            Expr::If(_, yes, no) => {
                let yes = self.eval(source, *yes, env);
                let no = self.eval(source, *no, env);
                Shape::union([yes, no])
            }
            Expr::Assert(_, body) => self.eval(source, *body, env),
            Expr::Binary(BinaryOp::Update, left, right) => {
                let left = self.eval(source, *left, env);
                let right = self.eval(source, *right, env);
                Shape::union([left, right])
            }
            Expr::Binary(BinaryOp::Concat, left, right) => {
                let left = self.eval(source, *left, env);
                let right = self.eval(source, *right, env);
                match (&left, &right) {
                    (
                        Shape::List {
                            items: a,
                            exact: true,
                        },
                        Shape::List {
                            items: b,
                            exact: true,
                        },
                    ) => Shape::list(a.iter().chain(b.iter()).cloned().collect(), true),
                    _ => Shape::union([left, right]),
                }
            }
            // A path may come of it.
            Expr::Binary(BinaryOp::Add, left, right) => {
                let left = self.eval(source, *left, env);
                let right = self.eval(source, *right, env);
                match (left, right) {
                    (Shape::Path(base), Shape::Text(rest)) => {
                        Shape::Path(normal(Path::new(&format!("{}{rest}", base.display()))))
                    }
                    (Shape::Path(_), _) => Shape::Any,
                    _ => Shape::Scalar,
                }
            }
            Expr::Binary(..) => Shape::Scalar,
        }
    }

    fn bound(
        &self,
        source: &Rc<Source>,
        name: &Name,
        bound: &Bound,
        outer: &Env,
        env: &Env,
    ) -> Thunk {
        match bound {
            Bound::Expr(expr) => later(State::Expression(source.clone(), *expr, env.clone())),
            Bound::Inherit => later(State::Variable(name.clone(), outer.clone())),
            Bound::InheritFrom(from) => {
                let from = later(State::Expression(source.clone(), *from, env.clone()));
                later(State::Attribute(from, name.clone(), None))
            }
        }
    }

    /// The bindings of `let` or `rec`, and the environment that has them.
    fn scope(
        &self,
        source: &Rc<Source>,
        bindings: &Bindings,
        outer: &Env,
    ) -> (BTreeMap<Name, Thunk>, Env) {
        let scope = Rc::new(Scope {
            names: RefCell::default(),
            with: None,
            outer: outer.clone(),
        });
        let env = Some(scope.clone());
        let names: BTreeMap<Name, Thunk> = bindings
            .fixed
            .iter()
            .map(|b| {
                (
                    b.name.clone(),
                    self.bound(source, &b.name, &b.bound, outer, &env),
                )
            })
            .collect();
        *scope.names.borrow_mut() = names.clone();
        (names, env)
    }

    fn set(&self, source: &Rc<Source>, bindings: &Bindings, env: &Env, recursive: bool) -> Shape {
        let (named, env) = if recursive {
            self.scope(source, bindings, env)
        } else {
            let named = bindings
                .fixed
                .iter()
                .map(|b| {
                    (
                        b.name.clone(),
                        self.bound(source, &b.name, &b.bound, env, env),
                    )
                })
                .collect();
            (named, env.clone())
        };
        let unnamed = bindings
            .dynamic
            .iter()
            .map(|(_, value, _)| later(State::Expression(source.clone(), *value, env.clone())))
            .collect();
        Shape::set(named, unnamed)
    }

    fn variable(&mut self, name: &Name, env: &Env) -> Shape {
        let mut scope = env.as_ref();
        while let Some(here) = scope {
            let found = here.names.borrow().get(name).cloned();
            if let Some(found) = found {
                return self.force(&found);
            }
            scope = here.outer.as_ref();
        }
        if matches!(&**name, "true" | "false" | "null") {
            return Shape::Scalar;
        }
        if matches!(&**name, "builtins" | "lib") {
            return Shape::Library;
        }
        let mut scope = env.as_ref();
        while let Some(here) = scope {
            if let Some(with) = &here.with {
                let with = self.force(with);
                if !matches!(with, Shape::Any | Shape::Library) {
                    let found = self.attribute(&with, name, None);
                    if found.alternatives().is_empty() {
                        scope = here.outer.as_ref();
                        continue;
                    }
                    return found;
                }
            }
            scope = here.outer.as_ref();
        }
        // No set in sight has it: a name of the library, or of something
        // that is not known and then has none of the library's names.
        primitives::named(name)
    }

    /// The attribute of a value, or else the default.
    fn attribute(&mut self, of: &Shape, name: &Name, default: Option<&Thunk>) -> Shape {
        let mut found = Vec::new();
        for shape in of.alternatives() {
            match shape {
                Shape::Set(set) => {
                    found.extend(set.named.get(name).map(|thunk| self.force(thunk)));
                    found.extend(set.unnamed.iter().map(|thunk| self.force(thunk)));
                }
                Shape::Library => found.push(match &**name {
                    "types" | "trivial" | "attrsets" | "lists" | "strings" | "modules"
                    | "options" => Shape::Library,
                    _ => primitives::named(name),
                }),
                Shape::Any if matches!(&**name, "lib" | "builtins") => found.push(Shape::Library),
                Shape::Scalar | Shape::Text(_) | Shape::List { .. } => {}
                _ => found.push(Shape::Any),
            }
        }
        found.extend(default.map(|default| self.force(default)));
        Shape::union(found)
    }

    /// Any attribute of a set, any element of a list.
    pub fn values(&mut self, of: &Shape) -> Shape {
        let mut found = Vec::new();
        for shape in of.alternatives() {
            match shape {
                Shape::Set(set) => {
                    let all = set.named.values().chain(&set.unnamed);
                    found.extend(all.map(|thunk| self.force(thunk)));
                }
                Shape::List { items, .. } => {
                    found.extend(items.iter().map(|thunk| self.force(thunk)))
                }
                Shape::Scalar | Shape::Text(_) => {}
                _ => return Shape::Any,
            }
        }
        Shape::union(found)
    }

    pub fn apply(&mut self, function: &Shape, argument: Thunk) -> Shape {
        let mut results = Vec::new();
        for function in function.alternatives() {
            results.push(match function {
                Shape::Closure(source, lambda, env) => self.call(source, *lambda, env, &argument),
                Shape::Primitive(name, arguments) => {
                    let mut arguments = Vec::clone(arguments);
                    arguments.push(argument.clone());
                    if arguments.len() < primitives::arity(name) {
                        Shape::Primitive(name, Rc::new(arguments))
                    } else {
                        primitives::run(self, name, &arguments)
                    }
                }
                _ => Shape::Any,
            });
        }
        Shape::union(results)
    }

    fn call(&mut self, source: &Rc<Source>, lambda: ExprId, env: &Env, argument: &Thunk) -> Shape {
        let Expr::Lambda(param, body) = source.file.expr(lambda) else {
            return Shape::Any;
        };
        let scope = Rc::new(Scope {
            names: RefCell::default(),
            with: None,
            outer: env.clone(),
        });
        let inner = Some(scope.clone());
        let mut names = BTreeMap::new();
        match param {
            Param::Name(name) => {
                names.insert(name.clone(), argument.clone());
            }
            Param::Set { formals, bind, .. } => {
                for (name, default) in formals {
                    let default = default.map(|expr| (source.clone(), expr, inner.clone()));
                    let state = State::Attribute(argument.clone(), name.clone(), default);
                    names.insert(name.clone(), later(state));
                }
                if let Some(name) = bind {
                    names.insert(name.clone(), argument.clone());
                }
            }
        }
        *scope.names.borrow_mut() = names;
        self.eval(source, *body, &inner)
    }

    /// The sets among the alternatives; `None` if there may be others.
    pub fn sets(&mut self, shape: &Shape) -> Option<Vec<Rc<Set>>> {
        let mut sets = Vec::new();
        for shape in shape.alternatives() {
            match shape {
                Shape::Set(set) => sets.push(set.clone()),
                Shape::Scalar | Shape::Text(_) => {}
                _ => return None,
            }
        }
        Some(sets)
    }

    /// The elements that a list may have; `None` if they are not known.
    pub fn items(&mut self, shape: &Shape) -> Option<Vec<Thunk>> {
        let mut items = Vec::new();
        for shape in shape.alternatives() {
            match shape {
                Shape::List { items: list, .. } => items.extend(list.iter().cloned()),
                Shape::Scalar | Shape::Text(_) => {}
                _ => return None,
            }
        }
        Some(items)
    }
}

/// Without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}

/// A value that nothing is known of.
pub fn anything() -> Thunk {
    done(Shape::Any)
}
