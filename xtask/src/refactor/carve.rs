//! Cuts definitions out of a module: the text of some of them for another
//! file, and the text of the file without them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rnix::SyntaxKind;
use rowan::ast::AstNode;

use super::anatomy::{Anatomy, Block, Entry, ItemId, Value};
use super::comments::{Slot, span};
use super::reindent::Lines;
use crate::tree::TreePath;

mod ownership;
mod remove;
mod select;

pub use select::selects;
use select::{all_blocks, selects_entry};

/// A file, taken apart, with what copying text out of it needs.
pub struct Carver<'a> {
    /// The file.
    pub anatomy: &'a Anatomy,
    lines: Lines,
    /// Section headers and loose comments that leave with an item.
    owned: BTreeMap<ItemId, Vec<Range<usize>>>,
    /// The same, by place.
    leaving: BTreeSet<usize>,
    moved: &'a BTreeSet<ItemId>,
}

/// One entry of generated text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Whether a blank line goes above it.
    pub blank: bool,
    /// The lines, indented, without the last newline.
    pub text: String,
}

/// What a copy is made for.
pub struct Copy<'a> {
    /// The items to copy.
    pub select: &'a BTreeSet<ItemId>,
    /// What to put in place of other text, by range of the source, sorted.
    replace: Vec<(Range<usize>, String)>,
}

impl<'a> Copy<'a> {
    /// A copy of some items into a file in `directory`, with other values in
    /// place of some.
    pub fn new(
        anatomy: &Anatomy,
        select: &'a BTreeSet<ItemId>,
        directory: &TreePath,
        replace: &[(Range<usize>, String)],
    ) -> Self {
        let inside = |hole: &Range<usize>| {
            replace
                .iter()
                .any(|(other, _)| other.start <= hole.start && hole.end <= other.end)
        };
        let mut all = replace.to_vec();
        all.extend(
            super::paths::rebased(anatomy, directory)
                .into_iter()
                .filter(|(hole, _)| !inside(hole)),
        );
        all.sort_by_key(|(hole, _)| hole.start);
        Self {
            select,
            replace: all,
        }
    }
}

impl<'a> Carver<'a> {
    /// Prepares to move `moved` out of a file.
    pub fn new(anatomy: &'a Anatomy, moved: &'a BTreeSet<ItemId>) -> Self {
        let mut carver = Self {
            anatomy,
            lines: Lines::of(&anatomy.root),
            owned: BTreeMap::new(),
            leaving: BTreeSet::new(),
            moved,
        };
        for config in &anatomy.configs {
            for block in all_blocks(&config.value) {
                carver.assign_comments(block);
                if !config.value.blocks().iter().any(|top| top.set == block.set) {
                    carver.assign_tail(block);
                }
            }
        }
        carver
    }

