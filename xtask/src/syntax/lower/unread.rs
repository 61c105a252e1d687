//! Spellings that nobody uses and that change what the text around them means.
//! They are not followed: what holds them counts as its text.

use rnix::{SyntaxKind, ast};
use rowan::ast::AstNode;

use crate::syntax::SyntaxError;
use crate::syntax::hir::{Bindings, Expr, ExprId, File, Name, Param};

/// What operators and `<paths>` are looked up as, and what a recursive set is
/// changed by: where they are bound, they mean something else.
const SPECIAL: [&str; 7] = [
    "__div",
    "__findFile",
    "__lessThan",
    "__mul",
    "__nixPath",
    "__overrides",
    "__sub",
];

/// Hides the whole of a file whose text means something else than it seems to.
pub(super) fn hide(file: &mut File, root: &rnix::Root) {
    if let Some(error) = lone_return(file, root) {
        file.errors.insert(0, error);
    } else if !file.exprs().any(binds_special) {
        return;
    }
    let root = ExprId(u32::try_from(file.exprs.len()).unwrap_or(u32::MAX));
    let range = file.range(file.root);
    file.exprs.push((Expr::Error, range));
    file.root = root;
}

/// A carriage return ends a comment for Nix, also where no newline follows.
fn lone_return(file: &File, root: &rnix::Root) -> Option<SyntaxError> {
    if !file.text.contains('\r') {
        return None;
    }
    root.syntax().descendants_with_tokens().find_map(|element| {
        let token = element.into_token()?;
        let text = token.text().strip_suffix('\r').unwrap_or(token.text());
        if token.kind() != SyntaxKind::TOKEN_COMMENT || !text.starts_with('#') {
            return None;
        }
        let at = token.text_range().start().into();
        text.find('\r').map(|end| SyntaxError {
            start: at,
            end: at + u32::try_from(end).unwrap_or(0),
            message: "a carriage return without a newline ends this comment".to_owned(),
            is_limit: false,
        })
    })
}

fn binds_special(expr: &Expr) -> bool {
    let special = |name: &Name| SPECIAL.contains(&&**name);
    let any = |bindings: &Bindings| bindings.fixed.iter().any(|bound| special(&bound.name));
    match expr {
        Expr::Let(bindings, _) => any(bindings),
        Expr::Set {
            recursive,
            bindings,
        } => *recursive && any(bindings),
        Expr::Lambda(Param::Name(name), _) => special(name),
        Expr::Lambda(Param::Set { formals, bind, .. }, _) => formals
            .iter()
            .map(|(name, _)| name)
            .chain(bind)
            .any(special),
        _ => false,
    }
}

/// Whether an indented string has a newline written as `''\n` with blanks after
/// it: they are indentation that is taken off, too.
pub(super) fn escapes_line(string: &ast::Str) -> bool {
    let text = string.syntax().text();
    text.contains_char('\\') && {
        let text = text.to_string();
        text.starts_with("''") && text.contains("''\\n ")
    }
}
