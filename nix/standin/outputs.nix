# What the stand-in hands out: the outputs of every input that it stands in for,
# side by side, so that one flake can be put in the place of each of them.
#
#   source  where the stand-in lies in the store
{ source }:
let
  lib = (import ./lib).extend (
    final: _: {
      nixosSystem = import ./nixos/lib/eval-config.nix {
        lib = final;
        inherit packagesFor source;
      };
      nixos = {
        evalModules = final.evalModules;
        runTest = _: throw "the offline stand-in runs no NixOS tests";
      };
    }
  );

  systems = [
    "aarch64-linux"
    "x86_64-linux"
  ];

  packages = import ./pkgs { inherit lib; };
  # Hosts that configure nothing share one package set per system.
  shared = lib.genAttrs systems (system: packages { inherit system; });
  packagesFor =
    {
      system,
      overlays ? [ ],
      config ? { },
    }@given:
    if overlays == [ ] && config == { } then
      shared.${system} or (packages { inherit system; })
    else
      packages given;

  secrix = import ./inputs/secrix.nix { inherit lib packagesFor; };
  nixinate = import ./inputs/nixinate.nix { inherit lib systems packagesFor; };
in
{
  # nixpkgs; `genDeploy` is what nixinate's fork has in its library
  lib = lib // {
    inherit (nixinate) genDeploy;
  };
  legacyPackages = shared;
  outPath = source;
  import =
    {
      system ? localSystem.system or builtins.currentSystem,
      localSystem ? { },
      crossSystem ? { },
      overlays ? [ ],
      config ? { },
    }:
    packagesFor {
      system = crossSystem.system or crossSystem.config or system;
      inherit overlays config;
    };
  nixosModules = {
    # nixpkgs
    notDetected = ./nixos/modules/installer/scan/not-detected.nix;
    # secrix
    default = secrix.module;
    secrix = secrix.module;
  }
  # nixos-hardware
  // import ./inputs/nixos-hardware.nix { inherit lib; };

  # secrix
  secrix = secrix.app;

  # nixinate
  inherit (nixinate) nixinate;
}
