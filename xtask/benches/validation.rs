//! What validating a fleet of 17 hosts with a real nixpkgs (20.09) costs, beside the
//! ways that Nix itself offers: time on the clock, processor time of all processes,
//! and the peak of their memory together.
//!
//! `FLEET_TEST_NIXPKGS` names the nixpkgs.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::panic
)]

#[path = "../tests/common/hedge.rs"]
mod hedge;

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hedge::Hedge;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Hands a task to the process that measures.
const CHILD: &str = "FLEET_BENCH_CHILD";

/// Commands, so many at the same time.
#[derive(Serialize, Deserialize)]
struct Task {
    directory: PathBuf,
    commands: Vec<Vec<String>>,
    jobs: usize,
}

/// What they took.
#[derive(Serialize, Deserialize)]
struct Measured {
    /// Seconds on the clock.
    wall: f64,
    /// Seconds of processor time, of all processes.
    cpu: f64,
    /// The peak of the resident memory of all processes together, in MiB.
    peak: f64,
    /// What each said.
    said: Vec<String>,
}

/// Processor time of children that have ended, in seconds.
fn children() -> f64 {
    /// The unit in which Linux tells times, on every architecture.
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // The name may hold spaces, but no parenthesis comes after it.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields = fields.split_whitespace().skip(13).take(2);
    fields.map(|it| it.parse::<f64>().unwrap()).sum::<f64>() / TICKS
}

/// Resident memory of all that this process has started, in MiB.
fn resident() -> f64 {
    let mut parents: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let fields = stat.rsplit_once(')').map(|(_, fields)| fields);
        let parent = fields.and_then(|it| it.split_whitespace().nth(1)?.parse().ok());
        parents
            .entry(parent.unwrap_or_default())
            .or_default()
            .push(pid);
    }
    let own = i32::try_from(std::process::id()).unwrap();
    let mut left = parents.remove(&own).unwrap_or_default();
    let mut pages = 0.0;
    while let Some(pid) = left.pop() {
        let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
        let count = statm.split_whitespace().nth(1);
        pages += count.and_then(|it| it.parse::<f64>().ok()).unwrap_or(0.0);
        left.extend(parents.remove(&pid).unwrap_or_default());
    }
    pages * 4096.0 / f64::from(1 << 20)
}

/// Runs a task; all that it starts ends below this process.
fn measure(task: &Task) -> Measured {
    let own = rustix::process::getpid();
    // A tracer is nobody's child otherwise, and its time would be lost.
    rustix::process::set_child_subreaper(Some(own)).unwrap();
    let over = AtomicBool::new(false);
    let queue: Mutex<VecDeque<(usize, &Vec<String>)>> =
        Mutex::new(task.commands.iter().enumerate().collect());
    let said = Mutex::new(vec![String::new(); task.commands.len()]);
    let started = Instant::now();
    let peak = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut peak = 0.0_f64;
            while !over.load(Ordering::SeqCst) {
                peak = peak.max(resident());
                std::thread::sleep(Duration::from_millis(25));
            }
            peak
        });
        let workers: Vec<_> = (0..task.jobs)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let next = queue.lock().unwrap().pop_front();
                        let Some((at, words)) = next else { break };
                        let output = Command::new(&words[0])
                            .args(&words[1..])
                            .current_dir(&task.directory)
                            .stdin(Stdio::null())
                            .output()
                            .unwrap();
                        let error = String::from_utf8_lossy(&output.stderr);
                        assert!(output.status.success(), "{words:?}: {error}");
                        let text = String::from_utf8(output.stdout).unwrap();
                        said.lock().unwrap()[at] = text;
                    }
                })
            })
            .collect();
        workers.into_iter().for_each(|it| it.join().unwrap());
        over.store(true, Ordering::SeqCst);
        sampler.join().unwrap()
    });
    let wall = started.elapsed().as_secs_f64();
    while rustix::process::wait(rustix::process::WaitOptions::empty()).is_ok() {}
    Measured {
        wall,
        cpu: children(),
        peak,
        said: said.into_inner().unwrap(),
    }
}