    fn gone(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Leaf(id) => self.moved.contains(id),
            Entry::Group { items, .. } => items.clone().all(|id| self.moved.contains(&id)),
            Entry::Frame => false,
        }
    }

    /// The text of the selected items of a value that stands at the top of a
    /// configuration, as entries of a set at this indentation; `None` when the
    /// value is wrapped and has to be copied as an expression.
    pub fn entries(&self, value: &Value, copy: &Copy<'_>, indent: usize) -> Option<Vec<Piece>> {
        match value {
            Value::Set(block) => Some(self.pieces(block, copy, indent)),
            Value::Update { left, right, .. } => {
                let mut pieces = self.entries(left, copy, indent)?;
                pieces.extend(self.entries(right, copy, indent)?);
                Some(pieces)
            }
            Value::Opaque(_) => Some(Vec::new()),
            Value::Around { .. } | Value::Merge { .. } => {
                if selects(value, copy.select) {
                    None
                } else {
                    Some(Vec::new())
                }
            }
        }
    }

    /// The selected items of a block, each with its comments.
    fn pieces(&self, block: &Block, copy: &Copy<'_>, indent: usize) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut gap = false;
        for (slot, entry) in block.slots.slots.iter().zip(&block.entries) {
            let Some(piece) = self.piece(slot, entry, copy, indent, "") else {
                gap = true;
                continue;
            };
            let multi = |piece: &Piece| piece.text.contains('\n');
            let apart = gap
                && pieces
                    .last()
                    .is_some_and(|last| multi(last) || multi(&piece));
            pieces.push(Piece {
                blank: !pieces.is_empty() && (piece.blank || apart),
                text: piece.text,
            });
            gap = false;
        }
        pieces
    }

    fn piece(
        &self,
        slot: &Slot,
        entry: &Entry,
        copy: &Copy<'_>,
        indent: usize,
        prefix: &str,
    ) -> Option<Piece> {
        let items: Range<ItemId> = match entry {
            Entry::Leaf(id) => *id..*id + 1,
            Entry::Group { items, .. } => items.clone(),
            Entry::Frame => return None,
        };
        if !items.clone().any(|id| copy.select.contains(&id)) {
            return None;
        }
        let pad = " ".repeat(indent);
        let mut text = String::new();
        let mut blank = slot.blank_above;
        // Headers and loose comments of this very slot; those of slots inside
        // are handled when they are reached.
        let first = items.start;
        for range in self.owned.get(&first).into_iter().flatten() {
            let is_here = range.start >= slot.extent.start && range.start < slot.own_start;
            if is_here && copy.select.contains(&first) {
                text.push_str(&pad);
                text.push_str(&self.copy(range.clone(), indent, copy));
                text.push_str(if self.blank_after(range.end) {
                    "\n\n"
                } else {
                    "\n"
                });
                blank = true;
            }
        }
        let start = span(slot.node.text_range()).start;
        let whole = items.clone().all(|id| copy.select.contains(&id));
        let comments_leave = whole
            || (items.clone().all(|id| self.moved.contains(&id)) && copy.select.contains(&first));
        if comments_leave && slot.own_start < start {
            text.push_str(&pad);
            text.push_str(&self.copy_at(slot.own_start..start, slot.own_start, indent, copy));
            // The copied range ends with the indentation of the binding.
            text.truncate(text.trim_end_matches([' ', '\t']).len());
            if !text.ends_with('\n') {
                text.push(' ');
            } else {
                text.push_str(&pad);
            }
        } else {
            text.push_str(&pad);
        }
        if whole {
            text.push_str(prefix);
            text.push_str(&self.copy_at(start..slot.own_end, start, indent, copy));
        } else if let Entry::Group { value, .. } = entry {
            self.part_of_group(slot, value, copy, indent, prefix, &mut text)?;
        }
        // Loose comments that stand above the next slot follow us.
        let last = items.end.saturating_sub(1);
        for range in self.owned.get(&last).into_iter().flatten() {
            if range.start >= slot.own_end && copy.select.contains(&last) {
                let apart = self.blank_before(range.start);
                text.push_str(if apart { "\n\n" } else { "\n" });
                text.push_str(&pad);
                text.push_str(&self.copy(range.clone(), indent, copy));
            }
        }
        Some(Piece { blank, text })
    }

    /// A group of which only some items are wanted.
    fn part_of_group(
        &self,
        slot: &Slot,
        value: &Value,
        copy: &Copy<'_>,
        indent: usize,
        prefix: &str,
        text: &mut String,
    ) -> Option<()> {
        let start = span(slot.node.text_range()).start;
        if let Some((inner_slot, inner_entry)) = self.only_child(value, copy) {
            let path = rnix::ast::AttrpathValue::cast(slot.node.clone())?.attrpath()?;
            let prefix = format!("{prefix}{}.", path.syntax().text());
            let piece = self.piece(inner_slot, inner_entry, copy, indent, &prefix)?;
            text.truncate(text.trim_end_matches(' ').len());
            text.push_str(&piece.text);
            return Some(());
        }
        let rendered = self.render(value, copy, indent)?;
        let range = span(value.node().text_range());
        text.push_str(prefix);
        text.push_str(&self.copy_at(start..range.start, start, indent, copy));
        text.push_str(&rendered);
        text.push_str(&self.copy_at(range.end..slot.own_end, start, indent, copy));
        Some(())
    }

    /// The one wanted entry of a plain set that can be spelt `a.b = …`.
    fn only_child<'v>(&self, value: &'v Value, copy: &Copy<'_>) -> Option<(&'v Slot, &'v Entry)> {
        let Value::Set(block) = value else {
            return None;
        };
        let open = span(block.set.text_range()).start;
        if self.anatomy.slice(open..block.slots.open_end).contains('#') {
            return None;
        }
        let mut wanted = block
            .slots
            .slots
            .iter()
            .zip(&block.entries)
            .filter(|(_, entry)| selects_entry(entry, copy.select));
        let only = wanted.next()?;
        (wanted.next().is_none() && only.0.node.kind() == SyntaxKind::NODE_ATTRPATH_VALUE)
            .then_some(only)
    }

    /// A value with only the selected items left, as an expression whose first
    /// line continues a line at this indentation; `None` if nothing is left.
    pub fn render(&self, value: &Value, copy: &Copy<'_>, indent: usize) -> Option<String> {
        if !selects(value, copy.select) {
            return None;
        }
        let range = span(value.node().text_range());
        let pad = " ".repeat(indent);
        match value {
            Value::Opaque(_) => None,
            Value::Set(block) => {
                let mut text =
                    self.copy_at(range.start..block.slots.open_end, range.start, indent, copy);
                for piece in self.pieces(block, copy, indent + 2) {
                    text.push_str(if piece.blank { "\n\n" } else { "\n" });
                    text.push_str(&piece.text);
                }
                text.push('\n');
                text.push_str(&pad);
                text.push('}');
                Some(text)
            }
            Value::Around { inner, .. } => {
                let hole = span(inner.node().text_range());
                let mut text = self.copy_at(range.start..hole.start, range.start, indent, copy);
                text.push_str(&self.render(inner, copy, indent)?);
                text.push_str(&self.copy_at(hole.end..range.end, range.start, indent, copy));
                Some(text)
            }
            Value::Merge { list, elements, .. } => {
                let hole = span(list.text_range());
                let mut text = self.copy_at(range.start..hole.start, range.start, indent, copy);
                text.push('[');
                for (node, value) in elements {
                    let Some(element) = self.render(value, copy, indent + 2) else {
                        continue;
                    };
                    let (outer, inner) = (span(node.text_range()), span(value.node().text_range()));
                    text.push('\n');
                    text.push_str(&pad);
                    text.push_str("  ");
                    text.push_str(self.anatomy.slice(outer.start..inner.start));
                    text.push_str(&element);
                    text.push_str(self.anatomy.slice(inner.end..outer.end));
                }
                text.push('\n');
                text.push_str(&pad);
                text.push(']');
                text.push_str(&self.copy_at(hole.end..range.end, range.start, indent, copy));
                Some(text)
            }
            Value::Update { left, right, .. } => {
                match (
                    self.render(left, copy, indent),
                    self.render(right, copy, indent),
                ) {
                    (Some(left), Some(right)) => Some(format!("{left} // {right}")),
                    (left, right) => left.or(right),
                }
            }
        }
    }

    fn blank_before(&self, at: usize) -> bool {
        let before = self.anatomy.text.get(..at).unwrap_or_default();
        before[before.trim_end().len()..].matches('\n').count() >= 2
    }

    fn blank_after(&self, at: usize) -> bool {
        let rest = self.anatomy.text.get(at..).unwrap_or_default();
        rest.chars()
            .take_while(|c| c.is_whitespace())
            .filter(|c| *c == '\n')
            .count()
            >= 2
    }

    /// Copies a range to another indentation, paths rebased.
    fn copy(&self, range: Range<usize>, indent: usize, copy: &Copy<'_>) -> String {
        let base = range.start;
        self.copy_at(range, base, indent, copy)
    }

    /// The same; the indentation of the line of `base` counts as the old one.
    pub fn copy_at(
        &self,
        range: Range<usize>,
        base: usize,
        indent: usize,
        copy: &Copy<'_>,
    ) -> String {
        let old = self.anatomy.indent_at(base);
        let delta = signed(indent) - signed(old);
        self.lines
            .copy(&self.anatomy.text, range, delta, &copy.replace)
    }
}

fn signed(value: usize) -> isize {
    isize::try_from(value).unwrap_or(isize::MAX)
}
