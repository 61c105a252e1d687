//! Why terms that read the same are not the same: what they read of the tree changed.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::show;
use crate::model::term::{Digest, Term, TermKind as K};
use crate::tree::TreePath;

/// What the second terms read of the tree that the first read with another content,
/// for people.
pub(super) fn changed_read<'t>(
    before: impl Iterator<Item = &'t Term>,
    after: impl Iterator<Item = &'t Term>,
) -> Option<String> {
    let mut known: FxHashMap<TreePath, FxHashSet<Digest>> = FxHashMap::default();
    for term in before {
        term.walk(&mut |term| {
            if let Some((path, digest)) = place(term) {
                known.entry(path.clone()).or_default().insert(digest);
            }
        });
    }
    let mut found: Option<(usize, String)> = None;
    for term in after {
        term.walk(&mut |term| {
            let Some((path, digest)) = place(term) else {
                return;
            };
            let changed = known.get(path).is_some_and(|old| !old.contains(&digest));
            let mut size = 0;
            term.walk(&mut |_| size += 1);
            if changed && found.as_ref().is_none_or(|(least, _)| size < *least) {
                found = Some((size, read(term, path)));
            }
        });
    }
    found.map(|(_, text)| text)
}

fn place(term: &Term) -> Option<(&TreePath, Digest)> {
    match term.kind() {
        K::Path(path, digest) | K::PathInterp(path, digest, _) | K::Place(path, _, digest) => {
            Some((path, *digest))
        }
        _ => None,
    }
}

fn read(term: &Term, path: &TreePath) -> String {
    match term.kind() {
        K::PathInterp(_, _, parts) if path.as_str().is_empty() => match parts.first() {
            Some(part) => format!(
                "everything in the repository through `{}`",
                show::show(part, 120)
            ),
            None => "everything in the repository".to_owned(),
        },
        _ if path.as_str().is_empty() => "everything in the repository".to_owned(),
        _ => format!("`{path}`"),
    }
}
