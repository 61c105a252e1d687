//! Every host of the fleet, and of the fleet as it was, can be taken apart.
// Helpers of tests fail as tests do, and say so as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_macros)]

#[path = "../common/mod.rs"]
mod common;

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
use xtask::tree::{Tree, TreePath};
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
fn check(root: &Path, is_asked: impl Fn(&Tree, &str) -> bool) -> usize {
    let tree = tree_of(root);
    let table = OptionTable::embedded();
    let taxonomy = Taxonomy::embedded();
    let cache = ParseCache::default();
    let fleet = Fleet::load(&tree, &table, &cache);
    assert_eq!(fleet.hosts.len(), 17);
    let names: Vec<&str> = fleet.hosts.iter().map(|host| host.name.as_str()).collect();
    let names: Vec<&str> = names
        .into_iter()
        .filter(|name| is_asked(&tree, name))
        .collect();
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

/// A host that takes features already has been migrated for good.
fn is_monolithic(tree: &Tree, host: &str) -> bool {
    let file = TreePath::new(&format!("hosts/{host}/default.nix")).unwrap();
    !tree.text(&file).unwrap().contains("features.")
}

#[test]
fn every_monolithic_host_of_the_fleet_migrates_equal() {
    check(&repository(), is_monolithic);
}

#[test]
fn the_largest_host_of_the_legacy_fleet_migrates_equal() {
    let legacy = repository().join("tests/fixtures/legacy");
    assert_eq!(check(&legacy, |_, host| host == "watchtower"), 1);
}
