//! What a feature does and another host does without becomes optional.

use std::collections::BTreeSet;

use rnix::ast;
use rnix::{SyntaxKind, SyntaxNode};
use rowan::ast::AstNode;

use super::binding_path;
use super::unify::{Work, or_null};
use crate::edit::TextEdit;
use crate::refactor::anatomy::Anatomy;
use crate::refactor::comments::span;
use crate::refactor::emit::OptionDecl;
use crate::refactor::leaves::Leaf;
use crate::refactor::option;

impl Work<'_> {
    /// What the host lacks is put under an option, in pieces as large as can be.
    pub(super) fn make_optional(&mut self, lacking: &[&Leaf], kept: &[&Leaf]) -> Option<()> {
        let mut done: BTreeSet<usize> = BTreeSet::new();
        for leaf in lacking {
            let at = span(leaf.binding.text_range()).start;
            if done.iter().any(|start| *start == at) {
                continue;
            }
            // The outermost binding that holds nothing that is kept.
            let holds_kept = |binding: &SyntaxNode| {
                kept.iter().any(|other| {
                    binding
                        .text_range()
                        .contains_range(other.binding.text_range())
                })
            };
            let item = &self.feature.anatomy.items[leaf.item].node;
            let unit = leaf
                .binding
                .ancestors()
                .filter(|node| node.kind() == SyntaxKind::NODE_ATTRPATH_VALUE)
                .take_while(|node| {
                    item.text_range().contains_range(node.text_range()) && !holds_kept(node)
                })
                .last()?;
            for other in lacking {
                if unit.text_range().contains_range(other.binding.text_range()) {
                    done.insert(span(other.binding.text_range()).start);
                }
            }
            self.gate(leaf, &unit)?;
        }
        Some(())
    }

    fn gate(&mut self, leaf: &Leaf, unit: &SyntaxNode) -> Option<()> {
        let binding = ast::AttrpathValue::cast(unit.clone())?;
        let value = binding.value()?.syntax().clone();
        let path = unit_path(&self.feature.anatomy, leaf, unit)?;
        if !self.may_be_conditional(&path) {
            return None;
        }
        // Already an option, and this host does without: its own affair.
        if self.feature.option_read(&value).is_some() {
            return None;
        }
        let range = span(value.text_range());
        let scalar = option::is_scalar_literal(&value);
        let type_text = option::type_text(self.catalogue.value_type(&path).as_ref(), &value);
        if let (true, Some(type_text)) = (scalar, type_text) {
            let default = self.feature.expression(&value);
            let name = self.declare(&path, or_null(&type_text), Some(default));
            let read = self.feature.read_of(&name);
            self.replace(range, format!("lib.mkIf ({read} != null) {read}"));
            self.settings.push((name, "null".to_owned()));
        } else {
            let simple = matches!(
                value.kind(),
                SyntaxKind::NODE_ATTR_SET
                    | SyntaxKind::NODE_LIST
                    | SyntaxKind::NODE_STRING
                    | SyntaxKind::NODE_PAREN
                    | SyntaxKind::NODE_IDENT
                    | SyntaxKind::NODE_SELECT
                    | SyntaxKind::NODE_PATH_REL
            );
            let mut long = path.clone();
            if let Some(last) = long.last_mut() {
                *last = format!("with-{last}");
            }
            let name = self.unique(&long);
            self.used.insert(name.clone());
            self.options.push(OptionDecl {
                name: name.clone(),
                type_text: "lib.types.bool".to_owned(),
                default: Some("true".to_owned()),
                description: format!("Whether to set `{}`.", option::spell(&path)),
            });
            let read = self.feature.read_of(&name);
            let (open, close) = if simple { ("", "") } else { ("(", ")") };
            self.edits.push(TextEdit {
                range: range.start..range.start,
                insert: format!("lib.mkIf {read} {open}"),
            });
            if !simple {
                self.edits.push(TextEdit {
                    range: range.end..range.end,
                    insert: close.to_owned(),
                });
            }
            self.settings.push((name, "false".to_owned()));
        }
        self.changes += 1;
        Some(())
    }
}

/// The full path of a binding around a leaf.
fn unit_path(anatomy: &Anatomy, leaf: &Leaf, unit: &SyntaxNode) -> Option<Vec<String>> {
    if unit == &anatomy.items.get(leaf.item)?.node {
        return anatomy.items.get(leaf.item).map(|item| item.path.clone());
    }
    let mut below = 0;
    for node in leaf.binding.ancestors() {
        if &node == unit {
            return leaf
                .path
                .get(..leaf.path.len() - below)
                .map(<[String]>::to_vec);
        }
        if node.kind() == SyntaxKind::NODE_ATTRPATH_VALUE {
            below += binding_path(&node)?.len();
        }
    }
    None
}
