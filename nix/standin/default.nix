# The stand-in without flakes: the same outputs, under the same names. Called with
# arguments, as `import nixpkgs { system = …; }` does, it gives a package set.
let
  outputs = import ./outputs.nix {
    # The name and the content that the flake has in the store, so the place as well.
    source = builtins.path {
      path = ./.;
      name = "source";
    };
  };
in
outputs
// {
  __functor = _: outputs.import;
  __functionArgs = {
    system = true;
    localSystem = true;
    crossSystem = true;
    config = true;
    overlays = true;
  };
}
