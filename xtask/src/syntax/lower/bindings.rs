//! Bindings: attribute paths and sets that are written in several places become
//! one set each, as Nix does it.

use rnix::ast::{self, HasEntry};
use rowan::ast::AstNode;

use super::{Lowering, range};
use crate::syntax::hir::{Attr, Binding, Bindings, Bound, Expr, ExprId, Name, Range};

/// Bindings while they are collected: nested sets are still open for merging.
#[derive(Default)]
pub(super) struct Open {
    names: Vec<(Name, OpenBound, Range)>,
    index: rustc_hash::FxHashMap<Name, usize>,
    dynamic: Vec<(ExprId, OpenBound, Range)>,
    recursive: bool,
}

impl Open {
    /// Nothing is bound yet.
    pub(super) fn new(recursive: bool) -> Self {
        Self {
            recursive,
            ..Self::default()
        }
    }
}

pub(super) enum OpenBound {
    Done(Bound),
    Set(Box<Open>, Range),
}

impl Lowering {
    pub(super) fn let_bindings(&mut self, node: &impl HasEntry) -> Bindings {
        let mut open = Open::new(true);
        self.entries(node, &mut open);
        self.finish(open)
    }

    pub(super) fn entries(&mut self, node: &impl HasEntry, open: &mut Open) {
        for entry in node.entries() {
            match entry {
                ast::Entry::Inherit(inherit) => self.inherit(&inherit, open),
                ast::Entry::AttrpathValue(binding) => {
                    let at = range(binding.syntax());
                    let path = self.attrpath(binding.attrpath(), at);
                    let value = match binding.value() {
                        // A literal set stays open: later attribute paths may add to it.
                        Some(ast::Expr::AttrSet(set)) => {
                            let mut inner = Open::new(set.rec_token().is_some());
                            self.entries(&set, &mut inner);
                            OpenBound::Set(Box::new(inner), range(set.syntax()))
                        }
                        other => OpenBound::Done(Bound::Expr(self.optional(other, at))),
                    };
                    self.insert(open, &path, value, at);
                }
            }
        }
    }

    fn inherit(&mut self, inherit: &ast::Inherit, open: &mut Open) {
        let at = range(inherit.syntax());
        let from = inherit.from().map(|from| {
            let at = range(from.syntax());
            self.optional(from.expr(), at)
        });
        for attr in inherit.attrs() {
            let at_name = range(attr.syntax());
            match self.attr(&attr) {
                Attr::Name(name) => {
                    let bound = from.map_or(Bound::Inherit, Bound::InheritFrom);
                    self.insert(open, &[Attr::Name(name)], OpenBound::Done(bound), at_name);
                }
                Attr::Expr(_) => {
                    self.error(at, "a dynamic attribute cannot be inherited".to_owned());
                }
            }
        }
    }

    fn insert(&mut self, open: &mut Open, path: &[Attr], value: OpenBound, at: Range) {
        match path {
            [] => {}
            [Attr::Name(name)] => match open.index.get(name).copied() {
                None => {
                    open.index.insert(name.clone(), open.names.len());
                    open.names.push((name.clone(), value, at));
                }
                Some(index) => match (&mut open.names[index].1, value) {
                    (OpenBound::Set(existing, _), OpenBound::Set(more, _)) => {
                        self.merge(existing, *more, at);
                    }
                    _ => self.error(at, format!("attribute `{name}` is already defined")),
                },
            },
            [Attr::Name(name), rest @ ..] => {
                let index = match open.index.get(name).copied() {
                    Some(index) => index,
                    None => {
                        let index = open.names.len();
                        open.index.insert(name.clone(), index);
                        let set = OpenBound::Set(Box::default(), at);
                        open.names.push((name.clone(), set, at));
                        index
                    }
                };
                match &mut open.names[index].1 {
                    OpenBound::Set(inner, _) => self.insert(inner, rest, value, at),
                    OpenBound::Done(_) => {
                        self.error(at, format!("attribute `{name}` is already defined"));
                    }
                }
            }
            [Attr::Expr(name), rest @ ..] => {
                let value = if rest.is_empty() {
                    value
                } else {
                    let mut inner = Open::default();
                    self.insert(&mut inner, rest, value, at);
                    OpenBound::Set(Box::new(inner), at)
                };
                open.dynamic.push((*name, value, at));
            }
        }
    }

    fn merge(&mut self, into: &mut Open, from: Open, at: Range) {
        for (name, bound, range) in from.names {
            self.insert(into, &[Attr::Name(name)], bound, range);
        }
        into.dynamic.extend(from.dynamic);
        if from.recursive && !into.recursive && into.names.is_empty() {
            into.recursive = true;
        }
        let _ = at;
    }

    fn finish(&mut self, open: Open) -> Bindings {
        let fixed = open
            .names
            .into_iter()
            .map(|(name, bound, range)| {
                let bound = match bound {
                    OpenBound::Done(bound) => bound,
                    OpenBound::Set(inner, at) => Bound::Expr(self.close(*inner, at)),
                };
                Binding { name, bound, range }
            })
            .collect();
        let dynamic = open
            .dynamic
            .into_iter()
            .map(|(name, bound, range)| {
                let value = match bound {
                    OpenBound::Set(inner, at) => self.close(*inner, at),
                    OpenBound::Done(Bound::Expr(id)) => id,
                    OpenBound::Done(_) => self.add(Expr::Error, range),
                };
                (name, value, range)
            })
            .collect();
        Bindings { fixed, dynamic }
    }

    pub(super) fn close(&mut self, open: Open, at: Range) -> ExprId {
        let recursive = open.recursive;
        let bindings = self.finish(open);
        self.add(
            Expr::Set {
                recursive,
                bindings,
            },
            at,
        )
    }
}
