# The package set: every package that nixpkgs is known to have, as a derivation that
# builds with nothing but the machine's own shell, and the functions that make files.
{ lib }:
{
  system,
  overlays ? [ ],
  config ? { },
}:
let
  names = builtins.fromJSON (builtins.readFile ./names.json);
  newer = builtins.fromJSON (builtins.readFile ./newer.json);
  programs = import ./programs.nix;

  builder = import ./builder.nix { inherit lib system; };
  package = import ./package.nix { inherit lib builder programs; };
  set = members: lib.recurseIntoAttrs (lib.genAttrs members package);

  first =
    final:
    lib.genAttrs (names.top ++ newer) package
    // {
      python3Packages = set names.python3Packages;
      linuxPackages = set names.linuxPackages;
      xorg = set names.xorg;
      vimPlugins = set names.vimPlugins;
      linuxPackages_latest = final.linuxPackages;
      pythonPackages = final.python3Packages;
      kdePackages = set [
        "dolphin"
        "kate"
        "konsole"
        "okular"
        "plasma-desktop"
        "plasma-workspace"
        "qtwayland"
        "sddm"
        "spectacle"
      ];
      nixVersions = set [
        "git"
        "latest"
        "stable"
      ];
    }
    // import ./functions.nix {
      inherit
        lib
        system
        builder
        final
        ;
      inherit config;
    };
in
lib.fix (
  lib.foldl' (lib.flip lib.extends) (
    final:
    first final
    // {
      _type = "pkgs";
      inherit lib system config;
      pkgs = final;
      path = ../.;
      overlays = overlays;
      extend =
        overlay:
        import ./. { inherit lib; } {
          inherit system config;
          overlays = overlays ++ [ overlay ];
        };
      appendOverlays =
        more:
        import ./. { inherit lib; } {
          inherit system config;
          overlays = overlays ++ more;
        };
      callPackage = lib.callPackageWith final;
      callPackages = lib.callPackageWith final;
      newScope = more: lib.callPackageWith (final // more);
      inherit (lib) recurseIntoAttrs dontRecurseIntoAttrs makeOverridable;
    }
  ) overlays
)
