//! Normal forms of values that are known already.

use crate::model::eval::Eval;
use crate::model::term::{Digest, Key, Term, TermKind as K};
use crate::model::value::{Item, Opaque, Role, Thunk, Value};
use crate::syntax::hir::{BinaryOp, Name};
use crate::tree::TreePath;

impl Eval<'_> {
    /// The normal form of a value that a host is given. What is computed from the
    /// tree itself (`readDir`, `fromTOML (readFile …)`, paths put together) counts
    /// by its outcome where that is plain data: how it is computed may touch
    /// files that have nothing to do with it.
    pub fn outcome(&mut self, thunk: Thunk) -> Term {
        let term = self.term(thunk);
        let mut reads_tree = false;
        term.walk(&mut |term| {
            reads_tree |= match term.kind() {
                K::PathInterp(..) => true,
                K::Path(path, _) => self.files.tree.is_directory(path),
                K::Global(name) => {
                    matches!(
                        &**name,
                        "readDir" | "readFile" | "pathExists" | "fromTOML" | "fromJSON"
                    )
                }
                _ => false,
            };
        });
        if !reads_tree {
            return term;
        }
        self.data(thunk, 0).unwrap_or(term)
    }

    /// The value as a literal, if all of it is known plain data.
    fn data(&mut self, thunk: Thunk, depth: u32) -> Option<Term> {
        if depth > 64 {
            return None;
        }
        Some(match self.force(thunk) {
            Value::Null => Term::new(K::Null),
            Value::Bool(value) => Term::new(K::Bool(value)),
            Value::Int(value) => Term::new(K::Int(value)),
            Value::Str(text) => Term::new(K::Str(text)),
            Value::Path(path) if !path.as_str().is_empty() => self.path_term(&path),
            Value::List(items) => {
                let mut terms = Vec::with_capacity(items.len());
                for item in items.iter() {
                    let Item::One(item) = item else { return None };
                    terms.push(self.data(*item, depth + 1)?);
                }
                Term::new(K::List(terms))
            }
            Value::Set(set) if set.dynamic.is_empty() => {
                let mut fixed = Vec::with_capacity(set.fixed.len());
                for (name, attribute) in &set.fixed {
                    fixed.push((name.clone(), self.data(attribute.value, depth + 1)?));
                }
                Term::set(fixed, Vec::new())
            }
            _ => return None,
        })
    }

    pub(super) fn term_of_value(&mut self, thunk: Thunk, value: &Value) -> Term {
        match value {
            Value::Null => Term::new(K::Null),
            Value::Bool(value) => Term::new(K::Bool(*value)),
            Value::Int(value) => Term::new(K::Int(*value)),
            Value::Float(value) => Term::new(K::Float(Name::from(value.to_string()))),
            Value::Str(text) => Term::new(K::Str(text.clone())),
            Value::Path(path) => self.path_term(path),
            Value::Place(text) => self.place_text(text),
            Value::List(items) => {
                let mut terms = Vec::new();
                let mut whole: Option<Term> = None;
                for item in items.iter() {
                    match item {
                        Item::One(item) => terms.push(self.term(*item)),
                        Item::Splice(rest) => {
                            let rest = self.term(*rest);
                            let known = Term::new(K::List(std::mem::take(&mut terms)));
                            whole = Some(concat_terms(whole, known));
                            whole = Some(concat_terms(whole, rest));
                        }
                    }
                }
                let known = Term::new(K::List(terms));
                match whole {
                    Some(_) => concat_terms(whole, known),
                    None => known,
                }
            }
            Value::Set(set) => {
                let set = set.clone();
                let fixed = set
                    .fixed
                    .iter()
                    .map(|(name, a)| (name.clone(), self.term(a.value)))
                    .collect();
                let dynamic = set
                    .dynamic
                    .iter()
                    .map(|(name, a)| (self.term(*name), self.term(a.value)))
                    .collect();
                Term::set(fixed, dynamic)
            }
            Value::Prim(prim, arguments) => {
                let mut term = Term::new(K::Global(Name::from(format!("{prim:?}"))));
                for argument in arguments.iter() {
                    let argument = self.term(*argument);
                    term = Term::new(K::Apply(term, argument));
                }
                term
            }
            Value::Opaque(Opaque {
                role: Role::Flake, ..
            }) => Term::new(K::Flake),
            Value::Opaque(Opaque {
                role: Role::Input(name),
                ..
            }) => Term::new(K::Input(name.clone())),
            Value::Opaque(Opaque {
                role: Role::InputLib(name),
                ..
            }) => {
                let input = Term::new(K::Input(name.clone()));
                Term::select(input, vec![Key::Name(Name::from("lib"))], None)
            }
            Value::Opaque(Opaque {
                role: Role::Lib, ..
            }) => Term::new(K::Arg(Name::from("lib"))),
            Value::Lambda(closure) => {
                self.norm_lambda(closure.unit, &closure.param, closure.body, closure.env)
            }
            Value::Update(left, right) => {
                let (left, right) = (self.term(*left), self.term(*right));
                Term::new(K::Binary(BinaryOp::Update, left, right))
            }
            // Computed values that nothing was written for: each is its own.
            Value::Opaque(_) | Value::Property(_) | Value::Host(_) | Value::Declaration(..) => {
                Term::new(K::Place(TreePath::root(), thunk.0, Digest::of(b"computed")))
            }
        }
    }
}

fn concat_terms(before: Option<Term>, after: Term) -> Term {
    match before {
        None => after,
        Some(before) => Term::new(K::Binary(BinaryOp::Concat, before, after)),
    }
}
