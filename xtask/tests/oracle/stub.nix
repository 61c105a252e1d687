# Stand-ins for what is not there: inputs, packages, the configuration itself.
#
# A stand-in has every attribute that the tree under test mentions, can be called
# and can be written into a string. It knows the way that led to it, so two of
# them are equal if and only if the same thing was asked for.
#
#   lib       nixpkgs' library
#   known     what the test found in the tree: names of attributes, and those
#             that must be lists, booleans or strings, or evaluation stops for good
#   root      directory that its paths lie in
#   tree      the tree under test; paths are told relative to it
#   contents  tell with a path also what stands there
#   host      the host under test: its name is what files are often chosen by
{
  lib,
  known,
  root,
  tree,
  contents ? false,
  host ? null,
}:
let
  inherit (builtins)
    concatStringsSep
    isAttrs
    isFunction
    isList
    isPath
    toJSON
    ;

  all = lib.genAttrs known.names (_: null);

  booleans = lib.genAttrs known.booleans (_: null);
  lists = lib.genAttrs known.lists (_: null);
  strings = lib.genAttrs known.strings (_: null);
  platform = way: builtins.match ".*(Platform|stdenv|pkgs|Packages)" way != null;

  member =
    way: name:
    if name == "system" && platform way then
      "x86_64-linux"
    else if name == "hostName" && host != null && lib.hasSuffix "networking" way then
      host
    else if lib.hasPrefix "inputs." way then
      make "${way}.${name}"
    else if booleans ? ${name} then
      lib.mod (builtins.stringLength way) 2 == 0
    else if lists ? ${name} then
      [ (make "${way}.${name}") ]
    else if strings ? ${name} then
      "${way}.${name}"
    else
      make "${way}.${name}";

  place =
    path:
    lib.removePrefix (toString tree) (toString path)
    + lib.optionalString contents (
      if builtins.pathExists path then
        "=" + baseNameOf (builtins.unsafeDiscardStringContext "${path}")
      else
        "=missing"
    );

  # What a stand-in is called with, as far as it matters and has an end.
  show =
    depth: given:
    let
      tried = builtins.tryEval given;
      inherit (tried) value;
      below = show (depth + 1);
    in
    if depth > 4 then
      "…"
    else if !tried.success then
      "!"
    else if isAttrs value then
      if value ? "<lib>" then
        "lib"
      else if value ? "<stub>" then
        value."<stub>"
      else if value ? nixosConfigurations || builtins.length (builtins.attrNames value) > 40 then
        "{…}"
      else
        "{${concatStringsSep "," (lib.mapAttrsToList (name: v: "${name}=${below v}") value)}}"
    else if isList value then
      "[${concatStringsSep "," (map below value)}]"
    else if isFunction value then
      "λ"
    else if isPath value then
      place value
    else
      toJSON (if builtins.isString value then builtins.unsafeDiscardStringContext value else value);

  isArguments = value: isAttrs value && value ? config && value ? options && value ? lib;

  make =
    way:
    builtins.mapAttrs (name: _: member way name) all
    // {
      "<stub>" = way;
      outPath = "${root}/${way}";
      # A module of an input defines nothing but that it is there.
      __functor =
        _: argument:
        if isArguments argument then { "<module>" = way; } else make "${way}(${show 0 argument})";
    };
in
{
  inherit make place;
}
