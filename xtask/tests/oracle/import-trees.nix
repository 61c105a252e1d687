# The merged values of many small flakes, by the real module system.
#
# `trees` holds one directory per flake; each declares the host `h`. A value that
# cannot be had is { "<fails>" = true; }.
{
  library,
  trees,
}:
let
  lib = import library;

  probe =
    value:
    let
      tried = builtins.tryEval (builtins.deepSeq value value);
    in
    if tried.success then tried.value else { "<fails>" = true; };

  values =
    tree:
    let
      flake = import (trees + "/${tree}/flake.nix");
      outputs = flake.outputs {
        self = outputs // {
          outPath = toString trees + "/${tree}";
        };
        nixpkgs = { inherit lib; };
        schema.nixosModules.default = import ./schema.nix { inherit lib; };
      };
      inherit (outputs.nixosConfigurations.h) config;
    in
    {
      g.flag = probe config.g.flag;
      w = builtins.mapAttrs (
        name: value: if name == "ns" then builtins.mapAttrs (_: probe) value else probe value
      ) config.w;
    };
in
builtins.mapAttrs (tree: _: values tree) (builtins.readDir trees)
