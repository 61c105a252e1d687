# Options by what is known of them: the table says which paths are options and of
# which type, so that definitions merge and are checked as on a real system, though
# nobody declares them here. What the table does not know merges by its value.
{ lib }:
let
  inherit (builtins)
    all
    attrNames
    concatMap
    elemAt
    filter
    head
    isAttrs
    isBool
    isFloat
    isInt
    isList
    isString
    mapAttrs
    zipAttrsWith
    ;
  inherit (lib) mergeDefinitions showOption types;

  table = builtins.fromJSON (builtins.readFile ./table.json);

  # What stands below an entry: names, or the one name "*".
  below =
    entry:
    if isAttrs entry then
      entry
    else if isList entry then
      elemAt entry 1
    else
      { };

  expression = entry: elemAt table.types (if isList entry then head entry else entry);

  # ---- types -----------------------------------------------------------------

  isPlainSet = value: isAttrs value && !(value ? outPath) && !(value ? _type);
  byValue = types.mkOptionType {
    name = "byValue";
    description = "value of unknown type";
    merge =
      path: definitions:
      let
        every = kind: all (definition: kind definition.value) definitions;
      in
      if every isPlainSet then
        (types.attrsOf byValue).merge path definitions
      else if every isList then
        concatMap (definition: definition.value) definitions
      else
        lib.mergeEqualOption path definitions;
  };

  # What one line of a unit's section is given: once, or as a list.
  unitOption = types.mkOptionType {
    name = "systemd option";
    check =
      value:
      let
        plain =
          one:
          one == null
          || isBool one
          || isInt one
          || isFloat one
          || lib.isStringLike one;
      in
      if isList value then all plain value else plain value;
    merge =
      path: definitions:
      if lib.any (definition: isList definition.value) definitions then
        concatMap (definition: lib.toList definition.value) definitions
      else
        lib.mergeEqualOption path definitions;
  };

  scalar = types.addCheck byValue (value: isString value || isInt value || isBool value || value == null);

  named = {
    inherit (types)
      anything
      attrs
      bool
      commas
      float
      int
      lines
      number
      package
      path
      raw
      str
      unspecified
      ;
    enum = scalar // {
      description = "one of the values that the option allows";
    };
    separatedString = types.addCheck byValue isString;
    deferredModule = types.deferredModule;
    optionType = types.optionType;
  };

  # A type expression as a type; `inner` is what stands below the option.
  build =
    what: inner:
    let
      name = if isList what then head what else what;
      argument = number: elemAt what (number + 1);
      element = build (argument 0) (below (inner."*" or { }));
      alternatives = map (one: build one inner) (builtins.tail what);
    in
    if !isList what then
      named.${what} or (if what == "submodule" then submodule inner byValue else byValue)
    else if name == "listOf" then
      types.listOf element
    else if name == "attrsOf" || name == "loaOf" then
      types.attrsOf element
    else if name == "lazyAttrsOf" then
      types.lazyAttrsOf element
    else if name == "nullOr" then
      types.nullOr (build (argument 0) inner)
    else if name == "uniq" then
      types.uniq (build (argument 0) inner)
    else if name == "functionTo" then
      types.functionTo (build (argument 0) inner)
    else if name == "either" then
      types.oneOf alternatives
    else if name == "coercedTo" then
      # How it is converted is not known; only that either side will do.
      if builtins.length what < 3 then byValue else types.either (build (argument 1) inner) byValue
    else if name == "submodule+freeform" then
      submodule inner (rest (argument 0))
    else if what == [ "custom" "systemd-option" ] then
      unitOption
    else
      byValue;

  # The type of a free attribute, from the type of the whole.
  rest =
    what:
    if isList what && (head what == "attrsOf" || head what == "lazyAttrsOf") then
      build (elemAt what 1) { }
    else
      byValue;

  submodule =
    inner: others:
    types.submoduleWith {
      shorthandOnlyDefinesConfig = true;
      modules = [ { _module.freeformType = known { inherit inner others; }; } ];
    };

  # ---- definitions without a declaration -------------------------------------

  # Definitions below a path, as a tree: { below } for namespaces, { option } for
  # what is an option or is taken for one. Names do not depend on any condition.
  grow =
    others: path: entries: definitions:
    mapAttrs
      (
        name: own:
        let
          here = path ++ [ name ];
          entry = entries.${name} or null;
          type = if entry == null then others else build (expression entry) (below entry);
        in
        if isAttrs entry then
          { below = grow byValue here entry own; }
        else
          {
            option = mergeDefinitions here type own;
            inherit type;
            conditional = lib.any (
              definition: isAttrs definition.value && definition.value._type or "" == "if"
              || definition.value._type or "" == "merge"
            ) own;
          }
      )
      (
        zipAttrsWith (_: own: own) (
          concatMap (
            definition:
            map (mapAttrs (
              _: value: {
                inherit (definition) file;
                inherit value;
              }
            )) (
              builtins.addErrorContext
                "while evaluating the definitions of `${showOption path}' in `${definition.file}':"
                (lib.pushDownProperties definition.value)
            )
          ) definitions
        )
      );

  # The value of an option that nothing defines.
  absent =
    path: entry:
    let
      what = expression entry;
      type = build what (below entry);
    in
    if type.emptyValue ? value then
      type.emptyValue.value
    else if what == "bool" && lib.last path == "enable" then
      false
    else if what == "lines" then
      ""
    else
      throw "The option `${showOption path}' has no definition, and the offline stand-in does not know its default.";

  # What a configuration shows: everything that is defined, and every option that
  # is known.
  view =
    path: entries: tree:
    mapAttrs (
      name: entry:
      let
        here = path ++ [ name ];
        node = tree.${name} or { };
      in
      if isAttrs entry then
        view here entry node.below or { }
      else if node.option.isDefined or false then
        node.option.mergedValue
      else
        absent here entry
    ) entries
    // mapAttrs (_: show) (removeAttrs tree (attrNames entries));
  show = node: if node ? below then defined node.below else node.option.mergedValue;
  # Only what is defined.
  defined =
    tree:
    mapAttrs (_: show) (
      lib.filterAttrs (_: node: !(node.conditional or false) || node.option.isDefined) tree
    );

  known =
    {
      inner,
      others ? byValue,
    }:
    types.mkOptionType {
      name = "known options";
      description = "options by what is known of them";
      check = isAttrs;
      merge = path: definitions: defined (grow others path inner definitions);
    };
in
{
  inherit byValue unitOption;

  # Takes the definitions of a whole system that no option takes.
  freeform = types.mkOptionType {
    name = "known options";
    description = "options by what is known of them";
    check = isAttrs;
    merge =
      path: definitions:
      view path table.tree (grow byValue path table.tree definitions);
  };

  # The same definitions, as a set of what is really defined, defaults left out.
  definitions =
    undeclared:
    let
      strict =
        tree:
        lib.filterAttrs (_: value: value != { }) (
          mapAttrs (
            _: node: if node ? below then strict node.below else { value = node.option.mergedValue; }
          ) (
            lib.filterAttrs (
              _: node: node ? below || node.option.isDefined && node.option.highestPrio < 1500
            ) tree
          )
        );
    in
    strict (
      grow byValue [ ] table.tree (
        map (definition: {
          inherit (definition) file;
          value = lib.setAttrByPath definition.path definition.value;
        }) undeclared
      )
    );

  # A submodule's free part, by the path of its option: `at [ "users" "users" ]` is
  # for the elements of `users.users`.
  at =
    path:
    let
      step = entry: name: (below entry).${name} or { };
      entry = builtins.foldl' step table.tree path;
    in
    known { inner = below ((below entry)."*" or { }); };
}
