//! Every host of the fleet, and of the fleet as it was, can be taken apart.
// Helpers of tests fail as tests do, and say so as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_macros)]

mod fleet;
mod foreign;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use xtask::model::{Fleet, ParseCache};
use xtask::options::OptionTable;
use xtask::process::DuctRunner;
use xtask::proof::Judgement;
use xtask::refactor::group::Grouping;
use xtask::refactor::migrate::{Knowledge, MigratePlan, MigrateRequest, Outcome, migrate_host};
use xtask::taxonomy::Taxonomy;
use xtask::tree::Tree;
use xtask::workspace::Workspace;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn tree_of(directory: &Path) -> Tree {
    let workspace = Workspace::open(Arc::new(DuctRunner::default()), directory);
    workspace.and_then(|it| it.snapshot()).unwrap().tree
}

/// What is wrong with the plan for a host that is still monolithic.
fn faults(plan: &MigratePlan, hosts: usize) -> Vec<String> {
    let mut faults = Vec::new();
    if plan.outcome != Outcome::Migrated {
        faults.push(format!("{:?}: {:?}", plan.outcome, plan.reason));
    }
    if plan.verdicts.len() != hosts {
        faults.push(format!("{} of {hosts} hosts judged", plan.verdicts.len()));
    }
    for verdict in &plan.verdicts {
        if verdict.judgement != Judgement::Equal {
            let first = verdict.differences.first().map(|it| &it.message);
            faults.push(format!(
                "{} is {:?}: {first:?}",
                verdict.host, verdict.judgement
            ));
        }
    }
    faults
}

/// Plans hosts of a fleet, each from the tree as it is.
fn check(root: &Path, is_asked: impl Fn(usize, &str) -> bool) -> usize {
    let tree = tree_of(root);
    let table = OptionTable::embedded();
    let taxonomy = Taxonomy::embedded();
    let cache = ParseCache::default();
    let fleet = Fleet::load(&tree, &table, &cache);
    assert_eq!(fleet.hosts.len(), 17);
    let names = fleet.hosts.iter().map(|host| host.name.as_str());
    let asked = names.enumerate().filter(|(at, name)| is_asked(*at, name));
    let names: Vec<&str> = asked.map(|(_, name)| name).collect();
    let wrong: Vec<String> = names
        .par_iter()
        .flat_map_iter(|name| {
            let knowledge = Knowledge {
                table: &table,
                taxonomy: &taxonomy,
                cache: &cache,
            };
            let request = MigrateRequest {
                host: name,
                grouping: Grouping::default(),
                namespace: None,
                directory: None,
                accept_order_only: false,
            };
            let plan = migrate_host(&tree, &fleet, &request, &knowledge);
            let faults = faults(&plan, fleet.hosts.len());
            faults
                .into_iter()
                .map(move |fault| format!("{name}: {fault}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    names.len()
}

fn legacy() -> PathBuf {
    repository().join("tests/fixtures/legacy")
}

// Without optimisation a host takes seconds: every third one here, all of them
// in the long test.
#[test]
fn a_third_of_the_legacy_fleet_migrates_equal() {
    assert_eq!(check(&legacy(), |at, _| at % 3 == 0), 6);
}

#[test]
fn the_largest_host_of_the_fleet_migrates_equal() {
    let taken = repository().join("hosts/watchtower/default.nix");
    let text = std::fs::read_to_string(taken).unwrap();
    // A host that takes features has been migrated for good.
    if !text.contains("features") {
        assert_eq!(check(&repository(), |_, host| host == "watchtower"), 1);
    }
}
