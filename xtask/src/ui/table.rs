//! Tables for people.

use unicode_width::UnicodeWidthStr;

use super::style::{Palette, clean};

/// Spaces between columns.
const GAP: usize = 2;

/// A wrapped column is at least as wide as this, even if the terminal is not.
const LEAST: usize = 24;

/// Where a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows under a heading.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[(&str, Align)]) -> Self {
        Self {
            columns: columns
                .iter()
                .map(|(name, align)| ((*name).to_owned(), *align))
                .collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; missing cells are empty, surplus ones are dropped.
    pub fn row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        let mut row: Vec<String> = cells
            .into_iter()
            .map(|cell| clean(&cell.into()).replace('\n', " "))
            .collect();
        row.resize(self.columns.len(), String::new());
        self.rows.push(row);
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as lines of aligned columns. Where it is wider than the terminal, the
    /// widest column of words is wrapped.
    pub fn render(&self, palette: &Palette) -> String {
        let mut widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, (name, _))| {
                let cells = self.rows.iter().filter_map(|row| row.get(index));
                cells
                    .map(|cell| cell.width())
                    .max()
                    .unwrap_or(0)
                    .max(name.width())
            })
            .collect();
        self.narrow(&mut widths, palette.columns());
        let heading = self.line(&widths, self.columns.iter().map(|(name, _)| name.as_str()));
        let mut out = format!("{}\n", palette.strong(&heading));
        for row in &self.rows {
            let cells: Vec<Vec<_>> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| textwrap::wrap(cell, (*width).max(1)))
                .collect();
            let lines = cells.iter().map(Vec::len).max().unwrap_or(1);
            for at in 0..lines.max(1) {
                let parts = cells
                    .iter()
                    .map(|cell| cell.get(at).map_or("", |part| part));
                out.push_str(&self.line(&widths, parts));
                out.push('\n');
            }
        }
        out
    }

    /// Takes from the widest column of words what the terminal has no room for.
    fn narrow(&self, widths: &mut [usize], columns: Option<usize>) {
        let Some(columns) = columns else { return };
        let whole = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        let words = widths
            .iter_mut()
            .zip(&self.columns)
            .filter(|(_, (_, align))| *align == Align::Left);
        if let Some((widest, _)) = words.max_by_key(|(width, _)| **width) {
            let excess = whole.saturating_sub(columns);
            *widest = widest.saturating_sub(excess).max(LEAST.min(*widest));
        }
    }

    fn line<'c>(&self, widths: &[usize], cells: impl Iterator<Item = &'c str>) -> String {
        let gap = " ".repeat(GAP);
        let mut out = String::new();
        for ((cell, width), (_, align)) in cells.zip(widths).zip(&self.columns) {
            let pad = " ".repeat(width.saturating_sub(cell.width()));
            match align {
                Align::Left => out.push_str(&format!("{cell}{pad}{gap}")),
                Align::Right => out.push_str(&format!("{pad}{cell}{gap}")),
            }
        }
        out.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&[
            ("host", Align::Left),
            ("lines", Align::Right),
            ("why", Align::Left),
        ]);
        table.row(["web", "7", "ok"]);
        table.row(["日本", "1204", "two\nlines"]);
        assert_eq!(
            table.render(&Palette::plain()),
            "host  lines  why\nweb       7  ok\n日本   1204  two lines\n"
        );
    }

    #[test]
    fn what_is_wider_than_the_terminal_is_wrapped() {
        let mut table = Table::new(&[("host", Align::Left), ("needs", Align::Left)]);
        table.row(["web", "beacon (vpn, dns) silo (storage) loom (config)"]);
        assert_eq!(
            table.render(&Palette::plain().for_columns(Some(32))),
            "host  needs\nweb   beacon (vpn, dns) silo\n      (storage) loom (config)\n"
        );
    }
}
