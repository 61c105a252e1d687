//! Terms visited and rebuilt.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Digest, Key, ParamTerm, Term, TermKind as K};

impl Term {
    /// Turns free parameters into bound ones of a binder around this term.
    pub fn close(&self, ids: std::ops::Range<u32>) -> Self {
        if self.0.params.fresh <= ids.start {
            return self.clone();
        }
        let mut memo = FxHashMap::default();
        self.rewrite(0, &mut memo, &|term, depth| match term.kind() {
            K::Fresh(id, name) if ids.contains(id) => {
                Some(Self::new(K::Bound(depth, name.clone())))
            }
            _ if term.0.params.fresh <= ids.start => Some(term.clone()),
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
        let mut seen = FxHashSet::default();
        let mut stack = vec![self.clone()];
        while let Some(term) = stack.pop() {
            if !seen.insert(term.digest()) {
                continue;
            }
            visit(&term);
            term.children(&mut |child| stack.push(child.clone()));
        }
    }

    pub(in crate::model) fn children(&self, each: &mut dyn FnMut(&Term)) {
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
