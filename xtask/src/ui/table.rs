//! Tables for people.

use unicode_width::UnicodeWidthStr;

use super::style::{Palette, clean};

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

    /// The table as lines of aligned columns.
    pub fn render(&self, palette: &Palette) -> String {
        let widths: Vec<usize> = self
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
        let line = |cells: &mut dyn Iterator<Item = &String>| {
            let mut out = String::new();
            for ((cell, width), (_, align)) in cells.zip(&widths).zip(&self.columns) {
                let pad = " ".repeat(width.saturating_sub(cell.width()));
                match align {
                    Align::Left => out.push_str(&format!("{cell}{pad}  ")),
                    Align::Right => out.push_str(&format!("{pad}{cell}  ")),
                }
            }
            out.trim_end().to_owned()
        };
        let heading = line(&mut self.columns.iter().map(|(name, _)| name));
        let mut out = format!("{}\n", palette.strong(&heading));
        for row in &self.rows {
            out.push_str(&line(&mut row.iter()));
            out.push('\n');
        }
        out
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
}
