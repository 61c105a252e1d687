# Types of single values.
{ lib }:
let
  inherit (builtins)
    isAttrs
    isBool
    isFloat
    isInt
    isString
    match
    ;
  inherit (lib) isStringLike mergeEqualOption mergeOneOption;

  # Two declarations of one type are one if nothing but the name is to be compared.
  plainMerge =
    functor: other:
    if functor.name != other.name then
      null
    else if functor ? merge then
      functor.merge other
    else
      functor.type;

  mkOptionType =
    given@{
      name,
      description ? name,
      check ? _: true,
      merge ? lib.mergeDefaultOption,
      emptyValue ? { },
      getSubOptions ? _: { },
      getSubModules ? null,
      substSubModules ? _: null,
      nestedTypes ? { },
      functor ? { },
      ...
    }:
    let
      self = {
        _type = "option-type";
        inherit
          name
          description
          check
          merge
          emptyValue
          getSubOptions
          getSubModules
          substSubModules
          nestedTypes
          ;
        descriptionClass = null;
        deprecationMessage = null;
        functor = {
          inherit name;
          type = self;
        }
        // functor;
        typeMerge = plainMerge self.functor;
      }
      // removeAttrs given [ "functor" ];
    in
    self;

  between =
    low: high:
    mkOptionType {
      name = "intBetween";
      description = "integer between ${toString low} and ${toString high} (both inclusive)";
      check = value: isInt value && value >= low && value <= high;
      merge = mergeEqualOption;
      functor.merge = other: null;
    };
  sized =
    name: low: high:
    between low high // {
      inherit name;
      functor = {
        inherit name;
        type = lib.types.ints.${name} or lib.types.${name};
      };
      typeMerge = other: if other.name == name then sized name low high else null;
    };

  addCheck =
    type: condition:
    type // { check = value: type.check value && condition value; };

  separatedString =
    separator:
    mkOptionType {
      name = "separatedString";
      description = "strings concatenated with ${builtins.toJSON separator}";
      check = isString;
      merge = _: definitions: builtins.concatStringsSep separator (lib.getValues definitions);
      functor = {
        name = "separatedString";
        payload = separator;
        merge = other: if other.payload == separator then separatedString separator else null;
      };
    };

  # One definition, or several that say the same.
  scalar =
    name: description: check:
    mkOptionType {
      inherit name description check;
      merge = mergeEqualOption;
    };
  textType =
    name: description: check:
    scalar name description (value: isString value && check value);
