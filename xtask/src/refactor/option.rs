//! Options that features declare beside `enable`: names, types, descriptions.

use std::collections::BTreeSet;

use rnix::SyntaxNode;
use rnix::ast::{self, Expr};
use rowan::ast::AstNode;

use super::anatomy::{peel, plain_string};
use super::draft::OptionDecl;
use crate::options::{OptionType, Scalar};

/// Names that say nothing without what they belong to.
const VAGUE: [&str; 12] = [
    "enable",
    "settings",
    "config",
    "extraConfig",
    "package",
    "options",
    "value",
    "text",
    "source",
    "name",
    "file",
    "path",
];

/// A name for an option that stands for the value at `path`, not among `used`.
pub fn name(path: &[String], used: &BTreeSet<String>) -> String {
    let words: Vec<String> = path
        .iter()
        .map(|part| camel(part))
        .filter(|it| !it.is_empty())
        .collect();
    let vague = |name: &str| VAGUE.contains(&name);
    let mut candidate = String::new();
    for take in 1..=words.len() {
        candidate = join(&words[words.len() - take..]);
        let last = words.last().map(String::as_str).unwrap_or_default();
        if take == 1 && (vague(last) || last.len() < 2) {
            continue;
        }
        if !used.contains(&candidate) && is_name(&candidate) {
            return candidate;
        }
    }
    if !is_name(&candidate) {
        candidate = "setting".to_owned();
    }
    (2..)
        .map(|n| format!("{candidate}{n}"))
        .find(|name| !used.contains(name))
        .unwrap_or(candidate)
}

fn is_name(text: &str) -> bool {
    crate::taxonomy::is_identifier(text) && text != "enable"
}

/// `wg0`, `wifi-power`, `HTTP_PORT` and `net.ipv4` as parts of a camel-case name.
fn camel(part: &str) -> String {
    let shouts = !part.chars().any(|c| c.is_ascii_lowercase());
    let mut out = String::new();
    let mut upper = false;
    for c in part.chars() {
        if !c.is_ascii_alphanumeric() {
            upper = !out.is_empty();
        } else if upper {
            out.push(c.to_ascii_uppercase());
            upper = false;
        } else if shouts || out.is_empty() {
            out.push(c.to_ascii_lowercase());
        } else {
            out.push(c);
        }
    }
    out
}

fn join(words: &[String]) -> String {
    let mut out = String::new();
    for word in words {
        let mut chars = word.chars();
        match (out.is_empty(), chars.next()) {
            (true, _) => out.push_str(word),
            (false, Some(first)) => {
                out.push(first.to_ascii_uppercase());
                out.push_str(chars.as_str());
            }
            (false, None) => {}
        }
    }
    out
}

/// The type of an option that holds `value`, which is put where the module
/// system expects a value of type `expected`.
pub fn type_text(expected: Option<&OptionType>, value: &SyntaxNode) -> Option<String> {
    let declared = expected.and_then(of_type);
    match (declared, of_value(value)) {
        (Some(declared), _) => Some(declared),
        (None, Some(inferred)) => Some(inferred),
        (None, None) => None,
    }
}

/// `lib.types.…` of a type that gives one definition's value back unchanged.
fn of_type(kind: &OptionType) -> Option<String> {
    Some(match kind {
        OptionType::Scalar(scalar) => match scalar {
            Scalar::Bool | Scalar::BoolByOr => "lib.types.bool",
            Scalar::Int => "lib.types.int",
            Scalar::Float => "lib.types.float",
            Scalar::Str => "lib.types.str",
            Scalar::Path => "lib.types.path",
            Scalar::Package => "lib.types.package",
            // `number` is younger than releases that are still in use.
            Scalar::Pkgs | Scalar::Enum | Scalar::Number => return None,
        }
        .to_owned(),
        OptionType::ListOf(inner) => {
            let inner = of_type(inner).filter(|inner| !inner.contains(' '))?;
            format!("lib.types.listOf {inner}")
        }
        OptionType::NullOr(inner) => {
            let inner = of_type(inner)?;
            if inner.contains(' ') {
                format!("lib.types.nullOr ({inner})")
            } else {
                format!("lib.types.nullOr {inner}")
            }
        }
        _ => return None,
    })
}

