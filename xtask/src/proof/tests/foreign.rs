//! Reads of another host's configuration.

use super::*;

/// What host `a` reads of host `b`, two states of `b`, and whether `a` may be called equal.
#[track_caller]
fn reader(read: &str, before: &str, after: &str) -> Judgement {
    let side = |b: &str| {
        tree(&format!(
            "#- /flake.nix\n{{ outputs = {{ self, nixpkgs }}: {{ tz = self.nixosConfigurations.b.config.time.timeZone; nixosConfigurations = {{ a = nixpkgs.lib.nixosSystem {{ specialArgs = {{ inherit self; }}; modules = [ ./a.nix ]; }}; b = nixpkgs.lib.nixosSystem {{ modules = [ ./b.nix ]; }}; }}; }}; }}\n#- /a.nix\n{{ self, config, lib, pkgs, ... }}: {read}\n#- /b.nix\n{{ config, lib, pkgs, ... }}: {{ {b} }}\n#- /z.nix\n{{ self ? null, cfg ? {{ }} }}: [ (self.tz or null) (cfg.time.timeZone or null) ]\n"
        ))
    };
    let table = OptionTable::embedded();
    let cache = ParseCache::default();
    let load = |b: &str| Fleet::load(&side(b), &table, &cache);
    let verdicts = compare(&load(before), &load(after), &table);
    verdicts.iter().find(|it| it.host == "a").unwrap().judgement
}

