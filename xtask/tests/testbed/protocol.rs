//! What has to hold beside single faults: the second run, crashes, several
//! operators, ways back, users that are not root.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bed::{Bed, Target};
use crate::common::seed::{Seed, number};
use crate::faults::Lane;
use crate::fleet::{Fleet, intent};

/// Targets with a small fleet's first version, one per name, stages as given.
fn installed<'a>(
    bed: &'a Bed,
    name: &str,
    hosts: &[(&str, &str, u32)],
    settings: &str,
) -> (Fleet<'a>, Vec<Target>) {
    let mut fleet = Fleet::new(bed, name, hosts, settings);
    fleet.set_all("0");
    fleet.commit();
    let closures = fleet.closures();
    let targets = hosts
        .iter()
        .map(|(host, address, _)| {
            let target = bed.target(address);
            target.bring(&closures[*host]);
            target.install(&closures[*host]);
            target
        })
        .collect();
    (fleet, targets)
}

const THREE: [(&str, &str, u32); 3] = [
    ("one", "192.0.2.11", 1),
    ("two", "192.0.2.12", 2),
    ("three", "192.0.2.13", 3),
];

fn steps(records: &[Value]) -> Vec<String> {
    records
        .iter()
        .filter_map(intent)
        .map(|(host, what)| format!("{host} {what}"))
        .collect()
}

/// A rollout, again with nothing to do, and what comes before and after.
#[test]
fn a_rollout_from_beginning_to_end() {
    let Some(bed) = Bed::new() else { return };
    let (mut fleet, targets) = installed(&bed, "fleet", &THREE[..2], "");
    fleet.set_all("1");
    fleet.commit();
    // Nobody has agreed; nothing is written either.
    assert_eq!(fleet.run(&["rollout", "--stage", "1"]).0, 3);
    // The stage before is missing.
    assert_eq!(fleet.run(&["rollout", "--stage", "2", "--yes"]).0, 3);
    let before = targets[0].systems();
    let generation = targets[0].generation();
    let (status, records) = fleet.run(&["rollout", "--stage", "1", "--yes"]);
    assert_eq!(status, 0, "{}", fleet.log());
    let after = targets[0].systems();
    assert_ne!(before, after);
    assert!(after.iter().all(|system| *system == after[0]));
    assert_eq!(targets[0].record("state"), "confirmed");
    let expected = [
        "one probe",
        "one build",
        "one copy",
        "one arm",
        "one test",
        "one health",
        "one commit",
        "one probe",
        "one release",
    ];
    assert_eq!(steps(&records), expected);
    let (status, records) = fleet.run(&["rollout", "--all"]);
    assert_eq!(status, 3, "stage 2 is new, and nobody has agreed");
    assert!(records.iter().all(|record| record["record"].is_null()));
    let (status, records) = fleet.run(&["rollout", "--all", "--yes"]);
    assert_eq!(status, 0, "{}", fleet.log());
    let done = steps(&records);
    assert!(
        done.starts_with(&["one probe".to_owned(), "two probe".to_owned()]),
        "{done:?}"
    );
    // With nothing to do, each host is looked at once, over one connection.
    let log = fleet.log().len();
    let (status, records) = fleet.run(&["rollout", "--all"]);
    assert_eq!(status, 0);
    assert_eq!(steps(&records), ["one probe", "two probe"]);
    let table = fleet.log().split_off(log);
    for line in table.lines().filter(|line| line.contains("confirmed  ")) {
        assert!(line.trim_end().ends_with('1'), "connections: {line}");
    }
    // Back to what was found, and drift is seen before anything is done.
    assert_eq!(
        fleet.run(&["rollback", "host", "one"]).0,
        0,
        "{}",
        fleet.log()
    );
    assert_eq!(targets[0].systems(), before);
    assert_eq!(targets[0].generation(), generation);
    targets[1].must(&format!("ln -sfn {} /run/current-system", before[0]));
    fleet.set_all("2");
    fleet.commit();
    let (status, records) = fleet.run(&["rollout", "--stage", "2", "--force-stage", "--yes"]);
    assert_eq!(status, 3, "{}", fleet.log());
    assert_eq!(steps(&records), ["two probe"]);
    let history = fleet
        .tool(&["rollout", "history", "--json"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&history.stdout).lines().count(), 5);
}

