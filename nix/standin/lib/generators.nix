# Values written in the formats of configuration files.
{ lib }:
let
  scalar =
    value:
    if value == true then
      "true"
    else if value == false then
      "false"
    else if value == null then
      "null"
    else
      toString value;

  keyValueWith =
    separator: name: value:
    "${lib.escape [ separator ] name}${separator}${scalar value}";

  toKeyValue =
    {
      mkKeyValue ? keyValueWith "=",
      listsAsDuplicateKeys ? false,
      indent ? "",
    }:
    set:
    lib.concatStrings (
      lib.concatLists (
        lib.mapAttrsToList (
          name: value:
          map (one: "${indent}${mkKeyValue name one}\n") (
            if listsAsDuplicateKeys && builtins.isList value then value else [ value ]
          )
        ) set
      )
    );

  toINI =
    {
      mkSectionName ? name: lib.escape [ "[" "]" ] name,
      mkKeyValue ? keyValueWith "=",
      listsAsDuplicateKeys ? false,
    }:
    set:
    lib.concatStringsSep "\n" (
      lib.mapAttrsToList (
        name: section:
        "[${mkSectionName name}]\n" + toKeyValue { inherit mkKeyValue listsAsDuplicateKeys; } section
      ) set
    );

  # As a value is written; of sets and lists that are longer than this, if it is not
  # null, no more than that they are there: one may be all packages, or without end.
  prettyWithin =
    longest: value:
    let
      inside = prettyWithin longest;
      isLong = size: longest != null && size value > longest;
    in
    if builtins.isFunction value then
      "<function>"
    else if lib.isDerivation value then
      "<derivation ${value.name or "?"}>"
    else if builtins.isAttrs value && isLong (set: builtins.length (builtins.attrNames set)) then
      "{ … }"
    else if builtins.isList value && isLong builtins.length then
      "[ … ]"
    else if builtins.isAttrs value then
      "{ ${
        lib.concatStrings (
          lib.mapAttrsToList (name: inner: "${lib.escapeNixIdentifier name} = ${inside inner}; ") value
        )
      }}"
    else if builtins.isList value then
      "[ ${lib.concatMapStrings (inner: inside inner + " ") value}]"
    else if builtins.isPath value then
      toString value
    else
      builtins.toJSON value;

  toPretty = _: prettyWithin null;
in
{
  generators = {
    inherit
      prettyWithin
      toKeyValue
      toINI
      toPretty
      ;
    mkKeyValueDefault = _: keyValueWith;
    mkValueStringDefault = _: scalar;
    toINIWithGlobalSection =
      options:
      {
        globalSection,
        sections ? { },
      }:
      toKeyValue { } globalSection + toINI options sections;
    toJSON = _: builtins.toJSON;
    toYAML = _: builtins.toJSON;
    toGitINI = toINI { };
  };
  cli = { };
}
