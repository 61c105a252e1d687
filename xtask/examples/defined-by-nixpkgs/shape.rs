//! What an expression can evaluate to, as far as attribute paths are concerned.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use xtask::syntax::hir::{ExprId, File, Name};

/// A file and the folder that its path literals are relative to.
pub struct Source {
    pub file: File,
    pub folder: PathBuf,
}

/// Every value that an expression may have is covered by its shape.
#[derive(Clone)]
pub enum Shape {
    /// Anything at all.
    Any,
    /// No set, list or function: a number, a text that is not known, null.
    Scalar,
    /// This text.
    Text(Name),
    /// This file or folder.
    Path(PathBuf),
    /// A set with at most these attributes.
    Set(Rc<Set>),
    /// A list of these elements, or, unless it is exact, of any number of
    /// elements that are among these.
    List { items: Rc<Vec<Thunk>>, exact: bool },
    /// A function that the source spells out.
    Closure(Rc<Source>, ExprId, Env),
    /// A function of the library, with the arguments that it has so far.
    Primitive(&'static str, Rc<Vec<Thunk>>),
    /// The library, or a part of it.
    Library,
    /// The module of options that pass their definitions on: their paths, and
    /// the path that these lead to.
    Alias(Rc<Vec<Thunk>>, Thunk),
    /// One of these; none at all where evaluation fails.
    Union(Rc<Vec<Shape>>),
}

/// Attributes by name, and those whose names are not known.
#[derive(Default)]
pub struct Set {
    pub named: BTreeMap<Name, Thunk>,
    pub unnamed: Vec<Thunk>,
}

impl Shape {
    pub fn none() -> Self {
        Self::Union(Rc::default())
    }

    pub fn list(items: Vec<Thunk>, exact: bool) -> Self {
        let items = Rc::new(items);
        Self::List { items, exact }
    }

    pub fn set(named: BTreeMap<Name, Thunk>, unnamed: Vec<Thunk>) -> Self {
        Self::Set(Rc::new(Set { named, unnamed }))
    }

    pub fn union(shapes: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Vec::new();
        for shape in shapes {
            match shape {
                Self::Any => return Self::Any,
                Self::Union(inner) => all.extend(inner.iter().cloned()),
                other => all.push(other),
            }
        }
        match all.len() {
            1 => all.pop().unwrap_or(Self::Any),
            _ => Self::Union(Rc::new(all)),
        }
    }

    /// The alternatives of a union; a slice of itself for anything else.
    pub fn alternatives(&self) -> &[Self] {
        match self {
            Self::Union(inner) => inner,
            other => std::slice::from_ref(other),
        }
    }
}

/// A shape that is worked out when it is asked for.
pub type Thunk = Rc<RefCell<State>>;

pub enum State {
    Done(Shape),
    /// Being worked out: it depends on itself.
    Busy,
    Expression(Rc<Source>, ExprId, Env),
    Apply(Shape, Vec<Thunk>),
    /// An attribute of a value, or else a default.
    Attribute(Thunk, Name, Option<(Rc<Source>, ExprId, Env)>),
    /// A name of the scopes around.
    Variable(Name, Env),
}

pub fn done(shape: Shape) -> Thunk {
    Rc::new(RefCell::new(State::Done(shape)))
}

pub fn later(state: State) -> Thunk {
    Rc::new(RefCell::new(state))
}

/// The scopes around an expression, the innermost first.
pub type Env = Option<Rc<Scope>>;

pub struct Scope {
    pub names: RefCell<BTreeMap<Name, Thunk>>,
    pub with: Option<Thunk>,
    pub outer: Env,
}
