//! Where features go in fleets of other habits.

use super::fixture;
use crate::edit::Change;
use crate::model::{Fleet, ParseCache};
use crate::options::OptionTable;
use crate::refactor::group::Grouping;
use crate::refactor::migrate::{
    Knowledge, MigratePlan, MigrateRequest, Outcome, Placement, migrate_host,
};
use crate::taxonomy::Taxonomy;
use crate::tree::TreePath;

const NGINX: &str = "  services.nginx = {\n    enable = true;\n    statusPage = true;\n    recommendedGzipSettings = true;\n    recommendedOptimisation = true;\n    recommendedProxySettings = true;\n    recommendedTlsSettings = true;\n    serverTokens = false;\n    appendConfig = \"a\";\n  };\n";

fn plan(files: &str, directory: Option<&str>) -> MigratePlan {
    let tree = fixture(files);
    let (table, taxonomy) = (OptionTable::embedded(), Taxonomy::embedded());
    let cache = ParseCache::default();
    let fleet = Fleet::load(&tree, &table, &cache);
    let request = MigrateRequest {
        host: "a",
        grouping: Grouping::default(),
        namespace: None,
        directory: directory.map(|it| TreePath::new(it).unwrap()),
        accept_order_only: false,
    };
    let knowledge = Knowledge {
        table: &table,
        taxonomy: &taxonomy,
        cache: &cache,
    };
    migrate_host(&tree, &fleet, &request, &knowledge)
}

/// The file of the only feature.
fn place(files: &str, directory: Option<&str>) -> String {
    let plan = plan(files, directory);
    assert_eq!(plan.outcome, Outcome::Migrated, "{:?}", plan.kept);
    let mut created = plan.changes.keys();
    let nginx = created.find(|path| path.file_name() == Some("nginx.nix"));
    nginx.unwrap().to_string()
}

fn flake(modules: &str) -> String {
    format!(
        "#- /flake.nix\n{{ outputs = {{ nixpkgs, ... }}: {{ nixosConfigurations.a = nixpkgs.lib.nixosSystem {{ modules = {modules}; }}; }}; }}\n#- /a.nix\n{{\n{NGINX}}}\n"
    )
}

#[test]
fn features_stand_where_modules_for_several_hosts_do() {
    let one = "{ lib, ... }: { options.my.NAME.enable = lib.mkEnableOption \"x\"; }\n";
    let module = |at: &str, name: &str| format!("#- /{at}\n{}", one.replace("NAME", name));
    let in_modules = flake("[ ./a.nix ./modules/kubernetes/node.nix ./modules/web/cache.nix ]")
        + &module("modules/kubernetes/node.nix", "node")
        + &module("modules/web/cache.nix", "cache");
    assert_eq!(place(&in_modules, None), "modules/features/nginx.nix");
    let in_a_drawer = flake("[ ./a.nix ./shared/acme/x.nix ./shared/acme/y.nix ]")
        + &module("shared/acme/x.nix", "x")
        + &module("shared/acme/y.nix", "y");
    assert_eq!(place(&in_a_drawer, None), "modules/features/nginx.nix");
    assert_eq!(
        place(&in_a_drawer, Some("nix/parts")),
        "nix/parts/nginx.nix"
    );
}

#[test]
fn a_directory_that_is_read_as_a_whole_takes_files_only() {
    let read = "[ ./a.nix ] ++ map (name: ./modules + \"/${name}\") (builtins.attrNames (builtins.readDir ./modules))";
    let files = flake(read) + "#- /modules/x.nix\n{ services.fwupd.enable = true; }\n";
    assert_eq!(place(&files, None), "modules/nginx.nix");
}

#[test]
fn a_file_below_the_hosts_own_keeps_its_features_beside_it() {
    let others = "  services.openssh.enable = true;\n  services.postgresql.enable = true;\n  services.fwupd.enable = true;\n  time.timeZone = \"UTC\";\n  services.printing.enable = true;\n  services.avahi.enable = true;\n";
    let files = flake("[ ./host.nix ]").replace(NGINX, &format!("{NGINX}{others}"))
        + "#- /host.nix\n{\n  imports = [ ./a.nix ./b.nix ];\n}\n"
        + "#- /b.nix\n{ services.nginx.appendConfig = \"b\"; }\n";
    for files in [
        files.clone(),
        files.replace("[ ./host.nix ]", "[ (import ./host.nix) ]"),
    ] {
        let plan = plan(&files, None);
        assert_eq!(
            plan.placement,
            Some(Placement::ImportList),
            "{:?}",
            plan.kept
        );
        let Change::Modify { contents, .. } = &plan.changes[&TreePath::new("host.nix").unwrap()]
        else {
            panic!("host.nix is not modified")
        };
        let host = String::from_utf8_lossy(contents);
        assert!(
            host.contains("[ ./a.nix ./modules/features/nginx.nix ./b.nix ]"),
            "{host}"
        );
    }
}

