//! Functions of the library and the language: what they do, and what throws.

use super::*;

const FILE: &str = "\n#- /f\na";

/// Two texts of one module; `/f` holds a line beside it.
#[track_caller]
fn differ(before: &str, after: &str) {
    let side = |text: &str| format!("#- /h.nix\n{text}{FILE}");
    check(&side(before), &side(before), Equal);
    let verdict = judge(&side(before), &side(after));
    assert_ne!(verdict.judgement, Equal, "{before}\n{after}");
}

#[test]
fn the_contents_of_a_file_end_before_its_last_newline() {
    let module = |value: &str| {
        format!("{{ lib, ... }}: {{ networking.domain = lib.optionalString true ({value}); }}")
    };
    let list = |value: &str| {
        format!(
            "{{ lib, ... }}: {{ imports = lib.optional ({value} == \"a\\n\") {{ networking.domain = \"a\"; }}; }}"
        )
    };
    differ(
        &module("lib.fileContents ./f"),
        &module("builtins.readFile ./f"),
    );
    differ(
        &list("lib.fileContents ./f"),
        &list("builtins.readFile ./f"),
    );
}

#[test]
fn what_throws_is_no_value() {
    let plain = "{ lib, ... }: { networking.domain = \"a\"; }";
    for thrown in [
        "{ lib, ... }: assert lib.assertMsg false \"x\"; { networking.domain = \"a\"; }",
        "{ lib, ... }: assert lib.unknownFunction; { networking.domain = \"a\"; }",
        "{ lib, ... }: builtins.seq (throw \"x\") { networking.domain = \"a\"; }",
        "{ lib, ... }: lib.deepSeq { a = [ (throw \"x\") ]; } { networking.domain = \"a\"; }",
        "{ lib, ... }: lib.trace (throw \"x\") { networking.domain = \"a\"; }",
        "{ lib, ... }: lib.throwIf true \"x\" { networking.domain = \"a\"; }",
        "{ lib, ... }: lib.throwIfNot false \"x\" { networking.domain = \"a\"; }",
        "{ lib, ... }: lib.warnIf true (throw \"x\") { networking.domain = \"a\"; }",
    ] {
        differ(plain, thrown);
    }
    for value in [
        "assert lib.assertMsg true \"x\"; { networking.domain = \"a\"; }",
        "lib.deepSeq { a = [ 1 ]; } { networking.domain = \"a\"; }",
        "lib.throwIf false \"x\" { networking.domain = \"a\"; }",
        "lib.throwIfNot true \"x\" { networking.domain = \"a\"; }",
        "lib.warnIf false (throw \"x\") { networking.domain = \"a\"; }",
        "lib.warnIfNot false \"x\" { networking.domain = \"a\"; }",
    ] {
        check_module(plain, &format!("{{ lib, ... }}: {value}"), Equal);
    }
}

#[test]
fn properties_are_updated_as_the_sets_they_are() {
    let module = |config: &str| format!("{{ lib, ... }}: {config}");
    let right = "{ networking.hostName = \"b\"; }";
    for left in [
        "{ networking = lib.mkForce { domain = \"a\"; }; }",
        "{ networking = lib.mkIf true { domain = \"a\"; }; }",
        "{ networking = { ${toString lib.x} = \"a\"; }; }",
    ] {
        differ(
            &module(right),
            &module(&format!("lib.recursiveUpdate {left} {right}")),
        );
    }
    check_module(
        &module("{ networking = { domain = \"a\"; hostName = \"b\"; }; }"),
        &module(&format!(
            "lib.recursiveUpdate {{ networking.domain = \"a\"; }} {right}"
        )),
        Equal,
    );
    check_module(
        &module(right),
        &module(&format!(
            "lib.recursiveUpdate {{ networking = \"a\"; }} {right}"
        )),
        Equal,
    );
}

#[test]
fn a_set_may_be_a_function() {
    let module = |function: &str| {
        format!(
            "{{ lib, ... }}: {{ imports = lib.optional (lib.isFunction {function}) {{ networking.domain = \"a\"; }}; }}"
        )
    };
    differ("{ ... }: { }", &module("{ __functor = s: x: x; }"));
    check_module("{ ... }: { }", &module("{ }"), Equal);
}

#[test]
fn another_library_has_functions_of_its_own() {
    let module = |function: &str| {
        format!("{{ lib, inputs, ... }}: {{ networking.domain = {function} \"a\"; }}")
    };
    differ(&module("lib.mkForce"), &module("inputs.other.lib.mkForce"));
    check_module(
        &module("lib.mkForce"),
        &module("inputs.nixpkgs.lib.mkForce"),
        Equal,
    );
}

#[test]
fn an_overlay_of_the_library_sees_itself() {
    let flake = "#- /flake.nix\n{ inputs.nixpkgs.url = \"github:NixOS/nixpkgs\"; outputs = { self, nixpkgs }@inputs: { nixosConfigurations.h = nixpkgs.lib.nixosSystem { specialArgs = { inherit inputs; lib = nixpkgs.lib.extend (final: prev: { mkDefault = prev.mkForce; mkX = v: final.mkDefault v; }); }; modules = [ ./h.nix ]; }; }; }";
    let side = |function: &str| {
        format!(
            "{flake}\n#- /h.nix\n{{ lib, inputs, ... }}: {{ networking.domain = {function} \"a\"; }}"
        )
    };
    let plain = "inputs.nixpkgs.lib.mkDefault";
    assert_ne!(judge(&side("lib.mkX"), &side(plain)).judgement, Equal);
    assert_ne!(judge(&side("lib.mkDefault"), &side(plain)).judgement, Equal);
    check(&side("lib.mkX"), &side("inputs.nixpkgs.lib.mkForce"), Equal);
}

#[test]
fn names_that_the_language_looks_up_are_not_rebound_unseen() {
    for (before, after) in [
        (
            "{ ... }: { networking.hostId = toString (5 - 3); }",
            "{ ... }: let __sub = a: b: 7; in { networking.hostId = toString (5 - 3); }",
        ),
        (
            "{ ... }: { services.openssh.enable = 5 < 3; }",
            "{ ... }: let __lessThan = a: b: true; in { services.openssh.enable = 5 < 3; }",
        ),
        (
            "{ ... }: { networking.domain = \"1\"; }",
            "{ ... }: { networking.domain = (rec { a = \"1\"; b = a; __overrides = { a = \"2\"; }; }).b; }",
        ),
    ] {
        differ(before, after);
    }
}

#[test]
fn lines_end_where_nix_ends_them() {
    differ(
        "{ # a\n networking.domain = \"a\"; }",
        "{ # a\r networking.hostName = \"c\";\n networking.domain = \"a\"; }",
    );
    check_module(
        "{ # a\r\n networking.domain = \"a\"; }",
        "{ networking.domain = \"a\"; }",
        Equal,
    );
    differ(
        "{ ... }: { networking.domain = \"\\n  b\\na\\n\"; }",
        "{ ... }: { networking.domain = ''\n  ''\\n  b\n  a\n''; }",
    );
    check_module(
        "{ ... }: { networking.domain = \"\\nb\\na\\n\"; }",
        "{ ... }: { networking.domain = ''\n  ''\\nb\n  a\n''; }",
        Equal,
    );
}