/// The type of a literal.
pub fn of_value(value: &SyntaxNode) -> Option<String> {
    let expr = peel(Expr::cast(value.clone())?);
    Some(match &expr {
        Expr::Ident(ident) if matches!(ident.to_string().as_str(), "true" | "false") => {
            "lib.types.bool".to_owned()
        }
        Expr::Literal(literal) => match literal.kind() {
            ast::LiteralKind::Integer(_) => "lib.types.int".to_owned(),
            ast::LiteralKind::Float(_) => "lib.types.float".to_owned(),
            ast::LiteralKind::Uri(_) => "lib.types.str".to_owned(),
        },
        Expr::Str(_) => "lib.types.str".to_owned(),
        Expr::PathRel(_) | Expr::PathAbs(_) => "lib.types.path".to_owned(),
        Expr::BinOp(op) => {
            let (left, right) = (op.lhs()?, op.rhs()?);
            let (left, right) = (of_value(left.syntax())?, of_value(right.syntax())?);
            let is_sum = matches!(
                op.operator()?,
                ast::BinOpKind::Add
                    | ast::BinOpKind::Sub
                    | ast::BinOpKind::Mul
                    | ast::BinOpKind::Div
                    | ast::BinOpKind::Concat
            );
            if !is_sum || left != right {
                return None;
            }
            left
        }
        Expr::List(list) => {
            let mut types: BTreeSet<String> = BTreeSet::new();
            for item in list.items() {
                types.insert(of_value(item.syntax()).filter(|it| !it.contains(' '))?);
            }
            match types.first() {
                Some(only) if types.len() == 1 => format!("lib.types.listOf {only}"),
                _ => return None,
            }
        }
        _ => return None,
    })
}

/// Whether a value is a literal bool, number, string without interpolation.
pub fn is_scalar_literal(value: &SyntaxNode) -> bool {
    let Some(expr) = Expr::cast(value.clone()) else {
        return false;
    };
    match peel(expr) {
        Expr::Str(string) => plain_string(&string).is_some(),
        other => matches!(
            of_value(other.syntax()).as_deref(),
            Some("lib.types.bool" | "lib.types.int" | "lib.types.float" | "lib.types.path")
        ),
    }
}

/// Whether a value is made by `mkIf`, `mkForce` and the like: it means something
/// only where it stands.
pub fn is_property(value: &SyntaxNode) -> bool {
    let mut expr = Expr::cast(value.clone()).map(peel);
    while let Some(Expr::Apply(apply)) = &expr {
        expr = apply.lambda().map(peel);
    }
    match expr {
        Some(Expr::Ident(ident)) => ident.to_string().starts_with("mk"),
        Some(Expr::Select(select)) => select
            .attrpath()
            .and_then(|path| path.attrs().last())
            .and_then(|attr| super::anatomy::attr_name(&attr))
            .is_some_and(|name| name.starts_with("mk")),
        _ => false,
    }
}

/// A declaration for the value at a path.
pub fn declare(
    name: &str,
    path: &[String],
    type_text: String,
    default: Option<String>,
) -> OptionDecl {
    OptionDecl {
        name: name.to_owned(),
        type_text,
        default,
        description: format!("Value of `{}`.", spell(path)),
    }
}

/// A path in the notation of Nix.
pub fn spell(path: &[String]) -> String {
    let parts: Vec<String> = path
        .iter()
        .map(|part| crate::model::show::attribute(part))
        .collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_end_of_the_path() {
        let check = |path: &str, used: &[&str], expect: &str| {
            let path: Vec<String> = path.split('/').map(str::to_owned).collect();
            let used = used.iter().map(|it| (*it).to_owned()).collect();
            assert_eq!(name(&path, &used), expect);
        };
        check("networking/wireguard/interfaces/wg0/ips", &[], "ips");
        check(
            "networking/wireguard/interfaces/wg0/ips",
            &["ips"],
            "wg0Ips",
        );
        check("services/nginx/enable", &[], "nginxEnable");
        check("services/gitea/settings/server/HTTP_PORT", &[], "httpPort");
        check("a/vm.swappiness", &[], "vmSwappiness");
        check("x/in", &[], "xIn");
    }

    #[test]
    fn types_come_from_the_table_or_the_literal() {
        let value = |text: &str| {
            let parsed = rnix::Root::parse(text);
            parsed.tree().expr().unwrap().syntax().clone()
        };
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(type_text(None, &value(text)).as_deref(), expect, "{text}");
        };
        check("true", Some("lib.types.bool"));
        check("[ \"a\" \"b\" ]", Some("lib.types.listOf lib.types.str"));
        check("[ 1 \"b\" ]", None);
        check("./x", Some("lib.types.path"));
        check("f 1", None);
        let expected = OptionType::ListOf(Box::new(OptionType::Scalar(Scalar::Package)));
        assert_eq!(
            type_text(Some(&expected), &value("with pkgs; [ a ]")).as_deref(),
            Some("lib.types.listOf lib.types.package")
        );
    }
}
