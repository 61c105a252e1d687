//! Idioms of other people's fleets that must neither hide a change nor stand in the way.

use super::*;

/// A line of a module beside `rest`, and the same behind an option that is new.
fn moved(rest: &str, value: &str) -> HostVerdict {
    let module = |own: &str| {
        format!(
            "#- /h.nix\n{{ config, lib, pkgs, options, inputs, ... }}: {{ config = lib.mkMerge [ ({rest}) {{ {own} }} ]; {}}}",
            match own.starts_with("features") {
                true =>
                    "imports = [ ({ config, lib, ... }: { options.features.web.enable = lib.mkEnableOption \"w\"; config = lib.mkIf config.features.web.enable { services.nginx.enable = true; }; }) ];",
                false => "",
            }
        )
    };
    judge(
        &module("services.nginx.enable = true;"),
        &module(&format!("features.web.enable = {value};")),
    )
}

#[test]
fn sets_that_are_there_or_not_define_what_they_hold() {
    for rest in [
        "lib.optionalAttrs (options ? age) { age.x = 1; }",
        "lib.optionalAttrs (options ? x) { a.x = 1; } // lib.optionalAttrs (options ? y) { b.x = 2; }",
        "if options ? x then { a.x = 1; } else { b.y = 1; }",
        "lib.optionalAttrs (options ? x) (lib.mkIf true (lib.mkMerge [ { a.x = 1; } { b = lib.mkForce { }; } ]))",
    ] {
        let verdict = moved(rest, "true");
        assert_eq!(
            verdict.judgement, Equal,
            "{rest}: {:#?}",
            verdict.differences
        );
        assert_ne!(moved(rest, "false").judgement, Equal, "{rest}");
    }
    for rest in [
        "lib.optionalAttrs (options ? x) { features.web.enable = lib.mkForce false; }",
        "lib.optionalAttrs (options ? x) { features = inputs.x; }",
        "lib.optionalAttrs (options ? x) inputs.x",
        "inputs.f { a = 1; }",
        "lib.optionalAttrs (options ? x) { ${inputs.x} = 1; }",
        "{ } // inputs.x",
    ] {
        assert_ne!(moved(rest, "true").judgement, Equal, "{rest}");
    }
}

#[test]
fn a_path_in_a_list_is_a_selection() {
    let has = "{ services.x.y = lib.hasAttrByPath [ \"services\" \"z\" \"enable\" ] config; }";
    assert_eq!(moved(has, "true").judgement, Equal);
    for read in [
        "{ services.x.y = lib.hasAttrByPath [ \"features\" \"web\" \"enable\" ] config; }",
        "{ services.x.y = lib.attrByPath [ \"features\" inputs.x ] null config; }",
        "{ services.x.y = lib.hasAttrByPath inputs.path config; }",
    ] {
        assert_ne!(moved(read, "true").judgement, Equal, "{read}");
    }
    let side = |value: &str| {
        format!("#- /h.nix\n{{ config, lib, inputs, ... }}: {{ services.x.y = {value}; }}")
    };
    for (a, b) in [
        ("lib.attrByPath [ \"a\" \"b\" ] 1 config", "config.a.b or 1"),
        ("lib.getAttrFromPath [ \"a\" ] config", "config.a"),
        ("builtins.hasAttr \"a\" config.b", "config.b ? a"),
        ("builtins.getAttr inputs.x config.b", "config.b.${inputs.x}"),
    ] {
        check(&side(a), &side(b), Equal);
    }
    let (one, other) = (
        "lib.attrByPath [ \"a\" ] 1 config",
        "lib.attrByPath [ \"a\" ] 2 config",
    );
    assert_ne!(judge(&side(one), &side(other)).judgement, Equal);
}

const ROOTED: &str = "#- /lib.nix\n{ lib, ... }: { relativeToRoot = lib.path.append ./.; }\n#- /flake.nix\n{ inputs.nixpkgs.url = \"github:NixOS/nixpkgs\"; outputs = { self, nixpkgs, other }@inputs: let inherit (nixpkgs) lib; own = import ./lib.nix { inherit lib; }; in { nixosConfigurations.h = lib.nixosSystem { specialArgs = { inherit inputs own; }; modules = [ ./h.nix ]; }; }; }";

#[test]
fn places_below_the_root_count_by_what_stands_there() {
    let side = |module: &str, file: &str, other: &str| {
        format!(
            "{ROOTED}\n#- /h.nix\n{{ own, config, lib, pkgs, inputs, ... }}: {module}\n#- /d/f\n{file}\n#- /e\n{other}\n#- /p.nix\n{{ own, n, stdenv }}: stdenv.mkDerivation {{ src = own.relativeToRoot \"d/f\"; }}\n#- /home.nix\n{{ own, ... }}: {{ imports = map own.relativeToRoot [ \"d/f\" ]; }}"
        )
    };
    for module in [
        "{ environment.etc.x.source = own.relativeToRoot \"d/f\"; }",
        "{ environment.etc.x.source = own.relativeToRoot \"d/${config.networking.hostName}\"; }",
        "{ environment.etc.x.source = lib.path.append ./. \"d/f\"; }",
        "{ environment.etc.x.text = \"${own.relativeToRoot \"d/${inputs.x}\"}\"; }",
        "{ home-manager.users.a = import (own.relativeToRoot \"d/${config.networking.hostName}\"); }",
        "{ home-manager = { extraSpecialArgs = { inherit own; }; users.a = ./home.nix; }; }",
        "{ home-manager = { extraSpecialArgs = { inherit own; }; users.a = { own, ... }: { home.file.x.source = own.relativeToRoot \"d/f\"; }; }; }",
        "{ environment.systemPackages = [ (pkgs.callPackage ./p.nix { inherit own; n = 1; }) ]; }",
    ] {
        check(&side(module, "1", "2"), &side(module, "1", "3"), Equal);
        let verdict = judge(&side(module, "1", "2"), &side(module, "4", "2"));
        assert_ne!(verdict.judgement, Equal, "{module}");
    }
    for module in [
        "{ environment.etc.x.source = own.relativeToRoot inputs.x; }",
        "{ environment.etc.x.text = \"${own.relativeToRoot \".\"}\"; }",
        "{ environment.etc = lib.mapAttrs (name: own.relativeToRoot) inputs.x; }",
        "{ environment.etc.x.source = inputs.x own.relativeToRoot; }",
    ] {
        let verdict = judge(&side(module, "1", "2"), &side(module, "1", "3"));
        assert_ne!(verdict.judgement, Equal, "{module}");
    }
}

