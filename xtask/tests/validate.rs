//! `validate` with real Nix and the offline stand-in.
//!
//! Without Nix, or where processes may not be traced and records are needed, the tests report
//! themselves as skipped.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use common::Repository;
use serde_json::Value;
use xtask::validate::record::Records;

const FLAKE: &str = r#"{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
  outputs = { self, nixpkgs }: {
    nixosConfigurations = nixpkgs.lib.mapAttrs (
      name: _:
      nixpkgs.lib.nixosSystem {
        specialArgs = { inherit self; };
        modules = [
          ./common.nix
          (./hosts + "/${name}")
          { nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = name; }
        ];
      }
    ) (builtins.readDir ./hosts);
  };
}
"#;

/// Three hosts: one plain, one that copies files, one that asks for its commit.
fn fleet() -> Option<Repository> {
    common::need::need_nix()?;
    common::need::need_tracing()?;
    Some(Repository::new(&[
        ("flake.nix", FLAKE),
        ("README.md", "hello\n"),
        (
            "common.nix",
            "{\n  system.stateVersion = \"25.11\";\n  networking.domain = \"fleet.example\";\n  boot.loader.grub.device = \"/dev/sda\";\n  fileSystems.\"/\" = { device = \"/dev/sda1\"; fsType = \"ext4\"; };\n}\n",
        ),
        (
            "hosts/web/default.nix",
            "{ pkgs, ... }: {\n  imports = [ ./extra.nix ];\n  environment.systemPackages = [ pkgs.hello ];\n}\n",
        ),
        (
            "hosts/web/extra.nix",
            "{ networking.firewall.enable = true; }\n",
        ),
        ("hosts/web/notes.txt", "not read\n"),
        (
            "hosts/files/default.nix",
            "{\n  environment.etc.banner.source = ./banner;\n  environment.etc.motd.text = builtins.readFile ./data/motd;\n  environment.etc.tree.source = ./data;\n}\n",
        ),
        ("hosts/files/banner", "welcome\n"),
        ("hosts/files/data/motd", "today\n"),
        ("hosts/files/data/more", "more\n"),
        (
            "hosts/asks/default.nix",
            "{ self, ... }: { environment.etc.revision.text = self.rev or \"dirty\"; }\n",
        ),
    ]))
}

struct Said {
    status: i32,
    err: String,
    lines: Vec<Value>,
}

impl Said {
    fn task(&self, host: &str) -> &Value {
        let mut lines = self.lines.iter();
        lines
            .find(|it| it["event"] == "task" && it["host"] == host && it["task"] == "eval")
            .unwrap_or_else(|| panic!("nothing of {host}: {}", self.err))
    }

    fn evaluated(&self) -> Vec<&str> {
        let tasks = self.lines.iter().filter(|it| it["event"] == "task");
        let mut hosts: Vec<&str> = tasks
            .filter(|it| it["cached"] == false)
            .map(|it| it["host"].as_str().unwrap())
            .collect();
        hosts.sort_unstable();
        hosts
    }

    fn derivations(&self) -> BTreeMap<String, String> {
        let tasks = self.lines.iter().filter(|it| it["event"] == "task");
        tasks
            .filter_map(|it| {
                let derivation = it["derivation"].as_str()?.to_owned();
                Some((it["host"].as_str().unwrap().to_owned(), derivation))
            })
            .collect()
    }
}

fn validate(root: &Path, args: &[&str]) -> Said {
    run(root, &[args, &["--offline"]].concat())
}

fn run(root: &Path, args: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["validate", "--json", "--repo"])
        .arg(root)
        .args(if args.contains(&"--only") || args.contains(&"--merge") {
            &[][..]
        } else {
            &["--only", "eval"]
        })
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    Said {
        status: output.status.code().unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        lines: text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    }
}

/// Sets its flag however the test ends, so that no thread waits for it in vain.
struct Over<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

