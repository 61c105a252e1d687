//! Reads the definitions of a module out of its syntax.

use std::ops::Range;

use rnix::SyntaxNode;
use rnix::ast::{self, Expr};
use rowan::ast::AstNode;

use super::read::{attr_name, peel, static_path};
use super::{Block, Construct, Entry, Fixed, Item, Value};
use crate::refactor::comments::{slots, span};
use crate::refactor::scope;

/// Deepest nesting of sets that is followed; deeper ones move as a whole.
pub(super) const MAX_DEPTH: usize = 32;

/// The last name of `f` in `f`, `lib.f`, `pkgs.lib.f`.
pub(super) fn function_name(expr: &Expr) -> Option<String> {
    match peel(expr.clone()) {
        Expr::Ident(ident) => Some(ident.to_string()),
        Expr::Select(select) if select.default_expr().is_none() => {
            attr_name(&select.attrpath()?.attrs().last()?)
        }
        _ => None,
    }
}

/// Attributes of a module that mean something to the module system itself.
pub(super) const STRUCTURAL: [&str; 9] = [
    "imports",
    "options",
    "disabledModules",
    "freeformType",
    "key",
    "meta",
    "require",
    "_file",
    "_class",
];

pub(super) struct Builder<'a> {
    pub(super) text: &'a str,
    pub(super) above: &'a dyn Fn(&[String]) -> bool,
    pub(super) items: Vec<Item>,
    pub(super) constructs: Vec<Construct>,
    pub(super) context: Vec<SyntaxNode>,
    pub(super) fixed: Option<Fixed>,
}