in
{
  inherit addCheck mkOptionType separatedString;
  isOptionType = lib.isType "option-type";
  isType = lib.isType;
  setType = lib.setType;

  unspecified = mkOptionType {
    name = "unspecified";
    description = "unspecified value";
  };
  raw = mkOptionType {
    name = "raw";
    description = "raw value";
    merge = mergeOneOption;
  };
  anything = mkOptionType {
    name = "anything";
    description = "anything";
    merge =
      path: definitions:
      let
        kindOf =
          value: if isAttrs value && isStringLike value then "package" else builtins.typeOf value;
        first = kindOf (builtins.head definitions).value;
        same = builtins.all (definition: kindOf definition.value == first) definitions;
      in
      if !same then
        throw "The option `${lib.showOption path}' has conflicting option types in ${lib.showFiles (lib.getFiles definitions)}"
      else if first == "set" then
        (lib.types.attrsOf lib.types.anything).merge path definitions
      else if first == "list" then
        if builtins.length definitions > 1 then
          throw "The option `${lib.showOption path}' has conflicting definitions, in ${lib.showFiles (lib.getFiles definitions)}"
        else
          (lib.types.listOf lib.types.anything).merge path definitions
      else if first == "lambda" then
        argument:
        lib.types.anything.merge (path ++ [ "<function body>" ]) (
          map (definition: definition // { value = definition.value argument; }) definitions
        )
      else if first == "package" then
        mergeOneOption path definitions
      else
        mergeEqualOption path definitions;
  };

  bool = scalar "bool" "boolean" isBool;
  boolByOr = mkOptionType {
    name = "boolByOr";
    description = "boolean, true if any definition is";
    check = isBool;
    merge = _: definitions: builtins.any (value: value) (lib.getValues definitions);
  };
  int = scalar "int" "signed integer" isInt;
  float = scalar "float" "floating point number" isFloat;
  number = scalar "number" "signed integer or floating point number" (
    value: isInt value || isFloat value
  );
  numbers = {
    between =
      low: high:
      scalar "numberBetween" "number between ${toString low} and ${toString high}" (
        value: (isInt value || isFloat value) && value >= low && value <= high
      );
    nonnegative = scalar "numberNonnegative" "nonnegative number" (
      value: (isInt value || isFloat value) && value >= 0
    );
    positive = scalar "numberPositive" "positive number" (
      value: (isInt value || isFloat value) && value > 0
    );
  };
  ints = {
    inherit between;
    unsigned = scalar "unsignedInt" "unsigned integer, meaning >=0" (
      value: isInt value && value >= 0
    );
    positive = scalar "positiveInt" "positive integer, meaning >0" (value: isInt value && value > 0);
    u8 = sized "u8" 0 255;
    u16 = sized "u16" 0 65535;
    u32 = sized "u32" 0 4294967295;
    s8 = sized "s8" (-128) 127;
    s16 = sized "s16" (-32768) 32767;
    s32 = sized "s32" (-2147483648) 2147483647;
  };
  port = sized "port" 0 65535 // {
    description = "16 bit unsigned integer; between 0 and 65535 (both inclusive)";
  };

  str = scalar "str" "string" isString;
  string = separatedString "";
  nonEmptyStr = textType "nonEmptyStr" "non-empty string" (
    text: match "[ \t\n]*" text == null
  );
  singleLineStr = mkOptionType {
    name = "singleLineStr";
    description = "string of one line";
    check = value: isString value && match "[^\n\r]*\n?" value != null;
    merge = path: definitions: lib.removeSuffix "\n" (mergeEqualOption path definitions);
  };
  strMatching =
    pattern:
    textType "strMatching ${builtins.toJSON pattern}" "string matching the pattern ${pattern}" (
      text: match pattern text != null
    );
  passwdEntry =
    type:
    addCheck type (text: match "[^:\n]*" text != null) // { description = "${type.description}, not containing newlines or colons"; };
  lines = separatedString "\n";
  commas = separatedString ",";
  envVar = separatedString ":";

  attrs = mkOptionType {
    name = "attrs";
    description = "attribute set";
    check = isAttrs;
    merge = _: definitions: builtins.foldl' (all: set: all // set) { } (lib.getValues definitions);
    emptyValue.value = { };
  };

  path = scalar "path" "absolute path" (
    value: isStringLike value && builtins.substring 0 1 (toString value) == "/"
  );
  externalPath = scalar "externalPath" "absolute path not in the Nix store" (
    value:
    isStringLike value
    && builtins.substring 0 1 (toString value) == "/"
    && !lib.hasPrefix builtins.storeDir (toString value)
  );
  pathInStore = scalar "pathInStore" "path in the Nix store" (
    value: isStringLike value && lib.hasPrefix "${builtins.storeDir}/" (toString value)
  );
  pathWith =
    _:
    scalar "path" "path" isStringLike;
  package = mkOptionType {
    name = "package";
    description = "package";
    check = value: lib.isDerivation value || lib.isStorePath value;
    merge =
      path: definitions:
      let
        value = mergeOneOption path definitions;
      in
      if builtins.isPath value || isString value && !builtins.hasContext value then
        lib.toDerivation value
      else
        value;
  };
  shellPackage = mkOptionType {
    name = "shellPackage";
    description = "package with an associated shell";
    check = value: lib.isDerivation value && value ? shellPath;
    merge = mergeOneOption;
  };
  pkgs = mkOptionType {
    name = "pkgs";
    description = "Nixpkgs package set";
    check = value: isAttrs value && value._type or null == "pkgs";
    merge = mergeOneOption;
  };
  optionType = mkOptionType {
    name = "optionType";
    description = "optionType";
    check = value: isAttrs value && value._type or null == "option-type";
    merge =
      path: definitions:
      if builtins.length definitions == 1 then
        (builtins.head definitions).value
      else
        # Types of several modules are one that takes what any of them takes.
        builtins.foldl' (
          merged: definition:
          let
            both = merged.typeMerge definition.value.functor;
          in
          if both == null then mergeOneOption path definitions else both
        ) (builtins.head definitions).value (builtins.tail definitions);
  };
  enum =
    allowed:
    mkOptionType {
      name = "enum";
      description = "one of ${lib.concatMapStringsSep ", " builtins.toJSON allowed}";
      check = value: builtins.elem value allowed;
      merge = mergeEqualOption;
      functor = {
        name = "enum";
        payload = allowed;
        merge = other: lib.types.enum (lib.unique (allowed ++ other.payload));
      };
    };
}
