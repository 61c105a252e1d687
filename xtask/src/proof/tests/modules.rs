//! Which modules there are, by the module system's rules.

use super::*;

/// Other files beside `h.nix` are the same on both sides.
#[track_caller]
fn check_with(others: &str, before: &str, after: &str, expect: Judgement) {
    check(
        &format!("#- /h.nix\n{before}\n{others}"),
        &format!("#- /h.nix\n{after}\n{others}"),
        expect,
    );
}

#[test]
fn what_counts_for_nothing_still_disables() {
    // `b` is no module beside `a`, whose key it has; what it disables is disabled.
    check_with(
        "#- /a.nix\n{ key = \"k\"; }\n\
         #- /b.nix\n{ key = \"k\"; disabledModules = [ ./c.nix ]; }\n\
         #- /c.nix\n{ time.timeZone = \"UTC\"; }\n",
        "{ imports = [ ./a.nix ./c.nix ]; }",
        "{ imports = [ ./a.nix ./b.nix ./c.nix ]; }",
        Different,
    );
}

#[test]
fn modules_of_one_key_import_each_their_own() {
    // The first of them is below a disabled module: the second is the one that counts.
    let fleet = "#- /h.nix\n{ disabledModules = [ ./off.nix ]; imports = [ ./off.nix ./d.nix ]; }\n\
         #- /off.nix\n{ imports = [ ./a.nix ]; }\n\
         #- /a.nix\n{ key = \"k\"; }\n\
         #- /d.nix\n{ imports = [ ./e.nix ]; }\n\
         #- /e.nix\n{ imports = [ ./b.nix ]; }\n\
         #- /b.nix\n{ key = \"k\"; imports = [ ./c.nix ]; }\n\
         #- /c.nix\n{ time.timeZone = \"UTC\"; }\n";
    check(fleet, &fleet.replace("UTC", "CET"), Different);
}

#[test]
fn nothing_may_stand_beside_config() {
    let before = "{ config = { time.timeZone = \"UTC\"; }; }";
    for beside in ["added = { };", "require = [ ];", "time.x = 1;"] {
        let after = before.replace("{ config", &format!("{{ {beside} config"));
        let verdict = judge(
            &format!("#- /h.nix\n{before}"),
            &format!("#- /h.nix\n{after}"),
        );
        assert_ne!(verdict.judgement, Equal, "{beside}");
    }
    check_module(
        before,
        &before.replace("{ config", "{ imports = [ ]; config"),
        Equal,
    );
}

#[test]
fn a_name_that_nothing_binds_breaks_the_file() {
    check_module(
        "{ time.timeZone = \"UTC\"; }",
        "let unused = nothingBindsThis; in { time.timeZone = \"UTC\"; }",
        Different,
    );
}

#[test]
fn what_is_no_module_is_refused() {
    let with =
        |more: &str| format!("#- /h.nix\n{{ imports = [ ./a.nix {more} ]; }}\n#- /a.nix\n{{ }}");
    for more in ["[ ]", "1", "({ lib }: { })", "(x: y: { })"] {
        check(&with(""), &with(more), Different);
    }
    let twice = |more: &str| {
        format!("#- /h.nix\n{{ inputs, ... }}: {{ imports = [ inputs.other.m {more} ]; }}")
    };
    check(&twice(""), &twice("inputs.other.m"), Different);
}

#[test]
fn mk_option_takes_what_it_knows() {
    let option = |more: &str| {
        format!(
            "{{ lib, ... }}: {{ options.a.b = lib.mkOption {{ type = lib.types.str; default = \"x\"; {more} }}; }}"
        )
    };
    check_module(&option(""), &option("description = \"it\";"), Equal);
    check_module(&option(""), &option("added = { };"), Different);
}

#[test]
fn what_outputs_takes_is_an_input() {
    let flake = |formals: &str| {
        format!(
            "#- /flake.nix\n{{ inputs.nixpkgs.url = \"a\"; outputs = {{ self, nixpkgs{formals} }}: {{ nixosConfigurations.h = nixpkgs.lib.nixosSystem {{ modules = [ ./h.nix ]; }}; }}; }}\n#- /h.nix\n{{ }}"
        )
    };
    check(&flake(""), &flake(", ..."), Equal);
    check(&flake(", ..."), &flake(", more, ..."), Different);
}

#[test]
fn a_type_is_the_librarys_or_none_that_is_known() {
    let option = |kind: &str| {
        format!(
            "{{ config, lib, ... }}: {{ options.my.ips = lib.mkOption {{ type = {kind}; }}; config = {{ my.ips = [ \"192.0.2.1\" ]; networking.nameservers = config.my.ips; }}; }}"
        )
    };
    let known = option("lib.types.listOf lib.types.str");
    check_module(
        "{ networking.nameservers = [ \"192.0.2.1\" ]; }",
        &known,
        Equal,
    );
    check_module(&known, &option("with lib; types.listOf types.str"), Equal);
    for hidden in [
        "\"other\"",
        "null",
        "{ enable = false; }",
        "{ types = { }; }",
    ] {
        let kind = format!("let lib = {hidden}; in lib.types.listOf lib.types.str");
        check_module(&known, &option(&kind), Different);
    }
}
