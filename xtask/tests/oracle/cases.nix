# Small questions to a module system, and its answers: types, declarations, modules.
# An answer that cannot be had is { "<fails>" = true; }. Questions about types that the
# library does not have yet are left out.
{ library }:
let
  lib = import library;
  inherit (lib)
    mkAfter
    mkBefore
    mkDefault
    mkForce
    mkIf
    mkMerge
    mkOption
    mkOrder
    mkOverride
    types
    ;

  probe =
    value:
    let
      tried = builtins.tryEval (builtins.deepSeq value value);
    in
    if tried.success then tried.value else { "<fails>" = true; };

  # The value of one option of a type, from definitions in the order of a module list.
  merged =
    type: definitions:
    probe
      (lib.evalModules {
        modules = [ { options.x = mkOption { inherit type; }; } ] ++ map (x: { inherit x; }) definitions;
      }).config.x;
  modules = list: probe (lib.evalModules { modules = list; }).config;
  unset = type: merged type [ ];

  submodule = types.submodule (
    { name, config, ... }:
    {
      options = {
        a = mkOption {
          type = types.int;
          default = 1;
        };
        name = mkOption {
          type = types.str;
          default = name;
        };
        double = mkOption {
          type = types.int;
          default = 2 * config.a;
        };
        l = mkOption {
          type = types.listOf types.str;
          default = [ ];
        };
      };
    }
  );
  free = types.submodule {
    freeformType = types.attrsOf types.int;
    options.s = mkOption {
      type = types.str;
      default = "s";
    };
  };

  type = name: arguments: if types ? ${name} then arguments types.${name} else null;
  # What older releases stop at for good.
  newer = answer: if types ? deferredModule then answer else null;
  option =
    declaration: definitions:
    modules ([ { options.x = mkOption declaration; } ] ++ map (x: { inherit x; }) definitions);

  all = {
    # ---- single values
    bool = merged types.bool [ true ];
    bool-same = merged types.bool [ true true ];
    bool-other = merged types.bool [ true false ];
    bool-wrong = merged types.bool [ "true" ];
    int = merged types.int [ 3 ];
    int-float = merged types.int [ 3.5 ];
    float = merged types.float [ 3.5 ];
    positive = merged types.ints.positive [ 0 ];
    unsigned = merged types.ints.unsigned [ 0 ];
    between = merged (types.ints.between 2 4) [ 4 ];
    between-out = merged (types.ints.between 2 4) [ 5 ];
    u8 = merged types.ints.u8 [ 256 ];
    s8 = merged types.ints.s8 [ (-128) ];
    port = merged types.port [ 65535 ];
    port-out = merged types.port [ 65536 ];
    str = merged types.str [ "a" "a" ];
    str-other = merged types.str [ "a" "b" ];
    lines = merged types.lines [ "a" "b" (mkBefore "c") (mkAfter "d") ];
    commas = merged types.commas [ "a" "b" ];
    separated = merged (types.separatedString ":") [ "a" (mkIf false "b") "c" ];
    matching = merged (types.strMatching "[a-z]+") [ "ab" ];
    matching-not = merged (types.strMatching "[a-z]+") [ "a1" ];
    enum = merged (types.enum [ "a" 1 null ]) [ 1 ];
    enum-out = merged (types.enum [ "a" 1 ]) [ "b" ];
    path = merged types.path [ "/x" ];
    path-relative = merged types.path [ "x" ];
    attrs = merged types.attrs [ { a.b = 1; } { a.c = 2; } ];
    unset-str = unset types.str;
    unset-list = unset (types.listOf types.str);
    unset-attrs = unset (types.attrsOf types.str);
    unset-null = unset (types.nullOr types.str);
    unset-submodule = unset (types.submodule { });

    # ---- what knows no type
    unspecified-list = merged types.unspecified [ [ 1 ] [ 2 ] ];
    unspecified-text = merged types.unspecified [ "a" "b" ];
    unspecified-set = merged types.unspecified [ { a.b = 1; } { a.c = 2; } ];
    unspecified-bool = merged types.unspecified [ true false ];
    unspecified-int = merged types.unspecified [ 1 1 ];
    unspecified-ints = merged types.unspecified [ 1 2 ];
    unspecified-mixed = merged types.unspecified [ 1 "a" ];
    anything = type "anything" (it: merged it [ { a.b = 1; } { a.c = "x"; } ]);
    anything-same = type "anything" (it: merged it [ "x" "x" ]);
    anything-list = type "anything" (it: merged it [ [ { a = 1; } ] ]);
    anything-lists = type "anything" (it: merged it [ [ 1 ] [ 2 ] ]);
    anything-mixed = type "anything" (it: merged it [ { a = 1; } [ ] ]);
    anything-if = type "anything" (it: merged it [ { a = mkIf false 1; b = mkDefault 2; } { b = 3; } ]);
    anything-function = type "anything" (
      it:
      probe (
        (lib.evalModules {
          modules = [
            { options.x = mkOption { type = it; }; }
            { x = n: { a = n; }; }
            { x = n: { b = n + 1; }; }
          ];
        }).config.x
          4
      )
    );
    raw = type "raw" (it: merged it [ { a = 1; } ]);
    raw-twice = type "raw" (it: merged it [ 1 1 ]);

    # ---- made of others
    list-if = merged (types.listOf types.str) [ [ (mkIf false "a") (mkIf true "b") ] (mkIf false [ "c" ]) ];
    list-order = merged (types.listOf types.int) [ (mkAfter [ 1 ]) [ 2 ] (mkOrder 400 [ 3 ]) (mkBefore [ 4 ]) [ 5 ] ];
    list-wrong = merged (types.listOf types.int) [ [ 1 "a" ] ];
    list-of-sub = merged (types.listOf submodule) [ [ { a = 2; } ] [ { } ] ];
    non-empty = merged (types.nonEmptyListOf types.int) [ [ ] ];
    attrs-of = merged (types.attrsOf types.int) [ { a = 1; b = mkDefault 1; } { b = 2; c = mkIf false 3; } ];
    attrs-of-force = merged (types.attrsOf types.int) [ { a = mkForce 1; } { a = 2; } ];
    attrs-of-clash = merged (types.attrsOf types.int) [ { a = 1; } { a = 2; } ];
    lazy-attrs = builtins.attrNames (merged (types.lazyAttrsOf (types.nullOr types.int)) [ { a = mkIf false 1; b = 2; } ]);
    attrs-of-attrs = merged (types.attrsOf (types.attrsOf types.int)) [ { a.b = 1; } { a.c = 2; } ];
    null-or = merged (types.nullOr types.int) [ null 1 ];
    null-or-null = merged (types.nullOr types.int) [ null null ];
    null-or-value = merged (types.nullOr (types.listOf types.int)) [ [ 1 ] [ 2 ] ];
    either = merged (types.either types.int types.str) [ "a" ];
    either-list = merged (types.either types.str (types.listOf types.str)) [ [ "a" ] [ "b" ] ];
    either-mixed = merged (types.either types.str (types.listOf types.str)) [ "a" [ "b" ] ];
    one-of = merged (types.oneOf [ types.int types.bool types.str ]) [ true ];
    one-of-wrong = merged (types.oneOf [ types.int types.bool ]) [ "x" ];
    coerced = merged (types.coercedTo types.int toString types.str) [ 4 ];
    coerced-final = merged (types.coercedTo types.int toString types.str) [ "x" ];
    coerced-list = merged (types.coercedTo types.str lib.singleton (types.listOf types.str)) [ "a" [ "b" ] ];
    unique = merged (types.uniq (types.listOf types.int)) [ [ 1 ] ];
    unique-twice = merged (types.uniq (types.listOf types.int)) [ [ 1 ] [ 1 ] ];
    function = type "functionTo" (
      it:
      probe (
        (lib.evalModules {
          modules = [
            { options.x = mkOption { type = it (types.listOf types.int); }; }
            { x = n: [ n ]; }
            { x = n: mkBefore [ (n + 1) ]; }
          ];
        }).config.x
          1
      )
    );
    checked = merged (types.addCheck types.int (n: n > 3)) [ 3 ];

    # ---- submodules
    submodule = merged submodule [ { a = 4; } ];
    submodule-lists = merged submodule [ { l = [ "1" ]; } { l = [ "2" ]; } ];
    submodule-function = merged (types.attrsOf submodule) [ { one = { name, ... }: { l = [ name ]; }; } ];
    submodule-imports = merged (types.attrsOf submodule) [
      { one = { ... }: { imports = [ { l = [ "i" ]; } ]; l = [ "o" ]; }; }
    ];
    submodule-unknown = merged submodule [ { nope = 1; } ];
    submodule-if = merged (types.attrsOf submodule) [ { one = mkIf true { a = 3; }; two = mkIf false { }; } ];
    submodule-with = merged (types.submoduleWith {
      specialArgs.extra = "e";
      modules = [ ({ extra, ... }: { options.v = mkOption { default = extra; }; }) ];
    }) [ { } ];
    freeform = merged free [ { s = "t"; more = 3; } ];
    freeform-wrong = merged free [ { more = "x"; } ];
    freeform-nested = modules [
      { freeformType = types.attrsOf (types.attrsOf types.int); options.a.b = mkOption { default = 1; }; }
      { a.c = 2; d.e = 3; }
    ];

    # ---- declarations
    default = option { type = types.int; default = 3; } [ ];
    default-weak = option { type = types.listOf types.int; default = [ 3 ]; } [ [ 4 ] ];
    apply = option { type = types.int; apply = n: n + 1; } [ 3 ];
    read-only = option { type = types.int; default = 3; readOnly = true; } [ 3 ];
    read-only-once = option { type = types.int; readOnly = true; } [ 3 ];
    no-type = option { } [ [ 1 ] [ 2 ] ];
    declared-twice = modules [
      { options.x = mkOption { type = types.int; default = 1; }; }
      { options.x = mkOption { type = types.int; }; }
    ];
    declared-both-default = modules [
      { options.x = mkOption { type = types.int; default = 1; }; }
      { options.x = mkOption { type = types.int; default = 1; }; }
    ];
    declared-other-type = modules [
      { options.x = mkOption { type = types.int; default = 1; }; }
      { options.x = mkOption { type = types.str; }; }
    ];
    declared-enum = modules [
      { options.x = mkOption { type = types.enum [ "a" ]; }; }
      { options.x = mkOption { type = types.enum [ "b" ]; }; }
      { x = "b"; }
    ];
    declared-sub = modules [
      { options.x = mkOption { type = types.attrsOf (types.submodule { options.a = mkOption { default = 1; }; }); }; }
      { options.x = mkOption { type = types.attrsOf (types.submodule { options.b = mkOption { default = 2; }; }); }; }
      { x.n = { }; }
    ];
    prefix-of-option = modules [
      { options.x = mkOption { type = types.int; default = 1; }; }
      { options.x.y = mkOption { type = types.int; default = 1; }; }
    ];
    undeclared = modules [ { options.x = mkOption { default = 1; }; } { y = 1; } ];
    undeclared-if = modules [ { options.x = mkOption { default = 1; }; } { y = mkIf false 1; } ];
    undeclared-unchecked = modules [ { options.x = mkOption { default = 1; }; } { y = 1; _module.check = false; } ];
    namespace-value = newer (modules [ { options.x.y = mkOption { default = 1; }; } { x = 3; } ]);

    # ---- priorities
    priorities = merged types.int [ (mkDefault 1) (mkOverride 99 2) 3 (mkOverride 200 4) ];
    force-if = merged types.int [ (mkIf false (mkForce 1)) 2 ];
    force-merge = merged (types.listOf types.int) [ (mkMerge [ (mkForce [ 1 ]) [ 2 ] ]) [ 3 ] (mkForce [ 4 ]) ];
    force-above = modules [
      { options.x.y = mkOption { type = types.int; }; }
      { x = mkForce { y = 1; }; }
      { x.y = 2; }
    ];
    before-force = merged (types.listOf types.int) [ (mkForce (mkAfter [ 1 ])) (mkForce [ 2 ]) [ 3 ] ];
    same-priority = merged types.int [ (mkDefault 1) (mkDefault 2) ];

    # ---- modules
    mixed-top = modules [ { options.x = mkOption { default = 1; }; x = 2; } ];
    top-if = modules [ { options.x = mkOption { type = types.int; default = 1; }; } (mkIf true { x = 2; }) ];
    top-merge = modules [ { options.x = mkOption { type = types.int; default = 1; }; } (mkMerge [ { x = 2; } ]) ];
    top-list = newer (modules [ { options.x = mkOption { default = 1; }; } [ { x = 2; } ] ]);
    argument = modules [
      { options.x = mkOption { type = types.str; }; _module.args.who = "me"; }
      ({ who, ... }: { x = who; })
    ];
    keys = modules [
      { options.x = mkOption { type = types.listOf types.int; }; }
      { key = "k"; x = [ 1 ]; }
      { key = "k"; x = [ 2 ]; }
    ];
    functor = newer (modules [
      { options.x = mkOption { type = types.int; }; }
      { __functor = _: { ... }: { x = 1; }; }
    ]);
    definitions =
      let
        evaluated = lib.evalModules {
          modules = [
            { options.x = mkOption { type = types.listOf types.int; default = [ 0 ]; }; }
            { _file = "one"; x = [ 1 ]; }
            { _file = "two"; x = mkBefore [ 2 ]; }
          ];
        };
      in
      probe {
        inherit (evaluated.options.x)
          definitions
          files
          isDefined
          highestPrio
          value
          ;
      };
    extended =
      let
        evaluated = lib.evalModules {
          modules = [ { options.x = mkOption { type = types.listOf types.int; default = [ 0 ]; }; } { x = [ 1 ]; } ];
        };
      in
      if evaluated ? extendModules then
        probe (evaluated.extendModules { modules = [ { x = [ 2 ]; } ]; }).config.x
      else
        null;
    renamed = modules [
      (lib.mkRenamedOptionModule [ "old" ] [ "new" ])
      { options.new = mkOption { type = types.listOf types.int; }; options.warnings = mkOption { default = [ ]; }; config = { new = [ 1 ]; }; }
    ];
  };
in
lib.filterAttrs (_: answer: answer != null) all
