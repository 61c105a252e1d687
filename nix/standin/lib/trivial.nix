# Functions of no particular kind.
{ lib }:
rec {
  id = value: value;
  const = value: _: value;
  flip =
    function: a: b:
    function b a;
  pipe = builtins.foldl' (value: function: function value);
  fix =
    function:
    let
      value = function value;
    in
    value;
  extends =
    overlay: make: final:
    let
      previous = make final;
    in
    previous // overlay final previous;
  composeExtensions =
    first: second: final: previous:
    let
      once = first final previous;
    in
    once // second final (previous // once);
  composeManyExtensions = lib.foldr composeExtensions (_: _: { });
  makeExtensible =
    make:
    fix make
    // {
      extend = overlay: makeExtensible (extends overlay make);
    };

  or = a: b: a || b;
  and = a: b: a && b;
  xor = a: b: a != b;
  min = a: b: if a < b then a else b;
  max = a: b: if a > b then a else b;
  mod = a: b: a - b * (a / b);
  compare =
    a: b:
    if a < b then
      -1
    else if a > b then
      1
    else
      0;
  boolToString = value: if value then "true" else "false";
  boolToYesNo = value: if value then "yes" else "no";
  mapNullable = function: value: if value == null then null else function value;
  defaultTo = default: value: if value == null then default else value;
  mergeAttrs = a: b: a // b;

  inherit (builtins)
    add
    bitAnd
    bitOr
    bitXor
    ceil
    deepSeq
    floor
    fromJSON
    genericClosure
    isBool
    isFloat
    isInt
    isPath
    lessThan
    pathExists
    readDir
    readFile
    seq
    sub
    throw
    toJSON
    tryEval
    typeOf
    ;
  inherit (builtins) addErrorContext unsafeGetAttrPos;

  importJSON = file: builtins.fromJSON (builtins.readFile file);
  importTOML = file: builtins.fromTOML (builtins.readFile file);

  isFunction =
    value: builtins.isFunction value || (value ? __functor && isFunction (value.__functor value));
  functionArgs =
    function:
    if function ? __functor then
      function.__functionArgs or (functionArgs (function.__functor function))
    else
      builtins.functionArgs function;
  setFunctionArgs = function: arguments: {
    __functor = _: function;
    __functionArgs = arguments;
  };
  toFunction = value: if isFunction value then value else _: value;

  warn = message: builtins.trace "warning: ${message}";
  warnIf = condition: message: if condition then warn message else id;
  warnIfNot = condition: warnIf (!condition);
  throwIf = condition: message: if condition then throw message else id;
  throwIfNot = condition: throwIf (!condition);
  assertMsg = condition: message: condition || throw message;
  assertOneOf =
    name: value: allowed:
    assertMsg (builtins.elem value allowed)
      "${name} is ${builtins.toJSON value}, not one of ${builtins.toJSON allowed}";

  # Which NixOS this claims to be.
  version = "26.05pre-standin";
  inNixShell = false;
  inherit (import ./release.nix) release codeName;
  trivial = {
    inherit release codeName version;
    versionSuffix = "pre-standin";
    oldestSupportedRelease = 2511;
    isInOldestRelease = _: true;
    revisionWithDefault = default: default;
    inherit (lib)
      warn
      warnIf
      throwIf
      throwIfNot
      importJSON
      importTOML
      isFunction
      functionArgs
      ;
  };
}
