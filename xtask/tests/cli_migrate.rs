//! `migrate host` from outside: what it writes, refuses, takes back and survives.
// Helpers of tests fail as tests do, and say so as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_macros)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::Repository;
use serde_json::Value;

const FLAKE: &str = r#"{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-24.11";
  outputs = { nixpkgs, ... }: {
    nixosConfigurations = nixpkgs.lib.genAttrs [ "web" "mail" ] (
      name:
      nixpkgs.lib.nixosSystem {
        system = "x86_64-linux";
        modules = [ (./hosts + "/${name}") ];
      }
    );
  };
}
"#;

/// A host with a few concerns, each large enough for a feature.
fn monolith(name: &str) -> String {
    format!(
        r#"{{ config, lib, pkgs, ... }}:

{{
  networking.hostName = "{name}";
  system.stateVersion = "24.11";

  # Everybody logs in with keys.
  services.openssh = {{
    enable = true;
    openFirewall = true;
    settings = {{
      PasswordAuthentication = false;
      KbdInteractiveAuthentication = false;
      PermitRootLogin = "no";
    }};
  }};

  services.nginx = {{
    enable = true;
    recommendedGzipSettings = true;
    recommendedOptimisation = true;
    recommendedProxySettings = true;
    recommendedTlsSettings = true;
    statusPage = true;
    virtualHosts."www.fleet.example" = {{
      forceSSL = true;
      enableACME = true;
      root = "/srv/www";
    }};
  }};

  services.postgresql = {{
    enable = true;
    package = pkgs.postgresql_16;
    enableTCPIP = false;
    ensureDatabases = [ "app" ];
    settings = {{
      shared_buffers = "512MB";
      max_connections = 50;
      log_min_duration_statement = 500;
    }};
  }};
}}
"#
    )
}

/// A host whose concerns are others than those of [`monolith`].
const MAILER: &str = r#"{ pkgs, ... }:

{
  networking.hostName = "mail";
  system.stateVersion = "24.11";

  services.printing = {
    enable = true;
    browsing = true;
    defaultShared = true;
    startWhenNeeded = false;
    drivers = [ pkgs.gutenprint ];
    extraConf = "LogLevel warn";
    listenAddresses = [ "*:631" ];
    allowFrom = [ "all" ];
  };
}
"#;

fn fleet() -> Repository {
    let repository = Repository::plain(&[
        ("flake.nix", FLAKE),
        ("fleet.toml", "[branch]\nlocked = \"main\"\n"),
        ("hosts/web/default.nix", &monolith("web")),
        ("hosts/mail/default.nix", MAILER),
    ]);
    repository.git(&["init", "--quiet", "--initial-branch=main"]);
    repository.git(&["config", "user.name", "t"]);
    repository.git(&["config", "user.email", "t@host.example"]);
    repository.commit("first");
    repository
}

#[allow(clippy::disallowed_methods)] // the program under test is started as a user starts it
fn command(root: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .arg("--repo")
        .arg(root)
        .args(args)
        .args(common::without_nix(args))
        .stdin(Stdio::null());
    command
}

struct Said {
    status: i32,
    out: String,
    err: String,
}

fn xtask(repository: &Repository, args: &[&str]) -> Said {
    xtask_with(repository, args, &[])
}

