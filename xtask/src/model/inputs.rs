//! The inputs of a flake.

use std::collections::BTreeSet;

use super::eval::Eval;
use super::files::{Files, ParseCache};
use super::on_big_stack;
use super::term::Digest;
use super::value::Value;
use crate::syntax::hir::Name;
use crate::tree::{Tree, TreePath};

/// The names of the inputs that flake.nix has; none where it cannot be read.
pub fn input_names(tree: &Tree, cache: &ParseCache) -> BTreeSet<String> {
    let files = Files::new(tree, cache);
    on_big_stack(|| {
        let Value::Set(inputs) = Eval::new(&files).inputs_value() else {
            return BTreeSet::new();
        };
        let names = inputs.fixed.keys().map(ToString::to_string);
        names.filter(|name| name != "self").collect()
    })
}

/// A digest of all inputs: where they come from, and their lock.
pub(super) fn digest(eval: &mut Eval<'_>) -> Digest {
    let mut hasher = blake3::Hasher::new();
    if let Some(flake) = TreePath::new("flake.nix")
        && let Ok(flake) = eval.import(&flake)
        && let Value::Set(flake) = eval.force(flake)
        && let Some(inputs) = flake.fixed.get("inputs")
    {
        hasher.update(&eval.term(inputs.value).digest().0);
    }
    // What `outputs` takes is an input, too, mentioned elsewhere or not.
    if let Value::Set(inputs) = eval.inputs_value() {
        let mut names: Vec<&Name> = inputs.fixed.keys().collect();
        names.sort();
        for name in names {
            hasher.update(name.as_bytes()).update(b"\n");
            // A flake within this tree changes without its lock.
            let url = eval.input_url(name);
            let place = url.as_deref().and_then(|url| {
                let path = url.split_once('?').map_or(url, |(path, _)| path);
                let path = path.strip_prefix("path:").unwrap_or(path);
                path.starts_with('.').then(|| TreePath::new(path))
            });
            if let Some(place) = place.flatten() {
                hasher.update(&eval.files.digest(&place).0);
            }
        }
    }
    if let Some(lock) = TreePath::new("flake.lock")
        && let Ok(bytes) = eval.files.tree.read(&lock)
    {
        hasher.update(&bytes);
    }
    Digest::finish(&hasher)
}
