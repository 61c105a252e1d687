//! What has to hold however often it is tried: operators that are killed, several
//! operators, ways back.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::bed::{Bed, Target};
use crate::common::seed::{Seed, number};
use crate::faults::Lane;
use crate::fleet::Fleet;
use crate::protocol::installed;
use crate::table::{self, Row};

/// Stage by stage one host, on targets of a lane's own.
struct Stages<'a> {
    fleet: Fleet<'a>,
    targets: Vec<Target>,
    version: u32,
}

const STAGES: [&str; 3] = ["one", "two", "three"];

impl<'a> Stages<'a> {
    fn new(bed: &'a Bed, number: u32) -> Self {
        let addresses = [1, 2, 3].map(|host| format!("192.0.2.{}", 10 * number + host));
        let hosts: Vec<(&str, &str, u32)> = STAGES
            .into_iter()
            .zip(&addresses)
            .zip(1..)
            .map(|((name, address), stage)| (name, address.as_str(), stage))
            .collect();
        let (fleet, targets) = installed(bed, &format!("stages{number}"), &hosts, "");
        Self {
            fleet,
            targets,
            version: 0,
        }
    }

    /// How many records an undisturbed rollout writes.
    fn records(&mut self) -> usize {
        self.next_version();
        let (status, records) = self.fleet.run(&["rollout", "--all", "--yes"]);
        assert_eq!(status, 0, "{}", self.fleet.log());
        records.len()
    }

    fn next_version(&mut self) {
        self.version += 1;
        self.fleet.set_all(&self.version.to_string());
        self.fleet.commit();
    }

    /// Kills the operator after so many records; resuming ends as if nothing had been.
    fn crash(&mut self, point: usize) -> Row {
        let started = Instant::now();
        self.next_version();
        let wanted = self.fleet.closures();
        let mut operator = self.fleet.start(&["rollout", "--all", "--yes"]);
        while operator.records.len() < point && started.elapsed() < Duration::from_secs(120) {
            if operator.next(Duration::from_millis(500)).is_none() && operator.ended() {
                break;
            }
        }
        operator.kill();
        let written = operator.records.len();
        assert!(written >= point, "it has written {written} records");
        // 1: the last record had been written, and nothing was left to do.
        let (status, _) = self.fleet.run(&["rollout", "resume"]);
        let log = self.fleet.log();
        assert!(status == 0 || status == 1, "{status}: {log}");
        for (name, target) in STAGES.iter().zip(&self.targets) {
            let systems = target.systems();
            let as_wanted = systems.iter().all(|system| *system == wanted[*name]);
            assert!(as_wanted, "{name}: {systems:?}: {log}");
            assert_eq!(target.record("state"), "confirmed", "{name}");
            // Nothing is activated twice, and nothing is begun anew.
            let times = target
                .record("log")
                .matches("activating the configuration")
                .count();
            assert_eq!(times, 1, "{name}: activated {times} times");
            assert_eq!(target.record("attempt"), "1", "{name}");
        }
        Row {
            end: "new".to_owned(),
            by: "operator".to_owned(),
            status: Some(status),
            seconds: started.elapsed().as_secs_f64(),
            ..Row::default()
        }
    }
}

fn crashes(name: &str, lanes: u32, points: Option<&[usize]>) {
    let Some(bed) = Bed::new() else { return };
    let points = match points {
        Some(points) => points.to_vec(),
        None => (1..=Stages::new(&bed, lanes + 1).records()).collect(),
    };
    let trials = points
        .into_iter()
        .map(|point| (format!("{point:03} records"), point));
    let stages = |number| Stages::new(&bed, number);
    let rows = table::run(name, lanes, trials, stages, |stages, trial, point| Row {
        trial: trial.to_owned(),
        ..stages.crash(*point)
    });
    eprintln!("killed after {} records, all as without", rows.len());
}

