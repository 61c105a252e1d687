# `nix flake init -t`: a fleet to start from.
{
  default = {
    path = ./template;
    description = "A fleet: one directory per host, read from hosts/";
  };
}
