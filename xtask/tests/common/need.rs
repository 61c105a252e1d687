//! Tests that need something which may not be there.
//!
//! A test begins with `let Some(x) = need(…) else { return };`. What is missing
//! is noted for `cargo xtask test`, which counts the test as skipped and says why.

use std::io::Write;

/// Notes that the running test is skipped for want of `what`.
pub fn skip(what: &str, reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    eprintln!("skipped for want of {what}: {reason}");
    let Some(file) = std::env::var_os("FLEET_TEST_SKIPS") else {
        return;
    };
    let line = format!("{what}\t{test}\t{}\n", reason.replace(['\n', '\t'], " "));
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(file)
        .unwrap();
    // One write: tests run side by side.
    file.write_all(line.as_bytes()).unwrap();
}

/// A program by its name; `None`, noted, if it is not there.
pub fn need_program(name: &'static str) -> Option<std::path::PathBuf> {
    let found = std::env::var_os("PATH").and_then(|path| xtask::process::find_program(name, &path));
    if found.is_none() {
        skip(name, "there is no such program");
    }
    found
}

/// A directory that an environment variable names; `None`, noted, if it does not.
pub fn need_directory(variable: &'static str) -> Option<std::path::PathBuf> {
    let found = std::env::var_os(variable)
        .map(std::path::PathBuf::from)
        .filter(|path| path.is_dir());
    if found.is_none() {
        skip(variable, "this variable names no directory");
    }
    found
}
