# The derivations of a fleet's hosts, without its lock file: its flake.nix is called
# with the nixpkgs given here. `place` is where the tree stands (its files are read
# there, and strings made from `self` say so); everything else that tells one tree
# from another is constant.
#
# A host that does not evaluate is null and does not keep the others from being
# looked at.
# `only` names the one host that is looked at.
{
  nixpkgs,
  place,
  only ? null,
}:
let
  lib = import (nixpkgs + "/lib");

  constants = {
    rev = "0000000000000000000000000000000000000001";
    shortRev = "0000000";
    lastModified = 1600000000;
    lastModifiedDate = "20200913122640";
    narHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  };

  # What nixpkgs' own flake.nix hands out.
  nixpkgsFlake = constants // {
    outPath = nixpkgs;
    lib = lib.extend (
      final: previous: {
        nixosSystem =
          { modules, ... }@arguments:
          import (nixpkgs + "/nixos/lib/eval-config.nix") (
            arguments
            // {
              modules = modules ++ [
                {
                  system.nixos.versionSuffix = ".20200913.0000000";
                  system.nixos.revision = constants.rev;
                }
              ];
            }
          );
      }
    );
  };

  flake = import (place + "/flake.nix");

  self =
    constants
    // {
      outPath = place;
      inputs.nixpkgs = nixpkgsFlake;
    }
    // flake.outputs {
      inherit self;
      nixpkgs = nixpkgsFlake;
    };

  derivation = host: builtins.tryEval host.config.system.build.toplevel.drvPath;
in
lib.mapAttrs (
  _: host:
  let
    result = derivation host;
  in
  # The context would have the derivation realised where this is printed.
  if result.success then builtins.unsafeDiscardStringContext result.value else null
) (
  if only == null then
    self.nixosConfigurations
  else
    { ${only} = self.nixosConfigurations.${only}; }
)
