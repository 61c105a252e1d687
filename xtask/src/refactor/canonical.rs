//! A spelling of code that is equal for code that means the same in two files:
//! trivia gone, locals replaced by what they are bound to, paths resolved.

use rnix::ast::{self, InterpolPart};
use rnix::{SyntaxKind, SyntaxNode};
use rowan::NodeOrToken;
use rowan::ast::AstNode;

use super::anatomy::{Anatomy, Layer};
use super::paths;
use super::scope;
use crate::syntax::string_parts;
use crate::tree::TreePath;

/// Longer spellings are not compared: locals that repeat locals grow fast.
const LIMIT: usize = 64 * 1024;

/// The spelling of a piece of a file; `None` if it gets too long or depends on
/// its place.
pub fn canonical(anatomy: &Anatomy, node: &SyntaxNode) -> Option<String> {
    let mut out = String::new();
    spell(anatomy, node, &mut out, 0)?;
    Some(out)
}

fn spell(anatomy: &Anatomy, node: &SyntaxNode, out: &mut String, depth: usize) -> Option<()> {
    if out.len() > LIMIT || depth > 400 {
        return None;
    }
    match node.kind() {
        SyntaxKind::NODE_CUR_POS => return None,
        SyntaxKind::NODE_STRING => {
            let string = ast::Str::cast(node.clone())?;
            out.push_str("\u{1}str(");
            for part in string_parts(&string) {
                match part {
                    InterpolPart::Literal(text) => out.push_str(&text),
                    InterpolPart::Interpolation(inner) => {
                        out.push_str("\u{1}${");
                        spell(anatomy, inner.expr()?.syntax(), out, depth + 1)?;
                        out.push('}');
                    }
                }
            }
            out.push_str("\u{1})");
            return Some(());
        }
        SyntaxKind::NODE_PATH_REL => {
            let directory = anatomy.path.parent().unwrap_or_else(TreePath::root);
            let literal = paths::literals(node).into_iter().next()?;
            let (to, rest) = paths::target(&literal, &directory)?;
            out.push_str(&format!("\u{1}path({to}{rest}"));
            for child in node.children() {
                spell(anatomy, &child, out, depth + 1)?;
            }
            let tail = node
                .children_with_tokens()
                .skip(1)
                .filter_map(NodeOrToken::into_token);
            for token in tail {
                out.push_str(token.text());
            }
            out.push(')');
            return Some(());
        }
        SyntaxKind::NODE_PAREN => {
            let inner = ast::Paren::cast(node.clone())?.expr()?;
            out.push('(');
            spell(anatomy, inner.syntax(), out, depth + 1)?;
            out.push(')');
            return Some(());
        }
        SyntaxKind::NODE_IDENT => return ident(anatomy, node, out, depth),
        _ => {}
    }
    for element in node.children_with_tokens() {
        match element {
            NodeOrToken::Node(child) => spell(anatomy, &child, out, depth + 1)?,
            NodeOrToken::Token(token) => {
                if !matches!(
                    token.kind(),
                    SyntaxKind::TOKEN_WHITESPACE | SyntaxKind::TOKEN_COMMENT
                ) {
                    out.push_str(token.text());
                    out.push(' ');
                }
            }
        }
    }
    Some(())
}

fn ident(anatomy: &Anatomy, node: &SyntaxNode, out: &mut String, depth: usize) -> Option<()> {
    let usage = scope::uses(node).into_iter().next();
    let Some(usage) = usage else {
        out.push_str(&node.text().to_string());
        out.push(' ');
        return Some(());
    };
    let layer = usage
        .binder
        .as_ref()
        .and_then(|binder| anatomy.layers.iter().find(|layer| layer.node() == binder));
    if let Some(Layer::Let(let_in)) = layer {
        let entries = scope::local_entries(let_in, &usage.name);
        let [entry] = entries.as_slice() else {
            return None;
        };
        if let Some(binding) = ast::AttrpathValue::cast(entry.clone()) {
            if binding.attrpath()?.attrs().count() != 1 {
                return None;
            }
            let value = binding.value()?;
            let simple = matches!(
                value.syntax().kind(),
                SyntaxKind::NODE_STRING | SyntaxKind::NODE_LITERAL
            );
            if simple {
                return spell(anatomy, value.syntax(), out, depth + 1);
            }
            out.push('(');
            spell(anatomy, value.syntax(), out, depth + 1)?;
            out.push(')');
            return Some(());
        }
        let inherit = ast::Inherit::cast(entry.clone())?;
        match inherit.from() {
            Some(from) => {
                out.push('(');
                spell(anatomy, from.expr()?.syntax(), out, depth + 1)?;
                out.push_str(&format!(").{} ", usage.name));
            }
            None => out.push_str(&format!("\u{1}outer {} ", usage.name)),
        }
        return Some(());
    }
    out.push_str(&usage.name);
    for with in &usage.withs {
        let is_layer = anatomy.layers.iter().any(|layer| layer.node() == with);
        if is_layer && let Some(namespace) = ast::With::cast(with.clone())?.namespace() {
            out.push_str("\u{1}with ");
            spell(anatomy, namespace.syntax(), out, depth + 1)?;
        }
    }
    out.push(' ');
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(path: &str, text: &str) -> Option<String> {
        let path = TreePath::new(path).unwrap();
        let anatomy = Anatomy::of(&path, text, &|_| false).unwrap();
        canonical(&anatomy, anatomy.frame.node())
    }

    #[test]
    fn the_same_in_two_files_is_spelt_the_same() {
        let here = "{ pkgs, ... }: let p = 80; in { a = [ p ]; b = ./x/y; c = \"l\\n\"; }";
        let there = "{ lib, pkgs, ... }: { a = [\n 80 ]; b = ../h/x/y; # no\n c = ''\n  l\n''; }";
        assert_eq!(value("h/a.nix", here), value("m/b.nix", there));
        assert!(value("h/a.nix", here).is_some());
    }

    #[test]
    fn what_differs_is_spelt_differently() {
        let check = |a: &str, b: &str| assert_ne!(value("h/a.nix", a), value("h/a.nix", b));
        check("{ a = 1; }", "{ a = 2; }");
        check("{ a = ./x; }", "{ a = ../x; }");
        check("let p = 1; in { a = p; }", "let p = 2; in { a = p; }");
        check("{ a = [ b c ]; }", "{ a = [ (b c) ]; }");
        check("with x; { a = y; }", "with z; { a = y; }");
    }
}
