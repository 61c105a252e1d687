//! Small questions about syntax.

use std::ops::Range;

use rnix::ast::{self, Attr, Expr};
use rnix::{SyntaxKind, SyntaxNode};
use rowan::ast::AstNode;

use super::Imports;
use crate::refactor::comments::span;
use crate::refactor::scope;
use crate::syntax::string_parts;

/// Deepest syntax that is taken apart: rowan's own walks recurse.
pub(super) const MAX_SYNTAX_DEPTH: usize = 1_000;

pub(super) fn error_range(error: &rnix::ParseError, len: usize) -> Range<usize> {
    use rnix::ParseError as E;
    match error {
        E::Unexpected(range)
        | E::UnexpectedExtra(range)
        | E::UnexpectedWanted(_, range, _)
        | E::UnexpectedDoubleBind(range)
        | E::DuplicatedArgs(range, _) => span(*range),
        _ => len..len,
    }
}

/// Where brackets nest deeper than the tree can be walked; strings and
/// comments count as text, so the answer errs towards "too deep".
pub(super) fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_SYNTAX_DEPTH {
            return Some(at);
        }
    }
    None
}

/// A noun phrase for a kind of expression.
pub fn describe(kind: SyntaxKind) -> &'static str {
    match kind {
        SyntaxKind::NODE_APPLY => "a function application in place of a set",
        SyntaxKind::NODE_IF_ELSE => "an `if` in place of a set",
        SyntaxKind::NODE_LIST => "a list in place of a set",
        SyntaxKind::NODE_BIN_OP => "an operator expression in place of a set",
        SyntaxKind::NODE_ASSERT => "an `assert` around the set",
        SyntaxKind::NODE_IDENT | SyntaxKind::NODE_SELECT => "a name in place of a set",
        SyntaxKind::NODE_LITERAL | SyntaxKind::NODE_STRING => "a literal in place of a set",
        _ => "an expression in place of a set",
    }
}

/// Strips parentheses.
pub fn peel(mut expr: Expr) -> Expr {
    while let Expr::Paren(paren) = &expr {
        match paren.expr() {
            Some(inner) => expr = inner,
            None => break,
        }
    }
    expr
}

/// The name of a static attribute (`a`, `"a"`), `None` for an interpolated one.
pub fn attr_name(attr: &Attr) -> Option<String> {
    match attr {
        Attr::Ident(ident) => Some(ident.to_string()),
        Attr::Str(string) => plain_string(string),
        Attr::Dynamic(dynamic) => match dynamic.expr()? {
            Expr::Str(string) => plain_string(&string),
            _ => None,
        },
    }
}

/// The value of a string literal without interpolation.
pub fn plain_string(string: &ast::Str) -> Option<String> {
    match string_parts(string).as_slice() {
        [] => Some(String::new()),
        [ast::InterpolPart::Literal(text)] => Some(text.clone()),
        _ => None,
    }
}

/// The static beginning of an attribute path, and whether more follows.
pub fn static_path(path: &ast::Attrpath) -> (Vec<String>, bool) {
    let mut names = Vec::new();
    for attr in path.attrs() {
        match attr_name(&attr) {
            Some(name) => names.push(name),
            None => return (names, true),
        }
    }
    (names, false)
}

pub(super) fn entry_names(node: &SyntaxNode) -> Vec<String> {
    if let Some(binding) = ast::AttrpathValue::cast(node.clone()) {
        let first = binding.attrpath().and_then(|path| path.attrs().next());
        return first.as_ref().and_then(attr_name).into_iter().collect();
    }
    scope::bound_names(node)
}

pub(super) fn is_structured(expr: &Expr) -> bool {
    match expr {
        Expr::AttrSet(set) => set
            .syntax()
            .children()
            .flat_map(|entry| entry_names(&entry))
            .any(|name| name == "config" || name == "options"),
        _ => false,
    }
}

/// `config = …`, `config.a.b = …` of a structured module.
pub(super) fn config_binding(node: &SyntaxNode) -> Option<(Vec<String>, Expr)> {
    let binding = ast::AttrpathValue::cast(node.clone())?;
    let (mut names, dynamic) = static_path(&binding.attrpath()?);
    if dynamic || names.first().is_none_or(|name| name != "config") {
        return None;
    }
    names.remove(0);
    // `config.a.b = v` is split no further: the path cannot be cut in two.
    if names.is_empty() {
        Some((names, binding.value()?))
    } else {
        None
    }
}

pub(super) fn imports_of(node: &SyntaxNode) -> Option<Imports> {
    let binding = ast::AttrpathValue::cast(node.clone())?;
    let (names, dynamic) = static_path(&binding.attrpath()?);
    if dynamic || names != ["imports"] {
        return None;
    }
    let value = binding.value()?;
    Some(Imports {
        node: node.clone(),
        list: literal_list(&value),
        value: value.syntax().clone(),
    })
}

pub(super) fn literal_list(expr: &Expr) -> Option<SyntaxNode> {
    match peel(expr.clone()) {
        Expr::List(list) => Some(list.syntax().clone()),
        Expr::BinOp(op) if op.operator() == Some(ast::BinOpKind::Concat) => op
            .lhs()
            .and_then(|lhs| literal_list(&lhs))
            .or_else(|| op.rhs().and_then(|rhs| literal_list(&rhs))),
        _ => None,
    }
}
