//! Single changes to a migrated tree: what real Nix says of them, and what the
//! proof says. No change that Nix sees may be called equal, none that it does not see
//! unknown, and no cosmetic one different.
//!
//! `FLEET_TEST_MUTATIONS` says how many of each kind, `FLEET_TEST_SEED` where to
//! begin.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use xtask::model::{Fleet, ParseCache};
use xtask::options::OptionTable;
use xtask::proof::{self, Judgement};

use crate::fleets::library;
use crate::migrated::{legacy, migrate};
use crate::mutate::{Applied, changed};
use crate::record::{self, Recorded, Stubs};
use crate::seed;
use crate::snapshot::tree_of;
use crate::verdicts::{Verdicts, choose};

fn check(hosts: &[&str], per_kind: u64) {
    let Some(library) = library() else { return };
    let per_kind = seed::number("FLEET_TEST_MUTATIONS", per_kind) as usize;
    let repository = legacy();
    let root = repository.path();
    for host in hosts {
        migrate(root, host).unwrap();
    }
    let tree = tree_of(root).unwrap();
    let table = OptionTable::embedded();
    let view = table.for_release(None);
    let cache = ParseCache::default();
    let before = Fleet::load(&tree, &table, &cache);
    let migrated: Vec<_> = hosts.iter().filter_map(|name| before.host(name)).collect();
    let stubs = Stubs::new(&tree, &library).unwrap();
    let mut records: BTreeMap<&str, Recorded> = BTreeMap::new();
    let mut verdicts = Verdicts::default();
    let first = seed::number("FLEET_TEST_SEED", 1);
    for (host, mutation, label) in choose(per_kind, first, &tree, &migrated) {
        let record = records
            .entry(&host.name)
            .or_insert_with(|| record::recorded(root, host, view, &stubs, &library).unwrap());
        let applied = Applied::new(root, &mutation);
        // What fails now, and did not before, is a change.
        let after = record::recorded_once(root, host, view, &stubs, &library);
        let fleet = Fleet::load(&changed(&tree, &mutation), &table, &cache);
        let judged = proof::compare(&before, &fleet, &table)
            .into_iter()
            .find(|verdict| verdict.host == host.name)
            .unwrap();
        let difference = match &after {
            Ok(after) => record.difference(after),
            // The record looks below conditions that are false, and fails of what no
            // evaluation ever asks for: then the derivation decides.
            Err(_) if judged.judgement == Judgement::Equal && derives(root, &host.name) => {
                Vec::new()
            }
            Err(why) => vec![why.lines().next().unwrap_or("a failure").to_owned()],
        };
        drop(applied);
        verdicts.add(&mutation, &label, &difference, &judged);
    }
    verdicts.finish();
}

/// Whether a host of the working tree has the derivation that it has at HEAD, with
/// the offline stand-in.
fn derives(root: &Path, host: &str) -> bool {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["prove", "HEAD", "--json", "--offline", "--host", host])
        .arg("--repo")
        .arg(root)
        .output()
        .unwrap();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    document["hosts"][0]["proof"]["derivation"] == "equal"
}

#[test]
fn no_change_that_nix_sees_is_called_equal() {
    check(&["porthole-lobby"], 1);
}

#[test]
#[ignore = "takes minutes"]
fn no_change_of_many_that_nix_sees_is_called_equal() {
    check(
        &["anvil", "beacon", "loom", "porthole-lobby", "sextant"],
        24,
    );
}
