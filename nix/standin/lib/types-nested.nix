# Types made of other types.
{ lib }:
let
  inherit (builtins)
    all
    concatLists
    filter
    isAttrs
    isList
    mapAttrs
    zipAttrsWith
    ;
  inherit (lib) mergeDefinitions mergeOneOption;
  inherit (lib.types) mkOptionType;

  # A type of elements: two declarations merge if their elements do.
  around =
    name: make: element:
    {
      inherit name;
      wrapped = element;
      merge =
        other:
        let
          both = element.typeMerge other.wrapped.functor;
        in
        if both == null then null else make both;
    };

  listOf =
    element:
    mkOptionType {
      name = "listOf";
      description = "list of ${element.description}";
      check = isList;
      merge =
        path: definitions:
        concatLists (
          lib.imap1 (
            number: definition:
            map (merged: merged.value) (
              filter (merged: merged ? value) (
                lib.imap1 (
                  index: value:
                  (mergeDefinitions (path ++ [ "[definition ${toString number}-entry ${toString index}]" ]) element [
                    {
                      inherit (definition) file;
                      inherit value;
                    }
                  ]).optionalValue
                ) definition.value
              )
            )
          ) definitions
        );
      emptyValue.value = [ ];
      getSubOptions = prefix: element.getSubOptions (prefix ++ [ "*" ]);
      inherit (element) getSubModules;
      substSubModules = modules: listOf (element.substSubModules modules);
      nestedTypes.elemType = element;
      functor = around "listOf" listOf element;
    };

  byName =
    element: path: definitions:
    zipAttrsWith (name: values: mergeDefinitions (path ++ [ name ]) element values) (
      map (
        definition:
        mapAttrs (_: value: {
          inherit (definition) file;
          inherit value;
        }) definition.value
      ) definitions
    );

  attrsWith =
    name: make: merge: element:
    mkOptionType {
      inherit name;
      description = "${if name == "lazyAttrsOf" then "lazy " else ""}attribute set of ${element.description}";
      check = isAttrs;
      merge = path: definitions: merge element (byName element path definitions);
      emptyValue.value = { };
      getSubOptions = prefix: element.getSubOptions (prefix ++ [ "<name>" ]);
      inherit (element) getSubModules;
      substSubModules = modules: make (element.substSubModules modules);
      nestedTypes.elemType = element;
      functor = around name make element;
    };
  attrsOf = attrsWith "attrsOf" attrsOf (
    _: merged:
    mapAttrs (_: one: one.mergedValue) (lib.filterAttrs (_: one: one.isDefined) merged)
  );
  lazyAttrsOf = attrsWith "lazyAttrsOf" lazyAttrsOf (
    element:
    mapAttrs (
      _: one: one.optionalValue.value or element.emptyValue.value or one.mergedValue
    )
  );

  nullOr =
    element:
    mkOptionType {
      name = "nullOr";
      description = "null or ${element.description}";
      check = value: value == null || element.check value;
      merge =
        path: definitions:
        let
          nulls = filter (definition: definition.value == null) definitions;
        in
        if nulls == [ ] then
          element.merge path definitions
        else if nulls == definitions || builtins.length nulls == builtins.length definitions then
          null
        else
          throw "The option `${lib.showOption path}' is null in one definition and not in another, in ${lib.showFiles (lib.getFiles definitions)}.";
      emptyValue.value = null;
      inherit (element) getSubOptions getSubModules;
      substSubModules = modules: nullOr (element.substSubModules modules);
      nestedTypes.elemType = element;
      functor = around "nullOr" nullOr element;
    };

  either =
    first: second:
    mkOptionType {
      name = "either";
      description = "${first.description} or ${second.description}";
      check = value: first.check value || second.check value;
      merge =
        path: definitions:
        if all (definition: first.check definition.value) definitions then
          first.merge path definitions
        else if all (definition: second.check definition.value) definitions then
          second.merge path definitions
        else
          mergeOneOption path definitions;
      nestedTypes = {
        left = first;
        right = second;
      };
      functor = {
        name = "either";
        wrapped = [
          first
          second
        ];
        merge =
          other:
          let
            a = first.typeMerge (builtins.elemAt other.wrapped 0).functor;
            b = second.typeMerge (builtins.elemAt other.wrapped 1).functor;
          in
          if a == null || b == null then null else either a b;
      };
    };

  unique =
    { message }:
    element:
    mkOptionType {
      name = "unique";
      inherit (element)
        description
        check
        emptyValue
        getSubOptions
        getSubModules
        ;
      merge = lib.mergeUniqueOption {
        inherit message;
        inherit (element) merge;
      };
      substSubModules = modules: unique { inherit message; } (element.substSubModules modules);
      nestedTypes.elemType = element;
      functor = around "unique" (unique { inherit message; }) element;
    };

  coercedTo =
    from: coerce: to:
    mkOptionType {
      name = "coercedTo";
      description = "${to.description} or ${from.description} convertible to it";
      check = value: from.check value && to.check (coerce value) || to.check value;
      merge =
        path: definitions:
        to.merge path (
          map (
            definition:
            definition
            // {
              value = if from.check definition.value then coerce definition.value else definition.value;
            }
          ) definitions
        );
      inherit (to) emptyValue getSubOptions getSubModules;
      substSubModules = modules: coercedTo from coerce (to.substSubModules modules);
      nestedTypes = {
        coercedType = from;
        finalType = to;
      };
      functor.merge = _: null;
    };

  functionTo =
    element:
    mkOptionType {
      name = "functionTo";
      description = "function that evaluates to a(n) ${element.description}";
      check = lib.isFunction;
      merge = path: definitions: argument: (
        mergeDefinitions (path ++ [ "<function body>" ]) element (
          map (definition: definition // { value = definition.value argument; }) definitions
        )
      ).mergedValue;
      inherit (element) getSubModules;
      substSubModules = modules: functionTo (element.substSubModules modules);
      nestedTypes.elemType = element;
      functor = around "functionTo" functionTo element;
    };
in
{
  inherit
    attrsOf
    coercedTo
    either
    functionTo
    lazyAttrsOf
    listOf
    nullOr
    unique
    ;
  uniq = unique { message = ""; };
  attrsWith =
    {
      elemType,
      lazy ? false,
      ...
    }:
    if lazy then lazyAttrsOf elemType else attrsOf elemType;
  loaOf = attrsOf;
  nonEmptyListOf =
    element:
    lib.types.addCheck (listOf element) (list: list != [ ]) // {
      description = "non-empty list of ${element.description}";
      emptyValue = { };
    };
  oneOf =
    types:
    if types == [ ] then
      throw "types.oneOf needs at least one type"
    else
      builtins.foldl' either (builtins.head types) (builtins.tail types);
}
