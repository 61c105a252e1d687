//! The command line from outside: exit status, streams, documents.
// Helpers of tests fail as tests do, and say so as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_macros)]

mod common;

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

use common::Repository;
use serde_json::Value;
use xtask::edit::{Change, ChangeSet};
use xtask::process::Cancel;
use xtask::workspace::{ApplyError, Point, Request, Watch, Workspace};

struct Said {
    status: i32,
    out: String,
    err: String,
}

#[allow(clippy::disallowed_methods)] // the program under test is started as a user starts it
fn command(repository: &Repository, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .arg("--repo")
        .arg(repository.root())
        .args(args)
        .args(common::without_nix(args))
        .stdin(Stdio::null())
        .env_remove("NO_COLOR");
    command
}

fn xtask(repository: &Repository, args: &[&str]) -> Said {
    let output = command(repository, args).output().unwrap();
    Said {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn document(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {:?}", said.out))
}

fn fleet() -> Repository {
    Repository::new(&[
        ("flake.nix", "{ }"),
        ("fleet.toml", "[branch]\nlocked = \"main\"\n"),
        ("hosts/web/default.nix", "{ old = 1; }"),
    ])
}

/// Two real hosts.
fn hosts() -> Repository {
    Repository::new(&[
        (
            "flake.nix",
            "{ inputs.nixpkgs.url = \"nixpkgs\"; outputs = { nixpkgs, ... }: let host = name: nixpkgs.lib.nixosSystem {\n\
             system = \"x86_64-linux\"; modules = [ (./hosts + \"/${name}\") ]; }; in {\n\
             nixosConfigurations = nixpkgs.lib.genAttrs [ \"web\" \"mail\" ] host; }; }\n",
        ),
        (
            "hosts/web/default.nix",
            "{ services.openssh.enable = true; networking.hostName = \"web\"; }\n",
        ),
        (
            "hosts/mail/default.nix",
            "{ services.openssh.enable = true; networking.hostName = \"mail\"; }\n",
        ),
    ])
}

#[test]
fn prove_compares_with_a_revision() {
    let repository = hosts();
    let said = xtask(&repository, &["prove", "--json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let proof = document(&said);
    assert_eq!(proof["schema"], "prove/1");
    let names: Vec<&str> = proof["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|host| host["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["mail", "web"]);
    assert_eq!(proof["hosts"][0]["proof"]["definitions"], "equal");
    assert_eq!(proof["hosts"][0]["proof"]["derivation"], "not-checked");

    repository.write(
        "hosts/web/default.nix",
        "# moved\n{ networking.hostName = \"web\"; services = { openssh.enable = true; }; }\n",
    );
    assert_eq!(xtask(&repository, &["prove"]).status, 0);
    repository.write(
        "hosts/web/default.nix",
        "{\n  networking.hostName = \"web\";\n  services.openssh.enable = false;\n}\n",
    );
    let said = xtask(&repository, &["prove", "HEAD"]);
    assert_eq!(said.status, 1);
    assert!(
        said.err
            .contains("hosts/web/default.nix:3:3: different: web: "),
        "{}",
        said.err
    );
    assert!(
        said.err
            .contains("help: before at hosts/web/default.nix:1:3"),
        "{}",
        said.err
    );
    assert!(said.out.contains("1 equal, 1 different"), "{}", said.out);
    assert_eq!(xtask(&repository, &["prove", "--host", "mail"]).status, 0);
    repository.commit("switched off");
    assert_eq!(xtask(&repository, &["prove"]).status, 0);
    assert_eq!(xtask(&repository, &["prove", "HEAD^"]).status, 1);
    assert_eq!(xtask(&repository, &["prove", "no-such"]).status, 2);
}

#[test]
fn hostile_and_unknown_host_names() {
    let repository = hosts();
    let long = "x".repeat(4096);
    for (name, help) in [
        ("../x", "there are 2: mail, web"),
        ("a;b", "there are 2"),
        ("a\nb", "there are 2"),
        (long.as_str(), "there are 2"),
        ("", "there are 2"),
        ("wbe", "did you mean `web`?"),
    ] {
        let said = xtask(&repository, &["prove", "--host", name]);
        assert_eq!(said.status, 2, "{name:?}");
        assert!(
            said.err.contains("no-such-host: ") && said.err.contains(help),
            "{name:?}: {}",
            said.err
        );
        assert!(said.err.len() < 400, "{}", said.err);
    }
    let said = xtask(&fleet(), &["prove"]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("no-hosts: "), "{}", said.err);
}

/// Refused or clear, for people and for machines.
fn check_guard(repository: &Repository, status: i32, code: &str) {
    let said = xtask(repository, &["guard"]);
    assert_eq!(said.status, status, "{}{}", said.out, said.err);
    assert!(
        said.err.contains(&format!("{code}: ")) || code.is_empty(),
        "{}",
        said.err
    );
    let said = xtask(repository, &["guard", "--json"]);
    assert_eq!(said.status, status);
    let document = document(&said);
    assert_eq!(document["schema"], "guard/1");
    assert_eq!(document["refused"], status == 3);
    if !code.is_empty() {
        assert_eq!(document["problems"][0]["code"], code);
    }
}

#[test]
fn guard_judges_the_tree_and_the_branch() {
    let repository = fleet();
    check_guard(&repository, 0, "");
    repository.write("hosts/web/default.nix", "{ new = 1; }");
    check_guard(&repository, 3, "dirty-tree");
    repository.write("hosts/web/default.nix", "{ old = 1; }");
    repository.git(&["switch", "--quiet", "--create", "topic"]);
    check_guard(&repository, 3, "wrong-branch");
    repository.git(&["switch", "--quiet", "--detach", "main"]);
    check_guard(&repository, 3, "detached-head");
    repository.git(&["switch", "--quiet", "main"]);
    leave_half_done(&repository.workspace());
    check_guard(&repository, 3, "half-done");
}

#[test]
fn guard_does_not_fall_for_a_surrounding_git() {
    let (repository, other) = (fleet(), fleet());
    other.write("hosts/web/default.nix", "{ new = 1; }");
    let output = command(&repository, &["guard"])
        .env("GIT_DIR", other.root().join(".git"))
        .env("GIT_WORK_TREE", other.root())
        .env("GIT_INDEX_FILE", other.root().join(".git/index"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
}

/// Applies a change and stops where `at` says.
struct Stop(Point);

impl Watch for Stop {
    fn at(&mut self, point: Point) -> Result<(), ApplyError> {
        if point == self.0 {
            Err(ApplyError::Abandoned)
        } else {
            Ok(())
        }
    }
}

fn change(workspace: &Workspace, watch: &mut dyn Watch) -> Result<(), ApplyError> {
    let lock = workspace.lock().unwrap();
    let changes = ChangeSet::from([
        (
            common::path("modules/features/web.nix"),
            Change::Create {
                contents: b"{ new = 1; }".to_vec(),
                executable: false,
            },
        ),
        (
            common::path("hosts/web/default.nix"),
            Change::Modify {
                before: b"{ old = 1; }".to_vec(),
                contents: b"{ }".to_vec(),
            },
        ),
    ]);
    let request = Request {
        label: "migrate host web",
        git_add: true,
    };
    workspace.apply(&lock, &changes, request, watch).map(drop)
}

fn leave_half_done(workspace: &Workspace) {
    let result = change(workspace, &mut Stop(Point::Forward("index")));
    assert!(matches!(result, Err(ApplyError::Abandoned)));
}

#[test]
fn undo_and_recover_say_what_is_there_now() {
    let repository = fleet();
    let before = repository.state();
    let said = xtask(&repository, &["migrate", "undo"]);
    assert_eq!(said.status, 1);
    assert!(said.err.contains("nothing-to-undo: "), "{}", said.err);
    assert_eq!(xtask(&repository, &["migrate", "recover"]).status, 0);

    change(&repository.workspace(), &mut Cancel::default()).unwrap();
    let said = xtask(&repository, &["migrate", "undo", "--json"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let undone = document(&said);
    assert_eq!(undone["change"], "migrate host web");
    assert_eq!(undone["paths"].as_array().unwrap().len(), 2);
    assert_eq!(repository.state(), before);

    leave_half_done(&repository.workspace());
    let said = xtask(&repository, &["migrate", "undo"]);
    assert_eq!(said.status, 3);
    assert!(
        said.err.contains("help: cargo xtask migrate recover"),
        "{}",
        said.err
    );
    let said = xtask(&repository, &["migrate", "recover"]);
    assert_eq!(said.status, 0);
    assert!(said.out.contains("the tree is the old one"), "{}", said.out);
    assert_eq!(repository.state(), before);

    change(&repository.workspace(), &mut Cancel::default()).unwrap();
    repository.write("hosts/web/default.nix", "{ mine = 1; }");
    let said = xtask(&repository, &["migrate", "undo"]);
    assert_eq!(said.status, 3);
    assert!(said.err.contains("hosts/web/default.nix"), "{}", said.err);
}

#[test]
fn a_second_writer_is_refused() {
    let repository = fleet();
    let workspace = repository.workspace();
    let _lock = workspace.lock().unwrap();
    for args in [["migrate", "undo"], ["migrate", "recover"]] {
        let said = xtask(&repository, &args);
        assert_eq!(said.status, 3);
        assert!(said.err.contains("locked: "), "{}", said.err);
    }
}

#[test]
fn what_is_no_flake_is_an_error_with_a_next_step() {
    let repository = Repository::plain(&[("a", "")]);
    let said = xtask(&repository, &["guard"]);
    assert_eq!(said.status, 2);
    assert!(
        said.err.contains("not-a-flake: ") && said.err.contains("help: "),
        "{}",
        said.err
    );
    let said = xtask(&repository, &["guard", "--json"]);
    let document = document(&said);
    assert_eq!(
        (&document["schema"], &document["problems"][0]["code"]),
        (&"error/1".into(), &"not-a-flake".into())
    );
}

#[test]
fn wrong_settings_have_their_place() {
    let repository = fleet();
    repository.write("fleet.toml", "[branch]\nlocked = \"main\"\nlokced = 1\n");
    repository.commit("typo");
    let said = xtask(&repository, &["guard"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(
        said.err.contains("fleet.toml:3:1: unknown-setting: "),
        "{}",
        said.err
    );
    assert!(
        said.err.contains("3 | lokced = 1\n  | ^^^^^^\n"),
        "{}",
        said.err
    );
    repository.write("fleet.toml", "[branch]\nlocked = 3\n");
    repository.commit("wrong");
    let said = xtask(&repository, &["guard"]);
    assert_eq!(said.status, 2);
    assert!(
        said.err.contains("fleet.toml:2:10: bad-setting: "),
        "{}",
        said.err
    );
}

#[test]
fn colours_only_where_they_are_wanted() {
    let repository = Repository::plain(&[]);
    let escape = '\u{1b}';
    assert!(!xtask(&repository, &["guard"]).err.contains(escape));
    assert!(
        xtask(&repository, &["guard", "--color", "always"])
            .err
            .contains(escape)
    );
    assert!(
        !xtask(&repository, &["guard", "--color", "never"])
            .err
            .contains(escape)
    );
}

#[test]
fn usage_errors_are_told_apart() {
    let repository = fleet();
    for (args, status) in [
        (&["no-such-command"][..], 2),
        (&["guard", "--no-such-flag"], 2),
        (&[], 2),
        (&["--help"], 0),
        (&["--version"], 0),
        (&["migrate", "--help"], 0),
    ] {
        assert_eq!(xtask(&repository, args).status, status, "{args:?}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let repository = fleet();
    for args in [
        &["completions", "bash"][..],
        &["man"],
        &["doctor"],
        &["guard", "--json"],
    ] {
        let mut child = command(&repository, args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut err = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{args:?}: {err}");
    }
}

#[test]
fn output_that_is_lost_is_an_error() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = command(&fleet(), &["guard", "--json"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("output-lost: "));
}

#[test]
fn doctor_says_what_to_do() {
    let repository = fleet();
    let said = xtask(&repository, &["doctor", "--json"]);
    let found = document(&said);
    assert_eq!(found["schema"], "doctor/1");
    let tool = |document: &Value, name: &str| {
        let tools = document["tools"].as_array().unwrap();
        tools
            .iter()
            .find(|tool| tool["name"] == name)
            .unwrap()
            .clone()
    };
    assert!(
        tool(&found, "git")["version"]
            .as_str()
            .unwrap()
            .starts_with("git version")
    );
    let empty = tempfile::tempdir().unwrap();
    let output = command(&repository, &["doctor", "--json"])
        .env("PATH", empty.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(tool(&found, "git")["version"].is_null());
    assert_eq!(tool(&found, "git")["help"], "apt-get install git");
}

#[test]
fn without_the_git_program_a_repository_is_not_mistaken_for_a_plain_tree() {
    let repository = fleet();
    let empty = tempfile::tempdir().unwrap();
    let output = command(&repository, &["guard"])
        .env("PATH", empty.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(err.contains("git-missing: "), "{err}");
}

#[test]
fn completions_and_manual_cover_every_command() {
    let repository = fleet();
    for shell in ["bash", "zsh", "fish"] {
        let said = xtask(&repository, &["completions", shell]);
        assert!(said.status == 0 && said.out.contains("recover"), "{shell}");
    }
    assert!(xtask(&repository, &["man"]).out.contains(".SH"));
    let pages = tempfile::tempdir().unwrap();
    let directory = pages.path().join("man");
    let said = xtask(&repository, &["man", "--dir", directory.to_str().unwrap()]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(fs::read_dir(&directory).unwrap().count() > 5);
}

#[test]
fn a_read_only_state_directory_is_refused_without_a_change() {
    let repository = fleet();
    let before = repository.state();
    // A file where the directory should be stops root too.
    fs::write(repository.root().join(".git/fleet"), "").unwrap();
    let said = xtask(&repository, &["migrate", "undo"]);
    assert_eq!(said.status, 2);
    assert!(said.err.contains("state-not-writable: "), "{}", said.err);
    assert_eq!(repository.state(), before);
}

#[test]
fn a_file_that_nix_refuses_is_named_by_every_reader() {
    let repository = hosts();
    repository.write("hosts/mail/default.nix", "{ a..b = 1; }\n");
    let place = "hosts/mail/default.nix:1:5: syntax-error: unexpected `.`, expected a name";
    for (args, status) in [
        (&["inventory"][..], 1),
        (&["prove"], 1),
        (&["migrate", "plan"], 0),
    ] {
        let said = xtask(&repository, args);
        assert_eq!(said.status, status, "{args:?}: {}", said.err);
        assert!(said.err.contains(place), "{args:?}: {}", said.err);
    }
    let json = document(&xtask(&repository, &["inventory", "--json"]));
    assert_eq!(json["problems"][0]["code"], "syntax-error", "{json}");
}
