# Every host builds, checked on its own architecture.
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
  lib.mapAttrs' (
    name: host: lib.nameValuePair "host-${name}" host.config.system.build.toplevel
  ) (hostsOf system)
)
