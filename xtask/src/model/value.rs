//! Values of the symbolic evaluator and the heap they live on.

use std::collections::BTreeMap;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::prims::{ModulePrim, Prim};
use super::term::Term;
use crate::syntax::hir::{ExprId, Name, Param, Range};
use crate::tree::TreePath;

/// Index of a delayed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thunk(pub u32);

/// Index of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Env(pub u32);

/// Index of a file that takes part in the evaluation, at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Unit(pub u32);

/// How a delayed value comes about. Never changes: the normal form is made from
/// it even after the value is known.
#[derive(Debug, Clone)]
pub enum Code {
    /// An expression in a scope.
    Expr(Unit, ExprId, Env),
    /// A variable in a scope (`inherit x;`).
    Var(Name, Env),
    /// A call.
    Call(Thunk, Thunk),
    /// `x.name`.
    Member(Thunk, Name),
    /// A value that was computed.
    Ready(Value),
    /// Something that has a normal form of its own; with the value behind it,
    /// where one is known.
    Named(Term, Option<Thunk>),
}

/// A delayed value.
#[derive(Debug)]
pub struct Cell {
    pub code: Code,
    pub value: Option<Value>,
    pub term: Option<Term>,
    /// Being forced right now.
    pub forcing: bool,
    /// Being normalised right now, as this fresh variable.
    pub norming: Option<u32>,
}

/// One scope.
#[derive(Debug)]
pub enum Scope {
    /// Lexical names.
    Names(FxHashMap<Name, Thunk>),
    /// `with`.
    With(Thunk),
}

/// What an opaque value is, as far as it matters to what is done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// nixpkgs' library or a part of it.
    Lib,
    /// `builtins`.
    Builtins,
    /// An input of the flake.
    Input(Name),
    /// The library of an input that is not nixpkgs: only what makes flakes and
    /// hosts is taken to be what its name says.
    InputLib(Name),
    /// The flake itself.
    Flake,
    /// Nothing is known of it.
    Unknown,
}

/// A value that the model does not look into.
#[derive(Debug, Clone)]
pub struct Opaque {
    /// What it is.
    pub role: Role,
    /// Why it is opaque, for people.
    pub why: Rc<str>,
}

/// An attribute with the place of its binding.
#[derive(Debug, Clone, Copy)]
pub struct Attribute {
    pub value: Thunk,
    pub at: Option<(Unit, Range)>,
}

/// A set. Without `dynamic` all of its names are known.
#[derive(Debug, Clone, Default)]
pub struct Set {
    pub fixed: BTreeMap<Name, Attribute>,
    /// Attributes whose names are not known: name, value, place.
    pub dynamic: Vec<(Thunk, Attribute)>,
}

/// An element of a list.
#[derive(Debug, Clone, Copy)]
pub enum Item {
    /// One element.
    One(Thunk),
    /// A list of unknown elements in the middle of the list.
    Splice(Thunk),
}

/// A function.
#[derive(Debug, Clone)]
pub struct Closure {
    pub unit: Unit,
    pub param: Param,
    pub body: ExprId,
    pub env: Env,
}

/// The module system's properties.
#[derive(Debug, Clone)]
pub enum Property {
    /// `mkIf condition content`.
    If(Thunk, Thunk),
    /// `mkOverride priority content`.
    Override(i64, Thunk),
    /// `mkOrder order content`.
    Order(i64, Thunk),
    /// `mkMerge contents`.
    Merge(Thunk),
}

/// A call that makes a host: `nixosSystem args` or `evalModules args`.
#[derive(Debug, Clone)]
pub struct HostCall {
    pub args: Thunk,
    pub function: &'static str,
    /// Which library it is of, as far as that is known.
    pub maker: Name,
    /// Modules added by `extendModules`.
    pub extended: Vec<Thunk>,
    /// What `//` lays over the result.
    pub laid_over: Vec<Thunk>,
}

/// An evaluated value, as far as it is known.
#[derive(Debug, Clone)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Name),
    Path(TreePath),
    /// A string that begins with where the tree stands; the text after that.
    Place(Name),
    List(Rc<[Item]>),
    Set(Rc<Set>),
    Lambda(Rc<Closure>),
    /// A function of the language or the library with its first arguments.
    Prim(Prim, Rc<[Thunk]>),
    Property(Rc<Property>),
    Host(Rc<HostCall>),
    /// `mkOption args` and its like, with the kind of call.
    Declaration(ModulePrim, Thunk),
    /// `a // b` of which not both are known.
    Update(Thunk, Thunk),
    Opaque(Opaque),
}

impl Value {
    /// An opaque value of which nothing is known.
    pub fn unknown(why: &str) -> Self {
        Self::Opaque(Opaque {
            role: Role::Unknown,
            why: Rc::from(why),
        })
    }

    /// An opaque value with a role.
    pub fn role(role: Role, why: &str) -> Self {
        Self::Opaque(Opaque {
            role,
            why: Rc::from(why),
        })
    }

    /// A string value.
    pub fn str(text: &str) -> Self {
        Self::Str(Name::from(text))
    }

    /// A list of known elements.
    pub fn list(items: impl IntoIterator<Item = Thunk>) -> Self {
        Self::List(items.into_iter().map(Item::One).collect())
    }
}
