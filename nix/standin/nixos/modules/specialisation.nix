# Variants of the host.
{
  config,
  extendModules,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  variant = types.mkOptionType {
    name = "Toplevel NixOS config";
    check = value: lib.isAttrs value || lib.isFunction value;
    merge =
      _: definitions:
      (extendModules {
        modules = map (definition: {
          _file = definition.file;
          imports = [ definition.value ];
        }) definitions ++ [ { specialisation = lib.mkOverride 0 { }; } ];
      }).config;
  };
in
{
  options.specialisation = mkOption {
    default = { };
    description = "Variants of the host, which it can be started as.";
    type = types.attrsOf (
      types.submodule {
        options = {
          configuration = mkOption {
            type = variant;
            default = { };
            description = "What is different.";
          };
          inheritParentConfig = mkOption {
            type = types.enum [ true ];
            default = true;
            description = "Whether the rest is as here; the stand-in knows no other way.";
          };
        };
      }
    );
  };
  config.system.build.specialisations = lib.mapAttrs (
    _: one: one.configuration.system.build.toplevel
  ) config.specialisation;
}
