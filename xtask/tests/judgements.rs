//! Single changes to a migrated fleet under both judgements of the proof: nothing
//! that Nix makes another derivation of may be equal by module input.
//!
//! `FLEET_TEST_MUTATIONS` says how many of each kind, `FLEET_TEST_SEED` where to
//! begin. Nix evaluates with the offline stand-in.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::panic
)]

mod common;

#[allow(dead_code)]
#[path = "common/mutate.rs"]
mod mutate;

#[path = "common/seed.rs"]
mod seed;

#[path = "common/snapshot.rs"]
mod snapshot;

#[allow(dead_code)]
#[path = "common/verdicts.rs"]
mod verdicts;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use xtask::model::{Fleet, ParseCache};
use xtask::options::OptionTable;

use mutate::Applied;
use verdicts::choose;

/// Runs the tool; its document, and what it said.
fn xtask(root: &Path, arguments: &[&str]) -> (Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["--json", "--yes", "--offline", "--repo"])
        .arg(root)
        .args(arguments)
        .envs(["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"].map(|key| (key, "t")))
        .envs(["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"].map(|key| (key, "t@host.example")))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let document = serde_json::from_slice(&output.stdout);
    (document.unwrap_or_else(|_| panic!("{said}")), said)
}

/// A copy of the monolithic fleet, some of its hosts migrated.
fn migrated(hosts: &[&str]) -> common::Repository {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/legacy");
    let repository = common::Repository::new(&[]);
    let copy = Command::new("cp")
        .args(["-a", &format!("{}/.", fixture.display())])
        .arg(repository.root())
        .status();
    assert!(copy.unwrap().success());
    repository.commit("as it was");
    for host in hosts {
        let arguments = ["migrate", "host", host, "--commit", "--no-nix"];
        let (document, said) = xtask(&repository.root(), &arguments);
        assert_eq!(
            document["hosts"][0]["outcome"], "migrated",
            "{host}: {said}"
        );
    }
    repository
}

fn check(hosts: &[&str], per_kind: u64) {
    if common::need::need_nix().is_none() {
        return;
    }
    let per_kind = seed::number("FLEET_TEST_MUTATIONS", per_kind) as usize;
    let repository = migrated(hosts);
    let root = repository.root();
    let tree = snapshot::tree_of(&root).unwrap();
    let fleet = Fleet::load(&tree, &OptionTable::embedded(), &ParseCache::default());
    let hosts: Vec<_> = hosts.iter().filter_map(|name| fleet.host(name)).collect();
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    let chosen = choose(per_kind, seed::number("FLEET_TEST_SEED", 1), &tree, &hosts);
    let total = chosen.len();
    for (_, mutation, label) in chosen {
        let applied = Applied::new(&root, &mutation);
        let (document, said) = xtask(&root, &["prove", "HEAD"]);
        drop(applied);
        let Some(hosts) = document["hosts"].as_array() else {
            // Not even a judgement: certainly none of `equal`.
            eprintln!("{label}: no judgement: {said}");
            *counts.entry(Default::default()).or_default() += 1;
            continue;
        };
        assert_eq!(hosts.len(), fleet.hosts.len(), "{label}: {said}");
        for host in hosts {
            let of = |judgement: &str| host["proof"][judgement].as_str().unwrap().to_owned();
            let (definitions, derivation) = (of("definitions"), of("derivation"));
            if definitions == "equal" && derivation != "equal" {
                wrong.push(format!("{label}: {} is {derivation}: {said}", host["name"]));
            }
            *counts.entry((definitions, derivation)).or_default() += 1;
        }
    }
    for ((definitions, derivation), count) in &counts {
        eprintln!("{count:6} {definitions} by module input, {derivation} by derivation");
    }
    eprintln!("{total} changes, {} disagreements", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let different = |(key, _): (&(String, String), &usize)| key.1 == "different";
    assert!(counts.iter().any(different), "Nix has seen no change");
}

#[test]
fn both_judgements_agree() {
    check(&["porthole-lobby"], 1);
}

#[test]
#[ignore = "takes half an hour"]
fn both_judgements_agree_on_many() {
    check(
        &["anvil", "beacon", "loom", "porthole-lobby", "sextant"],
        22,
    );
}
