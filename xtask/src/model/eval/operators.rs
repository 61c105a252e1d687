//! `+`, `//`, `++`, `==` and their like.

use std::rc::Rc;
use std::sync::Arc;

use super::Eval;
use super::text::Coerced;
use crate::model::value::{Code, Item, Opaque, Role, Thunk, Value};
use crate::syntax::hir::{BinaryOp, Expr, Name, Part, PathBase};
use crate::tree::TreePath;

impl Eval<'_> {
    pub(in crate::model) fn binary(&mut self, op: BinaryOp, left: Thunk, right: Thunk) -> Value {
        use BinaryOp as B;
        match op {
            B::And | B::Or | B::Implication => {
                let left = self.force(left);
                match (op, left) {
                    (B::And, Value::Bool(false)) => Value::Bool(false),
                    (B::Or, Value::Bool(true)) | (B::Implication, Value::Bool(false)) => {
                        Value::Bool(true)
                    }
                    (_, Value::Bool(_)) => self.force(right),
                    (_, Value::Opaque(opaque)) => Value::unknown(&opaque.why),
                    _ => Value::unknown("an operand of the wrong type"),
                }
            }
            B::Equal | B::NotEqual => match self.equal(left, right, 0) {
                Some(equal) => Value::Bool(equal == (op == B::Equal)),
                None => Value::unknown("a comparison of unknown values"),
            },
            B::Concat => self.concat(left, right),
            B::Update => self.update(left, right),
            B::Add => self.add(left, right),
            B::Sub | B::Mul | B::Div | B::Less | B::LessOrEq | B::More | B::MoreOrEq => {
                match (self.force(left), self.force(right)) {
                    (Value::Int(a), Value::Int(b)) => match op {
                        B::Sub => Value::Int(a.wrapping_sub(b)),
                        B::Mul => Value::Int(a.wrapping_mul(b)),
                        B::Div if b != 0 => Value::Int(a.wrapping_div(b)),
                        B::Less => Value::Bool(a < b),
                        B::LessOrEq => Value::Bool(a <= b),
                        B::More => Value::Bool(a > b),
                        B::MoreOrEq => Value::Bool(a >= b),
                        _ => Value::unknown("a division by zero"),
                    },
                    (Value::Str(a), Value::Str(b)) => match op {
                        B::Less => Value::Bool(a < b),
                        B::LessOrEq => Value::Bool(a <= b),
                        B::More => Value::Bool(a > b),
                        B::MoreOrEq => Value::Bool(a >= b),
                        _ => Value::unknown("arithmetic on strings"),
                    },
                    (Value::Opaque(opaque), _) | (_, Value::Opaque(opaque)) => {
                        Value::unknown(&opaque.why)
                    }
                    _ => Value::unknown("an operand that is not modelled"),
                }
            }
            B::PipeRight | B::PipeLeft => Value::unknown("a pipe that was not lowered"),
        }
    }

    fn add(&mut self, left: Thunk, right: Thunk) -> Value {
        match (self.force(left), self.force(right)) {
            (Value::Int(a), Value::Int(b)) => Value::Int(a.wrapping_add(b)),
            (Value::Str(a), Value::Str(b)) => Value::str(&format!("{a}{b}")),
            (Value::Path(base), Value::Str(rest)) => {
                // `./a + "b"` is `./ab`: the text joins the last component.
                let text = format!("{}{rest}", base.as_str());
                match TreePath::new(text.trim_start_matches('/')) {
                    Some(path) => Value::Path(path),
                    None => Value::unknown("a path that leaves the repository"),
                }
            }
            (Value::Place(a), Value::Str(b)) => Value::Place(Name::from(format!("{a}{b}"))),
            (Value::Path(base), Value::Path(rest)) => {
                // An absolute spelling such as `/hosts` reads as text here.
                match base.join(rest.as_str()) {
                    Some(path) => Value::Path(path),
                    None => Value::unknown("a path that leaves the repository"),
                }
            }
            (Value::Path(base), Value::Opaque(_)) => self.add_absolute(&base, right),
            (
                Value::Opaque(Opaque {
                    role: Role::Flake, ..
                }),
                Value::Str(rest),
            ) => Value::Place(rest),
            (Value::Opaque(opaque), _) | (_, Value::Opaque(opaque)) => Value::unknown(&opaque.why),
            _ => Value::unknown("an addition that is not modelled"),
        }
    }

    /// `./hosts + /name/file.nix`: the right side is an absolute path literal.
    fn add_absolute(&mut self, base: &TreePath, right: Thunk) -> Value {
        let Code::Expr(unit, expr, env) = self.cells[right.0 as usize].code.clone() else {
            return Value::unknown("a path with an unknown part");
        };
        let file = Arc::clone(&self.units[unit.0 as usize].1);
        let Expr::Path(PathBase::Absolute, parts) = file.expr(expr) else {
            return Value::unknown("a path with an unknown part");
        };
        let mut text = base.as_str().to_owned();
        for part in parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Expr(expr) => {
                    let thunk = self.delay(unit, *expr, env);
                    match self.coerce(thunk) {
                        Some(Coerced::Text(part)) => text.push_str(&part),
                        _ => return Value::unknown("a path with unknown parts"),
                    }
                }
            }
        }
        match TreePath::new(text.trim_start_matches('/')) {
            Some(path) => Value::Path(path),
            None => Value::unknown("a path that leaves the repository"),
        }
    }

    /// The elements of a list; an unknown list is one splice.
    pub(in crate::model) fn items(&mut self, thunk: Thunk) -> Vec<Item> {
        match self.force(thunk) {
            Value::List(items) => items.to_vec(),
            _ => vec![Item::Splice(thunk)],
        }
    }

    fn concat(&mut self, left: Thunk, right: Thunk) -> Value {
        let mut items = self.items(left);
        items.extend(self.items(right));
        Value::List(items.into())
    }

    pub(in crate::model) fn update(&mut self, left: Thunk, right: Thunk) -> Value {
        match (self.force(left), self.force(right)) {
            (Value::Set(a), Value::Set(b)) if a.dynamic.is_empty() && b.dynamic.is_empty() => {
                let mut set = (*a).clone();
                set.fixed.extend(
                    b.fixed
                        .iter()
                        .map(|(name, attribute)| (name.clone(), *attribute)),
                );
                Value::Set(Rc::new(set))
            }
            (Value::Host(host), _) => {
                let mut host = (*host).clone();
                host.laid_over.push(right);
                Value::Host(Rc::new(host))
            }
            _ => Value::Update(left, right),
        }
    }

    /// Whether two values are equal; `None` if that is not known.
    pub(in crate::model) fn equal(
        &mut self,
        left: Thunk,
        right: Thunk,
        depth: u32,
    ) -> Option<bool> {
        if depth > 32 {
            return None;
        }
        match (self.force(left), self.force(right)) {
            (Value::Opaque(_) | Value::Update(..), _)
            | (_, Value::Opaque(_) | Value::Update(..)) => None,
            (Value::Null, Value::Null) => Some(true),
            (Value::Bool(a), Value::Bool(b)) => Some(a == b),
            (Value::Int(a), Value::Int(b)) => Some(a == b),
            (Value::Float(a), Value::Float(b)) => Some(a == b),
            (Value::Str(a), Value::Str(b)) => Some(a == b),
            (Value::Path(a), Value::Path(b)) => Some(a == b),
            (Value::Place(a), Value::Place(b)) => Some(a == b),
            (Value::List(a), Value::List(b)) => {
                let one = |items: &[Item]| -> Option<Vec<Thunk>> {
                    items
                        .iter()
                        .map(|item| {
                            if let Item::One(t) = item {
                                Some(*t)
                            } else {
                                None
                            }
                        })
                        .collect()
                };
                let (a, b) = (one(&a)?, one(&b)?);
                if a.len() != b.len() {
                    return Some(false);
                }
                for (x, y) in a.into_iter().zip(b) {
                    if !self.equal(x, y, depth + 1)? {
                        return Some(false);
                    }
                }
                Some(true)
            }
            (Value::Set(a), Value::Set(b)) => {
                if !a.dynamic.is_empty() || !b.dynamic.is_empty() {
                    return None;
                }
                if !a.fixed.keys().eq(b.fixed.keys()) {
                    return Some(false);
                }
                for (name, attribute) in &a.fixed {
                    let other = b.fixed.get(name)?.value;
                    if !self.equal(attribute.value, other, depth + 1)? {
                        return Some(false);
                    }
                }
                Some(true)
            }
            (Value::Int(_), Value::Float(_)) | (Value::Float(_), Value::Int(_)) => None,
            (
                Value::Null
                | Value::Bool(_)
                | Value::Int(_)
                | Value::Float(_)
                | Value::Str(_)
                | Value::List(_)
                | Value::Set(_)
                | Value::Path(_)
                | Value::Lambda(_)
                | Value::Prim(..),
                Value::Null
                | Value::Bool(_)
                | Value::Int(_)
                | Value::Float(_)
                | Value::Str(_)
                | Value::List(_)
                | Value::Set(_)
                | Value::Path(_)
                | Value::Lambda(_)
                | Value::Prim(..),
            ) => Some(false),
            _ => None,
        }
    }
}
