# Flake apps: our own commands, and one deploy per host.
#
# `nix run .#HOST` deploys a host. Where a host is called like one of our own
# commands, the command keeps the short name and the deploy is `.#deploy-HOST`.
{
  self,
  nixpkgs,
  nixinate,
  secrix,
  ...
}:
let
  inherit (nixpkgs) lib;

  systems = import ./systems.nix;
  deployAppName = import ../lib/deployAppName.nix;

  # secrix builds its command for x86_64-linux alone.
  commands = system: lib.optionalAttrs (system == "x86_64-linux") { secrix = secrix.secrix self; };

  # nixinate gives two apps per host, NAME and NAME-dry-run.
  deploys = system: (nixinate.nixinate.${system} self).nixinate;
in
lib.genAttrs systems (
  system:
  let
    own = commands system;
  in
  lib.mapAttrs' (name: app: lib.nameValuePair (deployAppName own name) app) (deploys system) // own
)
