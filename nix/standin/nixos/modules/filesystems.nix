# File systems.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  known = config.standin.known.at [ "fileSystems" ];
in
{
  options.fileSystems = mkOption {
    default = { };
    description = "What is mounted where.";
    type = types.attrsOf (
      types.submodule (
        { name, ... }:
        {
          freeformType = known;
          options = {
            mountPoint = mkOption {
              type = types.nonEmptyStr;
              default = name;
              description = "Where.";
            };
            device = mkOption {
              type = types.nullOr types.nonEmptyStr;
              default = null;
              description = "What.";
            };
            fsType = mkOption {
              type = types.nonEmptyStr;
              default = "auto";
              description = "Of which kind.";
            };
            options = mkOption {
              type = types.listOf types.nonEmptyStr;
              default = [ "defaults" ];
              description = "How.";
            };
            neededForBoot = mkOption {
              type = types.bool;
              default = false;
              description = "Whether the first stage of the boot mounts it.";
            };
          };
        }
      )
    );
  };

  config = {
    assertions = [
      {
        assertion = config.fileSystems ? "/";
        message = "`fileSystems' says nothing of the root file system, \"/\".";
      }
    ];
    environment.etc."standin/fstab".text = lib.concatStrings (
      lib.mapAttrsToList (
        _: one:
        "${toString one.device} ${one.mountPoint} ${one.fsType} ${lib.concatStringsSep "," one.options}\n"
      ) config.fileSystems
    );
  };
}
