//! A newer Nix beside the machine's own, for tests that run with both.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Skip;
use crate::cli::context::Context;
use crate::process::{Invocation, find_program};
use crate::tools::debian;

/// Names the directory of its programs to the tests.
pub(super) const VARIABLE: &str = "FLEET_TEST_NIX_NEW";

/// Releases of Debian that have one, the newest first.
const RELEASES: &[&str] = &["sid", "trixie"];

/// How long a release may take to be fetched.
const PATIENCE: Duration = Duration::from_secs(300);

/// The directory of its programs: the one that the environment names, one that was
/// set up before, or one that is set up now where `install` allows it.
pub(super) fn prepare(
    root: &Path,
    install: bool,
    context: &Context,
    path: &OsStr,
) -> Result<PathBuf, Skip> {
    let skip = |reason: String| Skip {
        need: VARIABLE.to_owned(),
        test: "everything with a newer Nix".to_owned(),
        reason,
    };
    if let Some(named) = std::env::var_os(VARIABLE) {
        return Ok(named.into());
    }
    let Some(cache) = cache() else {
        return Err(skip("neither XDG_CACHE_HOME nor HOME is set".to_owned()));
    };
    let place = |release: &str| cache.join(format!("nix-{release}"));
    let bin = |release: &&str| place(release).join("bin");
    if let Some(ready) = RELEASES
        .iter()
        .map(bin)
        .find(|bin| bin.join("nix").is_file())
    {
        return Ok(ready);
    }
    if !install {
        return Err(skip(
            "not there, and nothing was to be installed".to_owned(),
        ));
    }
    if find_program("patchelf", path).is_none() {
        debian::install(&*context.runner, &["patchelf"], path)
            .map_err(|error| skip(format!("patchelf: {error}")))?;
    }
    let mut reason = String::new();
    for release in RELEASES {
        context
            .ui
            .remark(&format!("setting up the Nix of {release}"));
        let setup = Invocation::new(root.join("scripts/testbed/nix.sh"))
            .arg(release)
            .arg(place(release))
            .deadline(PATIENCE);
        match context.runner.run(&setup) {
            Ok(_) => return Ok(bin(release)),
            Err(error) => reason = error.to_string(),
        }
        if context.cancel.is_cancelled() {
            break;
        }
    }
    Err(skip(reason))
}

/// Where this tool keeps what takes long to get.
pub(super) fn cache() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|it| !it.is_empty());
    let base = variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|it| it.is_absolute())
        .or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cache")))?;
    Some(base.join("fleet"))
}
