//! Migrations of small repositories, before and after.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::catalogue::Catalogue;
use super::compose::Position;
use super::group::Grouping;
use super::host::{Request, dissect, propose};
use crate::edit::Change;
use crate::options::OptionTable;
use crate::taxonomy::Taxonomy;
use crate::tree::{Tree, TreePath};

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
        roles: &[],
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
              config,
              lib,
              pkgs,
              ...
            }:
            with lib;
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
              ##########
              ## Web
              ##########
              services.nginx = mkIf config.boot.isContainer {
                virtualHosts.${domain} = helper 1;
              };

              ##########
              ## Rest
              ##########

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
            in
            {
              options.features.nginx.enable = lib.mkEnableOption "the nginx web server";

              config = lib.mkIf config.features.nginx.enable {
                services.nginx = mkIf config.boot.isContainer {
                  enable = true;
                  appendConfig = ''
                    listen ${toString port};
                      ${../../h/x.conf}

                    '';
                };
              };
            }
            kept services.nginx.virtualHosts: shares `helper` with other definitions
        "##]],
    );
}
