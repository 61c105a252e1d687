//! New elements of a list of imports.

use rnix::SyntaxKind;

use super::{Position, insert};
use crate::edit::TextEdit;
use crate::refactor::anatomy::{Anatomy, Imports};
use crate::refactor::comments::span;
use crate::tree::TreePath;

pub(super) fn relative_imports(anatomy: &Anatomy, imports: &[TreePath]) -> Vec<String> {
    let directory = anatomy.path.parent().unwrap_or_else(TreePath::root);
    imports
        .iter()
        .map(|path| path.relative_to(&directory))
        .collect()
}

/// Adds elements to the list of imports.
pub(super) fn extend_imports(
    anatomy: &Anatomy,
    imports: &Imports,
    paths: &[String],
    position: Position,
) -> TextEdit {
    let Some(list) = &imports.list else {
        let range = span(imports.value.text_range());
        let old = anatomy.slice(range.clone());
        let atom = matches!(
            imports.value.kind(),
            SyntaxKind::NODE_APPLY
                | SyntaxKind::NODE_SELECT
                | SyntaxKind::NODE_IDENT
                | SyntaxKind::NODE_PAREN
        );
        let old = if atom {
            old.to_owned()
        } else {
            format!("({old})")
        };
        let new = format!("[\n    {}\n  ]", paths.join("\n    "));
        let insert = match position {
            Position::Head => format!("{new}\n  ++ {old}"),
            Position::Tail => format!("{old}\n  ++ {new}"),
        };
        return TextEdit { range, insert };
    };
    let range = span(list.text_range());
    let text = anatomy.slice(range.clone());
    if !text.contains('\n') {
        let mut elements: Vec<String> = list
            .children()
            .map(|element| element.text().to_string())
            .collect();
        match position {
            Position::Head => {
                let mut all = paths.to_vec();
                all.append(&mut elements);
                elements = all;
            }
            Position::Tail => elements.extend(paths.iter().cloned()),
        }
        let pad = " ".repeat(anatomy.indent_at(range.start));
        let insert = format!("[\n{pad}  {}\n{pad}]", elements.join(&format!("\n{pad}  ")));
        return TextEdit { range, insert };
    }
    let indent = list
        .children()
        .map(|element| span(element.text_range()).start)
        .find(|&at| {
            anatomy
                .slice(range.start..at)
                .rsplit('\n')
                .next()
                .is_some_and(|line| line.trim().is_empty())
                && anatomy.slice(range.start..at).contains('\n')
        })
        .map_or(anatomy.indent_at(range.start) + 2, |at| {
            anatomy.indent_at(at)
        });
    let pad = " ".repeat(indent);
    let lines: String = paths.iter().map(|path| format!("\n{pad}{path}")).collect();
    match position {
        Position::Head => {
            // Behind a comment on the line of the bracket.
            let line_end = text.find('\n').unwrap_or(text.len());
            let first = list.children().next().map_or(text.len(), |element| {
                span(element.text_range()).start - range.start
            });
            if first < line_end {
                // `[ ./a` with more on the next lines.
                let space = text[1..].len() - text[1..].trim_start().len();
                TextEdit {
                    range: range.start + 1..range.start + 1 + space,
                    insert: format!("{lines}\n{pad}"),
                }
            } else {
                insert(range.start + line_end, lines)
            }
        }
        Position::Tail => {
            let before = text[..text.len() - 1].trim_end();
            insert(range.start + before.len(), lines)
        }
    }
}
