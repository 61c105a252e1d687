# nixosConfigurations: one per directory of hosts/ that has a host.toml.
{
  self,
  nixpkgs,
  nixpkgs-unstable,
  secrix,
  ...
}@inputs:
let
  inherit (nixpkgs) lib;

  listHosts = import ../lib/listHosts.nix { inherit lib; };
  readHost = import ../lib/readHost.nix { inherit lib; };
  deployTarget = import ../lib/deployTarget.nix;

  facts = lib.genAttrs (listHosts ../hosts) (readHost ../hosts);

  mkHost =
    system: name:
    lib.nixosSystem {
      specialArgs = {
        inherit inputs self;
        unstable = nixpkgs-unstable.legacyPackages.${system};
      };
      modules = [
        secrix.nixosModules.default
        (../hosts + "/${name}")
      ]
      ++ import ../modules/features
      ++ [
        {
          features.rollout-guard.enable = true;
          nixpkgs.hostPlatform = system;
          _module.args.nixinate = deployTarget facts.${name};
        }
      ];
    };

  builders = {
    x86_64-linux = mkHost "x86_64-linux";
    aarch64-linux = mkHost "aarch64-linux";
  };
in
lib.mapAttrs (name: host: builders.${host.system} name) facts
