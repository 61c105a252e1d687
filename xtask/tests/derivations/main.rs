//! Migrations against real derivations: no host's `toplevel.drvPath` may change where
//! the judgement by module input says that nothing changed.
//!
//! The fleet is `tests/fixtures/nixos-20.09`; `FLEET_TEST_NIXPKGS` names the nixpkgs.
//! Without Nix or without that nixpkgs the tests report themselves as skipped.
//!
//! Both sides of a comparison stand, one after the other, at one and the same path:
//! reads through `self` see the side under test, while strings made from `self` are
//! equal on both sides.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

#[allow(dead_code)]
#[path = "../common/need.rs"]
mod need;

#[path = "../common/mutate.rs"]
mod mutate;

#[path = "../common/seed.rs"]
mod seed;

#[path = "../common/snapshot.rs"]
mod snapshot;

#[path = "../common/verdicts.rs"]
mod verdicts;

mod fleet;
mod mutation;

use std::path::Path;

use fleet::{Fleet, Judgement, Place};

/// Reached by `"${self}/common/banner.nix"` alone.
const BANNER: &str = "common/banner.nix";

fn fresh() -> Fleet {
    Fleet::copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/nixos-20.09"))
}

/// How many hosts are judged how, and how many derivations are as they were.
fn summary(
    migrated: &str,
    before: &fleet::Derivations,
    judged: &Judgement,
    after: &fleet::Derivations,
) -> String {
    let equal = judged
        .values()
        .filter(|verdict| *verdict == "equal")
        .count();
    let unchanged = before
        .iter()
        .filter(|(host, derivation)| after.get(*host) == Some(derivation))
        .count();
    format!(
        "{migrated} {}: {equal} of {} hosts judged equal, {unchanged} derivations unchanged",
        judged.outcome,
        judged.len()
    )
}

/// Hosts that were judged equal and are not.
fn contradictions(
    migrated: &str,
    before: &fleet::Derivations,
    judged: &Judgement,
    after: &fleet::Derivations,
) -> Vec<String> {
    assert!(!before.is_empty());
    before
        .iter()
        .filter(|(host, derivation)| {
            judged.get(*host).is_some_and(|verdict| verdict == "equal")
                && after.get(*host) != Some(derivation)
        })
        .map(|(host, derivation)| {
            format!(
                "{host}, when {migrated} is migrated: {derivation:?} became {:?}",
                after.get(host)
            )
        })
        .collect()
}

#[test]
fn every_host_evaluates() {
    let Some(place) = Place::new() else { return };
    let fleet = fresh();
    let derivations = place.derivations(&fleet);
    assert!(derivations.len() >= 6, "{derivations:?}");
    let broken: Vec<_> = derivations
        .iter()
        .filter(|(_, path)| path.is_none())
        .collect();
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
#[ignore = "takes minutes"]
fn each_host_from_fresh() {
    let Some(place) = Place::new() else { return };
    let before = place.derivations(&fresh());
    let mut found = Vec::new();
    for host in before.keys() {
        let fleet = fresh();
        let judged = fleet.migrate(host);
        assert_eq!(judged.outcome, "migrated", "{host}: {judged:?}");
        assert_eq!(
            judged.len(),
            before.len(),
            "{host}: not every host is judged"
        );
        let after = place.derivations(&fleet);
        eprintln!("{}", summary(host, &before, &judged, &after));
        found.extend(contradictions(host, &before, &judged, &after));
    }
    assert!(
        found.is_empty(),
        "judged equal, derived differently:\n{}",
        found.join("\n")
    );
}

#[test]
fn one_host() {
    one_after_the_other(1);
}

#[test]
#[ignore = "takes minutes"]
fn one_host_after_the_other() {
    one_after_the_other(usize::MAX);
}

fn one_after_the_other(count: usize) {
    let Some(place) = Place::new() else { return };
    let fleet = fresh();
    let mut before = place.derivations(&fleet);
    let hosts: Vec<String> = before.keys().take(count).cloned().collect();
    let mut found = Vec::new();
    for host in &hosts {
        let judged = fleet.migrate(host);
        let after = place.derivations(&fleet);
        eprintln!("{}", summary(host, &before, &judged, &after));
        found.extend(contradictions(host, &before, &judged, &after));
        before = after;
    }
    assert!(
        found.is_empty(),
        "judged equal, derived differently:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_module_reached_through_self_shows() {
    let Some(place) = Place::new() else { return };
    let fleet = fresh();
    let before = place.derivations(&fleet);
    fleet.replace(BANNER, "Nobody is at home", "Somebody is at home");
    fleet.commit();
    let judged = fleet.prove("HEAD~1");
    let after = place.derivations(&fleet);
    let changed: Vec<&str> = before
        .iter()
        .filter(|(host, derivation)| after.get(*host) != Some(derivation))
        .map(|(host, _)| host.as_str())
        .collect();
    assert_eq!(changed, ["birch"]);
    assert_ne!(judged["birch"], "equal");
}
