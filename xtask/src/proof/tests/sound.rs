//! Changes that only real Nix used to see: each is another configuration.

use super::*;

const FLAG: &str = "options.my.flag = lib.mkOption { type = lib.types.bool; };";

/// A module with an option of its own; `then` stands beside it.
fn module(flag: bool, then: &str) -> String {
    format!(
        "#- /h.nix\n{{ lib, config, options, inputs, pkgs, ... }}: {{ {FLAG} {} config = {{ my.flag = {flag}; {} }}; }}",
        then.split_once("|").map_or("", |(beside, _)| beside),
        then.split_once("|").map_or(then, |(_, inside)| inside),
    )
}

#[test]
fn options_that_are_read_where_values_are_not_replaced_count() {
    for read in [
        // By another option's default, type or `apply`.
        "options.my.url = lib.mkOption { type = lib.types.lines; default = toString config.my.flag; };|environment.etc.x.text = config.my.url;",
        "options.my.url = lib.mkOption { type = lib.types.int; apply = x: if config.my.flag then x else 0; };|my.url = 1; environment.etc.x.text = toString config.my.url;",
        // By modules that are not followed.
        "imports = [ (inputs.other.lib.make { inherit (config.my) flag; }) ];|",
        "imports = lib.optional inputs.other.switch { time.timeZone = toString config.my.flag; };|",
        // By systems within the system.
        "|specialisation.a.configuration = { config, ... }: { time.timeZone = toString config.my.flag; };",
        "|home-manager.users.a = { osConfig, ... }: { home.x = osConfig.my.flag; };",
        "|home-manager.users.a = args: { home.x = args.osConfig.my.flag; };",
    ] {
        check(&module(true, read), &module(true, read), Equal);
        let verdict = judge(&module(true, read), &module(false, read));
        assert_ne!(verdict.judgement, Equal, "{read}");
    }
}

#[test]
fn options_that_something_else_may_define_are_not_certain() {
    let side = |definer: &str, value: &str| {
        format!(
            "#- /h.nix\n{{ lib, config, inputs, ... }}: {{ imports = [ {definer} ]; options.my.flag = lib.mkEnableOption \"it\"; config = {{ my.flag = true; networking.domain = {value}; }}; }}"
        )
    };
    let change = |definer: &str| {
        let before = side(definer, "lib.mkIf config.my.flag \"d\"");
        judge(&before, &side(definer, "\"d\"")).judgement
    };
    assert_eq!(change(""), Equal);
    // What an input brings as it is knows nothing of this tree.
    assert_eq!(change("inputs.other.nixosModules.x"), Equal);
    assert_eq!(change("(import \"${inputs.other}/module.nix\")"), Equal);
    for definer in [
        "(lib.mkRenamedOptionModule [ \"a\" ] [ \"my\" \"flag\" ])",
        "(lib.mkAliasOptionModule [ \"a\" ] [ \"my\" \"flag\" ])",
        "(inputs.other.lib.make { my.flag = false; })",
        "(if inputs.other.switch then { my.flag = lib.mkForce false; } else { })",
        "{ __functor = self: { my.flag = lib.mkForce false; }; }",
        "{ _type = \"override\"; priority = 10; content.my.flag = false; }",
    ] {
        assert_ne!(change(definer), Equal, "{definer}");
    }
}

#[test]
fn whoever_reads_where_something_stands_sees_it_move() {
    let side = |read: &str, inside: bool| {
        let own = "services.openssh.ports = [ 1 ];";
        let (here, there) = if inside { (own, "") } else { ("", own) };
        format!(
            "#- /h.nix\n{{ lib, options, ... }}: {{ imports = [ ./a.nix ]; environment.etc.x.text = toString ({read}); {here} }}\n#- /a.nix\n{{ {there} }}"
        )
    };
    let change = |read: &str| judge(&side(read, true), &side(read, false)).judgement;
    for harmless in ["1", "options.services.openssh.ports.isDefined"] {
        assert_eq!(change(harmless), Equal, "{harmless}");
    }
    for read in [
        "options.services.openssh.ports.files",
        "map (it: it.file) options.services.openssh.ports.definitionsWithLocations",
        "lib.collect lib.isOption options.services",
        "builtins.unsafeGetAttrPos \"a\" { a = 1; }",
    ] {
        assert_eq!(change(read), Unknown, "{read}");
    }
}

#[test]
fn who_makes_a_host_and_a_flake_within_count() {
    let side = |lib: &str, domain: &str| {
        format!(
            "#- /flake.nix\n{{ inputs = {{ a.url = \"github:NixOS/nixpkgs/a\"; b.url = \"github:NixOS/nixpkgs/b\"; sub.url = \"path:./sub\"; }}; outputs = {{ self, a, b, sub }}@inputs: {{ nixosConfigurations.h = {lib}.lib.nixosSystem {{ modules = [ sub.nixosModules.x ]; }}; }}; }}\n#- /sub/flake.nix\n{{ outputs = _: {{ nixosModules.x = {{ networking.domain = \"{domain}\"; }}; }}; }}\n"
        )
    };
    check(&side("a", "x"), &side("inputs.a", "x"), Equal);
    check(&side("a", "x"), &side("b", "x"), Unknown);
    check(&side("a", "x"), &side("a", "y"), Different);
}

#[test]
fn what_is_laid_over_a_host_counts() {
    let side = |ip: &str| {
        format!(
            "#- /flake.nix\n{{ outputs = {{ self, nixpkgs }}: {{ nixosConfigurations.h = nixpkgs.lib.nixosSystem {{ modules = [ ]; }} // {{ ip = \"{ip}\"; }}; }}; }}"
        )
    };
    check(&side("1"), &side("1"), Equal);
    check(&side("1"), &side("2"), Different);
}

