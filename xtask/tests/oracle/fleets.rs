//! Hosts of whole fleets, recorded by real Nix and by the model.
//!
//! `FLEET_TEST_FLEETS` names a directory with further fleets, one directory
//! each; they are only read.

use std::path::{Path, PathBuf};

use xtask::model::{Fleet, ParseCache};
use xtask::options::OptionTable;
use xtask::tree::Tree;

use crate::record::{self, Stubs};
use crate::snapshot::tree_of;
use crate::{need, nix};

/// The first release whose library evaluates what records a host.
const OLDEST: u32 = 22;

/// The newest library there is: flakes are written for it.
pub fn library() -> Option<PathBuf> {
    let library = nix::libraries().pop()?;
    let version = [library.as_path(), library.parent()?]
        .into_iter()
        .find_map(|place| std::fs::read_to_string(place.join(".version")).ok());
    let year = version.and_then(|it| it.trim().split('.').next()?.parse::<u32>().ok());
    if year.is_some_and(|year| year < OLDEST) {
        need::skip(
            "FLEET_TEST_NIXPKGS_LIB",
            "this variable names no nixpkgs of 22.05 or later",
        );
        return None;
    }
    Some(library)
}

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

#[derive(Default)]
struct Tally {
    hosts: usize,
    recorded: usize,
    equal: usize,
    unclear: usize,
    wrong: Vec<String>,
}

fn check_fleet(name: &str, directory: &Path, library: &Path, tally: &mut Tally) {
    let tree = tree_of(directory).unwrap();
    let table = OptionTable::embedded();
    let fleet = Fleet::load(&tree, &table, &ParseCache::default());
    let stubs = match Stubs::new(&tree, library) {
        Ok(stubs) => stubs,
        Err(why) => panic!("{name}: {why}"),
    };
    let hosts: Vec<String> = fleet.hosts.iter().map(|host| host.name.clone()).collect();
    let mut all: Vec<String> =
        record::host_names(directory, &stubs, library).unwrap_or_else(|why| {
            eprintln!("{name}: Nix cannot list the hosts: {}", first_line(&why));
            hosts.clone()
        });
    all.extend(hosts);
    all.sort();
    all.dedup();
    for host in all {
        tally.hosts += 1;
        match record::check(&fleet, &table, directory, &host, &stubs, library) {
            Ok(comparison) => {
                // A host of which less than half is compared counts for nothing.
                tally.recorded += usize::from(comparison.equal * 2 > comparison.modelled);
                tally.equal += comparison.equal;
                tally.unclear += comparison.unclear;
                eprintln!(
                    "{name} {host}: {} of {} definitions equal, {} paths unclear, {} differ",
                    comparison.equal,
                    comparison.modelled,
                    comparison.unclear,
                    comparison.differences.len()
                );
                for difference in comparison.differences {
                    tally.wrong.push(format!("{name} {host} {difference}"));
                }
            }
            Err(why) => eprintln!("{name} {host}: not recorded: {}", first_line(&why)),
        }
    }
}

fn first_line(text: &str) -> String {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default();
    let place = lines.next().unwrap_or_default();
    format!("{first} {}", place.trim())
}

fn report(tally: &Tally) {
    eprintln!(
        "{} of {} hosts recorded; {} definitions equal, {} paths unclear, {} differ",
        tally.recorded,
        tally.hosts,
        tally.equal,
        tally.unclear,
        tally.wrong.len()
    );
    for wrong in tally.wrong.iter().take(20) {
        eprintln!("  {}", wrong.chars().take(700).collect::<String>());
    }
}

/// A copy without what is no part of the flake.
pub fn copy(tree: &Tree, to: &Path) {
    for (path, kind) in tree.files() {
        let Ok(bytes) = tree.raw(path) else { continue };
        let place = to.join(path.as_str());
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        if kind == xtask::tree::Kind::Symlink {
            let target = String::from_utf8_lossy(&bytes).into_owned();
            std::os::unix::fs::symlink(target, place).unwrap();
        } else {
            std::fs::write(place, &*bytes).unwrap();
        }
    }
}

/// The fleets of a directory, by name.
pub fn foreign(fleets: &Path) -> Vec<(String, PathBuf)> {
    let mut found: Vec<(String, PathBuf)> = std::fs::read_dir(fleets)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, entry.path())
        })
        .filter(|(_, path)| path.join("flake.nix").is_file())
        .collect();
    found.sort();
    found
}

#[test]
fn own_hosts_are_recorded_as_the_model_says() {
    let Some(library) = library() else { return };
    let mut tally = Tally::default();
    let root = repository();
    check_fleet("hosts", &root, &library, &mut tally);
    let legacy = tempfile::tempdir().unwrap();
    let tree = tree_of(&root).unwrap();
    copy(&tree, legacy.path());
    check_fleet(
        "legacy",
        &legacy.path().join("tests/fixtures/legacy"),
        &library,
        &mut tally,
    );
    report(&tally);
    assert!(tally.wrong.is_empty());
    assert_eq!(tally.recorded, tally.hosts, "every host of ours evaluates");
    assert!(tally.equal > 2_000, "next to nothing is compared");
}

#[test]
#[ignore = "takes minutes"]
fn other_fleets_are_recorded_as_the_model_says() {
    let Some(library) = library() else { return };
    let Some(fleets) = need::need_directory("FLEET_TEST_FLEETS") else {
        eprintln!("SKIPPED: FLEET_TEST_FLEETS names no directory");
        return;
    };
    let mut tally = Tally::default();
    for (name, directory) in foreign(&fleets) {
        check_fleet(&name, &directory, &library, &mut tally);
    }
    report(&tally);
    assert!(tally.wrong.is_empty());
    assert!(
        tally.recorded * 10 >= tally.hosts * 6,
        "too few are recorded"
    );
}
