# Every host builds, checked on its own architecture; so does the tool, and the
# repository keeps its own rules.
{ self, nixpkgs, ... }:
let
  inherit (nixpkgs) lib;

  systems = import ./systems.nix;
  hostsOf =
    system:
    lib.filterAttrs (
      _: host: host.pkgs.stdenv.hostPlatform.system == system
    ) self.nixosConfigurations;
in
lib.genAttrs systems (
  system:
  let
    pkgs = nixpkgs.legacyPackages.${system};
  in
  lib.mapAttrs' (
    name: host: lib.nameValuePair "host-${name}" host.config.system.build.toplevel
  ) (hostsOf system)
  // {
    inherit (self.packages.${system}) xtask;
    tidy = pkgs.callPackage ./package.nix {
      testFlags = [
        "--package"
        "xtask"
        "--test"
        "tidy"
      ];
    };
    formatting =
      pkgs.runCommand "formatting"
        {
          nativeBuildInputs = with pkgs; [
            cargo
            nixfmt
            rustfmt
          ];
        }
        ''
          cp -r ${self} tree
          chmod -R u+w tree
          cd tree
          cargo fmt --check
          find flake.nix hosts lib modules nix -name '*.nix' -exec nixfmt --check {} +
          touch "$out"
        '';
  }
)
