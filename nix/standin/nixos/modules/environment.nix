# Files below /etc, programs, variables.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.environment;

  file =
    { name, config, ... }:
    {
      options = {
        enable = mkOption {
          type = types.bool;
          default = true;
          description = "Whether the file is there.";
        };
        target = mkOption {
          type = types.str;
          default = name;
          description = "Its place below /etc.";
        };
        text = mkOption {
          type = types.nullOr types.lines;
          default = null;
          description = "What it says.";
        };
        source = mkOption {
          type = types.path;
          description = "Where it comes from.";
        };
        mode = mkOption {
          type = types.str;
          default = "symlink";
          description = "A link, or a copy with these permissions.";
        };
        user = mkOption {
          type = types.str;
          default = "+0";
          description = "The owner of a copy.";
        };
        group = mkOption {
          type = types.str;
          default = "+0";
          description = "The group of a copy.";
        };
        uid = mkOption {
          type = types.int;
          default = 0;
          description = "The owner of a copy, by number.";
        };
        gid = mkOption {
          type = types.int;
          default = 0;
          description = "The group of a copy, by number.";
        };
      };
      config = {
        source = lib.mkIf (config.text != null) (
          lib.mkDefault (pkgs.writeText "etc-${baseNameOf name}" config.text)
        );
      };
    };

  present = lib.filterAttrs (_: one: one.enable) cfg.etc;
in
{
  options = {
    environment = {
      etc = mkOption {
        type = types.attrsOf (types.submodule file);
        default = { };
        description = "Files below /etc.";
      };
      systemPackages = mkOption {
        type = types.listOf types.package;
        default = [ ];
        description = "Programs for everybody.";
      };
      pathsToLink = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "What of the packages is linked.";
      };
      variables = mkOption {
        type = types.attrsOf (
          types.oneOf [
            (types.listOf (
              types.oneOf [
                types.int
                types.str
                types.path
              ]
            ))
            types.int
            types.str
            types.path
          ]
        );
        default = { };
        apply = lib.mapAttrs (
          _: value: if lib.isList value then lib.concatMapStringsSep ":" toString value else toString value
        );
        description = "Variables of every shell.";
      };
      sessionVariables = mkOption {
        type = types.attrsOf types.unspecified;
        default = { };
        description = "Variables of every session.";
      };
    };
    users.motd = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "What somebody reads who logs in.";
    };
  };

  config = {
    environment.etc = {
      hostname.text = "${config.networking.hostName}\n";
      "os-release".text = ''
        ID=nixos
        NAME=NixOS
        PRETTY_NAME="NixOS ${config.system.nixos.label} (offline stand-in)"
        VERSION_ID="${config.system.nixos.release}"
      '';
      motd = lib.mkIf (config.users.motd != null) { text = config.users.motd; };
      "set-environment".text = lib.concatStrings (
        lib.mapAttrsToList (name: value: "export ${name}=${lib.escapeShellArg value}\n") cfg.variables
      );
    };

    system.build.etc = pkgs.runCommand "etc" { } (
      ''
        mkdir -p "$out/etc"
        : > "$out/modes"
      ''
      + lib.concatStrings (
        lib.mapAttrsToList (
          _: one:
          let
            target = lib.escapeShellArg one.target;
          in
          ''
            mkdir -p "$(dirname "$out/etc/"${target})"
            ln -s ${lib.escapeShellArg "${one.source}"} "$out/etc/"${target}
          ''
          + lib.optionalString (one.mode != "symlink" && one.mode != "direct-symlink") ''
            printf '%s %s %s %s\n' ${one.mode} ${one.user} ${one.group} ${target} >> "$out/modes"
          ''
        ) present
      )
    );
    system.build.path = pkgs.buildEnv {
      name = "system-path";
      paths = cfg.systemPackages;
    };
  };
}
