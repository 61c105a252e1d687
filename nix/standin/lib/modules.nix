# The module system: modules in, options and a configuration out.
#
# The rules that matter to whoever compares two configurations:
# - imports are walked breadth first, and of modules with one key the first counts;
# - what a disabled key names is left out, wherever it was disabled;
# - definitions merge in the reverse order of that walk.
{ lib }:
let
  inherit (builtins)
    addErrorContext
    all
    any
    concatLists
    concatMap
    elem
    filter
    foldl'
    genericClosure
    head
    isAttrs
    isList
    isString
    length
    mapAttrs
    removeAttrs
    seq
    zipAttrsWith
    ;
  inherit (lib)
    isFunction
    isOption
    mergeDefinitions
    mkOption
    mkOptionDefault
    pushDownProperties
    showOption
    types
    ;

  group = zipAttrsWith (_: values: values);

  # ---- reading modules -------------------------------------------------------

  # What a module may say beside `config` and `options`.
  frame = [
    "_class"
    "_file"
    "key"
    "disabledModules"
    "imports"
    "options"
    "config"
    "meta"
    "freeformType"
  ];

  # A module in one shape, however it was written.
  normal =
    file: key: module:
    let
      structured = module ? config || module ? options;
      strange = removeAttrs module frame;
      withFreeform =
        config:
        if module ? freeformType then
          lib.mkMerge [
            config
            { _module.freeformType = module.freeformType; }
          ]
        else
          config;
      withMeta =
        config:
        if structured && module ? meta then
          lib.mkMerge [
            config
            { meta = module.meta; }
          ]
        else
          config;
    in
    if structured && strange != { } then
      throw "Module `${key}' has an unsupported attribute `${head (builtins.attrNames strange)}': beside `config' or `options' there can be no definitions; they belong into `config'."
    else
      {
        file = toString module._file or file;
        key = toString module.key or key;
        disabled = module.disabledModules or [ ];
        imports = (if structured then [ ] else module.require or [ ]) ++ module.imports or [ ];
        options = module.options or { };
        config = withMeta (
          withFreeform (
            if structured then
              module.config or { }
            else
              removeAttrs module [
                "_class"
                "_file"
                "key"
                "disabledModules"
                "require"
                "imports"
                "freeformType"
              ]
          )
        );
      };

  call =
    key: arguments: function:
    let
      named = mapAttrs (
        name: _:
        addErrorContext "while evaluating the module argument `${name}' in \"${key}\":" (
          arguments.${name} or arguments.config._module.args.${name}
        )
      ) (lib.functionArgs function);
    in
    function (arguments // named);

  load =
    arguments: file: key: module:
    if isFunction module then
      load arguments file key (call key arguments module)
    else if isAttrs module then
      let
        kind = module._type or "module";
      in
      if kind == "module" then
        normal file key module
      else if kind == "if" || kind == "override" then
        normal file key { config = module; }
      else
        throw "A value of type \"${kind}\" is no module, in file ${file}."
    else if isList module then
      throw "A list is no module: `imports' are not nested, in file ${file}."
    else
      let
        place = toString module;
      in
      load arguments place place (import module);

  # The tree of imports below a list of modules.
  tree =
    arguments: parentFile: parentKey: modules:
    lib.imap1 (
      index: module:
      let
        loaded = load arguments parentFile "${parentKey}:anon-${toString index}" module;
        children = tree arguments loaded.file loaded.key loaded.imports;
      in
      {
        inherit (loaded) key;
        inherit loaded children;
        disabled =
          (if loaded.disabled == [ ] then [ ] else [ { inherit (loaded) file disabled; } ])
          ++ concatMap (child: child.disabled) children;
      }
    ) modules;

  # The modules that count, in the order of the walk.
  collect =
    modulesPath: arguments: modules:
    let
      roots = tree arguments "<unknown-file>" "" modules;
      keyOf =
        file: module:
        if isString module && builtins.substring 0 1 module != "/" then
          toString modulesPath + "/" + module
        else if isAttrs module && module ? key then
          toString module.key
        else if isAttrs module && !(module ? outPath) || isFunction module then
          throw "disabledModules in ${file}: what has neither a path nor a `key' cannot be disabled."
        else
          toString module;
      disabled = concatMap (from: map (keyOf from.file) from.disabled) (
        concatMap (root: root.disabled) roots
      );
      enabled =
        if disabled == [ ] then modules: modules else filter (module: !elem module.key disabled);
    in
    map (node: node.loaded) (genericClosure {
      startSet = enabled roots;
      operator = node: enabled node.children;
    });

  # ---- declarations ----------------------------------------------------------

  # Several declarations of one option make one if they do not contradict each other.
  mergeDeclarations =
    path: declarations:
    foldl'
      (
        merged: declaration:
        let
          option = declaration.options;
          type =
            if merged ? type && option ? type then
              merged.type.typeMerge option.type.functor
            else
              option.type or merged.type or null;
          clash =
            any (name: merged ? ${name} && option ? ${name}) [
              "default"
              "example"
              "description"
              "apply"
            ]
            || merged ? type && option ? type && type == null;
        in
        if clash then
          throw "The option `${showOption path}' in `${declaration.file}' is already declared in ${lib.showFiles merged.declarations}."
        else
          merged
          // option
          // {
            declarations = merged.declarations ++ [ declaration.file ];
          }
          // lib.optionalAttrs (type != null) { inherit type; }
      )
      {
        loc = path;
        declarations = [ ];
      }
      declarations;

  evaluate =
    path: declared: definitions:
    let
      option = {
        type = types.unspecified;
      }
      // declared;
      all' =
        lib.optional (option ? default) {
          file = head option.declarations;
          value = mkOptionDefault option.default;
        }
        ++ definitions;
      merged =
        if option.readOnly or false && length all' > 1 then
          throw "The option `${showOption path}' is read-only, and yet it is set more than once. Definition values:${lib.showDefs all'}"
        else
          mergeDefinitions path option.type all';
      value =
        if option ? apply then option.apply merged.mergedValue else merged.mergedValue;
    in
    option
    // {
      value = addErrorContext "while evaluating the option `${showOption path}':" value;
      inherit (merged) isDefined highestPrio;
      definitions = map (definition: definition.value) merged.defsFinal;
      definitionsWithLocations = merged.defsFinal;
      files = map (definition: definition.file) merged.defsFinal;
      options = merged;
      __toString = _: showOption path;
    };

  # ---- merging ---------------------------------------------------------------

  # The options below a path, and the definitions that no option takes.
  merge =
    path: declarations: definitions:
    let
      declared = group (
        map (
          declaration:
          mapAttrs (_: options: {
            inherit (declaration) file;
            inherit options;
          }) declaration.options
        ) declarations
      );
      defined = group (
        concatMap (
          definition:
          map (mapAttrs (
            _: value: {
              inherit (definition) file;
              inherit value;
            }
          )) (
            addErrorContext "while evaluating the definitions of `${showOption path}' in `${definition.file}':" (
              pushDownProperties definition.value
            )
          )
        ) definitions
      );
      parts = mapAttrs (
        name: below:
        let
          here = path ++ [ name ];
          own = defined.${name} or [ ];
          options = filter (declaration: isOption declaration.options) below;
          first = head options;
          inner =
            if options == [ ] then
              merge here below own
            else
              let
                # Options below an option are those of its submodule.
                extended =
                  if length options == length below then
                    below
                  else if first.options.type.getSubModules or null != null then
                    map (
                      declaration:
                      if isOption declaration.options then
                        declaration
                      else
                        declaration
                        // {
                          options = mkOption {
                            type = types.submoduleWith {
                              shorthandOnlyDefinesConfig = true;
                              modules = [ { inherit (declaration) options; } ];
                            };
                          };
                        }
                    ) below
                  else
                    throw "The option `${showOption here}' in ${
                      lib.showFiles (map (declaration: declaration.file) options)
                    } is a prefix of options in ${
                      lib.showFiles (
                        map (declaration: declaration.file) (filter (declaration: !isOption declaration.options) below)
                      )
                    }.";
              in
              {
                options = evaluate here (mergeDeclarations here extended) own;
                undeclared = [ ];
              };
        in
        inner
      ) declared;
    in
    {
      options = mapAttrs (_: part: part.options) parts;
      undeclared =
        concatLists (
          builtins.attrValues (
            mapAttrs (
              name: part:
              map (definition: definition // { path = [ name ] ++ definition.path; }) part.undeclared
            ) parts
          )
        )
        ++ concatLists (
          builtins.attrValues (
            mapAttrs (name: map (definition: definition // { path = [ name ]; })) (
              removeAttrs defined (builtins.attrNames declared)
            )
          )
        );
    };

  # The values of options, laid over what has none.
  valuesOver =
    free: options:
    free
    // mapAttrs (
      name: below: if isOption below then below.value else valuesOver (free.${name} or { }) below
    ) options;

  # The options that the module system has for itself.
  internal = specialArgs: self: {
    _file = "the module system";
    key = "the module system";
    options._module = {
      args = mkOption {
        type = types.lazyAttrsOf types.raw;
        internal = true;
        description = "Arguments that modules may name.";
      };
      check = mkOption {
        type = types.bool;
        internal = true;
        default = true;
        description = "Whether a definition without an option is an error.";
      };
      freeformType = mkOption {
        type = types.nullOr types.optionType;
        internal = true;
        default = null;
        description = "What merges definitions that have no option.";
      };
      specialArgs = mkOption {
        readOnly = true;
        internal = true;
        description = "Arguments that `imports' may depend on.";
      };
    };
    config._module = {
      args = {
        inherit (self) extendModules;
        moduleType = self.type;
      };
      inherit specialArgs;
    };
  };

  evalModules =
    given@{
      modules,
      prefix ? [ ],
      specialArgs ? { },
      class ? null,
      args ? { },
      check ? true,
    }:
    let
      more =
        lib.optional (given ? args) { config._module.args = args; }
        ++ lib.optional (given ? check) { config._module.check = lib.mkDefault check; };
      users = modules ++ more;

      arguments = {
        inherit lib specialArgs;
        options = merged.options;
        config = addErrorContext "if there is an infinite recursion here, `imports' depend on `config'; import unconditionally and use `mkIf' instead" config;
        _class = class;
        _prefix = prefix;
      }
      // specialArgs;

      walk = collect (specialArgs.modulesPath or "") arguments (users ++ [ (internal specialArgs self) ]);
      ordered = lib.reverseList walk;
      merged = merge prefix (map (module: {
        inherit (module) file options;
      }) ordered) (
        map (module: {
          inherit (module) file;
          value = module.config;
        }) ordered
      );

      declared = valuesOver { } merged.options;
      free =
        if merged.undeclared == [ ] then
          { }
        else
          declared._module.freeformType.merge prefix (
            map (definition: {
              inherit (definition) file;
              value = lib.setAttrByPath definition.path definition.value;
            }) merged.undeclared
          );
      config =
        if declared._module.freeformType == null then declared else valuesOver free merged.options;

      complaint =
        let
          first = head merged.undeclared;
        in
        if config._module.check && config._module.freeformType == null && merged.undeclared != [ ] then
          throw "The option `${showOption (prefix ++ first.path)}' does not exist. Definition values:${lib.showDefs [ first ]}"
        else
          null;
      checked = seq complaint;

      self = {
        _type = "configuration";
        options = checked merged.options;
        config = checked (removeAttrs config [ "_module" ]);
        _module = checked config._module;
        # What no option took; for whoever merges it in a way of their own.
        inherit (merged) undeclared;
        inherit class;
        extendModules =
          {
            modules ? [ ],
            specialArgs ? { },
            prefix ? given.prefix or [ ],
          }:
          evalModules (
            given
            // {
              modules = users ++ modules;
              specialArgs = given.specialArgs or { } // specialArgs;
              inherit prefix;
            }
          );
        type = types.submoduleWith {
          inherit modules specialArgs;
        };
      };
    in
    self;
in
{
  inherit evalModules;
  setDefaultModuleLocation = file: module: {
    _file = file;
    imports = [ module ];
  };
  importApply = file: argument: {
    _file = file;
    imports = [ (import file argument) ];
  };
  # Definitions as `mkIf' and its kin, where an option's own ones are to be passed on.
  mkAliasDefinitions = lib.mkAliasAndWrapDefinitions (value: value);
  mkAliasAndWrapDefinitions =
    wrap: option:
    lib.mkIf (option.isDefined or false) (wrap (lib.mkMerge option.definitions));
  mkAliasAndWrapDefsWithPriority =
    wrap: option:
    let
      priority = option.highestPrio or lib.defaultOverridePriority;
      weigh = lib.mkOverride priority;
    in
    lib.mkIf (option.isDefined or false) (wrap (lib.mkMerge (map weigh option.definitions)));
  fixMergeModules =
    modules: extra:
    evalModules {
      inherit modules;
      specialArgs = extra;
    };
}