/// Measures in a process of its own.
fn apart(task: &Task) -> Measured {
    let output = Command::new(std::env::current_exe().unwrap())
        .env(CHILD, serde_json::to_string(task).unwrap())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

const NIX: [&str; 3] = ["nix", "--extra-experimental-features", "nix-command flakes"];

struct Bench {
    hedge: Hedge,
    rows: Vec<(&'static str, Measured)>,
}

impl Bench {
    fn run(&mut self, name: &'static str, commands: Vec<Vec<String>>, jobs: usize) -> &Measured {
        let task = Task {
            directory: self.hedge.root(),
            commands,
            jobs,
        };
        let measured = apart(&task);
        println!(
            "{name:<44} {:>7.2} {:>8.2} {:>9.0}",
            measured.wall, measured.cpu, measured.peak
        );
        self.rows.push((name, measured));
        &self.rows.last().unwrap().1
    }

    fn nix(&mut self, name: &'static str, words: &[&str]) -> &Measured {
        // What Nix keeps belongs to a commit: it starts anew.
        self.hedge.commit("another");
        let words = NIX.iter().chain(words).map(|it| (*it).to_owned());
        self.run(name, vec![words.collect()], 1)
    }

    fn xtask(&mut self, name: &'static str, more: &[&str]) -> BTreeMap<String, String> {
        let words = [
            env!("CARGO_BIN_EXE_xtask"),
            "validate",
            "--json",
            "--only",
            "eval",
        ];
        let words = words.iter().chain(more).map(|it| (*it).to_owned());
        let measured = self.run(name, vec![words.collect()], 1);
        let lines = measured.said[0].lines();
        lines
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|event| event["event"] == "task")
            .map(|event| {
                let text = |name: &str| event[name].as_str().unwrap().to_owned();
                (text("host"), text("derivation"))
            })
            .collect()
    }

    fn of(&self, name: &str) -> &Measured {
        let mut rows = self.rows.iter();
        &rows.find(|(row, _)| *row == name).unwrap().1
    }
}

fn attribute(host: &str) -> String {
    format!(".#nixosConfigurations.{host}.config.system.build.toplevel.drvPath")
}

fn change(file: &Path) {
    let text = fs::read_to_string(file).unwrap();
    fs::write(file, format!("{text}\n# changed\n")).unwrap();
}

fn main() {
    if let Ok(task) = std::env::var(CHILD) {
        let measured = measure(&serde_json::from_str(&task).unwrap());
        println!("{}", serde_json::to_string(&measured).unwrap());
        return;
    }
    // `cargo test --benches` only wants to know that it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let Some(nixpkgs) = std::env::var_os("FLEET_TEST_NIXPKGS").map(PathBuf::from) else {
        println!("skipped: FLEET_TEST_NIXPKGS names no nixpkgs");
        return;
    };
    let mut bench = Bench {
        hedge: Hedge::new(&nixpkgs),
        rows: Vec::new(),
    };
    let root = bench.hedge.root();
    let hosts = bench.hedge.hosts();
    // Nobody else reads what this one is.
    let one = attribute("birch");
    // Derivations are written once, whoever comes first.
    bench.xtask("(warming up)", &["--fresh"]);
    println!("{:<44} {:>7} {:>8} {:>9}", "", "seconds", "cpu", "peak MiB");
    let check = "nix flake check --no-build";
    bench.nix(check, &["flake", "check", "--no-build"]);
    let all = "nix eval of all drvPaths";
    let apply = "builtins.mapAttrs (_: host: host.config.system.build.toplevel.drvPath)";
    let words = ["eval", "--json", ".#nixosConfigurations", "--apply", apply];
    let said = bench.nix(all, &words).said[0].clone();
    let together: BTreeMap<String, String> = serde_json::from_str(&said).unwrap();
    bench.hedge.commit("another");
    let separate = "a nix eval for each, two at a time";
    let each = hosts.iter().map(|host| {
        let words = NIX.iter().copied().chain(["eval", "--raw"]);
        let words = words.map(str::to_owned);
        words.chain([attribute(host)]).collect()
    });
    let said = bench.run(separate, each.collect(), 2).said.clone();
    let separately: BTreeMap<String, String> = hosts.iter().cloned().zip(said).collect();
    let single = "nix eval of one";
    bench.nix(single, &["eval", "--raw", &one]);
    let start = "xtask --version";
    let version = vec![
        env!("CARGO_BIN_EXE_xtask").to_owned(),
        "--version".to_owned(),
    ];
    bench.run(start, vec![version], 1);
    let forget = || fs::remove_dir_all(root.join(".git/fleet")).unwrap();
    let little = "validate, cold, --memory 1200M";
    forget();
    bench.hedge.commit("another");
    let frugal = bench.xtask(little, &["--memory", "1200M"]);
    let cold = "validate, cold";
    forget();
    bench.hedge.commit("another");
    let own = bench.xtask(cold, &[]);
    let again = "validate, nothing changed";
    bench.xtask(again, &[]);
    let unrelated = "validate, after an unrelated commit";
    change(&root.join("README.md"));
    bench.hedge.commit("unrelated");
    let known = bench.xtask(unrelated, &[]);
    let changed = "validate, after a change to one host";
    change(&root.join("machines/birch/hardware.nix"));
    bench.hedge.commit("one host");
    let last = bench.xtask(changed, &[]);
    for (name, other) in [
        (separate, &separately),
        (little, &frugal),
        (cold, &own),
        (unrelated, &known),
        (changed, &last),
    ] {
        assert_eq!(&together, other, "{name}");
    }
    println!(
        "derivations of {} hosts are identical in all ways",
        own.len()
    );
    // `nix flake check` forces no derivation: it is no validation.
    let best = [all, separate].map(|name| bench.of(name));
    let least = |of: fn(&Measured) -> f64| best.iter().map(|it| of(it)).fold(f64::MAX, f64::min);
    for name in [cold, little] {
        let (wall, cpu) = (bench.of(name).wall, bench.of(name).cpu);
        println!(
            "{name}: {:.2} of the better of both `nix eval` on the clock, {:.2} in processor time",
            wall / least(|it| it.wall),
            cpu / least(|it| it.cpu)
        );
    }
    println!(
        "{unrelated}: {:.0} ms beyond the start of a process",
        (bench.of(unrelated).wall - bench.of(start).wall) * 1000.0
    );
    println!(
        "{changed}: {:.2} of one host's evaluation on the clock, {:.2} in processor time",
        bench.of(changed).wall / bench.of(single).wall,
        bench.of(changed).cpu / bench.of(single).cpu
    );
}