/// A user who may do exactly what `rollout sudoers` prints.
#[test]
fn without_being_root() {
    let Some(bed) = Bed::new() else { return };
    let (mut fleet, targets) = installed(&bed, "fleet", &THREE[..1], "");
    let toml = fleet.place.join("fleet.toml");
    let text = std::fs::read_to_string(&toml).unwrap();
    std::fs::write(&toml, text.replace("\"root\"", "\"carrier\"")).unwrap();
    fleet.set_all("1");
    fleet.commit();
    let target = &targets[0];
    target.must("useradd -m -s /bin/bash carrier && cp -r /root/.ssh /home/carrier/ && chown -R carrier: /home/carrier/.ssh");
    // Without a right there is no way, and nothing is changed.
    let before = target.systems();
    let (status, _) = fleet.run(&["rollout", "--stage", "1", "--yes"]);
    assert_ne!(status, 0);
    assert_eq!(target.systems(), before);
    let lines = fleet
        .tool(&["rollout", "sudoers", "--nix-bin", "/usr/bin"])
        .output()
        .unwrap();
    let lines = String::from_utf8(lines.stdout).unwrap();
    assert_eq!(
        lines.matches("carrier ALL=(root) NOPASSWD: /").count(),
        3,
        "{lines}"
    );
    std::fs::write(target.root().join("etc/sudoers.d/rollout"), &lines).unwrap();
    let (status, _) = fleet.run(&["rollout", "--stage", "1", "--yes"]);
    assert_eq!(status, 0, "{}", fleet.log());
    assert_ne!(target.systems(), before);
}

/// The operator is killed after a record, at many places; resuming ends as if
/// nothing had been.
fn crashes(points: Option<&[usize]>) {
    let Some(bed) = Bed::new() else { return };
    let (mut fleet, targets) = installed(&bed, "fleet", &THREE, "");
    let mut version = 0;
    let mut last = usize::MAX;
    let mut point = 1;
    let mut done = 0;
    while point <= last {
        version += 1;
        fleet.set_all(&version.to_string());
        fleet.commit();
        let wanted = fleet.closures();
        let mut operator = fleet.start(&["rollout", "--all", "--yes"]);
        let started = Instant::now();
        while operator.records.len() < point && started.elapsed() < Duration::from_secs(120) {
            if operator.next(Duration::from_millis(500)).is_none() && operator.ended() {
                break;
            }
        }
        let finished = operator.records.len() < point;
        operator.kill();
        if finished {
            last = operator.records.len();
        }
        // 1: the last record had been written, and nothing was left to do.
        let (status, _) = fleet.run(&["rollout", "resume"]);
        assert!(
            status == 0 || status == 1,
            "point {point}: {status}: {}",
            fleet.log()
        );
        for ((name, ..), target) in THREE.iter().zip(&targets) {
            let systems = target.systems();
            assert!(
                systems.iter().all(|system| *system == wanted[*name]),
                "point {point}, {name}: {systems:?}: {}",
                fleet.log()
            );
            assert_eq!(target.record("state"), "confirmed", "point {point}, {name}");
            let log =
                std::fs::read_to_string(target.root().join("var/lib/fleet-rollout").join(format!(
                    "record-{}/log",
                    std::fs::read_to_string(target.root().join("var/lib/fleet-rollout/token"))
                        .unwrap()
                        .trim()
                )));
            // Armed anew, the record keeps its place: the log may be of an older token.
            let times = log
                .unwrap_or_default()
                .matches("activating the configuration")
                .count();
            assert!(times <= 1, "point {point}, {name}: activated {times} times");
            assert_eq!(target.record("attempt"), "1", "point {point}, {name}");
        }
        done += 1;
        eprintln!("killed after record {point}: as without");
        point = match points {
            None => point + 1,
            Some(points) => match points.iter().find(|next| **next > point) {
                Some(next) => *next,
                None => break,
            },
        };
    }
    eprintln!("{done} places, all as without");
}

#[test]
fn killed_after_some_records() {
    crashes(Some(&[1, 12, 30]));
}

#[test]
#[ignore = "takes a quarter of an hour"]
fn killed_after_every_record() {
    crashes(None);
}

/// Two operators with their own repositories at one target.
fn duel(trials: u64) {
    let Some(bed) = Bed::new() else { return };
    let hosts = [("only", "192.0.2.11", 1)];
    let (mut first, targets) = installed(&bed, "first", &hosts, "");
    let mut second = Fleet::new(&bed, "second", &hosts, "");
    let target = &targets[0];
    let mut seed = Seed::new(number("FLEET_TEST_SEED", 1));
    // Says if another activation is at work.
    let alarm = "flock -n /run/alone sleep 0.4 || echo overlap >> /var/overlap";
    let (mut both, mut one, mut refused) = (0, 0, 0);
    for trial in 1..=trials {
        first.set("only", &format!("a{trial}"), &[("fault", alarm.into())]);
        second.set("only", &format!("b{trial}"), &[("fault", alarm.into())]);
        first.commit();
        second.commit();
        let wanted = [first.closures(), second.closures()];
        let mut a = first.start(&["rollout", "--stage", "1", "--yes"]);
        sleep(Duration::from_millis(
            u64::try_from(seed.below(1_200)).unwrap(),
        ));
        let mut b = second.start(&["rollout", "--stage", "1", "--yes"]);
        let dies = seed.chance(20);
        if dies && a.until("test") {
            a.kill();
        }
        let b_status = b.wait(Duration::from_secs(200));
        let a_status = if dies {
            // A dead owner's hold ends with its watchdog; then the other one gets on.
            let started = Instant::now();
            let mut status = b_status;
            while status != 0 {
                assert!(
                    started.elapsed() < Duration::from_secs(150),
                    "{}",
                    second.log()
                );
                sleep(Duration::from_secs(2));
                status = second.run(&["rollout", "--stage", "1", "--yes"]).0;
            }
            // What the dead one had begun belongs to nobody any more.
            first.run(&["rollout", "abort"]);
            -9
        } else {
            a.wait(Duration::from_secs(200))
        };
        let systems = target.systems();
        assert!(
            systems.iter().all(|system| *system == systems[0]),
            "{systems:?}"
        );
        let of = |fleet: usize| systems[0] == wanted[fleet]["only"];
        match (a_status, b_status) {
            (0, 0) => both += 1,
            (0, 3) | (3, 0) => one += 1,
            (-9, _) => refused += 1,
            other => panic!("trial {trial}: {other:?}: {}{}", first.log(), second.log()),
        }
        assert!(of(0) || of(1), "trial {trial}: {systems:?}");
        if a_status == 0 && b_status == 3 {
            assert!(of(0), "trial {trial}");
        }
        if dies || (b_status == 0 && a_status == 3) {
            assert!(of(1), "trial {trial}");
        }
        let overlap = target.inside("cat /var/overlap").0;
        assert_eq!(overlap, "", "trial {trial}: two activations at once");
    }
    eprintln!(
        "{trials} trials: {both} one after the other, {one} with one refused, {refused} with a dead owner"
    );
}

