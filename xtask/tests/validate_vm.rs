//! `validate --only vm` on the offline stand-in: hosts boot in QEMU, and answer.
//!
//! `FLEET_VM_KERNEL` and `FLEET_VM_MODULES` name a kernel where the machine has none of
//! its own (see `scripts/testbed/kernel.sh`).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]

mod common;

use std::ffi::OsStr;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use common::{Repository, need};
use serde_json::Value;

const FLAKE: &str = r#"{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
  outputs = { self, nixpkgs }: {
    nixosConfigurations = nixpkgs.lib.mapAttrs (
      name: _:
      nixpkgs.lib.nixosSystem {
        modules = [
          (./hosts + "/${name}")
          {
            nixpkgs.hostPlatform = "x86_64-linux";
            networking.hostName = name;
            system.stateVersion = "25.11";
            boot.loader.grub.device = "/dev/sda";
            fileSystems."/" = { device = "/dev/sda1"; fsType = "ext4"; };
          }
        ];
      }
    ) (builtins.readDir ./hosts);
  };
}
"#;

/// One that answers, and one with a unit that cannot start.
fn fleet() -> Repository {
    Repository::new(&[
        ("flake.nix", FLAKE),
        (
            "hosts/good/default.nix",
            "{ services.nginx.enable = true; }\n",
        ),
        (
            "hosts/good/host.toml",
            "[[health]]\nkind = \"http\"\nurl = \"http://good.example/\"\n\n[[health]]\nkind = \"tcp\"\nport = 80\n\n[[health]]\nkind = \"unit\"\nname = \"nginx.service\"\n",
        ),
        (
            "hosts/bad/default.nix",
            "{ systemd.services.seed = { wantedBy = [ \"multi-user.target\" ]; serviceConfig = { Type = \"oneshot\"; ExecStart = \"/bin/false\"; }; }; }\n",
        ),
    ])
}

fn validate(repository: &Repository, path: &OsStr, only: &str) -> (i32, Vec<Value>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["validate", "--json", "--offline", "--only", only, "--repo"])
        .arg(repository.root())
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), lines.collect(), said)
}

fn task<'a>(lines: &'a [Value], host: &str) -> &'a Value {
    let mut lines = lines.iter();
    lines
        .find(|it| it["event"] == "task" && it["task"] == "vm" && it["host"] == host)
        .unwrap()
}

#[test]
fn a_host_boots_and_one_that_cannot_says_why() {
    for program in ["nix", "qemu-system-x86_64", "busybox", "cpio"] {
        if need::need_program(program).is_none() {
            return;
        }
    }
    if std::env::var_os("FLEET_VM_KERNEL").is_none()
        && need::need_directory("FLEET_VM_MODULES").is_none()
    {
        return;
    }
    let path = std::env::var_os("PATH").unwrap();
    let (status, lines, said) = validate(&fleet(), &path, "vm");
    assert_eq!(status, 1, "{said}");
    let good = task(&lines, "good");
    assert_eq!(good["outcome"], "passed", "{said}");
    assert_eq!(good["checks"].as_array().unwrap().len(), 2, "{good}");
    assert_eq!(good["left_out"], serde_json::json!(["unit nginx.service"]));
    let bad = task(&lines, "bad");
    assert_eq!(bad["outcome"], "failed");
    let problem = bad["problem"]["message"].as_str().unwrap();
    assert!(problem.starts_with("bad: the boot failed"), "{problem}");
    assert!(
        problem.contains("Failed to start seed.service"),
        "{problem}"
    );
    assert!(said.contains("vm-failed: bad: "), "{said}");
    let last = lines.last().unwrap();
    assert_eq!((&last["passed"], &last["failed"]), (&1.into(), &1.into()));
}

#[test]
fn without_an_emulator_it_is_skipped_which_is_no_pass() {
    let directory = tempfile::tempdir().unwrap();
    for program in ["nix", "nix-store", "git", "sh", "true"] {
        let Some(place) = need::need_program(program) else {
            return;
        };
        symlink(place, directory.path().join(program)).unwrap();
    }
    let (status, lines, said) = validate(&fleet(), directory.path().as_os_str(), "vm");
    assert_eq!(status, 2, "{said}");
    assert_eq!(task(&lines, "good")["outcome"], "skipped");
    assert!(
        said.contains("vm-skipped: good: not booted: there is no qemu-system-"),
        "{said}"
    );
    let last = lines.last().unwrap();
    assert_eq!((&last["passed"], &last["skipped"]), (&0.into(), &2.into()));
}
