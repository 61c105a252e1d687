//! A migration must leave what Nix records of every host as it was, and the model
//! must say of the result what Nix records.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use xtask::model::{Fleet, Host, ParseCache};
use xtask::options::OptionTable;

use crate::fleets::{copy, foreign, library, repository};
use crate::need;
use crate::record::{self, Recorded, Stubs};
use crate::snapshot::tree_of;

/// The legacy fixture in a repository of its own.
pub fn legacy() -> tempfile::TempDir {
    own("tests/fixtures/legacy")
}

/// A directory of this repository in a repository of its own.
fn own(place: &str) -> tempfile::TempDir {
    let whole = tree_of(&repository()).unwrap();
    let staging = tempfile::tempdir().unwrap();
    copy(&whole, staging.path());
    apart(&staging.path().join(place))
}

/// A copy of a fleet in a repository of its own.
fn apart(fleet: &Path) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    copy(&tree_of(fleet).unwrap(), directory.path());
    for arguments in [
        &["init", "--quiet", "--initial-branch=main"][..],
        &["add", "--all", "--force"],
        &["commit", "--quiet", "--message", "as it was"],
    ] {
        git(directory.path(), arguments);
    }
    directory
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@host.example"])
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Migrates and commits; why not, if nothing was migrated.
pub fn migrate(directory: &Path, host: &str) -> Result<(), String> {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["migrate", "host", host, "--repo"])
        .arg(directory)
        .args(["--commit", "--yes", "--no-nix"])
        .envs([
            ("GIT_AUTHOR_NAME", "t"),
            ("GIT_AUTHOR_EMAIL", "t@host.example"),
            ("GIT_COMMITTER_NAME", "t"),
            ("GIT_COMMITTER_EMAIL", "t@host.example"),
        ])
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// What became of the migrations of one fleet, or of several.
#[derive(Default)]
struct Tally {
    hosts: usize,
    recorded: usize,
    migrated: usize,
    refused: usize,
    /// Comparisons of a host with what it was, and with the model, that hold.
    as_before: usize,
    as_modelled: usize,
    definitions: usize,
    files: usize,
    wrong: Vec<String>,
}

impl Tally {
    fn finish(&self) {
        eprintln!(
            "{} hosts, {} recorded; {} migrated, {} refused or nothing to do; records as before {}, \
             as the model says {}, {} definitions; {} changed files parse; {} wrong",
            self.hosts,
            self.recorded,
            self.migrated,
            self.refused,
            self.as_before,
            self.as_modelled,
            self.definitions,
            self.files,
            self.wrong.len()
        );
        for wrong in self.wrong.iter().take(20) {
            eprintln!("  {}", wrong.chars().take(3000).collect::<String>());
        }
        assert!(self.wrong.is_empty());
        assert!(self.migrated > 0, "nothing was migrated");
    }
}

/// One fleet that is migrated host by host.
struct Run<'r> {
    name: &'r str,
    root: &'r Path,
    library: &'r Path,
    stubs: Stubs,
    before: Vec<(String, Option<Recorded>)>,
}

impl Run<'_> {
    /// The record of a host against what it was, and against the model.
    fn compare(&self, host: &str, tally: &mut Tally) {
        let table = OptionTable::embedded();
        let tree = tree_of(self.root).unwrap();
        let fleet = Fleet::load(&tree, &table, &ParseCache::default());
        let Some(before) = self
            .before
            .iter()
            .find(|(name, _)| name == host)
            .and_then(|(_, record)| record.as_ref())
        else {
            return;
        };
        let label = format!("{} {host}", self.name);
        let Some(own) = fleet.host(host) else {
            tally.wrong.push(format!("{label}: the host is gone"));
            return;
        };
        let view = table.for_release(None);
        match record::recorded(self.root, own, view, &self.stubs, self.library) {
            Ok(after) => {
                let difference = before.difference_but(&after, &self.stubs.left_out(host));
                if difference.is_empty() {
                    tally.as_before += 1;
                }
                let all = difference.iter().map(|text| format!("{label} {text}"));
                tally.wrong.extend(all);
            }
            Err(why) => {
                let why = why.lines().next().unwrap_or_default();
                let text = format!("{label}: no longer evaluates: {why}");
                tally.wrong.push(text);
            }
        }
        match record::check(&fleet, &table, self.root, host, &self.stubs, self.library) {
            Ok(comparison) => {
                if comparison.differences.is_empty() {
                    tally.as_modelled += 1;
                }
                tally.definitions += comparison.equal;
                let all = comparison.differences.iter();
                tally
                    .wrong
                    .extend(all.map(|text| format!("{label}, model: {text}")));
            }
            Err(why) => tally.wrong.push(format!("{label}: {why}")),
        }
    }

    /// Whether Nix parses what the last migration wrote.
    fn parse(&self, tally: &mut Tally) {
        let written = git(
            self.root,
            &["diff", "--name-only", "--diff-filter=d", "HEAD~1", "HEAD"],
        );
        for path in written.lines().filter(|path| path.ends_with(".nix")) {
            let status = Command::new("nix-instantiate")
                .arg("--parse")
                .arg(self.root.join(path))
                .stdout(Stdio::null())
                .status()
                .unwrap();
            tally.files += 1;
            if !status.success() {
                let text = format!("{} {path}: Nix does not parse it", self.name);
                tally.wrong.push(text);
            }
        }
    }
}

