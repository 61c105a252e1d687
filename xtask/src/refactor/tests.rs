//! Migrations of small repositories, before and after.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use expect_test::{Expect, expect};

use super::catalogue::{Catalogue, SeenThrough};
use super::compose::Position;
use super::group::Grouping;
use super::host::{Request, dissect, propose};
use super::migrate::{Knowledge, MigrateRequest, Outcome, migrate_host};
use crate::edit::Change;
use crate::model::{Fleet, ParseCache};
use crate::options::OptionTable;
use crate::proof::Judgement;
use crate::taxonomy::Taxonomy;
use crate::tree::{Tree, TreePath};

mod entry;
mod locals;
mod place;
mod sharing;

/// Splits a fixture at its `#- /path` headers.
pub fn fixture(text: &str) -> Tree {
    let mut files: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("#- /") {
            files.push((path.trim(), String::new()));
        } else if let Some((_, contents)) = files.last_mut() {
            contents.push_str(line);
            contents.push('\n');
        }
    }
    Tree::from_texts(files.iter().map(|(path, text)| (*path, text.as_str())))
}

fn check(before: &str, expect: Expect) {
    let tree = fixture(before);
    let grouping = Grouping {
        min_lines: Some(1),
        ..Grouping::default()
    };
    let entry = TreePath::new("h/default.nix").unwrap();
    let directory = TreePath::new("modules/features").unwrap();
    let request = Request {
        host: "h",
        entry: &entry,
        namespace: "features",
        directory: &directory,
        grouping: &grouping,
        position: Position::Head,
        auto_import: false,
        list: None,
        beside: None,
        roles: &[],
        avoid: Default::default(),
        plain: false,
    };
    let table = OptionTable::embedded();
    let taxonomy = Taxonomy::embedded();
    let catalogue = Catalogue::new(&table, &taxonomy);
    let (anatomy, groups) = dissect(&tree, &request, &catalogue).unwrap();
    let result = propose(
        &tree,
        &anatomy,
        &groups,
        &request,
        &catalogue,
        &BTreeMap::new(),
    )
    .unwrap();
    let mut out = String::new();
    for (path, change) in &result.changes {
        let (Change::Create { contents, .. } | Change::Modify { contents, .. }) = change else {
            continue;
        };
        let text = String::from_utf8(contents.clone()).unwrap();
        assert!(
            rnix::Root::parse(&text).errors().is_empty(),
            "{path}:\n{text}"
        );
        let _ = write!(out, "#- /{path}\n{text}");
    }
    for kept in &result.kept {
        let _ = writeln!(out, "kept {}: {}", kept.path, kept.reason);
    }
    expect.assert_eq(&out);
}

