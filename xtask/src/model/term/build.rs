//! Terms put together, reduced where that is possible.

use std::sync::Arc;

use super::{Digest, Key, Term, TermKind as K};
use crate::syntax::hir::{BinaryOp, Name, UnaryOp};
use crate::tree::TreePath;

impl Term {
    /// A string literal.
    pub fn str(text: &str) -> Self {
        Self::new(K::Str(Arc::from(text)))
    }

    /// The place of the tree as a path, whatever stands there.
    pub fn tree() -> Self {
        Self::new(K::Path(TreePath::root(), Digest::of(b"self")))
    }

    /// `x.name`, reduced where possible.
    pub fn select(base: Term, keys: Vec<Key>, default: Option<Term>) -> Self {
        let Some((Key::Name(first), rest)) = keys.split_first() else {
            return match base.kind() {
                _ if keys.is_empty() => base,
                K::Select(inner, path, None) => {
                    let path = path.iter().cloned().chain(keys).collect();
                    Self::new(K::Select(inner.clone(), path, default))
                }
                _ => Self::new(K::Select(base, keys, default)),
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
}

fn literal_equality(a: &K, b: &K) -> Option<bool> {
    let literal = |kind: &K| matches!(kind, K::Null | K::Bool(_) | K::Int(_) | K::Str(_));
    // What is no literal but certainly no null either.
    let never_null = |kind: &K| {
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
