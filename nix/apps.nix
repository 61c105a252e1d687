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

  # A command of the fleet's tool, with what it is given.
  tool =
    system: words:
    let
      script = nixpkgs.legacyPackages.${system}.writeShellScript "fleet-${lib.last ([ "xtask" ] ++ words)}" ''
        exec ${self.packages.${system}.xtask}/bin/xtask ${lib.escapeShellArgs words} "$@"
      '';
    in
    {
      type = "app";
      program = toString script;
    };

  commands =
    system:
    {
      xtask = tool system [ ];
    }
    // lib.genAttrs [ "inventory" "migrate" "rollback" "rollout" "validate" ] (name: tool system [ name ])
    # secrix builds its command for x86_64-linux alone.
    // lib.optionalAttrs (system == "x86_64-linux") { secrix = secrix.secrix self; };

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
