//! Normal forms of expressions.
//!
//! A term is what an expression means as far as syntax can tell: trivia is
//! gone, local names are replaced by what they are bound to, variables are
//! their binders, paths are a place in the tree plus its content. Two terms are
//! equal if and only if their hashes are, so comparing is cheap and terms of two
//! different trees can be compared.

use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashMap;

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
    /// One more than the largest free [`TermKind::Fresh`] below; 0 if closed.
    free: u32,
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

use TermKind as K;

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

/// Feeds a hash with length-prefixed fields.
struct Feed(blake3::Hasher, u32);

impl Feed {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn term(&mut self, term: &Term) {
        self.0.update(&term.0.digest.0);
        self.1 = self.1.max(term.0.free);
    }

    fn terms<'a>(&mut self, terms: impl ExactSizeIterator<Item = &'a Term>) {
        self.number(terms.len() as u64);
        terms.for_each(|term| self.term(term));
    }

    fn option(&mut self, term: Option<&Term>) {
        self.number(u64::from(term.is_some()));
        if let Some(term) = term {
            self.term(term);
        }
    }

    fn keys(&mut self, keys: &[Key]) {
        self.number(keys.len() as u64);
        for key in keys {
            match key {
                Key::Name(name) => {
                    self.number(0);
                    self.bytes(name.as_bytes());
                }
                Key::Term(term) => {
                    self.number(1);
                    self.term(term);
                }
            }
        }
    }
}

