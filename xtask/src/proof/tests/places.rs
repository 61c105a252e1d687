//! What stands in the tree and is read in ways that are not plain path
//! literals, and what the module system or the parser refuses.

use super::*;

const FLAKE: &str = "#- /flake.nix\n{ outputs = { self, nixpkgs }: { nixosConfigurations.h = nixpkgs.lib.nixosSystem { specialArgs = { inherit self; root = self.outPath; }; modules = [ ./h.nix ]; }; }; }";

fn with_file(module: &str, path: &str, content: &str) -> String {
    format!(
        "{FLAKE}\n#- /h.nix\n{module}\n#- /f.nix\n{{ self, n }}: \"${{self}}/d/${{n}}\"\n#- /{path}\n{content}"
    )
}

#[test]
fn what_is_read_through_the_flake_counts() {
    for value in [
        "\"${self}/d/a\"",
        "\"${self}/d/${config.networking.hostName}\"",
        "(self + \"/d/${config.networking.hostName}\")",
        "(self + \"/d/\" + config.networking.hostName)",
        "(self.outPath + \"/d/${config.networking.hostName}\")",
        "(root + \"/d/${config.networking.hostName}\")",
        "(let p = \"/d/a\"; in \"${self}${p}\")",
        "(import ./f.nix { inherit self; n = config.networking.hostName; })",
    ] {
        let module =
            format!("{{ self, root, config, ... }}: {{ environment.etc.x.source = {value}; }}");
        let side = |content| with_file(&module, "d/a", content);
        check(&side("1"), &side("1"), Equal);
        assert_ne!(judge(&side("1"), &side("2")).judgement, Equal, "{value}");
        let other = |content| with_file(&module, "e/a", content);
        if !value.contains("${p}") {
            check(&other("1"), &other("2"), Equal);
        }
    }
    let module = "{ self, ... }: { environment.etc.x.source = \"${self}/d/a b\"; }";
    let side = |content| with_file(module, "d/a b", content);
    assert_ne!(judge(&side("1"), &side("2")).judgement, Equal);
}

#[test]
fn a_file_that_is_copied_is_not_the_file_in_the_flake() {
    let side = |text: &str| {
        with_file(
            &format!("{{ self, ... }}: {{ environment.etc.x.text = \"cat {text}\"; }}"),
            "d/a",
            "1",
        )
    };
    let places = ["${./d/a}", "${./d}/a", "${./.}/d/a", "${self}/d/a"];
    for one in places {
        for other in places.iter().filter(|other| **other != one) {
            assert_ne!(
                judge(&side(one), &side(other)).judgement,
                Equal,
                "{one} {other}"
            );
        }
    }
    // A directory is copied with all that is in it.
    let module = "{ ... }: { environment.etc.x.text = \"cat ${./d}/a\"; }";
    let side = |content| with_file(module, "d/b", content);
    assert_ne!(judge(&side("1"), &side("2")).judgement, Equal);
}

#[test]
fn what_cannot_be_read_counts_as_its_text() {
    let deep = |value: u8| {
        let (open, close) = ("[".repeat(9_000), "]".repeat(9_000));
        format!("#- /h.nix\n{{ ... }}: {{ services.x.y = {open} {value} {close}; }}")
    };
    check(&deep(1), &deep(1), Equal);
    assert_ne!(judge(&deep(1), &deep(2)).judgement, Equal);
    let module = |text: &str| format!("#- /h.nix\n{text}");
    for (before, after) in [
        (
            "{ ... }: { services.nginx.enable = true; }",
            "{ ... }: { services.nginx.enable = true; services.nginx.enable = true; }",
        ),
        (
            "{ config, lib, ... }: { services.nginx.enable = true; }",
            "{ config, lib }: { services.nginx.enable = true; }",
        ),
        (
            "{ ... }: { \n environment.etc.x.text = toString __curPos.column; }",
            "{ ... }: {   environment.etc.x.text = toString __curPos.column; }",
        ),
    ] {
        assert_ne!(
            judge(&module(before), &module(after)).judgement,
            Equal,
            "{after}"
        );
    }
}

#[test]
fn a_feature_has_its_default_as_a_definition_too() {
    let plain = "#- /h.nix\n{ ... }: { services.nginx.enable = true; }";
    let feature = |value: &str| {
        format!(
            "#- /h.nix\n{{ config, lib, ... }}: {{ options.features.web.enable = lib.mkEnableOption \"w\"; config = lib.mkMerge [ {{ features.web.enable = {value}; }} (lib.mkIf config.features.web.enable {{ services.nginx.enable = true; }}) ]; }}"
        )
    };
    check(plain, &feature("true"), Equal);
    check(plain, &feature("lib.mkDefault true"), Equal);
    for value in [
        "lib.mkOptionDefault true",
        "lib.mkOverride 2000 true",
        "lib.mkForce (lib.mkDefault true)",
    ] {
        assert_ne!(judge(plain, &feature(value)).judgement, Equal, "{value}");
    }
}

