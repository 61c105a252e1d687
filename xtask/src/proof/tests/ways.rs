//! Ways on which the flake comes into what is not followed.

use super::*;

const HOST: &str = "{ outputs = { self, nixpkgs, other, haumea }@inputs: { x = ./m; nixosConfigurations.h = nixpkgs.lib.nixosSystem { specialArgs = { inherit self inputs; }; modules = [ ./h.nix ]; }; }; }";

/// The judgement on `h` when the content of the file `m` changes.
fn judged(flake: &str, module: &str, file: &str) -> Judgement {
    let side = |content: &str| {
        format!(
            "#- /flake.nix\n{flake}\n#- /h.nix\n{module}\n#- /x.nix\n{file}\n#- /n/h.nix\n{file}\n#- /m\n{content}\n"
        )
    };
    check(&side("1"), &side("1"), Equal);
    judge(&side("1"), &side("2")).judgement
}

/// A module of which nothing but the body counts here.
fn module(body: &str) -> String {
    format!("{{ self, inputs, config, lib, pkgs, ... }}: {body}")
}

fn etc(value: &str) -> String {
    module(&format!("{{ environment.etc.x.source = {value}; }}"))
}

#[track_caller]
fn all_are_read<'c>(cases: impl IntoIterator<Item = (String, &'c str)>) {
    let equal = |(module, file): &(String, &str)| judged(HOST, module, file) == Equal;
    let wrong: Vec<(String, &str)> = cases.into_iter().filter(equal).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn libraries_of_other_inputs_may_read_everything() {
    let load =
        "{ self, haumea, ... }: { environment.etc.x.source = haumea.lib.load { src = self; }; }";
    for given in [
        "specialArgs = inputs;",
        "specialArgs = { inherit self haumea; };",
    ] {
        let flake = HOST.replace("specialArgs = { inherit self inputs; };", given);
        assert_ne!(judged(&flake, load, "1"), Equal, "{given}");
    }
    let loaded = "{ self, haumea, ... }: { home.file.a.source = haumea.lib.load { src = self; }; }";
    let packaged = "{ self, haumea }: haumea.lib.load { src = self; }";
    all_are_read([
        (
            module(
                "{ home-manager.extraSpecialArgs = { inherit (inputs) self haumea; }; home-manager.users.a = ./x.nix; }",
            ),
            loaded,
        ),
        (
            etc("pkgs.callPackage ./x.nix { inherit self; inherit (inputs) haumea; }"),
            packaged,
        ),
    ]);
    // Nixpkgs' own library does not.
    assert_eq!(
        judged(HOST, &etc("pkgs.lib.getName { src = self; }"), "1"),
        Equal
    );
}

#[test]
fn what_overlays_add_is_given_by_name() {
    all_are_read([
        (
            module(
                "{ nixpkgs.overlays = [ (final: prev: { inherit inputs; }) ]; environment.etc.x.source = pkgs.inputs.self + \"/m\"; }",
            ),
            "1",
        ),
        (
            module(
                "{ nixpkgs.overlays = [ (import ./x.nix { inherit inputs; }) ]; environment.etc.x.source = pkgs.inputs.self + \"/m\"; }",
            ),
            "{ inputs }: final: prev: { inherit inputs; }",
        ),
        (
            module(
                "{ nixpkgs.overlays = [ (f: p: { mySrc = self; }) ]; environment.etc.x.source = pkgs.callPackage ./x.nix { }; }",
            ),
            "{ mySrc }: mySrc + \"/m\"",
        ),
    ]);
    let packages =
        "specialArgs.pkgs = import nixpkgs { overlays = [ (f: p: { root = self; }) ]; };";
    let flake = HOST.replace("specialArgs = { inherit self inputs; };", packages);
    let read = "{ pkgs, ... }: { environment.etc.x.source = pkgs.root + \"/m\"; }";
    assert_ne!(judged(&flake, read, "1"), Equal);
    let other = "{ pkgs, ... }: { environment.etc.x.source = pkgs.hello + \"/m\"; }";
    assert_eq!(judged(&flake, other, "1"), Equal);
}

#[test]
fn what_is_made_of_the_flake_has_it() {
    all_are_read([
        (
            etc("\"${(pkgs.stdenv.mkDerivation { name = \"x\"; src = self; }).src}/m\""),
            "1",
        ),
        (
            etc("\"${(pkgs.callPackage ./x.nix { inherit self; }).src}/m\""),
            "{ self, stdenv }: stdenv.mkDerivation { src = self; }",
        ),
        (
            etc("(pkgs.callPackage ./x.nix { inherit self; }).root + \"/m\""),
            "{ self }: { root = self; }",
        ),
        (
            etc(
                "(import (./n + \"/${config.networking.hostName}.nix\") { flake = self; }).root + \"/m\"",
            ),
            "{ flake }: { root = flake; }",
        ),
        (
            module(
                "{ services.nginx.package = pkgs.callPackage ./x.nix { inherit self; }; environment.etc.x.source = \"${config.services.nginx.package.src}/m\"; }",
            ),
            "{ self, stdenv }: stdenv.mkDerivation { src = self; }",
        ),
        (
            etc("pkgs.callPackage ./x.nix { inherit self; }"),
            "{ self, lib }: (lib.fix (s: { root = self; x = s.root + \"/m\"; })).x",
        ),
        (
            etc(
                "(lib.makeScope pkgs.newScope (s: { root = self; x = s.callPackage ./x.nix { }; })).x",
            ),
            "{ root }: root + \"/m\"",
        ),
        (
            etc("pkgs.callPackage ./x.nix { inherit self; }"),
            "{ self }: let f = { root = self; __functor = s: n: s.root + n; }; in f \"/m\"",
        ),
        (etc("(builtins.getFlake \"path:${self}\").x"), "1"),
        (etc("builtins.fetchTree \"path:${self}\""), "1"),
        (
            etc("(lib.concatStringsSep \":\" [ \"${self}\" ]) + \"/m\""),
            "1",
        ),
        (etc("map toString (lib.fileset.toList (/. + self))"), "1"),
        (
            etc("lib.pipe self [ (flake: { root = flake; }) (it: it.root + \"/m\") ]"),
            "1",
        ),
    ]);
}

#[test]
fn a_pipe_reads_what_its_functions_read() {
    let module = etc(
        "lib.pipe { inherit self; x = [ 1 ]; } [ (it: it.x) (map toString) lib.concatStrings ]",
    );
    assert_eq!(judged(HOST, &module, "1"), Equal);
}

#[test]
fn modules_are_handed_on_what_is_put_into_them() {
    let apply = "{ localFlake }: { ... }: { home.file.x.source = localFlake + \"/m\"; }";
    let argument = "{ flake, ... }: { a = flake + \"/m\"; }";
    all_are_read([
        (
            module(
                "{ home-manager.users.a.imports = [ (lib.modules.importApply ./x.nix { localFlake = self; }) ]; }",
            ),
            apply,
        ),
        (
            etc(
                "(import \"${inputs.nixpkgs}/nixos/lib/eval-config.nix\" { specialArgs = { flake = self; }; modules = [ ./x.nix ]; }).config.system.build.toplevel",
            ),
            argument,
        ),
        (
            etc(
                "(import \"${inputs.nixpkgs}/nixos/lib/eval-config.nix\" { modules = [ { _module.args.flake = self; } ./x.nix ]; }).config.system.build.toplevel",
            ),
            argument,
        ),
        (
            "{ specialArgs, ... }: { environment.etc.x.source = specialArgs.self + \"/m\"; }"
                .to_owned(),
            "1",
        ),
        (etc("config._module.specialArgs.self + \"/m\""), "1"),
    ]);
}

#[test]
fn options_hold_what_their_declarations_say() {
    let nested = |body: &str| {
        module(&format!(
            "{{ options.my.apps = lib.mkOption {{ default = {{ }}; type = lib.types.attrsOf (lib.types.submodule ({{ config, ... }}: {{ {body} }})); }}; config = {{ my.apps.a = {{ }}; environment.etc.x.source = config.my.apps.a.file; }}; }}"
        ))
    };
    let home = "{ self, lib, config, ... }: { options.my.root = lib.mkOption { default = self; }; config.home.file.a.source = config.my.root + \"/m\"; }";
    let alias = |name: &str| {
        module(&format!(
            "{{ imports = [ (lib.{name} [ \"my\" \"root\" ] [ \"my\" \"flake\" ]) ]; options.my.flake = lib.mkOption {{ }}; config.my.root = self; config.environment.etc.x.source = config.my.flake + \"/m\"; }}"
        ))
    };
    let read = "{ self, ... }: { my.root = self; }";
    all_are_read([
        (
            nested(
                "options.root = lib.mkOption { default = self; }; options.file = lib.mkOption { default = config.root + \"/m\"; };",
            ),
            "1",
        ),
        (
            nested(
                "options.root = lib.mkOption { }; options.file = lib.mkOption { }; config.root = self; config.file = config.root + \"/m\";",
            ),
            "1",
        ),
        (
            module(
                "{ options.my.r = lib.mkOption { default = null; apply = v: if v == null then self else v; }; config.environment.etc.x.source = config.my.r + \"/m\"; }",
            ),
            "1",
        ),
        (
            module(
                "{ home-manager.extraSpecialArgs = { inherit self; }; home-manager.users.a = ./x.nix; }",
            ),
            home,
        ),
        (
            module(
                "{ home-manager.extraSpecialArgs = { inherit self; }; home-manager.users.a = ./x.nix; environment.etc.x.source = config.home-manager.users.a.my.root + \"/m\"; }",
            ),
            read,
        ),
        (alias("mkAliasOptionModule"), "1"),
        (alias("mkRenamedOptionModule"), "1"),
    ]);
}

#[test]
fn the_configuration_around_is_handed_on_by_any_name() {
    let home = |body: &str| {
        module(&format!(
            "{{ my.root = self; home-manager.users.a = {body}; }}"
        ))
    };
    all_are_read([
        (
            home(
                "{ osConfig, pkgs, ... }: { home.file.a.source = pkgs.callPackage ./x.nix { sys = osConfig; }; }",
            ),
            "{ sys }: builtins.readFile (sys.my.root + \"/m\")",
        ),
        (
            home("./x.nix"),
            "args: let os = args.osConfig or null; in { home.file.a.source = builtins.readFile (os.my.root + \"/m\"); }",
        ),
        (
            home("./x.nix"),
            "{ osConfig ? { }, lib, ... }: let os = if osConfig ? my then osConfig else { }; in { home.file.a.source = builtins.readFile (os.my.root + \"/m\"); }",
        ),
        (
            home("./x.nix"),
            "{ osConfig, lib, ... }: { home.file.a.source = builtins.readFile ((lib.attrByPath [ \"my\" \"root\" ] null osConfig) + \"/m\"); }",
        ),
    ]);
}

/// Nix reads deeper nesting than our parser: what is in such a file is not known.
#[test]
fn a_file_that_only_nix_can_read_may_read_everything() {
    let deep = |inner: &str| format!("{}{inner}{}", "(".repeat(600), ")".repeat(600));
    let file = format!("{{ self }}: {}", deep("builtins.readFile (self + \"/m\")"));
    all_are_read([(
        etc("pkgs.callPackage ./x.nix { inherit self; }"),
        file.as_str(),
    )]);
    let side = |content: &str| {
        let value = deep("builtins.readFile (self + \"/m\")");
        format!(
            "#- /flake.nix\n{HOST}\n#- /h.nix\n{}\n#- /m\n{content}\n",
            etc(&value)
        )
    };
    check(&side("1"), &side("2"), Unknown);
}

#[test]
fn what_has_no_end_is_not_known() {
    // Every file of the ring leads to every other one on two ways.
    let ring: String = (0..40)
        .map(|at| {
            let (one, other) = ((at + 1) % 40, (at * 7 + 1) % 40);
            format!("#- /f{at}.nix\na: [ (import ./f{one}.nix a) (import ./f{other}.nix (a // {{ x = 1; }})) ]\n")
        })
        .collect();
    let side = |last: &str| {
        format!(
            "#- /h.nix\n{{ time.timeZone = import ./f0.nix {{ }}; }}\n{ring}\n#- /f39.nix\n{last}\n"
        )
    };
    let (one, other) = (
        "a: [ (import ./f0.nix a) 1 ]",
        "a: [ (import ./f0.nix a) 2 ]",
    );
    assert_ne!(judge(&side(one), &side(other)).judgement, Equal);
    // What is named twice is not made twice.
    let doubled: String = (0..60)
        .map(|at| format!("a{} = [ a{at} a{at} ]; ", at + 1))
        .collect();
    let side = |first: u8| {
        format!(
            "#- /h.nix\n{{ time.timeZone = import ./x.nix 1; }}\n#- /x.nix\nx: let a0 = [ x {first} ]; {doubled} in a60\n"
        )
    };
    check(&side(1), &side(1), Equal);
    check(&side(1), &side(2), Different);
}