fn nix(directory: &Path, args: &[&str]) -> String {
    let output = Command::new("nix")
        .args(["--extra-experimental-features", "nix-command flakes"])
        .args(args)
        .current_dir(directory)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn only_what_changed_is_evaluated_again() {
    let Some(repository) = fleet() else { return };
    let root = repository.root();
    let first = validate(&root, &[]);
    assert_eq!(first.status, 0, "{}", first.err);
    assert_eq!(first.evaluated(), ["asks", "files", "web"], "{}", first.err);
    assert_eq!(validate(&root, &[]).evaluated(), [""; 0]);
    // Another commit is a change for the host that asks for it.
    repository.write("README.md", "changed\n");
    repository.commit("unrelated");
    assert_eq!(validate(&root, &[]).evaluated(), ["asks"]);
    repository.write("hosts/web/notes.txt", "still not read\n");
    assert_eq!(validate(&root, &[]).evaluated(), ["asks"]);
    for (file, host) in [
        ("hosts/web/extra.nix", "web"),
        ("hosts/files/banner", "files"),
        ("hosts/files/data/more", "files"),
    ] {
        repository.write(file, "{ }\n");
        let said = validate(&root, &[]);
        assert_eq!(said.evaluated(), [host], "{file}: {}", said.err);
        assert_eq!(said.task(host)["changed"], file);
    }
    // A file that appears where one was looked for, or in a directory that was listed.
    repository.write("hosts/files/data/new", "new\n");
    repository.git(&["add", "."]);
    assert_eq!(validate(&root, &[]).evaluated(), ["files"]);
    repository.write("hosts/late/default.nix", "{ }\n");
    repository.git(&["add", "."]);
    assert_eq!(
        validate(&root, &[]).evaluated(),
        ["asks", "files", "late", "web"]
    );
    // What was known before is known still.
    repository.git(&["reset", "--quiet", "--hard", "HEAD^"]);
    assert_eq!(validate(&root, &[]).evaluated(), [""; 0]);
}

#[test]
fn derivations_are_those_of_nix() {
    let Some(repository) = fleet() else { return };
    // A flake cannot stand at a path that is no URL, and its lock has to be
    // committed, or the tree counts as changed.
    let plain = repository.outside().join("plain");
    repository.git(&["clone", "--quiet", ".", plain.to_str().unwrap()]);
    let standin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nix/standin");
    let standin = format!("path:{}", standin.canonicalize().unwrap().display());
    nix(
        &plain,
        &["flake", "lock", "--override-input", "nixpkgs", &standin],
    );
    let plain_path = plain.to_str().unwrap();
    repository.git(&["-C", plain_path, "add", "flake.lock"]);
    repository.git(&["-C", plain_path, "commit", "--quiet", "--message", "lock"]);
    for round in ["clean", "dirty"] {
        let said = run(&plain, &[]);
        let derivations = said.derivations();
        assert_eq!(derivations.len(), 3, "{}", said.err);
        for (host, derivation) in derivations {
            let attribute =
                format!(".#nixosConfigurations.{host}.config.system.build.toplevel.drvPath");
            let by_nix = nix(&plain, &["eval", "--raw", &attribute]);
            assert_eq!(derivation, by_nix, "{host}, {round}");
        }
        std::fs::write(plain.join("README.md"), "another\n").unwrap();
    }
}

#[test]
fn one_bad_host_fails_alone_with_file_line_and_option() {
    let Some(repository) = fleet() else { return };
    repository.write(
        "hosts/web/extra.nix",
        "{ pkgs, ... }:\n{\n  environment.systemPackages = [ pkgs.no-such-thing-at-all ];\n}\n",
    );
    let said = validate(&repository.root(), &[]);
    assert_eq!(said.status, 1, "{}", said.err);
    let last = said.lines.last().unwrap();
    assert_eq!((&last["passed"], &last["failed"]), (&2.into(), &1.into()));
    assert!(
        said.err.contains("hosts/web/extra.nix:3:") && said.err.contains("eval-failed: web: "),
        "{}",
        said.err
    );
    assert_eq!(said.task("web")["option"], "environment.systemPackages");
    // A value of the wrong type has no place of its own; an element of a list is no option.
    repository.write(
        "hosts/web/extra.nix",
        "{\n  networking.firewall.allowedTCPPorts = [ \"eighty\" ];\n}\n",
    );
    let said = validate(&repository.root(), &[]);
    assert_eq!(said.status, 1, "{}", said.err);
    let task = said.task("web");
    assert_eq!(task["option"], "networking.firewall.allowedTCPPorts");
    assert_eq!(task["at"]["path"], "hosts/web/extra.nix", "{}", said.err);
    assert_eq!(task["at"]["line"], 2);
    let at_the_place = "hosts/web/extra.nix:2:";
    assert!(said.err.contains(at_the_place), "{}", said.err);
    // What failed is looked at again.
    assert!(
        validate(&repository.root(), &[])
            .evaluated()
            .contains(&"web")
    );
}

#[test]
fn an_undefined_package_passes_nix_flake_check_and_not_evaluation() {
    let Some(repository) = fleet() else { return };
    let root = repository.root();
    repository.write(
        "hosts/web/extra.nix",
        "{ pkgs, ... }:\n{\n  environment.systemPackages = with pkgs; [ no-such-thing-at-all ];\n}\n",
    );
    let said = validate(&root, &["--only", "flake-check,eval"]);
    assert_eq!(said.status, 1, "{}", said.err);
    let outcomes: Vec<(&str, &str)> = said
        .lines
        .iter()
        .filter(|it| it["event"] == "task")
        .map(|it| {
            (
                it["host"].as_str().unwrap(),
                it["outcome"].as_str().unwrap(),
            )
        })
        .collect();
    assert!(outcomes.contains(&("(flake)", "passed")), "{}", said.err);
    assert!(outcomes.contains(&("web", "failed")), "{}", said.err);
    assert_eq!(said.task("web")["at"]["path"], "hosts/web/extra.nix");
    assert_eq!(said.task("web")["at"]["line"], 3);
    // Beyond hosts it is Nix that looks.
    repository.write("hosts/web/extra.nix", "{ }\n");
    let flake = FLAKE.replace(
        "nixosConfigurations =",
        "overlays.default = 1; nixosConfigurations =",
    );
    repository.write("flake.nix", &flake);
    let said = validate(&root, &["--only", "flake-check"]);
    assert_eq!(said.status, 1, "{}", said.err);
    assert!(said.err.contains("flake-check-failed: "), "{}", said.err);
}

#[test]
fn shards_come_together() {
    let Some(repository) = fleet() else { return };
    let root = repository.root();
    repository.write("hosts/web/extra.nix", "{ networking.domain = 1; }\n");
    let mut files = Vec::new();
    for shard in ["1/2", "2/2"] {
        let said = validate(&root, &["--shard", shard]);
        let text: Vec<String> = said.lines.iter().map(Value::to_string).collect();
        let file = repository.outside().join(shard.replace('/', "-"));
        std::fs::write(&file, text.join("\n")).unwrap();
        files.push(file.to_str().unwrap().to_owned());
    }
    let report = repository.outside().join("report.xml");
    let report_name = report.to_str().unwrap();
    let merged = run(
        &root,
        &["--merge", &files[0], &files[1], "--junit", report_name],
    );
    assert_eq!(merged.status, 1, "{}", merged.err);
    let last = merged.lines.last().unwrap();
    assert_eq!((&last["passed"], &last["failed"]), (&2.into(), &1.into()));
    let report = std::fs::read_to_string(report).unwrap();
    assert!(report.contains("tests=\"3\" failures=\"1\""), "{report}");
    assert!(
        report.contains("message=\"hosts/web/extra.nix:1: "),
        "{report}"
    );
}

#[test]
fn a_flake_without_its_lock_is_told_to_make_one() {
    let Some(repository) = fleet() else { return };
    let root = repository.root();
    let told = |lock: &str| {
        let said = run(&root, &[]);
        assert_eq!(said.status, 1, "{}", said.err);
        assert_eq!(said.err.matches(lock).count(), 1, "{}", said.err);
    };
    told("help: there is no flake.lock: `nix flake lock` writes one");
    repository.write(
        "flake.lock",
        r#"{"nodes":{"root":{}},"root":"root","version":7}"#,
    );
    repository.git(&["add", "."]);
    told("help: flake.lock has no input `nixpkgs`: `nix flake lock` adds it");
}

#[test]
fn what_cannot_be_downloaded_is_said_once() {
    let Some(repository) = fleet() else { return };
    let root = repository.root();
    let lock = r#"{"nodes":{"nixpkgs":{"locked":{"narHash":"sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","type":"tarball","url":"http://127.0.0.1:9/x.tar.gz"},"original":{"type":"tarball","url":"http://127.0.0.1:9/x.tar.gz"}},"root":{"inputs":{"nixpkgs":"nixpkgs"}}},"root":"root","version":7}"#;
    repository.write("flake.lock", lock);
    repository.git(&["add", "."]);
    let said = run(&root, &[]);
    assert_eq!(said.status, 1, "{}", said.err);
    assert_eq!(
        said.err.matches("no host evaluates: ").count(),
        1,
        "{}",
        said.err
    );
    assert_eq!(
        said.err.matches("--override-input").count(),
        1,
        "{}",
        said.err
    );
    assert!(!said.err.contains("@nix"), "{}", said.err);
    assert_eq!(said.lines.last().unwrap()["failed"], 3);
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["explain", "web", "--repo"])
        .arg(&root)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    // What the definitions say is said all the same.
    assert_eq!(output.status.code(), Some(0), "{error}");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        out.contains("derivations not known: neither state evaluates"),
        "{out}"
    );
}

