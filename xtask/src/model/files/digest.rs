//! Digests of what paths hold.
//!
//! A path holds its own bytes and all that its references lead to; references
//! may run in circles (`./.` in a directory's own `default.nix`). What is in a
//! circle counts as a whole, so that a digest does not depend on where the
//! search began: circles are the strongly connected components, found by
//! Tarjan's algorithm.

use rustc_hash::FxHashMap;

use super::{Files, missing, references};
use crate::model::term::Digest;
use crate::syntax::hir::{Attr, BinaryOp, Expr, ExprId, File, Part, PathBase};
use crate::tree::{Kind, TreePath};

/// What stands at a path by itself.
enum Own {
    /// Nothing.
    Missing,
    /// The place behind a symbolic link in the middle of the path; other paths
    /// that are named there are named from this one.
    Alias,
    /// A directory or a file.
    Content(Digest),
}

/// A path in the search.
struct Node {
    own: Own,
    /// What is named, and how, in an order that the content decides.
    edges: Vec<TreePath>,
}

/// One run of the algorithm.
#[derive(Default)]
struct Search {
    /// Number of each path that was begun, in that order.
    numbers: FxHashMap<TreePath, usize>,
    nodes: FxHashMap<TreePath, Node>,
    /// Begun and in no finished component yet.
    open: Vec<TreePath>,
    done: FxHashMap<TreePath, Digest>,
}

impl Files<'_> {
    /// What a path literal stands for: the bytes, the kind and the name of what
    /// is there; for Nix files also all that their own paths lead to.
    pub fn digest(&self, path: &TreePath) -> Digest {
        if let Some(digest) = self.known(path) {
            return digest;
        }
        let mut search = Search::default();
        self.visit(path, &mut search);
        let digest = search.done.get(path).copied().unwrap_or_else(missing);
        if let Ok(mut digests) = self.digests.write() {
            digests.extend(search.done);
        }
        digest
    }

    fn known(&self, path: &TreePath) -> Option<Digest> {
        self.digests.read().ok()?.get(path).copied()
    }

    /// Gives the path, and all that it leads to, a digest; returns the smallest
    /// number of an open path that it leads back to.
    fn visit(&self, path: &TreePath, search: &mut Search) -> usize {
        let number = search.numbers.len();
        search.numbers.insert(path.clone(), number);
        search.open.push(path.clone());
        let (own, edges) = self.look(path);
        let mut low = number;
        for target in &edges {
            if search.done.contains_key(target) {
                continue;
            }
            let reached = if let Some(number) = search.numbers.get(target) {
                *number
            } else if let Some(digest) = self.known(target) {
                search.done.insert(target.clone(), digest);
                continue;
            } else {
                stacker::maybe_grow(128 << 10, 4 << 20, || self.visit(target, search))
            };
            low = low.min(reached);
        }
        search.nodes.insert(path.clone(), Node { own, edges });
        if low == number {
            search.close(path);
        }
        low
    }

    /// What stands at a path, and which paths that names.
    fn look(&self, path: &TreePath) -> (Own, Vec<TreePath>) {
        if path.as_str().is_empty() {
            return (Own::Content(self.everything()), Vec::new());
        }
        let mut hasher = blake3::Hasher::new();
        let Some(entry) = self.tree.entry(path) else {
            if !self.tree.is_directory(path) {
                let edges = self.behind(path);
                return match edges.is_empty() {
                    false => (Own::Alias, edges),
                    true => (Own::Missing, edges),
                };
            }
            let mut children = Vec::new();
            for (name, _) in self.tree.list(path) {
                if let Some(child) = path.join(&name) {
                    hasher.update(name.as_bytes()).update(&[0]);
                    children.push(child);
                }
            }
            return (Own::Content(Digest::finish(&hasher)), children);
        };
        hasher.update(&self.own(path, entry.kind()).0);
        let mut edges = Vec::new();
        if entry.kind() == Kind::Symlink {
            edges = self.behind(path);
        } else if (is_nix(path) || is_plain(path))
            && let Ok(file) = self.file(path)
        {
            edges = references(&file, path);
            if reads_more(&file) {
                edges.push(TreePath::root());
            }
            for reference in &edges {
                hasher.update(reference.as_str().as_bytes()).update(&[0]);
            }
        }
        (Own::Content(Digest::finish(&hasher)), edges)
    }

    /// The kind and the bytes of an entry.
    fn own(&self, path: &TreePath, kind: Kind) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(match kind {
            Kind::File => b"f",
            Kind::Executable => b"x",
            Kind::Symlink => b"l",
        });
        match self.tree.raw(path) {
            Ok(bytes) => hasher.update(&bytes),
            Err(error) => hasher.update(error.to_string().as_bytes()),
        };
        Digest::finish(&hasher)
    }

    /// All of the tree. No file is parsed for it: whatever one names is in it.
    fn everything(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        for (path, kind) in self.tree.files() {
            hasher.update(path.as_str().as_bytes()).update(&[0]);
            hasher.update(&self.own(path, kind).0);
        }
        Digest::finish(&hasher)
    }

    /// What a path with symbolic links in it leads to: the place behind them, and
    /// what a file there names, read from where the path itself stands.
    fn behind(&self, path: &TreePath) -> Vec<TreePath> {
        let Ok(place) = self.tree.resolve(path) else {
            return Vec::new();
        };
        if place == *path {
            return Vec::new();
        }
        let mut edges = vec![place];
        if let Some(place) = edges.first().filter(|place| is_nix(place))
            && self.tree.entry(place).is_some()
            && let Ok(file) = self.file(place)
        {
            let named = references(&file, path);
            if named != references(&file, place) {
                edges.extend(named);
            }
        }
        edges
    }
}

