//! From the lossless tree to the compact form.

mod bindings;
mod names;
mod unread;

use std::sync::Arc;

use rnix::SyntaxKind;
use rnix::ast::{self, InterpolPart};
use rowan::NodeOrToken;
use rowan::ast::AstNode;

use bindings::Open;

use super::hir::{Attr, Expr, ExprId, File, Name, Param, Part, PathBase, Range};
use super::{SyntaxError, string_parts};

pub(super) fn lower(root: &rnix::Root, text: Arc<str>) -> File {
    let mut lowering = Lowering {
        exprs: Vec::new(),
        errors: Vec::new(),
    };
    let expr = lowering.optional(root.expr(), (0, 0));
    let mut file = File {
        text,
        root: expr,
        errors: lowering.errors,
        looked_up: Vec::new(),
        exprs: lowering.exprs,
    };
    if file.errors.is_empty() {
        (file.errors, file.looked_up) = names::look_up(&file);
    }
    unread::hide(&mut file, root);
    file
}

pub(super) fn broken(text: Arc<str>, errors: Vec<SyntaxError>) -> File {
    File {
        text,
        root: ExprId(0),
        errors,
        looked_up: Vec::new(),
        exprs: vec![(Expr::Error, (0, 0))],
    }
}

struct Lowering {
    exprs: Vec<(Expr, Range)>,
    errors: Vec<SyntaxError>,
}

fn range(node: &rnix::SyntaxNode) -> Range {
    let range = node.text_range();
    (range.start().into(), range.end().into())
}

impl Lowering {
    fn add(&mut self, expr: Expr, range: Range) -> ExprId {
        let id = ExprId(u32::try_from(self.exprs.len()).unwrap_or(u32::MAX));
        self.exprs.push((expr, range));
        id
    }

    fn error(&mut self, range: Range, message: String) {
        self.errors.push(SyntaxError {
            start: range.0,
            end: range.1,
            message,
            is_limit: false,
        });
    }

    fn optional(&mut self, expr: Option<ast::Expr>, around: Range) -> ExprId {
        match expr {
            Some(expr) => self.expr(&expr),
            None => {
                if self.errors.is_empty() {
                    self.error(around, "an expression is missing".to_owned());
                }
                self.add(Expr::Error, around)
            }
        }
    }

    fn expr(&mut self, expr: &ast::Expr) -> ExprId {
        stacker::maybe_grow(128 << 10, 4 << 20, || self.expr_here(expr))
    }