#[test]
fn what_another_host_reads_may_depend_on_more_than_its_option() {
    let zone = ("time.timeZone = \"UTC\";", "time.timeZone = \"CET\";");
    let mut wrong = Vec::new();
    for (read, same, (before, after)) in [
        (
            "time.timeZone",
            "time.timeZone = \"UTC\";",
            ("", "networking.hostNam = \"x\";"),
        ),
        (
            "networking.hostName",
            "networking.hostName = \"b\";",
            ("", "services = throw \"x\";"),
        ),
        (
            "networking.hostName",
            "networking.hostName = \"b\";",
            ("", "services.openssh = throw \"x\";"),
        ),
        (
            "my.x",
            "options.my.x = lib.mkOption { default = config.time.timeZone; };",
            (
                "config.time.timeZone = \"UTC\";",
                "config.time.timeZone = \"CET\";",
            ),
        ),
        (
            "my.x",
            "options.my.x = lib.mkOption { default = 1; apply = v: config.time.timeZone; };",
            (
                "config.time.timeZone = \"UTC\";",
                "config.time.timeZone = \"CET\";",
            ),
        ),
        (
            "environment.etc.y.text",
            "imports = [ ({ z, ... }: { environment.etc.y.text = z; }) ];",
            ("_module.args.z = \"1\";", "_module.args.z = \"2\";"),
        ),
        (
            "environment.etc.y.text",
            "imports = [ ({ z, ... }: { environment.etc.y.text = z; }) ]; _module.args.z = config.time.timeZone;",
            zone,
        ),
        (
            "environment.etc.y.text",
            "environment.etc.y.text = pkgs.callPackage ./z.nix { cfg = config; };",
            zone,
        ),
        (
            "home-manager.users.a.home.x",
            "home-manager.users.a = { osConfig, ... }: { home.x = osConfig.time.timeZone; };",
            zone,
        ),
        (
            "home-manager.users.a.home.x",
            "home-manager.users.a = { sys, ... }: { home.x = sys.time.timeZone; }; home-manager.extraSpecialArgs.sys = config;",
            zone,
        ),
        (
            "home-manager.users.a.home.x",
            "home-manager.users.a = { sys, ... }: { home.x = sys; };",
            (
                "home-manager.extraSpecialArgs.sys = \"a\";",
                "home-manager.extraSpecialArgs.sys = \"b\";",
            ),
        ),
        (
            "environment.etc.y.source",
            "environment.etc.y.source = pkgs.hello;",
            ("", "nixpkgs.overlays = [ (f: p: { hello = p.git; }) ];"),
        ),
        (
            "environment.etc.y.source",
            "environment.etc.y.source = pkgs.hello;",
            ("", "nixpkgs.config.allowBroken = true;"),
        ),
        // Modules of nixpkgs add to these.
        (
            "networking.firewall.allowedTCPPorts",
            "networking.firewall.allowedTCPPorts = [ 80 ];",
            ("", "services.openssh.enable = true;"),
        ),
        (
            "users.users",
            "users.users.bob.isNormalUser = true;",
            ("", "services.nginx.enable = true;"),
        ),
    ] {
        let read = format!(
            "{{ environment.etc.x.text = builtins.toJSON self.nixosConfigurations.b.config.{read}; }}"
        );
        let judgement = reader(
            &read,
            &format!("{same} {before}"),
            &format!("{same} {after}"),
        );
        if judgement == Equal {
            wrong.push((read, same, after));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_host_is_read_through_outputs_overlays_and_options() {
    for read in [
        "{ environment.etc.x.text = toString (pkgs.callPackage ./z.nix { inherit self; }); }",
        "{ nixpkgs.overlays = [ (f: p: { root = self; }) ]; environment.etc.x.text = pkgs.root.nixosConfigurations.b.config.time.timeZone; }",
        "{ options.my.r = lib.mkOption { default = self; }; config.environment.etc.x.text = config.my.r.nixosConfigurations.b.config.time.timeZone; }",
    ] {
        let zones = ["time.timeZone = \"UTC\";", "time.timeZone = \"CET\";"];
        assert_ne!(reader(read, zones[0], zones[1]), Equal, "{read}");
    }
}

#[test]
fn an_option_of_another_host_is_read_without_the_rest() {
    let shared = "networking.hostName = \"b\"; services.forgejo.settings.server.HTTP_PORT = 80; environment.etc.y.source = pkgs.hello;";
    for read in [
        "networking.hostName",
        "services.forgejo.settings.server.HTTP_PORT",
        "environment.etc.y.source",
    ] {
        let text = format!(
            "{{ environment.etc.x.text = toString self.nixosConfigurations.b.config.{read}; }}"
        );
        let judgement = reader(
            &text,
            &format!("{shared} time.timeZone = \"UTC\";"),
            &format!("{shared} time.timeZone = \"CET\"; services.openssh.enable = true;"),
        );
        assert_eq!(judgement, Equal, "{read}");
    }
}

#[test]
fn what_is_read_may_itself_read_hosts() {
    for own in [
        "self.nixosConfigurations.b.config.networking.domain",
        "self.nixosConfigurations.b.options.networking.domain.value",
        "let me = self.nixosConfigurations.b; in me.config.networking.domain",
        "self.nixosConfigurations.${config.networking.hostName}.config.networking.domain",
        "import ./f.nix { inherit self; }",
        "pkgs.callPackage ./f.nix { inherit self; }",
        "self.nixosConfigurations.c.config.networking.domain",
    ] {
        let side = |domain: &str, text: &str| {
            let text = format!(
                "#- /flake.nix\n{{ outputs = {{ self, nixpkgs }}: let of = file: nixpkgs.lib.nixosSystem {{ specialArgs = {{ inherit self; }}; modules = [ file ]; }}; in {{ nixosConfigurations = {{ a = of ./a.nix; b = of ./b.nix; c = of ./c.nix; }}; }}; }}\n#- /a.nix\n{{ self, ... }}: {{ environment.etc.x.text = self.nixosConfigurations.b.config.time.timeZone; }}\n#- /b.nix\n{{ self, config, pkgs, ... }}: {{ time.timeZone = {own}; networking.domain = \"{domain}\"; environment.etc.w.text = \"{text}\"; }}\n#- /c.nix\n{{ networking.domain = \"{domain}\"; }}\n#- /f.nix\n{{ self }}: self.nixosConfigurations.b.config.networking.domain\n"
            );
            tree(&text)
        };
        let table = OptionTable::embedded();
        let cache = ParseCache::default();
        let load = |domain, text| Fleet::load(&side(domain, text), &table, &cache);
        let verdicts = compare(&load("UTC", "1"), &load("CET", "2"), &table);
        let of_a = verdicts.iter().find(|it| it.host == "a").unwrap();
        assert_ne!(of_a.judgement, Equal, "{own}");
    }
}
