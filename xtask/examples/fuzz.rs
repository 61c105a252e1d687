//! Mutates real flakes and looks for panics, hangs and judgements that cannot
//! be right.
//!
//! `cargo run --release -p xtask --example fuzz -- syntax|model|migrate SECONDS SEED DIR…`
//! takes trees from the directories. What fails is printed with its seed and
//! written to `fuzz-SEED-N.nix` in the working directory.
#![allow(clippy::disallowed_macros, clippy::unwrap_used, clippy::expect_used)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rowan::ast::AstNode;
use xtask::edit::{Change, ChangeSet};
use xtask::model::{Fleet, ParseCache};
use xtask::options::OptionTable;
use xtask::proof::{Judgement, compare};
use xtask::refactor::group::Grouping;
use xtask::refactor::migrate::{Knowledge, MigrateRequest, Outcome, migrate_host};
use xtask::taxonomy::Taxonomy;
use xtask::tree::{Kind, Source, Tree, TreePath};

/// Longest time that one input may take.
const LIMIT: Duration = Duration::from_secs(10);

struct Disk(PathBuf);

impl Source for Disk {
    fn read(&self, path: &TreePath, kind: Kind) -> std::io::Result<Vec<u8>> {
        let file = self.0.join(path.as_str());
        match kind {
            Kind::Symlink => Ok(std::fs::read_link(file)?
                .into_os_string()
                .into_encoded_bytes()),
            _ => std::fs::read(file),
        }
    }
}

fn open(root: &Path) -> Tree {
    let mut paths = Vec::new();
    let walk = ignore::WalkBuilder::new(root)
        .hidden(false)
        .git_ignore(false)
        .filter_entry(|entry| entry.file_name() != ".git" && entry.file_name() != "target")
        .build();
    for entry in walk.flatten() {
        let Some(kind) = entry.file_type().filter(|kind| !kind.is_dir()) else {
            continue;
        };
        let relative = entry.path().strip_prefix(root).ok().and_then(Path::to_str);
        if let Some(path) = relative.and_then(TreePath::new) {
            let kind = if kind.is_symlink() {
                Kind::Symlink
            } else {
                Kind::File
            };
            paths.push((path, kind));
        }
    }
    Tree::new(paths, Arc::new(Disk(root.to_owned())))
}

/// xorshift64*; good enough to pick places.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(value).unwrap_or(0) % limit.max(1)
    }
}

fn tokens(text: &str) -> Vec<String> {
    let (root, _) = xtask::syntax::parse(text);
    root.syntax()
        .descendants_with_tokens()
        .filter_map(|element| Some(element.into_token()?.text().to_owned()))
        .collect()
}