/// Migrates the first `count` hosts, one after the other.
fn follow(name: &str, root: &Path, count: usize, library: &Path, tally: &mut Tally) {
    let table = OptionTable::embedded();
    let tree = tree_of(root).unwrap();
    let fleet = Fleet::load(&tree, &table, &ParseCache::default());
    let view = table.for_release(None);
    // One set of stand-ins for all: what a name stands for must not depend on
    // what else the tree mentions.
    let stubs = Stubs::new(&tree, library).unwrap();
    let record = |host: &Host| {
        (
            stubs.known(),
            record::recorded(root, host, view, &stubs, library),
        )
    };
    let mut records: Vec<_> = fleet.hosts.iter().map(record).collect();
    // Names are learned on the way, and a record knows those that it found.
    for (host, own) in fleet.hosts.iter().zip(&mut records) {
        while own.0 < stubs.known() {
            *own = record(host);
        }
    }
    let before: Vec<(String, Option<Recorded>)> = fleet
        .hosts
        .iter()
        .zip(records)
        .map(|(host, (_, record))| {
            if let Err(why) = &record {
                let why = why.lines().next().unwrap_or_default();
                eprintln!("{name} {}: not recorded: {why}", host.name);
            }
            (host.name.clone(), record.ok())
        })
        .collect();
    let run = Run {
        name,
        root,
        library,
        stubs,
        before,
    };
    tally.hosts += run.before.len();
    tally.recorded += run.before.iter().filter(|(_, own)| own.is_some()).count();
    for (host, _) in run.before.iter().take(count) {
        let head = git(root, &["rev-parse", "HEAD"]);
        if let Err(why) = migrate(root, host) {
            let why = why.lines().next().unwrap_or_default();
            eprintln!("{name} {host}: refused: {why}");
        }
        if git(root, &["rev-parse", "HEAD"]) == head {
            tally.refused += 1;
            eprintln!("{name} {host}: nothing was migrated");
            continue;
        }
        tally.migrated += 1;
        run.parse(tally);
        run.compare(host, tally);
    }
    // Whoever was migrated, nobody may have noticed.
    for (host, _) in &run.before {
        run.compare(host, tally);
    }
}

#[test]
fn a_migration_leaves_the_record_as_it_was() {
    let Some(library) = library() else { return };
    let repository = legacy();
    let mut tally = Tally::default();
    follow("legacy", repository.path(), 1, &library, &mut tally);
    tally.finish();
    assert_eq!(tally.recorded, tally.hosts);
}

#[test]
#[ignore = "takes minutes"]
fn the_migration_of_every_host_leaves_the_records_as_they_were() {
    let Some(library) = library() else { return };
    for (name, place) in [("legacy", "tests/fixtures/legacy"), ("hosts", ".")] {
        let repository = own(place);
        let mut tally = Tally::default();
        follow(name, repository.path(), usize::MAX, &library, &mut tally);
        tally.finish();
        assert_eq!(tally.recorded, tally.hosts);
    }
}

#[test]
#[ignore = "takes minutes"]
fn the_migration_of_other_fleets_leaves_the_records_as_they_were() {
    let Some(library) = library() else { return };
    let Some(fleets) = need::need_directory("FLEET_TEST_FLEETS") else {
        return;
    };
    let mut tally = Tally::default();
    let found: Vec<(String, PathBuf)> = foreign(&fleets);
    for (name, directory) in &found {
        let repository = apart(directory);
        follow(name, repository.path(), usize::MAX, &library, &mut tally);
    }
    tally.finish();
}
