//! Programs that this tool works with: where they are, which version they
//! have, and where they come from.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use crate::process::{Invocation, Runner, find_program};

/// How much depends on a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing useful works without it.
    Required,
    /// Some commands need it.
    Optional,
}

/// A program that somebody may want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// The argument that makes it say its version.
    pub version: &'static str,
    /// How much depends on it.
    pub need: Need,
    /// What it is for.
    pub purpose: &'static str,
    /// The Debian package that has it; empty where only nixpkgs has it.
    pub package: &'static str,
}

/// All of them, in the order in which people meet them.
pub const PROGRAMS: &[Program] = &[
    Program {
        name: "git",
        version: "--version",
        need: Need::Required,
        purpose: "knowing what a flake sees, and taking changes back",
        package: "git",
    },
    Program {
        name: "nix",
        version: "--version",
        need: Need::Optional,
        purpose: "the proof by derivation, building and deploying",
        package: "nix-bin",
    },
    Program {
        name: "ssh",
        version: "-V",
        need: Need::Optional,
        purpose: "reaching hosts",
        package: "openssh-client",
    },
    Program {
        name: "age",
        version: "--version",
        need: Need::Optional,
        purpose: "reading secrets in tests",
        package: "age",
    },
    Program {
        name: "qemu-system-x86_64",
        version: "--version",
        need: Need::Optional,
        purpose: "VM tests",
        package: "qemu-system-x86",
    },
    Program {
        name: "nixfmt",
        version: "--version",
        need: Need::Optional,
        purpose: "formatting generated Nix as the repository does",
        package: "",
    },
];

/// A program that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub path: PathBuf,
    /// What it says of itself, one line; `None` if it does not run.
    pub version: Option<String>,
}

/// The program of this name in the list.
pub fn program(name: &str) -> Option<&'static Program> {
    PROGRAMS.iter().find(|program| program.name == name)
}

/// Looks for a program in `path` and asks for its version.
pub fn find(runner: &dyn Runner, program: &Program, path: &OsStr) -> Option<Found> {
    let place = find_program(program.name, path)?;
    let asked = Invocation::new(&place)
        .arg(program.version)
        .deadline(Duration::from_secs(10));
    let version = runner.run_unchecked(&asked).ok().and_then(|output| {
        // ssh says it on standard error.
        let said = if output.stdout.is_empty() {
            output.stderr
        } else {
            output.stdout
        };
        let said = String::from_utf8_lossy(&said).into_owned();
        let line = said.lines().next().unwrap_or_default().trim().to_owned();
        (!line.is_empty() && output.status == 0).then_some(line)
    });
    Some(Found {
        path: place,
        version,
    })
}
