# `nix fmt`: nixfmt over the tree.
{ nixpkgs, ... }:
nixpkgs.lib.genAttrs (import ./systems.nix) (
  system: nixpkgs.legacyPackages.${system}.nixfmt-tree
)
