//! Files that are read in ways that are not followed, and strings that look alike.

use super::*;

const FLAKE: &str = "#- /flake.nix\n{ inputs.nixpkgs.url = \"github:NixOS/nixpkgs\"; outputs = { self, nixpkgs }@inputs: { nixosConfigurations.h = nixpkgs.lib.nixosSystem { specialArgs = { inherit self inputs; }; modules = [ ./h.nix ]; }; }; }";

fn side(value: &str, rest: &str) -> String {
    format!(
        "{FLAKE}\n#- /h.nix\n{{ lib, pkgs, self, inputs, ... }}: {{ environment.etc.a.text = {value}; }}\n{rest}"
    )
}

/// The file counts, whatever is known of how it is read.
#[track_caller]
fn counts(value: &str, file: &str, rest: &str) {
    let side = |text: &str| side(value, &format!("{rest}\n#- /{file}\n{text}"));
    check(&side("1"), &side("1"), Equal);
    assert_ne!(judge(&side("1"), &side("2")).judgement, Equal, "{value}");
}

#[test]
fn what_a_reader_is_given_may_lead_anywhere() {
    for place in [
        "builtins.concatStringsSep \"/\" [ \"${self}\" \"t\" ]",
        "builtins.replaceStrings [ \"@\" ] [ \"${self}\" ] \"@/t\"",
        "\"${self.sourceInfo or self}\" + \"/t\"",
        "lib.findFirst (x: true) null [ \"${self}\" ] + \"/t\"",
        "\"${builtins.toString self}/t\"",
        "lib.concatMapStrings (x: x) [ \"${self}\" \"/\" \"t\" ]",
        "let s = { outPath = self.outPath; }; in \"${s}/t\"",
        "\"${lib.cleanSource self}/t\"",
        "builtins.foldl' (a: b: a + b) \"${self}\" [ \"/t\" ]",
        "\"${/. + self.outPath}/t\"",
        "let root = toString self; in root + \"/t\"",
        "lib.removeSuffix \"x\" \"${self}/tx\"",
        "dirOf __curPos.file + \"/t\"",
    ] {
        let value = format!("pkgs.writeText \"x\" (builtins.readFile ({place}))");
        counts(&value, "t", "");
    }
}

#[test]
fn what_is_added_to_a_path_may_lead_beside_it() {
    let rest = "#- /d/x\n1";
    counts(
        "pkgs.x (lib.concatMapStrings (s: builtins.readFile (./d + s)) [ \"/../t\" ])",
        "t",
        rest,
    );
    counts(
        "pkgs.x (lib.concatMapStrings (s: builtins.readFile (./d + s)) [ \"2\" ])",
        "d2",
        rest,
    );
    counts(
        "let f = p: s: builtins.readFile (p + s); in pkgs.x (lib.concatMapStrings (f ./d/x) [ \"2\" ])",
        "d/x2",
        rest,
    );
    // What certainly stays below the path reads nothing else.
    let value = "pkgs.x (map (s: builtins.readFile (./d + \"/${s}\")) [ \"x\" ])";
    let other = |text: &str| side(value, &format!("{rest}\n#- /t\n{text}"));
    check(&other("1"), &other("2"), Equal);
}

#[test]
fn a_file_that_is_not_followed_may_read_anywhere() {
    let value = "(lib.callPackageWith pkgs ./d { }).x";
    for text in [
        "{ hello }: { x = builtins.readFile (dirOf ./. + \"/t\"); }",
        "{ hello }: { x = builtins.readFile (./. + \"/../t\"); }",
        "{ hello }: { x = builtins.readFile (dirOf __curPos.file + \"/../t\"); }",
        "{ hello }: { x = import ../u; }",
    ] {
        counts(
            value,
            "t",
            &format!("#- /d/default.nix\n{text}\n#- /u\nimport ./t"),
        );
    }
    counts(
        "builtins.scopedImport { x = pkgs.hello; } ./s.nix",
        "t",
        "#- /s.nix\nx + builtins.readFile ./t",
    );
}

#[test]
fn a_copy_in_the_store_is_not_the_place_in_the_tree() {
    for (place, copy) in [
        ("\"x ${toString ./d}\"", "\"x ${./d}\""),
        ("\"${toString ./d}/a\"", "\"${./d}/a\""),
        ("\"${self + \"/d/a\"}\"", "\"${./d/a}\""),
        (
            "\"${toString ./d/a} ${pkgs.hello}\"",
            "\"${./d/a} ${pkgs.hello}\"",
        ),
    ] {
        let rest = "#- /d/a\n1";
        assert_ne!(
            judge(&side(place, rest), &side(copy, rest)).judgement,
            Equal,
            "{copy}"
        );
        check(&side(copy, rest), &side(copy, rest), Equal);
    }
    let module = |imports: &str| {
        format!(
            "#- /h.nix\n{{ imports = [ {imports} ]; }}\n#- /d/m.nix\n{{ boot.kernelParams = [ \"a\" ]; }}"
        )
    };
    for both in ["./d/m.nix \"${./d/m.nix}\"", "./d/m.nix \"${./d}/m.nix\""] {
        assert_ne!(
            judge(&module("./d/m.nix"), &module(both)).judgement,
            Equal,
            "{both}"
        );
    }
    let disabled = |imports: &str| {
        format!(
            "#- /h.nix\n{{ imports = [ {imports} ]; disabledModules = [ \"${{./m.nix}}\" ]; }}\n#- /m.nix\n{{ boot.kernelParams = [ \"a\" ]; }}"
        )
    };
    assert_ne!(judge(&disabled("./m.nix"), &disabled("")).judgement, Equal);
}
