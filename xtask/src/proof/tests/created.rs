//! Definitions under a condition that is false.

use super::*;

/// A module with an option that is off, and a definition.
fn module(definition: &str) -> String {
    format!(
        "#- /h.nix\n{{ config, lib, ... }}: {{ options.my.x = lib.mkOption {{ type = lib.types.bool; default = false; }}; options.my.lazy = lib.mkOption {{ type = lib.types.lazyAttrsOf lib.types.int; }}; options.my.strict = lib.mkOption {{ type = lib.types.attrsOf lib.types.int; }}; config = {{ {definition} }}; }}"
    )
}

#[test]
fn a_condition_below_an_attribute_leaves_the_attribute() {
    let site = "services.nginx.virtualHosts.a.forceSSL = true;";
    let more =
        format!("{site} services.nginx.virtualHosts.a.enableACME = lib.mkIf config.my.x true;");
    let beside = format!(
        "{site} services.nginx.virtualHosts.b = lib.mkIf config.my.x {{ enableACME = true; }};"
    );
    for (before, after, expect) in [
        (
            "",
            "services.nginx.virtualHosts.a.enableACME = lib.mkIf config.my.x true;",
            Different,
        ),
        // Without the site the option would be defined as empty, not left at its default.
        (
            "",
            "services.nginx.virtualHosts.b = lib.mkIf config.my.x { enableACME = true; };",
            Different,
        ),
        (site, &beside, Equal),
        (
            "",
            "services.nginx.virtualHosts = lib.mkIf config.my.x { a.enableACME = true; };",
            Equal,
        ),
        (
            "",
            "services.openssh.banner = lib.mkIf config.my.x \"b\";",
            Equal,
        ),
        (site, &more, Equal),
        // The type of the set that the tree declares itself keeps the attribute.
        (
            "my.lazy.a = 1;",
            "my.lazy.a = 1; my.lazy.b = lib.mkIf config.my.x 2;",
            Different,
        ),
        (
            "my.strict.a = 1;",
            "my.strict.a = 1; my.strict.b = lib.mkIf config.my.x 2;",
            Equal,
        ),
        (
            "",
            "services.nginx.virtualHosts.a.locations.b = lib.mkIf config.my.x { };",
            Different,
        ),
        (
            "",
            "secrix.system.secrets.r.encrypted.file = lib.mkIf config.my.x ./s;",
            Different,
        ),
    ] {
        let verdict = judge(&module(before), &module(after));
        assert_eq!(verdict.judgement, expect, "{after}");
    }
}
