//! Names that several sides read.

use expect_test::expect;

use super::check;

#[test]
fn long_data_that_several_read_becomes_an_option() {
    check(
        r#"#- /h/default.nix
{ config, ... }:
let
  # Who may come in.
  people = {
    a = 1;
    b = 2;
    c = 3;
  };
  add = x: {
    inherit x;
    y = x + 1;
    z = x + 2;
  };
in
{
  services.foo.people = people;
  services.foo.add = add 1;
  services.bar = {
    inherit people;
    add = add 2;
  };
  networking.hostId = "0";
}
"#,
        expect![[r##"
            #- /h/default.nix
            { config, ... }:
            let
              # Who may come in.
              people = {
                a = 1;
                b = 2;
                c = 3;
              };
            in
            {
              imports = [
                ../modules/features/bar.nix
                ../modules/features/foo.nix
              ];

              features = {
                bar = {
                  enable = true;
                  inherit people;
                };
                foo = {
                  enable = true;
                  inherit people;
                };
              };

              networking.hostId = "0";
            }
            #- /modules/features/bar.nix
            { config, lib, ... }:
            let
              cfg = config.features.bar;
              inherit (cfg) people;
              add = x: {
                inherit x;
                y = x + 1;
                z = x + 2;
              };
            in
            {
              options.features.bar = {
                enable = lib.mkEnableOption "bar";

                people = lib.mkOption {
                  type = lib.types.uniq lib.types.unspecified;
                  description = "What the host calls `people`.";
                };
              };

              config = lib.mkIf cfg.enable {
                services.bar = {
                  inherit people;
                  add = add 2;
                };
              };
            }
            #- /modules/features/foo.nix
            { config, lib, ... }:
            let
              cfg = config.features.foo;
              inherit (cfg) people;
              add = x: {
                inherit x;
                y = x + 1;
                z = x + 2;
              };
            in
            {
              options.features.foo = {
                enable = lib.mkEnableOption "foo";

                people = lib.mkOption {
                  type = lib.types.uniq lib.types.unspecified;
                  description = "What the host calls `people`.";
                };
              };

              config = lib.mkIf cfg.enable {
                services.foo.people = people;
                services.foo.add = add 1;
              };
            }
        "##]],
    );
}

#[test]
fn long_data_that_only_the_host_shares_becomes_an_option() {
    check(
        r#"#- /h/default.nix
{ config, ... }:
let
  disks = [
    "a"
    "b"
    "c"
  ];
  cfg = 1;
in
{
  services.foo.disks = disks ++ [ "d" ];
  services.bar.disks = cfg + disks;
  fileSystems."/".options = disks;
}
"#,
        expect![[r##"
            #- /h/default.nix
            { config, ... }:
            let
              disks = [
                "a"
                "b"
                "c"
              ];
            in
            {
              imports = [
                ../modules/features/bar.nix
                ../modules/features/foo.nix
              ];

              features = {
                bar = {
                  enable = true;
                  inherit disks;
                };
                foo = {
                  enable = true;
                  inherit disks;
                };
              };

              fileSystems."/".options = disks;
            }
            #- /modules/features/bar.nix
            { config, lib, ... }:
            let
              inherit (config.features.bar) disks;
              cfg = 1;
            in
            {
              options.features.bar = {
                enable = lib.mkEnableOption "bar";

                disks = lib.mkOption {
                  type = lib.types.uniq lib.types.unspecified;
                  description = "What the host calls `disks`.";
                };
              };

              config = lib.mkIf config.features.bar.enable {
                services.bar.disks = cfg + disks;
              };
            }
            #- /modules/features/foo.nix
            { config, lib, ... }:
            let
              cfg = config.features.foo;
              inherit (cfg) disks;
            in
            {
              options.features.foo = {
                enable = lib.mkEnableOption "foo";

                disks = lib.mkOption {
                  type = lib.types.uniq lib.types.unspecified;
                  description = "What the host calls `disks`.";
                };
              };

              config = lib.mkIf cfg.enable {
                services.foo.disks = disks ++ [ "d" ];
              };
            }
        "##]],
    );
}