#[test]
fn nested_and_dotted_sets_are_split_by_path() {
    check(
        r#"#- /h/default.nix
{ config, pkgs, ... }:
{
  imports = [ ./hardware.nix ];

  networking.hostName = "h";

  # who talks to whom
  services = {
    # shell
    openssh = {
      enable = true; # always
      settings.PermitRootLogin = "no";
    };
    nginx.enable = true;
    # nginx.statusPage = true;
  };
  services.nginx.package = pkgs.nginxMainline;

  networking = {
    firewall = {
      enable = true;
      allowedTCPPorts = [ 80 ];
    };
  };

  system.stateVersion = "24.05";
}
"#,
        expect![[r##"
            #- /h/default.nix
            { config, ... }:
            {
              imports = [
                ../modules/features/firewall.nix
                ../modules/features/nginx.nix
                ../modules/features/openssh.nix
                ./hardware.nix
              ];

              features = {
                firewall.enable = true;
                nginx.enable = true;
                openssh.enable = true;
              };

              networking.hostName = "h";

              system.stateVersion = "24.05";
            }
            #- /modules/features/firewall.nix
            { config, lib, ... }:
            {
              options.features.firewall.enable = lib.mkEnableOption "the firewall";

              config = lib.mkIf config.features.firewall.enable {
                networking = {
                  firewall = {
                    enable = true;
                    allowedTCPPorts = [ 80 ];
                  };
                };
              };
            }
            #- /modules/features/nginx.nix
            { config, lib, pkgs, ... }:
            {
              options.features.nginx.enable = lib.mkEnableOption "the nginx web server";

              config = lib.mkIf config.features.nginx.enable {
                services.nginx.enable = true;
                # nginx.statusPage = true;
                services.nginx.package = pkgs.nginxMainline;
              };
            }
            #- /modules/features/openssh.nix
            { config, lib, ... }:
            {
              options.features.openssh.enable = lib.mkEnableOption "the OpenSSH server";

              config = lib.mkIf config.features.openssh.enable {
                # who talks to whom
                # shell
                services.openssh = {
                  enable = true; # always
                  settings.PermitRootLogin = "no";
                };
              };
            }
        "##]],
    );
}

#[test]
fn banners_conditions_and_strings() {
    check(
        r###"#- /h/default.nix
{
  config,
  lib,
  pkgs,
  ...
}:
with lib;
let
  # the port
  port = 80;
  domain = "a.example";
  helper = x: {
    inherit x;
    y = [
      x
    ];
  };
in
{
  boot.kernelModules = [ "x" ];
  ##########
  ## Web
  ##########
  services.nginx = mkIf config.boot.isContainer {
    enable = true;
    appendConfig = ''
      listen ${toString port};
        ${./x.conf}

      '';
    virtualHosts.${domain} = helper 1;
  };

  ##########
  ## Rest
  ##########
  services.foo.domain = "${domain}";

  fileSystems."/".device = helper domain;
}
"###,
        expect![[r##"
            #- /h/default.nix
            {
              pkgs,
              ...
            }:
            let
              domain = "a.example";
              helper = x: {
                inherit x;
                y = [
                  x
                ];
              };
            in
            {
              imports = [
                ../modules/features/foo.nix
                ../modules/features/nginx.nix
              ];

              features = {
                foo.enable = true;
                nginx.enable = true;
              };

              boot.kernelModules = [ "x" ];

              fileSystems."/".device = helper domain;
            }
            #- /modules/features/foo.nix
            {
              config,
              lib,
              ...
            }:
            let
              domain = "a.example";
            in
            {
              options.features.foo.enable = lib.mkEnableOption "foo";

              config = lib.mkIf config.features.foo.enable {
                ##########
                ## Rest
                ##########
                services.foo.domain = "${domain}";
              };
            }
            #- /modules/features/nginx.nix
            {
              config,
              lib,
              ...
            }:
            with lib;
            let
              # the port
              port = 80;
              domain = "a.example";
              helper = x: {
                inherit x;
                y = [
                  x
                ];
              };
            in
            {
              options.features.nginx.enable = lib.mkEnableOption "the nginx web server";

              config = lib.mkIf config.features.nginx.enable {
                ##########
                ## Web
                ##########
                services.nginx = mkIf config.boot.isContainer {
                  enable = true;
                  appendConfig = ''
                    listen ${toString port};
                      ${../../h/x.conf}

                    '';
                  virtualHosts.${domain} = helper 1;
                };
              };
            }
        "##]],
    );
}

/// A fleet of two hosts that a helper makes.
const FLAKE: &str = r#"#- /flake.nix
{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-24.05";
  outputs =
    { nixpkgs, ... }:
    let
      host =
        name:
        nixpkgs.lib.nixosSystem {
          system = "x86_64-linux";
          modules = [
            (./hosts + "/${name}")
            { networking.hostName = name; }
          ];
        };
    in
    {
      nixosConfigurations = {
        alpha = host "alpha";
        beta = host "beta";
      };
    };
}
"#;

/// Migrates hosts one after the other; the files that changed, and what became
/// of each host.
fn migrate(files: &str, hosts: &[&str]) -> (Tree, String) {
    let third = "beta = host \"beta\"; gamma = host \"gamma\";";
    let flake = match files.contains("hosts/gamma") {
        true => FLAKE.replace("beta = host \"beta\";", third),
        false => FLAKE.to_owned(),
    };
    let mut tree = fixture(&format!("{flake}{files}"));
    let table = OptionTable::embedded();
    let taxonomy = Taxonomy::embedded();
    let cache = ParseCache::default();
    let knowledge = Knowledge {
        table: &table,
        taxonomy: &taxonomy,
        cache: &cache,
    };
    let mut out = String::new();
    for host in hosts {
        let request = MigrateRequest {
            host,
            grouping: Grouping::default(),
            namespace: None,
            directory: None,
            accept_order_only: false,
        };
        let fleet = Fleet::load(&tree, &table, &cache);
        let plan = migrate_host(&tree, &fleet, &request, &knowledge);
        let verdicts = plan.verdicts.iter();
        let all_equal = verdicts.clone().all(|it| it.judgement == Judgement::Equal);
        assert!(all_equal, "{:?}", plan.verdicts);
        let _ = writeln!(
            out,
            "{host}: {:?}, {:?}",
            plan.outcome,
            plan.features.keys().collect::<Vec<_>>()
        );
        for kept in &plan.kept {
            let _ = writeln!(out, "  kept {}: {}", kept.path, kept.reason);
        }
        tree = tree.with(&plan.changes);
        let fleet = Fleet::load(&tree, &table, &cache);
        let again = migrate_host(&tree, &fleet, &request, &knowledge);
        assert_ne!(
            again.outcome,
            Outcome::Migrated,
            "a second run has something to do"
        );
    }
    (tree, out)
}

const ALPHA: &str = r#"#- /hosts/alpha/default.nix
{ config, lib, pkgs, ... }:
{
  services.openssh = {
    enable = true;
    openFirewall = false;
    settings = {
      PermitRootLogin = "no";
      PasswordAuthentication = false;
      X11Forwarding = false;
      MaxAuthTries = 3;
    };
  };
  system.stateVersion = "24.05";
}
"#;

#[test]
fn a_second_host_uses_the_feature_of_the_first_with_its_own_values() {
    let beta = ALPHA
        .replace("alpha", "beta")
        .replace("MaxAuthTries = 3", "MaxAuthTries = 6");
    let (tree, report) = migrate(&format!("{ALPHA}{beta}"), &["alpha", "beta"]);
    expect![[r#"
        alpha: Migrated, ["openssh"]
        beta: Migrated, ["openssh"]
    "#]]
    .assert_eq(&report);
    let text = |path: &str| tree.text(&TreePath::new(path).unwrap()).unwrap();
    expect![[r#"
        { config, lib, ... }:
        let
          cfg = config.features.openssh;
        in
        {
          options.features.openssh = {
            enable = lib.mkEnableOption "the OpenSSH server";

            maxAuthTries = lib.mkOption {
              type = lib.types.int;
              default = 3;
              description = "Value of `services.openssh.settings.MaxAuthTries`.";
            };
          };

          config = lib.mkIf cfg.enable {
            services.openssh = {
              enable = true;
              openFirewall = false;
              settings = {
                PermitRootLogin = "no";
                PasswordAuthentication = false;
                X11Forwarding = false;
                MaxAuthTries = cfg.maxAuthTries;
              };
            };
          };
        }
    "#]]
    .assert_eq(&text("modules/features/openssh.nix"));
    expect![[r#"
        { config, lib, pkgs, ... }:
        {
          imports = [
            ../../modules/features/openssh.nix
          ];

          features.openssh.enable = true;

          system.stateVersion = "24.05";
        }
    "#]]
    .assert_eq(&text("hosts/alpha/default.nix"));
    expect![[r#"
        { config, lib, pkgs, ... }:
        {
          imports = [
            ../../modules/features/openssh.nix
          ];

          features.openssh = {
            enable = true;
            maxAuthTries = 6;
          };

          system.stateVersion = "24.05";
        }
    "#]]
    .assert_eq(&text("hosts/beta/default.nix"));
}

#[test]
fn hosts_of_one_kind_share_one_feature_unchanged() {
    let beta = ALPHA.replace("alpha", "beta");
    let (tree, _) = migrate(&format!("{ALPHA}{beta}"), &["beta", "alpha"]);
    let text = |path: &str| tree.text(&TreePath::new(path).unwrap()).unwrap();
    assert_eq!(
        text("hosts/alpha/default.nix"),
        text("hosts/beta/default.nix")
    );
    assert!(!text("modules/features/openssh.nix").contains("mkOption"));
}

#[test]
fn a_list_that_nixpkgs_defines_too_needs_a_place_beside_the_host() {
    let alpha = r#"#- /hosts/alpha/default.nix
{ pkgs, ... }:
{
  environment.systemPackages = with pkgs; [
    git
    htop
    jq
    ripgrep
    tmux
    tree
    vim
  ];
}
#- /hosts/beta/default.nix
{ }
"#;
    let (tree, report) = migrate(alpha, &["alpha"]);
    expect![[r#"
        alpha: Migrated, ["packages"]
    "#]]
    .assert_eq(&report);
    let flake = tree.text(&TreePath::new("flake.nix").unwrap()).unwrap();
    let list: Vec<&str> = flake
        .lines()
        .skip_while(|line| !line.contains("modules ="))
        .take_while(|line| !line.contains("networking"))
        .map(str::trim)
        .collect();
    expect![[r#"
        modules = [
        (./hosts + "/${name}")
        ]
        ++ import ./modules/features
        ++ ["#]]
    .assert_eq(&list.join("\n"));
}

/// All files below a directory of this repository, in memory.
fn on_disk(directory: &str) -> Tree {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(directory);
    let mut files = Vec::new();
    let mut queue = vec![root.clone()];
    while let Some(at) = queue.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                queue.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let name = path
                    .strip_prefix(&root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                files.push((name, text));
            }
        }
    }
    Tree::from_texts(
        files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str())),
    )
}

/// Comments and lines of strings: what only the author can write.
fn words(text: &str) -> Vec<String> {
    let root = rnix::Root::parse(text).syntax();
    root.descendants_with_tokens()
        .filter_map(|it| it.into_token())
        .filter(|token| {
            matches!(
                token.kind(),
                rnix::SyntaxKind::TOKEN_COMMENT | rnix::SyntaxKind::TOKEN_STRING_CONTENT
            )
        })
        .flat_map(|token| {
            let lines = token.text().lines().map(|line| line.trim().to_owned());
            lines.collect::<Vec<_>>()
        })
        .filter(|line| !line.is_empty())
        .collect()
}

#[test]
fn nothing_that_the_author_wrote_is_lost() {
    let tree = on_disk("tests/fixtures/legacy");
    let table = OptionTable::embedded();
    let taxonomy = Taxonomy::embedded();
    let fleet = Fleet::load(&tree, &table, &ParseCache::default());
    let directory = TreePath::new("modules/features").unwrap();
    let grouping = Grouping::default();
    let mut migrated = 0;
    for host in &fleet.hosts {
        let seen_through = SeenThrough::new(&fleet);
        let catalogue = Catalogue {
            host: Some(host),
            seen_through: Some(&seen_through),
            ..Catalogue::new(&table, &taxonomy)
        };
        let Some(entry) = super::host::entry(&tree, &fleet, host, &directory, &catalogue) else {
            continue;
        };
        let request = Request {
            host: &host.name,
            entry: &entry,
            namespace: "features",
            directory: &directory,
            grouping: &grouping,
            position: Position::Head,
            auto_import: false,
            list: None,
            beside: None,
            roles: &[],
            avoid: Default::default(),
            plain: false,
        };
        let (anatomy, groups) = dissect(&tree, &request, &catalogue).unwrap();
        let none = BTreeMap::new();
        let plan = propose(&tree, &anatomy, &groups, &request, &catalogue, &none).unwrap();
        migrated += usize::from(!plan.features.is_empty());
        let mut after = String::new();
        for change in plan.changes.values() {
            if let Change::Create { contents, .. } | Change::Modify { contents, .. } = change {
                let text = std::str::from_utf8(contents).unwrap();
                assert!(rnix::Root::parse(text).errors().is_empty(), "{text}");
                assert!(!text.contains("{ };\n\n\n"), "{text}");
                after.push_str(text);
            }
        }
        if plan.changes.is_empty() {
            continue;
        }
        for word in words(&anatomy.text) {
            assert!(after.contains(&word), "{}: `{word}` is lost", host.name);
        }
    }
    assert!(migrated >= 10, "{migrated} hosts");
}

#[test]
fn whole_arguments_parameters_and_positions_stay() {
    check(
        r#"#- /h/default.nix
site:
args@{ pkgs, ... }:
{
  services.foo.a = args.pkgs;
  services.bar.b = site;
  services.baz.c = __curPos.file;
  services.qux.d = pkgs.git;
}
"#,
        expect![[r##"
            #- /h/default.nix
            site:
            args@{ pkgs, ... }:
            {
              imports = [
                ../modules/features/qux.nix
              ];

              features.qux.enable = true;

              services.foo.a = args.pkgs;
              services.bar.b = site;
              services.baz.c = __curPos.file;
            }
            #- /modules/features/qux.nix
            { config, lib, pkgs, ... }:
            {
              options.features.qux.enable = lib.mkEnableOption "qux";

              config = lib.mkIf config.features.qux.enable {
                services.qux.d = pkgs.git;
              };
            }
            kept services.foo.a: uses `args`, all arguments of this file, as a value
            kept services.bar.b: uses `site`, which whoever imports this file passes
            kept services.baz.c: uses `__curPos`, its place in this file
        "##]],
    );
}

#[test]
fn updates_and_recursive_sets_part_only_what_is_independent() {
    check(
        r#"#- /h/default.nix
{ lib, ... }:
rec {
  time.timeZone = "UTC";
  services.foo.zone = time.timeZone;
  services.bar.enable = true;
}
// {
  services.baz.enable = true;
}
"#,
        expect![[r#"
            kept time.timeZone: its set is recursive and other definitions read it by its bare name
            kept services.foo.zone: a later operand of `//` replaces it
            kept services.bar.enable: a later operand of `//` replaces it
            kept services.baz.enable: a later operand of `//` replaces it
        "#]],
    );
}

#[test]
fn merges_and_conditions_keep_their_level() {
    check(
        r#"#- /h/default.nix
{ config, lib, ... }:
{
  imports = [ ./a.nix ] ++ lib.optional true ./b.nix;
  options.x = lib.mkOption { };
  config = lib.mkMerge [
    { services.foo.enable = true; }
    (lib.mkIf config.x {
      services.foo.port = 1;
      services.bar.port = lib.mkForce 2;
    })
  ];
}
"#,
        expect![[r##"
            #- /h/default.nix
            { lib, ... }:
            {
              imports = [
                ../modules/features/bar.nix
                ../modules/features/foo.nix
                ./a.nix
              ] ++ lib.optional true ./b.nix;
              options.x = lib.mkOption { };
              config = lib.mkMerge [
                {
                  features = {
                    bar.enable = true;
                    foo.enable = true;
                  };
                }
              ];
            }
            #- /modules/features/bar.nix
            { config, lib, ... }:
            {
              options.features.bar.enable = lib.mkEnableOption "bar";

              config = lib.mkIf config.features.bar.enable (lib.mkIf config.x {
                services.bar.port = lib.mkForce 2;
              });
            }
            #- /modules/features/foo.nix
            { config, lib, ... }:
            {
              options.features.foo.enable = lib.mkEnableOption "foo";

              config = lib.mkIf config.features.foo.enable (
                lib.mkMerge [
                  {
                    services.foo.enable = true;
                  }
                  (lib.mkIf config.x {
                    services.foo.port = 1;
                  })
                ]
              );
            }
        "##]],
    );
}

#[test]
fn inherits_and_dynamic_names_move_as_they_are() {
    check(
        r#"#- /h/default.nix
{ config, ... }:
let
  inherit (config.networking) hostName domain;
  user = "u";
in
{
  services.foo = {
    inherit hostName;
    enable = true;
  };
  users.users.${user}.isNormalUser = true;
  services.bar."${user}-x" = [ { inherit user; } ];
}
"#,
        expect![[r##"
            #- /h/default.nix
            { ... }:
            {
              imports = [
                ../modules/features/bar.nix
                ../modules/features/foo.nix
                ../modules/features/users.nix
              ];

              features = {
                bar.enable = true;
                foo.enable = true;
                users.enable = true;
              };
            }
            #- /modules/features/bar.nix
            { config, lib, ... }:
            let
              user = "u";
            in
            {
              options.features.bar.enable = lib.mkEnableOption "bar";

              config = lib.mkIf config.features.bar.enable {
                services.bar."${user}-x" = [ { inherit user; } ];
              };
            }
            #- /modules/features/foo.nix
            { config, lib, ... }:
            let
              inherit (config.networking) hostName;
            in
            {
              options.features.foo.enable = lib.mkEnableOption "foo";

              config = lib.mkIf config.features.foo.enable {
                services.foo = {
                  inherit hostName;
                  enable = true;
                };
              };
            }
            #- /modules/features/users.nix
            { config, lib, ... }:
            let
              user = "u";
            in
            {
              options.features.users.enable = lib.mkEnableOption "accounts and groups";

              config = lib.mkIf config.features.users.enable {
                users.users.${user}.isNormalUser = true;
              };
            }
        "##]],
    );
}

#[test]
fn names_from_with_are_never_captured() {
    check(
        r#"#- /h/default.nix
{ pkgs, ... }:
{
  environment.systemPackages = with pkgs; [ cfg lib git ];
  services.foo.packages = with pkgs; [ cfg ];
}
"#,
        expect![[r##"
            #- /h/default.nix
            { pkgs, ... }:
            {
              imports = [
                ../modules/features/foo.nix
              ];

              features.foo.enable = true;

              environment.systemPackages = with pkgs; [ cfg lib git ];
            }
            #- /modules/features/foo.nix
            { config, lib, pkgs, ... }:
            {
              options.features.foo.enable = lib.mkEnableOption "foo";

              config = lib.mkIf config.features.foo.enable {
                services.foo.packages = with pkgs; [ cfg ];
              };
            }
            kept environment.systemPackages: `lib` means something else in it than in a generated module
        "##]],
    );
}