#[test]
fn a_baseline_is_compared_with_its_like() {
    let Some(repository) = fleet() else { return };
    let baseline = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .arg("baseline")
            .args(args)
            .arg("--repo")
            .arg(repository.root())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), error)
    };
    let (status, error) = baseline(&["record", "--offline"]);
    assert_eq!(status, Some(0), "{error}");
    let (status, error) = baseline(&["check"]);
    assert_eq!(status, Some(2), "{error}");
    assert!(error.contains("other-inputs: "), "{error}");
    let (status, error) = baseline(&["check", "--offline"]);
    assert_eq!(status, Some(0), "{error}");
}

/// What a host has read, by its record.
fn reads(root: &Path, derivation: &str) -> BTreeSet<String> {
    let directory = root.join(".git/fleet/evaluations");
    let files = std::fs::read_dir(directory).unwrap();
    let records = files.flat_map(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        Records::read(&bytes).0
    });
    records
        .filter(|record| record.facts.derivation.as_deref() == Some(derivation))
        .flat_map(|record| record.reads.into_keys())
        .map(|path| path.to_string())
        .collect()
}

#[test]
fn poison_in_files_that_were_not_read_changes_nothing() {
    let Some(repository) = fleet() else { return };
    let root = repository.root();
    let before = validate(&root, &[]).derivations();
    assert_eq!(before.len(), 3);
    let files = repository.git(&["ls-files"]).stdout;
    let files: Vec<String> = String::from_utf8(files)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    for (host, derivation) in before {
        let read = reads(&root, &derivation);
        assert!(read.contains("flake.nix"), "{host}: {read:?}");
        let unread: Vec<&String> = files.iter().filter(|file| !read.contains(*file)).collect();
        // One that asks for its commit is evaluated from the store, where some
        // versions of Nix read the whole tree for its hash.
        assert!(host == "asks" || !unread.is_empty(), "{host}: {read:?}");
        if !unread.is_empty() {
            for file in unread {
                repository.write(file, "throw \"poison\"\n");
            }
            repository.git(&["commit", "--quiet", "--all", "--message", "poison"]);
            let said = validate(&root, &["--fresh", "--host", &host]);
            if host != "asks" {
                let derivations = said.derivations();
                assert_eq!(derivations.get(&host), Some(&derivation), "{}", said.err);
            }
            assert_eq!(said.status, 0, "{host}: {}", said.err);
            repository.git(&["reset", "--quiet", "--hard", "HEAD^"]);
        }
        // What was read for the hash alone is no reason to evaluate it again.
        let evaluated = ["flake.nix", "common.nix", "hosts/asks/default.nix"];
        let counts = |file: &&String| host != "asks" || evaluated.contains(&file.as_str());
        for file in files
            .iter()
            .filter(|file| read.contains(*file))
            .filter(counts)
        {
            let text = std::fs::read_to_string(root.join(file)).unwrap();
            repository.write(file, &format!("{text}\n"));
            let said = validate(&root, &["--host", &host]);
            assert_eq!(said.evaluated(), [host.as_str()], "{file}");
            repository.write(file, &text);
        }
    }
}

