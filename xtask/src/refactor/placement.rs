//! The list of modules that a host is made from, and how features get a place
//! in it next to the host's own file.
//!
//! ```nix
//! modules = [ ./hosts/a ] ++ [ { … } ];
//! # becomes
//! modules = [ ./hosts/a ] ++ import ./modules/features ++ [ { … } ];
//! ```
//! There, what moves out of the host's file is merged right behind what stays
//! in it, on the same level of the walk: no order changes.

use std::collections::BTreeSet;
use std::ops::Range;

use rnix::SyntaxNode;
use rnix::ast::{self, Expr};
use rowan::ast::AstNode;

use super::anatomy::{peel, static_path};
use super::comments::span;
use crate::edit::{Change, ChangeSet, TextEdit, TextEdits};
use crate::model::{Host, Origin};
use crate::tree::{Tree, TreePath};

mod beside;

pub use beside::Beside;

/// A place next to the host's own file.
#[derive(Debug, Clone)]
pub enum Place {
    /// In the list of modules that the host is made from: single files, or, where
    /// other hosts are made from that list, too, all of a directory.
    Modules {
        /// Where single files go.
        files: Beside,
        /// Changes that put all of the directory there, if it can be listed.
        all: Option<ChangeSet>,
    },
    /// In the list of imports that brings in the host's own file.
    Imports(Beside),
}

/// Places that are tried at most.
const CANDIDATES: usize = 24;

/// A file that lists all others of its directory.
const LISTING: &str = r#"# Every module of this directory, for the list of modules of a host.
map (name: ./. + "/${name}") (
  builtins.filter (name: name != "default.nix") (builtins.attrNames (builtins.readDir ./.))
)
"#;

/// Places, one of which may be behind the host's own file; the model has to say
/// which one is.
pub fn candidates(tree: &Tree, host: &Host, entry: &TreePath, directory: &TreePath) -> Vec<Place> {
    let is_entry = |origin: &Origin| matches!(origin, Origin::File(path) if path == entry);
    let own = host.modules.iter().find(|it| is_entry(&it.origin));
    if own.is_some_and(|own| own.level > 0) {
        return beside::places(tree, host, entry);
    }
    module_lists(tree, host, entry, directory)
}

/// Every element of every list of modules.
fn module_lists(tree: &Tree, host: &Host, entry: &TreePath, directory: &TreePath) -> Vec<Place> {
    let listed = is_listed(tree, directory);
    let can_be_listed = listed || !tree.is_directory(directory);
    let listing = directory.join("default.nix").filter(|_| can_be_listed);
    let modules: BTreeSet<&TreePath> = host.module_files().collect();
    let flake = TreePath::new("flake.nix");
    let files = flake.iter().chain(
        host.files
            .iter()
            .filter(|file| Some(*file) != flake.as_ref()),
    );
    let mut found = Vec::new();
    for file in files {
        let is_nix = file.file_name().is_some_and(|name| name.ends_with(".nix"));
        if modules.contains(file) || !is_nix {
            continue;
        }
        let Ok(text) = tree.text(file) else { continue };
        for it in insertions(file, &text, directory) {
            let all = listing.as_ref().map(|listing| {
                let mut changes = ChangeSet::new();
                changes.insert(
                    file.clone(),
                    Change::Modify {
                        before: text.clone().into_bytes(),
                        contents: it.text.into_bytes(),
                    },
                );
                if !listed {
                    changes.insert(
                        listing.clone(),
                        Change::Create {
                            contents: LISTING.as_bytes().to_vec(),
                            executable: false,
                        },
                    );
                }
                changes
            });
            // The element that spells the most of the entry's path comes first.
            let likeness = entry
                .components()
                .filter(|part| it.element.contains(part.trim_end_matches(".nix")))
                .count();
            let files = Beside::in_modules(file, &text, it.list, it.range);
            found.push((std::cmp::Reverse(likeness), Place::Modules { files, all }));
        }
    }
    found.sort_by_key(|(likeness, _)| *likeness);
    found.truncate(CANDIDATES);
    found.into_iter().map(|(_, place)| place).collect()
}

/// Whether a directory has a listing of ours: what is put there is imported.
pub fn is_listed(tree: &Tree, directory: &TreePath) -> bool {
    directory
        .join("default.nix")
        .and_then(|file| tree.text(&file).ok())
        .is_some_and(|text| text == LISTING)
}

