//! Nix source text: lossless trees for edits, a compact form for evaluation.
//!
//! The only user of rnix and rowan beside the text surgery in
//! [`crate::refactor`]. Total: any text gives a tree and a list of problems.

pub mod hir;
mod lower;

use std::sync::Arc;

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
}

/// Parses a text into its lossless tree. The errors are empty for valid Nix.
///
/// A tree that is nested too deeply to be walked is replaced by an empty one,
/// with an error.
pub fn parse(text: &str) -> (rnix::Root, Vec<SyntaxError>) {
    stacker::maybe_grow(1 << 20, 16 << 20, || {
        let parsed = rnix::Root::parse(text);
        let errors: Vec<SyntaxError> = parsed.errors().iter().map(convert_error).collect();
        let root = parsed.tree();
        if text.len() > MAX_DEPTH && depth_exceeds(root.syntax(), MAX_DEPTH) {
            // Dropping such a tree recurses as deep as it is nested.
            std::mem::forget(root);
            std::mem::forget(parsed);
            let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
            let message = format!("nested more than {MAX_DEPTH} levels deep");
            return (
                rnix::Root::parse("").tree(),
                vec![SyntaxError {
                    start: 0,
                    end,
                    message,
                }],
            );
        }
        (root, errors)
    })
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

fn convert_error(error: &rnix::ParseError) -> SyntaxError {
    use rnix::ParseError as E;
    let (range, message) = match error {
        E::Unexpected(range) => (Some(*range), "unexpected input".to_owned()),
        E::UnexpectedExtra(range) => (
            Some(*range),
            "unexpected input after the expression".to_owned(),
        ),
        E::UnexpectedWanted(got, range, wanted) => (
            Some(*range),
            format!("unexpected {got:?}, wanted one of {wanted:?}"),
        ),
        E::UnexpectedDoubleBind(range) => (Some(*range), "the pattern is bound twice".to_owned()),
        E::DuplicatedArgs(range, name) => {
            (Some(*range), format!("argument `{name}` is declared twice"))
        }
        other => (None, other.to_string()),
    };
    let (start, end) = range.map_or((0, 0), |r| (r.start().into(), r.end().into()));
    SyntaxError {
        start,
        end,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