    fn expr_here(&mut self, expr: &ast::Expr) -> ExprId {
        let at = range(expr.syntax());
        let lowered = match expr {
            ast::Expr::Paren(e) => {
                // The parser forgives `(x;` where a binding may end.
                if e.r_paren_token().is_none() {
                    self.error(at, "a closing parenthesis is missing".to_owned());
                }
                return self.optional(e.expr(), at);
            }
            ast::Expr::Root(e) => return self.optional(e.expr(), at),
            ast::Expr::Error(_) => Expr::Error,
            ast::Expr::Literal(e) => literal(e),
            ast::Expr::Str(e) => {
                let parts = Expr::Str(self.string(e));
                if !unread::escapes_line(e) {
                    return self.add(parts, at);
                }
                let unread = self.add(Expr::Error, at);
                Expr::Apply(unread, self.add(parts, at))
            }
            ast::Expr::PathRel(e) => Expr::Path(PathBase::Relative, self.path(e.syntax())),
            ast::Expr::PathAbs(e) => Expr::Path(PathBase::Absolute, self.path(e.syntax())),
            ast::Expr::PathHome(e) => Expr::Path(PathBase::Home, self.path(e.syntax())),
            ast::Expr::PathSearch(e) => {
                let text = e.syntax().text().to_string();
                let inner = text.trim_start_matches('<').trim_end_matches('>');
                Expr::Path(PathBase::Search, vec![Part::Text(Arc::from(inner))])
            }
            ast::Expr::Ident(e) => Expr::Var(ident(e)),
            ast::Expr::List(e) => Expr::List(e.items().map(|item| self.expr(&item)).collect()),
            ast::Expr::AttrSet(e) => {
                let recursive = e.rec_token().is_some();
                let mut open = Open::new(recursive);
                self.entries(e, &mut open);
                return self.close(open, at);
            }
            ast::Expr::LetIn(e) => {
                let bindings = self.let_bindings(e);
                let body = self.optional(e.body(), at);
                Expr::Let(bindings, body)
            }
            ast::Expr::LegacyLet(e) => {
                let mut open = Open::new(true);
                self.entries(e, &mut open);
                let set = self.close(open, at);
                Expr::Select(set, vec![Attr::Name(Arc::from("body"))], None)
            }
            ast::Expr::With(e) => {
                let scope = self.optional(e.namespace(), at);
                Expr::With(scope, self.optional(e.body(), at))
            }
            ast::Expr::Lambda(e) => {
                let param = self.param(e.param(), at);
                Expr::Lambda(param, self.optional(e.body(), at))
            }
            ast::Expr::Apply(e) => {
                let function = self.optional(e.lambda(), at);
                Expr::Apply(function, self.optional(e.argument(), at))
            }
            ast::Expr::Select(e) => {
                let base = self.optional(e.expr(), at);
                let path = self.attrpath(e.attrpath(), at);
                let default = e.default_expr().map(|default| self.expr(&default));
                Expr::Select(base, path, default)
            }
            ast::Expr::HasAttr(e) => {
                let base = self.optional(e.expr(), at);
                Expr::HasAttr(base, self.attrpath(e.attrpath(), at))
            }
            ast::Expr::IfElse(e) => {
                let condition = self.optional(e.condition(), at);
                let then = self.optional(e.body(), at);
                Expr::If(condition, then, self.optional(e.else_body(), at))
            }
            ast::Expr::Assert(e) => {
                let condition = self.optional(e.condition(), at);
                Expr::Assert(condition, self.optional(e.body(), at))
            }
            ast::Expr::UnaryOp(e) => {
                let operand = self.optional(e.expr(), at);
                e.operator()
                    .map_or(Expr::Error, |op| Expr::Unary(op, operand))
            }
            ast::Expr::BinOp(e) => {
                let left = self.optional(e.lhs(), at);
                let right = self.optional(e.rhs(), at);
                match e.operator() {
                    Some(ast::BinOpKind::PipeRight) => Expr::Apply(right, left),
                    Some(ast::BinOpKind::PipeLeft) => Expr::Apply(left, right),
                    Some(op) => Expr::Binary(op, left, right),
                    None => Expr::Error,
                }
            }
            ast::Expr::CurPos(_) => Expr::CurPos,
        };
        self.add(lowered, at)
    }

