//! From a definition to the text in it that names a host.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::problem::Span;
use crate::tree::{Tree, TreePath};

/// Sources that spans point into.
pub struct Texts<'t> {
    tree: &'t Tree,
    read: FxHashMap<TreePath, Option<Arc<[u8]>>>,
}

impl<'t> Texts<'t> {
    /// No text is read yet.
    pub fn new(tree: &'t Tree) -> Self {
        Self {
            tree,
            read: FxHashMap::default(),
        }
    }

    /// The first of the names that stands in the span as a word of its own,
    /// else the span.
    pub fn narrow<'n>(&mut self, span: &Span, names: impl Iterator<Item = &'n str>) -> Span {
        let tree = self.tree;
        let bytes = self
            .read
            .entry(span.path.clone())
            .or_insert_with(|| tree.read(&span.path).ok());
        let part = bytes
            .as_ref()
            .and_then(|bytes| bytes.get(span.start as usize..span.end as usize))
            .and_then(|bytes| std::str::from_utf8(bytes).ok());
        let Some(part) = part else {
            return span.clone();
        };
        for name in names {
            if let Some((start, end)) = word(part, name)
                && let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end))
            {
                return Span {
                    path: span.path.clone(),
                    start: span.start + start,
                    end: span.start + end,
                };
            }
        }
        span.clone()
    }
}

fn word(text: &str, name: &str) -> Option<(usize, usize)> {
    let part_of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.match_indices(name)
        .map(|(at, _)| (at, at + name.len()))
        .find(|(start, end)| {
            let before = text[..*start].chars().next_back();
            let mut after = text[*end..].chars();
            // `192.0.2.1` is no word of `192.0.2.1.example`, `a.` ends a sentence.
            let next = match after.next() {
                Some('.') => after.next().filter(|c| c.is_ascii_digit()),
                next => next,
            };
            let read = text[..*start].ends_with("nixosConfigurations.");
            !before.is_some_and(|c| part_of_word(c) || c == '.' && !read)
                && !next.is_some_and(part_of_word)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole() {
        let check = |text, name, expect: Option<usize>| {
            assert_eq!(word(text, name).map(|(at, _)| at), expect, "{text} {name}");
        };
        check("192.0.2.11 192.0.2.1", "192.0.2.1", Some(11));
        check("\"silo.example:/x\"", "silo", Some(1));
        check("silo-old silo", "silo", Some(9));
        check("old.silo", "silo", None);
    }
}