#[test]
fn rubbish_in_the_records_never_counts() {
    let Some(repository) = fleet() else { return };
    let root = repository.root();
    let right = validate(&root, &[]).derivations();
    let directory = root.join(".git/fleet/evaluations");
    let damage: [fn(&mut Vec<u8>); 4] = [
        // Whole, and of a newer version.
        |bytes| {
            let json = String::from_utf8(bytes[65..].to_vec()).unwrap();
            let newer = json.replace("\"schema\":1", "\"schema\":2");
            assert_ne!(json, newer);
            let sum = blake3::hash(newer.as_bytes()).to_hex();
            *bytes = format!("{sum}\n{newer}").into_bytes();
        },
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| *bytes = b"rubbish".to_vec(),
        |bytes| {
            let at = bytes
                .windows(11)
                .position(|it| it == b"/nix/store/")
                .unwrap();
            bytes[at + 11] ^= 1;
        },
    ];
    for damage in damage {
        for file in std::fs::read_dir(&directory).unwrap() {
            let file = file.unwrap().path();
            let mut bytes = std::fs::read(&file).unwrap();
            damage(&mut bytes);
            std::fs::write(&file, bytes).unwrap();
        }
        let said = validate(&root, &[]);
        assert_eq!(said.evaluated(), ["asks", "files", "web"]);
        assert_eq!(said.derivations(), right);
    }
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(validate(&root, &[]).derivations(), right);
}

