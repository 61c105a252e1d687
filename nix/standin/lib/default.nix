# The library of the stand-in: the functions that a fleet's own code calls, and the
# module system. `import ./lib` gives it; `lib.extend OVERLAY` gives one with more.
let
  extensible =
    make:
    let
      self = make self // {
        extend =
          overlay:
          extensible (
            final:
            let
              previous = make final;
            in
            previous // overlay final previous
          );
      };
    in
    self;
in
extensible (
  lib:
  let
    part = file: import file { inherit lib; };
    general =
      part ./trivial.nix
      // part ./lists.nix
      // part ./attrsets.nix
      // part ./strings.nix
      // part ./generators.nix;
    modules = part ./properties.nix // part ./options.nix // part ./modules.nix // part ./renames.nix;
  in
  general
  // modules
  // {
    types = part ./types.nix // part ./types-nested.nix // part ./submodules.nix;

    # The parts by their own names, as some code asks for them.
    trivial = part ./trivial.nix;
    lists = part ./lists.nix;
    attrsets = part ./attrsets.nix;
    strings = part ./strings.nix;
    options = part ./options.nix;
    modules = modules;
    fixedPoints = {
      inherit (lib) fix extends;
    };
    licenses = part ./licenses.nix;
    maintainers = { };
    platforms = part ./platforms.nix;
    systems = part ./systems.nix;
  }
)