#[test]
fn dots_in_names_are_no_steps() {
    let side = |path: &str| {
        format!(
            "#- /h.nix\n{{ lib, ... }}: {{ options.my.{path} = lib.mkOption {{ default = 1; }}; }}"
        )
    };
    assert_ne!(judge(&side("\"a.b\""), &side("a.b")).judgement, Equal);
}

#[test]
fn hosts_that_read_another_are_as_uncertain_as_it_is() {
    let fleet = |read: &str, flag: bool, name: &str| {
        let flake = format!(
            "{{ outputs = {{ self, nixpkgs }}: {{ nixosConfigurations = {{ a = nixpkgs.lib.nixosSystem {{ modules = [ ./a.nix ]; }}; b = nixpkgs.lib.nixosSystem {{ specialArgs = {{ inherit self; }}; modules = [ ./b.nix ] ++ nixpkgs.lib.optional ({read}) ./v.nix; }}; }}; }}; }}"
        );
        let a = format!(
            "{{ lib, ... }}: {{ {FLAG} config.my.flag = {flag}; config.networking.hostName = \"{name}\"; config.time.timeZone = \"UTC\"; }}"
        );
        tree(&format!(
            "#- /flake.nix\n{flake}\n#- /a.nix\n{a}\n#- /b.nix\n{{ }}\n#- /v.nix\n{{ time.timeZone = \"UTC\"; }}\n"
        ))
    };
    let judgements = |before: &Tree, after: &Tree| -> Vec<Judgement> {
        let (table, cache) = (OptionTable::embedded(), ParseCache::default());
        let load = |tree: &Tree| Fleet::load(tree, &table, &cache);
        let verdicts = compare(&load(before), &load(after), &table);
        verdicts.iter().map(|it| it.judgement).collect()
    };
    let change = |read: &str, flag: bool, name: &str| {
        judgements(&fleet(read, true, "a"), &fleet(read, flag, name))
    };
    let flag = "self.nixosConfigurations.a.config.my.flag";
    assert_eq!(change(flag, true, "a"), [Equal, Equal]);
    assert_eq!(change(flag, false, "a"), [Different, Unknown]);
    // Something else of it: what is read does not depend on that.
    assert_eq!(change(flag, true, "other"), [Different, Equal]);
    // What NixOS makes of everything does.
    let made = "self.nixosConfigurations.a.config.networking.fqdn == \"\"";
    assert_eq!(change(made, true, "other"), [Different, Unknown]);
    // The names of all are known.
    let all = "builtins.attrNames self.nixosConfigurations == [ ]";
    assert_eq!(change(all, true, "other"), [Different, Equal]);
}

/// Nix looks the name up when it comes to the `let`, although nothing uses the local.
#[test]
fn an_unused_local_for_a_name_of_a_with_may_fail() {
    let module = |local: &str| {
        format!("#- /h.nix\n{{ lib, pkgs, ... }}: with lib; {{ time.timeZone = {local} \"UTC\"; }}")
    };
    for (before, after, equal) in [
        ("", "let unused = nothingBindsThis; in", false),
        ("", "let inherit nothingBindsThis; in", false),
        ("", "let unused = pkgs; in", true),
        ("", "let unused = map; in", true),
        ("let unused = optional; in", "", true),
        ("let a = optional; in", "let b = optional; in", true),
    ] {
        let verdict = judge(&module(before), &module(after));
        assert_eq!(verdict.judgement == Equal, equal, "{before} / {after}");
    }
}

/// Nix refuses a function what it does not take, and what it takes and is not given.
#[test]
fn a_function_that_refuses_its_arguments_is_not_called() {
    let host = |module: &str, file: &str| format!("#- /h.nix\n{module}\n#- /x.nix\n{file}\n");
    let import = "{ lib, ... }: { imports = [ (import ./x.nix { a = \"1\"; b = \"2\"; }) ]; }";
    let whole = "{ lib, ... }@args: { imports = [ (import ./x.nix args) ]; }";
    let value = "{ lib, config, ... }: { time.timeZone = import ./x.nix { inherit lib config; }; }";
    let within = "{ lib, ... }: { services.nginx = import ./x.nix { a = \"1\"; b = \"2\"; }; }";
    let body = "{ networking.domain = \"k\"; }";
    for (module, before, after, body) in [
        (import, "{ a, ... }:", "{ a }:", body),
        (import, "{ a, b }:", "{ a, b, c }:", body),
        (import, "{ a, b }: { ... }:", "{ a }: { ... }:", body),
        (
            import,
            "{ a, b, ... }: { ... }:",
            "{ a, b, c, ... }: { ... }:",
            body,
        ),
        (whole, "{ lib, ... }:", "{ lib }:", body),
        (whole, "{ lib, ... }:", "{ lib, pkgs, ... }:", body),
        (value, "{ lib, ... }:", "{ lib }:", "\"UTC\""),
        (
            value,
            "{ lib, config }:",
            "{ lib, config, pkgs }:",
            "\"UTC\"",
        ),
        (within, "{ a, ... }:", "{ a }:", "{ enable = true; }"),
    ] {
        let side = |function: &str| host(module, &format!("{function} {body}"));
        let verdict = judge(&side(before), &side(after));
        assert_ne!(verdict.judgement, Equal, "{module}: {before} / {after}");
        let same = judge(&side(before), &side(&format!("{before} # the same\n")));
        assert_eq!(same.judgement, Equal, "{module}: {before}");
    }
    let defaults = judge(
        &host(import, &format!("{{ a, b }}: {body}")),
        &host(import, &format!("{{ a, b, c ? 1 }}: {body}")),
    );
    assert_eq!(defaults.judgement, Equal);
}
