# Walks the option declarations of NixOS and says, for every option, its path
# and the structure of its type. Called by build.py, once per slice of the tree.
{
  # Folder with `modules/module-list.nix` (the `nixos` folder of nixpkgs).
  nixos,
  # The `lib` folder that belongs to it.
  lib,
  # JSON file with the `pkgs.…` names that the modules mention, as nested objects.
  packageNames,
  # JSON file with the option paths (lists of names) at which to walk.
  slices,
  # "walk" gives rows, "names" the attribute names at each slice.
  mode ? "walk",
}:
let
  libPath = lib;
in
let
  lib = import libPath;
  inherit (builtins)
    attrNames
    concatLists
    concatStringsSep
    elem
    elemAt
    filter
    fromJSON
    isAttrs
    isList
    isString
    length
    map
    match
    readFile
    tryEval
    ;

  pkgs = import ./packages.nix {
    inherit lib;
    names = fromJSON (readFile packageNames);
  };

  eval = lib.evalModules {
    modules = import (nixos + "/modules/module-list.nix") ++ [
      {
        _file = "walk.nix";
        config = {
          _module.check = false;
          nixpkgs.system = "x86_64-linux";
          system.stateVersion = lib.trivial.release;
        };
      }
    ];
    specialArgs = {
      inherit pkgs;
      modulesPath = nixos + "/modules";
      baseModules = [ ];
      extraModules = [ ];
      modules = [ ];
      noUserModules = eval;
    };
  };

  # The value, or the fallback where evaluating it in full throws.
  attempt =
    fallback: value:
    let
      result = tryEval (builtins.deepSeq value value);
    in
    if result.success then result.value else fallback;

  # Where an attribute was written down; "" if Nix does not know.
  writtenIn =
    attr: set:
    let
      pos = builtins.unsafeGetAttrPos attr set;
    in
    if pos == null then "" else toString pos.file;

  inLib = file: name: lib.hasSuffix ("/lib/" + name) file || file == "";

  # A name that a type expression can carry.
  word =
    text:
    let
      allowed = lib.stringToCharacters "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
      clean = lib.stringAsChars (c: if elem c allowed then c else "-") text;
    in
    if clean == "" then "unnamed" else clean;

  ## The structure of a type

  # Old releases keep the inner types only in `functor.wrapped`.
  nested =
    type: name: index:
    let
      wrapped = type.functor.wrapped or null;
    in
    if (type.nestedTypes or { }) ? ${name} then
      type.nestedTypes.${name}
    else if isList wrapped then
      (if index < length wrapped then elemAt wrapped index else null)
    else if index == 0 then
      wrapped
    else
      null;
  elementOf = type: nested type "elemType" 0;
  finalOf = type: nested type "finalType" 0;
  coercedOf = type: if (type.nestedTypes or { }) ? coercedType then type.nestedTypes.coercedType else null;
  freeformOf = type: (type.nestedTypes or { }).freeformType or null;

  # The types of a chain of `either`, which `oneOf` makes left-nested. A type
  # that carries a description of its own is a link of the chain all the same.
  alternatives =
    seen: type:
    if baseName type == "either" && !elem (identity type) seen then
      let
        deeper = seen ++ [ (identity type) ];
      in
      alternatives deeper (nested type "left" 0) ++ alternatives deeper (nested type "right" 1)
    else
      [ type ];

  scalars = {
    bool = "bool";
    boolByOr = "boolByOr";
    int = "int";
    intBetween = "int";
    unsignedInt = "int";
    positiveInt = "int";
    float = "float";
    numberBetween = "number";
    numberNonnegative = "number";
    numberPositive = "number";
    str = "str";
    nonEmptyStr = "str";
    singleLineStr = "str";
    path = "path";
    pathInStore = "path";
    package = "package";
    shellPackage = "package";
    pkgs = "pkgs";
    enum = "enum";
    attrs = "attrs";
    unspecified = "unspecified";
    anything = "anything";
    raw = "raw";
    optionType = "optionType";
    deferredModule = "deferredModule";
    deferredModuleWith = "deferredModule";
    attrTag = "attrTag";
    luaInline = "luaInline";
  };

  baseName =
    type:
    let
      name = type.name or "unnamed";
      entry = match "passwdEntry (.*)" name;
    in
    if entry != null then
      elemAt entry 0
    else if match "strMatching .*" name != null then
      "str"
    else if match "(un)?signedInt[0-9]+" name != null then
      "int"
    else
      name;

  # Types that contain themselves (JSON values, say) cannot be compared; what
  # they have in common is the name and the description, which such a type has
  # to spell out because it could not be printed otherwise.
  identity = type: (type.name or "") + ":" + attempt "" (type.description or "");

  expression =
    seen: type:
    let
      name = baseName type;
      deeper = seen ++ [ (identity type) ];
      inner = t: if t == null then "?" else expression deeper t;
      separator =
        let
          payload = type.functor.payload or "";
        in
        if isAttrs payload then payload.sep or "" else payload;
    in
    if !(isAttrs type) || (type._type or "") != "option-type" then
      "?"
    else if elem (identity type) seen then
      "rec"
    else if length seen > 12 then
      "?"
    else if !inLib (writtenIn "merge" type) "types.nix" then
      # Whoever replaces `merge` makes another type of it, whatever its name.
      "custom(${word name})"
    else if scalars ? ${name} then
      scalars.${name}
    else if elem name [ "attrsOf" "lazyAttrsOf" "listOf" "nullOr" "functionTo" "loaOf" ] then
      "${name}(${inner (elementOf type)})"
    else if elem name [ "uniq" "unique" ] then
      "uniq(${inner (elementOf type)})"
    else if name == "either" then
      "either(${concatStringsSep "," (map inner (alternatives seen type))})"
    else if name == "coercedTo" then
      "coercedTo(${inner (coercedOf type)},${inner (finalOf type)})"
    else if name == "submodule" then
      let
        freeform = freeformOf type;
      in
      if freeform == null then "submodule" else "submodule+freeform(${inner freeform})"
    else if elem name [ "separatedString" "string" "lines" "commas" "envVar" ] then
      (
        {
          "\n" = "lines";
          "," = "commas";
          ":" = "envVar";
          "" = "string";
        }
        .${separator} or "separatedString"
      )
    else
      "custom(${word name})";

  ## Rows

  flagsOf =
    option:
    let
      # mkRenamedOptionModule and its kin declare options, too.
      madeByLib = option ? visible && lib.hasSuffix "/lib/modules.nix" (writtenIn "visible" option);
      text = attempt "" (
        let
          d = option.description or "";
        in
        if isString d then d else d.text or ""
      );
    in
    (lib.optional (option ? apply) "apply")
    ++ (lib.optional (attempt false (option.readOnly or false)) "readOnly")
    ++ (lib.optional (attempt false (option.internal or false)) "internal")
    ++ (lib.optional madeByLib (if lib.hasPrefix "Alias of" text then "alias" else "removed"));

  # What the module system itself puts beside the options of a level.
  internals = [
    "_module"
    "_definedNames"
    "_freeformOptions"
  ];

  isOption = value: isAttrs value && (value._type or "") == "option";

  # The rows of the options that a value of this type is made of. Only types
  # that merge per attribute are entered: nothing can be split below others.
  rowsBelow =
    depth: loc: type:
    let
      name = baseName type;
      below = t: loc': if t == null then [ ] else rowsBelow depth loc' t;
    in
    if depth > 6 || !(isAttrs type) || !inLib (writtenIn "merge" type) "types.nix" then
      [ ]
    else if elem name [ "attrsOf" "lazyAttrsOf" "loaOf" ] then
      below (elementOf type) (loc ++ [ "*" ])
    else if name == "nullOr" then
      below (elementOf type) loc
    else if name == "submodule" then
      let
        result = tryEval (
          let
            options = type.getSubOptions [ ];
          in
          builtins.seq (attrNames options) options
        );
        freeform = attempt null (if freeformOf type == null then null else baseName (freeformOf type));
      in
      if !result.success then
        [
          {
            path = loc ++ [ "*" ];
            failed = true;
          }
        ]
      else
        rowsOf (depth + 1) loc (removeAttrs result.value internals)
        ++ (if freeform == null then [ ] else below (freeformOf type) loc)
    else
      [ ];

  rowOf =
    depth: loc: option:
    let
      type = tryEval (
        let
          e = expression [ ] (option.type or lib.types.unspecified);
        in
        builtins.seq e e
      );
      # A whole system inside an option says so by hiding its options.
      shallow = attempt true (elem (option.visible or true) [ "shallow" ]);
      below = tryEval (
        let
          rows = rowsBelow depth loc option.type;
        in
        builtins.deepSeq rows rows
      );
    in
    if !type.success then
      [
        {
          path = loc;
          failed = true;
        }
      ]
    else
      [
        {
          path = loc;
          type = type.value;
          flags = attempt [ ] (flagsOf option);
        }
      ]
      ++ (
        if shallow || !(option ? type) then
          [ ]
        else if below.success then
          below.value
        else
          [
            {
              path = loc ++ [ "*" ];
              failed = true;
            }
          ]
      );

  rowsOf =
    depth: loc: tree:
    concatLists (
      map (
        name:
        let
          child = tryEval (builtins.seq tree.${name} tree.${name});
          here = loc ++ [ name ];
        in
        if !child.success then
          [
            {
              path = here;
              failed = true;
            }
          ]
        else if isOption child.value then
          rowOf depth here child.value
        else if isAttrs child.value then
          rowsOf depth here child.value
        else
          [ ]
      ) (filter (name: !elem name internals || (name == "_module" && loc == [ ])) (attrNames tree))
    );

  at = path: lib.attrByPath path { } eval.options;

  walk =
    path:
    let
      node = at path;
    in
    if isOption node then rowOf 0 path node else rowsOf 0 path node;

  names =
    path:
    let
      node = at path;
    in
    if isOption node then [ ] else filter (n: n != "_definedNames") (attrNames node);
in
map (if mode == "names" then names else walk) (fromJSON (readFile slices))
