//! Hosts that read each other's configuration.

use super::tree;
use crate::model::{Fleet, ParseCache};
use crate::options::OptionTable;
use crate::proof::Judgement::{self, Equal};
use crate::proof::compare;

const FLAKE: &str = "#- /flake.nix\n{ outputs = { self, nixpkgs }: { nixosConfigurations = nixpkgs.lib.genAttrs [ \"a\" \"b\" ] (name: nixpkgs.lib.nixosSystem { specialArgs = { inherit self; }; modules = [ (./. + \"/${name}.nix\") ./feature.nix ]; }); }; }\n#- /feature.nix\n{ config, lib, ... }: { options.my.ssh.enable = lib.mkEnableOption \"x\"; config = lib.mkIf config.my.ssh.enable { services.openssh.enable = true; }; }\n";

/// How `a` is judged when it takes up a feature that is there, while `b` reads.
fn judged(read: &str) -> Judgement {
    let side = |a: &str| tree(&format!("{FLAKE}#- /a.nix\n{a}\n#- /b.nix\n{read}\n"));
    let table = OptionTable::embedded();
    let cache = ParseCache::default();
    let load = |text| Fleet::load(&side(text), &table, &cache);
    let before = load("{ services.openssh.enable = true; }");
    let after = load("{ my.ssh.enable = true; }");
    let verdicts = compare(&before, &after, &table);
    let judgements = verdicts.iter().map(|verdict| verdict.judgement);
    judgements.max().unwrap()
}

#[test]
fn a_read_of_hosts_by_computed_name_blocks_only_its_path() {
    for read in [
        "{ self, ... }: let others = self.nixosConfigurations; port = name: others.${name}.config.services.nginx.defaultHTTPListenPort; in { networking.firewall.allowedTCPPorts = map port [ \"a\" ]; }",
        "{ self, ... }: let one = (self.nixosConfigurations.a or { }).config; in { networking.domain = one.networking.domain; }",
    ] {
        assert_eq!(judged(read), Equal, "{read}");
    }
    for read in [
        "{ self, ... }: let others = self.nixosConfigurations; in { environment.etc.x.text = builtins.toJSON others; }",
        "{ self, ... }: let others = self.nixosConfigurations; in { networking.domain = toString (map (name: others.${name}.config.my.ssh.enable) [ \"a\" ]); }",
        "{ self, ... }: { networking.domain = self.nixosConfigurations.a.config.my.ssh.enable; }",
    ] {
        assert_ne!(judged(read), Equal, "{read}");
    }
}

#[test]
fn of_a_host_that_is_an_argument_counts_what_is_read() {
    let side = |other: &str, reader: &str| {
        format!(
            "#- /flake.nix\n{{ outputs = {{ self, nixpkgs }}: {{ nixosConfigurations = {{ a = nixpkgs.lib.nixosSystem {{ modules = [ ./a.nix ]; }}; b = nixpkgs.lib.nixosSystem {{ specialArgs.other = self.nixosConfigurations.a.config; modules = [ ./b.nix ]; }}; }}; }}; }}\n#- /a.nix\n{{ networking.hostName = \"a\"; {other} }}\n#- /b.nix\n{{ other, lib, pkgs, ... }}: {{ {reader} }}\n#- /x.nix\n{{ other, ... }}: {{ time.timeZone = other.time.timeZone; }}\n#- /y.nix\nargs: {{ time.timeZone = args.other.time.timeZone; }}\n"
        )
    };
    let verdict = |reader: &str| {
        let table = OptionTable::embedded();
        let cache = ParseCache::default();
        let load = |zone: &str| Fleet::load(&tree(&side(zone, reader)), &table, &cache);
        let verdicts = compare(
            &load("time.timeZone = \"UTC\";"),
            &load("time.timeZone = \"CET\";"),
            &table,
        );
        verdicts.iter().find(|it| it.host == "b").unwrap().judgement
    };
    assert_eq!(
        verdict("networking.domain = other.networking.hostName;"),
        Equal
    );
    for reader in [
        "networking.domain = other.time.timeZone;",
        "networking.domain = lib.foo other;",
        "networking.domain = lib.attrByPath [ \"time\" \"timeZone\" ] null other;",
        "specialisation.a.configuration = ./x.nix;",
        "specialisation.a.configuration = ./y.nix;",
        "specialisation.a.configuration = { other, ... }: { time = other.time; };",
        "environment.etc.x.source = pkgs.callPackage ./x.nix { inherit other; };",
    ] {
        assert_ne!(verdict(reader), Equal, "{reader}");
    }
}