/// Whether what `is_part` of the host's features stands right behind the host's
/// file in its list.
pub fn stands_behind(host: &Host, entry: &TreePath, is_part: &dyn Fn(&TreePath) -> bool) -> bool {
    let file_at = |at: usize| match host.modules.get(at).map(|module| &module.origin) {
        Some(Origin::File(path)) => Some(path),
        _ => None,
    };
    let Some(at) = (0..host.modules.len()).find(|at| file_at(*at) == Some(entry)) else {
        return false;
    };
    host.modules
        .get(at + 1)
        .is_some_and(|next| next.level == host.modules[at].level)
        && file_at(at + 1).is_some_and(is_part)
}

/// An element of a list of modules.
struct Insertion {
    /// What it is.
    element: String,
    /// Where.
    range: Range<usize>,
    /// The list.
    list: Range<usize>,
    /// The text of the file with `import <directory>` behind the element.
    text: String,
}

/// All elements of all lists of modules in a file.
fn insertions(file: &TreePath, text: &str, directory: &TreePath) -> Vec<Insertion> {
    let parsed = rnix::Root::parse(text);
    if !parsed.errors().is_empty() {
        return Vec::new();
    }
    let own = file.parent().unwrap_or_else(TreePath::root);
    let import = format!("import {}", directory.relative_to(&own));
    let mut found = Vec::new();
    for binding in parsed
        .syntax()
        .descendants()
        .filter_map(ast::AttrpathValue::cast)
    {
        let path = binding.attrpath().map(|path| static_path(&path).0);
        let is_modules = path
            .as_ref()
            .and_then(|path| path.last())
            .is_some_and(|name| name == "modules");
        let Some(value) = binding.value().filter(|_| is_modules) else {
            continue;
        };
        for list in lists(&value) {
            let items: Vec<SyntaxNode> = list.children().collect();
            for (at, item) in items.iter().enumerate() {
                let edit = behind(text, &list, item, at + 1 == items.len(), &import);
                let new = TextEdits::new(vec![edit])
                    .ok()
                    .and_then(|edits| edits.apply(text));
                found.extend(new.map(|new| Insertion {
                    element: item.text().to_string(),
                    range: span(item.text_range()),
                    list: span(list.text_range()),
                    text: new,
                }));
            }
        }
    }
    found
}

/// The literal lists of a `++` chain, below the scopes around it.
fn lists(expr: &Expr) -> Vec<SyntaxNode> {
    match peel(expr.clone()) {
        Expr::List(list) => vec![list.syntax().clone()],
        Expr::BinOp(op) if op.operator() == Some(ast::BinOpKind::Concat) => [op.lhs(), op.rhs()]
            .iter()
            .flatten()
            .flat_map(lists)
            .collect(),
        Expr::LetIn(node) => node.body().iter().flat_map(lists).collect(),
        Expr::With(node) => node.body().iter().flat_map(lists).collect(),
        _ => Vec::new(),
    }
}

fn behind(text: &str, list: &SyntaxNode, item: &SyntaxNode, last: bool, import: &str) -> TextEdit {
    let range = span(list.text_range());
    let line = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let indent: String = text[line..]
        .chars()
        .take_while(|c| matches!(c, ' ' | '\t'))
        .collect();
    let wide = list.text().contains_char('\n');
    let (at, insert) = if last {
        let insert = if wide {
            format!("\n{indent}++ {import}")
        } else {
            format!(" ++ {import}")
        };
        (range.end, insert)
    } else {
        // A comment on the line of the element stays with it.
        let end = span(item.text_range()).end;
        let line_end = text[end..].find('\n').map_or(text.len(), |at| end + at);
        let comment = text[end..line_end].trim_start().starts_with('#');
        let at = if comment { line_end } else { end };
        let insert = if wide {
            format!("\n{indent}]\n{indent}++ {import}\n{indent}++ [")
        } else {
            format!(" ] ++ {import} ++ [")
        };
        (at, insert)
    };
    TextEdit {
        range: at..at,
        insert,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_a_list_is_tried() {
        let file = TreePath::new("nix/hosts.nix").unwrap();
        let directory = TreePath::new("modules/features").unwrap();
        let text = "{ modules = [ a b ] ++ c; }";
        let texts: Vec<String> = insertions(&file, text, &directory)
            .into_iter()
            .map(|it| it.text)
            .collect();
        assert_eq!(
            texts,
            [
                "{ modules = [ a ] ++ import ../modules/features ++ [ b ] ++ c; }",
                "{ modules = [ a b ] ++ import ../modules/features ++ c; }",
            ]
        );
    }
}
