//! The offline stand-in: its data is current.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_macros)]

#[allow(dead_code)]
mod common;

use std::path::Path;

use xtask::process::{DuctRunner, Invocation, Runner};

use common::need;

#[test]
fn the_table_of_options_is_current() {
    if need::need_program("python3").is_none() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let check = Invocation::new("python3")
        .arg("scripts/option-table/nested.py")
        .arg("--check")
        .directory(root);
    if let Err(why) = DuctRunner::default().run(&check) {
        panic!("{why}");
    }
}
