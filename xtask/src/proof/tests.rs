//! Two states of a tiny fleet in, one judgement out.

mod created;
mod escapes;
mod foreign;
mod hosts;
mod idioms;
mod library;
mod links;
mod makers;
mod modules;
mod pinned;
mod places;
mod reads;
mod sound;
mod types;
mod ways;

use super::*;
use crate::model::ParseCache;
use crate::tree::Tree;

/// Files in one string: `#- /path` starts a file.
fn tree(fixture: &str) -> Tree {
    let mut files: Vec<(String, String)> = Vec::new();
    for line in fixture.lines() {
        match line.trim_start().strip_prefix("#- /") {
            Some(path) => files.push((path.trim().to_owned(), String::new())),
            None => {
                if let Some((_, text)) = files.last_mut() {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
    }
    if !files.iter().any(|(path, _)| path == "flake.nix") {
        let flake = "{ inputs.nixpkgs.url = \"github:NixOS/nixpkgs\"; outputs = { self, nixpkgs, other }@inputs: { nixosConfigurations.h = nixpkgs.lib.nixosSystem { specialArgs = { inherit inputs; }; modules = [ ./h.nix ]; }; }; }";
        files.push(("flake.nix".to_owned(), flake.to_owned()));
    }
    Tree::from_texts(
        files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str())),
    )
}

fn judge(before: &str, after: &str) -> HostVerdict {
    let table = OptionTable::embedded();
    let cache = ParseCache::default();
    let (before, after) = (tree(before), tree(after));
    let load = |tree: &Tree| Fleet::load(tree, &table, &cache);
    let verdicts = compare(&load(&before), &load(&after), &table);
    assert_eq!(verdicts.len(), 1, "one host");
    verdicts.into_iter().next().unwrap()
}

#[track_caller]
fn check(before: &str, after: &str, expect: Judgement) {
    let verdict = judge(before, after);
    assert_eq!(verdict.judgement, expect, "{:#?}", verdict.differences);
}

/// Both sides are one module `h.nix`.
#[track_caller]
fn check_module(before: &str, after: &str, expect: Judgement) {
    check(
        &format!("#- /h.nix\n{before}"),
        &format!("#- /h.nix\n{after}"),
        expect,
    );
}

use Judgement::{Different, Equal, OrderOnly, Unknown};

#[test]
fn spelling_does_not_count() {
    check_module(
        "{ lib, ... }: { services.openssh.enable = true; services.openssh.ports = [ 22 ]; }",
        "{ lib, pkgs, ... }:\n# a comment\n{ services = { openssh = { ports = [ (22) ]; enable = true; }; }; }",
        Equal,
    );
    check_module(
        "{ lib, ... }: let p = 80; in { services.openssh.ports = [ p ]; }",
        "{ lib, ... }: { services.openssh.ports = [ 80 ]; }",
        Equal,
    );
    check_module(
        "{ lib, ... }: { time.timeZone = lib.mkForce \"UTC\"; }",
        "{ lib, ... }: with lib; { time.timeZone = mkForce ''UTC''; }",
        Equal,
    );
}

#[test]
fn values_count() {
    check_module(
        "{ time.timeZone = \"UTC\"; }",
        "{ time.timeZone = \"CET\"; }",
        Different,
    );
    check_module(
        "{ services.openssh.ports = [ 1 2 ]; }",
        "{ services.openssh.ports = [ 2 1 ]; }",
        Different,
    );
    check_module("{ services.openssh.enable = true; }", "{ }", Different);
}

#[test]
fn the_level_of_a_wrapper_counts() {
    let check = |a: &str, b: &str, expect| {
        check_module(
            &format!("{{ lib, config, ... }}: {{ {a} }}"),
            &format!("{{ lib, config, ... }}: {{ {b} }}"),
            expect,
        );
    };
    let c = "config.services.nginx.enable";
    check(
        &format!("services.openssh = lib.mkIf {c} {{ enable = true; }};"),
        &format!("services.openssh.enable = lib.mkIf {c} true;"),
        Equal,
    );
    check(
        &format!("users.users.bob = lib.mkIf {c} {{ uid = 1; }};"),
        &format!("users.users.bob.uid = lib.mkIf {c} 1;"),
        Different,
    );
    check(
        &format!("users.users = lib.mkIf {c} {{ bob.uid = 1; }};"),
        &format!("users.users.bob = lib.mkIf {c} {{ uid = 1; }};"),
        Different,
    );
    check(
        "users.users.bob = lib.mkForce { uid = 1; };",
        "users.users.bob.uid = lib.mkForce 1;",
        Different,
    );
    check(
        "services.openssh.enable = lib.mkForce true;",
        "services.openssh.enable = lib.mkDefault true;",
        Different,
    );
    check(
        "services.openssh.enable = lib.mkForce true;",
        "services.openssh.enable = lib.mkOverride 50 true;",
        Equal,
    );
}

#[test]
fn an_empty_set_is_a_definition_below_options_only() {
    check_module("{ users.users.bob = { }; }", "{ }", Different);
    check_module("{ services.openssh = { }; }", "{ }", Equal);
}

#[test]
fn order_counts_where_definitions_add_up() {
    let files = |imports: &str| {
        format!(
            "#- /h.nix\n{{ imports = [ {imports} ]; }}\n#- /a.nix\n{{ services.openssh.ports = [ 1 ]; time.timeZone = \"UTC\"; }}\n#- /b.nix\n{{ services.openssh.ports = [ 2 ]; }}"
        )
    };
    check(
        &files("./a.nix ./b.nix"),
        &files("./b.nix ./a.nix"),
        OrderOnly,
    );
    check(
        &files("./a.nix ./b.nix"),
        &files("./a.nix ./b.nix ./a.nix"),
        Equal,
    );
    let scalar = |imports: &str| {
        format!(
            "#- /h.nix\n{{ imports = [ {imports} ]; }}\n#- /a.nix\n{{ services.openssh.enable = true; }}\n#- /b.nix\n{{ services.openssh.enable = true; }}"
        )
    };
    check(
        &scalar("./a.nix ./b.nix"),
        &scalar("./b.nix ./a.nix"),
        Equal,
    );
}

const INLINE: &str = "#- /h.nix\n{ pkgs, lib, ... }: { time.timeZone = \"UTC\"; services.openssh = { enable = true; settings.PermitRootLogin = \"no\"; }; users.users.bob.uid = 7; }";

fn feature(feature: &str, host: &str) -> String {
    format!(
        "#- /h.nix\n{{ lib, ... }}: {{ imports = [ ./f.nix ]; time.timeZone = \"UTC\"; {host} }}\n#- /f.nix\n{feature}"
    )
}

const FEATURE: &str = "{ config, lib, ... }: let cfg = config.features.ssh; in { options.features.ssh = { enable = lib.mkEnableOption \"ssh\"; uid = lib.mkOption { type = lib.types.int; default = 3; description = \"x\"; }; }; config = lib.mkIf cfg.enable { services.openssh = { enable = true; settings.PermitRootLogin = \"no\"; }; users.users.bob.uid = cfg.uid; }; }";

#[test]
fn a_feature_that_is_switched_on_changes_nothing() {
    check(
        INLINE,
        &feature(FEATURE, "features.ssh = { enable = true; uid = 7; };"),
        Equal,
    );
    check(
        INLINE,
        &feature(FEATURE, "features.ssh.enable = true;"),
        Different,
    );
    check(
        INLINE,
        &feature(FEATURE, "features.ssh = { enable = false; uid = 7; };"),
        Different,
    );
    check(INLINE, &feature(FEATURE, ""), Different);
}

#[test]
fn a_feature_whose_value_is_not_certain_is_never_equal() {
    let not_equal = |feature_text: &str, host: &str| {
        let verdict = judge(INLINE, &feature(feature_text, host));
        assert_ne!(verdict.judgement, Equal, "{host}");
    };
    not_equal(
        FEATURE,
        "features.ssh = { enable = lib.mkIf (builtins.currentSystem == \"x\") true; uid = 7; };",
    );
    // A second setter, a second declaration, `apply`, a condition.
    not_equal(
        FEATURE,
        "features.ssh = lib.mkMerge [ { enable = true; uid = 7; } { uid = 8; } ];",
    );
    not_equal(
        FEATURE,
        "features.ssh = { enable = true; uid = 7; }; options = {};",
    );
    not_equal(
        &FEATURE.replace("default = 3;", "default = 3; apply = x: x + 1;"),
        "features.ssh = { enable = true; uid = 7; };",
    );
    not_equal(
        &FEATURE.replace(
            "lib.types.int",
            "(lib.types.coercedTo lib.types.int (x: x) lib.types.int)",
        ),
        "features.ssh = { enable = true; uid = 7; };",
    );
    let twice = format!("{}\n#- /g.nix\n{{ lib, ... }}: {{ options.features.ssh.uid = lib.mkOption {{ type = lib.types.int; }}; }}", feature(FEATURE, "features.ssh = { enable = true; uid = 7; };")).replace("./f.nix ]", "./f.nix ./g.nix ]");
    assert_ne!(judge(INLINE, &twice).judgement, Equal);
}

#[test]
fn whoever_reads_declarations_makes_a_new_one_uncertain() {
    let read = |what: &str| {
        let before = INLINE
            .replace("time.timeZone = \"UTC\";", what)
            .replace("{ pkgs, lib, ... }", "{ pkgs, lib, config, options, ... }");
        let after = feature(FEATURE, "features.ssh = { enable = true; uid = 7; };")
            .replace("time.timeZone = \"UTC\";", what)
            .replacen("{ lib, ... }", "{ lib, config, options, ... }", 1);
        judge(&before, &after).judgement
    };
    assert_eq!(read("time.timeZone = \"UTC\";"), Equal);
    assert_ne!(
        read("environment.etc.x.text = toString (builtins.attrNames config.features);"),
        Equal
    );
    assert_ne!(
        read("environment.etc.x.text = toString (builtins.attrNames options);"),
        Equal
    );
    assert_ne!(read("documentation.nixos.includeAllModules = true;"), Equal);
}

#[test]
fn what_is_not_followed_takes_part_in_the_order() {
    let before = "#- /h.nix\n{ inputs, ... }: { imports = [ ./a.nix inputs.other.nixosModules.x ]; }\n#- /a.nix\n{ services.openssh.ports = [ 1 ]; }";
    let after = before.replace(
        "./a.nix inputs.other.nixosModules.x",
        "inputs.other.nixosModules.x ./a.nix",
    );
    check(before, &after, OrderOnly);
    check(
        before,
        &before.replace("nixosModules.x", "nixosModules.y"),
        Unknown,
    );
}

#[test]
fn paths_count_by_place_and_content() {
    let files = |name: &str, content: &str| {
        format!("#- /h.nix\n{{ environment.etc.x.source = ./{name}; }}\n#- /{name}\n{content}")
    };
    check(&files("x.sh", "a"), &files("x.sh", "a"), Equal);
    check(&files("x.sh", "a"), &files("x.sh", "b"), Different);
    check(&files("x.sh", "a"), &files("y.sh", "a"), Different);
}

#[test]
fn a_read_through_the_flake_sees_the_tree() {
    let flake = "#- /flake.nix\n{ outputs = { self, nixpkgs }: { nixosModules.m = import ./m.nix; lib.port = 1; nixosConfigurations.h = nixpkgs.lib.nixosSystem { specialArgs = { inherit self; }; modules = [ ./h.nix ]; }; }; }\n#- /m.nix\n{ time.timeZone = \"UTC\"; }\n#- /h.nix\n";
    let by_output = format!(
        "{flake}{{ self, ... }}: {{ imports = [ self.nixosModules.m ]; services.openssh.ports = [ self.lib.port ]; }}"
    );
    let by_path = format!(
        "{flake}{{ self, ... }}: {{ imports = [ \"${{self}}/m.nix\" ]; services.openssh.ports = [ self.lib.port ]; }}"
    );
    for before in [&by_output, &by_path] {
        check(before, before, Equal);
        check(before, &before.replace("\"UTC\"", "\"CET\""), Different);
        check(
            before,
            &before.replace("lib.port = 1", "lib.port = 2"),
            Different,
        );
    }
}

#[test]
fn binders_count_not_names() {
    check_module(
        "{ pkgs, ... }: { environment.etc.x.text = let f = a: b: a; in f 1 2; }",
        "{ pkgs, ... }: { environment.etc.x.text = let g = x: y: x; in g 1 2; }",
        Equal,
    );
    check_module(
        "{ pkgs, ... }: { environment.etc.x.text = let f = a: b: a; in f 1 2; }",
        "{ pkgs, ... }: { environment.etc.x.text = let f = a: b: b; in f 1 2; }",
        Different,
    );
    // Shadowing: the same spelling, another binder.
    check_module(
        "{ pkgs, ... }: { environment.systemPackages = with pkgs; [ git ]; }",
        "{ pkgs, ... }: let git = pkgs.hello; in { environment.systemPackages = with pkgs; [ git ]; }",
        Different,
    );
    // A nested evaluation's arguments are not the host's.
    check_module(
        "{ config, ... }: { containers.c.config = { config, ... }: { time.timeZone = config.x; }; }",
        "{ config, ... }: { containers.c.config = { ... }: { time.timeZone = config.x; }; }",
        Different,
    );
}

#[test]
fn arguments_and_inputs_count() {
    let flake = |args: &str| {
        format!(
            "#- /flake.nix\n{{ inputs.nixpkgs.url = \"a\"; outputs = {{ self, nixpkgs }}: {{ nixosConfigurations.h = nixpkgs.lib.nixosSystem {{ {args} modules = [ ./h.nix ]; }}; }}; }}\n#- /h.nix\n{{ x, ... }}: {{ time.timeZone = x; }}"
        )
    };
    check(
        &flake("specialArgs.x = 1;"),
        &flake("specialArgs.x = 2;"),
        Different,
    );
    check(
        &flake("system = \"a\";"),
        &flake("system = \"b\";"),
        Different,
    );
    let locked = |rev: &str| format!("{}\n#- /flake.lock\n{{ \"rev\": \"{rev}\" }}", flake(""));
    check(&locked("1"), &locked("2"), Different);
}

#[test]
fn functions_that_call_themselves_have_a_normal_form() {
    let module = |name: &str, step: i32| {
        format!(
            "{{ ... }}: let {name} = n: if n == 0 then [ ] else {name} (n - {step}); in {{ services.openssh.ports = {name} 3; }}"
        )
    };
    check_module(&module("f", 1), &module("go", 1), Equal);
    check_module(&module("f", 1), &module("f", 2), Different);
}

/// What is read of an option by a way other than its path has to count.
#[test]
fn a_value_that_is_read_through_a_helper_counts() {
    let option = "options.my.port = lib.mkOption { type = lib.types.int; default = 1; };";
    let module = |value: u8, read: &str| {
        format!(
            "{{ config, lib, pkgs, options, ... }}@args: let get = c: c.my.port; in {{ {option} config = {{ my.port = {value}; environment.etc.x.text = toString ({read}); }}; }}"
        )
    };
    for read in [
        "config.my.port",
        "get config",
        "args.config.my.port",
        "(import ./g.nix { inherit config; })",
        "(import ./g.nix args)",
        "with config; my.port",
        "with pkgs; with config; my.port",
        "config.${\"my\"}.port",
        "builtins.attrValues config.my",
        "pkgs.f config",
        "(x: x.config.my.port) args",
        "(x: x.c.my.port) { c = config; }",
        "map (n: config.my.${n}) [ \"port\" ]",
    ] {
        let side = |value| {
            format!(
                "#- /h.nix\n{}\n#- /g.nix\n{{ config, ... }}: config.my.port",
                module(value, read)
            )
        };
        check(&side(2), &side(2), Equal);
        assert_ne!(judge(&side(2), &side(3)).judgement, Equal, "{read}");
    }
}

#[test]
fn a_value_that_another_host_reads_counts() {
    let side = |value: u8| {
        format!(
            "#- /flake.nix\n{{ outputs = {{ self, nixpkgs }}: {{ nixosConfigurations.a = nixpkgs.lib.nixosSystem {{ modules = [ ./a.nix ]; }}; nixosConfigurations.b = nixpkgs.lib.nixosSystem {{ specialArgs = {{ inherit self; }}; modules = [ ./b.nix ]; }}; }}; }}\n#- /a.nix\n{{ lib, ... }}: {{ options.my.port = lib.mkOption {{ type = lib.types.int; default = 1; }}; config.my.port = {value}; }}\n#- /b.nix\n{{ self, ... }}: {{ services.openssh.ports = [ self.nixosConfigurations.a.config.my.port ]; }}"
        )
    };
    let table = OptionTable::embedded();
    let cache = ParseCache::default();
    let (before, after) = (tree(&side(2)), tree(&side(3)));
    let verdicts = compare(
        &Fleet::load(&before, &table, &cache),
        &Fleet::load(&after, &table, &cache),
        &table,
    );
    assert!(verdicts.iter().any(|verdict| verdict.judgement != Equal));
}
