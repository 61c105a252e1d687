//! A migration must leave what Nix records of every host as it was.

use std::path::Path;
use std::process::Command;

use xtask::model::{Fleet, ParseCache};
use xtask::options::OptionTable;

use crate::fleets::{copy, library, repository, tree_of};
use crate::record::{self, Recorded, Stubs};
use crate::seed;

// How many hosts are migrated: `FLEET_TEST_MIGRATIONS`, 2 without.

/// The legacy fixture in a repository of its own.
pub fn legacy() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let fixture = repository().join("tests/fixtures/legacy");
    let whole = tree_of(&repository()).unwrap();
    let staging = tempfile::tempdir().unwrap();
    copy(&whole, staging.path());
    assert!(fixture.is_dir());
    let tree = tree_of(&staging.path().join("tests/fixtures/legacy")).unwrap();
    copy(&tree, directory.path());
    for arguments in [
        &["init", "--quiet", "--initial-branch=main"][..],
        &["add", "--all"],
        &["commit", "--quiet", "--message", "as it was"],
    ] {
        git(directory.path(), arguments);
    }
    directory
}

fn git(directory: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@host.example"])
        .args(arguments)
        .current_dir(directory)
        .status()
        .unwrap();
    assert!(status.success());
}

/// Migrates and commits; whether something was migrated.
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

#[test]
fn a_migration_leaves_the_record_as_it_was() {
    let Some(library) = library() else { return };
    let repository = legacy();
    let root = repository.path();
    let table = OptionTable::embedded();
    let view = table.for_release(None);
    let tree = tree_of(root).unwrap();
    let before = Fleet::load(&tree, &table, &ParseCache::default());
    let names: Vec<&str> = before.hosts.iter().map(|host| host.name.as_str()).collect();
    let count = seed::number("FLEET_TEST_MIGRATIONS", 2) as usize;
    // One set of stand-ins for all: what a name stands for must not depend on
    // what else the tree mentions.
    let stubs = Stubs::new(&tree, &library).unwrap();
    let records: Vec<Result<Recorded, String>> = before
        .hosts
        .iter()
        .map(|host| record::recorded(root, host, view, &stubs, &library))
        .collect();
    let mut refused = 0;
    for name in names.iter().take(count) {
        if let Err(why) = migrate(root, name) {
            refused += 1;
            eprintln!("{name}: {why}");
        }
    }
    let (mut equal, mut definitions, mut wrong) = (0, 0, Vec::new());
    for (host, record) in before.hosts.iter().zip(&records) {
        let record = record.as_ref().unwrap();
        let after = match record::recorded(root, host, view, &stubs, &library) {
            Ok(after) => after,
            Err(why) => {
                wrong.push(format!("{}: no longer evaluates: {why}", host.name));
                continue;
            }
        };
        definitions += record.leaves.by_path.values().map(Vec::len).sum::<usize>();
        let difference = record.difference(&after);
        if difference.is_empty() {
            equal += 1;
        }
        wrong.extend(
            difference
                .iter()
                .map(|text| format!("{} {text}", host.name)),
        );
    }
    eprintln!(
        "{count} migrations, {refused} refused: {equal} of {} hosts recorded as before, \
         {definitions} definitions",
        before.hosts.len()
    );
    for wrong in wrong.iter().take(20) {
        eprintln!("  {}", wrong.chars().take(700).collect::<String>());
    }
    assert!(wrong.is_empty());
    assert!(refused < count, "nothing was migrated");
}
