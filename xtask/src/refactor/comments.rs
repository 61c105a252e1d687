//! Which comment belongs to which binding.
//!
//! ```nix
//! {
//!   ###########
//!   ## Web          <- banner: heads the section down to the next banner
//!   ###########
//!   # the proxy     <- attached: no blank line between it and the binding
//!   services.nginx.enable = true; # trailing
//! }
//! ```

use std::ops::Range;

use rnix::{SyntaxKind, SyntaxNode};
use rowan::NodeOrToken;

/// One entry of a set or of a `let`, with the text that belongs to it.
#[derive(Debug, Clone)]
pub struct Slot {
    /// The `NODE_ATTRPATH_VALUE` or `NODE_INHERIT`.
    pub node: SyntaxNode,
    /// Everything from the end of the slot before: blank lines, banners,
    /// comments, the entry, its trailing comment.
    pub extent: Range<usize>,
    /// Comments above that head a whole section (banners, prose of its own).
    pub headers: Vec<Range<usize>>,
    /// Commented-out code above that stands for itself.
    pub loose: Vec<Range<usize>>,
    /// First byte of the comments attached to the entry, or of the entry.
    pub own_start: usize,
    /// Behind the trailing comment, or behind the entry.
    pub own_end: usize,
    /// Whether a blank line stands above what is the entry's own.
    pub blank_above: bool,
    /// Index of the slot that opened the section that this one is in.
    pub section: usize,
}

/// The entries of one set or `let`, in order.
#[derive(Debug, Clone, Default)]
pub struct Slots {
    /// Behind the opening token and a comment on its line.
    pub open_end: usize,
    /// The entries.
    pub slots: Vec<Slot>,
    /// The closing token; what stands between it and the last slot are
    /// comments at the end of the set.
    pub close_start: usize,
}

struct Comment {
    range: Range<usize>,
    newlines_before: usize,
    text: String,
}

/// Reads the entries of an attribute set or of a `let`.
pub fn slots(container: &SyntaxNode) -> Slots {
    let mut result = Slots::default();
    let mut opened = false;
    let mut pending: Vec<Comment> = Vec::new();
    let mut newlines = 0;
    let mut at = 0;
    let mut on_line = false;
    for element in container.children_with_tokens() {
        let range = span(element.text_range());
        match element {
            NodeOrToken::Token(token) => match token.kind() {
                SyntaxKind::TOKEN_L_BRACE | SyntaxKind::TOKEN_LET if !opened => {
                    opened = true;
                    result.open_end = range.end;
                    at = range.end;
                    on_line = true;
                }
                SyntaxKind::TOKEN_R_BRACE | SyntaxKind::TOKEN_IN if opened => {
                    result.close_start = range.start;
                    break;
                }
                SyntaxKind::TOKEN_WHITESPACE => {
                    let count = token.text().matches('\n').count();
                    newlines += count;
                    on_line &= count == 0;
                }
                SyntaxKind::TOKEN_COMMENT if opened => {
                    if on_line {
                        match result.slots.last_mut() {
                            Some(slot) => {
                                slot.own_end = range.end;
                                slot.extent.end = range.end;
                            }
                            None => result.open_end = range.end,
                        }
                        at = range.end;
                    } else {
                        pending.push(Comment {
                            range,
                            newlines_before: newlines,
                            text: token.text().to_owned(),
                        });
                    }
                    newlines = 0;
                }
                _ => {}
            },
            NodeOrToken::Node(node)
                if opened
                    && matches!(
                        node.kind(),
                        SyntaxKind::NODE_ATTRPATH_VALUE | SyntaxKind::NODE_INHERIT
                    ) =>
            {
                let mut slot = Slot {
                    node,
                    extent: at..range.end,
                    headers: Vec::new(),
                    loose: Vec::new(),
                    own_start: range.start,
                    own_end: range.end,
                    blank_above: false,
                    section: 0,
                };
                distribute(&mut slot, std::mem::take(&mut pending), newlines);
                slot.section = match result.slots.last() {
                    Some(before) if slot.headers.is_empty() => before.section,
                    _ => result.slots.len(),
                };
                at = range.end;
                newlines = 0;
                on_line = true;
                result.slots.push(slot);
            }
            NodeOrToken::Node(_) => {}
        }
    }
    result
}

/// Decides for each block of comments above an entry what it is.
fn distribute(slot: &mut Slot, comments: Vec<Comment>, newlines_after: usize) {
    let mut blocks: Vec<Vec<Comment>> = Vec::new();
    for comment in comments {
        match blocks.last_mut() {
            Some(block) if comment.newlines_before < 2 => block.push(comment),
            _ => blocks.push(vec![comment]),
        }
    }
    slot.blank_above = newlines_after >= 2;
    let attached = if newlines_after < 2 {
        blocks.pop()
    } else {
        None
    };
    for block in blocks {
        let range = cover(&block);
        if banner_lines(&block) == 0 && is_code(&block) {
            slot.loose.push(range);
        } else {
            slot.headers.push(range);
        }
    }
    if let Some(block) = attached {
        let banner = banner_lines(&block);
        let first_newlines = block.first().map_or(0, |comment| comment.newlines_before);
        let (head, own) = block.split_at(banner);
        if !head.is_empty() {
            slot.headers.push(cover(head));
        }
        if let Some(first) = own.first() {
            slot.own_start = first.range.start;
        }
        slot.blank_above = head.is_empty() && first_newlines >= 2;
    }
}

