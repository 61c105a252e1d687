//! What has to hold without faults: the second run, users that are not root, secrets.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bed::{Bed, Target};
use crate::fleet::{Fleet, intent};

/// Targets with a small fleet's first version, one per name, stages as given.
pub fn installed<'a>(
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
    // Back to what was found, of a host and of a stage; and to what is named.
    assert_eq!(
        fleet.run(&["rollback", "host", "one"]).0,
        0,
        "{}",
        fleet.log()
    );
    assert_eq!(targets[0].systems(), before);
    assert_eq!(targets[0].generation(), generation);
    let there = targets[1].systems();
    let back = |words: &[&str]| {
        let (status, _) = fleet.run(words);
        assert_eq!(status, 0, "{words:?}: {}", fleet.log());
        targets[1].systems()
    };
    let base = back(&["rollback", "stage", "2"]);
    assert_ne!(base, there);
    assert_eq!(back(&["rollback", "host", "two", "--to", "2"]), there);
    assert_eq!(back(&["rollback", "host", "two", "--to", &base[0]]), base);
    assert_eq!(fleet.run(&["rollback", "host", "two", "--to", "99"]).0, 2);
    // Drift is seen before anything is done.
    targets[1].must(&format!("ln -sfn {} /run/current-system", before[0]));
    fleet.set_all("2");
    fleet.commit();
    let (status, records) = fleet.run(&["rollout", "--stage", "2", "--force-stage", "--yes"]);
    assert_eq!(status, 3, "{}", fleet.log());
    assert_eq!(steps(&records), ["two probe"]);
    let adopt = [
        "rollout",
        "--stage",
        "2",
        "--force-stage",
        "--yes",
        "--adopt-drift=profile",
    ];
    assert_eq!(fleet.run(&adopt).0, 0, "{}", fleet.log());
    let now = targets[1].systems();
    assert!(now[0] != before[0] && now.iter().all(|system| *system == now[0]));
    // What somebody else has brought is told before anything is done to it.
    fleet.set_all("3");
    fleet.commit();
    let foreign = fleet.closures().remove("one").unwrap();
    targets[0].bring(&foreign);
    targets[0].install(&foreign);
    fleet.set_all("4");
    fleet.commit();
    let log = fleet.log().len();
    assert_eq!(fleet.run(&["rollout", "--stage", "1", "--yes"]).0, 0);
    let said = fleet.log().split_off(log);
    let told = said.find(&format!(
        "one runs {foreign}, which no rollout from here has brought"
    ));
    assert!(told.is_some() && told < said.find("one: build"), "{said}");
    let history = fleet
        .tool(&["rollout", "history", "--json"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&history.stdout).lines().count(), 10);
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
    let said = targets[0].inside(&format!(
        "journalctl --no-pager | grep {POISON}; grep -rla {POISON} /run /tmp"
    ));
    assert_eq!(said.0, "");
    for place in [
        fleet.place.clone(),
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

/// A host that only another one reaches, at a port that its new system changes.
#[test]
fn over_a_bastion_at_another_port() {
    let Some(bed) = Bed::new() else { return };
    let inner = "198.51.100.12";
    let bastion = bed.target("192.0.2.11");
    bastion.must("ip addr add 198.51.100.1/24 dev host0");
    let mut config = std::fs::read_to_string(bed.path("ssh_config")).unwrap();
    config += "Host 198.51.100.*\n  ProxyJump root@192.0.2.11\n";
    std::fs::write(bed.path("ssh_config"), config).unwrap();
    let (mut fleet, targets) = installed(&bed, "fleet", &[("only", inner, 1)], "");
    let target = &targets[0];
    target.must("echo Port 2222 > /etc/ssh/sshd_config.d/port.conf; systemctl restart ssh");
    let toml = fleet.place.join("fleet.toml");
    let text = std::fs::read_to_string(&toml).unwrap();
    let at = |port: &str| {
        text.replace(
            "user = \"root\"",
            &format!("user = \"root\"\nport = {port}"),
        )
    };
    std::fs::write(&toml, at("2222")).unwrap();
    fleet.set_all("1");
    fleet.commit();
    let (status, _) = fleet.run(&["rollout", "--stage", "1", "--yes"]);
    assert_eq!(status, 0, "{}", fleet.log());
    // It moves; what is there is confirmed over the new port.
    std::fs::write(&toml, at("2222\nnext = { port = 2022 }")).unwrap();
    let moves = "echo Port 2022 > /etc/ssh/sshd_config.d/port.conf; systemctl restart ssh";
    fleet.set("only", "2", &[("fault", moves.into())]);
    fleet.commit();
    let before = target.systems();
    let (status, _) = fleet.run(&["rollout", "--stage", "1", "--yes"]);
    assert_eq!(status, 0, "{}", fleet.log());
    assert_ne!(target.systems(), before);
    // And where it does not come to where it was to move, it goes back.
    std::fs::write(&toml, at("2022\nnext = { port = 2023 }")).unwrap();
    fleet.set_all("3");
    fleet.commit();
    let before = target.systems();
    let (status, _) = fleet.run(&["rollout", "--stage", "1", "--yes"]);
    assert_eq!(status, 4, "{}", fleet.log());
    assert_eq!(target.systems(), before);
    // No connection is left behind.
    assert_eq!(bed.operators_processes(), "");
}

/// A flake that says with nixinate how its host is reached, and where it is built.
#[test]
fn with_the_data_of_nixinate() {
    let Some(bed) = Bed::new() else { return };
    let (mut fleet, targets) = installed(&bed, "fleet", &THREE[..1], "");
    let toml = fleet.place.join("fleet.toml");
    let text = std::fs::read_to_string(&toml).unwrap();
    let (text, _) = text.split_once("[hosts.one.deploy]").unwrap();
    std::fs::write(&toml, text).unwrap();
    let said = serde_json::json!({
        "host": "192.0.2.11", "sshUser": "root", "buildOn": "remote",
        "substituteOnTarget": false, "hermetic": false,
    });
    // Nothing else has this version, so nobody has built it here.
    fleet.set("one", "built there", &[("nixinate", said)]);
    fleet.commit();
    let before = targets[0].systems();
    let (status, records) = fleet.run(&["rollout", "--stage", "1", "--yes"]);
    assert_eq!(status, 0, "{}", fleet.log());
    assert_ne!(targets[0].systems(), before);
    let host = &records[0]["record"]["plan"]["hosts"][0];
    assert_eq!(host["build_on"], "remote", "{host}");
    assert_eq!(host["address"]["host"], "192.0.2.11", "{host}");
    let closure = host["closure"].as_str().unwrap();
    assert!(!std::path::Path::new(closure).exists(), "it was built here");
}

/// While a machine sleeps its timers stand still; when it is awake again the wall clock
/// shows that the deadline has passed.
#[test]
fn a_watchdog_that_slept() {
    let Some(bed) = Bed::new() else { return };
    let (mut fleet, targets) = installed(&bed, "fleet", &THREE[..1], "");
    let target = &targets[0];
    let toml = fleet.place.join("fleet.toml");
    let text = std::fs::read_to_string(&toml).unwrap();
    let text = text.replace("commit-timeout = 8", "commit-timeout = 2");
    let text = text.replace("command-timeout = 5", "command-timeout = 3");
    std::fs::write(&toml, text).unwrap();
    fleet.set_all("1");
    fleet.commit();
    let before = target.systems();
    let mut operator = fleet.start(&["rollout", "--stage", "1", "--yes"]);
    assert!(operator.until("health"), "{}", fleet.log());
    operator.kill();
    // A clock that was set does not make it act before its time.
    let watchdog = target.record("watchdog");
    let agent = target.must(&format!(
        "systemctl show -P ExecStart {watchdog}.service | grep -o '/nix/store/[^ ;]*' | head -n 1"
    ));
    target.must(&format!("{agent} woken {watchdog}"));
    assert_eq!(target.record("state"), "armed");
    target.must(&format!("systemctl stop {watchdog}.timer"));
    let started = Instant::now();
    while target.record("state") != "reverted" {
        let patient = started.elapsed() < Duration::from_secs(60);
        assert!(patient, "nobody has taken it back");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(target.systems(), before);
    let number = |key: &str| target.record(key).parse::<i64>().unwrap();
    let late = number("watch-began") - number("watch-deadline");
    assert!((0..5_000).contains(&late), "{late} ms late");
}

/// The operator wants out, from another terminal; and a second rollout of the same
/// repository has to wait.
#[test]
fn an_operator_who_wants_out() {
    let Some(bed) = Bed::new() else { return };
    let (mut fleet, targets) = installed(&bed, "fleet", &THREE[..1], "");
    fleet.set("one", "1", &[("port", 8081.into())]);
    fleet.commit();
    let before = targets[0].systems();
    let words = ["rollout", "--stage", "1", "--yes"];
    let mut operator = fleet.start(&words);
    assert!(operator.until("health"), "{}", fleet.log());
    assert_eq!(fleet.run(&words).0, 3, "{}", fleet.log());
    assert_eq!(fleet.run(&["rollout", "abort"]).0, 0, "{}", fleet.log());
    assert_eq!(
        operator.wait(Duration::from_secs(60)),
        130,
        "{}",
        fleet.log()
    );
    assert_eq!(operator.ends[0]["failure"]["class"], "aborted");
    assert_eq!(targets[0].systems(), before);
    assert_eq!(targets[0].record("state"), "reverted");
}
