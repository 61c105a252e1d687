//! Installing packages on Debian and its relatives, where we may.

use std::ffi::OsStr;
use std::time::Duration;

use crate::process::{Invocation, RunError, Runner, find_program};

/// Why packages cannot be installed here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotInstall {
    /// Another distribution.
    #[error("this is no Debian: install it by hand")]
    NotDebian,
    /// Neither root nor a `sudo` that asks for nothing.
    #[error("only root may install packages: `sudo apt-get install {0}`")]
    NotAllowed(String),
    /// apt-get ran and failed.
    #[error("apt-get failed: {0}")]
    Failed(RunError),
}

/// Installs packages, with the package lists as they are, or else fresh ones.
///
/// # Errors
/// See [`CannotInstall`].
pub fn install(runner: &dyn Runner, packages: &[&str], path: &OsStr) -> Result<(), CannotInstall> {
    let apt = find_program("apt-get", path).ok_or(CannotInstall::NotDebian)?;
    let root = rustix::process::geteuid().is_root();
    if !root {
        let asked = Invocation::new("sudo").args(["--non-interactive", "true"]);
        let allowed = runner.run(&asked.deadline(Duration::from_secs(10)));
        allowed.map_err(|_| CannotInstall::NotAllowed(packages.join(" ")))?;
    }
    let call = |args: &[&str]| {
        let invocation = if root {
            Invocation::new(&apt)
        } else {
            Invocation::new("sudo")
                .args(["--non-interactive", "DEBIAN_FRONTEND=noninteractive"])
                .arg(&apt)
        };
        let invocation = invocation
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .deadline(Duration::from_secs(300));
        runner.run(&invocation)
    };
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(packages);
    if call(&install).is_ok() {
        return Ok(());
    }
    call(&["update"]).map_err(CannotInstall::Failed)?;
    call(&install).map_err(CannotInstall::Failed)?;
    Ok(())
}
