//! The one place that talks to Nix.
//!
//! Works with 2.8 and with what came after; where they differ, the version is
//! asked for once.

mod evaluate;
mod log;

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use evaluate::{EXPRESSION, EvaluationError, Event, Input, Itself, Request, below, under};
pub use log::{Line, NixMessage, Position, read as read_log};

use crate::problem::Problem;
use crate::process::{Invocation, RunError, Runner, find_program};

/// The oldest version that is known to work.
const OLDEST: Version = Version {
    major: 2,
    minor: 8,
    patch: 0,
};

/// A version of Nix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number; 0 where there is none.
    pub patch: u32,
}

impl Version {
    /// The version in what `nix --version` says: `nix (Nix) 2.34.8`; a suffix as
    /// in `2.19pre20231101` does not count.
    pub fn parse(said: &str) -> Option<Self> {
        let word = said.split_whitespace().next_back()?;
        let mut numbers = word.split(['.', '-', '+']).map(|part| {
            let digits = part.bytes().take_while(u8::is_ascii_digit).count();
            part.get(..digits)?.parse::<u32>().ok()
        });
        Some(Self {
            major: numbers.next()??,
            minor: numbers.next()??,
            patch: numbers.next().flatten().unwrap_or(0),
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Nix as it is installed.
#[derive(Clone)]
pub struct Nix {
    runner: Arc<dyn Runner>,
    program: PathBuf,
    version: Version,
}

impl Nix {
    /// Looks for Nix in `path` (the value of `PATH`).
    ///
    /// # Errors
    ///
    /// It is not there, does not run, or is too old.
    pub fn find(runner: Arc<dyn Runner>, path: &OsStr) -> Result<Self, Problem> {
        let Some(program) = find_program("nix", path) else {
            return Err(Problem::error("no-nix", "Nix is not installed").help(
                "`cargo xtask doctor` says how to get it; --no-nix does without where that is possible",
            ));
        };
        let asked = Invocation::new(&program)
            .arg("--version")
            .deadline(Duration::from_secs(20));
        let output = runner
            .run(&asked)
            .map_err(|error| Problem::error("no-nix", error.to_string()))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let Some(version) = Version::parse(&said) else {
            let what = format!(
                "`nix --version` says `{}`: no version that is known",
                said.trim()
            );
            return Err(Problem::error("no-nix", what));
        };
        if version < OLDEST {
            let what = format!("Nix {version} is too old: {OLDEST} is the least");
            return Err(Problem::error("no-nix", what).help("install a newer Nix"));
        }
        Ok(Self {
            runner,
            program,
            version,
        })
    }

    /// Which version it is.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Where it is.
    pub fn program(&self) -> &OsStr {
        self.program.as_os_str()
    }

    /// A command of Nix, which logs for machines.
    pub fn command(&self, words: &[&str]) -> Invocation {
        Invocation::new(&self.program)
            .args(words)
            .args(["--extra-experimental-features", "nix-command flakes"])
            .args(["--log-format", "internal-json"])
    }

    /// The command that builds a derivation, or fetches its output. The older
    /// program is used: what the newer one makes of the path of a derivation
    /// depends on its version.
    pub fn realisation(&self, derivation: &str, options: &[String]) -> Invocation {
        Invocation::new(self.program.with_file_name("nix-store"))
            .args(["--realise", derivation])
            .args(options)
            .args(["--log-format", "internal-json"])
    }

    /// The hash of a directory as a lock file would have it (`sha256-…`).
    ///
    /// # Errors
    ///
    /// Nix fails.
    pub fn hash(&self, directory: &OsStr) -> Result<String, RunError> {
        let asked = Invocation::new(&self.program)
            .args(["hash", "path", "--sri", "--type", "sha256"])
            .args(["--extra-experimental-features", "nix-command"])
            .arg(directory);
        let output = self.runner.run(&asked)?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Starts what [`Nix::command`] made, and hands on its log line by line.
    ///
    /// # Errors
    ///
    /// It does not start, is killed, runs into its deadline, or is interrupted;
    /// an exit status is none.
    pub fn follow(
        &self,
        invocation: &Invocation,
        line: &mut dyn FnMut(&str, Line),
    ) -> Result<i32, RunError> {
        let mut log = log::Log::default();
        let output = self
            .runner
            .follow(invocation, &mut |text| log.read(text, line))?;
        Ok(output.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_whatever_stands_around_them() {
        for (said, expect) in [
            ("nix (Nix) 2.8.0\n", Some("2.8.0")),
            ("nix (Nix) 2.34.8", Some("2.34.8")),
            ("nix (Nix) 2.19pre20231101_1f2a4", Some("2.19.0")),
            ("nix (Lix, like Nix) 2.91.1", Some("2.91.1")),
            ("nix (Determinate Nix 3.6.2) 2.29.0", Some("2.29.0")),
            ("nix", None),
            ("", None),
        ] {
            let version = Version::parse(said).map(|version| version.to_string());
            assert_eq!(version.as_deref(), expect, "{said}");
        }
    }
}
