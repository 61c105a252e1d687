# The modules that every system of the stand-in has.
[
  ./core.nix
  ./environment.nix
  ./users.nix
  ./systemd.nix
  ./services.nix
  ./defaults.nix
  ./filesystems.nix
  ./boot.nix
  ./activation.nix
  ./specialisation.nix
  ./toplevel.nix
  ./vm.nix
]
