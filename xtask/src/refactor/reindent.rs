//! Copies a piece of source text to another indentation.
//!
//! Only the indentation of lines changes. The lines of an indented string are
//! shifted together or not at all, because their common indentation is what Nix
//! strips; the lines of any other string stay as they are.

use std::collections::BTreeMap;
use std::ops::Range;

use rnix::{SyntaxKind, SyntaxNode};
use rowan::NodeOrToken;

use super::comments::span;

/// Where the lines of a file begin and what may be done to them.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    /// Start of a line (behind its newline) to the string it begins in; the
    /// first line is missing.
    starts: BTreeMap<usize, Option<usize>>,
    /// How each indented string may be shifted, by its start.
    strings: BTreeMap<usize, Shift>,
}

#[derive(Debug, Clone, Copy)]
struct Shift {
    /// Whether its lines may be moved at all.
    movable: bool,
    /// How many columns may be taken away.
    room: usize,
}

impl Lines {
    /// Reads the lines of a file.
    pub fn of(root: &SyntaxNode) -> Self {
        let mut lines = Self::default();
        for element in root.descendants_with_tokens() {
            let NodeOrToken::Token(token) = element else {
                continue;
            };
            let string = if token.kind() == SyntaxKind::TOKEN_STRING_CONTENT {
                token.parent().map(|parent| {
                    let start = usize::from(parent.text_range().start());
                    lines
                        .strings
                        .entry(start)
                        .or_insert_with(|| shift_of(&parent));
                    start
                })
            } else {
                None
            };
            let at = usize::from(token.text_range().start());
            for (offset, _) in token.text().match_indices('\n') {
                lines.starts.insert(at + offset + 1, string);
            }
        }
        lines
    }

    /// The text of `range` with every line but the first moved by `delta`
    /// columns, and with `replace` (ranges inside, disjoint, sorted by start)
    /// put in.
    pub fn copy(
        &self,
        text: &str,
        range: Range<usize>,
        delta: isize,
        replace: &[(Range<usize>, String)],
    ) -> String {
        let mut out = String::new();
        let mut at = range.start;
        for (hole, insert) in replace
            .iter()
            .filter(|(hole, _)| range.start <= hole.start && hole.end <= range.end)
        {
            if hole.start < at {
                continue;
            }
            self.copy_plain(text, at..hole.start, delta, &mut out);
            out.push_str(insert);
            at = hole.end;
        }
        self.copy_plain(text, at..range.end, delta, &mut out);
        out
    }

    fn copy_plain(&self, text: &str, range: Range<usize>, delta: isize, out: &mut String) {
        if range.is_empty() {
            return;
        }
        let mut at = range.start;
        // A line start at the very beginning belongs to what was copied before.
        for (&start, string) in self.starts.range(range.start + 1..=range.end) {
            out.push_str(text.get(at..start).unwrap_or_default());
            at = start;
            let rest = text.get(start..).unwrap_or_default();
            let line = rest.split('\n').next().unwrap_or_default();
            match string {
                None => {
                    let width = line.len() - line.trim_start_matches([' ', '\t']).len();
                    let blank = width == line.len() && start + width < range.end;
                    if blank {
                        at = start + width;
                    } else if delta >= 0 {
                        push_spaces(out, delta.unsigned_abs());
                    } else {
                        at = start + width.min(delta.unsigned_abs());
                    }
                }
                Some(string) => {
                    let Some(shift) = self.strings.get(string) else {
                        continue;
                    };
                    let spaces = line.len() - line.trim_start_matches(' ').len();
                    if !shift.movable || line.is_empty() {
                        continue;
                    }
                    if delta >= 0 {
                        push_spaces(out, delta.unsigned_abs());
                    } else if delta.unsigned_abs() <= shift.room {
                        at = start + spaces.min(delta.unsigned_abs());
                    }
                }
            }
            at = at.min(range.end.max(start));
        }
        out.push_str(text.get(at..range.end).unwrap_or_default());
    }
}

fn push_spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

/// How the lines of a string may move.
fn shift_of(string: &SyntaxNode) -> Shift {
    let mut shift = Shift {
        movable: false,
        room: usize::MAX,
    };
    let mut first_line = true;
    let mut elements = string.children_with_tokens().peekable();
    while let Some(element) = elements.next() {
        match element {
            NodeOrToken::Token(token) => match token.kind() {
                SyntaxKind::TOKEN_STRING_START if token.text() != "''" => return shift,
                SyntaxKind::TOKEN_STRING_CONTENT => {
                    let ends_string = elements
                        .peek()
                        .and_then(|next| next.as_token())
                        .is_some_and(|next| next.kind() == SyntaxKind::TOKEN_STRING_END);
                    let mut parts = token.text().split('\n').peekable();
                    let mut on_new_line = false;
                    while let Some(line) = parts.next() {
                        let last = parts.peek().is_none();
                        if on_new_line {
                            let spaces = line.len() - line.trim_start_matches(' ').len();
                            // A last line of spaces is stripped by Nix; before
                            // an interpolation it is indentation.
                            let blank = spaces == line.len() && (!last || ends_string);
                            if !blank {
                                shift.room = shift.room.min(spaces);
                            }
                            // Spaces beyond the common indentation are content.
                        } else if first_line && (!line.trim_matches(' ').is_empty() || last) {
                            return shift;
                        }
                        first_line = false;
                        on_new_line = true;
                    }
                }
                _ => {}
            },
            // Text before the first newline: its indentation counts from `''`.
            NodeOrToken::Node(_) if first_line => return shift,
            NodeOrToken::Node(_) => {}
        }
    }
    shift.movable = !first_line;
    shift
}

/// The range of a node, as byte offsets.
pub fn range(node: &SyntaxNode) -> Range<usize> {
    span(node.text_range())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, delta: isize, expect: &str) {
        let root = rnix::Root::parse(text).syntax();
        let lines = Lines::of(&root);
        assert_eq!(lines.copy(text, 0..text.len(), delta, &[]), expect);
    }

    #[test]
    fn code_lines_move_and_blank_lines_stay_empty() {
        check(
            "{\n  a = 1;\n\n  b = 2;\n}",
            2,
            "{\n    a = 1;\n\n    b = 2;\n  }",
        );
        check("{\n    a = 1;\n  }", -2, "{\n  a = 1;\n}");
    }

    #[test]
    fn indented_strings_move_as_a_whole() {
        check("''\n  a\n    b\n\n  ''", 2, "''\n    a\n      b\n\n    ''");
        check("''\n  a\n    b\n  ''", -2, "''\na\n  b\n''");
    }

    #[test]
    fn indented_strings_without_room_stay() {
        check("''\n  a\n b\n  ''", -2, "''\n  a\n b\n  ''");
        check("''a\n  b\n  ''", 2, "''a\n  b\n  ''");
        check("''${a}\n  b\n  ''", 2, "''${a}\n  b\n  ''");
    }

    #[test]
    fn plain_strings_stay() {
        check(
            "{ a = \"x\n  y\";\n  b = 1; }",
            2,
            "{ a = \"x\n  y\";\n    b = 1; }",
        );
    }

    #[test]
    fn interpolated_code_moves_with_its_string() {
        check(
            "''\n  a ${\n    b\n  } c\n  ''",
            2,
            "''\n    a ${\n      b\n    } c\n    ''",
        );
    }
}
