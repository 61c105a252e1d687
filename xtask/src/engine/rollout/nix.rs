//! The operator's store: what is built here, held here, and brought to targets.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::agent::{NAME, SCRIPT, last};
use super::connection::Connection;
use crate::problem::Problem;
use crate::process::{Failure, Invocation, Runner};

/// The operator's store.
pub struct Store {
    runner: Arc<dyn Runner>,
    program: PathBuf,
    /// Options for building.
    pub options: Vec<String>,
    /// The target's side in it.
    pub agent: String,
    /// Where roots are kept that hold what is being rolled out.
    roots: PathBuf,
}

impl Store {
    /// Puts the target's side into the store. `program` is `nix`.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn open(
        runner: Arc<dyn Runner>,
        program: &OsStr,
        options: Vec<String>,
        roots: PathBuf,
    ) -> Result<Self, Problem> {
        let program = PathBuf::from(program);
        let failed = |text: String| Problem::error("no-store", text);
        let scratch = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
        let file = scratch.path().join(NAME);
        write_executable(&file).map_err(|error| failed(error.to_string()))?;
        let added = runner
            .run(
                &Invocation::new(program.with_file_name("nix-store"))
                    .arg("--add")
                    .arg(&file),
            )
            .map_err(|error| failed(error.to_string()))?;
        let agent = String::from_utf8_lossy(&added.stdout).trim().to_owned();
        Ok(Self {
            runner,
            program,
            options,
            agent,
            roots,
        })
    }

    fn nix(&self) -> Invocation {
        Invocation::new(&self.program).args(["--extra-experimental-features", "nix-command flakes"])
    }

    fn nix_store(&self) -> Invocation {
        Invocation::new(self.program.with_file_name("nix-store"))
    }

    fn run(&self, invocation: Invocation, patience: Duration) -> Result<(), String> {
        let invocation = invocation.deadline(patience);
        let started = self.runner.run(&invocation);
        started.map(|_| ()).map_err(|error| match error.failure {
            Failure::Deadline(limit) => {
                format!("it was not done within {:.0} s", limit.as_secs_f64())
            }
            _ => last(&error.to_string()),
        })
    }

    /// Builds a closure here, and holds it.
    ///
    /// # Errors
    /// What the build said.
    pub fn build(
        &self,
        host: &str,
        closure: &str,
        derivation: Option<&str>,
        patience: Duration,
    ) -> Result<(), String> {
        let there = Path::new(closure).exists();
        let what = match derivation {
            _ if there => closure,
            Some(derivation) => derivation,
            None => {
                return Err(format!(
                    "{closure} is gone, and what it was built from is unknown"
                ));
            }
        };
        fs::create_dir_all(&self.roots).map_err(|error| error.to_string())?;
        let root = self.roots.join(host);
        let build = self.nix_store().args(["--realise", what]);
        let build = build
            .args(&self.options)
            .args(["--indirect", "--add-root"])
            .arg(root);
        self.run(build, patience)?;
        if Path::new(closure).exists() {
            Ok(())
        } else {
            Err(format!("{what} does not build {closure}"))
        }
    }

    /// Brings paths of the store, with all that they need, to a host.
    ///
    /// # Errors
    /// What was said.
    pub fn copy(
        &self,
        connection: &Connection,
        paths: &[&str],
        substitute: bool,
        patience: Duration,
    ) -> Result<(), String> {
        let root = connection.open().map_err(super::connection::said)?;
        let address = connection.address();
        let mut host = address.host.clone();
        if host.contains(':') && !host.starts_with('[') {
            host = format!("[{host}]");
        }
        // A user who is not root may not write the store; sudo may be allowed to.
        let place = |scheme: &str, program: &str| match root {
            true => format!("{scheme}://{host}"),
            false => format!("{scheme}://{host}?remote-program=sudo%20-n%20{program}"),
        };
        let copy = |place: String| {
            let mut copy = self.nix().args(["copy", "--no-check-sigs", "--to", &place]);
            if substitute {
                copy = copy.arg("--substitute-on-destination");
            }
            // A derivation is brought as such, not what it would build.
            if paths.iter().any(|path| path.ends_with(".drv")) {
                copy = copy.arg("--derivation");
            }
            let copy = copy.args(paths).env("NIX_SSHOPTS", connection.for_nix());
            self.run(copy, patience)
        };
        match copy(place("ssh-ng", "nix-daemon")) {
            Err(said) if speaks_old(&said) => copy(place("ssh", "nix-store")),
            other => other,
        }
    }
}

/// Whether the target's Nix is too old for the newer protocol, or has no such program.
fn speaks_old(said: &str) -> bool {
    [
        "protocol",
        "nix-daemon",
        "not found",
        "unexpected end-of-file",
        "not allowed to execute",
    ]
    .iter()
    .any(|word| said.contains(word))
        && !said.contains("No space left")
}

#[cfg(unix)]
fn write_executable(file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::write(file, SCRIPT)?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))
}