#[test]
fn a_host_read_through_the_flake_that_was_handed_on_counts() {
    let side = |zone: &str, given: &str, file: &str| {
        format!(
            "#- /flake.nix\n{{ outputs = {{ self, nixpkgs }}: {{ nixosConfigurations = {{ a = nixpkgs.lib.nixosSystem {{ modules = [ ./a.nix ]; }}; b = nixpkgs.lib.nixosSystem {{ specialArgs = {{ inherit self; }}; modules = [ ./b.nix ]; }}; }}; }}; }}\n#- /a.nix\n{{ time.timeZone = \"{zone}\"; }}\n#- /b.nix\n{{ self, pkgs, ... }}: {{ environment.etc.x.source = pkgs.callPackage ./x.nix {{ {given} }}; }}\n#- /x.nix\n{file}\n"
        )
    };
    let verdict = |given: &str, file: &str| {
        let table = OptionTable::embedded();
        let cache = ParseCache::default();
        let load = |zone: &str| Fleet::load(&tree(&side(zone, given, file)), &table, &cache);
        let verdicts = compare(&load("UTC"), &load("CET"), &table);
        verdicts.iter().find(|it| it.host == "b").unwrap().judgement
    };
    let reader = "{ self }: self.nixosConfigurations.a.config.time.timeZone";
    assert_ne!(verdict("inherit self;", reader), Equal);
    assert_ne!(
        verdict(
            "flake = self;",
            "{ flake }: map (name: flake.nixosConfigurations.${name}) [ \"a\" ]"
        ),
        Equal
    );
    assert_eq!(verdict("inherit self;", "{ self }: self.rev"), Equal);
}

/// One attribute of an option of attributes is merged with all of them: a definition
/// beside it that fails fails what reads it.
#[test]
fn what_stands_beside_what_is_read_of_another_host_counts_where_it_may_fail() {
    let side = |beside: &str| {
        format!(
            "#- /flake.nix\n{{ outputs = {{ self, nixpkgs }}: {{ nixosConfigurations = {{ a = nixpkgs.lib.nixosSystem {{ modules = [ ./a.nix ]; }}; b = nixpkgs.lib.nixosSystem {{ specialArgs = {{ inherit self; }}; modules = [ ./b.nix ]; }}; }}; }}; }}\n#- /a.nix\n{{ config, lib, ... }}: {{ services.forgejo.settings.server = {{ HTTP_PORT = 80; DOMAIN = {beside}; }}; }}\n#- /b.nix\n{{ self, ... }}: {{ networking.firewall.allowedTCPPorts = [ self.nixosConfigurations.a.config.services.forgejo.settings.server.HTTP_PORT ]; }}\n"
        )
    };
    let verdict = |before: &str, after: &str| {
        let table = OptionTable::embedded();
        let cache = ParseCache::default();
        let load = |beside: &str| Fleet::load(&tree(&side(beside)), &table, &cache);
        let verdicts = compare(&load(before), &load(after), &table);
        verdicts.iter().find(|it| it.host == "b").unwrap().judgement
    };
    assert_eq!(verdict("\"a\"", "\"b\""), Equal);
    assert_ne!(verdict("\"a\"", "throw \"b\""), Equal);
    assert_ne!(
        verdict("config.time.timeZone", "config.networking.domain"),
        Equal
    );
    assert_ne!(
        verdict("\"a\"", "lib.mkIf config.networking.domain \"a\""),
        Equal
    );
}

#[test]
fn a_host_that_declares_what_is_no_option_takes_its_readers_along() {
    let side = |option: &str| {
        tree(&format!(
            "{}#- /a.nix\n{{ lib, ... }}: {{ options.x.enable = {option}; config.networking.domain = \"a\"; }}\n#- /b.nix\n{{ self, ... }}: {{ networking.domain = self.nixosConfigurations.a.config.networking.domain; }}\n",
            FLAKE
        ))
    };
    let table = OptionTable::embedded();
    let cache = ParseCache::default();
    let load = |option| Fleet::load(&side(option), &table, &cache);
    let before = load("lib.mkEnableOption \"x\"");
    for option in [
        "lib.mkForce (lib.mkEnableOption \"x\")",
        "lib.mkIf true (lib.mkEnableOption \"x\")",
        "true",
        "[ ]",
        "_: lib.mkEnableOption \"x\"",
    ] {
        let verdicts = compare(&before, &load(option), &table);
        let reader = verdicts.iter().find(|verdict| verdict.host == "b").unwrap();
        assert_ne!(reader.judgement, Equal, "{option}");
    }
}
