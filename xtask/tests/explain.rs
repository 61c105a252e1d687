//! `explain`, `baseline` and `pins` from outside.
//!
//! What needs Nix is skipped, and says so, without it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]

mod common;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use common::Repository;
use serde_json::Value;

const FLAKE: &str = r#"{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
  outputs = { self, nixpkgs }: {
    nixosConfigurations = builtins.mapAttrs (
      name: _:
      nixpkgs.lib.nixosSystem {
        modules = [
          (./hosts + "/${name}")
          { nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = name; }
        ];
      }
    ) (builtins.readDir ./hosts);
  };
}
"#;

const HOST: &str = r#"{ pkgs, ... }:
{
  system.stateVersion = "25.11";
  networking.domain = "fleet.example";
  boot.loader.grub.device = "/dev/sda";
  fileSystems."/" = { device = "/dev/sda1"; fsType = "ext4"; };
  environment.etc.motd.text = "hello";
  systemd.services.backup = {
    wantedBy = [ "multi-user.target" ];
    script = "echo backup";
  };
}
"#;

fn fleet() -> Repository {
    Repository::new(&[
        ("flake.nix", FLAKE),
        ("hosts/one/default.nix", HOST),
        ("hosts/two/default.nix", HOST),
    ])
}

fn xtask(root: &Path, args: &[&str]) -> (i32, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("--repo")
        .arg(root)
        .args(["--json", "--offline"])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap(), json, error)
}

#[test]
fn a_changed_span_leads_to_option_and_unit() {
    if common::need::need_nix().is_none() {
        return;
    }
    let repository = fleet();
    repository.write(
        "hosts/one/default.nix",
        &HOST
            .replace("echo backup", "echo other")
            .replace("\"hello\"", "\"bye\""),
    );
    let (status, json, error) = xtask(&repository.root(), &["explain", "one"]);
    assert_eq!(status, 0, "{error}");
    let options = json["options"].as_array().unwrap();
    let option = |path: &str| {
        let mut options = options.iter();
        options
            .find(|it| it["path"] == path)
            .unwrap_or_else(|| panic!("{path}: {json:#}"))
    };
    for (path, leaf) in [
        ("systemd.services.backup.script", "backup"),
        ("environment.etc.motd.text", "motd"),
    ] {
        let option = option(path);
        assert_eq!(option["after"][0]["path"], "hosts/one/default.nix");
        let reached = option["derivations"].to_string();
        assert!(reached.contains(leaf), "{path}: {reached}");
    }
    assert_eq!(options.len(), 2);
    assert_ne!(json["before"], json["after"]);
    // The other host did not change, and neither does a range without a change.
    let (_, json, _) = xtask(&repository.root(), &["explain", "two"]);
    assert_eq!(json["before"], json["after"]);
    assert_eq!(json["options"].as_array().unwrap().len(), 0);
    let (_, json, _) = xtask(&repository.root(), &["explain", "one", "HEAD..HEAD"]);
    assert_eq!(json["derivations"].as_array().unwrap().len(), 0);
    let (status, _, error) = xtask(&repository.root(), &["explain", "onne"]);
    assert_eq!(status, 2);
    assert!(error.contains("did you mean `one`?"), "{error}");
}

