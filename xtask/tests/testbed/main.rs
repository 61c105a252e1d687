//! Rollouts on real targets: systemd, sshd and Nix in containers. Needs root,
//! namespaces, and `FLEET_TEST_TARGET` (a root made by `scripts/testbed/root.sh`).
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::panic
)]

mod bed;
#[path = "../common"]
mod common {
    #[allow(dead_code)]
    pub mod need;
    #[allow(dead_code)]
    pub mod seed;
}
mod faults;
mod fleet;
mod often;
mod protocol;
mod table;
mod traffic;

use bed::Bed;
use common::seed::number;
use faults::{Bad, Fault, Lane, Trial};

/// Each fault once, where it hurts most.
#[test]
fn every_fault_once() {
    let Some(bed) = Bed::new() else { return };
    let trials = vec![
        Trial::one(Fault::Closure(Bad::CutsItselfOff), "test"),
        Trial::one(Fault::Desert, "test"),
        Trial::one(Fault::Cut(60), "health"),
        Trial::one(Fault::Closure(Bad::Hangs), "test"),
        Trial::one(Fault::Reset, "commit"),
        Trial::one(Fault::Reboot, "test"),
        Trial::one(Fault::NoSshd(5), "health"),
        Trial::one(Fault::Freeze(4), "test"),
        Trial::one(Fault::Full, "build"),
        Trial::one(Fault::Kill, "commit"),
        Trial::one(Fault::Closure(Bad::Fails), "test"),
        Trial::one(Fault::Closure(Bad::Unit), "test"),
        Trial::one(Fault::Closure(Bad::Health), "test"),
    ];
    faults::run(&bed, 3, trials, "faults-once");
}

#[test]
#[ignore = "takes an hour"]
fn every_fault_at_every_step() {
    let Some(bed) = Bed::new() else { return };
    faults::run(&bed, table::lanes(), faults::matrix(), "faults");
}

/// Two or three at random.
#[test]
#[ignore = "takes hours"]
fn faults_together() {
    let Some(bed) = Bed::new() else { return };
    let trials = faults::together(number("FLEET_TEST_COMBINATIONS", 200));
    let lane = |number| Lane::new(&bed, number);
    table::run("faults-together", table::lanes(), trials, lane, Lane::run);
}
