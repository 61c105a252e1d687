//! Nix source text: lossless trees for edits, a compact form for evaluation.
//!
//! The only user of rnix and rowan beside the text surgery in
//! [`crate::refactor`]. Total: any text gives a tree and a list of problems.

pub mod hir;
mod lower;

use std::sync::Arc;

use rnix::SyntaxKind;
use rnix::ast::{self, AstToken as _, InterpolPart};
use rowan::ast::AstNode;

/// Deepest tree that is walked. Nix itself gives up on less.
const MAX_DEPTH: usize = 10_000;

/// What is wrong at a place of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Byte offset of the first byte.
    pub start: u32,
    /// Byte offset behind the last byte.
    pub end: u32,
    /// One sentence without a full stop.
    pub message: String,
    /// It is a limit of this parser: Nix may read the text.
    pub is_limit: bool,
}

/// Parses a text into its lossless tree. The errors are empty for valid Nix.
///
/// A tree that is nested too deeply to be walked is replaced by an empty one,
/// with an error.
pub fn parse(text: &str) -> (rnix::Root, Vec<SyntaxError>) {
    // The parser itself recurses: what is too deep must not even get there.
    if brackets_exceed(text, MAX_DEPTH) {
        return too_deep(text);
    }
    stacker::maybe_grow(1 << 20, 16 << 20, || {
        let parsed = rnix::Root::parse(text);
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let convert = |error| convert_error(error, length);
        let errors: Vec<SyntaxError> = parsed.errors().iter().map(convert).collect();
        let root = parsed.tree();
        if text.len() > MAX_DEPTH && depth_exceeds(root.syntax(), MAX_DEPTH) {
            // Dropping such a tree recurses as deep as it is nested.
            std::mem::forget(root);
            std::mem::forget(parsed);
            return too_deep(text);
        }
        (root, errors)
    })
}

/// The parts of a string as Nix reads them, escapes resolved. In `"…"` the end of a
/// line is one newline, however it is written, which rnix does not know.
pub fn string_parts(string: &ast::Str) -> Vec<InterpolPart<String>> {
    let indented = string
        .syntax()
        .first_token()
        .is_some_and(|token| token.text() == "''");
    if indented {
        return string.normalized_parts();
    }
    let part = |part: InterpolPart<ast::StrContent>| match part {
        InterpolPart::Literal(text) => InterpolPart::Literal(unescape(text.syntax().text())),
        InterpolPart::Interpolation(inner) => InterpolPart::Interpolation(inner),
    };
    string.parts().map(part).collect()
}

/// What a piece of `"…"` stands for.
fn unescape(source: &str) -> String {
    if !source.contains(['\\', '\r']) {
        return source.to_owned();
    }
    let mut text = String::with_capacity(source.len());
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.extend(chars.next().map(|c| match c {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                c => c,
            })),
            '\r' => {
                chars.next_if_eq(&'\n');
                text.push('\n');
            }
            c => text.push(c),
        }
    }
    text
}

/// Parses and lowers a text. Nix refuses a file with any syntax error, so such a
/// file has no compact form beyond its errors.
pub fn lower(text: Arc<str>) -> hir::File {
    if text.len() > u32::MAX as usize / 2 {
        let message = "the file is too large".to_owned();
        return lower::broken(
            text,
            vec![SyntaxError {
                start: 0,
                end: 0,
                message,
                is_limit: true,
            }],
        );
    }
    let (root, errors) = parse(&text);
    if errors.is_empty() {
        let file = lower::lower(&root, Arc::clone(&text));
        if file.errors.is_empty() {
            file
        } else {
            lower::broken(text, file.errors)
        }
    } else {
        lower::broken(text, errors)
    }
}

fn too_deep(text: &str) -> (rnix::Root, Vec<SyntaxError>) {
    let error = SyntaxError {
        start: 0,
        end: u32::try_from(text.len()).unwrap_or(u32::MAX),
        message: format!("nested more than {MAX_DEPTH} levels deep"),
        is_limit: true,
    };
    (rnix::Root::parse("").tree(), vec![error])
}

