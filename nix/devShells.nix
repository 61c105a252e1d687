# `nix develop`: what work on this repository needs.
{ nixpkgs, ... }:
nixpkgs.lib.genAttrs (import ./systems.nix) (
  system:
  let
    pkgs = nixpkgs.legacyPackages.${system};
  in
  {
    default = pkgs.mkShell {
      packages = with pkgs; [
        age
        cargo
        cargo-nextest
        clippy
        git
        nixfmt
        rustc
        rustfmt
      ];
    };
  }
)
