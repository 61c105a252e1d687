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
mod protocol;
mod traffic;

use bed::Bed;
use common::seed::{Seed, number};
use faults::{Bad, FAULTS, Fault, STEPS, Trial};

/// All rows are as they should be.
fn judge(rows: &[faults::Row]) {
    let bad: Vec<String> = rows
        .iter()
        .filter(|row| !row.wrong.is_empty())
        .map(faults::Row::line)
        .collect();
    let late = rows.iter().filter_map(|row| row.late).max();
    eprintln!(
        "{} trials, {} wrong; {} new, {} old; watchdog acted {} times, at most {late:?} ms late",
        rows.len(),
        bad.len(),
        rows.iter().filter(|row| row.end == "new").count(),
        rows.iter().filter(|row| row.end == "old").count(),
        rows.iter().filter(|row| row.late.is_some()).count(),
    );
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}

fn one(fault: Fault, step: &'static str) -> Trial {
    Trial {
        faults: vec![(fault, step, 100)],
    }
}

/// Each fault once, where it hurts most.
#[test]
fn every_fault_once() {
    let Some(bed) = Bed::new() else { return };
    let trials = vec![
        one(Fault::Closure(Bad::CutsItselfOff), "test"),
        one(Fault::Desert, "test"),
        one(Fault::Cut(60), "health"),
        one(Fault::Closure(Bad::Hangs), "test"),
        one(Fault::Reset, "commit"),
        one(Fault::Reboot, "test"),
        one(Fault::NoSshd(5), "health"),
        one(Fault::Freeze(4), "test"),
        one(Fault::Full, "build"),
        one(Fault::Kill, "commit"),
        one(Fault::Closure(Bad::Fails), "test"),
        one(Fault::Closure(Bad::Unit), "test"),
        one(Fault::Closure(Bad::Health), "test"),
    ];
    judge(&faults::run(&bed, 3, trials, "faults-once.txt"));
}

#[test]
#[ignore = "takes an hour"]
fn every_fault_at_every_step() {
    let Some(bed) = Bed::new() else { return };
    judge(&faults::run(&bed, 4, faults::matrix(), "faults.txt"));
}

/// Two or three at random.
#[test]
#[ignore = "takes hours"]
fn faults_together() {
    let Some(bed) = Bed::new() else { return };
    let count = number("FLEET_TEST_COMBINATIONS", 200);
    let mut seed = Seed::new(number("FLEET_TEST_SEED", 1));
    let trials = (0..count)
        .map(|_| {
            let mut faults = Vec::new();
            if seed.chance(40) {
                faults.push((Fault::Closure(*seed.pick(&faults::BAD)), "test", 0));
            }
            let mut step = seed.below(4);
            for _ in 0..1 + seed.below(2) {
                if step < STEPS.len() {
                    let delay = u64::try_from(seed.below(1_500)).unwrap();
                    faults.push((*seed.pick(&FAULTS), STEPS[step], delay));
                }
                step += 1 + seed.below(3);
            }
            Trial { faults }
        })
        .collect();
    judge(&faults::run(&bed, 4, trials, "faults-together.txt"));
}
