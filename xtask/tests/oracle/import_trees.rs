//! Merge order: the model's definitions, merged in small, against what
//! `lib.evalModules` makes of the same files.
//!
//! `FLEET_TEST_TREES` says how many trees (300 without), `FLEET_TEST_SEED` where
//! to begin.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value as Json, json};
use xtask::model::{Fleet, Host, ParseCache};
use xtask::options::OptionTable;
use xtask::tree::Tree;

use crate::evaluate::{Evaluator, Lazy, Value, World};
use crate::merge::{Lack, Merger, Schema, rebuild};
use crate::{nix, seed, tree_text};

/// Trees that one Nix process evaluates.
const BATCH: u64 = 500;

/// Module arguments of the random trees.
struct Arguments<'h> {
    flag: Option<&'h Value>,
}

impl World for Arguments<'_> {
    fn argument(&self, name: &str, path: &[&str]) -> (Value, usize) {
        let text = |text: &str| Lazy::done(Value::Str(text.to_owned()));
        match (name, path) {
            ("config", ["g", "flag", ..]) => {
                let value = self.flag.cloned().unwrap_or(Value::Unknown);
                (value, 2)
            }
            ("lib", _) => (Value::Library("lib".to_owned(), Vec::new()), 0),
            ("inputs", ["nixpkgs", "lib", ..]) => (Value::Library("lib".to_owned(), Vec::new()), 2),
            ("extra", _) => (Value::Str("x".to_owned()), 0),
            ("on", _) => (Value::Bool(true), 0),
            ("off", _) => (Value::Bool(false), 0),
            ("tags", _) => (Value::List(vec![text("t1"), text("t2")]), 0),
            _ => (Value::Unknown, 0),
        }
    }
}

fn merged(host: &Host) -> Json {
    let group = |name: &str, flag: Option<&Value>| {
        let world = Arguments { flag };
        let merger = Merger {
            evaluator: Evaluator { world: &world },
        };
        let configs: Vec<Lazy> = host
            .definitions
            .iter()
            .map(|definition| {
                rebuild(&merger.evaluator, definition).unwrap_or_else(|| Lazy::done(Value::Unknown))
            })
            .collect();
        let Some((_, Schema::Namespace(declared))) =
            tree_text::SCHEMA.iter().find(|(own, _)| *own == name)
        else {
            return Json::Null;
        };
        let below: Vec<Lazy> = configs
            .iter()
            .filter_map(|config| match merger.evaluator.force(config, 0) {
                Value::Set(set) => set.get(name).cloned(),
                // Nothing else stands at the root: see `rebuild`.
                _ => Some(config.clone()),
            })
            .collect();
        let mut out = Map::new();
        for (name, schema) in *declared {
            let one = [(*name, schema.clone())];
            if let Schema::Namespace(inner) = schema {
                // Its options are looked at one by one.
                let mut options = Map::new();
                for (own, schema) in *inner {
                    let wrapped = merger.nested(&below, name, own, schema);
                    options.insert((*own).to_owned(), shown(wrapped));
                }
                out.insert((*name).to_owned(), Json::Object(options));
                continue;
            }
            for (name, value) in merger.namespace(&one, &below) {
                out.insert(name, shown(value));
            }
        }
        Json::Object(out)
    };
    let g = group("g", None);
    let flag = g
        .get("flag")
        .and_then(Json::as_bool)
        .map_or(Value::Fails, Value::Bool);
    json!({ "g": g, "w": group("w", Some(&flag)) })
}

fn shown(value: Result<Json, Lack>) -> Json {
    match value {
        Ok(value) => value,
        Err(Lack::Fails) => json!({ "<fails>": true }),
        Err(Lack::Unknown(what)) => json!({ "<unknown>": what }),
    }
}

pub fn write(files: &[(String, String)], directory: &Path) {
    for (path, text) in files {
        let path = directory.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn model(files: &[(String, String)], table: &OptionTable<'_>) -> Json {
    let nothing = OptionTable::parse("# releases: 20.09\n");
    let declared = files.iter().any(|(path, _)| path == "schema.nix");
    let table = if declared { &nothing } else { table };
    let tree = Tree::from_texts(
        files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str())),
    );
    let fleet = Fleet::load(&tree, table, &ParseCache::default());
    match fleet.host("h") {
        Some(host) => merged(host),
        None => json!({ "<no host>": format!("{:?}", fleet.problems) }),
    }
}

/// Where two values differ.
fn difference(path: &str, model: &Json, real: &Json, out: &mut Vec<String>) {
    match (model, real) {
        (Json::Object(a), Json::Object(b)) if a.keys().eq(b.keys()) => {
            for (name, a) in a {
                difference(&format!("{path}.{name}"), a, &b[name], out);
            }
        }
        _ if model == real => {}
        _ if model["<empty>"] == json!(true) && (*real == json!([]) || *real == json!({})) => {}
        _ => out.push(format!("{path}: model {model} real {real}")),
    }
}

#[test]
fn definitions_merge_as_nix_merges_them() {
    let libraries = nix::libraries();
    let count = seed::number("FLEET_TEST_TREES", 300);
    let first = seed::number("FLEET_TEST_SEED", 1);
    let rows = tree_text::table();
    let table = OptionTable::parse(&rows);
    let mut differing = 0;
    for library in libraries {
        let mut wrong = Vec::new();
        let (mut fails, mut values) = (0_usize, 0_usize);
        let mut at = first;
        while at < first + count {
            let batch: Vec<u64> = (at..(at + BATCH).min(first + count)).collect();
            at += BATCH;
            let directory = tempfile::tempdir().unwrap();
            let trees: BTreeMap<u64, Vec<(String, String)>> = batch
                .iter()
                .map(|seed| (*seed, tree_text::generate(*seed)))
                .collect();
            for (seed, files) in &trees {
                write(files, &directory.path().join(format!("t{seed}")));
            }
            let real = nix::evaluate(
                "import-trees.nix",
                &[
                    ("library", library.to_str().unwrap()),
                    ("trees", directory.path().to_str().unwrap()),
                ],
            );
            let real = match real {
                Ok(real) => real,
                Err(why) => panic!(
                    "seeds {:?}: a tree that Nix cannot evaluate: {why}\n{}",
                    (batch.first(), batch.last()),
                    directory.keep().display()
                ),
            };
            for (seed, files) in &trees {
                let mut differences = Vec::new();
                let real = &real[&format!("t{seed}")];
                fails += real.to_string().matches("<fails>").count();
                values += real.to_string().matches("\"v").count();
                difference("", &model(files, &table), real, &mut differences);
                if !differences.is_empty() {
                    wrong.push((*seed, differences));
                }
            }
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
        differing += wrong.len();
    }
    assert_eq!(differing, 0, "trees differ");
}

/// Writes the trees of `FLEET_TEST_SEED` to a directory, for looking at.
#[test]
fn trees_are_the_same_for_the_same_seed() {
    let seed = seed::number("FLEET_TEST_SEED", 1);
    let files = tree_text::generate(seed);
    assert_eq!(files, tree_text::generate(seed));
    if let Some(directory) = std::env::var_os("FLEET_TEST_KEEP") {
        write(&files, Path::new(&directory));
    }
}
