# Properties: what stands around a value and says when, how strongly and where it
# counts. This file makes them and takes them apart again.
{ lib }:
let
  inherit (builtins)
    addErrorContext
    any
    concatMap
    filter
    foldl'
    isAttrs
    isBool
    mapAttrs
    sort
    ;

  kind = value: if isAttrs value then value._type or null else null;

  plainPriority = 100;
  plainOrder = 1000;
in
rec {
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkAssert =
    condition: message: content:
    mkIf (if condition then true else throw "\nFailed assertion: ${message}") content;
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkDefinition = definition: definition // { _type = "definition"; };

  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkOptionDefault = mkOverride 1500;
  mkDefault = mkOverride 1000;
  mkImageMediaOverride = mkOverride 60;
  mkForce = mkOverride 50;
  mkVMOverride = mkOverride 10;
  mkFixStrictness = value: value;
  defaultOverridePriority = plainPriority;

  mkOrder = priority: content: {
    _type = "order";
    inherit priority content;
  };
  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;
  defaultOrderPriority = plainOrder;

  # A set under properties, as sets whose attributes carry them: names are known
  # without a look at any condition.
  pushDownProperties =
    value:
    let
      what = kind value;
      onEach = wrap: map (mapAttrs (_: wrap)) (pushDownProperties value.content);
    in
    if what == "merge" then
      concatMap pushDownProperties value.contents
    else if what == "if" then
      onEach (mkIf value.condition)
    else if what == "override" then
      onEach (mkOverride value.priority)
    else if isAttrs value then
      [ value ]
    else
      throw "a set of options was expected here, this is a ${builtins.typeOf value}";

  # The values that hold: conditions decided, merges laid open.
  dischargeProperties =
    value:
    let
      what = kind value;
    in
    if what == "merge" then
      concatMap dischargeProperties value.contents
    else if what == "if" then
      if !isBool value.condition then
        throw "the condition of `mkIf' is a ${builtins.typeOf value.condition}, no boolean"
      else if value.condition then
        dischargeProperties value.content
      else
        [ ]
    else
      [ value ];

  # Of definitions { file, value } those of the strongest priority, unwrapped.
  filterOverrides' =
    definitions:
    let
      priority = definition: if kind definition.value == "override" then definition.value.priority else plainPriority;
      highest = foldl' (
        best: definition:
        let
          own = priority definition;
        in
        if own < best then own else best
      ) 9999 definitions;
    in
    {
      highestPrio = highest;
      values = map (
        definition:
        if kind definition.value == "override" then
          definition // { value = definition.value.content; }
        else
          definition
      ) (filter (definition: priority definition == highest) definitions);
    };
  filterOverrides = definitions: (filterOverrides' definitions).values;

  # Definitions by their order, stable among equals, unwrapped.
  sortProperties =
    definitions:
    let
      order = definition: if kind definition.value == "order" then definition.value.priority else plainOrder;
    in
    if !any (definition: kind definition.value == "order") definitions then
      definitions
    else
      map (
        definition:
        if kind definition.value == "order" then
          definition // { value = definition.value.content; }
        else
          definition
      ) (sort (a: b: order a < order b) definitions);

  # All definitions { file, value } of one option, merged by its type.
  mergeDefinitions =
    path: type: definitions:
    let
      discharged = concatMap (
        definition:
        map (
          value:
          if kind value == "definition" then
            value
          else
            {
              inherit (definition) file;
              inherit value;
            }
        ) (
          addErrorContext "while evaluating definitions from `${definition.file}':" (
            dischargeProperties definition.value
          )
        )
      ) definitions;
      strongest = filterOverrides' discharged;
      values = sortProperties strongest.values;
      wrong = filter (definition: !type.check definition.value) values;
      isDefined = values != [ ];
      mergedValue =
        if isDefined then
          if wrong == [ ] then
            type.merge path values
          else
            throw "A definition for option `${lib.showOption path}' is not of type `${type.description}'. Definition values:${lib.showDefs wrong}"
        else if type.emptyValue ? value then
          type.emptyValue.value
        else
          throw "The option `${lib.showOption path}' was accessed but has no value defined.";
    in
    {
      inherit isDefined mergedValue;
      inherit (strongest) highestPrio;
      defsFinal = values;
      optionalValue = if isDefined then { value = mergedValue; } else { };
    };
}
