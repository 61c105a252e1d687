//! The flake as a whole: pinned by its place, it may be named by anyone.

use super::escapes::judged;
use super::*;

#[test]
fn the_flake_as_a_whole_is_pinned_by_its_place() {
    let mut wrong = Vec::new();
    for (module, file) in [
        ("{ nix.registry.self.flake = self; }", "{ }"),
        ("{ environment.etc.nixos.source = self; }", "{ }"),
        ("{ environment.etc.nixos.source = self.outPath; }", "{ }"),
        (
            "{ environment.etc.nixos.text = \"${self} ${self.outPath}\"; }",
            "{ }",
        ),
        (
            "{ system.configurationRevision = self.rev or self.dirtyRev or \"none\"; system.nixos.label = self.lastModifiedDate; }",
            "{ }",
        ),
        (
            "{ system.nixos.label = lib.concatStringsSep \"-\" [ \"a\" (self.shortRev or \"dirty\") ]; }",
            "{ }",
        ),
        (
            "{ system.nixos.label = builtins.substring 0 8 (self.lastModifiedDate or \"19700101\"); }",
            "{ }",
        ),
        (
            "{ system.configurationRevision = lib.mkIf (self ? rev) self.rev; }",
            "{ }",
        ),
        (
            "{ nix.registry = lib.mapAttrs (_: value: { flake = value; }) inputs; }",
            "{ }",
        ),
        (
            "{ nix.registry = lib.mapAttrs (_: flake: { inherit flake; }) (lib.filterAttrs (_: lib.isType \"flake\") inputs); }",
            "{ }",
        ),
        (
            "{ nix.nixPath = lib.mapAttrsToList (key: value: \"${key}=${value}\") inputs; }",
            "{ }",
        ),
        (
            "{ nix.registry = lib.mapAttrs (_: value: { flake = value; }) inputs; nix.nixPath = lib.mapAttrsToList (key: value: \"${key}=${value.to.path}\") config.nix.registry; }",
            "{ }",
        ),
        (
            "{ nix.nixPath = [ \"nixpkgs=${inputs.nixpkgs}\" \"here=${self}\" ]; nix.settings.nix-path = config.nix.nixPath; }",
            "{ }",
        ),
        (
            "{ environment.etc = lib.mapAttrs' (name: value: { name = \"nix/path/${name}\"; value.source = value.flake; }) config.nix.registry; nix.registry.self.flake = self; }",
            "{ }",
        ),
        ("{ system.autoUpgrade.flake = \"${self}\"; }", "{ }"),
        ("{ system.autoUpgrade.flake = \"${self}#h\"; }", "{ }"),
        ("{ system.autoUpgrade.flake = self.outPath; }", "{ }"),
        (
            "{ environment.etc.x.source = \"${inputs.other}/m\"; }",
            "{ }",
        ),
        (
            "{ environment.etc.x.source = inputs.other + \"/m\"; }",
            "{ }",
        ),
        ("{ environment.etc.x.source = \"${self}/e/m\"; }", "{ }"),
        (
            "{ home-manager.extraSpecialArgs = { inherit inputs self; }; home-manager.users.a = ./x.nix; }",
            "{ inputs, pkgs, ... }: { imports = [ inputs.other.homeModules.default ]; home.packages = [ pkgs.git ]; }",
        ),
        (
            "{ home-manager.extraSpecialArgs = { inherit inputs self; }; home-manager.users.a = import ./x.nix; }",
            "{ inputs, pkgs, ... }: { imports = [ inputs.other.homeModules.default ]; home.packages = [ inputs.other.packages.${pkgs.system}.default ]; }",
        ),
        (
            "{ home-manager.extraSpecialArgs = { inherit inputs self; }; home-manager.users.a = ./x.nix; }",
            "{ self, ... }: { home.file.x.source = \"${self}/e/m\"; }",
        ),
        (
            "{ home-manager.extraSpecialArgs = { inherit inputs; }; home-manager.users.a = ./x.nix; }",
            "{ inputs, config, lib, ... }: { home.packages = with inputs.other.packages; [ a b ]; home.file.\"${config.home.homeDirectory}/x\".text = lib.concatStrings [ config.a.b ]; }",
        ),
        (
            "{ environment.systemPackages = [ (pkgs.callPackage ./x.nix { inherit inputs; }) ]; }",
            "{ stdenv, inputs, python3 }: stdenv.mkDerivation { src = inputs.other; x = \"${python3}/bin/python ${inputs.other}/e\"; }",
        ),
        (
            "{ nixpkgs.overlays = [ (import ./x.nix { inherit inputs; }) ]; }",
            "{ inputs, ... }: final: prev: { a = inputs.other.packages.${final.system}.a; }",
        ),
        (
            "{ specialisation.a.configuration = ./x.nix; }",
            "{ lib, config, pkgs, inputs, ... }: { services.x.y = lib.concatStringsSep \" \" config.a.b; environment.systemPackages = [ (pkgs.callPackage ./e { }) ]; }",
        ),
        (
            "{ environment.systemPackages = [ inputs.other.packages.${pkgs.system}.a (inputs.other.lib.f { inherit pkgs; }) ]; }",
            "{ }",
        ),
        (
            "{ nixpkgs.overlays = [ inputs.other.overlays.default (final: prev: { stable = import inputs.other { inherit (prev) system config; }; }) ]; }",
            "{ }",
        ),
        (
            "{ environment.etc.x.text = pkgs.writeText \"x\" \"${self}\"; }",
            "{ }",
        ),
        (
            "{ environment.etc.x.text = builtins.toJSON { rev = self.rev or null; }; }",
            "{ }",
        ),
        (
            "{ assertions = [ { assertion = self.inputs ? other; message = \"x\"; } ]; }",
            "{ }",
        ),
        (
            "{ programs.x.y = map (host: self.nixosConfigurations.${host}.config.networking.hostName) (lib.attrNames self.nixosConfigurations); }",
            "{ }",
        ),
    ] {
        let judgement = judged(module, file);
        if judgement != Equal {
            wrong.push(format!("{judgement:?} {module} {file}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
