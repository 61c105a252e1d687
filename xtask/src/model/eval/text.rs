//! Strings and paths, and what of them is a place in the tree.

use super::Eval;
use crate::model::value::{Env, Opaque, Role, Thunk, Unit, Value};
use crate::syntax::hir::{Name, Part, PathBase};
use crate::tree::TreePath;

/// What a value is in a string.
pub(in crate::model) enum Coerced {
    /// Plain text.
    Text(Name),
    /// Where the tree stands, with this text after it.
    Place(Name),
}

impl Eval<'_> {
    /// A value as it is interpolated into a string; `None` if not known.
    pub(in crate::model) fn coerce(&mut self, thunk: Thunk) -> Option<Coerced> {
        match self.force(thunk) {
            Value::Str(text) => Some(Coerced::Text(text)),
            Value::Path(path) => Some(Coerced::Place(path_text(&path))),
            Value::Place(text) => Some(Coerced::Place(text)),
            Value::Opaque(Opaque {
                role: Role::Flake, ..
            }) => Some(Coerced::Place(Name::from(""))),
            Value::Set(set) => {
                let out = set.fixed.get("outPath")?.value;
                self.coerce(out)
            }
            _ => None,
        }
    }

    /// The place in the tree that a path, or a string that names one, leads to.
    pub(in crate::model) fn place(&mut self, thunk: Thunk) -> Option<TreePath> {
        match self.coerce(thunk)? {
            Coerced::Place(text) => place_path(&text),
            Coerced::Text(_) => None,
        }
    }

    pub(super) fn string(&mut self, unit: Unit, parts: &[Part], env: Env) -> Value {
        let mut text = String::new();
        let mut placed = false;
        for (index, part) in parts.iter().enumerate() {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Expr(expr) => {
                    let thunk = self.delay(unit, *expr, env);
                    if matches!(self.force(thunk), Value::Path(_)) {
                        return Value::unknown("a copy of its own in the store");
                    }
                    match self.coerce(thunk) {
                        Some(Coerced::Text(part)) => text.push_str(&part),
                        Some(Coerced::Place(part)) if index == 0 => {
                            placed = true;
                            text.push_str(&part);
                        }
                        _ => return Value::unknown("a string with unknown parts"),
                    }
                }
            }
        }
        if placed {
            Value::Place(Name::from(text))
        } else {
            Value::str(&text)
        }
    }

    pub(super) fn path(&mut self, unit: Unit, base: PathBase, parts: &[Part], env: Env) -> Value {
        let mut text = String::new();
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
        if base != PathBase::Relative {
            return Value::unknown(&format!("`{text}` lies outside of the repository"));
        }
        let directory = self.units[unit.0 as usize]
            .0
            .parent()
            .unwrap_or_else(TreePath::root);
        match directory.join(&text) {
            Some(path) => Value::Path(path),
            None => Value::unknown("a path that leaves the repository"),
        }
    }
}

/// The text of a path after where the tree stands.
pub(in crate::model) fn path_text(path: &TreePath) -> Name {
    match path.as_str() {
        "" => Name::from(""),
        text => Name::from(format!("/{text}")),
    }
}

/// The path that a text after the tree's own place leads to.
pub(in crate::model) fn place_path(text: &str) -> Option<TreePath> {
    if text.is_empty() || text.starts_with('/') {
        TreePath::root().join(text)
    } else {
        None
    }
}
