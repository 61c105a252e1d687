//! Normal forms of expressions.
//!
//! A term is what an expression means as far as syntax can tell: trivia is
//! gone, local names are replaced by what they are bound to, variables are
//! their binders, paths are a place in the tree plus its content. Two terms are
//! equal if and only if their hashes are, so comparing is cheap and terms of two
//! different trees can be compared.

mod build;
mod hash;
mod library;
mod walk;

use std::fmt;
use std::sync::Arc;

use crate::syntax::hir::{BinaryOp, Name, UnaryOp};
use crate::tree::TreePath;

/// A 128-bit content hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::finish(blake3::Hasher::new().update(bytes))
    }

    /// Closes a running hash.
    pub fn finish(hasher: &blake3::Hasher) -> Self {
        let mut out = [0; 16];
        out.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(out)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..6]
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A normal form. Cheap to clone; equality is equality of meaning as far as
/// syntax can tell.
#[derive(Clone)]
pub struct Term(Arc<Node>);

struct Node {
    digest: Digest,
    params: hash::Params,
    kind: TermKind,
}

/// Component of an attribute path in a term.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// A known name.
    Name(Name),
    /// A name that only evaluation knows.
    Term(Term),
}

/// Parameter of a function in a term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParamTerm {
    /// `x:`.
    Plain,
    /// `{ a ? d, ... }`, sorted by name; whether it has `...` and an `@` name.
    Set(Vec<(Name, Option<Term>)>, bool, bool),
}

/// The shapes of terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TermKind {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float as spelt.
    Float(Name),
    /// A string without interpolation.
    Str(Name),
    /// A string with interpolation: its parts.
    Interp(Vec<Term>),
    /// A path in the tree and the digest of all that stands there.
    Path(TreePath, Digest),
    /// A path outside of the tree, as spelt.
    OutsidePath(Name),
    /// A path of which only a directory is known, that directory's digest, and
    /// the rest.
    PathInterp(TreePath, Digest, Vec<Term>),
    /// Argument of the module system's own evaluation: `config`, `pkgs`, ….
    Arg(Name),
    /// All module arguments at once, of a function with these formals.
    ArgSet(Vec<Name>),
    /// A name of the language itself: `builtins`, `map`, ….
    Global(Name),
    /// An input of the flake.
    Input(Name),
    /// All inputs of the flake.
    Inputs,
    /// The flake itself.
    Flake,
    /// A name that is looked up in these scopes when evaluated, innermost first.
    WithVar(Name, Vec<Term>),
    /// Parameter of an enclosing function, counted outwards; with the formal's name.
    Bound(u32, Name),
    /// A parameter whose function is not closed yet.
    Fresh(u32, Name),
    /// A list.
    List(Vec<Term>),
    /// A set: fixed names sorted, then the others.
    Set(Vec<(Name, Term)>, Vec<(Term, Term)>),
    /// A function.
    Lambda(ParamTerm, Term),
    /// A value that refers to itself as [`TermKind::Bound`].
    Mu(Term),
    /// A call.
    Apply(Term, Term),
    /// `x.a.b or d`.
    Select(Term, Vec<Key>, Option<Term>),
    /// `x ? a.b`.
    HasAttr(Term, Vec<Key>),
    /// `if … then … else …`.
    If(Term, Term, Term),
    /// `assert …; …`.
    Assert(Term, Term),
    /// `!x`, `-x`.
    Unary(UnaryOp, Term),
    /// `x + y`.
    Binary(BinaryOp, Term, Term),
    /// `__curPos`, or an expression that was too much: a place and its content.
    Place(TreePath, u32, Digest),
}

impl PartialEq for Term {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest
    }
}

impl Eq for Term {}

impl std::hash::Hash for Term {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.digest.hash(state);
    }
}

impl fmt::Debug for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::show::show(self, 400))
    }
}

impl Term {
    /// The term of this shape.
    pub fn new(kind: TermKind) -> Self {
        let (digest, params) = hash::digest(&kind);
        Self(Arc::new(Node {
            digest,
            params,
            kind,
        }))
    }

    /// The shape.
    pub fn kind(&self) -> &TermKind {
        &self.0.kind
    }

    /// What stands for the term in comparisons.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// Whether no parameter of an unfinished function occurs.
    pub fn is_closed(&self) -> bool {
        self.0.params.fresh == 0
    }

    /// How many of the innermost functions around it may have parameters in it.
    pub fn parameters(&self) -> u32 {
        self.0.params.bound
    }
}
