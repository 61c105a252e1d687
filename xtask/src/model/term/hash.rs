//! The hash of a term's shape.

use super::{Digest, Key, ParamTerm, Term, TermKind as K};

/// Feeds a hash with length-prefixed fields.
struct Feed(blake3::Hasher, Params);

/// Which parameters of functions around a shape it may name.
#[derive(Clone, Copy, Default)]
pub(super) struct Params {
    /// One more than the largest number of a [`K::Fresh`].
    pub fresh: u32,
    /// How many binders out the outermost [`K::Bound`] leads.
    pub bound: u32,
}

impl Params {
    fn join(&mut self, other: Self) {
        self.fresh = self.fresh.max(other.fresh);
        self.bound = self.bound.max(other.bound);
    }
}

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
        self.1.join(term.0.params);
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

/// The digest of a shape, and what it names of the functions around it.
pub(super) fn digest(kind: &K) -> (Digest, Params) {
    let mut feed = Feed(blake3::Hasher::new(), Params::default());
    feed.number(discriminant(kind));
    match kind {
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
            feed.1.bound = feed.1.bound.max(index + 1);
        }
        K::Fresh(id, name) => {
            feed.number(u64::from(*id));
            feed.bytes(name.as_bytes());
            feed.1.fresh = feed.1.fresh.max(id + 1);
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
    let Feed(hasher, mut params) = feed;
    if matches!(kind, K::Lambda(..) | K::Mu(_)) {
        params.bound = params.bound.saturating_sub(1);
    }
    (Digest::finish(&hasher), params)
}

fn discriminant(kind: &K) -> u64 {
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
