# A derivation from a shell script: what everything here is built with.
#
# The builder is the machine's own shell and finds the machine's own tools, so there
# is nothing to fetch and nothing to bootstrap. That needs a Nix that does not build
# in a sandbox (`--option sandbox false`).
{ lib, system }:
arguments@{ name, script, ... }:
derivation (
  builtins.removeAttrs arguments [ "script" ]
  // {
    inherit name;
    system = arguments.system or system;
    builder = "/bin/sh";
    args = [
      "-euc"
      ''
        PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:/run/current-system/sw/bin
        export PATH
        umask 022
        ${script}
      ''
    ];
    preferLocalBuild = true;
    allowSubstitutes = false;
  }
)