/// Whether brackets of any kind nest deeper than a limit.
fn brackets_exceed(text: &str, limit: usize) -> bool {
    let opening = |byte: &u8| matches!(byte, b'(' | b'[' | b'{');
    // Those in strings and comments count only for the quick look.
    if text.bytes().filter(opening).count() <= limit {
        return false;
    }
    use SyntaxKind as K;
    let mut depth = 0_usize;
    rnix::tokenize(text).any(|(kind, _)| {
        match kind {
            K::TOKEN_L_PAREN | K::TOKEN_L_BRACK | K::TOKEN_L_BRACE | K::TOKEN_INTERPOL_START => {
                depth += 1;
            }
            K::TOKEN_R_PAREN | K::TOKEN_R_BRACK | K::TOKEN_R_BRACE | K::TOKEN_INTERPOL_END => {
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
        depth > limit
    })
}

fn depth_exceeds(root: &rnix::SyntaxNode, limit: usize) -> bool {
    let mut depth = 0_usize;
    for event in root.preorder() {
        match event {
            rowan::WalkEvent::Enter(_) => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            rowan::WalkEvent::Leave(_) => depth -= 1,
        }
    }
    false
}

/// An error of the parser for people; what ends too soon ends at `length`.
fn convert_error(error: &rnix::ParseError, length: u32) -> SyntaxError {
    use rnix::ParseError as E;
    let at = |range: &rowan::TextRange| (range.start().into(), range.end().into());
    let last = (length.saturating_sub(1), length);
    let ((start, end), message) = match error {
        E::Unexpected(range) => (at(range), "unexpected input".to_owned()),
        E::UnexpectedExtra(range) => (
            at(range),
            "unexpected input after the expression".to_owned(),
        ),
        E::UnexpectedWanted(got, range, wanted) => (
            at(range),
            format!("unexpected {}, expected {}", spell(*got), any_of(wanted)),
        ),
        E::UnexpectedDoubleBind(range) => (at(range), "the pattern is bound twice".to_owned()),
        E::DuplicatedArgs(range, name) => {
            (at(range), format!("argument `{name}` is declared twice"))
        }
        E::UnexpectedEOF => (last, "the file ends too soon".to_owned()),
        E::UnexpectedEOFWanted(wanted) => (
            last,
            format!("the file ends too soon, expected {}", any_of(wanted)),
        ),
        E::RecursionLimitExceeded => (last, "nested too deeply to be read".to_owned()),
        other => (last, other.to_string()),
    };
    SyntaxError {
        start,
        end,
        message,
        is_limit: matches!(error, E::RecursionLimitExceeded),
    }
}

fn any_of(kinds: &[SyntaxKind]) -> String {
    use SyntaxKind as K;
    let is_name = kinds.contains(&K::TOKEN_IDENT);
    let mut words: Vec<&str> = kinds
        .iter()
        .filter(|kind| !(is_name && matches!(kind, K::TOKEN_OR | K::TOKEN_CUR_POS)))
        .map(|kind| spell(*kind))
        .collect();
    words.dedup();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => (*last).to_owned(),
        None => "something else".to_owned(),
    }
}

/// A token as it is written, or what sort of thing it is.
fn spell(kind: SyntaxKind) -> &'static str {
    use SyntaxKind as K;
    match kind {
        K::TOKEN_ADD => "`+`",
        K::TOKEN_AND_AND => "`&&`",
        K::TOKEN_ASSIGN => "`=`",
        K::TOKEN_ASSERT => "`assert`",
        K::TOKEN_AT => "`@`",
        K::TOKEN_COLON => "`:`",
        K::TOKEN_COMMA => "`,`",
        K::TOKEN_CONCAT => "`++`",
        K::TOKEN_CUR_POS => "`__curPos`",
        K::TOKEN_DIV => "`/`",
        K::TOKEN_DOT => "`.`",
        K::TOKEN_ELLIPSIS => "`...`",
        K::TOKEN_ELSE => "`else`",
        K::TOKEN_EQUAL => "`==`",
        K::TOKEN_FLOAT | K::TOKEN_INTEGER => "a number",
        K::TOKEN_IDENT => "a name",
        K::TOKEN_IF => "`if`",
        K::TOKEN_IMPLICATION => "`->`",
        K::TOKEN_IN => "`in`",
        K::TOKEN_INHERIT => "`inherit`",
        K::TOKEN_INTERPOL_END | K::TOKEN_R_BRACE => "`}`",
        K::TOKEN_INTERPOL_START => "`${`",
        K::TOKEN_INVERT => "`!`",
        K::TOKEN_L_BRACE => "`{`",
        K::TOKEN_L_BRACK => "`[`",
        K::TOKEN_L_PAREN => "`(`",
        K::TOKEN_LESS => "`<`",
        K::TOKEN_LET => "`let`",
        K::TOKEN_MORE => "`>`",
        K::TOKEN_MUL => "`*`",
        K::TOKEN_NOT_EQUAL => "`!=`",
        K::TOKEN_OR => "`or`",
        K::TOKEN_OR_OR => "`||`",
        K::TOKEN_PATH_ABS | K::TOKEN_PATH_HOME | K::TOKEN_PATH_REL | K::TOKEN_PATH_SEARCH => {
            "a path"
        }
        K::TOKEN_QUESTION => "`?`",
        K::TOKEN_R_BRACK => "`]`",
        K::TOKEN_R_PAREN => "`)`",
        K::TOKEN_REC => "`rec`",
        K::TOKEN_SEMICOLON => "`;`",
        K::TOKEN_STRING_START | K::TOKEN_STRING_CONTENT | K::TOKEN_STRING_END => "a string",
        K::TOKEN_SUB => "`-`",
        K::TOKEN_THEN => "`then`",
        K::TOKEN_UPDATE => "`//`",
        K::TOKEN_URI => "a URI",
        K::TOKEN_WITH => "`with`",
        _ => "something that is no Nix",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_is_missing_and_where() {
        for (text, at, message) in [
            ("{ a..b = 1; }", 4, "unexpected `.`, expected a name"),
            ("{ a = 1 }", 8, "unexpected `}`, expected `;`"),
            ("{ a = 1;\n", 8, "the file ends too soon"),
        ] {
            let file = lower(Arc::from(text));
            let error = file.errors.first().unwrap();
            assert_eq!(error.start, at, "{text}");
            assert!(error.message.starts_with(message), "{}", error.message);
        }
    }

    #[test]
    fn the_end_of_a_line_is_a_newline_in_quotes_alone() {
        for (text, value) in [
            ("\"a\r\nb\rc\"", "a\nb\nc"),
            ("\"a\\r\\n\\\r\nb\r\r\n\"", "a\r\n\r\nb\n\n"),
            ("\"$\r\n$$\\${\\t\\x\"", "$\n$$${\tx"),
            ("''a\r\nb''", "a\r\nb"),
        ] {
            let (root, errors) = parse(text);
            assert_eq!(errors, []);
            let Some(ast::Expr::Str(string)) = root.expr() else {
                panic!("{text}");
            };
            match string_parts(&string).as_slice() {
                [InterpolPart::Literal(read)] => assert_eq!(read, value, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn nesting_of_any_kind_has_a_limit() {
        for (open, close) in [("[", "]"), ("(", ")"), ("{a=", ";}"), ("\"${", "}\"")] {
            let text = format!("{}1{}", open.repeat(30_000), close.repeat(30_000));
            let file = lower(Arc::from(text.as_str()));
            let error = file.errors.first().unwrap();
            assert!(
                error.message.starts_with("nested more"),
                "{}",
                error.message
            );
        }
        let flat = format!("[ \"{}\" {} ]", "[".repeat(30_000), "[ ]".repeat(30_000));
        assert_eq!(lower(Arc::from(flat.as_str())).errors, []);
    }

    #[test]
    fn a_path_that_stops_before_its_interpolation_is_an_error() {
        for (text, errors) in [
            ("{ x }: /a/b${x}", 0),
            ("{ x }: /a/b ${x}", 1),
            ("{ x }: ./a\n  ${x}", 1),
            ("{ x }: ~/a/${x}/c", 0),
        ] {
            let file = lower(Arc::from(text));
            assert_eq!(file.errors.len(), errors, "{text}: {:?}", file.errors);
        }
    }
}
