//! The edits that take definitions out of their file.

use std::ops::Range;

use rnix::SyntaxNode;

use super::{Carver, Value};
use crate::edit::TextEdit;
use crate::refactor::anatomy::{Block, Entry};
use crate::refactor::comments::span;

impl Carver<'_> {
    /// Whether anything of a set stays.
    pub fn keeps_any(&self, block: &Block) -> bool {
        block.entries.iter().any(|entry| !self.gone(entry))
    }

    /// The edits that take the moved items out of their file; the set `home`
    /// stays even if nothing is left in it.
    pub fn removals(&self, home: Option<&SyntaxNode>) -> Vec<TextEdit> {
        let mut edits = Vec::new();
        for config in &self.anatomy.configs {
            self.remove_from(&config.value, home, &mut edits);
        }
        edits
    }

    fn remove_from(&self, value: &Value, home: Option<&SyntaxNode>, edits: &mut Vec<TextEdit>) {
        match value {
            Value::Opaque(_) => {}
            Value::Set(block) => self.remove_from_block(block, home, edits),
            Value::Around { inner, .. } => self.remove_from(inner, home, edits),
            Value::Update { left, right, .. } => {
                self.remove_from(left, home, edits);
                self.remove_from(right, home, edits);
            }
            Value::Merge { elements, .. } => {
                for (node, value) in elements {
                    if self.is_emptied(value) && Some(value.node()) != home {
                        let range = span(node.text_range());
                        edits.push(self.with_space_before(range));
                    } else {
                        self.remove_from(value, home, edits);
                    }
                }
            }
        }
    }

    /// Whether nothing would be left of a value.
    fn is_emptied(&self, value: &Value) -> bool {
        let blocks = value.blocks();
        !blocks.is_empty()
            && blocks.iter().all(|block| {
                !block.entries.is_empty() && block.entries.iter().all(|entry| self.gone(entry))
            })
            && !matches!(value, Value::Merge { elements, .. }
                if elements.iter().any(|(_, value)| matches!(value, Value::Opaque(_))))
    }

    fn with_space_before(&self, range: Range<usize>) -> TextEdit {
        let before = self.anatomy.text.get(..range.start).unwrap_or_default();
        TextEdit {
            range: before.trim_end().len()..range.end,
            insert: String::new(),
        }
    }

    fn remove_from_block(
        &self,
        block: &Block,
        home: Option<&SyntaxNode>,
        edits: &mut Vec<TextEdit>,
    ) {
        let mut kept_before = false;
        let mut removed_before = false;
        for (slot, entry) in block.slots.slots.iter().zip(&block.entries) {
            let mut stays: Vec<&Range<usize>> = slot
                .headers
                .iter()
                .chain(&slot.loose)
                .filter(|range| !self.leaving.contains(&range.start))
                .collect();
            stays.sort_by_key(|range| range.start);
            if self.gone(entry) {
                // What stays of the comments keeps the space before it.
                let mut at = slot.extent.start;
                for range in &stays {
                    let lead = self.space_start(range.start).max(at);
                    push_removal(edits, at..lead);
                    at = range.end;
                    kept_before = true;
                }
                push_removal(edits, at..slot.extent.end);
                removed_before = true;
                continue;
            }
            // Loose comments may leave with the slot before.
            for range in slot.headers.iter().chain(&slot.loose) {
                if self.leaving.contains(&range.start) {
                    push_removal(edits, self.space_start(range.start)..range.end);
                }
            }
            if removed_before && !kept_before {
                let end = self.anatomy.text.len();
                let lead = self.anatomy.slice(slot.extent.start..end);
                let space = &lead[..lead.len() - lead.trim_start().len()];
                let newlines = space.matches('\n').count();
                if newlines > 1
                    && let Some(last) = space.rfind('\n')
                {
                    push_removal(edits, slot.extent.start..slot.extent.start + last);
                }
            }
            kept_before = true;
            if let Entry::Group { value, .. } = entry {
                self.remove_from(value, home, edits);
            }
        }
    }

    /// Start of the white space that ends at `at`.
    fn space_start(&self, at: usize) -> usize {
        let before = self.anatomy.text.get(..at).unwrap_or_default();
        before.trim_end().len()
    }
}

fn push_removal(edits: &mut Vec<TextEdit>, range: Range<usize>) {
    if !range.is_empty() {
        edits.push(TextEdit {
            range,
            insert: String::new(),
        });
    }
}
