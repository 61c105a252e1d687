# Accounts.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (config.standin) known;

  user =
    { name, config, ... }:
    {
      freeformType = known.at [
        "users"
        "users"
      ];
      options = {
        name = mkOption {
          type = types.str;
          default = name;
          description = "The name of the account.";
        };
        description = mkOption {
          type = types.str;
          default = "";
          description = "Whose it is.";
        };
        uid = mkOption {
          type = types.nullOr types.int;
          default = null;
          description = "Its number.";
        };
        isSystemUser = mkOption {
          type = types.bool;
          default = false;
          description = "Whether it is nobody's.";
        };
        isNormalUser = mkOption {
          type = types.bool;
          default = false;
          description = "Whether it is a person's.";
        };
        group = mkOption {
          type = types.str;
          default = if config.isNormalUser then "users" else "";
          description = "Its first group.";
        };
        extraGroups = mkOption {
          type = types.listOf types.str;
          default = [ ];
          description = "Its other groups.";
        };
        home = mkOption {
          type = types.path;
          default = if config.isNormalUser then "/home/${config.name}" else "/var/empty";
          description = "Where it is at home.";
        };
        shell = mkOption {
          type = types.nullOr (types.either types.package types.path);
          default = null;
          description = "Its shell.";
        };
        openssh.authorizedKeys = {
          keys = mkOption {
            type = types.listOf types.str;
            default = [ ];
            description = "Keys that open it.";
          };
          keyFiles = mkOption {
            type = types.listOf types.path;
            default = [ ];
            description = "Files of such keys.";
          };
        };
      };
    };

  group =
    { name, ... }:
    {
      freeformType = known.at [
        "users"
        "groups"
      ];
      options = {
        name = mkOption {
          type = types.str;
          default = name;
          description = "The name of the group.";
        };
        gid = mkOption {
          type = types.nullOr types.int;
          default = null;
          description = "Its number.";
        };
        members = mkOption {
          type = types.listOf types.str;
          default = [ ];
          description = "Who is in it.";
        };
      };
    };

  accounts = lib.attrValues config.users.users;
  keyed = lib.filter (
    one: one.openssh.authorizedKeys.keys != [ ] || one.openssh.authorizedKeys.keyFiles != [ ]
  ) accounts;
  twice =
    what:
    lib.attrNames (
      lib.filterAttrs (_: same: lib.length same > 1) (
        lib.groupBy (one: toString one.${what}) (lib.filter (one: one.${what} != null) accounts)
      )
    );
in
{
  options.users = {
    users = mkOption {
      type = types.attrsOf (types.submodule user);
      default = { };
      description = "Accounts.";
    };
    groups = mkOption {
      type = types.attrsOf (types.submodule group);
      default = { };
      description = "Groups.";
    };
    mutableUsers = mkOption {
      type = types.bool;
      default = true;
      description = "Whether accounts may be changed on the host.";
    };
  };

  config = {
    users.users.root = {
      uid = 0;
      isSystemUser = true;
      group = "root";
      home = "/root";
    };
    users.groups.root.gid = 0;
    users.groups.users.gid = 100;
    assertions = [
      {
        assertion = twice "uid" == [ ];
        message = "UIDs are used more than once: ${lib.concatStringsSep ", " (twice "uid")}";
      }
    ];

    environment.etc = lib.listToAttrs (
      map (one: {
        name = "ssh/authorized_keys.d/${one.name}";
        value.source = pkgs.concatText "authorized-keys-${one.name}" (
          one.openssh.authorizedKeys.keyFiles
          ++ map (key: pkgs.writeText "key" "${key}\n") one.openssh.authorizedKeys.keys
        );
      }) keyed
    ) // {
      # What activation makes of it: one line per account, one per group.
      "standin/users".text = lib.concatMapStrings (
        one:
        "${one.name}:${toString one.uid}:${one.group}:${lib.concatStringsSep "," one.extraGroups}:${one.home}\n"
      ) accounts;
      "standin/groups".text = lib.concatMapStrings (one: "${one.name}:${toString one.gid}\n") (
        lib.attrValues config.users.groups
      );
    };
  };
}