fn is_nix(path: &TreePath) -> bool {
    path.as_str().ends_with(".nix")
}

/// Whether a file without an ending in its name, which may be Nix all the same.
fn is_plain(path: &TreePath) -> bool {
    path.file_name().is_some_and(|name| !name.contains('.'))
}

/// Whether a file may read what none of its path literals names.
fn reads_more(file: &File) -> bool {
    let climbs = |name: &str| matches!(name, "dirOf" | "scopedImport" | "__scopedImport");
    let is_path = |id: ExprId| matches!(file.expr(id), Expr::Path(PathBase::Relative, _));
    let goes_down = |id: ExprId| match file.expr(id) {
        Expr::Str(parts) => {
            matches!(parts.first(), Some(Part::Text(text)) if text.starts_with('/'))
                && !parts
                    .iter()
                    .any(|part| matches!(part, Part::Text(text) if text.contains("..")))
        }
        Expr::Path(..) => true,
        _ => false,
    };
    file.exprs().any(|expr| match expr {
        Expr::CurPos => true,
        Expr::Var(name) => climbs(name),
        Expr::Select(_, path, _) => {
            matches!(path.last(), Some(Attr::Name(name)) if climbs(name))
        }
        Expr::Binary(BinaryOp::Add, left, right) => is_path(*left) && !goes_down(*right),
        _ => false,
    })
}

impl Search {
    /// Finishes the component that begins with `root`.
    fn close(&mut self, root: &TreePath) {
        let from = self.open.iter().rposition(|path| path == root);
        let mut members = self.open.split_off(from.unwrap_or(self.open.len()));
        members.sort();
        if let [only] = members.as_slice()
            && let Some(digest) = self.alone(only)
        {
            self.done.insert(only.clone(), digest);
            return;
        }
        let mut hasher = blake3::Hasher::new();
        for member in &members {
            hasher.update(member.as_str().as_bytes()).update(&[0]);
            let Some(node) = self.nodes.get(member) else {
                continue;
            };
            if let Own::Content(own) = &node.own {
                hasher.update(&own.0);
            }
            for target in &node.edges {
                match self.done.get(target) {
                    Some(digest) => hasher.update(&digest.0),
                    // Inside of the circle: one of the members.
                    None => hasher.update(target.as_str().as_bytes()).update(&[0]),
                };
            }
        }
        let whole = Digest::finish(&hasher);
        for member in members {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&whole.0).update(member.as_str().as_bytes());
            self.done.insert(member, Digest::finish(&hasher));
        }
    }

    /// The digest of a path that is in no circle; `None` if it names itself.
    fn alone(&self, path: &TreePath) -> Option<Digest> {
        let node = self.nodes.get(path)?;
        let own = match &node.own {
            Own::Missing => return Some(missing()),
            Own::Alias if node.edges.len() == 1 => {
                return self.done.get(node.edges.first()?).copied();
            }
            Own::Alias => &Digest::of(b"alias"),
            Own::Content(own) => own,
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&own.0);
        for target in &node.edges {
            hasher.update(&self.done.get(target)?.0);
        }
        Some(Digest::finish(&hasher))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ParseCache;
    use crate::tree::Tree;

    const FILES: [(&str, &str); 6] = [
        ("a/default.nix", "{ imports = [ ./. ./b.nix ../c.nix ]; }"),
        ("a/b.nix", "import ./default.nix + ../d.nix"),
        ("c.nix", "[ ./a ]"),
        ("d.nix", "./e"),
        ("e/f.txt", "text"),
        ("self.nix", "./self.nix"),
    ];

    fn path(text: &str) -> TreePath {
        TreePath::new(text).unwrap()
    }

    fn digests(files: &[(&str, &str)], order: &[&str]) -> Vec<Digest> {
        let tree = Tree::from_texts(files.iter().copied());
        let cache = ParseCache::default();
        let files = Files::new(&tree, &cache);
        for asked in order {
            files.digest(&path(asked));
        }
        let all = [
            "",
            "a",
            "a/default.nix",
            "a/b.nix",
            "c.nix",
            "d.nix",
            "e",
            "self.nix",
        ];
        all.iter().map(|asked| files.digest(&path(asked))).collect()
    }

    #[test]
    fn the_order_of_the_questions_does_not_matter() {
        let expect = digests(&FILES, &[]);
        for first in [
            "a",
            "a/default.nix",
            "a/b.nix",
            "c.nix",
            "d.nix",
            "self.nix",
        ] {
            for second in ["", "a/b.nix", "c.nix", "a"] {
                assert_eq!(
                    digests(&FILES, &[first, second]),
                    expect,
                    "{first} {second}"
                );
            }
        }
    }

    #[test]
    fn a_change_reaches_all_that_leads_to_it_and_nothing_else() {
        let before = digests(&FILES, &[]);
        let mut files = FILES;
        files[4].1 = "other";
        let after = digests(&files, &[]);
        let same: Vec<bool> = before.iter().zip(&after).map(|(a, b)| a == b).collect();
        assert_eq!(
            same,
            [false, false, false, false, false, false, false, true]
        );
        files = FILES;
        files[1].1 = "import ./default.nix + ../d.nix + 1";
        let after = digests(&files, &[]);
        let same: Vec<bool> = before.iter().zip(&after).map(|(a, b)| a == b).collect();
        assert_eq!(same, [false, false, false, false, false, true, true, true]);
    }

    #[test]
    fn nothing_is_told_apart_from_an_empty_file() {
        let tree = Tree::from_texts([("empty", "")]);
        let cache = ParseCache::default();
        let files = Files::new(&tree, &cache);
        assert_eq!(files.digest(&path("no")), missing());
        assert_ne!(files.digest(&path("empty")), missing());
    }
}
