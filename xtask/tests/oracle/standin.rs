//! The module system of `nix/standin` against nixpkgs' own: the same random
//! trees, evaluated with both, have the same values.
//!
//! `FLEET_TEST_TREES` says how many trees (300 without), `FLEET_TEST_SEED` where
//! to begin.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::{import_trees, nix, seed, tree_text};

/// Trees that one Nix process evaluates.
const BATCH: u64 = 500;

/// Where two values differ. An element of `lazyAttrsOf` without definitions is
/// its type's empty value in newer releases and an empty set in older ones.
fn difference(path: &str, own: &Json, real: &Json, out: &mut Vec<String>) {
    match (own, real) {
        (Json::Object(a), Json::Object(b)) if a.keys().eq(b.keys()) => {
            for (name, a) in a {
                difference(&format!("{path}.{name}"), a, &b[name], out);
            }
        }
        _ if own == real => {}
        _ if *own == json!([]) && *real == json!({}) => {}
        _ => out.push(format!("{path}: stand-in {own} real {real}")),
    }
}

#[test]
fn the_stand_in_merges_as_nixpkgs_does() {
    let libraries = nix::libraries();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nix/standin/lib");
    let count = seed::number("FLEET_TEST_TREES", 300);
    let first = seed::number("FLEET_TEST_SEED", 1);
    for library in libraries {
        let mut wrong = Vec::new();
        let (mut fails, mut values) = (0_usize, 0_usize);
        let mut at = first;
        while at < first + count {
            let end = (at + BATCH).min(first + count);
            let directory = tempfile::tempdir().unwrap();
            for seed in at..end {
                let tree = directory.path().join(format!("t{seed}"));
                import_trees::write(&tree_text::generate(seed), &tree);
            }
            let [real, own] = [library.as_path(), own.as_path()].map(|library| {
                nix::evaluate(
                    "import-trees.nix",
                    &[
                        ("library", library.to_str().unwrap()),
                        ("trees", directory.path().to_str().unwrap()),
                    ],
                )
                .unwrap_or_else(|why| panic!("seeds {at}..{end}, {}: {why}", library.display()))
            });
            for seed in at..end {
                let name = format!("t{seed}");
                let text = real[&name].to_string();
                fails += text.matches("<fails>").count();
                values += text.matches("\"v").count();
                let mut differences = Vec::new();
                difference("", &own[&name], &real[&name], &mut differences);
                if !differences.is_empty() {
                    wrong.push((seed, differences));
                }
            }
            at = end;
        }
        eprintln!(
            "{}: {count} trees, {values} list values, {fails} options without a value, {} differ",
            library.display(),
            wrong.len()
        );
        for (seed, differences) in wrong.iter().take(8) {
            eprintln!("seed {seed}: {}", differences.join("\n    "));
        }
        assert!(values as u64 > count, "the trees define next to nothing");
        assert!(wrong.is_empty(), "{} trees differ", wrong.len());
    }
}

/// Questions that old releases answer differently.
const CHANGED: &[&str] = &[
    "freeform",
    "freeform-nested",
    "top-merge",
    "unset-attrs",
    "unset-list",
    "unset-null",
    "unset-submodule",
];

#[test]
fn the_stand_in_answers_as_nixpkgs_does() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nix/standin/lib");
    for library in nix::libraries() {
        let [real, own] = [library.as_path(), own.as_path()].map(|library| {
            nix::evaluate("cases.nix", &[("library", library.to_str().unwrap())])
                .unwrap_or_else(|why| panic!("{}: {why}", library.display()))
        });
        let real = real.as_object().unwrap();
        // Old releases stop for good at some questions, which are left out.
        let old = real.len() < own.as_object().unwrap().len();
        let wrong: Vec<String> = real
            .iter()
            .filter(|(name, answer)| own[name.as_str()] != **answer)
            .filter(|(name, _)| !(old && CHANGED.contains(&name.as_str())))
            .map(|(name, answer)| format!("{name}: stand-in {} real {answer}", own[name.as_str()]))
            .collect();
        eprintln!(
            "{}: {} questions, {} differ",
            library.display(),
            real.len(),
            wrong.len()
        );
        assert!(real.len() >= 100, "only {} questions", real.len());
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    }
}
