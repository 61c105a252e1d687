//! Fleets in temporary repositories, and the place where Nix looks at them.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::need;

/// By host; `None` for a host that does not evaluate.
pub type Derivations = BTreeMap<String, Option<String>>;

/// A copy of a fleet in a repository of its own, everything committed.
pub struct Fleet {
    outer: TempDir,
}

impl Fleet {
    pub fn copy(fixture: &Path) -> Self {
        let fleet = Self {
            outer: tempfile::tempdir().unwrap(),
        };
        copy(fixture, &fleet.root());
        fleet.git(&["init", "--quiet", "--initial-branch=main"]);
        fleet.git(&["config", "user.name", "t"]);
        fleet.git(&["config", "user.email", "t@host.example"]);
        fleet.commit();
        fleet
    }

    pub fn root(&self) -> PathBuf {
        self.outer.path().join("fleet")
    }

    pub fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "state"]);
    }

    fn git(&self, arguments: &[&str]) {
        let status = Command::new("git")
            .args(arguments)
            .current_dir(self.root())
            .status()
            .unwrap();
        assert!(status.success(), "git {arguments:?}");
    }

    /// Puts `new` for the one place where a file says `old`.
    pub fn replace(&self, file: &str, old: &str, new: &str) {
        let path = self.root().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(old).count(), 1, "{file}: {old}");
        fs::write(path, text.replacen(old, new, 1)).unwrap();
    }

    /// Migrates a host, commits the result, and says how every host of the fleet was
    /// judged by module input.
    pub fn migrate(&self, host: &str) -> Judgement {
        let document = self.xtask(&["migrate", "host", host, "--commit", "--no-nix"]);
        let outcome = document["hosts"][0]["outcome"].as_str().unwrap().to_owned();
        let against = if outcome == "migrated" {
            "HEAD~1"
        } else {
            "HEAD"
        };
        Judgement {
            outcome,
            verdicts: self.prove(against),
        }
    }

    /// Every host of the working tree, judged against a revision by module input.
    pub fn prove(&self, revision: &str) -> BTreeMap<String, String> {
        let document = self.xtask(&["prove", revision, "--no-nix"]);
        document["hosts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|host| {
                let verdict = &host["proof"]["definitions"];
                (text(&host["name"]), text(verdict))
            })
            .collect()
    }

    fn xtask(&self, arguments: &[&str]) -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["--json", "--yes", "--offline", "--repo"])
            .arg(self.root())
            .args(arguments)
            .output()
            .unwrap();
        let status = output.status.code();
        assert!(
            matches!(status, Some(0 | 1)),
            "{arguments:?}: {status:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// What the tool says of one change.
#[derive(Debug)]
pub struct Judgement {
    pub outcome: String,
    pub verdicts: BTreeMap<String, String>,
}

impl Deref for Judgement {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.verdicts
    }
}

/// One path where trees stand, one after the other, while Nix looks at them.
pub struct Place {
    outer: TempDir,
    nixpkgs: PathBuf,
}

impl Place {
    /// `None`, and noted, without Nix or without a nixpkgs.
    pub fn new() -> Option<Self> {
        need::need_program("nix-instantiate")?;
        let nixpkgs = need::need_directory("FLEET_TEST_NIXPKGS")?;
        if !nixpkgs.join("nixos/lib/eval-config.nix").is_file() {
            need::skip("FLEET_TEST_NIXPKGS", "it holds no NixOS");
            return None;
        }
        Some(Self {
            outer: tempfile::tempdir().unwrap(),
            nixpkgs,
        })
    }

    /// The toplevel derivation of every host.
    pub fn derivations(&self, fleet: &Fleet) -> Derivations {
        self.ask(fleet, &[]).unwrap()
    }

    /// The toplevel derivation of one host. The error is what Nix says.
    pub fn derivation(&self, fleet: &Fleet, host: &str) -> Result<Option<String>, String> {
        let mut found = self.ask(fleet, &["--argstr", "only", host])?;
        Ok(found.remove(host).flatten())
    }

    fn ask(&self, fleet: &Fleet, arguments: &[&str]) -> Result<Derivations, String> {
        let place = self.outer.path().join("fleet");
        // Beside the place first, so that what Nix sees is whole or absent.
        let aside = self.outer.path().join("aside");
        copy(&fleet.root(), &aside);
        fs::rename(&aside, &place).unwrap();
        let output = Command::new("nix-instantiate")
            .args(["--eval", "--strict", "--json", "--read-write-mode"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/derivations/toplevels.nix"))
            .args(["--argstr", "nixpkgs"])
            .arg(&self.nixpkgs)
            .args(["--argstr", "place"])
            .arg(&place)
            .args(arguments)
            .env("NIX_PATH", "")
            .env("GC_INITIAL_HEAP_SIZE", "1G")
            .output()
            .unwrap();
        fs::remove_dir_all(&place).unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
    }
}

/// All files but git's own; modes and links as they are.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if entry.file_name() == ".git" {
            continue;
        }
        if kind.is_dir() {
            copy(&source, &target);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source).unwrap(), target).unwrap();
        } else {
            fs::copy(&source, target).unwrap();
        }
    }
}