/// Processes that have a directory in their command line.
fn processes_at(directory: &Path) -> usize {
    let needle = directory.to_str().unwrap();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).contains(needle))
        .count()
}

#[test]
fn a_killed_run_leaves_no_process_and_no_wrong_record() {
    let Some(repository) = fleet() else { return };
    let root = repository.root();
    let right = validate(&root, &["--fresh"]).derivations();
    // Longer than this test would wait.
    let slow = "{ environment.etc.slow.text = let count = builtins.genList (x: x); add = builtins.foldl' (a: b: a + b); in toString (builtins.foldl' (a: _: add a (count 100000)) 0 (count 10000)); }\n";
    let mut running = 0;
    for moment in [30, 120, 250, 400, 600, 900] {
        repository.write("hosts/web/extra.nix", slow);
        let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["validate", "--offline", "--only", "eval", "--repo"])
            .arg(&root)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(moment));
        if moment == 900 {
            // However busy the machine is, once at least in the middle of it.
            for _ in 0..500 {
                if processes_at(repository.outside()) > 1 {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
        running += processes_at(repository.outside()).saturating_sub(1);
        child.kill().unwrap();
        child.wait().unwrap();
        let mut left = 1;
        for _ in 0..1000 {
            left = processes_at(repository.outside());
            if left == 0 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!(left, 0, "killed after {moment} ms");
        repository.write(
            "hosts/web/extra.nix",
            "{ networking.firewall.enable = true; }\n",
        );
        let said = validate(&root, &[]);
        assert_eq!(said.derivations(), right, "{moment}: {}", said.err);
    }
    assert!(running > 0, "nothing was running when it was killed");
}

/// Processes of Nix that have a directory in their command line.
fn workers_at(directory: &Path) -> Vec<rustix::process::Pid> {
    let needle = directory.to_str().unwrap();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let mut words = line.split('\0');
            let program = words.next()?;
            let pid = entry.file_name().to_str()?.parse().ok()?;
            // Other calls of Nix are no workers: they make what all workers need.
            (program.ends_with("nix") && words.next() == Some("eval") && line.contains(needle))
                .then(|| rustix::process::Pid::from_raw(pid))?
        })
        .collect()
}

#[test]
fn a_killed_worker_is_a_failure_and_leaves_no_wrong_record() {
    let Some(repository) = fleet() else { return };
    let root = repository.root();
    let right = validate(&root, &["--fresh"]).derivations();
    let slow = "{ environment.etc.slow.text = let count = builtins.genList (x: x); add = builtins.foldl' (a: b: a + b); in toString (builtins.foldl' (a: _: add a (count 100000)) 0 (count 10000)); }\n";
    repository.write("hosts/web/extra.nix", slow);
    let over = std::sync::atomic::AtomicBool::new(false);
    let (said, killed) = std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let mut killed = 0;
            while !over.load(std::sync::atomic::Ordering::SeqCst) {
                std::thread::sleep(std::time::Duration::from_millis(100));
                for worker in workers_at(repository.outside()) {
                    let signal = rustix::process::Signal::KILL;
                    killed += usize::from(rustix::process::kill_process(worker, signal).is_ok());
                }
            }
            killed
        });
        let ended = Over(&over);
        let said = validate(&root, &[]);
        drop(ended);
        (said, killer.join().unwrap())
    });
    assert!(killed > 0, "nothing was killed");
    assert_eq!(said.status, 1, "{}", said.err);
    assert_eq!(said.task("web")["outcome"], "failed", "{}", said.err);
    assert!(!said.err.contains("@nix"), "{}", said.err);
    // One host asks whether the tree is that of a commit, and it is not.
    for (host, derivation) in said.derivations().iter().filter(|(it, _)| *it != "asks") {
        assert_eq!(&right[host], derivation, "{}", said.err);
    }
    repository.write(
        "hosts/web/extra.nix",
        "{ networking.firewall.enable = true; }\n",
    );
    let said = validate(&root, &[]);
    assert_eq!(said.derivations(), right, "{}", said.err);
}

#[test]
fn two_runs_at_once_are_both_right() {
    let Some(repository) = fleet() else { return };
    let root = repository.root();
    let right = validate(&root, &["--fresh"]).derivations();
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| validate(&root, &["--fresh"]).derivations()))
            .collect();
        for run in runs {
            assert_eq!(run.join().unwrap(), right);
        }
    });
    assert_eq!(validate(&root, &[]).evaluated(), [""; 0]);
}

#[test]
fn all_of_it_with_a_newer_nix() {
    common::need::again_with_newer_nix("all_of_it_with_a_newer_nix");
}
