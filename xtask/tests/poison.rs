//! The record of an evaluation against a fleet of 17 hosts with a real nixpkgs: what
//! stands outside of it may be poison, and whatever stands in it counts.
//!
//! `FLEET_TEST_NIXPKGS` names the nixpkgs (20.09).
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::panic
)]

#[allow(dead_code)]
#[path = "common/hedge.rs"]
mod hedge;

#[allow(dead_code)]
#[path = "common/need.rs"]
mod need;

#[path = "common/snapshot.rs"]
mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use hedge::Hedge;
use serde_json::Value;
use xtask::edit::{Change, ChangeSet};
use xtask::tree::TreePath;
use xtask::validate::reads::Digests;
use xtask::validate::record::{Now, Record, Records};

/// By host: its derivation, and whether it was known from before.
fn validate(root: &Path, arguments: &[&str]) -> BTreeMap<String, (String, bool)> {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["validate", "--json", "--only", "eval", "--repo"])
        .arg(root)
        .args(arguments)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["event"] == "task")
        .map(|event| {
            let text = |name: &str| event[name].as_str().unwrap().to_owned();
            let known = event["cached"].as_bool().unwrap();
            (text("host"), (text("derivation"), known))
        })
        .collect()
}

/// Every host's record, by its derivation.
fn records(root: &Path) -> BTreeMap<String, Record> {
    std::fs::read_dir(root.join(".git/fleet/evaluations"))
        .unwrap()
        .flat_map(|file| Records::read(&std::fs::read(file.unwrap().path()).unwrap()).0)
        .map(|record| (record.facts.derivation.clone().unwrap(), record))
        .collect()
}

#[test]
#[ignore = "takes minutes"]
fn poison_outside_of_the_records_changes_nothing_and_what_is_inside_counts() {
    if need::need_nix().is_none() || need::need_tracing().is_none() {
        return;
    }
    let Some(nixpkgs) = need::need_directory("FLEET_TEST_NIXPKGS") else {
        return;
    };
    let hedge = Hedge::new(&nixpkgs);
    let root = hedge.root();
    let before = validate(&root, &[]);
    assert_eq!(before.len(), 17);
    let records = records(&root);
    let listed = hedge.git(&["ls-files"]);
    // The lock counts as a whole, beside the files.
    let files = listed.lines().filter(|file| *file != "flake.lock");
    let files: BTreeSet<&str> = files.collect();
    let mut poisoned = 0;
    let mut unchanged = BTreeMap::from([("clean", 0), ("dirty", 0), ("known", 0)]);
    for (host, (derivation, _)) in &before {
        let record = &records[derivation];
        let read: BTreeSet<&str> = record.reads.keys().map(TreePath::as_str).collect();
        let unread: Vec<&&str> = files.difference(&read).collect();
        assert!(!unread.is_empty(), "{host} reads everything");
        poisoned += unread.len();
        for file in unread {
            std::fs::write(root.join(file), "throw \"poison\"\n").unwrap();
        }
        for (state, arguments) in [
            ("known", &["--host", host.as_str()][..]),
            ("dirty", &["--fresh", "--host", host]),
            ("clean", &["--fresh", "--host", host]),
        ] {
            if state == "clean" {
                hedge.commit("poison");
            }
            let (after, known) = &validate(&root, arguments)[host];
            assert_eq!(after, derivation, "{host}, {state}");
            assert_eq!(*known, state == "known", "{host}, {state}");
            *unchanged.entry(state).or_default() += 1;
        }
        hedge.git(&["reset", "--quiet", "--hard", "HEAD^"]);
    }
    eprintln!("{poisoned} files poisoned, derivations as they were: {unchanged:?} of 17");

    // Every file of a record, one at a time.
    let tree = snapshot::tree_of(&root).unwrap();
    let (mut changed, mut noticed) = (0, 0);
    for record in before.values().map(|(it, _)| &records[it]) {
        let holds = |tree: &xtask::tree::Tree| {
            record.holds(&Now {
                setting: &record.setting,
                revision: record.revision.as_deref().unwrap_or_default(),
                clean: record.clean.unwrap_or(true),
                digests: &Digests::new(tree),
            })
        };
        assert!(holds(&tree));
        for path in record.reads.keys().filter(|it| files.contains(it.as_str())) {
            let before = tree.raw(path).unwrap().to_vec();
            let contents = [before.as_slice(), b"\n"].concat();
            let change = Change::Modify { before, contents };
            changed += 1;
            let after = tree.with(&ChangeSet::from([(path.clone(), change)]));
            noticed += usize::from(!holds(&after));
        }
    }
    eprintln!("{changed} changes of recorded files, {noticed} noticed");
    assert_eq!(changed, noticed);
    // And as the command does it, once for every host.
    let mut again = 0;
    for (host, (derivation, _)) in &before {
        let record = &records[derivation];
        let mut own = record.reads.keys().map(TreePath::as_str);
        let file = own.find(|file| file.contains(&format!("/{host}/")) && files.contains(file));
        let file = root.join(file.unwrap());
        let text = std::fs::read(&file).unwrap();
        std::fs::write(&file, [text.as_slice(), b"\n"].concat()).unwrap();
        let (_, known) = validate(&root, &["--host", host])[host];
        again += usize::from(!known);
        std::fs::write(&file, text).unwrap();
    }
    eprintln!("{again} of 17 hosts evaluated again after a change to a file of their own");
    assert_eq!(again, 17);
}
