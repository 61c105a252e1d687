//! Asking real Nix.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::need;

/// Directories with nixpkgs' `lib`; empty, and said so, where there are none.
pub fn libraries() -> Vec<PathBuf> {
    if need::need_program("nix-instantiate").is_none() {
        eprintln!("SKIPPED: there is no nix-instantiate");
        return Vec::new();
    }
    let mut found = Vec::new();
    if let Some(nixpkgs) = std::env::var_os("FLEET_TEST_NIXPKGS") {
        found.push(PathBuf::from(nixpkgs).join("lib"));
    }
    if let Some(more) = std::env::var_os("FLEET_TEST_NIXPKGS_LIB") {
        found.extend(std::env::split_paths(&more).map(|path| {
            if path.join("lib/default.nix").is_file() {
                path.join("lib")
            } else {
                path
            }
        }));
    }
    found.retain(|path| path.join("modules.nix").is_file());
    if found.is_empty() {
        need::skip("FLEET_TEST_NIXPKGS", "this variable names no nixpkgs");
        eprintln!("SKIPPED: neither FLEET_TEST_NIXPKGS nor FLEET_TEST_NIXPKGS_LIB names a nixpkgs");
    }
    found
}

/// Evaluates a file of this directory, called with these arguments: each a Nix
/// expression. The error is what Nix says, with all that led there.
pub fn evaluate(file: &str, arguments: &[(&str, &str)]) -> Result<serde_json::Value, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/oracle")
        .join(file);
    let mut command = Command::new("nix-instantiate");
    command
        .args(["--eval", "--strict", "--json", "--show-trace"])
        .arg(script)
        .env("NIX_PATH", "")
        .env("GC_INITIAL_HEAP_SIZE", "256M")
        // Stand-ins that are walked through by name have no end.
        .env("GC_MAXIMUM_HEAP_SIZE", "3G");
    for (name, expression) in arguments {
        command.args(["--arg", name, expression]);
    }
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}
