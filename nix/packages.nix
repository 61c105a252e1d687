# The fleet's own tool.
{ nixpkgs, ... }:
nixpkgs.lib.genAttrs (import ./systems.nix) (
  system:
  let
    xtask = nixpkgs.legacyPackages.${system}.callPackage ./package.nix { };
  in
  {
    inherit xtask;
    default = xtask;
  }
)
