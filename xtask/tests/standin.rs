//! The offline stand-in: evaluates and builds this repository's own hosts, notices
//! every change of a definition, and refuses what nixpkgs would refuse.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::panic
)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use common::need;

type Derivations = BTreeMap<String, Option<String>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .canonicalize()
        .unwrap()
}

/// A copy of the fleet that may be changed.
struct Fleet {
    directory: TempDir,
}

impl Fleet {
    /// `None`, and noted, without Nix.
    fn new() -> Option<Self> {
        need::need_nix()?;
        let directory = tempfile::tempdir().unwrap();
        for name in [
            "Cargo.lock",
            "Cargo.toml",
            "flake.nix",
            "nix",
            "lib",
            "hosts",
            "modules",
            "secrets",
        ] {
            let status = Command::new("cp")
                .arg("-R")
                .arg(root().join(name))
                .arg(directory.path())
                .status()
                .unwrap();
            assert!(status.success());
        }
        Some(Self { directory })
    }

    /// Puts `new` for the one place where a file says `old`.
    fn replace(&self, file: &str, old: &str, new: &str) {
        let path = self.directory.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(old).count(), 1, "{file}: {old}");
        fs::write(path, text.replacen(old, new, 1)).unwrap();
    }

    fn nix(&self, program: &str, arguments: &[&str]) -> Output {
        Command::new(program)
            .args(arguments)
            .arg(root().join("nix/standin/fleet.nix"))
            .args(["--argstr", "tree"])
            .arg(self.directory.path().canonicalize().unwrap())
            .env("NIX_PATH", "")
            .output()
            .unwrap()
    }

    fn evaluate(&self, attribute: &str) -> Result<serde_json::Value, String> {
        let output = self.nix(
            "nix-instantiate",
            &["--eval", "--strict", "--json", "-A", attribute],
        );
        if output.status.success() {
            Ok(serde_json::from_slice(&output.stdout).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn derivations(&self) -> Derivations {
        let value = self.evaluate("tried").unwrap_or_else(|why| panic!("{why}"));
        serde_json::from_value(value).unwrap()
    }

    /// The hosts whose derivation is another than before, which is then what they are.
    fn changed(&self, before: &mut Derivations) -> Vec<String> {
        let after = self.derivations();
        assert_eq!(before.len(), after.len());
        let changed = after
            .iter()
            .filter(|(host, derivation)| before[*host] != **derivation)
            .map(|(host, _)| host.clone())
            .collect();
        *before = after;
        changed
    }
}

#[test]
fn the_table_of_options_is_current() {
    if need::need_program("python3").is_none() {
        return;
    }
    let output = Command::new("python3")
        .args(["scripts/option-table/nested.py", "--check"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_host_has_a_derivation() {
    let Some(fleet) = Fleet::new() else { return };
    let listed = fs::read_dir(root().join("hosts"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().join("host.toml").is_file())
        .count();
    let derivations = fleet.derivations();
    assert_eq!(derivations.len(), listed);
    let failed: Vec<_> = derivations
        .iter()
        .filter(|(_, derivation)| derivation.is_none())
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// Migrates all hosts of a flake in one run, and lists those that are not equal by
/// definitions and by derivation.
fn unequal(source: &Path) -> (usize, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let tree = directory.path().join("tree");
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@host.example"];
        let mut git = Command::new("git");
        git.arg("-C").arg(&tree).args(identity).args(arguments);
        assert!(git.output().unwrap().status.success(), "{arguments:?}");
    };
    fs::create_dir(&tree).unwrap();
    for entry in fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        if !["target", ".git"].contains(&entry.file_name().to_str().unwrap()) {
            let mut copy = Command::new("cp");
            copy.arg("-R").arg(entry.path()).arg(&tree);
            assert!(copy.status().unwrap().success());
        }
    }
    git(&["init", "--quiet", "--initial-branch=main"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "first"]);
    let xtask = |arguments: &[&str]| {
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        xtask.arg("--repo").arg(&tree).args(arguments).arg("--json");
        let output = xtask.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let json: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {error}"));
        json["hosts"].as_array().unwrap().clone()
    };
    let name = |host: &serde_json::Value| host["name"].as_str().unwrap().to_owned();
    let names: Vec<String> = xtask(&["inventory"]).iter().map(name).collect();
    let mut arguments = vec!["migrate", "host"];
    arguments.extend(names.iter().map(String::as_str));
    arguments.extend(["--offline", "--dry-run"]);
    let hosts = xtask(&arguments);
    let is_unequal = |host: &&serde_json::Value| {
        let proof = &host["proof"];
        host["outcome"] != "migrated"
            || proof["definitions"] != "equal"
            || proof["derivation"] != "equal"
    };
    let unequal = hosts.iter().filter(is_unequal);
    (hosts.len(), unequal.map(|it| it.to_string()).collect())
}

/// Both judgements agree on what the refactoring makes of a whole fleet.
#[test]
fn whole_fleets_migrate_equal_by_definitions_and_by_derivation() {
    if need::need_nix().is_none() {
        return;
    }
    for source in [root(), root().join("tests/fixtures/legacy")] {
        let (hosts, unequal) = unequal(&source);
        assert_eq!(hosts, 17, "{}", source.display());
        assert!(unequal.is_empty(), "{}: {unequal:#?}", source.display());
    }
}

#[test]
fn a_changed_definition_is_another_derivation() {
    let Some(fleet) = Fleet::new() else { return };
    let mut before = fleet.derivations();
    let bellows = "hosts/bellows/default.nix";
    for (old, new) in [
        // A value, an order, a condition, a priority that decides, a file's content.
        ("freeMemThreshold = 5;", "freeMemThreshold = 6;"),
        (
            "\"benchmark\"\n        \"big-parallel\"",
            "\"big-parallel\"\n        \"benchmark\"",
        ),
        (
            "keep-outputs = true;",
            "keep-outputs = lib.mkIf false true;",
        ),
        (
            "options = lib.mkForce \"--delete-older-than 60d\"",
            "options = lib.mkOverride 2000 \"--delete-older-than 60d\"",
        ),
        ("    ubootTools\n", ""),
        ("startAt = \"Fri 17:00\";", "startAt = \"Fri 18:00\";"),
    ] {
        fleet.replace(bellows, old, new);
        assert_eq!(fleet.changed(&mut before), ["bellows"], "{old}");
    }
    fleet.replace("hosts/silo/zed-notify.sh", "#!/", "#! /");
    assert_eq!(fleet.changed(&mut before), ["silo"]);
    // Comments and spelling are no definitions.
    fleet.replace(bellows, "cores = 8;", "cores = /* all */ 8;");
    assert!(fleet.changed(&mut before).is_empty());
}

#[test]
fn options_of_the_fleet_count_by_what_they_set() {
    let Some(fleet) = Fleet::new() else { return };
    let mut before = fleet.derivations();
    let module = |threshold: &str| {
        format!(
            "{{ config, lib, ... }}:\n{{\n  options.features.memory.free = lib.mkOption {{ type = lib.types.int; default = 1; }};\n  config.services.earlyoom.freeMemThreshold = {threshold};\n}}\n"
        )
    };
    let place = fleet.directory.path().join("modules/memory.nix");
    fs::write(&place, module("config.features.memory.free")).unwrap();
    let bellows = "hosts/bellows/default.nix";
    fleet.replace(
        bellows,
        "services.earlyoom.freeMemThreshold = 5;",
        "features.memory.free = 5;",
    );
    fleet.replace(
        bellows,
        "    ./hardware.nix\n",
        "    ./hardware.nix\n    ../../modules/memory.nix\n",
    );
    assert!(fleet.changed(&mut before).is_empty());
    fs::write(&place, module("config.features.memory.free + 1")).unwrap();
    assert_eq!(fleet.changed(&mut before), ["bellows"]);
}

#[test]
fn what_nixpkgs_refuses_is_refused() {
    let Some(fleet) = Fleet::new() else { return };
    let check = |file: &str, old: &str, new: &str, expect: &str| {
        fleet.replace(file, old, new);
        let why = fleet.evaluate("derivations.bellows").unwrap_err();
        assert!(why.contains(expect), "{new}: {why}");
        fleet.evaluate("derivations.quay").unwrap();
        fleet.replace(file, new, old);
    };
    let bellows = "hosts/bellows/default.nix";
    check(
        bellows,
        "    ubootTools\n",
        "    ubootToolz\n",
        "ubootToolz",
    );
    check(
        bellows,
        "freeMemThreshold = 5;",
        "freeMemThreshold = \"five\";",
        "`services.earlyoom.freeMemThreshold' is not of type `signed integer'",
    );
    check(
        bellows,
        "system.stateVersion = \"24.11\";",
        "system.stateVersion = 24.11;",
        "`system.stateVersion' is not of type `string'",
    );
    // All packages are no text for a message.
    check(
        "hosts/bellows/hardware.nix",
        "canTouchEfiVariables = false;",
        "canTouchEfiVariables = false; _module.args.pkgs = 1;",
        "`_module.args.pkgs' is defined more than once",
    );
    check(
        "hosts/bellows/hardware.nix",
        "canTouchEfiVariables = false;",
        "canTouchEfiVariables = false; networking.hostName = \"other\";",
        "`networking.hostName' has conflicting definition values",
    );
    check(
        "hosts/bellows/hardware.nix",
        "fileSystems.\"/\" =",
        "fileSystems.\"/root\" =",
        "says nothing of the root file system",
    );
}

#[test]
fn the_flake_has_what_it_promises() {
    let Some(fleet) = Fleet::new() else { return };
    let names = |attribute: &str| {
        let value = fleet
            .evaluate(attribute)
            .unwrap_or_else(|why| panic!("{why}"));
        let map: BTreeMap<String, serde_json::Value> = serde_json::from_value(value).unwrap();
        map
    };
    let apps = names("apps.x86_64-linux");
    for name in [
        "xtask",
        "inventory",
        "migrate",
        "validate",
        "secrix",
        "quay",
    ] {
        let program = apps[name]["program"].as_str().unwrap();
        assert!(program.starts_with("/nix/store/"), "{name}: {program}");
    }
    let checks = names("checks.x86_64-linux");
    for name in ["xtask", "tidy", "formatting", "host-quay"] {
        assert!(checks.contains_key(name), "{name}: {:?}", checks.keys());
    }
    let jobs = names("hydraJobs");
    assert!(jobs.contains_key("quay"), "{:?}", jobs.keys());
    names("devShells.x86_64-linux");
    names("packages.aarch64-linux");
    names("formatter");
    // What `nix flake init` writes is a fleet.
    let template = root().join("nix/template");
    let output = Command::new("nix-instantiate")
        .args(["--eval", "--strict", "--json", "-A", "derivations"])
        .arg(root().join("nix/standin/fleet.nix"))
        .args(["--argstr", "tree"])
        .arg(template)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.starts_with("{\"example\":\"/nix/store/"),
        "{said}{error}"
    );
}

#[test]
fn a_host_builds() {
    let Some(fleet) = Fleet::new() else { return };
    if need::need_nix().is_none() {
        return;
    }
    let output = fleet.nix(
        "nix-build",
        &[
            "--no-out-link",
            "--option",
            "sandbox",
            "false",
            "-A",
            "nixosConfigurations.quay.config.system.build.toplevel",
        ],
    );
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let system = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let unit = fs::read_to_string(system.join("etc/systemd/system/vaultwarden.service")).unwrap();
    assert!(unit.contains("MemoryMax=1G"), "{unit}");
    assert!(
        system
            .join("etc/systemd/system/multi-user.target.wants/vaultwarden.service")
            .is_file()
    );
    let definitions = fs::read_to_string(system.join("definitions.json")).unwrap();
    assert!(definitions.contains("ROCKET_PORT"), "{definitions}");
    // Without an action nothing is done, and that is said.
    let switch = Command::new(system.join("bin/switch-to-configuration"))
        .output()
        .unwrap();
    assert_eq!(switch.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&switch.stderr).contains("dry-activate"));
}

#[test]
fn activation_on_a_target() {
    // A root made by scripts/testbed/root.sh.
    let Some(target) = need::need_directory("FLEET_TEST_TARGET") else {
        return;
    };
    for program in ["systemd-nspawn", "nix-build"] {
        if need::need_program(program).is_none() {
            return;
        }
    }
    let output = Command::new(root().join("scripts/testbed/activation.sh"))
        .arg(target)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.matches("ok: ").count() > 40, "{said}");
}

#[test]
fn all_of_it_with_a_newer_nix() {
    need::again_with_newer_nix("all_of_it_with_a_newer_nix");
}
