//! The judgement by derivation with real Nix, on flakes that need no nixpkgs.
//!
//! Without Nix the tests report themselves as skipped.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]

mod common;

use std::process::{Command, Stdio};

use common::Repository;
use serde_json::Value;

/// Hosts made by an input that knows just enough of NixOS: the derivation shows
/// what `config.text` says, and warnings stand beside it.
const FLAKE: &str = r#"{
  inputs.nixpkgs.url = "path:/nowhere";
  outputs = { self, nixpkgs }: {
    nixosConfigurations = {
      web = nixpkgs.lib.nixosSystem { system = "x86_64-linux"; modules = [ ./web.nix ]; };
      mail = nixpkgs.lib.nixosSystem {
        system = "x86_64-linux";
        modules = [ (import "${self}/mail.nix") ];
      };
    };
  };
}
"#;

/// The input: a nixosSystem that joins its modules shallowly.
const NIXPKGS: &str = r#"{
  outputs = { self }: {
    lib.nixosSystem = { system, modules }:
      let
        load = module: if builtins.isAttrs module then module else import module;
        config = builtins.foldl' (all: module: all // load module) { } modules;
        toplevel = derivation {
          name = "toplevel";
          inherit system;
          builder = "/bin/sh";
          text = config.text or "";
        };
      in {
        pkgs = { inherit system; };
        config = {
          warnings = config.warnings or [ ];
          assertions = config.assertions or [ ];
          system.build = { inherit toplevel; };
        };
      };
  };
}
"#;

fn fleet() -> Option<Repository> {
    common::need::need_nix()?;
    let repository = Repository::new(&[
        ("flake.nix", FLAKE),
        ("web.nix", "{ text = \"web\"; }\n"),
        ("mail.nix", "{ text = \"mail\"; warnings = [ \"old\" ]; }\n"),
    ]);
    let input = repository.outside().join("nixpkgs");
    std::fs::create_dir(&input).unwrap();
    std::fs::write(input.join("flake.nix"), NIXPKGS).unwrap();
    Some(repository)
}

fn prove(repository: &Repository) -> (i32, Value, String) {
    prove_with(repository, &[])
}

fn prove_with(repository: &Repository, arguments: &[&str]) -> (i32, Value, String) {
    let input = repository.outside().join("nixpkgs");
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["prove", "--json", "--repo"])
        .arg(repository.root())
        .arg("--override-input")
        .arg(format!("nixpkgs={}", input.display()))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    let json =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {error}"));
    (output.status.code().unwrap(), json, error)
}

fn derivation(json: &Value, host: &str) -> String {
    let hosts = json["hosts"].as_array().unwrap();
    let host = hosts.iter().find(|it| it["name"] == host).unwrap();
    host["proof"]["derivation"].as_str().unwrap().to_owned()
}

#[test]
fn an_unchanged_tree_is_equal_by_derivation() {
    let Some(repository) = fleet() else { return };
    let (status, json, error) = prove(&repository);
    assert_eq!(derivation(&json, "web"), "equal", "{error}");
    assert_eq!(derivation(&json, "mail"), "equal", "{error}");
    assert_eq!(status, 0, "{error}");
    // Nothing is left in the tree.
    assert!(repository.git(&["status", "--porcelain"]).stdout.is_empty());
}

#[test]
fn a_module_reached_through_self_is_seen() {
    let Some(repository) = fleet() else { return };
    repository.write(
        "mail.nix",
        "{ text = \"other\"; warnings = [ \"old\" ]; }\n",
    );
    let (status, json, error) = prove(&repository);
    assert_eq!(derivation(&json, "web"), "equal", "{error}");
    assert_eq!(derivation(&json, "mail"), "different", "{error}");
    assert_eq!(status, 1);
}

#[test]
fn what_the_derivation_is_blind_to_is_seen() {
    let Some(repository) = fleet() else { return };
    repository.write("mail.nix", "{ text = \"mail\"; warnings = [ \"new\" ]; }\n");
    let (status, json, error) = prove(&repository);
    assert_eq!(derivation(&json, "mail"), "different", "{error}");
    assert_eq!(status, 1);
}

#[test]
fn a_failure_names_host_file_and_line() {
    let Some(repository) = fleet() else { return };
    repository.write("web.nix", "{\n  text = missing;\n}\n");
    let (status, json, error) = prove(&repository);
    assert_eq!(derivation(&json, "web"), "different", "{error}");
    assert_eq!(derivation(&json, "mail"), "equal", "{error}");
    assert_eq!(status, 1);
    assert!(
        error.contains("web.nix:2:10: nix-failed: web: undefined variable 'missing'"),
        "{error}"
    );
}

