//! The root of the machines that rollouts are tested on.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Skip;
use super::newer_nix::cache;
use crate::cli::context::Context;
use crate::process::{Invocation, find_program};
use crate::tools::debian;

/// Names it to the tests.
pub(super) const VARIABLE: &str = "FLEET_TEST_TARGET";

/// Programs that it takes, and the packages that have them.
const NEEDED: &[(&str, &str)] = &[
    ("debootstrap", "debootstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("ip", "iproute2"),
    ("ssh", "openssh-client"),
    ("curl", "curl"),
];

/// What a few tests need, and skip without: an operator whose clock is wrong.
const USEFUL: (&str, &str) = ("faketime", "faketime");

/// How long it may take to be made.
const PATIENCE: Duration = Duration::from_secs(600);

/// The root that the environment names, one that was made before, or one that is
/// made now where `install` allows it.
pub(super) fn prepare(
    root: &Path,
    install: bool,
    context: &Context,
    path: &OsStr,
) -> Result<PathBuf, Skip> {
    let skip = |reason: String| Skip {
        need: "testbed".to_owned(),
        test: "everything on real targets".to_owned(),
        reason,
    };
    if let Some(named) = std::env::var_os(VARIABLE) {
        return Ok(named.into());
    }
    let Some(cache) = cache() else {
        return Err(skip("neither XDG_CACHE_HOME nor HOME is set".to_owned()));
    };
    if !rustix::process::geteuid().is_root() {
        return Err(skip("only root may make machines".to_owned()));
    }
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(program, _)| find_program(program, path).is_none())
        .map(|(_, package)| *package)
        .collect();
    if !missing.is_empty() {
        if !install {
            return Err(skip(format!("{} not there", missing.join(", "))));
        }
        debian::install(&*context.runner, &missing, path)
            .map_err(|error| skip(format!("{}: {error}", missing.join(", "))))?;
    }
    if install && find_program(USEFUL.0, path).is_none() {
        // The test says that it is missing.
        let _ = debian::install(&*context.runner, &[USEFUL.1], path);
    }
    let place = cache.join("target-bookworm");
    // Written last: it is whole.
    if place.join("etc/NIXOS").is_file() {
        return Ok(place);
    }
    if !install {
        return Err(skip(
            "not there, and nothing was to be installed".to_owned(),
        ));
    }
    std::fs::create_dir_all(&cache).map_err(|error| skip(error.to_string()))?;
    context
        .ui
        .remark("making the root of the machines that rollouts are tested on");
    let setup = Invocation::new(root.join("scripts/testbed/root.sh"))
        .arg(&place)
        .deadline(PATIENCE);
    match context.runner.run(&setup) {
        Ok(_) => Ok(place),
        Err(error) => Err(skip(error.to_string())),
    }
}
