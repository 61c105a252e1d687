//! What is wrong with the input, as a value.
//!
//! An `Err` of the tool means that the tool failed; an `Ok` that carries
//! problems means that the input is wrong. Problems are collected, never only
//! the first one.

use serde::Serialize;

use crate::tree::TreePath;

/// How much a problem weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Said for completeness; nothing depends on it.
    Note,
    /// Tolerated, with less known about the fleet because of it.
    Warning,
    /// What the user asked for does not hold or cannot be done.
    Error,
}

/// A byte range of a file in the tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Span {
    /// The file, relative to the root of the repository.
    pub path: TreePath,
    /// Byte offset of the first byte.
    pub start: u32,
    /// Byte offset behind the last byte.
    pub end: u32,
}

/// One finding: `path:line:col: CODE: message`, then `help: …`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stable machine-readable name in kebab case, such as `syntax-error`.
    pub code: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// Where, if there is a place.
    pub span: Option<Span>,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// What to do next.
    pub help: Option<String>,
}

impl Problem {
    /// A problem of severity [`Severity::Error`].
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            span: None,
            message: message.into(),
            help: None,
        }
    }

    /// A problem of severity [`Severity::Warning`].
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message)
        }
    }

    /// A problem of severity [`Severity::Note`].
    pub fn note(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Note,
            ..Self::error(code, message)
        }
    }

    /// The same problem with its place.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// The same problem with the next step.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// 1-based line and column (in characters) of a byte offset of `text`.
///
/// An offset beyond the end gives the position behind the last character.
pub fn line_col(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .map_or(0, |last| last.chars().count())
        + 1;
    (line, column)
}

/// Byte offset of a 1-based line and column, the column in bytes as Nix counts
/// it; what is beyond a line or the end gives the end of that.
pub fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let mut start = 0;
    for (index, content) in text.split_inclusive('\n').enumerate() {
        if index + 1 == line {
            let length = content.trim_end_matches('\n').len();
            let mut offset = start + column.saturating_sub(1).min(length);
            while !text.is_char_boundary(offset) {
                offset -= 1;
            }
            return offset;
        }
        start += content.len();
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_found_and_total() {
        let check = |line, column, expect| {
            assert_eq!(
                offset_of("ab\nüc\n", line, column),
                expect,
                "{line}:{column}"
            );
        };
        check(1, 1, 0);
        check(1, 9, 2);
        check(2, 1, 3);
        check(2, 2, 3);
        check(2, 3, 5);
        check(7, 1, 7);
    }

    #[test]
    fn line_and_column_are_one_based_and_total() {
        let check = |offset, expect| assert_eq!(line_col("ab\nüc\n", offset), expect, "{offset}");
        check(0, (1, 1));
        check(2, (1, 3));
        check(3, (2, 1));
        check(4, (2, 1));
        check(5, (2, 2));
        check(99, (3, 1));
    }
}