#[test]
fn an_argument_that_leads_anywhere_counts_with_the_whole_tree() {
    let side = |module: &str, rest: &str, file: &str| {
        format!(
            "#- /flake.nix\n{{ outputs = {{ self, nixpkgs, other }}: {{ nixosConfigurations.h = nixpkgs.lib.nixosSystem {{ specialArgs.own = {{ at = nixpkgs.lib.path.append ./.; }}; modules = [ ./h.nix ]; }}; }}; }}\n#- /h.nix\n{module}\n#- /x.nix\n{rest}\n#- /n/h.nix\n{rest}\n#- /m\n{file}"
        )
    };
    for (module, rest) in [
        (
            "{ own, pkgs, ... }: { environment.etc.x.source = pkgs.copy (own.at \"m\"); }",
            "{ }",
        ),
        (
            "{ own, pkgs, ... }: { environment.etc.x.source = pkgs.copy (own.${pkgs.name} \"m\"); }",
            "{ }",
        ),
        (
            "{ own, ... }: { environment.etc.x.source = map (f: f \"m\") (builtins.attrValues own); }",
            "{ }",
        ),
        (
            "{ own, pkgs, ... }: { environment.etc.x.source = pkgs.callPackage ./x.nix { inherit own; }; }",
            "{ own }: builtins.readFile (own.at \"m\")",
        ),
        (
            "{ specialisation.a.configuration = ./x.nix; }",
            "{ own, ... }: { environment.etc.x.source = own.at \"m\"; }",
        ),
        (
            "{ own, ... }: { _module.args.mine = own; specialisation.a.configuration = ./x.nix; }",
            "{ mine, ... }: { a = builtins.readFile (mine.at \"m\"); }",
        ),
        (
            "{ own, ... }: { home-manager.extraSpecialArgs = { inherit own; }; home-manager.users.a = ./x.nix; }",
            "{ own, lib, ... }: { a = lib.fileContents (own.at \"m\"); }",
        ),
        (
            "{ own, ... }: { home-manager.extraSpecialArgs = { inherit own; }; home-manager.users.a = ./x.nix; }",
            "args: { a = map (one: one.at \"m\") [ args.own ]; }",
        ),
        (
            "{ own, config, ... }: { environment.etc.x.source = import (./n + \"/${config.networking.hostName}.nix\") own; }",
            "{ at }: at \"m\"",
        ),
    ] {
        check(&side(module, rest, "1"), &side(module, rest, "1"), Equal);
        let verdict = judge(&side(module, rest, "1"), &side(module, rest, "2"));
        assert_ne!(verdict.judgement, Equal, "{module}");
    }
}

#[test]
fn what_stands_around_the_value_of_an_option_is_read() {
    for value in [
        "config.my.q + \"/../m\"",
        "\"${dirOf config.my.q}/m\"",
        "builtins.readFile (dirOf config.my.q + \"/m\")",
    ] {
        let side = |content: &str| {
            format!(
                "#- /h.nix\n{{ config, ... }}: {{ my.q = ./d/q; environment.etc.x.source = {value}; }}\n#- /d/q\n1\n#- /d/m\n{content}\n"
            )
        };
        check(&side("1"), &side("1"), Equal);
        assert_ne!(judge(&side("1"), &side("2")).judgement, Equal, "{value}");
    }
}

/// Of a path with a computed part, what ends as it is written is read.
#[test]
fn a_computed_path_reads_what_ends_so() {
    let side = |path: &str, changed: &str| {
        let module = format!(
            "{{ config, lib, ... }}: {{ environment.etc.x.source = {path}; networking.hostName = \"h\"; }}"
        );
        let files = [
            "d/a/key.pub",
            "d/b/key.pub",
            "d/a/key.pub.bak",
            "d/a/other",
            "d/key.pub/in",
            "d/a/akey.pub",
        ];
        let files: String = files
            .iter()
            .map(|file| format!("#- /{file}\n{}\n", u8::from(*file == changed)))
            .collect();
        format!("#- /h.nix\n{module}\n{files}")
    };
    let name = "${config.networking.domain}";
    let judged = |path: &str, changed: &str| judge(&side(path, ""), &side(path, changed)).judgement;
    let ending = format!("\"${{./d/{name}/key.pub}}\"");
    let path = format!("./d/{name}/key.pub");
    for (path, changed, equal) in [
        (ending.clone(), "d/a/other", true),
        (ending.clone(), "d/a/akey.pub", true),
        (ending.clone(), "d/a/key.pub.bak", true),
        (ending.clone(), "d/a/key.pub", false),
        (ending.clone(), "d/b/key.pub", false),
        (ending.clone(), "d/key.pub/in", false),
        (format!("\"${{./d/a/{name}.pub}}\""), "d/a/akey.pub", false),
        (format!("\"${{./d/a/{name}.pub}}\""), "d/a/other", true),
        (
            format!("\"${{./d/{name}/key.pub}}/in\""),
            "d/key.pub/in",
            false,
        ),
        (
            format!("\"${{./d/{name}/../key.pub/in}}\""),
            "d/a/other",
            false,
        ),
        (format!("\"${{./d/{name}}}\""), "d/a/other", false),
        // What is not copied may lead to what stands around it.
        (format!("{path} + \".bak\""), "d/a/key.pub.bak", false),
        (format!("{path} + \"/in\""), "d/key.pub/in", false),
        (format!("dirOf {path} + \"/other\""), "d/a/other", false),
        (
            format!("lib.pipe {path} [ dirOf (d: d + \"/other\") ]"),
            "d/a/other",
            false,
        ),
    ] {
        assert_eq!(judged(&path, changed) == Equal, equal, "{path} {changed}");
    }
}
