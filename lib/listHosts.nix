# listHosts DIR: the names of the hosts below DIR, which are its directories
# with a host.toml.
{ lib }:
dir:
lib.attrNames (
  lib.filterAttrs (
    name: type: type == "directory" && builtins.pathExists (dir + "/${name}/host.toml")
  ) (builtins.readDir dir)
)
