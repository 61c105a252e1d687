//! Terms as text for people.

use std::fmt::Write;

use super::term::{Key, ParamTerm, Term, TermKind as K};
use crate::syntax::hir::UnaryOp;

/// The term in Nix-like notation, cut off after about `limit` characters.
pub fn show(term: &Term, limit: usize) -> String {
    let mut out = String::new();
    write_term(term, limit, &mut out);
    if out.len() > limit {
        let mut end = limit;
        while !out.is_char_boundary(end) {
            end -= 1;
        }
        out.truncate(end);
        out.push('…');
    }
    out
}

fn keys(path: &[Key], limit: usize, out: &mut String) {
    for (index, key) in path.iter().enumerate() {
        if index > 0 {
            out.push('.');
        }
        match key {
            Key::Name(name) => out.push_str(&attribute(name)),
            Key::Term(term) => {
                out.push_str("${");
                write_term(term, limit, out);
                out.push('}');
            }
        }
    }
}

/// An attribute name as Nix wants it spelt: quoted when it is no identifier.
pub fn attribute(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '\''));
    const KEYWORDS: [&str; 9] = [
        "if", "then", "else", "assert", "with", "let", "in", "rec", "inherit",
    ];
    if plain && !KEYWORDS.contains(&name) {
        name.to_owned()
    } else {
        quote(name)
    }
}

/// A string literal.
pub fn quote(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace("${", "\\${");
    format!(
        "\"{}\"",
        escaped
            .replace('\n', "\\n")
            .replace('\t', "\\t")
            .replace('\r', "\\r")
    )
}

fn write_term(term: &Term, limit: usize, out: &mut String) {
    if out.len() > limit {
        return;
    }
    stacker::maybe_grow(64 << 10, 1 << 20, || write_kind(term, limit, out));
}

fn write_kind(term: &Term, limit: usize, out: &mut String) {
    let go = |term: &Term, out: &mut String| write_term(term, limit, out);
    let _ = match term.kind() {
        K::Null => write!(out, "null"),
        K::Bool(value) => write!(out, "{value}"),
        K::Int(value) => write!(out, "{value}"),
        K::Float(text) | K::OutsidePath(text) => write!(out, "{text}"),
        K::Str(text) => write!(out, "{}", quote(text)),
        K::Path(path, _) => write!(out, "/{}", path.as_str()),
        K::Arg(name) | K::Global(name) => write!(out, "{name}"),
        K::Input(name) => write!(out, "inputs.{name}"),
        K::Inputs => write!(out, "inputs"),
        K::Flake => write!(out, "self"),
        K::ArgSet(_) => write!(out, "args"),
        K::Bound(index, name) if name.is_empty() => write!(out, "_{index}"),
        K::Bound(_, name) | K::Fresh(_, name) | K::WithVar(name, _) => write!(out, "{name}"),
        K::Place(path, offset, _) => write!(out, "<{path}:{offset}>"),
        K::Interp(parts) => {
            out.push('"');
            for part in parts {
                if let K::Str(text) = part.kind() {
                    let quoted = quote(text);
                    out.push_str(&quoted[1..quoted.len() - 1]);
                } else {
                    out.push_str("${");
                    go(part, out);
                    out.push('}');
                }
            }
            out.push('"');
            Ok(())
        }
        K::PathInterp(path, _, parts) => {
            let _ = write!(out, "/{}", path.as_str());
            for part in parts {
                out.push_str("/${");
                go(part, out);
                out.push('}');
            }
            Ok(())
        }
        K::List(items) => {
            out.push_str("[ ");
            for item in items {
                go(item, out);
                out.push(' ');
            }
            out.push(']');
            Ok(())
        }
        K::Set(fixed, dynamic) => {
            out.push_str("{ ");
            for (name, value) in fixed {
                let _ = write!(out, "{} = ", attribute(name));
                go(value, out);
                out.push_str("; ");
            }
            for (name, value) in dynamic {
                out.push_str("${");
                go(name, out);
                out.push_str("} = ");
                go(value, out);
                out.push_str("; ");
            }
            out.push('}');
            Ok(())
        }
        K::Lambda(param, body) => {
            match param {
                ParamTerm::Plain => out.push_str("_: "),
                ParamTerm::Set(formals, ..) => {
                    let names: Vec<&str> = formals.iter().map(|(name, _)| &**name).collect();
                    let _ = write!(out, "{{ {} }}: ", names.join(", "));
                }
            }
            go(body, out);
            Ok(())
        }
        K::Mu(body) => {
            out.push_str("rec ");
            go(body, out);
            Ok(())
        }
        K::Apply(f, x) => {
            go(f, out);
            out.push_str(" (");
            go(x, out);
            out.push(')');
            Ok(())
        }
        K::Select(base, path, default) => {
            go(base, out);
            out.push('.');
            keys(path, limit, out);
            if let Some(default) = default {
                out.push_str(" or ");
                go(default, out);
            }
            Ok(())
        }
        K::HasAttr(base, path) => {
            go(base, out);
            out.push_str(" ? ");
            keys(path, limit, out);
            Ok(())
        }
        K::If(c, a, b) => {
            out.push_str("if ");
            go(c, out);
            out.push_str(" then ");
            go(a, out);
            out.push_str(" else ");
            go(b, out);
            Ok(())
        }
        K::Assert(c, x) => {
            out.push_str("assert ");
            go(c, out);
            out.push_str("; ");
            go(x, out);
            Ok(())
        }
        K::Unary(op, a) => {
            out.push_str(if *op == UnaryOp::Invert { "!" } else { "-" });
            go(a, out);
            Ok(())
        }
        K::Binary(op, a, b) => {
            out.push('(');
            go(a, out);
            let _ = write!(out, " {} ", operator(*op));
            go(b, out);
            out.push(')');
            Ok(())
        }
    };
}

fn operator(op: crate::syntax::hir::BinaryOp) -> &'static str {
    use crate::syntax::hir::BinaryOp as B;
    match op {
        B::Concat => "++",
        B::Update => "//",
        B::Add => "+",
        B::Sub => "-",
        B::Mul => "*",
        B::Div => "/",
        B::And => "&&",
        B::Equal => "==",
        B::Implication => "->",
        B::Less => "<",
        B::LessOrEq => "<=",
        B::More => ">",
        B::MoreOrEq => ">=",
        B::NotEqual => "!=",
        B::Or => "||",
        B::PipeRight => "|>",
        B::PipeLeft => "<|",
    }
}
