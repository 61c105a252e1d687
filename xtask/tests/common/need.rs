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

/// Nix, if it can make a derivation here; `None`, noted, if it is not there or
/// may not write its store.
#[allow(dead_code, clippy::disallowed_methods)]
pub fn need_nix() -> Option<()> {
    need_program("nix")?;
    let expression = "derivation { name = \"x\"; system = \"x\"; builder = \"/bin/sh\"; }";
    let output = std::process::Command::new("nix-instantiate")
        .args(["--expr", expression])
        .output()
        .ok();
    match output {
        Some(output) if output.status.success() => Some(()),
        Some(output) => {
            skip("nix", &String::from_utf8_lossy(&output.stderr));
            None
        }
        None => {
            skip("nix", "there is no nix-instantiate");
            None
        }
    }
}

/// Processes may be traced; `None`, noted, if they may not.
#[allow(dead_code)]
pub fn need_tracing() -> Option<()> {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_xtask"));
    let runner = xtask::process::DuctRunner::default();
    let found = xtask::engine::tracer::Tracer::find(&runner, program);
    if found.is_none() {
        skip("tracing", "processes may not be traced here");
    }
    found.map(|_| ())
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

/// Runs all other tests of this program once more, with a newer Nix than the
/// machine's own before it: `FLEET_TEST_NIX_NEW` names the directory of its
/// programs. `itself` is the test that calls this.
#[allow(clippy::disallowed_methods)]
pub fn again_with_newer_nix(itself: &str) {
    let Some(directory) = need_directory("FLEET_TEST_NIX_NEW") else {
        return;
    };
    assert!(directory.join("nix").is_file(), "{}", directory.display());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(directory).chain(std::env::split_paths(&path));
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--skip", itself])
        .env("PATH", std::env::join_paths(path).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{error}");
    assert!(!said.contains(" 0 passed"), "{said}");
}
