# Options: declaring them, naming them, and the ways to merge what defines them.
{ lib }:
let
  inherit (builtins)
    all
    any
    concatLists
    foldl'
    head
    isAttrs
    isBool
    isInt
    isList
    isString
    length
    tail
    ;
  values = map (definition: definition.value);
  conflict =
    path: definitions:
    throw "The option `${lib.showOption path}' has conflicting definition values:${lib.showDefs definitions}";
in
rec {
  isOption = lib.isType "option";
  isType = name: value: isAttrs value && value._type or null == name;
  setType = name: value: value // { _type = name; };

  mkOption = declaration: declaration // { _type = "option"; };
  mkEnableOption =
    what:
    mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = "Whether to enable ${what}.";
    };
  mkPackageOption =
    packages: name:
    {
      nullable ? false,
      default ? name,
      example ? null,
      extraDescription ? "",
      pkgsText ? "pkgs",
    }:
    mkOption (
      {
        type = if nullable then lib.types.nullOr lib.types.package else lib.types.package;
        description = "The ${lib.showOption (lib.toList name)} package to use. ${extraDescription}";
      }
      // lib.optionalAttrs (default != null) {
        default = lib.getAttrFromPath (lib.toList default) packages;
        defaultText = literalExpression "${pkgsText}.${lib.showOption (lib.toList default)}";
      }
    );
  mkSinkUndeclaredOptions =
    more:
    mkOption (
      {
        internal = true;
        visible = false;
        default = false;
        type = lib.mkOptionType {
          name = "sink";
          check = _: true;
          merge = _: _: false;
        };
      }
      // more
    );

  literalExpression = text: {
    _type = "literalExpression";
    inherit text;
  };
  literalExample = literalExpression;
  literalMD = text: {
    _type = "literalMD";
    inherit text;
  };
  mdDoc = text: text;

  # The path of an option as one writes it.
  showOption =
    path:
    builtins.concatStringsSep "." (
      map (
        name:
        if builtins.match "[a-zA-Z_][a-zA-Z0-9_'-]*|<.*>|\\*|\\[.*]" name == null then
          builtins.toJSON name
        else
          name
      ) path
    );
  showFiles = files: builtins.concatStringsSep " and " (map (file: "`${file}'") files);
  showDefs =
    definitions:
    lib.concatMapStrings (
      definition:
      let
        shown = builtins.tryEval (lib.generators.prettyWithin 50 definition.value);
      in
      "\n- In `${definition.file}'${lib.optionalString shown.success ": ${builtins.substring 0 500 shown.value}"}"
    ) definitions;
  getValues = values;
  getFiles = map (definition: definition.file);

  mergeOneOption =
    path: definitions:
    if length definitions == 1 then
      (head definitions).value
    else if definitions == [ ] then
      throw "The option `${showOption path}' is not defined."
    else
      throw "The option `${showOption path}' is defined more than once, and can have one definition only. Definition values:${showDefs definitions}";
  mergeUniqueOption =
    {
      message ? "",
      merge ? mergeOneOption,
    }:
    path: definitions:
    if length definitions == 1 then
      merge path definitions
    else
      throw "The option `${showOption path}' is defined more than once, and can have one definition only. ${message} Definition values:${showDefs definitions}";
  mergeEqualOption =
    path: definitions:
    if definitions == [ ] then
      throw "The option `${showOption path}' is not defined."
    else if length definitions == 1 then
      (head definitions).value
    else
      foldl' (
        first: definition: if definition.value == first then first else conflict path definitions
      ) (head definitions).value (tail definitions);
  # What can be merged without knowing a type.
  mergeDefaultOption =
    path: definitions:
    let
      all' = values definitions;
    in
    if length all' == 1 then
      head all'
    else if all lib.isFunction all' then
      argument: mergeDefaultOption path (map (definition: definition // { value = definition.value argument; }) definitions)
    else if all isList all' then
      concatLists all'
    else if all isAttrs all' then
      foldl' (merged: set: merged // set) { } all'
    else if all isBool all' then
      any (value: value) all'
    else if all isString all' then
      lib.concatStrings all'
    else if all isInt all' && all (value: value == head all') all' then
      head all'
    else
      conflict path definitions;

  # Options below a set of them, as documentation lists them.
  optionAttrSetToDocList =
    options:
    lib.collect isOption (
      lib.mapAttrsRecursiveCond (value: !isOption value) (
        path: option: option // { name = showOption path; }
      ) options
    );
}
