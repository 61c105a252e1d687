//! Systems that are made where the flake is handed on: of nix-darwin, of home-manager,
//! or of NixOS once more.

use super::*;

/// A module in a fleet of which all outputs are known, a file `x.nix` beside it, one
/// that reads the flake, and what stands at `/m`.
fn judged(module: &str, file: &str) -> Judgement {
    let side = |content: &str| {
        format!(
            "#- /flake.nix\n{{ outputs = {{ self, nixpkgs, other }}@inputs: {{ packages.x86_64-linux.a = import ./m; nixosConfigurations.h = nixpkgs.lib.nixosSystem {{ specialArgs = {{ inherit self inputs; }}; modules = [ ./h.nix ]; }}; }}; }}\n#- /h.nix\n{{ self, inputs, config, lib, pkgs, ... }}: {module}\n#- /x.nix\n{file}\n#- /n/h.nix\n{file}\n#- /y.nix\n{{ self, ... }}: {{ a = \"${{self}}/m\"; }}\n#- /m\n{content}\n"
        )
    };
    check(&side("1"), &side("1"), Equal);
    judge(&side("1"), &side("2")).judgement
}

fn etc(value: &str) -> String {
    format!("{{ environment.etc.x.source = {value}; }}")
}

/// A function of the repository's own that makes a system, in a file that is not
/// followed.
fn made(system: &str) -> (String, String) {
    (
        etc("pkgs.callPackage ./x.nix { inherit self inputs; }"),
        format!("{{ self, inputs }}: {system}"),
    )
}

