//! Definitions under a condition that is false.

use super::*;

/// A module with an option that is off, and a definition.
fn module(definition: &str) -> String {
    format!(
        "#- /h.nix\n{{ config, lib, ... }}: {{ options.my.x = lib.mkOption {{ type = lib.types.bool; default = false; }}; config = {{ {definition} }}; }}"
    )
}

#[test]
fn a_condition_below_an_attribute_leaves_the_attribute() {
    let site = "services.nginx.virtualHosts.a.forceSSL = true;";
    let more =
        format!("{site} services.nginx.virtualHosts.a.enableACME = lib.mkIf config.my.x true;");
    for (before, after, expect) in [
        (
            "",
            "services.nginx.virtualHosts.a.enableACME = lib.mkIf config.my.x true;",
            Different,
        ),
        (
            "",
            "services.nginx.virtualHosts.a = lib.mkIf config.my.x { enableACME = true; };",
            Equal,
        ),
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
