//! The compact form of a file: an arena of expressions without trivia.
//!
//! Attribute paths are desugared as Nix does it (`a.b = 1; a.c = 2;` is one
//! set), parentheses are gone, strings are cooked. Nothing here knows where the
//! file stands, so equal texts share one form.

use std::sync::Arc;

use super::SyntaxError;

/// An identifier or attribute name.
pub type Name = Arc<str>;

/// Index of an expression in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExprId(pub u32);

/// A byte range.
pub type Range = (u32, u32);

/// One file.
#[derive(Debug)]
pub struct File {
    /// The text.
    pub text: Arc<str>,
    /// The expression of the file.
    pub root: ExprId,
    /// What is wrong with it; empty for valid Nix.
    pub errors: Vec<SyntaxError>,
    /// Names that locals stand for and that only a `with` can bind. Nix looks them up
    /// when it comes to the `let`, whether or not the local is used.
    pub looked_up: Vec<Name>,
    pub(super) exprs: Vec<(Expr, Range)>,
}

impl File {
    /// The expression with this index.
    pub fn expr(&self, id: ExprId) -> &Expr {
        self.exprs
            .get(id.0 as usize)
            .map_or(&Expr::Error, |(expr, _)| expr)
    }

    /// Where the expression stands.
    pub fn range(&self, id: ExprId) -> Range {
        self.exprs
            .get(id.0 as usize)
            .map_or((0, 0), |(_, range)| *range)
    }

    /// How many expressions there are.
    pub fn len(&self) -> usize {
        self.exprs.len()
    }

    /// Whether the file holds no expression at all.
    pub fn is_empty(&self) -> bool {
        self.exprs.is_empty()
    }

    /// All expressions.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.exprs.iter().map(|(expr, _)| expr)
    }
}

/// Part of a string or path.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text.
    Text(Arc<str>),
    /// `${…}`.
    Expr(ExprId),
}

/// How a path literal begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathBase {
    /// Relative to the file: `./x`, `x/y`.
    Relative,
    /// `/x`.
    Absolute,
    /// `~/x`.
    Home,
    /// `<x>`.
    Search,
}

/// A component of an attribute path.
#[derive(Debug, Clone, PartialEq)]
pub enum Attr {
    /// A name known from the text.
    Name(Name),
    /// `${…}` or a string with interpolation.
    Expr(ExprId),
}

/// What a name is bound to in a set or `let`.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    /// `name = expr;`, or the set that several attribute paths make up.
    Expr(ExprId),
    /// `inherit name;`: the name in the enclosing scope.
    Inherit,
    /// `inherit (expr) name;`.
    InheritFrom(ExprId),
}

/// One binding of a set or `let`.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// The name.
    pub name: Name,
    /// What it is bound to.
    pub bound: Bound,
    /// Where the (first) binding stands, from its attribute path to `;`.
    pub range: Range,
}

/// The bindings of a set or `let`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bindings {
    /// Names known from the text, in order of appearance, each once.
    pub fixed: Vec<Binding>,
    /// `${name} = value;`, with the place of the binding.
    pub dynamic: Vec<(ExprId, ExprId, Range)>,
}

/// Parameter of a function.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// `x:`.
    Name(Name),
    /// `{ a, b ? 1, ... } @ x:`.
    Set {
        /// Names with their defaults, in order of appearance.
        formals: Vec<(Name, Option<ExprId>)>,
        /// Whether further attributes are allowed.
        ellipsis: bool,
        /// The `@` name.
        bind: Option<Name>,
    },
}

pub use rnix::ast::BinOpKind as BinaryOp;
pub use rnix::ast::UnaryOpKind as UnaryOp;

/// One expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// Did not parse.
    Error,
    /// An integer.
    Int(i64),
    /// A float, as it is spelt.
    Float(Arc<str>),
    /// A string of either kind, cooked.
    Str(Vec<Part>),
    /// A path literal.
    Path(PathBase, Vec<Part>),
    /// A variable.
    Var(Name),
    /// `[ … ]`.
    List(Vec<ExprId>),
    /// `{ … }`.
    Set {
        /// Whether it is recursive.
        recursive: bool,
        /// What it binds.
        bindings: Bindings,
    },
    /// `let … in …`.
    Let(Bindings, ExprId),
    /// `with …; …`.
    With(ExprId, ExprId),
    /// `x: …`.
    Lambda(Param, ExprId),
    /// `f x`.
    Apply(ExprId, ExprId),
    /// `x.a.b or d`.
    Select(ExprId, Vec<Attr>, Option<ExprId>),
    /// `x ? a.b`.
    HasAttr(ExprId, Vec<Attr>),
    /// `if … then … else …`.
    If(ExprId, ExprId, ExprId),
    /// `assert …; …`.
    Assert(ExprId, ExprId),
    /// `!x`, `-x`.
    Unary(UnaryOp, ExprId),
    /// `x + y`.
    Binary(BinaryOp, ExprId, ExprId),
    /// `__curPos`.
    CurPos,
}
