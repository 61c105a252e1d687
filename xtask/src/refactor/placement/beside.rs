//! A place for features in the list that brings in the host's own file: the
//! imports of another file, or the modules that the host is made from.
//!
//! ```nix
//! imports = [ ./hardware.nix ./services.nix ];
//! # becomes
//! imports = [ ./hardware.nix ./services.nix ../../modules/features/nginx.nix ];
//! ```

use std::ops::Range;

use rnix::{SyntaxKind, SyntaxNode, ast};
use rowan::ast::AstNode;

use super::{CANDIDATES, Place, lists};
use crate::edit::Change;
use crate::model::{Host, Origin};
use crate::refactor::anatomy::static_path;
use crate::refactor::comments::span;
use crate::tree::{Tree, TreePath};

/// Columns of a list that stays on one line, at most.
const WIDTH: usize = 80;

/// An element of a list of imports, behind which others can stand.
#[derive(Debug, Clone)]
pub struct Beside {
    file: TreePath,
    text: String,
    list: Range<usize>,
    element: Range<usize>,
    /// Whether it is the list of modules that the host is made from.
    pub in_modules: bool,
}

/// The places behind the elements that import the host's own file.
pub(super) fn places(tree: &Tree, host: &Host, entry: &TreePath) -> Vec<Place> {
    let is_entry = |origin: &Origin| matches!(origin, Origin::File(path) if path == entry);
    let own = host.modules.iter().find(|it| is_entry(&it.origin));
    let Some(parent) = own.and_then(|own| own.parent.as_ref()) else {
        return Vec::new();
    };
    let Some(file) = host.modules.iter().find_map(|module| match &module.origin {
        Origin::File(path) | Origin::Inline(path, _) if module.key == *parent => Some(path),
        _ => None,
    }) else {
        return Vec::new();
    };
    let found = in_file(tree, file, entry);
    if !found.is_empty() {
        return found;
    }
    // A module that is a value, as of `import ./host`, stands elsewhere than where it
    // is listed.
    let read = host.files.iter().filter(|other| *other != file);
    read.filter(|file| file.as_str().ends_with(".nix"))
        .flat_map(|file| in_file(tree, file, entry))
        .take(CANDIDATES)
        .collect()
}

fn in_file(tree: &Tree, file: &TreePath, entry: &TreePath) -> Vec<Place> {
    let Ok(text) = tree.text(file) else {
        return Vec::new();
    };
    let elements = elements(tree, file, &text, entry).into_iter();
    elements
        .map(|(list, element)| {
            Place::Imports(Beside {
                file: file.clone(),
                text: text.clone(),
                list,
                element,
                in_modules: false,
            })
        })
        .collect()
}

/// The lists that are bound to `imports`, with their elements that are the path
/// of the entry.
fn elements(
    tree: &Tree,
    file: &TreePath,
    text: &str,
    entry: &TreePath,
) -> Vec<(Range<usize>, Range<usize>)> {
    let parsed = rnix::Root::parse(text);
    let own = file.parent().unwrap_or_else(TreePath::root);
    let leads_there = |element: &SyntaxNode| {
        let path = (element.kind() == SyntaxKind::NODE_PATH_REL)
            .then(|| own.join(&element.text().to_string()))
            .flatten();
        path.is_some_and(|path| {
            let file = path
                .join("default.nix")
                .filter(|_| tree.is_directory(&path));
            file.as_ref().unwrap_or(&path) == entry
        })
    };
    let mut found = Vec::new();
    let bindings = parsed.syntax().descendants();
    for binding in bindings.filter_map(ast::AttrpathValue::cast) {
        let path = binding.attrpath().map(|path| static_path(&path).0);
        let is_imports = path.is_some_and(|path| path.last().is_some_and(|it| it == "imports"));
        let Some(value) = binding.value().filter(|_| is_imports) else {
            continue;
        };
        for list in lists(&value) {
            let elements = list.children().filter(&leads_there);
            found.extend(elements.map(|it| (span(list.text_range()), span(it.text_range()))));
        }
    }
    found
}