#[test]
fn killed_after_some_records() {
    crashes("crashes-some", 1, Some(&[1, 12, 30]));
}

#[test]
#[ignore = "takes a quarter of an hour"]
fn killed_after_every_record() {
    crashes("crashes", table::lanes(), None);
}

/// Two operators with their own repositories at one target.
struct Duel<'a> {
    first: Fleet<'a>,
    second: Fleet<'a>,
    target: Target,
    number: u32,
    trials: u64,
}

impl<'a> Duel<'a> {
    fn new(bed: &'a Bed, number: u32) -> Self {
        let address = format!("192.0.2.{}", 10 + number);
        let hosts = [("only", address.as_str(), 1)];
        let (first, mut targets) = installed(bed, &format!("first{number}"), &hosts, "");
        Self {
            first,
            second: Fleet::new(bed, &format!("second{number}"), &hosts, ""),
            target: targets.remove(0),
            number,
            trials: 0,
        }
    }

    fn fight(&mut self, mut seed: Seed) -> Row {
        let started = Instant::now();
        // Says if another activation is at work.
        let alarm = "flock -n /run/alone sleep 0.4 || echo overlap >> /var/overlap";
        let (first, second, target) = (&mut self.first, &mut self.second, &self.target);
        self.trials += 1;
        let version = format!("{}-{}", self.number, self.trials);
        for (fleet, name) in [(&mut *first, "a"), (&mut *second, "b")] {
            fleet.set(
                "only",
                &format!("{name}{version}"),
                &[("fault", alarm.into())],
            );
            fleet.commit();
        }
        let wanted = [first.closures(), second.closures()];
        let words = ["rollout", "--stage", "1", "--yes"];
        let mut a = first.start(&words);
        let pause = u64::try_from(seed.below(1_200)).unwrap();
        sleep(Duration::from_millis(pause));
        let mut b = second.start(&words);
        // Whom the other one was before has nothing to die in the middle of.
        let dies = seed.chance(20) && a.until("test");
        if dies {
            a.kill();
        }
        let b_status = b.wait(Duration::from_secs(200));
        let a_status = if dies {
            // A dead owner's hold ends with its watchdog; then the other one gets on.
            let waiting = Instant::now();
            let mut status = b_status;
            while status != 0 {
                let patient = waiting.elapsed() < Duration::from_secs(150);
                assert!(
                    patient,
                    "the dead one's hold does not end: {}",
                    second.log()
                );
                sleep(Duration::from_secs(2));
                status = second.run(&words).0;
            }
            // What the dead one had begun belongs to nobody any more.
            first.run(&["rollout", "abort"]);
            None
        } else {
            Some(a.wait(Duration::from_secs(200)))
        };
        let systems = target.systems();
        assert!(
            systems.iter().all(|system| *system == systems[0]),
            "{systems:?}"
        );
        let of = |fleet: usize| systems[0] == wanted[fleet]["only"];
        let (end, by) = match (a_status, b_status) {
            (None, _) => ("dead", 1),
            (Some(0), 3) => ("one", 0),
            (Some(3), 0) => ("one", 1),
            (Some(0), 0) => ("both", usize::from(of(1))),
            other => panic!("{other:?}: {}{}", first.log(), second.log()),
        };
        assert!(of(by), "{systems:?}, and it should be of {by}");
        let overlap = target.inside("cat /var/overlap").0;
        assert_eq!(overlap, "", "two activations at once");
        Row {
            end: end.to_owned(),
            by: ["first", "second"][by].to_owned(),
            status: a_status,
            seconds: started.elapsed().as_secs_f64(),
            ..Row::default()
        }
    }
}

fn duels(name: &str, lanes: u32, count: u64) {
    let Some(bed) = Bed::new() else { return };
    let first = number("FLEET_TEST_SEED", 1);
    let trials = (1..=count).map(|number| (format!("{first}/{number:03} duel"), number));
    let duel = |number| Duel::new(&bed, number);
    table::run(name, lanes, trials, duel, |duel, trial, number| Row {
        trial: trial.to_owned(),
        ..duel.fight(Seed::new(first.wrapping_mul(1_000_003) ^ number))
    });
}

