//! Relative paths of moved code, spelt for the directory it moves to.

use std::ops::Range;

use rnix::{SyntaxKind, SyntaxNode};
use rowan::NodeOrToken;

use super::anatomy::Anatomy;
use super::comments::span;
use crate::tree::TreePath;

/// A relative path literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// The first token of the literal.
    pub range: Range<usize>,
    /// The part before an interpolation, or all of it.
    pub text: String,
    /// Whether an interpolation follows.
    pub interpolated: bool,
}

/// The relative path literals of some code.
pub fn literals(node: &SyntaxNode) -> Vec<Literal> {
    node.descendants()
        .filter(|it| it.kind() == SyntaxKind::NODE_PATH_REL)
        .filter_map(|it| {
            let mut parts = it.children_with_tokens();
            match parts.next()? {
                NodeOrToken::Token(token) => Some(Literal {
                    range: span(token.text_range()),
                    text: token.text().to_owned(),
                    interpolated: parts.next().is_some(),
                }),
                NodeOrToken::Node(_) => None,
            }
        })
        .collect()
}

/// Where a literal of a file in `directory` leads: the deepest path that is
/// known, and what is left of the spelling behind it.
pub fn target(literal: &Literal, directory: &TreePath) -> Option<(TreePath, String)> {
    if !literal.interpolated {
        return Some((directory.join(&literal.text)?, String::new()));
    }
    let cut = literal.text.rfind('/')?;
    let (known, rest) = literal.text.split_at(cut);
    Some((directory.join(known)?, rest.to_owned()))
}

/// The literals of a file, spelt for a file in another directory. A literal
/// that leads out of the tree is left out: see [`leaves_tree`].
pub fn rebased(anatomy: &Anatomy, directory: &TreePath) -> Vec<(Range<usize>, String)> {
    let Some(own) = anatomy.path.parent() else {
        return Vec::new();
    };
    if &own == directory {
        return Vec::new();
    }
    literals(&anatomy.root)
        .into_iter()
        .filter_map(|literal| {
            let (to, rest) = target(&literal, &own)?;
            let mut spelt = to.relative_to(directory);
            if !rest.is_empty() {
                if spelt.ends_with("/.") {
                    spelt.truncate(spelt.len() - 2);
                }
                spelt.push_str(&rest);
            }
            Some((literal.range, spelt))
        })
        .collect()
}

/// Whether some code has a relative path that leads out of the tree.
pub fn leaves_tree(node: &SyntaxNode, directory: &TreePath) -> bool {
    literals(node)
        .iter()
        .any(|literal| target(literal, directory).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, from: &str, to: &str, expect: &[&str]) {
        let path = TreePath::new(from).unwrap();
        let anatomy = Anatomy::of(&path, text, &|_| false).unwrap();
        let got: Vec<_> = rebased(&anatomy, &TreePath::new(to).unwrap())
            .into_iter()
            .map(|(_, spelt)| spelt)
            .collect();
        assert_eq!(got, expect, "{text}");
    }

    #[test]
    fn literals_lead_to_the_same_place() {
        check(
            "{ a = ./x.conf; b = ../c/d; }",
            "hosts/h/default.nix",
            "modules/features",
            &["../../hosts/h/x.conf", "../../hosts/c/d"],
        );
    }

    #[test]
    fn interpolated_literals_keep_what_follows() {
        check(
            "{ a = ./jobs/${n}.nix; b = ./pre-${n}; c = ./. + \"/y\"; }",
            "hosts/h/default.nix",
            "modules",
            &["../hosts/h/jobs/", "../hosts/h/pre-", "../hosts/h"],
        );
    }
}
