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