#[test]
fn results_are_kept_only_where_nothing_else_can_change_them() {
    let Some(repository) = fleet() else { return };
    prove(&repository);
    // The input is a directory that anybody may change.
    let kept = repository.root().join(".git/fleet/derivations");
    assert!(!kept.exists());
}

/// Hosts that a function of an input makes are found with Nix; without an answer the
/// directories say what is likely.
#[test]
fn hosts_out_of_the_models_sight_are_named_by_nix() {
    if common::need::need_nix().is_none() {
        return;
    }
    let repository = Repository::new(&[
        (
            "flake.nix",
            "{ inputs.framework.url = \"path:/nowhere\"; \
             outputs = { framework, ... }: framework.lib.mkFlake { src = ./.; }; }\n",
        ),
        ("hosts/web/default.nix", "{ }\n"),
        ("hosts/gone/default.nix", "{ }\n"),
    ]);
    let input = repository.outside().join("framework");
    std::fs::create_dir(&input).unwrap();
    let flake = "{ outputs = { self }: { lib.mkFlake = _: { nixosConfigurations = { web = throw \"x\"; mail = throw \"x\"; }; }; }; }";
    std::fs::write(input.join("flake.nix"), flake).unwrap();
    let inventory = |place: &std::path::Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["inventory", "--json", "--repo"])
            .arg(repository.root())
            .arg("--override-input")
            .arg(format!("framework={}", place.display()))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let name = |host: &Value| {
            assert!(host["not_followed"].is_string(), "{host}");
            host["name"].as_str().unwrap().to_owned()
        };
        let hosts = json["hosts"].as_array().unwrap();
        hosts.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(inventory(&input), ["mail", "web"]);
    let empty = repository.outside().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert_eq!(inventory(&empty), ["gone", "web"]);
}

/// An input that follows another one is given what that is given, whether its own
/// place is locked or given.
#[test]
fn what_follows_an_input_from_a_directory_gets_it_too() {
    let Some(repository) = fleet() else { return };
    let outside = repository.outside();
    let tool = outside.join("tool");
    std::fs::create_dir(&tool).unwrap();
    // It says itself what it needs, and `outputs` does not.
    let flake = "{ inputs.nixpkgs.url = \"path:/nowhere\"; outputs = inputs: { module = inputs.nixpkgs.module; }; }\n";
    std::fs::write(tool.join("flake.nix"), flake).unwrap();
    let module = "outputs = { self }: { module.text = \"from the input\";";
    let nixpkgs = NIXPKGS.replace("outputs = { self }: {", module);
    std::fs::write(outside.join("nixpkgs/flake.nix"), nixpkgs).unwrap();
    let flake = FLAKE.replace("{ self, nixpkgs }", "{ self, nixpkgs, tool }");
    let flake = flake.replace("[ ./web.nix ]", "[ ./web.nix tool.module ]");
    repository.write("flake.nix", &flake);
    let lock = serde_json::json!({
        "version": 7,
        "root": "root",
        "nodes": {
            "root": { "inputs": { "nixpkgs": "nixpkgs", "tool": "tool" } },
            "nixpkgs": { "locked": { "type": "path", "path": "/nowhere" } },
            "tool": {
                "inputs": { "nixpkgs": ["nixpkgs"] },
                "locked": { "type": "path", "path": tool },
            },
        },
    });
    repository.write("flake.lock", &lock.to_string());
    repository.commit("a tool");
    let (status, json, error) = prove(&repository);
    assert_eq!(derivation(&json, "web"), "equal", "{error}");
    assert_eq!(status, 0, "{error}");
    let given = format!("tool={}", tool.display());
    let (status, json, error) = prove_with(&repository, &["--override-input", &given]);
    assert_eq!(derivation(&json, "web"), "equal", "{error}");
    assert_eq!(status, 0, "{error}");
}

#[test]
fn an_input_that_the_flake_does_not_have_is_told() {
    let Some(repository) = fleet() else { return };
    let place = repository.outside().display().to_string();
    for (name, help) in [
        ("nixpkg", "did you mean `nixpkgs`?"),
        ("x", "it has: nixpkgs"),
    ] {
        let given = format!("{name}={place}");
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["validate", "--override-input", &given, "--repo"])
            .arg(repository.root())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(
            error.contains("unknown-input: ") && error.contains(help),
            "{error}"
        );
    }
}

#[test]
fn all_of_it_with_a_newer_nix() {
    common::need::again_with_newer_nix("all_of_it_with_a_newer_nix");
}