fn cover(block: &[Comment]) -> Range<usize> {
    match (block.first(), block.last()) {
        (Some(first), Some(last)) => first.range.start..last.range.end,
        _ => 0..0,
    }
}

/// How many of the first lines of a block are a section banner.
fn banner_lines(block: &[Comment]) -> usize {
    let last_rule = block.iter().rposition(|comment| is_rule(&comment.text));
    match last_rule {
        Some(at) => {
            // A rule above a title without a rule below.
            let titles = block[at + 1..]
                .iter()
                .take_while(|comment| comment.text.starts_with("##"))
                .count();
            at + 1 + titles
        }
        None => match block {
            [only] if only.text.starts_with("##") && !only.text.starts_with("#! ") => 1,
            _ => 0,
        },
    }
}

/// `######`, `# -----`, `# ==== Web ====`.
fn is_rule(comment: &str) -> bool {
    let is_mark = |c: char| matches!(c, '#' | '-' | '=' | '*' | '~' | '_');
    let body = comment.trim_start_matches(['#', '/', '*', ' ']).trim_end();
    if body.is_empty() {
        return comment.chars().filter(|c| is_mark(*c)).count() >= 5;
    }
    body.chars().take_while(|c| is_mark(*c)).count() >= 3
        || (body.chars().rev().take_while(|c| is_mark(*c)).count() >= 3 && !body.contains(';'))
}

/// Whether a block reads as commented-out bindings.
fn is_code(block: &[Comment]) -> bool {
    let mut code = String::from("{\n");
    for comment in block {
        code.push_str(comment.text.trim_start_matches('#'));
        code.push('\n');
    }
    code.push('}');
    code.contains('=') && rnix::Root::parse(&code).errors().is_empty()
}

/// A rowan range as byte offsets.
pub fn span(range: rowan::TextRange) -> Range<usize> {
    usize::from(range.start())..usize::from(range.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (String, Slots) {
        let root = rnix::Root::parse(text).syntax();
        let set = root
            .descendants()
            .find(|node| node.kind() == SyntaxKind::NODE_ATTR_SET)
            .unwrap();
        (text.to_owned(), slots(&set))
    }

    fn check(text: &str, expect: &[(&str, &[&str], &[&str])]) {
        let (text, slots) = of(text);
        let got: Vec<_> = slots
            .slots
            .iter()
            .map(|slot| {
                let texts = |ranges: &[Range<usize>]| -> Vec<String> {
                    ranges.iter().map(|r| text[r.clone()].to_owned()).collect()
                };
                (
                    text[slot.own_start..slot.own_end].to_owned(),
                    texts(&slot.headers),
                    texts(&slot.loose),
                )
            })
            .collect();
        let expect: Vec<_> = expect
            .iter()
            .map(|(own, headers, loose)| {
                let texts = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
                ((*own).to_owned(), texts(headers), texts(loose))
            })
            .collect();
        assert_eq!(got, expect);
    }

    #[test]
    fn comments_above_and_behind_belong_to_the_binding() {
        check(
            "{ # head\n  # a\n  # b\n  x = 1; # c\n  y = 2;\n}",
            &[("# a\n  # b\n  x = 1; # c", &[], &[]), ("y = 2;", &[], &[])],
        );
    }

    #[test]
    fn banners_head_sections() {
        check(
            "{\n  #####\n  ## Web\n  #####\n  # why\n  x = 1;\n\n  # --- DNS ---\n\n  y = 2;\n}",
            &[
                ("# why\n  x = 1;", &["#####\n  ## Web\n  #####"], &[]),
                ("y = 2;", &["# --- DNS ---"], &[]),
            ],
        );
    }

    #[test]
    fn commented_out_code_between_stands_for_itself() {
        check(
            "{\n  x = 1;\n\n  # z = 3;\n\n  # w = 4;\n  y = 2;\n}",
            &[
                ("x = 1;", &[], &[]),
                ("# w = 4;\n  y = 2;", &[], &["# z = 3;"]),
            ],
        );
    }

    #[test]
    fn extents_partition_the_set() {
        let (text, slots) =
            of("{ a = 1; /* t */\n\n # x\n\n inherit b c; d.e = { }; # u\n # end\n}");
        let mut at = slots.open_end;
        for slot in &slots.slots {
            assert_eq!(slot.extent.start, at);
            at = slot.extent.end;
        }
        assert_eq!(&text[at..slots.close_start], "\n # end\n");
    }
}
