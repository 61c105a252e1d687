# The outputs of a flake with the stand-in in the place of all its inputs, for those
# who evaluate without flakes:
#
#   nix-instantiate --eval --strict --json nix/standin/fleet.nix --argstr tree DIR -A derivations
#
#   tree  absolute path of the directory that holds flake.nix; `self` is read there
{ tree }:
let
  standin = import ./.;
  flake = import (tree + "/flake.nix");

  named =
    builtins.attrNames (flake.inputs or { }) ++ builtins.attrNames (builtins.functionArgs flake.outputs);
  inputs = builtins.listToAttrs (
    map (name: {
      inherit name;
      value = standin;
    }) (builtins.filter (name: name != "self") named)
  );

  self = {
    outPath = tree;
    inherit inputs;
  }
  // flake.outputs (inputs // { inherit self; });

  # Only the name: what is printed is not to be built.
  derivation = host: builtins.unsafeDiscardStringContext host.config.system.build.toplevel.drvPath;
in
self
// {
  # The derivation of every host; one that does not evaluate is an error.
  derivations = builtins.mapAttrs (_: derivation) self.nixosConfigurations;
  # The same, with null for hosts that fail in a way that evaluation survives.
  tried = builtins.mapAttrs (
    _: host:
    let
      result = builtins.tryEval (derivation host);
    in
    if result.success then result.value else null
  ) self.nixosConfigurations;
}