#[test]
fn hosts_with_lists_of_their_own_migrate_one_after_the_other() {
    let host = |name: &str| {
        format!(
            "#- /{name}.nix\n{{\n{NGINX}  services.openssh.extraConfig = \"{name}\";\n}}\n#- /{name}-more.nix\n{{ services.nginx.appendConfig = \"{name}\"; services.openssh.extraConfig = \"more\"; }}\n"
        )
    };
    let files = "#- /flake.nix\n{ outputs = { nixpkgs, ... }@inputs: { nixosConfigurations = { a = nixpkgs.lib.nixosSystem { modules = [ ./a.nix ./a-more.nix ]; }; b = nixpkgs.lib.nixosSystem { modules = [ ./b.nix ./b-more.nix inputs.x.nixosModules.x ]; }; }; }; }\n".to_owned()
        + &host("a")
        + &host("b");
    let mut tree = fixture(&files);
    let (table, taxonomy) = (OptionTable::embedded(), Taxonomy::embedded());
    let cache = ParseCache::default();
    let knowledge = Knowledge {
        table: &table,
        taxonomy: &taxonomy,
        cache: &cache,
    };
    for host in ["a", "b"] {
        let fleet = Fleet::load(&tree, &table, &cache);
        let request = MigrateRequest {
            host,
            grouping: Grouping::default(),
            namespace: None,
            directory: None,
            accept_order_only: false,
        };
        let plan = migrate_host(&tree, &fleet, &request, &knowledge);
        assert_eq!(plan.outcome, Outcome::Migrated, "{host}: {:?}", plan.kept);
        assert_eq!(plan.placement, Some(Placement::ModuleList), "{host}");
        tree = tree.with(&plan.changes);
    }
    let flake = tree.text(&TreePath::new("flake.nix").unwrap()).unwrap();
    let both = [
        "[ ./a.nix ./modules/features/nginx.nix ./a-more.nix ]",
        "[ ./b.nix ./modules/features/nginx.nix ./b-more.nix inputs.x.nixosModules.x ]",
    ];
    for list in both {
        let elements: Vec<&str> = list.trim_end_matches(" ]").split_whitespace().collect();
        let words: Vec<&str> = flake.split_whitespace().collect();
        assert!(
            words.windows(elements.len()).any(|it| it == elements),
            "{list}: {flake}"
        );
    }
}

#[test]
fn where_no_option_can_be_certain_modules_have_none() {
    let files = "#- /flake.nix\n{ outputs = { nixpkgs, ... }: { nixosConfigurations.h = nixpkgs.lib.nixosSystem { modules = [ ./h ./all.nix ]; }; }; }\n#- /all.nix\n{ config, ... }: { environment.etc.all.text = toString (builtins.attrNames config); }\n#- /h/default.nix\n{ config, ... }:\n{\n  networking.hostName = \"h\";\n\n  services.nginx = {\n    enable = true;\n    recommendedProxySettings = true;\n    recommendedTlsSettings = true;\n    recommendedGzipSettings = true;\n    virtualHosts.\"a.example\".root = \"/srv/a\";\n    virtualHosts.\"b.example\".root = \"/srv/b\";\n    virtualHosts.\"c.example\".root = \"/srv/c\";\n    virtualHosts.\"d.example\".root = \"/srv/d\";\n    virtualHosts.\"e.example\".root = \"/srv/e\";\n  };\n}\n";
    let tree = fixture(files);
    let table = OptionTable::embedded();
    let taxonomy = Taxonomy::embedded();
    let cache = ParseCache::default();
    let knowledge = Knowledge {
        table: &table,
        taxonomy: &taxonomy,
        cache: &cache,
    };
    let migrate = |tree: &crate::tree::Tree| {
        let fleet = Fleet::load(tree, &table, &cache);
        let request = MigrateRequest {
            host: "h",
            grouping: Grouping::default(),
            namespace: None,
            directory: None,
            accept_order_only: false,
        };
        migrate_host(tree, &fleet, &request, &knowledge)
    };
    let plan = migrate(&tree);
    assert_eq!(plan.outcome, Outcome::Migrated, "{:?}", plan.kept);
    let made = TreePath::new("h/nginx.nix").unwrap();
    let Some(Change::Create { contents, .. }) = plan.changes.get(&made) else {
        panic!("{:?}", plan.changes);
    };
    let text = String::from_utf8_lossy(contents);
    assert!(
        text.contains("recommendedProxySettings") && !text.contains("mkEnableOption"),
        "{text}"
    );
    let second = migrate(&tree.with(&plan.changes));
    assert_eq!(second.outcome, Outcome::Unchanged, "{:?}", second.changes);
}

#[test]
fn a_host_that_reads_everything_is_named() {
    let files = |value: &str| {
        format!(
            "#- /flake.nix\n{{ outputs = {{ nixpkgs, ... }}: let host = module: nixpkgs.lib.nixosSystem {{ modules = [ module ]; }}; in {{ nixosConfigurations = {{ a = host ./a.nix; b = host ./b.nix; }}; }}; }}\n#- /a.nix\n{{\n{NGINX}}}\n#- /b.nix\n{{ config, ... }}: {{ environment.etc.x.text = {value}; }}\n"
        )
    };
    let plan_of = |value: &str| plan(&files(value), None);
    assert_eq!(plan_of("config.my.directory").outcome, Outcome::Migrated);
    let refused = plan_of("\"${dirOf config.my.file}\"");
    assert_eq!(refused.outcome, Outcome::Refused);
    assert_eq!(
        refused.reason.as_deref(),
        Some(
            "host `b`: `environment.etc.x.text` is \"${//${dirOf (config.my.file)}}\" as before, but reads everything in the repository through `dirOf (config.my.file)`, and that changed"
        )
    );
}