impl Term {
    /// The term of this shape.
    pub fn new(kind: TermKind) -> Self {
        let mut feed = Feed(blake3::Hasher::new(), 0);
        feed.number(discriminant(&kind));
        match &kind {
            K::Null | K::Inputs | K::Flake => {}
            K::Bool(value) => feed.number(u64::from(*value)),
            K::Int(value) => feed.bytes(&value.to_le_bytes()),
            K::Float(text) | K::Str(text) | K::OutsidePath(text) => feed.bytes(text.as_bytes()),
            K::Arg(name) | K::Global(name) | K::Input(name) => feed.bytes(name.as_bytes()),
            K::Interp(parts) | K::List(parts) => feed.terms(parts.iter()),
            K::Path(path, digest) => {
                feed.bytes(path.as_str().as_bytes());
                feed.bytes(&digest.0);
            }
            K::PathInterp(path, digest, parts) => {
                feed.bytes(path.as_str().as_bytes());
                feed.bytes(&digest.0);
                feed.terms(parts.iter());
            }
            K::ArgSet(names) => {
                feed.number(names.len() as u64);
                names.iter().for_each(|name| feed.bytes(name.as_bytes()));
            }
            K::WithVar(name, scopes) => {
                feed.bytes(name.as_bytes());
                feed.terms(scopes.iter());
            }
            K::Bound(index, name) => {
                feed.number(u64::from(*index));
                feed.bytes(name.as_bytes());
            }
            K::Fresh(id, name) => {
                feed.number(u64::from(*id));
                feed.bytes(name.as_bytes());
                feed.1 = feed.1.max(id + 1);
            }
            K::Set(fixed, dynamic) => {
                feed.number(fixed.len() as u64);
                for (name, term) in fixed {
                    feed.bytes(name.as_bytes());
                    feed.term(term);
                }
                feed.number(dynamic.len() as u64);
                for (name, term) in dynamic {
                    feed.term(name);
                    feed.term(term);
                }
            }
            K::Lambda(param, body) => {
                if let ParamTerm::Set(formals, ellipsis, bind) = param {
                    feed.number(1 + u64::from(*ellipsis) * 2 + u64::from(*bind) * 4);
                    feed.number(formals.len() as u64);
                    for (name, default) in formals {
                        feed.bytes(name.as_bytes());
                        feed.option(default.as_ref());
                    }
                } else {
                    feed.number(0);
                }
                feed.term(body);
            }
            K::Mu(body) => feed.term(body),
            K::Apply(a, b) | K::Assert(a, b) => {
                feed.term(a);
                feed.term(b);
            }
            K::Select(base, keys, default) => {
                feed.term(base);
                feed.keys(keys);
                feed.option(default.as_ref());
            }
            K::HasAttr(base, keys) => {
                feed.term(base);
                feed.keys(keys);
            }
            K::If(a, b, c) => [a, b, c].into_iter().for_each(|term| feed.term(term)),
            K::Unary(op, a) => {
                feed.number(*op as u64);
                feed.term(a);
            }
            K::Binary(op, a, b) => {
                feed.number(*op as u64);
                feed.term(a);
                feed.term(b);
            }
            K::Place(path, offset, digest) => {
                feed.bytes(path.as_str().as_bytes());
                feed.number(u64::from(*offset));
                feed.bytes(&digest.0);
            }
        }
        let Feed(hasher, free) = feed;
        Self(Arc::new(Node {
            digest: Digest::finish(&hasher),
            free,
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
        self.0.free == 0
    }

    /// A string literal.
    pub fn str(text: &str) -> Self {
        Self::new(K::Str(Arc::from(text)))
    }

    /// `x.name`, reduced where possible.
    pub fn select(base: Term, keys: Vec<Key>, default: Option<Term>) -> Self {
        let Some((Key::Name(first), rest)) = keys.split_first() else {
            return if keys.is_empty() {
                base
            } else {
                Self::new(K::Select(base, keys, default))
            };
        };
        match base.kind() {
            K::Set(fixed, dynamic) => {
                let found = fixed.binary_search_by(|(name, _)| name.cmp(first));
                match (found, default) {
                    (Ok(at), default) => {
                        return Self::select(fixed[at].1.clone(), rest.to_vec(), default);
                    }
                    (Err(_), Some(default)) if dynamic.is_empty() => return default,
                    (Err(_), default) => return Self::new(K::Select(base, keys, default)),
                }
            }
            K::ArgSet(formals)
                if formals.contains(first) || matches!(&**first, "config" | "options" | "lib") =>
            {
                return Self::select(Self::new(K::Arg(first.clone())), rest.to_vec(), default);
            }
            K::Global(name) if &**name == "builtins" => {
                return Self::select(Self::new(K::Global(first.clone())), rest.to_vec(), default);
            }
            K::Inputs if &**first == "self" => {
                return Self::select(Self::new(K::Flake), rest.to_vec(), default);
            }
            K::Inputs => {
                return Self::select(Self::new(K::Input(first.clone())), rest.to_vec(), default);
            }
            K::Select(inner, path, None) => {
                let path = path.iter().cloned().chain(keys).collect();
                return Self::new(K::Select(inner.clone(), path, default));
            }
            _ => {}
        }
        Self::new(K::Select(base, keys, default))
    }

    /// `if c then a else b`, reduced where possible.
    pub fn if_else(condition: Term, then: Term, other: Term) -> Self {
        match condition.kind() {
            K::Bool(true) => then,
            K::Bool(false) => other,
            _ => Self::new(K::If(condition, then, other)),
        }
    }

    /// `!x`, `-x`, reduced where possible.
    pub fn unary(op: UnaryOp, operand: Term) -> Self {
        match (op, operand.kind()) {
            (UnaryOp::Invert, K::Bool(value)) => Self::new(K::Bool(!value)),
            (UnaryOp::Negate, K::Int(value)) if *value != i64::MIN => Self::new(K::Int(-value)),
            _ => Self::new(K::Unary(op, operand)),
        }
    }

    /// `x op y`; logic and equality of literals are decided.
    pub fn binary(op: BinaryOp, left: Term, right: Term) -> Self {
        let decided = match (op, left.kind(), right.kind()) {
            (BinaryOp::And, K::Bool(false), _) | (BinaryOp::Implication, _, K::Bool(true)) => {
                Some(op != BinaryOp::And)
            }
            (BinaryOp::Or, K::Bool(true), _) | (BinaryOp::Implication, K::Bool(false), _) => {
                Some(true)
            }
            (BinaryOp::And, K::Bool(true), _)
            | (BinaryOp::Or, K::Bool(false), _)
            | (BinaryOp::Implication, K::Bool(true), _) => return right,
            (BinaryOp::Equal | BinaryOp::NotEqual, a, b) => {
                literal_equality(a, b).map(|equal| equal == (op == BinaryOp::Equal))
            }
            _ => None,
        };
        decided.map_or_else(
            || Self::new(K::Binary(op, left, right)),
            |value| Self::new(K::Bool(value)),
        )
    }

    /// A string from its parts; adjacent texts are joined.
    pub fn interp(parts: Vec<Term>) -> Self {
        let mut joined: Vec<Term> = Vec::with_capacity(parts.len());
        for part in parts {
            if let (Some(K::Str(before)), K::Str(text)) =
                (joined.last().map(Term::kind), part.kind())
            {
                let text = format!("{before}{text}");
                joined.pop();
                joined.push(Self::str(&text));
            } else if !matches!(part.kind(), K::Str(text) if text.is_empty()) {
                joined.push(part);
            }
        }
        match joined.as_slice() {
            [] => Self::str(""),
            [only] if matches!(only.kind(), K::Str(_)) => only.clone(),
            _ => Self::new(K::Interp(joined)),
        }
    }

    /// The set with these attributes, in any order.
    pub fn set(mut fixed: Vec<(Name, Term)>, mut dynamic: Vec<(Term, Term)>) -> Self {
        dynamic.retain(|(name, value)| match name.kind() {
            K::Str(name) => {
                fixed.push((name.clone(), value.clone()));
                false
            }
            K::Null => false,
            _ => true,
        });
        fixed.sort_by(|a, b| a.0.cmp(&b.0));
        dynamic.sort_by_key(|(name, value)| (name.digest(), value.digest()));
        Self::new(K::Set(fixed, dynamic))
    }

    /// Turns free parameters into bound ones of a binder around this term.
    pub fn close(&self, ids: std::ops::Range<u32>) -> Self {
        if self.0.free <= ids.start {
            return self.clone();
        }
        let mut memo = FxHashMap::default();
        self.rewrite(0, &mut memo, &|term, depth| match term.kind() {
            K::Fresh(id, name) if ids.contains(id) => {
                Some(Self::new(K::Bound(depth, name.clone())))
            }
            _ if term.0.free <= ids.start => Some(term.clone()),
            _ => None,
        })
    }

    /// Rebuilds the term; `replace` decides for each subterm (with the number of
    /// binders passed) whether it is replaced or descended into.
    pub fn rewrite(
        &self,
        depth: u32,
        memo: &mut FxHashMap<(Digest, u32), Term>,
        replace: &dyn Fn(&Term, u32) -> Option<Term>,
    ) -> Self {
        if let Some(done) = replace(self, depth) {
            return done;
        }
        if let Some(done) = memo.get(&(self.digest(), depth)) {
            return done.clone();
        }
        let done = stacker::maybe_grow(128 << 10, 4 << 20, || self.rebuild(depth, memo, replace));
        memo.insert((self.digest(), depth), done.clone());
        done
    }

    fn rebuild(
        &self,
        depth: u32,
        memo: &mut FxHashMap<(Digest, u32), Term>,
        replace: &dyn Fn(&Term, u32) -> Option<Term>,
    ) -> Self {
        let mut go = |term: &Term, deeper: u32| term.rewrite(depth + deeper, memo, replace);
        match self.kind() {
            K::Interp(parts) => Self::interp(parts.iter().map(|part| go(part, 0)).collect()),
            K::List(items) => Self::new(K::List(items.iter().map(|item| go(item, 0)).collect())),
            K::PathInterp(path, digest, parts) => {
                let parts = parts.iter().map(|part| go(part, 0)).collect();
                Self::new(K::PathInterp(path.clone(), *digest, parts))
            }
            K::WithVar(name, scopes) => Self::new(K::WithVar(
                name.clone(),
                scopes.iter().map(|scope| go(scope, 0)).collect(),
            )),
            K::Set(fixed, dynamic) => Self::set(
                fixed
                    .iter()
                    .map(|(name, term)| (name.clone(), go(term, 0)))
                    .collect(),
                dynamic
                    .iter()
                    .map(|(name, term)| (go(name, 0), go(term, 0)))
                    .collect(),
            ),
            K::Lambda(param, body) => {
                let param = match param {
                    ParamTerm::Plain => ParamTerm::Plain,
                    ParamTerm::Set(formals, ellipsis, bind) => {
                        let formals = formals
                            .iter()
                            .map(|(name, default)| {
                                (name.clone(), default.as_ref().map(|d| go(d, 1)))
                            })
                            .collect();
                        ParamTerm::Set(formals, *ellipsis, *bind)
                    }
                };
                Self::new(K::Lambda(param, go(body, 1)))
            }
            K::Mu(body) => Self::new(K::Mu(go(body, 1))),
            K::Apply(f, x) => Self::new(K::Apply(go(f, 0), go(x, 0))),
            K::Assert(c, x) => Self::new(K::Assert(go(c, 0), go(x, 0))),
            K::Select(base, keys, default) => {
                let base = go(base, 0);
                let keys = rewrite_keys(keys, &mut |term| go(term, 0));
                let default = default.as_ref().map(|default| go(default, 0));
                Self::select(base, keys, default)
            }
            K::HasAttr(base, keys) => {
                let base = go(base, 0);
                Self::new(K::HasAttr(
                    base,
                    rewrite_keys(keys, &mut |term| go(term, 0)),
                ))
            }
            K::If(c, a, b) => Self::if_else(go(c, 0), go(a, 0), go(b, 0)),
            K::Unary(op, a) => Self::unary(*op, go(a, 0)),
            K::Binary(op, a, b) => Self::binary(*op, go(a, 0), go(b, 0)),
            _ => self.clone(),
        }
    }

    /// Calls `visit` on this term and all below it, each distinct term once.
    pub fn walk(&self, visit: &mut dyn FnMut(&Term)) {
        let mut seen = rustc_hash::FxHashSet::default();
        let mut stack = vec![self.clone()];
        while let Some(term) = stack.pop() {
            if !seen.insert(term.digest()) {
                continue;
            }
            visit(&term);
            term.children(&mut |child| stack.push(child.clone()));
        }
    }

    pub(super) fn children(&self, each: &mut dyn FnMut(&Term)) {
        let keys = |keys: &[Key], each: &mut dyn FnMut(&Term)| {
            for key in keys {
                if let Key::Term(term) = key {
                    each(term);
                }
            }
        };
        match self.kind() {
            K::Interp(terms)
            | K::List(terms)
            | K::PathInterp(_, _, terms)
            | K::WithVar(_, terms) => {
                terms.iter().for_each(each);
            }
            K::Set(fixed, dynamic) => {
                fixed.iter().for_each(|(_, term)| each(term));
                for (name, term) in dynamic {
                    each(name);
                    each(term);
                }
            }
            K::Lambda(param, body) => {
                if let ParamTerm::Set(formals, ..) = param {
                    formals
                        .iter()
                        .filter_map(|(_, default)| default.as_ref())
                        .for_each(&mut *each);
                }
                each(body);
            }
            K::Mu(a) | K::Unary(_, a) => each(a),
            K::Apply(a, b) | K::Assert(a, b) | K::Binary(_, a, b) => {
                each(a);
                each(b);
            }
            K::Select(base, path, default) => {
                each(base);
                keys(path, each);
                default.iter().for_each(each);
            }
            K::HasAttr(base, path) => {
                each(base);
                keys(path, each);
            }
            K::If(a, b, c) => [a, b, c].into_iter().for_each(each),
            _ => {}
        }
    }
}

fn rewrite_keys(keys: &[Key], go: &mut dyn FnMut(&Term) -> Term) -> Vec<Key> {
    keys.iter()
        .map(|key| match key {
            Key::Name(name) => Key::Name(name.clone()),
            Key::Term(term) => {
                let term = go(term);
                match term.kind() {
                    K::Str(name) => Key::Name(name.clone()),
                    _ => Key::Term(term),
                }
            }
        })
        .collect()
}

fn literal_equality(a: &TermKind, b: &TermKind) -> Option<bool> {
    let literal = |kind: &TermKind| matches!(kind, K::Null | K::Bool(_) | K::Int(_) | K::Str(_));
    // What is no literal but certainly no null either.
    let never_null = |kind: &TermKind| {
        matches!(
            kind,
            K::Interp(_) | K::List(_) | K::Set(..) | K::Path(..) | K::Lambda(..) | K::Float(_)
        )
    };
    match (a, b) {
        (a, b) if literal(a) && literal(b) => Some(a == b),
        (K::Null, other) | (other, K::Null) if never_null(other) => Some(false),
        _ => None,
    }
}

fn discriminant(kind: &TermKind) -> u64 {
    match kind {
        K::Null => 0,
        K::Bool(_) => 1,
        K::Int(_) => 2,
        K::Float(_) => 3,
        K::Str(_) => 4,
        K::Interp(_) => 5,
        K::Path(..) => 6,
        K::OutsidePath(_) => 7,
        K::PathInterp(..) => 8,
        K::Arg(_) => 9,
        K::ArgSet(_) => 10,
        K::Global(_) => 11,
        K::Input(_) => 12,
        K::Inputs => 13,
        K::Flake => 14,
        K::WithVar(..) => 15,
        K::Bound(..) => 16,
        K::Fresh(..) => 17,
        K::List(_) => 18,
        K::Set(..) => 19,
        K::Lambda(..) => 20,
        K::Mu(_) => 21,
        K::Apply(..) => 22,
        K::Select(..) => 23,
        K::HasAttr(..) => 24,
        K::If(..) => 25,
        K::Assert(..) => 26,
        K::Unary(..) => 27,
        K::Binary(..) => 28,
        K::Place(..) => 29,
    }
}
