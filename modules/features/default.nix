# Every module of this directory, for the list of modules of a host.
map (name: ./. + "/${name}") (
  builtins.filter (name: name != "default.nix") (builtins.attrNames (builtins.readDir ./.))
)