fn xtask_with(repository: &Repository, args: &[&str], environment: &[(&str, &str)]) -> Said {
    let output = command(&repository.root(), args)
        .envs(environment.iter().copied())
        .env_remove("VISUAL")
        .output()
        .unwrap();
    Said {
        status: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn document(said: &Said) -> Value {
    serde_json::from_str(&said.out)
        .unwrap_or_else(|error| panic!("{error}: {:?} {}", said.out, said.err))
}

#[test]
fn a_dry_run_shows_everything_and_leaves_no_trace() {
    let repository = fleet();
    let before = repository.state();
    let said = xtask(&repository, &["migrate", "host", "web", "--dry-run"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(
        said.out.contains("+++ b/modules/features/nginx.nix"),
        "{}",
        said.out
    );
    assert!(said.out.contains("2 hosts: 2 equal"), "{}", said.out);
    let json = document(&xtask(
        &repository,
        &["migrate", "host", "web", "--dry-run", "--json"],
    ));
    assert_eq!(json["schema"], "migrate-host/1");
    let host = &json["hosts"][0];
    assert_eq!(
        (&host["name"], &host["outcome"]),
        (&"web".into(), &"migrated".into())
    );
    assert_eq!(host["proof"]["definitions"], "equal");
    assert_eq!(host["proof"]["derivation"], "not-checked");
    assert!(
        host["features"]
            .as_array()
            .unwrap()
            .contains(&"nginx".into())
    );
    assert!(host["lines_after"].as_u64() < host["lines_before"].as_u64());
    let kinds: Vec<&str> = json["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["kind"].as_str().unwrap())
        .collect();
    assert!(
        kinds.contains(&"create") && kinds.contains(&"modify"),
        "{kinds:?}"
    );
    assert_eq!(
        json["fleet"],
        serde_json::json!({ "mail": "equal", "web": "equal" })
    );
    assert_eq!(repository.state(), before);
    assert!(
        !repository.root().join(".git/fleet").exists(),
        "a dry run left something"
    );
}

#[test]
fn a_migration_proves_equal_is_taken_back_and_repeats_to_nothing() {
    let repository = fleet();
    let before = repository.state();
    let said = xtask(&repository, &["migrate", "host", "web"]);
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    assert_eq!(xtask(&repository, &["prove"]).status, 0);
    let index = String::from_utf8(repository.state().index).unwrap();
    assert!(index.contains("modules/features/nginx.nix"), "{index}");
    assert_eq!(xtask(&repository, &["migrate", "undo"]).status, 0);
    assert_eq!(repository.state(), before);

    assert_eq!(xtask(&repository, &["migrate", "host", "web"]).status, 0);
    let said = xtask(&repository, &["migrate", "host", "mail"]);
    assert_eq!(said.status, 3, "a dirty tree: {}", said.err);
    repository.commit("web");
    let done = repository.state();
    let said = xtask(&repository, &["migrate", "host", "web"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.out.contains("nothing to do"), "{}", said.out);
    assert_eq!(repository.state(), done);
}

#[test]
fn without_adding_the_index_is_left_alone() {
    let repository = fleet();
    let before = repository.state();
    assert_eq!(
        xtask(&repository, &["migrate", "host", "web", "--no-git-add"]).status,
        0
    );
    assert_eq!(repository.state().index, before.index);
    assert_eq!(xtask(&repository, &["migrate", "undo"]).status, 0);
    assert_eq!(repository.state(), before);
}

#[test]
fn commits_carry_the_proof() {
    let repository = fleet();
    let said = xtask(&repository, &["migrate", "host", "web", "mail", "--commit"]);
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    assert!(repository.git(&["status", "--porcelain"]).stdout.is_empty());
    for (revision, host) in [("HEAD^", "web"), ("HEAD", "mail")] {
        let log = repository.git(&["log", "-1", "--format=%s%n%(trailers:only)", revision]);
        let log = String::from_utf8(log.stdout).unwrap();
        assert!(log.starts_with(&format!("{host}: ")), "{log}");
        assert!(log.contains(&format!("Hosts: {host}\n")), "{log}");
        assert!(
            log.contains("Proof: definitions=equal derivations=not-checked\n"),
            "{log}"
        );
    }
    assert_eq!(xtask(&repository, &["prove", "HEAD~2"]).status, 0);
}

#[test]
fn what_was_committed_is_taken_back_into_the_index() {
    let repository = fleet();
    let said = xtask(&repository, &["migrate", "host", "web", "mail", "--commit"]);
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    let said = xtask(&repository, &["migrate", "undo"]);
    assert!(said.out.contains("it had been committed"), "{}", said.out);
    assert!(said.out.contains("one earlier change"), "{}", said.out);
    // All of it is staged, and it is what stood there before.
    let left = repository.git(&["diff", "--stat"]).stdout;
    assert!(left.is_empty(), "{}", String::from_utf8_lossy(&left));
    let back = repository.git(&["diff", "--cached", "--stat", "HEAD^"]);
    assert!(back.stdout.is_empty());
    repository.commit("back");
    let said = xtask(&repository, &["migrate", "undo"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let back = repository.git(&["diff", "--cached", "--stat", "HEAD~3"]);
    assert!(back.stdout.is_empty());
}

#[test]
fn commits_are_taken_back_one_after_the_other_without_a_commit_between() {
    let repository = fleet();
    // A feature of both with values of their own, so that both commits change its file.
    let mail = monolith("mail").replace("max_connections = 50", "max_connections = 80");
    repository.write("hosts/mail/default.nix", &mail);
    repository.commit("alike");
    let alike = repository.state();
    for host in ["web", "mail"] {
        let said = xtask(&repository, &["migrate", "host", host, "--commit"]);
        assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    }
    let both = repository.git(&["diff", "--name-only", "--diff-filter=M", "HEAD^"]);
    let both = String::from_utf8(both.stdout).unwrap();
    assert!(both.contains("modules/features/"), "{both}");
    for _ in 0..2 {
        let said = xtask(&repository, &["migrate", "undo"]);
        assert_eq!(said.status, 0, "{}", said.err);
        assert!(said.out.contains("it had been committed"), "{}", said.out);
        let status = repository.git(&["status", "--porcelain"]).stdout;
        let status = String::from_utf8(status).unwrap();
        let is_staged = |line: &str| line.get(1..2) == Some(" ");
        assert!(status.lines().all(is_staged), "{status}");
    }
    assert_eq!(repository.state(), alike);
}

#[test]
fn what_was_added_by_hand_is_taken_back_in_the_index_too() {
    let repository = fleet();
    let before = repository.state();
    assert_eq!(xtask(&repository, &["migrate", "host", "web"]).status, 0);
    repository.git(&["add", "--all"]);
    let said = xtask(&repository, &["migrate", "undo"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(!said.out.contains("committed"), "{}", said.out);
    assert_eq!(repository.state(), before);
}

#[test]
fn a_flake_below_the_top_of_its_repository_is_taken_back_whole() {
    let top = Repository::plain(&[
        ("nix/flake.nix", FLAKE),
        ("nix/hosts/web/default.nix", &monolith("web")),
        ("nix/hosts/mail/default.nix", MAILER),
    ]);
    top.git(&["init", "--quiet", "--initial-branch=work"]);
    top.commit("first");
    let before = top.state();
    let at = |args: &[&str]| {
        let output = command(&top.root().join("nix"), args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    at(&["migrate", "host", "web", "--yes"]);
    assert_ne!(top.state(), before);
    at(&["migrate", "undo"]);
    assert_eq!(top.state(), before);
    assert!(top.git(&["status", "--porcelain"]).stdout.is_empty());
}

#[test]
fn a_hook_that_refuses_the_commit_leaves_the_tree_as_it_was() {
    let repository = fleet();
    let hook = repository.root().join(".git/hooks/pre-commit");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    repository.write(
        ".git/hooks/pre-commit",
        "#!/bin/sh\necho no such commit >&2\nexit 1\n",
    );
    let before = repository.state();
    let said = xtask(&repository, &["migrate", "host", "web", "--commit"]);
    assert_eq!(said.status, 2, "{}", said.out);
    assert!(
        said.err.contains("commit-failed: ") && said.err.contains("no such commit"),
        "{}",
        said.err
    );
    assert_eq!(repository.state(), before);
}

#[test]
fn what_is_refused_or_not_understood_changes_nothing() {
    let repository = fleet();
    repository.write("hosts/mail/default.nix", "{ networking.hostName = ; }\n");
    repository.commit("broken");
    let before = repository.state();
    for (args, status, code) in [
        (&["mail"][..], 1, "refused: "),
        (&["web", "mail"], 1, "refused: "),
        (&["nail"], 2, "did you mean `mail`?"),
        (&["../x"], 2, "no-such-host: "),
        (
            &["web", "--feature", "a b=services.nginx"],
            2,
            "bad-feature",
        ),
        (&["web", "--feature", "nothing"], 2, "bad-feature"),
        (
            &["web", "--only", "a", "--except", "b"],
            2,
            "cannot be used",
        ),
        (&["web", "--accept", "different"], 2, "invalid value"),
        (&[], 2, "required"),
    ] {
        let all: Vec<&str> = ["migrate", "host"].iter().chain(args).copied().collect();
        let said = xtask(&repository, &all);
        assert_eq!(said.status, status, "{args:?}: {}", said.err);
        assert!(said.err.contains(code), "{args:?}: {}", said.err);
        assert_eq!(repository.state(), before, "{args:?}");
    }
}

#[test]
fn only_and_except_choose_features() {
    let repository = fleet();
    let features = |args: &[&str]| {
        let all: Vec<&str> = ["migrate", "host", "web", "--dry-run", "--json"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        let said = xtask(&repository, &all);
        let json = document(&said);
        let features = json["hosts"][0]["features"].as_array().unwrap().clone();
        features
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(features(&["--only", "nginx"]), ["nginx"]);
    assert!(!features(&["--except", "nginx"]).contains(&"nginx".to_owned()));
    assert!(
        features(&["--feature", "frontend=services.nginx.**"]).contains(&"frontend".to_owned())
    );
    let said = |args: &[&str]| {
        let all = [&["migrate", "host", "web", "--dry-run", "--no-nix"], args].concat();
        xtask(&repository, &all)
    };
    for choice in ["--only", "--except"] {
        assert!(said(&[choice, "nginy"]).err.contains("unknown-feature"));
        assert!(!said(&[choice, "nginx"]).err.contains("unknown-feature"));
    }
    // What would be written with a name that was not meant so is not written.
    let written = [
        "migrate", "host", "web", "--no-nix", "--yes", "--except", "nginy",
    ];
    let refused = xtask(&repository, &written);
    assert_eq!(refused.status, 2, "{}", refused.err);
    assert!(!repository.root().join("modules/features").exists());
    let made = |pattern| said(&["--feature", &format!("frontend={pattern}")]).err;
    assert!(made("services.nope.**").contains("unknown-feature"));
    assert!(!made("services.nginx.**").contains("unknown-feature"));
    // It matches, and stays all the same.
    assert!(!made("system.stateVersion").contains("unknown-feature"));
    let case = said(&["--feature", "Nginx=services.nginx.**"]);
    assert_eq!(case.status, 2, "{}", case.err);
    assert!(case.err.contains("in nothing but case"), "{}", case.err);
}

#[test]
fn a_plan_covers_every_host_and_writes_nothing() {
    let repository = fleet();
    repository.write("hosts/mail/default.nix", "{ networking.hostName = ; }\n");
    let before = repository.state();
    let json = document(&xtask(&repository, &["migrate", "plan", "--json"]));
    assert_eq!(json["schema"], "migrate-plan/1");
    let outcome = |index: usize| {
        (
            json["hosts"][index]["name"].clone(),
            json["hosts"][index]["outcome"].clone(),
        )
    };
    assert_eq!(outcome(0), ("mail".into(), "refused".into()));
    assert_eq!(outcome(1), ("web".into(), "migrated".into()));
    let said = xtask(&repository, &["migrate", "plan", "web"]);
    assert!(
        said.status == 0 && said.out.contains("nginx") && !said.out.contains("mail"),
        "{}",
        said.out
    );
    assert_eq!(repository.state(), before);
}

#[test]
fn a_grouping_is_edited_and_used() {
    let repository = fleet();
    let before = repository.state();
    let editor = |script: &str| {
        let file = repository.outside().join("editor");
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let said = xtask_with(
            &repository,
            &["migrate", "plan", "web", "--edit"],
            &[("EDITOR", file.to_str().unwrap())],
        );
        (said.status, format!("{}{}", said.out, said.err))
    };
    let (status, said) = editor("sed -i 's/^\\[nginx\\]/[frontend]/' \"$1\"");
    assert_eq!(status, 0, "{said}");
    assert!(
        said.contains("frontend") && !said.contains("nginx 1"),
        "{said}"
    );
    // The tree is as it was, and the file that is named does what was edited.
    assert_eq!(repository.state(), before);
    let file = repository.root().join(".git/fleet/groupings/web.ini");
    assert!(said.contains("/.git/fleet/groupings/web.ini"), "{said}");
    let file = file.to_str().unwrap();
    let json = document(&xtask(
        &repository,
        &[
            "migrate",
            "host",
            "web",
            "--dry-run",
            "--json",
            "--grouping",
            file,
        ],
    ));
    let features = json["hosts"][0]["features"].to_string();
    assert!(features.contains("frontend"), "{features}");
    for (script, wanted) in [
        ("echo 'services.ngnix' >>\"$1\"", "`services.ngnix`"),
        ("echo '[a b]' >>\"$1\"", "cannot name a feature"),
        ("echo '[default]' >>\"$1\"", "cannot name a feature"),
        (": >\"$1\"", "the file is empty"),
        ("exit 3", "no-editor"),
    ] {
        let (status, said) = editor(script);
        assert_eq!(status, 2, "{script}: {said}");
        assert!(said.contains(wanted), "{script}: {said}");
    }
    // What was saved is still there, and where the next edit begins.
    let saved = fs::read_to_string(file).unwrap();
    assert!(saved.contains("[frontend]"), "{saved}");
    let (status, said) = editor("grep -q frontend \"$1\"");
    assert_eq!(status, 0, "{said}");
    let (status, said) = editor("true");
    assert_eq!(status, 0);
    assert!(said.contains("nothing was edited"), "{said}");
    let said = xtask(&repository, &["migrate", "plan", "--edit"]);
    assert_eq!(said.status, 2, "{}", said.err);
}

#[test]
fn a_tour_changes_nothing_here() {
    let repository = fleet();
    let before = repository.state();
    let said = xtask(&repository, &["tour"]);
    assert_eq!(said.status, 0, "{}", said.err);
    for step in [
        "$ cargo xtask inventory",
        "$ cargo xtask migrate host web",
        "$ cargo xtask prove HEAD",
        "2 hosts: 2 equal",
        "took back",
    ] {
        assert!(said.out.contains(step), "{step}: {}", said.out);
    }
    let json = document(&xtask(&repository, &["tour", "--json"]));
    assert_eq!(json["schema"], "tour/1");
    assert_eq!(json["steps"].as_array().unwrap().len(), 4);
    assert_eq!(repository.state(), before);
    assert!(!repository.root().join(".git/fleet").exists());
}

#[test]
fn a_branch_that_is_not_the_locked_one_is_refused() {
    let repository = fleet();
    repository.git(&["switch", "--quiet", "--create", "topic"]);
    let said = xtask(&repository, &["migrate", "host", "web"]);
    assert_eq!(said.status, 3);
    assert!(said.err.contains("wrong-branch: "), "{}", said.err);
    assert_eq!(
        xtask(&repository, &["migrate", "host", "web", "--dry-run"]).status,
        0
    );
}

fn start(repository: &Repository) -> Child {
    command(&repository.root(), &["migrate", "host", "web", "mail"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until the change of the tree has begun, or the child has ended.
fn wait_for_writing(repository: &Repository, child: &mut Child) {
    let pending = repository.root().join(".git/fleet/pending");
    let started = Instant::now();
    while !pending.exists() && child.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Kills runs: every other one anywhere, the rest while files are written.
fn kill_migrations(rounds: u64) {
    let repository = fleet();
    let old = repository.state();
    let started = Instant::now();
    assert_eq!(
        xtask(&repository, &["migrate", "host", "web", "mail"]).status,
        0
    );
    let duration = started.elapsed();
    let new = repository.state();
    assert_eq!(xtask(&repository, &["migrate", "undo"]).status, 0);
    let mut seed = 11_u64;
    let mut half_done = 0;
    for round in 0..rounds {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let share = f64::from(u32::try_from(seed >> 40).unwrap()) / f64::from(1 << 24);
        let mut child = start(&repository);
        if round % 2 == 0 {
            std::thread::sleep(duration.mul_f64(share * 1.1));
        } else {
            wait_for_writing(&repository, &mut child);
            std::thread::sleep(Duration::from_millis(25).mul_f64(share));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        half_done += u64::from(repository.root().join(".git/fleet/pending").exists());
        let said = xtask(&repository, &["migrate", "recover"]);
        assert_eq!(said.status, 0, "round {round}: {}", said.err);
        let state = repository.state();
        assert!(state == old || state == new, "round {round}: {}", said.out);
        if said.out.contains("the tree is the new one") {
            assert_eq!(state, new);
        }
        if state == new {
            assert_eq!(xtask(&repository, &["migrate", "undo"]).status, 0);
        }
        assert_eq!(repository.state(), old, "round {round}");
    }
    println!("{half_done} of {rounds} kills left something half done");
    assert!(
        half_done * 12 >= rounds,
        "only {half_done} of {rounds} kills hit"
    );
}

#[test]
fn killed_while_migrating() {
    kill_migrations(12);
}

#[test]
#[ignore = "takes minutes"]
fn killed_while_migrating_three_hundred_times() {
    kill_migrations(300);
}

#[test]
fn interrupted_while_writing_everything_is_taken_back() {
    let repository = fleet();
    let old = repository.state();
    let mut interrupted = 0;
    for _ in 0..6 {
        let mut child = start(&repository);
        wait_for_writing(&repository, &mut child);
        let pid = rustix::process::Pid::from_child(&child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        match child.wait().unwrap().code() {
            Some(130) => interrupted += 1,
            // It was through already.
            Some(0) => assert_eq!(xtask(&repository, &["migrate", "undo"]).status, 0),
            other => panic!("{other:?}"),
        }
        assert!(!repository.root().join(".git/fleet/pending").exists());
        assert_eq!(repository.state(), old);
    }
    assert!(interrupted > 0, "no signal arrived in time");
}

#[test]
fn two_runs_at_once() {
    let repository = fleet();
    let old = repository.state();
    let children: Vec<Child> = (0..3).map(|_| start(&repository)).collect();
    let mut codes: Vec<i32> = children
        .into_iter()
        .map(|mut child| child.wait().unwrap().code().unwrap())
        .collect();
    codes.sort_unstable();
    // The others were locked out, or came late and found the tree dirty.
    assert_eq!(codes, [0, 3, 3]);
    assert_eq!(xtask(&repository, &["migrate", "undo"]).status, 0);
    assert_eq!(repository.state(), old);
}

#[test]
fn a_host_behind_a_symbolic_link() {
    let repository = Repository::plain(&[
        ("flake.nix", &FLAKE.replace("\"web\" \"mail\"", "\"web\"")),
        ("machines/web/default.nix", &monolith("web")),
    ]);
    fs::create_dir_all(repository.root().join("hosts")).unwrap();
    repository.write("hosts/web", "->../machines/web");
    repository.git(&["init", "--quiet", "--initial-branch=main"]);
    repository.commit("first");
    let before = repository.state();
    let said = xtask(&repository, &["migrate", "host", "web"]);
    assert!(matches!(said.status, 0 | 1), "{}", said.err);
    if said.status == 0 {
        assert_eq!(xtask(&repository, &["prove"]).status, 0);
        assert!(repository.root().join("hosts/web").is_symlink());
        assert_eq!(xtask(&repository, &["migrate", "undo"]).status, 0);
    } else {
        assert!(said.err.contains("refused: "), "{}", said.err);
    }
    assert_eq!(repository.state(), before);
}

#[test]
fn a_host_directory_that_leads_out_of_the_repository() {
    let repository =
        Repository::plain(&[("flake.nix", &FLAKE.replace("\"web\" \"mail\"", "\"web\""))]);
    let outside = repository.outside().join("machines");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("default.nix"), monolith("web")).unwrap();
    fs::create_dir_all(repository.root().join("hosts")).unwrap();
    repository.write("hosts/web", "->../../machines");
    repository.git(&["init", "--quiet", "--initial-branch=main"]);
    repository.commit("first");
    let before = repository.state();
    let said = xtask(&repository, &["migrate", "host", "web"]);
    assert_eq!(said.status, 1, "{}{}", said.out, said.err);
    assert!(said.err.contains("refused: "), "{}", said.err);
    assert_eq!(repository.state(), before);
    assert_eq!(
        fs::read_to_string(outside.join("default.nix")).unwrap(),
        monolith("web")
    );
}
