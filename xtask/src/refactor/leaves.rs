//! Definitions down to their innermost values.

use std::collections::BTreeSet;

use rnix::SyntaxNode;
use rnix::ast::{self, Expr};
use rowan::ast::AstNode;

use super::anatomy::{Anatomy, ItemId, peel, static_path};

/// One value that is no literal set, with its full path.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// The path; a part that is interpolated is spelt as in the source.
    pub path: Vec<String>,
    /// The binding.
    pub binding: SyntaxNode,
    /// What is bound; `None` for `inherit`.
    pub value: Option<SyntaxNode>,
    /// The definition that it is part of.
    pub item: ItemId,
}

/// The leaves of some definitions, in order.
pub fn leaves(anatomy: &Anatomy, items: &BTreeSet<ItemId>) -> Vec<Leaf> {
    let mut found = Vec::new();
    for &id in items {
        let Some(item) = anatomy.items.get(id) else {
            continue;
        };
        let binding = ast::AttrpathValue::cast(item.node.clone());
        let value = binding.and_then(|binding| binding.value());
        let mut path = item.path.clone();
        if item.dynamic {
            path.push(format!("\u{1}{}", attrpath_text(&item.node)));
        }
        add(id, path, &item.node, value, &mut found);
    }
    found
}

fn attrpath_text(node: &SyntaxNode) -> String {
    ast::AttrpathValue::cast(node.clone())
        .and_then(|binding| binding.attrpath())
        .map_or_else(
            || node.text().to_string(),
            |path| path.syntax().text().to_string(),
        )
}

fn add(
    item: ItemId,
    path: Vec<String>,
    binding: &SyntaxNode,
    value: Option<Expr>,
    found: &mut Vec<Leaf>,
) {
    if let Some(Expr::AttrSet(set)) = value.clone().map(peel)
        && let Some(inside) = plain_entries(&set)
        && !inside.is_empty()
        && path.len() < 64
    {
        for (names, binding, value) in inside {
            let mut path = path.clone();
            path.extend(names);
            add(item, path, &binding, Some(value), found);
        }
        return;
    }
    found.push(Leaf {
        path,
        binding: binding.clone(),
        value: value.map(|value| value.syntax().clone()),
        item,
    });
}

/// The entries of a set that has nothing but plain bindings of static names.
pub fn plain_entries(set: &ast::AttrSet) -> Option<Vec<(Vec<String>, SyntaxNode, Expr)>> {
    if set.rec_token().is_some() {
        return None;
    }
    let mut entries = Vec::new();
    for child in set.syntax().children() {
        let binding = ast::AttrpathValue::cast(child.clone())?;
        let (names, dynamic) = static_path(&binding.attrpath()?);
        if dynamic {
            return None;
        }
        entries.push((names, child, binding.value()?));
    }
    Some(entries)
}
