# The fleet's engineer, `xtask`, as a package. It carries the offline stand-in, so
# that folder is a part of its source.
#
#   source     the repository
#   testFlags  which tests to run while it is built; none if empty
{
  lib,
  rustPlatform,
  source ? ../.,
  testFlags ? [ ],
}:
let
  wanted = [
    "Cargo.toml"
    "Cargo.lock"
    "clippy.toml"
    "xtask"
    "nix"
  ];
  root = toString source;
  below = path: lib.removePrefix "${root}/" (toString path);
  top = path: builtins.head (lib.splitString "/" (below path));
  manifest = builtins.fromTOML (builtins.readFile (source + "/Cargo.toml"));
in
rustPlatform.buildRustPackage {
  pname = "xtask";
  inherit (manifest.workspace.package) version;
  # All of it where tests look at it.
  src =
    if testFlags != [ ] then
      source
    else
      builtins.path {
        name = "xtask-source";
        path = source;
        filter = path: _: builtins.elem (top path) wanted;
      };
  cargoLock.lockFile = source + "/Cargo.lock";
  doCheck = testFlags != [ ];
  cargoTestFlags = testFlags;
  meta = {
    description = "Refactors NixOS hosts into feature modules and proves that none changed";
    license = lib.licenses.mit;
    mainProgram = "xtask";
  };
}
