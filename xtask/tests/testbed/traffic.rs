//! Blue-green under load: what clients see while the colours change.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::bed::Bed;
use crate::fleet::Fleet;

/// Where the generator finds the directory that it shares with the test.
const SHARED: &str = "FLEET_TEST_LOAD";

fn ask(address: &str) -> Result<String, String> {
    let address = format!("{address}:8080").parse().unwrap();
    let patience = Duration::from_secs(2);
    let mut stream =
        TcpStream::connect_timeout(&address, patience).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(patience)).unwrap();
    stream
        .write_all(b"GET / HTTP/1.0\r\n\r\n")
        .map_err(|error| error.to_string())?;
    let mut text = String::new();
    stream
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    match text.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.0 200") => Ok(body.to_owned()),
        _ => Err(format!("no answer: {text:?}")),
    }
}

/// Clients: they ask whoever has the traffic, until they are told to stop. Started
/// by the tests below in the operator's place of the network.
#[test]
#[ignore = "a part of other tests"]
fn load_generator() {
    let Some(shared) = std::env::var_os(SHARED) else {
        return;
    };
    let shared = Path::new(&shared);
    let address = |colour: &str| fs::read_to_string(shared.join(colour)).unwrap();
    let addresses = [address("blue"), address("green")];
    let mut lines = String::new();
    let (mut asked, mut failed) = (0_u64, 0_u64);
    let mut versions = std::collections::BTreeMap::<String, u64>::new();
    while !shared.join("stop").exists() {
        let colour = fs::read_to_string(shared.join("traffic")).unwrap_or_default();
        let to = usize::from(colour.trim() == "green");
        asked += 1;
        match ask(&addresses[to]) {
            Ok(version) => *versions.entry(version).or_default() += 1,
            Err(why) => {
                failed += 1;
                lines += &format!("# {colour}: {why}\n");
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    lines += &format!("asked {asked}\nfailed {failed}\n");
    for (version, count) in versions {
        lines += &format!("version {version} {count}\n");
    }
    fs::write(shared.join("seen"), lines).unwrap();
}

#[test]
fn colours_change_without_a_failed_request() {
    let Some(bed) = Bed::new() else { return };
    let shared = bed.path("load");
    fs::create_dir_all(&shared).unwrap();
    fs::write(shared.join("traffic"), "blue").unwrap();
    let hosts = [("left", "192.0.2.11", 1), ("right", "192.0.2.12", 1)];
    for (colour, (_, address, _)) in ["blue", "green"].iter().zip(&hosts) {
        fs::write(shared.join(colour), address).unwrap();
    }
    let traffic = shared.join("traffic").display().to_string();
    // Moved in one step: a reader finds the old colour or the new one.
    let switch = format!("printf %s \\\"$1\\\" > {traffic}.new && mv {traffic}.new {traffic}");
    let settings = format!(
        "[groups.web]\nswitch = [\"sh\", \"-c\", \"{switch}\", \"switch\"]\ntraffic = [\"cat\", \"{traffic}\"]\n"
    );
    let mut fleet = Fleet::new(&bed, "fleet", &hosts, &settings);
    let toml = fleet.place.join("fleet.toml");
    let mut text = fs::read_to_string(&toml).unwrap();
    for (colour, (name, ..)) in ["blue", "green"].iter().zip(&hosts) {
        text = text.replace(
            &format!("[hosts.{name}]\n"),
            &format!("[hosts.{name}]\ngroup = \"web\"\nrollout = {{ colour = \"{colour}\" }}\n"),
        );
    }
    fs::write(&toml, text).unwrap();
    fleet.set_all("0");
    fleet.commit();
    let closures = fleet.closures();
    let targets: Vec<_> = hosts
        .iter()
        .map(|(name, address, _)| {
            let target = bed.target(address);
            target.bring(&closures[*name]);
            target.install(&closures[*name]);
            target
        })
        .collect();
    let generate = || {
        let _ = fs::remove_file(shared.join("stop"));
        bed.operator(&std::env::current_exe().unwrap())
            .args(["traffic::load_generator", "--exact", "--ignored"])
            .env(SHARED, &shared)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let stop = |mut generator: std::process::Child| {
        std::thread::sleep(Duration::from_millis(500));
        fs::write(shared.join("stop"), "").unwrap();
        generator.wait().unwrap();
        fs::read_to_string(shared.join("seen")).unwrap()
    };
    let blue_green = [
        "rollout",
        "--stage",
        "1",
        "--yes",
        "--strategy",
        "blue-green",
    ];

    fleet.set_all("1");
    fleet.commit();
    let load = generate();
    let (status, _) = fleet.run(&blue_green);
    let seen = stop(load);
    eprintln!("good: {seen}");
    assert_eq!(status, 0, "{}", fleet.log());
    assert!(seen.contains("failed 0\n"), "{seen}");
    assert!(
        seen.contains("version 0 ") && seen.contains("version 1 "),
        "{seen}"
    );
    assert_eq!(fs::read_to_string(shared.join("traffic")).unwrap(), "green");

    // Each colour has a profile of its own, beside the system's.
    for (colour, target) in ["blue", "green"].iter().zip(&targets) {
        let profile = format!("readlink -f /nix/var/nix/profiles/system-profiles/{colour}");
        assert_eq!(target.must(&profile), target.systems()[0]);
    }

    // The idle colour is blue now, and turns out bad: nobody sees it.
    let before: Vec<_> = targets.iter().map(|target| target.systems()).collect();
    fleet.set("left", "2", &[("port", 8081.into())]);
    fleet.set("right", "2", &[("port", 8081.into())]);
    fleet.commit();
    let load = generate();
    let (status, _) = fleet.run(&blue_green);
    let seen = stop(load);
    eprintln!("bad: {seen}");
    assert_eq!(status, 4, "{}", fleet.log());
    assert!(seen.contains("failed 0\n"), "{seen}");
    assert!(!seen.contains("version 2 "), "{seen}");
    let after: Vec<_> = targets.iter().map(|target| target.systems()).collect();
    assert_eq!(before, after);
    assert_eq!(fs::read_to_string(shared.join("traffic")).unwrap(), "green");
}

/// The fleet of this repository: all of its hosts, each on a target of its own.
#[test]
#[ignore = "takes ten minutes"]
fn the_whole_fleet() {
    let Some(bed) = Bed::new() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let place = bed.path("fleet");
    let copied = Command::new("git")
        .args(["clone", "-q"])
        .arg(root)
        .arg(&place)
        .status()
        .unwrap();
    assert!(copied.success());
    let mut addresses = Vec::new();
    for entry in fs::read_dir(place.join("hosts")).unwrap().flatten() {
        let file = entry.path().join("host.toml");
        let text = fs::read_to_string(&file).unwrap();
        let mut parts: Vec<&str> = text.split("[[health]]").collect();
        // What is not here to be asked: pools, the way out, names on the web.
        parts.retain(|part| {
            !part.contains("kind = \"command\"") && !part.contains("kind = \"http\"")
        });
        let text = parts
            .join("[[health]]")
            .replace("user = \"deploy\"", "user = \"root\"")
            .replace("port = 2222", "port = 22");
        let word = text.lines().find_map(|line| line.strip_prefix("host = "));
        let address = word.unwrap().trim_matches('"').to_owned();
        // Documentation has three networks; the test has one.
        let last = address.rsplit('.').next().unwrap();
        let own = format!("192.0.2.{last}");
        fs::write(&file, text.replace(&address, &own)).unwrap();
        addresses.push((entry.file_name().into_string().unwrap(), own));
    }
    let toml = place.join("fleet.toml");
    let times = crate::fleet::TIMES.replace("[rollout]\n", "");
    let text = fs::read_to_string(&toml).unwrap() + &times.replace("= 10\n", "= 60\n");
    fs::write(&toml, text).unwrap();
    // It measures what is not there, every two minutes.
    let kiosk = place.join("hosts/porthole-workshop/default.nix");
    let text = fs::read_to_string(&kiosk).unwrap();
    fs::write(&kiosk, text.replace("\"*:0/2\"", "\"yearly\"")).unwrap();
    let fleet = Fleet::at(&bed, place.clone());
    fleet.commit_all();
    let closures = fleet.closures();
    let mut targets = Vec::new();
    for (name, address) in &addresses {
        let target = bed.target(address);
        target.bring(&closures[name]);
        target.install(&closures[name]);
        targets.push((name.clone(), target));
    }
    // Services that the stand-in has no unit for cannot be asked for either.
    for (name, target) in &targets {
        let file = place.join("hosts").join(name).join("host.toml");
        let text = fs::read_to_string(&file).unwrap();
        let holds = |part: &&str| {
            let word = |key: &str| {
                let line = part.lines().find_map(|line| line.strip_prefix(key));
                line.map(|word| word.trim_matches('"').to_owned())
            };
            let unit = word("name = ").map(|unit| format!("systemctl -q is-active {unit}"));
            let port = word("port = ").map(|port| format!("ss -Hltn | grep -q ':{port} '"));
            target.inside(&unit.or(port).unwrap_or_default()).1 == Some(0)
        };
        let mut parts = text.split("[[health]]");
        let mut kept = vec![parts.next().unwrap()];
        kept.extend(parts.filter(holds));
        eprintln!("{name}: {} health checks", kept.len() - 1);
        fs::write(&file, kept.join("[[health]]")).unwrap();
    }
    let base = place.join("modules/environments/base.nix");
    let text = fs::read_to_string(&base).unwrap();
    let end = text.rfind('}').unwrap();
    let text = text[..end].to_owned() + "  environment.etc.\"release-note\".text = \"two\";\n}\n";
    fs::write(&base, text).unwrap();
    fleet.commit_all();
    let wanted = fleet.closures();
    let started = Instant::now();
    let (status, records) = fleet.run(&["rollout", "--all", "--yes", "--at-risk=8"]);
    let wall = started.elapsed().as_secs_f64();
    assert_eq!(status, 0, "{}", fleet.log());
    eprintln!("all: {wall:.1} s; {}", own_times(&records));
    for (name, target) in &targets {
        let systems = target.systems();
        assert!(
            systems.iter().all(|system| *system == wanted[name]),
            "{name}: {systems:?}"
        );
    }
    let started = Instant::now();
    let (status, records) = fleet.run(&["rollout", "--all"]);
    assert_eq!(status, 0, "{}", fleet.log());
    let asked = records.iter().filter_map(crate::fleet::intent).count();
    eprintln!(
        "again: {:.1} s, {asked} actions",
        started.elapsed().as_secs_f64()
    );
    assert_eq!(asked, addresses.len());
    eprintln!("{}", fleet.log());
}

/// The slowest host's own time and the sum of all, from the journal.
fn own_times(records: &[serde_json::Value]) -> String {
    let mut span = std::collections::BTreeMap::<String, (u64, u64)>::new();
    let mut hosts = std::collections::BTreeMap::<u64, String>::new();
    for record in records {
        let time = record["time"].as_u64().unwrap_or_default();
        let record = &record["record"];
        let host = if record["event"] == "begun" {
            let host = record["action"]["host"].as_str().unwrap_or_default();
            hosts.insert(
                record["action"]["id"].as_u64().unwrap_or_default(),
                host.to_owned(),
            );
            host.to_owned()
        } else {
            let id = record["action"].as_u64().unwrap_or(u64::MAX);
            hosts.get(&id).cloned().unwrap_or_default()
        };
        if !host.is_empty() {
            let entry = span.entry(host).or_insert((time, time));
            entry.1 = time;
        }
    }
    let own: Vec<(f64, &String)> = span
        .iter()
        .map(|(host, (from, to))| ((to - from) as f64 / 1000.0, host))
        .collect();
    let sum: f64 = own.iter().map(|(time, _)| time).sum();
    let slowest = own.iter().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    format!(
        "slowest host {} {:.1} s, sum of all {sum:.1} s",
        slowest.1, slowest.0
    )
}