/// Modules with the file beside them, and what their judgement has to be.
#[track_caller]
fn none_is_wrong(
    cases: impl IntoIterator<Item = (String, String)>,
    right: impl Fn(Judgement) -> bool,
) {
    let wrong: Vec<String> = cases
        .into_iter()
        .filter(|(module, file)| !right(judged(module, file)))
        .map(|(module, file)| format!("{module} :: {file}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_a_system_made_of_the_flake_reads_counts() {
    let nested = |module: &str, file: &str| (module.to_owned(), file.to_owned());
    let cases = [
        made(
            "inputs.other.lib.darwinSystem { specialArgs = { inherit self; }; modules = [ ({ self, ... }: { a = self + \"/m\"; }) ]; }",
        ),
        made(
            "inputs.other.lib.darwinSystem { specialArgs = { inherit self; }; modules = [ ./y.nix ]; }",
        ),
        made(
            "inputs.nixpkgs.lib.nixosSystem { specialArgs = { inherit self; }; modules = [ ./y.nix ]; }",
        ),
        made(
            "inputs.other.lib.homeManagerConfiguration { extraSpecialArgs = { inherit self; }; modules = [ ./y.nix ]; }",
        ),
        made("inputs.other.lib.darwinSystem { inherit self; modules = [ ./y.nix ]; }"),
        made(
            "inputs.other.lib.darwinSystem { inherit inputs; modules = [ ({ inputs, ... }: { a = \"${inputs.self}/m\"; }) ]; }",
        ),
        made(
            "inputs.other.lib.darwinSystem { modules = [ { _module.args = { root = self; }; } ({ root, ... }: { a = root + \"/m\"; }) ]; }",
        ),
        made(
            "inputs.other.lib.darwinSystem { modules = [ { my.root = self; } ({ config, ... }: { a = config.my.root + \"/m\"; }) ]; }",
        ),
        made(
            "inputs.other.lib.darwinSystem { modules = [ { config.my.root = self; } ({ config, ... }: { a = config.my.root + \"/m\"; }) ]; }",
        ),
        made(
            "inputs.other.lib.darwinSystem { modules = [ { imports = [ { my.root = self; } ]; } ({ config, ... }: { a = config.my.root + \"/m\"; }) ]; }",
        ),
        made(
            "(inputs.other.lib.darwinSystem { modules = [ { my.root = self; } ]; }).config.my.root + \"/m\"",
        ),
        made(
            "let made = inputs.nixpkgs.lib.nixosSystem { modules = [ { my.deep.root = self; } ]; }; in \"${made.config.my.deep.root}/m\"",
        ),
        made(
            "let made = inputs.nixpkgs.lib.evalModules { modules = [ { my.root = self; } ]; }; in \"${made.config.my.root}/m\"",
        ),
        made(
            "inputs.other.lib.unknownFlake (inputs.other.lib.darwinSystem { modules = [ { my.root = self; } ]; })",
        ),
        made("inputs.other.lib.darwinSystem self"),
        made("inputs.other.lib.darwinSystem { modules = [ (self + \"/d/m\") (\"${self}/m\") ]; }"),
        made("inputs.self.packages.x86_64-linux.a"),
        nested(
            "{ home-manager.users.a = { imports = [ ./x.nix ({ config, ... }: { home.file.a.source = \"${config.my.root}/m\"; }) ]; }; home-manager.extraSpecialArgs = { inherit self; }; }",
            "{ self, ... }: { my.root = self; }",
        ),
        nested(
            "{ home-manager.users.a = { imports = [ ./x.nix ({ config, ... }: { home.file.a.source = \"${config.my.root}/m\"; }) ]; }; home-manager.extraSpecialArgs = { inherit self; }; }",
            "{ self, ... }: { config = { my.root = self; }; }",
        ),
        nested(
            "{ my.root = self; home-manager.users.a = ./x.nix; }",
            "{ osConfig, ... }: { home.file.a.source = \"${osConfig.my.root}/m\"; }",
        ),
        nested(
            "{ my.root = self; home-manager.users.a = { osConfig, ... }: { home.file.a.source = \"${osConfig.my.root}/m\"; }; }",
            "{ }",
        ),
        nested(
            "{ home-manager.users.a = { my.root = self; imports = [ ({ config, ... }: { home.file.a.source = config.my.root + \"/m\"; }) ]; }; }",
            "{ }",
        ),
        nested(
            "{ home-manager.users.a = ./x.nix; home-manager.extraSpecialArgs = { inherit self; }; }",
            "{ self, config, ... }: { my.root = self; home.file.a.source = \"${config.my.root}/m\"; }",
        ),
        made(
            "let made = inputs.nixpkgs.lib.nixosSystem { modules = [ { my.deep.root = self; } ]; }; in builtins.readDir made.config.my.deep.root",
        ),
        made(
            "let made = inputs.nixpkgs.lib.nixosSystem { modules = [ { my.deep.root = self; } ]; }; in made.config.my.deep.root.packages.x86_64-linux.a",
        ),
        made(
            "let made = inputs.nixpkgs.lib.nixosSystem { modules = [ { my.deep.root = self; } ]; }; in inputs.nixpkgs.lib.concatStrings [ made.config.my.deep.root \"/m\" ]",
        ),
        made(
            "inputs.other.lib.darwinSystem { inputs.flake = self; modules = [ ({ inputs, ... }: { a = inputs.flake + \"/m\"; }) ]; }",
        ),
    ];
    none_is_wrong(cases, |judgement| judgement != Equal);
}

#[test]
fn a_system_that_is_made_of_the_flake_is_no_read_of_all_of_it() {
    let cases = [
        made(
            "inputs.other.lib.darwinSystem { specialArgs = { inherit self inputs; }; modules = [ ({ self, ... }: { a = self.rev; }) ]; }",
        ),
        made(
            "inputs.other.lib.darwinSystem { specialArgs = { inherit self inputs; }; modules = [ ./o2.nix ]; }",
        ),
        made(
            "inputs.nixpkgs.lib.nixosSystem { specialArgs = { inherit self inputs; }; modules = [ { networking.hostName = \"a\"; } ]; }",
        ),
        made(
            "inputs.other.lib.homeManagerConfiguration { extraSpecialArgs = { inherit self inputs; }; modules = [ { a = 1; } ]; }",
        ),
        made(
            "builtins.attrNames (inputs.nixpkgs.lib.evalModules { specialArgs = { inherit inputs; }; modules = [ { a = 1; } ]; }).config",
        ),
    ];
    none_is_wrong(cases, |judgement| judgement == Equal);
}

/// Configurations and arguments that are handed on whole, and functions that are called
/// more than once.
#[test]
fn what_is_handed_on_whole_is_read_too() {
    let nested = |module: &str, file: &str| (module.to_owned(), file.to_owned());
    let given = |file: &str| {
        (
            etc("pkgs.callPackage ./x.nix { inherit self; }"),
            file.to_owned(),
        )
    };
    let users = "{ my.root = self; home-manager.extraSpecialArgs.system = config; home-manager.users.a = ./x.nix; }";
    let cases = [
        nested(
            users,
            "{ system, ... }: { home.file.a.source = \"${system.my.root}/m\"; }",
        ),
        nested(
            users,
            "{ system, lib, ... }: { home.file = lib.mapAttrs (_: all: { source = all.root + \"/m\"; }) system; }",
        ),
        nested(
            users,
            "{ system, name, ... }: { home.file.a.source = system.${name}.root + \"/m\"; }",
        ),
        nested(
            &etc("import (./n + \"/${config.networking.hostName}.nix\") self"),
            "s: s + \"/m\"",
        ),
        given("args: map (it: it + \"/m\") (builtins.attrValues args)"),
        given("args: builtins.mapAttrs (_: it: it + \"/m\") args"),
        given(
            "{ self }: let f = x: x.a + \"/m\"; in [ (f { a = \"q\"; b = self; }) (f { a = self; }) ]",
        ),
        given("{ self }: let f = x: map (y: x + \"/m\") [ 1 ]; in [ (f \"q\") (f self) ]"),
        given(
            "{ self }: let f = x: y: map (z: x.a + \"/m\") [ y ]; in [ (f { a = \"q\"; b = self; } 1) (f { a = self; } 2) ]",
        ),
        nested(
            &etc("pkgs.callPackage ./x.nix { own = { a.b.c.d.e.f.g.h.i.j.k.l = self; }; }"),
            "{ own }: own.a.b.c.d.e.f.g.h.i.j.k.l + \"/m\"",
        ),
    ];
    none_is_wrong(cases, |judgement| judgement != Equal);
}