fn mutate(text: &str, other: &str, random: &mut Random) -> String {
    let mut own = tokens(text);
    let foreign = tokens(other);
    for _ in 0..=random.below(3) {
        if own.is_empty() || foreign.is_empty() {
            break;
        }
        let at = random.below(own.len());
        let length = (1 + random.below(12)).min(own.len() - at);
        match random.below(6) {
            0 => drop(own.drain(at..at + length)),
            1 => {
                let copy: Vec<String> = own[at..at + length].to_vec();
                let to = random.below(own.len());
                own.splice(to..to, copy);
            }
            2 => {
                let from = random.below(foreign.len());
                let end = (from + 1 + random.below(12)).min(foreign.len());
                own.splice(at..at, foreign[from..end].to_vec());
            }
            3 => {
                let with = random.below(own.len());
                own.swap(at, with);
            }
            4 => own[at] = foreign[random.below(foreign.len())].clone(),
            _ => {
                own[at] = [
                    "rec", "with", "${", "''", "\"", "(", ")", "{", "}", ";", "or", "...", "null",
                ][random.below(13)]
                .to_owned()
            }
        }
    }
    own.concat()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [target, seconds, seed, directories @ ..] = arguments.as_slice() else {
        eprintln!("usage: fuzz syntax|model|migrate SECONDS SEED DIR…");
        std::process::abort();
    };
    let deadline = Instant::now() + Duration::from_secs(seconds.parse().expect("seconds"));
    let mut random = Random(seed.parse::<u64>().expect("a number") | 1);
    let (table, taxonomy, cache) = (
        OptionTable::embedded(),
        Taxonomy::embedded(),
        ParseCache::default(),
    );
    let trees: Vec<Tree> = directories
        .iter()
        .map(|directory| open(Path::new(directory)))
        .collect();
    let files: Vec<(usize, TreePath, String)> = trees
        .iter()
        .enumerate()
        .flat_map(|(index, tree)| {
            let nix = tree
                .files()
                .filter(|(path, _)| path.as_str().ends_with(".nix"));
            nix.filter_map(move |(path, _)| Some((index, path.clone(), tree.text(path).ok()?)))
        })
        .collect();
    assert!(!files.is_empty(), "no Nix files in {directories:?}");
    let hosts: Vec<Vec<String>> = trees
        .iter()
        .map(|tree| {
            Fleet::load(tree, &table, &cache)
                .hosts
                .into_iter()
                .map(|host| host.name)
                .collect()
        })
        .collect();
    let (mut runs, mut failures, mut moved) = (0_u64, 0_u64, 0_u64);
    while Instant::now() < deadline {
        runs += 1;
        let (index, path, text) = &files[random.below(files.len())];
        let other = &files[random.below(files.len())].2;
        let mutated = mutate(text, other, &mut random);
        let started = Instant::now();
        let pick = random.below(usize::MAX);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let (root, _) = xtask::syntax::parse(&mutated);
            assert_eq!(
                root.syntax().text().to_string(),
                mutated,
                "printed otherwise"
            );
            let _ = xtask::syntax::lower(mutated.as_str().into());
            if target == "syntax" {
                return false;
            }
            let change = Change::Modify {
                before: text.as_bytes().to_vec(),
                contents: mutated.as_bytes().to_vec(),
            };
            let tree = trees[*index].with(&ChangeSet::from([(path.clone(), change)]));
            let cache = ParseCache::default();
            let fleet = Fleet::load(&tree, &table, &cache);
            if target == "model" {
                for verdict in compare(&fleet, &Fleet::load(&tree, &table, &cache), &table) {
                    assert!(
                        matches!(verdict.judgement, Judgement::Equal | Judgement::Unknown),
                        "{} differs from itself: {:?}",
                        verdict.host,
                        verdict.differences
                    );
                }
                return false;
            }
            let names = &hosts[*index];
            let Some(name) = names.get(pick % names.len().max(1)) else {
                return false;
            };
            let request = MigrateRequest {
                host: name,
                grouping: Grouping::default(),
                namespace: None,
                directory: None,
                accept_order_only: false,
            };
            let knowledge = Knowledge {
                table: &table,
                taxonomy: &taxonomy,
                cache: &cache,
            };
            let plan = migrate_host(&tree, &fleet, &request, &knowledge);
            if plan.outcome != Outcome::Migrated {
                return false;
            }
            let after = tree.with(&plan.changes);
            for path in plan
                .changes
                .keys()
                .filter(|path| path.as_str().ends_with(".nix"))
            {
                let text = after.text(path).unwrap_or_default();
                assert!(
                    xtask::syntax::parse(&text).1.is_empty(),
                    "{path} does not parse:\n{text}"
                );
            }
            for verdict in compare(
                &fleet,
                &Fleet::load(&after, &table, &ParseCache::default()),
                &table,
            ) {
                assert_eq!(
                    verdict.judgement,
                    Judgement::Equal,
                    "{}: {:?}",
                    verdict.host,
                    verdict.differences
                );
            }
            true
        }));
        let slow = started.elapsed() > LIMIT;
        moved += u64::from(matches!(outcome, Ok(true)));
        if outcome.is_err() || slow {
            failures += 1;
            let name = format!("fuzz-{seed}-{runs}.nix");
            std::fs::write(&name, &mutated).expect("write");
            eprintln!("{} {path} ({name})", if slow { "slow" } else { "FAILED" });
        }
    }
    println!("{target}: {runs} inputs, {moved} migrated, {failures} failures");
}