    fn string(&mut self, string: &ast::Str) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        for part in string_parts(string) {
            match part {
                InterpolPart::Literal(text) => push_text(&mut parts, &text),
                InterpolPart::Interpolation(inner) => {
                    let at = range(inner.syntax());
                    let id = self.optional(inner.expr(), at);
                    parts.push(Part::Expr(id));
                }
            }
        }
        parts
    }

    /// The parts of a path. rnix's own way to them panics where the parser has put
    /// anything else into the node.
    fn path(&mut self, node: &rnix::SyntaxNode) -> Vec<Part> {
        let mut parts = Vec::new();
        for child in node.children_with_tokens() {
            match child {
                NodeOrToken::Token(token) if is_path(token.kind()) => {
                    push_text(&mut parts, token.text());
                }
                NodeOrToken::Token(token) => {
                    let text = token.text().to_owned();
                    self.error(range(node), format!("`{text}` inside a path"));
                }
                NodeOrToken::Node(inner) => {
                    let at = range(&inner);
                    let expression = ast::Interpol::cast(inner).and_then(|it| it.expr());
                    let id = self.optional(expression, at);
                    parts.push(Part::Expr(id));
                }
            }
        }
        parts
    }

    fn attrpath(&mut self, path: Option<ast::Attrpath>, around: Range) -> Vec<Attr> {
        let Some(path) = path else {
            self.error(around, "an attribute path is missing".to_owned());
            return Vec::new();
        };
        path.attrs().map(|attr| self.attr(&attr)).collect()
    }

    fn attr(&mut self, attr: &ast::Attr) -> Attr {
        match attr {
            ast::Attr::Ident(name) => Attr::Name(ident(name)),
            ast::Attr::Dynamic(dynamic) => {
                let at = range(dynamic.syntax());
                let id = self.optional(dynamic.expr(), at);
                // `${"name"}` is a name like any other.
                match self.exprs.get(id.0 as usize).map(|(expr, _)| expr) {
                    Some(Expr::Str(parts)) => match fixed_text(parts) {
                        Some(name) => Attr::Name(name),
                        None => Attr::Expr(id),
                    },
                    _ => Attr::Expr(id),
                }
            }
            ast::Attr::Str(string) => {
                let parts = self.string(string);
                match fixed_text(&parts) {
                    Some(name) => Attr::Name(name),
                    None => {
                        let at = range(string.syntax());
                        Attr::Expr(self.add(Expr::Str(parts), at))
                    }
                }
            }
        }
    }

    fn param(&mut self, param: Option<ast::Param>, around: Range) -> Param {
        match param {
            Some(ast::Param::IdentParam(param)) => Param::Name(
                param
                    .ident()
                    .map_or_else(|| Arc::from(""), |name| ident(&name)),
            ),
            Some(ast::Param::Pattern(pattern)) => {
                let bind = pattern
                    .pat_bind()
                    .and_then(|bind| bind.ident())
                    .map(|name| ident(&name));
                let mut formals: Vec<(Name, Option<ExprId>)> = Vec::new();
                for entry in pattern.pat_entries() {
                    let Some(node) = entry.ident() else { continue };
                    let name = ident(&node);
                    if bind.as_ref() == Some(&name)
                        || formals.iter().any(|(other, _)| *other == name)
                    {
                        let message = format!("argument `{name}` is declared twice");
                        self.error(range(node.syntax()), message);
                    }
                    let default = entry.default().map(|default| self.expr(&default));
                    formals.push((name, default));
                }
                Param::Set {
                    formals,
                    ellipsis: pattern.ellipsis_token().is_some(),
                    bind,
                }
            }
            None => {
                self.error(around, "a parameter is missing".to_owned());
                Param::Name(Arc::from(""))
            }
        }
    }
}

fn ident(ident: &ast::Ident) -> Name {
    match ident.ident_token() {
        Some(token) => Arc::from(token.text()),
        // `or` as a name.
        None => Arc::from(ident.syntax().text().to_string()),
    }
}

fn literal(literal: &ast::Literal) -> Expr {
    match literal.kind() {
        ast::LiteralKind::Integer(token) => token.value().map_or(Expr::Error, Expr::Int),
        ast::LiteralKind::Float(token) => {
            Expr::Float(Arc::from(ast::AstToken::syntax(&token).text()))
        }
        ast::LiteralKind::Uri(token) => Expr::Str(vec![Part::Text(Arc::from(
            ast::AstToken::syntax(&token).text(),
        ))]),
    }
}

fn is_path(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        SyntaxKind::TOKEN_PATH_ABS | SyntaxKind::TOKEN_PATH_REL | SyntaxKind::TOKEN_PATH_HOME
    )
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if text.is_empty() {
        return;
    }
    match parts.last_mut() {
        Some(Part::Text(last)) => *last = Arc::from(format!("{last}{text}")),
        _ => parts.push(Part::Text(Arc::from(text))),
    }
}

fn fixed_text(parts: &[Part]) -> Option<Name> {
    match parts {
        [] => Some(Arc::from("")),
        [Part::Text(text)] => Some(text.clone()),
        _ => None,
    }
}