#[test]
fn a_baseline_names_what_differs() {
    if common::need::need_nix().is_none() {
        return;
    }
    let repository = fleet();
    let root = repository.root();
    let (status, _, error) = xtask(&root, &["baseline", "check"]);
    assert_eq!(status, 2, "{error}");
    assert!(error.contains("no-baseline"), "{error}");
    let (status, json, error) = xtask(&root, &["baseline", "record"]);
    assert_eq!(status, 0, "{error}");
    assert_eq!(json["hosts"].as_object().unwrap().len(), 2);
    assert_eq!(xtask(&root, &["baseline", "check"]).0, 0);
    repository.write("hosts/one/default.nix", &HOST.replace("hello", "bye"));
    repository.write("hosts/new/default.nix", HOST);
    repository.git(&["add", "."]);
    let (status, json, error) = xtask(&root, &["baseline", "check"]);
    assert_eq!(status, 1, "{error}");
    let outcomes: Vec<(&str, &str)> = json["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["name"].as_str().unwrap(),
                it["outcome"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        outcomes,
        [("new", "new"), ("one", "different"), ("two", "equal")]
    );
    // A host that fails is no baseline, and none that is equal.
    repository.write(
        "hosts/two/default.nix",
        "{ networking.hostName = missing; }\n",
    );
    assert_eq!(xtask(&root, &["baseline", "check"]).0, 1);
    assert_eq!(xtask(&root, &["baseline", "record"]).0, 1);
    assert!(
        repository
            .git(&["status", "--porcelain", "--untracked-files=all"])
            .stdout
            .len()
            < 100
    );
}

#[test]
fn pins_are_listed_and_duplicates_told() {
    let repository = fleet();
    let (status, _, error) = xtask(&repository.root(), &["pins"]);
    assert_eq!(status, 2);
    assert!(error.contains("no-lock"), "{error}");
    repository.write(
        "flake.lock",
        r#"{ "root": "root", "version": 7, "nodes": {
          "root": { "inputs": { "nixpkgs": "nixpkgs", "tool": "tool" } },
          "nixpkgs": { "locked": { "type": "github", "owner": "NixOS", "repo": "nixpkgs", "rev": "aaaa", "lastModified": 86400 } },
          "other": { "locked": { "type": "github", "owner": "NixOS", "repo": "nixpkgs", "rev": "bbbb", "lastModified": 86400 } },
          "tool": { "inputs": { "nixpkgs": "other" }, "locked": { "type": "github", "owner": "o", "repo": "tool", "rev": "cccc" } } } }"#,
    );
    repository.git(&["add", "."]);
    let (status, json, error) = xtask(&repository.root(), &["pins"]);
    assert_eq!(status, 0, "{error}");
    assert_eq!(json["inputs"][0]["date"], "1970-01-02");
    // Its library makes them, though no module names it.
    assert_eq!(
        json["inputs"][0]["hosts"],
        serde_json::json!(["one", "two"])
    );
    assert!(
        error.contains("duplicate-input: github:nixos/nixpkgs"),
        "{error}"
    );
    assert_eq!(xtask(&repository.root(), &["pins", "--max-age", "30"]).0, 1);
}

/// A line in which one plain value is another one.
fn changed(line: &str) -> Option<String> {
    if line.trim_start().starts_with('#') {
        return None;
    }
    let (before, value) = line.split_once(" = ")?;
    let value = value.strip_suffix(';')?;
    let other = match value {
        "true" => "false".to_owned(),
        "false" => "true".to_owned(),
        number if number.parse::<u32>().is_ok() => (number.parse::<u32>().ok()? + 1).to_string(),
        text if text.len() > 2 && text.starts_with('"') && !text.contains("${") => {
            let inside = text.strip_prefix('"')?.strip_suffix('"')?;
            (!inside.contains(['"', '\\'])).then(|| format!("\"{inside}x\""))?
        }
        _ => return None,
    };
    Some(format!("{before} = {other};"))
}

/// One plain value after the other in the hosts of this repository is changed:
/// each change has to be named with its option and its line.
#[test]
#[ignore = "takes minutes"]
fn seeded_changes_are_named_with_option_and_line() {
    const WANTED: usize = 100;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let copy = tempfile::tempdir().unwrap();
    let root = copy.path().join("fleet");
    let cloned = Command::new("git")
        .args(["clone", "--quiet"])
        .args([&source, &root])
        .status()
        .unwrap();
    assert!(cloned.success());
    let mut places = Vec::new();
    let mut hosts: Vec<_> = std::fs::read_dir(root.join("hosts"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    hosts.sort();
    for host in &hosts {
        let file = format!("hosts/{host}/default.nix");
        let text = std::fs::read_to_string(root.join(&file)).unwrap();
        for (number, line) in text.lines().enumerate() {
            if let Some(other) = changed(line) {
                places.push((host.clone(), file.clone(), number, other));
            }
        }
    }
    let step = (places.len() / WANTED).max(1);
    let (mut named, mut tried) = (0, 0);
    let mut longest = 0.0_f64;
    let mut missed = Vec::new();
    for (host, file, number, other) in places.into_iter().step_by(step).take(WANTED) {
        let path = root.join(&file);
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines[number] = &other;
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        let started = Instant::now();
        let (status, json, error) = xtask(&root, &["explain", &host, "--no-nix"]);
        longest = longest.max(started.elapsed().as_secs_f64());
        let at = format!("{file}:{}:", number + 1);
        let has_option = json["options"].as_array().is_some_and(|it| !it.is_empty());
        tried += 1;
        if status == 0 && has_option && error.contains(&at) {
            named += 1;
        } else {
            missed.push(format!("{at} {other}"));
        }
        std::fs::write(&path, text).unwrap();
    }
    println!("{named} of {tried} named; the longest took {longest:.2} s; missed: {missed:#?}");
    assert!(named * 100 >= tried * 95, "{missed:#?}");
}