#[test]
fn two_operators() {
    duels("duels-some", 1, 4);
}

#[test]
#[ignore = "takes half an hour"]
fn two_operators_often() {
    duels("duels", table::lanes(), number("FLEET_TEST_DUELS", 100));
}

/// The generations of the system profile, each with where it leads.
fn generations(target: &Target) -> BTreeSet<String> {
    let all = target.must(
        "cd /nix/var/nix/profiles && for link in system-*-link; do echo $link $(readlink $link); done",
    );
    all.lines().map(str::to_owned).collect()
}

/// One sequence of deploying, going back and collecting garbage.
fn back_and_forth(lane: &mut Lane, mut seed: Seed) -> Row {
    let started = Instant::now();
    let mut captured = (lane.target.systems(), lane.target.generation());
    // Every closure that was good once, and how often what was done.
    let mut good = vec![captured.0[0].clone()];
    let mut can_go_back = false;
    let (mut there, mut back, mut collected) = (0, 0, 0);
    for _ in 0..2 + seed.below(3) {
        if seed.chance(40) {
            // Old generations go, as the one who calls this wants it; what a rollout
            // may go back to stays.
            lane.target.must("nix-collect-garbage -d");
            good = vec![lane.target.systems()[0].clone()];
            if can_go_back {
                good.push(captured.0[0].clone());
            }
            collected += 1;
        }
        let before = generations(&lane.target);
        if can_go_back && seed.chance(50) {
            let (status, _) = lane.fleet.run(&["rollback", "host", "only"]);
            assert_eq!(status, 0, "{}", lane.fleet.log());
            let now = lane.target.systems();
            assert_eq!(now, captured.0, "{}", lane.fleet.log());
            back += 1;
            can_go_back = false;
        } else {
            captured = (lane.target.systems(), lane.target.generation());
            lane.next_version(&[]);
            let (status, _) = lane.fleet.run(&["rollout", "--stage", "1", "--yes"]);
            assert_eq!(status, 0, "{}", lane.fleet.log());
            good.push(lane.target.systems()[0].clone());
            there += 1;
            can_go_back = true;
        }
        let gone: Vec<String> = before
            .difference(&generations(&lane.target))
            .cloned()
            .collect();
        assert!(gone.is_empty(), "generations are gone: {gone:?}");
        let paths = good.join(" ");
        lane.target
            .must(&format!("nix-store --verify-path {paths}"));
    }
    Row {
        end: if can_go_back { "new" } else { "old" }.to_owned(),
        by: "operator".to_owned(),
        status: Some(0),
        seconds: started.elapsed().as_secs_f64(),
        counts: [("there", there), ("back", back), ("collected", collected)]
            .map(|(what, count)| (what.to_owned(), count))
            .into(),
        ..Row::default()
    }
}

fn sequences(name: &str, lanes: u32, count: u64) {
    let Some(bed) = Bed::new() else { return };
    let first = number("FLEET_TEST_SEED", 1);
    let trials = (1..=count).map(|number| (format!("{first}/{number:03} sequence"), number));
    let lane = |number| Lane::new(&bed, number);
    table::run(name, lanes, trials, lane, |lane, trial, number| Row {
        trial: trial.to_owned(),
        ..back_and_forth(lane, Seed::new(first.wrapping_mul(1_000_003) ^ number))
    });
}

#[test]
fn back_and_forth_a_little() {
    sequences("sequences-some", 1, 2);
}

#[test]
#[ignore = "takes half an hour"]
fn back_and_forth_a_hundred_times() {
    sequences(
        "sequences",
        table::lanes(),
        number("FLEET_TEST_SEQUENCES", 100),
    );
}
