//! Values that some hosts of a feature do without.
//!
//! ```nix
//! services.nginx.statusPage = lib.mkIf (cfg.statusPage != null) cfg.statusPage;
//! services.nginx.virtualHosts.x = lib.mkIf cfg.withX { … };
//! ```

use std::collections::BTreeSet;

use rnix::ast::{self, BinOpKind, Expr};
use rowan::ast::AstNode;

use super::Feature;
use super::unify::Work;
use crate::refactor::anatomy::{attr_name, peel};
use crate::refactor::leaves::{Gate, Leaf, add};

impl Feature {
    /// Looks through the conditions that are options of the feature itself.
    pub(super) fn open_gates(&self, leaves: Vec<Leaf>) -> Vec<Leaf> {
        let mut open = Vec::new();
        for leaf in leaves {
            let Some((gate, body)) = self.gate_of(&leaf) else {
                open.push(leaf);
                continue;
            };
            let first = open.len();
            add(leaf.item, leaf.path, &leaf.binding, Some(body), &mut open);
            for inside in open.iter_mut().skip(first) {
                inside.gate = Some(gate.clone());
            }
        }
        open
    }

    fn gate_of(&self, leaf: &Leaf) -> Option<(Gate, Expr)> {
        let Expr::Apply(apply) = peel(Expr::cast(leaf.value.clone()?)?) else {
            return None;
        };
        let Expr::Apply(inner) = peel(apply.lambda()?) else {
            return None;
        };
        let is_condition = match peel(inner.lambda()?) {
            Expr::Ident(ident) => ident.to_string() == "mkIf",
            Expr::Select(select) => {
                let last = select.attrpath()?.attrs().last()?;
                attr_name(&last).as_deref() == Some("mkIf")
            }
            _ => false,
        };
        let condition = peel(inner.argument()?);
        let gate = match self.option_read(condition.syntax()) {
            Some(option) => Gate {
                nullable: false,
                option,
            },
            None => Gate {
                option: self.compared_with_null(&condition)?,
                nullable: true,
            },
        };
        let default = self.declaration.defaults.get(&gate.option)?;
        let is_ours = gate.nullable || default.as_deref().map(str::trim) == Some("true");
        (is_condition && is_ours).then(|| Some((gate, apply.argument()?)))?
    }

    /// The option in `cfg.option != null`.
    fn compared_with_null(&self, condition: &Expr) -> Option<String> {
        let Expr::BinOp(op) = condition else {
            return None;
        };
        let is_null = |expr: &ast::Expr| expr.syntax().text() == "null";
        (op.operator()? == BinOpKind::NotEqual && is_null(&op.rhs()?))
            .then(|| self.option_read(op.lhs()?.syntax()))?
    }
}

impl Work<'_> {
    /// What the host lacks and can do without already; these conditions are
    /// switched off.
    pub(super) fn close_gates(&mut self, own: &[Leaf], lacking: &[&Leaf]) -> BTreeSet<Gate> {
        let lacks = |leaf: &Leaf| {
            let mut lacking = lacking.iter();
            lacking.any(|other| other.binding == leaf.binding && other.path == leaf.path)
        };
        let gates: BTreeSet<&Gate> = lacking.iter().filter_map(|it| it.gate.as_ref()).collect();
        let closed: BTreeSet<Gate> = gates
            .into_iter()
            .filter(|gate| {
                let mut behind = own.iter().filter(|leaf| leaf.gate.as_ref() == Some(*gate));
                behind.all(lacks)
            })
            .cloned()
            .collect();
        for gate in &closed {
            let off = if gate.nullable { "null" } else { "false" };
            let default = self.feature.declaration.defaults.get(&gate.option);
            if default.and_then(Option::as_deref).map(str::trim) != Some(off) {
                self.settings.push((gate.option.clone(), off.to_owned()));
            }
        }
        closed
    }
}