impl Beside {
    /// The place behind an element of a list of modules.
    pub(super) fn in_modules(
        file: &TreePath,
        text: &str,
        list: Range<usize>,
        element: Range<usize>,
    ) -> Self {
        Self {
            file: file.clone(),
            text: text.to_owned(),
            list,
            element,
            in_modules: true,
        }
    }

    /// The file with more elements in the list.
    pub fn change(&self, imports: &[TreePath]) -> (TreePath, Change) {
        let own = self.file.parent().unwrap_or_else(TreePath::root);
        let paths: Vec<String> = imports.iter().map(|path| path.relative_to(&own)).collect();
        let contents = self.with(&paths).into_bytes();
        let change = Change::Modify {
            before: self.text.clone().into_bytes(),
            contents,
        };
        (self.file.clone(), change)
    }

    fn with(&self, paths: &[String]) -> String {
        let text = self.text.as_str();
        let line_start = |at: usize| text[..at].rfind('\n').map_or(0, |at| at + 1);
        let indent = |at: usize| -> String {
            let line = text[line_start(at)..].chars();
            line.take_while(|c| matches!(c, ' ' | '\t')).collect()
        };
        let list = &text[self.list.clone()];
        let mut new = text.to_owned();
        if list.contains('\n') {
            // A comment on the line of the element stays with it.
            let end = self.element.end;
            let line_end = text[end..].find('\n').map_or(text.len(), |at| end + at);
            let rest = text[end..line_end].trim_start();
            let at = if rest.starts_with('#') { line_end } else { end };
            let pad = indent(self.element.start);
            let lines: String = paths.iter().map(|path| format!("\n{pad}{path}")).collect();
            new.insert_str(at, &lines);
            return new;
        }
        let wide = text[line_start(self.list.start)..self.list.end].len()
            + paths.iter().map(|path| path.len() + 1).sum::<usize>();
        if wide < WIDTH {
            new.insert_str(self.element.end, &format!(" {}", paths.join(" ")));
            return new;
        }
        let pad = indent(self.list.start);
        let mut elements = String::new();
        let parsed = rnix::Root::parse(text);
        let nodes = parsed.syntax().descendants();
        let own = nodes.filter(|node| span(node.text_range()) == self.list);
        for element in own.take(1).flat_map(|list| list.children()) {
            elements.push_str(&format!("{pad}  {}\n", element.text()));
            if span(element.text_range()) == self.element {
                for path in paths {
                    elements.push_str(&format!("{pad}  {path}\n"));
                }
            }
        }
        new.replace_range(self.list.clone(), &format!("[\n{elements}{pad}]"));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, paths: &[&str], expect: &str) {
        let file = TreePath::new("hosts/a/default.nix").unwrap();
        let entry = TreePath::new("hosts/a/web/default.nix").unwrap();
        let tree = Tree::from_texts([
            ("hosts/a/default.nix", text),
            ("hosts/a/web/default.nix", "{ }"),
        ]);
        let found = elements(&tree, &file, text, &entry);
        assert_eq!(found.len(), 1, "{text}");
        let (list, element) = found[0].clone();
        let text = text.to_owned();
        let beside = Beside {
            file,
            text,
            list,
            element,
            in_modules: false,
        };
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        assert_eq!(beside.with(&paths), expect);
    }

    #[test]
    fn features_stand_behind_the_file() {
        check(
            "{ imports = [ ./web ./b.nix ]; }",
            &["../m/x.nix"],
            "{ imports = [ ./web ../m/x.nix ./b.nix ]; }",
        );
        check(
            "{\n  imports = [\n    ./web # here\n    ./b.nix\n  ];\n}",
            &["../m/x.nix"],
            "{\n  imports = [\n    ./web # here\n    ../m/x.nix\n    ./b.nix\n  ];\n}",
        );
        check(
            "{\n  imports = [ (f \"a  b\") ./web ] ++ c;\n}",
            &[
                "../../modules/features/monitoring.nix",
                "../../modules/features/web.nix",
            ],
            "{\n  imports = [\n    (f \"a  b\")\n    ./web\n    ../../modules/features/monitoring.nix\n    \
             ../../modules/features/web.nix\n  ] ++ c;\n}",
        );
    }
}