#[test]
fn two_operators() {
    duel(4);
}

#[test]
#[ignore = "takes half an hour"]
fn two_operators_often() {
    duel(number("FLEET_TEST_DUELS", 100));
}

/// Sequences of deploying, going back and collecting garbage.
fn back_and_forth(sequences: u64) {
    let Some(bed) = Bed::new() else { return };
    let mut lane = Lane::new(&bed, 1);
    let mut seed = Seed::new(number("FLEET_TEST_SEED", 1));
    let (mut collections, mut ways_back) = (0, 0);
    for sequence in 1..=sequences {
        let mut captured = lane.target.systems();
        let mut can_go_back = false;
        for _ in 0..2 + seed.below(3) {
            if seed.chance(40) {
                lane.target.must("nix-collect-garbage -d");
                collections += 1;
            }
            if can_go_back && seed.chance(50) {
                let (status, _) = lane.fleet.run(&["rollback", "host", "only"]);
                assert_eq!(status, 0, "sequence {sequence}: {}", lane.fleet.log());
                let now = lane.target.systems();
                assert_eq!(now, captured, "sequence {sequence}");
                lane.target
                    .must(&format!("nix-store --verify-path {}", now[0]));
                ways_back += 1;
                can_go_back = false;
            } else {
                captured = lane.target.systems();
                lane.next_version(&[]);
                let (status, _) = lane.fleet.run(&["rollout", "--stage", "1", "--yes"]);
                assert_eq!(status, 0, "sequence {sequence}: {}", lane.fleet.log());
                can_go_back = true;
            }
        }
    }
    eprintln!("{sequences} sequences: {ways_back} ways back, {collections} collections, all exact");
}

#[test]
fn back_and_forth_a_little() {
    back_and_forth(2);
}

#[test]
#[ignore = "takes half an hour"]
fn back_and_forth_a_hundred_times() {
    back_and_forth(number("FLEET_TEST_SEQUENCES", 100));
}

/// A word that only the operator may know is nowhere else.
#[test]
fn nothing_secret_is_told() {
    const POISON: &str = "poison5114";
    let Some(bed) = Bed::new() else { return };
    let (mut fleet, targets) = installed(&bed, "fleet", &THREE[..1], "");
    fleet.set_all("1");
    fleet.commit();
    let tokens = format!("access-tokens = git.example={POISON}");
    let secret = [("NIX_CONFIG", tokens.as_str()), ("DEPLOY_TOKEN", POISON)];
    let mut operator = fleet.start_with(&["rollout", "--stage", "1", "--yes", "-v"], &secret);
    let mut seen = 0;
    while !operator.ended() {
        while operator.next(Duration::from_millis(20)).is_some() {}
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&words).contains(POISON));
        }
        let there = targets[0].started_with();
        assert!(!there.contains(POISON), "{there}");
        seen += usize::from(there.contains("do-test") || there.contains("do-commit"));
        seen += 1;
    }
    assert_eq!(operator.wait(Duration::from_secs(60)), 0, "{}", fleet.log());
    assert!(seen > 0, "nothing was looked at while it was at work");
    for place in [
        fleet.place.join(".fleet"),
        fleet.place.with_extension("log"),
        targets[0].root().join("var/lib/fleet-rollout"),
        targets[0].root().join("var/log"),
        targets[0].root().join("nix/store"),
        targets[0].root().join("etc"),
    ] {
        let found = std::process::Command::new("grep")
            .args(["-rla", POISON])
            .arg(&place)
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&found.stdout),
            "",
            "{}",
            place.display()
        );
    }
}
