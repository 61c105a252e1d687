//! What is parsed and printed is what was there, to the byte, in every Nix file
//! of a nixpkgs (`FLEET_TEST_NIXPKGS`) and of other people's fleets
//! (`FLEET_TEST_FLEETS`, one directory each); they are only read.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_macros)]

mod common;

use std::path::{Path, PathBuf};

use common::need::need_directory;
use rayon::prelude::*;
use rowan::ast::AstNode;
use xtask::syntax;

/// What became of the files of one directory.
#[derive(Default, Debug, PartialEq, Eq)]
struct Tally {
    /// Printed as they were.
    same: usize,
    /// Of those, files that are no valid Nix.
    invalid: usize,
    /// Not UTF-8, so never parsed at all.
    no_text: usize,
    changed: Vec<PathBuf>,
}

impl Tally {
    fn of(path: &Path) -> Self {
        let mut tally = Self::default();
        match String::from_utf8(std::fs::read(path).unwrap()) {
            Err(_) => tally.no_text = 1,
            Ok(text) => {
                let (root, errors) = syntax::parse(&text);
                if root.syntax().to_string() == text {
                    tally.same = 1;
                    tally.invalid = usize::from(!errors.is_empty());
                } else {
                    tally.changed.push(path.to_owned());
                }
            }
        }
        tally
    }

    fn plus(mut self, other: Self) -> Self {
        self.same += other.same;
        self.invalid += other.invalid;
        self.no_text += other.no_text;
        self.changed.extend(other.changed);
        self
    }
}

fn nix_files(root: &Path) -> Vec<PathBuf> {
    ignore::WalkBuilder::new(root)
        .standard_filters(false)
        .build()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .map(ignore::DirEntry::into_path)
        .filter(|path| path.extension().is_some_and(|end| end == "nix"))
        .collect()
}

fn check(variable: &'static str) {
    let Some(root) = need_directory(variable) else {
        return;
    };
    let files = nix_files(&root);
    let tally = files
        .par_iter()
        .map(|path| Tally::of(path))
        .reduce(Tally::default, Tally::plus);
    println!(
        "{variable}: {} files: {} as they were ({} of them no valid Nix), {} not UTF-8, {} changed",
        files.len(),
        tally.same,
        tally.invalid,
        tally.no_text,
        tally.changed.len()
    );
    assert!(!files.is_empty(), "{variable} holds no Nix file");
    assert!(tally.changed.is_empty(), "{:#?}", tally.changed);
}

#[test]
fn nixpkgs_is_printed_as_it_was() {
    check("FLEET_TEST_NIXPKGS");
}

#[test]
fn other_fleets_are_printed_as_they_were() {
    check("FLEET_TEST_FLEETS");
}
