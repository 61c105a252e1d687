//! Which file of a host is taken apart.

use expect_test::expect;

use super::{check, fixture};
use crate::model::{Fleet, ParseCache};
use crate::options::OptionTable;
use crate::refactor::catalogue::Catalogue;
use crate::refactor::group::Grouping;
use crate::refactor::host::entry;
use crate::refactor::migrate::{Knowledge, MigrateRequest, Outcome, migrate_host};
use crate::taxonomy::Taxonomy;
use crate::tree::TreePath;

/// Six concerns of two lines each.
const CONCERNS: &str = "  services.nginx.enable = true;\n  services.nginx.statusPage = true;\n  services.openssh.enable = true;\n  services.openssh.banner = \"x\";\n  services.postgresql.enable = true;\n  services.postgresql.enableJIT = true;\n  services.fwupd.enable = true;\n  time.timeZone = \"UTC\";\n  services.printing.enable = true;\n  services.printing.browsing = true;\n  services.avahi.enable = true;\n  services.avahi.ipv6 = true;\n";

fn entry_of(files: &str, host: &str) -> Option<String> {
    let tree = fixture(files);
    let (table, taxonomy) = (OptionTable::embedded(), Taxonomy::embedded());
    let fleet = Fleet::load(&tree, &table, &ParseCache::default());
    let catalogue = Catalogue::new(&table, &taxonomy);
    let directory = TreePath::new("modules/features").unwrap();
    let host = fleet.host(host).unwrap();
    let found = entry(&tree, &fleet, host, &directory, &catalogue);
    found.map(|path| path.to_string())
}

#[test]
fn a_file_that_only_imports_gives_way_to_one_with_many_concerns() {
    let flake = "#- /flake.nix\n{ outputs = { nixpkgs, ... }: { nixosConfigurations.h = nixpkgs.lib.nixosSystem { modules = [ ./h ]; }; }; }\n";
    let thin = "#- /h/default.nix\n{ imports = [ ./nginx.nix ./configuration.nix ]; }\n";
    let service = "#- /h/nginx.nix\n{\n  services.nginx.enable = true;\n  services.nginx.statusPage = true;\n}\n";
    let long = format!("#- /h/configuration.nix\n{{\n{CONCERNS}}}\n");
    let files = format!("{flake}{thin}{service}{long}");
    assert_eq!(
        entry_of(&files, "h").as_deref(),
        Some("h/configuration.nix")
    );
    // What has something to move itself comes first, and one concern is left
    // as its author cut it.
    let own =
        format!("#- /h/default.nix\n{{\n  imports = [ ./configuration.nix ];\n{CONCERNS}}}\n");
    let files = format!("{flake}{own}{long}");
    assert_eq!(entry_of(&files, "h").as_deref(), Some("h/default.nix"));
    let few = "#- /h/configuration.nix\n{ }\n";
    let files = format!("{flake}{thin}{service}{few}");
    assert_eq!(entry_of(&files, "h").as_deref(), Some("h/default.nix"));
}

#[test]
fn a_feature_of_many_concerns_is_not_taken_apart_again() {
    let flake = "#- /flake.nix\n{ outputs = { nixpkgs, ... }: { nixosConfigurations.h = nixpkgs.lib.nixosSystem { modules = [ ./h ./modules/features/base.nix ]; }; }; }\n#- /h/default.nix\n{ features.base.enable = true; }\n";
    let feature = |declares: &str| {
        let config = CONCERNS.replace('\n', " ");
        format!(
            "{flake}#- /modules/features/base.nix\n{{ config, lib, ... }}:\n{{\n{declares}  config = lib.mkIf config.features.base.enable {{ {config} }};\n}}\n"
        )
    };
    let declares = "  options.features.base.enable = lib.mkEnableOption \"it\";\n";
    let found = entry_of(&feature(declares), "h");
    assert_eq!(found.as_deref(), Some("h/default.nix"));
    // It is the declaration that tells, not the place.
    let found = entry_of(&feature(""), "h");
    assert_eq!(found.as_deref(), Some("modules/features/base.nix"));
}

#[test]
fn a_machine_and_its_trial_share_their_file() {
    let flake = "#- /flake.nix\n{ outputs = { nixpkgs, ... }: let make = file: more: nixpkgs.lib.nixosSystem { modules = [ file ./common.nix ] ++ more; }; in { nixosConfigurations = { a = make ./a.nix [ ]; a-vm = make ./a.nix [ { networking.firewall.enable = false; } ]; b = make ./b.nix [ ]; }; }; }\n#- /common.nix\n{ time.timeZone = \"UTC\"; }\n#- /b.nix\n{ services.nginx.enable = true; }\n";
    let files = format!(
        "{flake}#- /a.nix\n{{\n  networking.defaultGateway = \"192.0.2.1\";\n{}}}\n",
        CONCERNS.replace("  time.timeZone = \"UTC\";\n", "")
    );
    assert_eq!(entry_of(&files, "a-vm").as_deref(), Some("a.nix"));
    assert_eq!(entry_of(&files, "b").as_deref(), Some("b.nix"));
    let tree = fixture(&files);
    let (table, taxonomy) = (OptionTable::embedded(), Taxonomy::embedded());
    let cache = ParseCache::default();
    let fleet = Fleet::load(&tree, &table, &cache);
    let request = MigrateRequest {
        host: "a-vm",
        grouping: Grouping::default(),
        namespace: None,
        directory: None,
        accept_order_only: false,
    };
    let knowledge = Knowledge {
        table: &table,
        taxonomy: &taxonomy,
        cache: &cache,
    };
    let plan = migrate_host(&tree, &fleet, &request, &knowledge);
    assert_eq!(plan.outcome, Outcome::Migrated, "{:?}", plan.reason);
    assert_eq!(plan.verdicts.len(), 3);
    let text: String = plan
        .changes
        .iter()
        .filter(|(path, _)| path.as_str().starts_with("modules/"))
        .map(|(_, change)| format!("{change:?}"))
        .collect();
    assert!(!text.contains("192.0.2"), "{text}");
}

#[test]
fn what_hosts_with_files_of_their_own_share_is_nobodys_entry() {
    let files = "#- /flake.nix\n{ outputs = { nixpkgs, ... }: { nixosConfigurations = { a = nixpkgs.lib.nixosSystem { modules = [ ./a.nix ./common.nix ]; }; iso = nixpkgs.lib.nixosSystem { modules = [ ./common.nix ]; }; }; }; }\n#- /a.nix\n{ services.nginx.enable = true; }\n#- /common.nix\n{ time.timeZone = \"UTC\"; }\n";
    assert_eq!(entry_of(files, "iso"), None);
}

#[test]
fn a_with_that_nothing_is_looked_up_in_any_more_goes() {
    check(
        r#"#- /h/default.nix
{ lib, pkgs, ... }:
with lib;
{
  networking.hostName = "h";
  services.foo = {
    enable = mkDefault true;
    package = pkgs.foo;
    port = mkForce 80;
  };
}
"#,
        expect![[r##"
            #- /h/default.nix
            { ... }:
            {
              imports = [
                ../modules/features/foo.nix
              ];

              features.foo.enable = true;

              networking.hostName = "h";
            }
            #- /modules/features/foo.nix
            { config, lib, pkgs, ... }:
            with lib;
            {
              options.features.foo.enable = lib.mkEnableOption "foo";

              config = lib.mkIf config.features.foo.enable {
                services.foo = {
                  enable = mkDefault true;
                  package = pkgs.foo;
                  port = mkForce 80;
                };
              };
            }
        "##]],
    );
}
