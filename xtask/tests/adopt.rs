//! `adopt` in repositories that know nothing of this one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_macros
)]

mod common;

use std::path::Path;
use std::process::Command;

use common::Repository;
use serde_json::Value;

const FLAKE: &str = r#"{
  outputs = { self, nixpkgs }: {
    nixosConfigurations = builtins.mapAttrs (
      name: _: nixpkgs.lib.nixosSystem { modules = [ (./machines + "/${name}") ]; }
    ) (builtins.readDir ./machines);
  };
}
"#;

fn fleet() -> Repository {
    Repository::new(&[
        ("flake.nix", FLAKE),
        (
            "machines/hub/default.nix",
            "{ networking.hostName = \"hub\"; services.openssh.enable = true; }\n",
        ),
        (
            "machines/leaf/default.nix",
            "{ networking.hostName = \"leaf\"; nix.buildMachines = [ { hostName = \"hub\"; } ]; }\n",
        ),
    ])
}

fn adopt(root: &Path, arguments: &[&str]) -> (i32, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["adopt", "--json", "--yes", "--no-nix", "--repo"])
        .arg(root)
        .args(arguments)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{error}"));
    (output.status.code().unwrap(), document, error)
}

#[test]
fn settings_are_proposed_written_and_taken_back() {
    let repository = fleet();
    let root = repository.root();
    let before = repository.state();
    let (status, document, error) = adopt(&root, &["--dry-run"]);
    assert_eq!(
        (status, &document["outcome"]),
        (0, &"proposed".into()),
        "{error}"
    );
    assert!(error.contains("+[hosts.\"hub\"]"), "{error}");
    assert!(repository.state() == before, "a dry run leaves a trace");
    let (status, document, error) = adopt(&root, &[]);
    assert_eq!(
        (status, &document["outcome"]),
        (0, &"adopted".into()),
        "{error}"
    );
    for host in document["hosts"].as_array().unwrap() {
        assert_eq!(host["proof"]["definitions"], "equal", "{error}");
    }
    let text = std::fs::read_to_string(root.join("fleet.toml")).unwrap();
    assert!(
        text.contains(
            "# needed by leaf\n[hosts.\"hub\"]\nstage = 3\n\n[hosts.\"leaf\"]\nstage = 1\n"
        ),
        "{text}"
    );
    repository.commit("adopted");
    let (status, document, error) = adopt(&root, &[]);
    assert_eq!(
        (status, &document["outcome"]),
        (0, &"unchanged".into()),
        "{error}"
    );
}

#[test]
fn the_tool_comes_along_unless_something_is_in_its_way() {
    let repository = fleet();
    let root = repository.root();
    let engine = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let engine = engine.to_str().unwrap();
    let (status, document, error) = adopt(&root, &["--engine", engine]);
    assert_eq!(
        (status, &document["outcome"]),
        (0, &"adopted".into()),
        "{error}"
    );
    for file in [
        "xtask/Cargo.toml",
        ".cargo/config.toml",
        "nix/standin/flake.nix",
    ] {
        assert!(root.join(file).is_file(), "{file}");
    }
    assert!(!root.join("hosts").exists());
    // What it is compiled from beside its own files.
    let mut included = 0;
    let mut directories = vec![root.join("xtask/src")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for line in text.lines().filter(|line| line.contains("include_")) {
                let Some(file) = line.split("!(\"").nth(1) else {
                    continue;
                };
                let file = file.split('"').next().unwrap();
                let file = match file.strip_prefix("$CARGO_MANIFEST_DIR/") {
                    Some(file) => root.join("xtask").join(file),
                    None => directory.join(file),
                };
                included += 1;
                assert!(file.exists(), "{}: {line}", path.display());
            }
        }
    }
    assert!(included > 5, "{included}");
    let taken = fleet();
    taken.write("Cargo.toml", "[package]\n");
    taken.commit("their own");
    let (status, document, error) = adopt(&taken.root(), &["--engine", engine]);
    assert_eq!(status, 3, "{error}");
    assert_eq!(document["problems"][0]["code"], "in-the-way", "{error}");
    assert!(!taken.root().join("fleet.toml").exists());
}
