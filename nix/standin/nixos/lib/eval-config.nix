# nixosSystem: modules of a host in, its configuration out.
{
  lib,
  packagesFor,
  source,
}:
let
  standard = lib;
in
{
  modules,
  system ? null,
  specialArgs ? { },
  baseModules ? import ../modules/module-list.nix,
  extraModules ? [ ],
  extraArgs ? { },
  prefix ? [ ],
  check ? true,
  pkgs ? null,
  modulesLocation ? null,
  lib ? standard,
}:
let
  known = import ../../options { inherit lib; };

  own =
    { config, ... }:
    {
      _file = "${toString ../modules}/the offline stand-in";
      key = "the offline stand-in";
      config = {
        _module.freeformType = known.freeform;
        _module.args = {
          inherit
            baseModules
            extraModules
            modules
            noUserModules
            ;
          pkgs = lib.mkOverride lib.modules.defaultOverridePriority (
            if config.nixpkgs.pkgs != null then
              config.nixpkgs.pkgs
            else
              packagesFor {
                inherit (config.nixpkgs.hostPlatform) system;
                inherit (config.nixpkgs) overlays config;
              }
          );
          utils = import ./utils.nix { inherit lib; };
        }
        // extraArgs;
        nixpkgs = lib.mkMerge [
          (lib.mkIf (system != null) { system = lib.mkDefault system; })
          (lib.mkIf (pkgs != null) { pkgs = lib.mkDefault pkgs; })
        ];
        standin = {
          inherit source known;
          # What the modules of the stand-in declare, and what nobody declares.
          inherit (evaluated) options undeclared;
        };
      };
    };

  base = {
    inherit prefix;
    specialArgs = {
      modulesPath = toString ../modules;
    }
    // specialArgs;
  };
  noUserModules = lib.evalModules (
    base // { modules = baseModules ++ extraModules ++ [ own ]; }
  );
  users =
    if modulesLocation == null then
      modules
    else
      map (lib.setDefaultModuleLocation modulesLocation) modules;
  wrap =
    evaluated:
    evaluated
    // {
      inherit (evaluated._module.args) pkgs;
      inherit lib;
      extraArgs = { };
      extendModules = arguments: wrap (evaluated.extendModules arguments);
    };
  evaluated = lib.evalModules (
    base
    // {
      modules =
        baseModules ++ extraModules ++ [ own ] ++ users ++ lib.optional (!check) { _module.check = false; };
    }
  );
in
wrap evaluated