impl Builder<'_> {
    pub(super) fn value(&mut self, expr: &Expr, prefix: &[String], depth: usize) -> Value {
        let expr = peel(expr.clone());
        if depth > MAX_DEPTH {
            return Value::Opaque(expr.syntax().clone());
        }
        match &expr {
            Expr::AttrSet(set) => Value::Set(self.block(set, prefix, depth)),
            Expr::With(with) => match with.body() {
                Some(body) => self.around(&expr, &body, prefix, depth),
                None => Value::Opaque(expr.syntax().clone()),
            },
            Expr::LetIn(node) => match node.body() {
                Some(body) => self.around(&expr, &body, prefix, depth),
                None => Value::Opaque(expr.syntax().clone()),
            },
            Expr::Apply(apply) => self
                .application(&expr, apply, prefix, depth)
                .unwrap_or_else(|| Value::Opaque(expr.syntax().clone())),
            Expr::BinOp(op) if op.operator() == Some(ast::BinOpKind::Update) => {
                match (op.lhs(), op.rhs()) {
                    (Some(left), Some(right)) => self.update(&expr, &left, &right, prefix, depth),
                    _ => Value::Opaque(expr.syntax().clone()),
                }
            }
            _ => Value::Opaque(expr.syntax().clone()),
        }
    }

    fn around(&mut self, expr: &Expr, inner: &Expr, prefix: &[String], depth: usize) -> Value {
        self.context.push(expr.syntax().clone());
        let inner = self.value(inner, prefix, depth + 1);
        self.context.pop();
        if matches!(inner, Value::Opaque(_)) {
            return Value::Opaque(expr.syntax().clone());
        }
        Value::Around {
            node: expr.syntax().clone(),
            inner: Box::new(inner),
        }
    }

    /// `mkIf c {…}` and `mkMerge [ … ]`.
    fn application(
        &mut self,
        expr: &Expr,
        apply: &ast::Apply,
        prefix: &[String],
        depth: usize,
    ) -> Option<Value> {
        let argument = apply.argument()?;
        let function = peel(apply.lambda()?);
        if let Expr::Apply(inner) = &function {
            if function_name(&inner.lambda()?)? == "mkIf" {
                return Some(self.around(expr, &argument, prefix, depth));
            }
            return None;
        }
        if function_name(&function)? != "mkMerge" {
            return None;
        }
        let Expr::List(list) = peel(argument) else {
            return None;
        };
        self.context.push(expr.syntax().clone());
        let elements = list
            .items()
            .map(|item| {
                let value = self.value(&item, prefix, depth + 1);
                (item.syntax().clone(), value)
            })
            .collect();
        self.context.pop();
        Some(Value::Merge {
            node: expr.syntax().clone(),
            list: list.syntax().clone(),
            elements,
        })
    }

    fn update(
        &mut self,
        expr: &Expr,
        left: &Expr,
        right: &Expr,
        prefix: &[String],
        depth: usize,
    ) -> Value {
        let start = self.items.len();
        let left_value = self.value(left, prefix, depth + 1);
        let middle = self.items.len();
        let right_value = self.value(right, prefix, depth + 1);
        let opaque = |value: &Value| !matches!(value, Value::Set(_) | Value::Update { .. });
        let at = prefix.len();
        if opaque(&left_value) || opaque(&right_value) {
            for item in &mut self.items[start..] {
                item.fixed.get_or_insert(Fixed::Update);
            }
            let bad = if opaque(&right_value) { right } else { left };
            self.constructs.push(Construct {
                what: "an operand of `//` that is not a literal set",
                range: span(bad.syntax().text_range()),
                help: "use `lib.mkMerge [ … ]` in place of `//`",
            });
        } else {
            let names = |items: &[Item]| -> Vec<Option<String>> {
                items
                    .iter()
                    .map(|item| item.path.get(at).cloned())
                    .collect()
            };
            let (lefts, rights) = (
                names(&self.items[start..middle]),
                names(&self.items[middle..]),
            );
            for (offset, item) in self.items[start..].iter_mut().enumerate() {
                let (own, other) = if offset < lefts.len() {
                    (&lefts[offset], &rights)
                } else {
                    (&rights[offset - lefts.len()], &lefts)
                };
                if other.contains(own) || other.contains(&None) {
                    item.fixed.get_or_insert(Fixed::Overridden);
                }
            }
        }
        if matches!(left_value, Value::Opaque(_)) && matches!(right_value, Value::Opaque(_)) {
            return Value::Opaque(expr.syntax().clone());
        }
        Value::Update {
            node: expr.syntax().clone(),
            left: Box::new(left_value),
            right: Box::new(right_value),
        }
    }

    /// The frame of `{ imports; options; config; }`: nothing in it moves.
    pub(super) fn frame_of_structured(&mut self, expr: &Expr) -> Value {
        let node = expr.syntax().clone();
        let slots = slots(&node);
        let entries = slots.slots.iter().map(|_| Entry::Frame).collect();
        Value::Set(Block {
            set: node,
            slots,
            entries,
        })
    }

    fn block(&mut self, set: &ast::AttrSet, prefix: &[String], depth: usize) -> Block {
        let slots = slots(set.syntax());
        let mut entries = Vec::with_capacity(slots.slots.len());
        for slot in &slots.slots {
            let own = slot.own_start..slot.own_end;
            entries.push(self.entry(&slot.node, own, prefix, depth));
        }
        Block {
            set: set.syntax().clone(),
            slots,
            entries,
        }
    }

    fn entry(
        &mut self,
        node: &SyntaxNode,
        own: Range<usize>,
        prefix: &[String],
        depth: usize,
    ) -> Entry {
        let (names, dynamic, value) = match ast::AttrpathValue::cast(node.clone()) {
            Some(binding) => {
                let (names, dynamic) = binding
                    .attrpath()
                    .map_or((Vec::new(), true), |path| static_path(&path));
                (names, dynamic, binding.value())
            }
            None => {
                let names = scope::bound_names(node);
                // Several names in one `inherit` move together or not at all.
                let first = names.first().cloned().into_iter().collect();
                (first, names.is_empty(), None)
            }
        };
        let mut path = prefix.to_vec();
        path.extend(names);
        if prefix.is_empty() && path.first().is_some_and(|name| name == "imports") {
            return Entry::Frame;
        }
        let structural = prefix.is_empty()
            && path
                .first()
                .is_some_and(|name| STRUCTURAL.contains(&name.as_str()));
        if let (false, false, Some(value)) = (structural, dynamic, &value)
            && !path.is_empty()
            && (self.above)(&path)
            && !is_recursive(value)
        {
            let start = self.items.len();
            let value = self.value(value, &path, depth + 1);
            if self.items.len() > start || !matches!(value, Value::Opaque(_)) {
                // An empty set above options defines nothing: leave it be.
                if self.items.len() > start {
                    return Entry::Group {
                        items: start..self.items.len(),
                        value,
                    };
                }
                return Entry::Frame;
            }
        }
        let fixed = if structural || path.first().is_some_and(|name| name == "_module") {
            Some(Fixed::Structural)
        } else if path.is_empty() {
            Some(Fixed::DynamicRoot)
        } else {
            self.fixed.clone()
        };
        let lines = self
            .text
            .get(own.clone())
            .unwrap_or_default()
            .lines()
            .filter(|line| !line.trim().is_empty())
            .count();
        self.items.push(Item {
            path,
            dynamic,
            node: node.clone(),
            own,
            lines,
            context: self.context.clone(),
            fixed,
        });
        Entry::Leaf(self.items.len() - 1)
    }
}

pub(super) fn is_recursive(expr: &Expr) -> bool {
    match peel(expr.clone()) {
        Expr::AttrSet(set) => set.rec_token().is_some(),
        _ => false,
    }
}