#[test]
fn what_a_build_gives_is_made_of_what_it_was_given() {
    let side = |value: &str, file: &str, other: &str| {
        format!(
            "#- /h.nix\n{{ pkgs, config, inputs, ... }}: {{ services.x.y = {value}; }}\n#- /d/f\n{file}\n#- /e\n{other}"
        )
    };
    let value = "builtins.readFile (pkgs.runCommand \"x\" { a = pkgs.b; } \"cat ${./d/f} > $out\")";
    check(&side(value, "1", "2"), &side(value, "1", "3"), Equal);
    let verdict = judge(&side(value, "1", "2"), &side(value, "4", "2"));
    assert_ne!(verdict.judgement, Equal);
    for all in [
        "builtins.readFile (pkgs.runCommand \"x\" { } \"cat ${inputs.self}/e > $out\")",
        "builtins.readFile (pkgs.runCommand \"x\" { } \"cat ${inputs.self}/* > $out\")",
        "builtins.readFile (pkgs.runCommand \"x\" { a = inputs.self; } \"cat $a/e > $out\")",
    ] {
        let verdict = judge(&side(all, "1", "2"), &side(all, "1", "3"));
        assert_ne!(verdict.judgement, Equal, "{all}");
    }
}

#[test]
fn a_default_that_is_not_taken_counts_for_nothing() {
    let side = |other: &str| {
        format!(
            "#- /h.nix\n{{ lib, ... }}: {{ nixpkgs.overlays = [ (final: prev: import ./p.nix {{ pkgs = final; }}) ]; }}\n#- /p.nix\n{{ pkgs ? import ./n.nix {{ }} }}: {{ a = pkgs.b; }}\n#- /n.nix\n{other}"
        )
    };
    check(&side("{ }: 1"), &side("{ }: 1"), Equal);
    let taken = side("{ }: 1").replace("{ pkgs = final; }", "{ }");
    let other = side("{ }: 2").replace("{ pkgs = final; }", "{ }");
    assert_ne!(judge(&taken, &other).judgement, Equal);
}

#[test]
fn what_is_written_as_before_says_what_it_reads() {
    let side = |file: &str| {
        format!("#- /h.nix\n{{ ... }}: {{ environment.etc.x.source = ./f; }}\n#- /f\n{file}")
    };
    let verdict = judge(&side("1"), &side("2"));
    let messages: Vec<&str> = verdict
        .differences
        .iter()
        .map(|it| it.message.as_str())
        .collect();
    assert_eq!(
        messages,
        ["`environment.etc.x.source` is /f as before, but reads `f`, and that changed"]
    );
}

#[test]
fn of_a_file_that_is_imported_only_what_it_reads_counts() {
    let side = |module: &str, files: [&str; 4]| {
        let [home, beside, above, elsewhere] = files;
        format!(
            "#- /h.nix\n{{ lib, config, inputs, ... }}: let host = \"a\"; in {module}\n#- /hosts/a/u/home.nix\n{home}\n#- /hosts/a/u/x.nix\n{beside}\n#- /hosts/a/default.nix\n{above}\n#- /hosts/b/u/home.nix\n{elsewhere}"
        )
    };
    let module = "{ home-manager.users = lib.genAttrs inputs.users (user: import ./hosts/${host}/${user}/home.nix); }";
    let home = "{ imports = [ ./x.nix ]; }";
    let before = side(module, [home, "{ }", "{ }", "{ }"]);
    for equal in [
        [home, "{ }", "{ a = 1; }", "{ }"],
        [home, "{ }", "{ }", "{ a = 1; }"],
    ] {
        check(&before, &side(module, equal), Equal);
    }
    for other in [
        ["{ imports = [ ./x.nix ]; a = 1; }", "{ }", "{ }", "{ }"],
        [home, "{ a = 1; }", "{ }", "{ }"],
    ] {
        assert_ne!(judge(&before, &side(module, other)).judgement, Equal);
    }
    // A path by itself may lead anywhere.
    for module in [
        "{ home-manager.users = lib.genAttrs inputs.users (user: ./hosts/${host}/${user}/home.nix); }",
        "{ services.x.y = builtins.readDir ./hosts/${host}/${inputs.x}; }",
        "{ services.x.y = import ./hosts/${host}/${inputs.x}; }",
    ] {
        let (before, after) = (
            side(module, [home, "{ }", "{ }", "{ }"]),
            side(module, [home, "{ }", "{ a = 1; }", "{ }"]),
        );
        assert_ne!(judge(&before, &after).judgement, Equal, "{module}");
    }
}
