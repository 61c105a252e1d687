# A package set good enough for declaring options: every package that a module
# mentions is there, as something that can be called, overridden and printed,
# and `formats` has types of the right structure. Nothing of it can be built.
{ lib, names }:
let
  inherit (lib.types)
    attrsOf
    bool
    either
    float
    int
    listOf
    nullOr
    oneOf
    path
    str
    ;

  stub =
    name: children:
    let
      self = {
        type = "derivation";
        inherit name;
        pname = name;
        version = "0";
        outPath = "/nix/store/00000000000000000000000000000000-${name}";
        drvPath = "/nix/store/00000000000000000000000000000000-${name}.drv";
        outputName = "out";
        outputs = [ "out" ];
        meta.mainProgram = name;
        override = _: self;
        overrideAttrs = _: self;
        __functor = _: _: self;
      }
      // lib.mapAttrs stub children
      // {
        # Lists that declarations offer as the values of an enumeration.
        passthru.plugins = [ ];
        availableComponents = [ ];
        flavors = [ ];
      };
    in
    self;

  # A value that may contain itself; such types must spell out a description.
  tree =
    description: type:
    let
      value = type value // {
        inherit description;
      };
    in
    value;

  # For formats whose structure matters to nobody but their generator.
  opaque =
    name:
    lib.mkOptionType {
      inherit name;
      description = name + " value";
    };

  atom = nullOr (oneOf [
    bool
    int
    float
    str
  ]);
  atomOf =
    args:
    if args.listsAsDuplicateKeys or false || (args.listToValue or null) != null then
      if args.atomsCoercedToLists or false then
        lib.types.coercedTo atom lib.singleton (listOf atom)
      else
        either atom (listOf atom)
    else
      atom;
  keyAtomOf =
    args:
    if args.listsAsDuplicateKeys or false || (args.listToValue or null) != null then
      lib.types.coercedTo atom lib.singleton (listOf atom)
    else
      atom;

  nullable =
    description:
    tree description (
      value:
      nullOr (oneOf [
        bool
        int
        float
        str
        path
        (attrsOf value)
        (listOf value)
      ])
    );

  format = type: {
    inherit type;
    generate = name: _: stub name { };
    lib = {
      mkRaw = value: value;
      types = {
        inherit atom;
        raw = opaque "raw";
      };
    };
  };

  section = args: attrsOf (atomOf args);

  formats = {
    json = _: format (nullable "JSON value");
    yaml = _: format (nullable "YAML value");
    toml =
      _:
      format (
        tree "TOML value" (
          value:
          oneOf [
            bool
            int
            float
            str
            path
            (attrsOf value)
            (listOf value)
          ]
        )
      );
    ini =
      args:
      let
        base = format (attrsOf (section args));
      in
      base // { lib = base.lib // { types = base.lib.types // { atom = atomOf args; }; }; };
    iniWithGlobalSection =
      args:
      format (
        lib.types.submodule {
          options = {
            globalSection = lib.mkOption { type = section args; };
            sections = lib.mkOption { type = attrsOf (section args); };
          };
        }
      );
    gitIni = args: format (attrsOf (attrsOf (either (atomOf args) (attrsOf (atomOf args)))));
    # A format by itself in some releases, a function in others.
    systemd = formats.ini { listsAsDuplicateKeys = true; } // {
      __functor = self: _: self;
    };
    keyValue = args: format (attrsOf (keyAtomOf args));
    javaProperties =
      _:
      format (
        tree "Java properties value" (
          _:
          attrsOf (oneOf [
            bool
            int
            float
            str
          ])
        )
      );
    elixirConf =
      _:
      let
        base = format (attrsOf (attrsOf (opaque "elixir")));
      in
      # Its types are the common ones, each with raw code beside it.
      base
      // {
        lib = base.lib // {
          types = lib.mapAttrs (
            _: type: if lib.isFunction type then type else either type (opaque "elixir")
          ) (removeAttrs lib.types [ "string" ]) // {
            atom = opaque "elixir";
            charlist = opaque "elixir";
            map = opaque "elixir";
            tuple = opaque "elixir";
            elixirOr = type: either type (opaque "elixir");
          };
        };
      };
    pythonVars = _: format (attrsOf (opaque "python"));
    lua =
      args:
      format (if args.asBindings or false then attrsOf (opaque "lua") else opaque "lua");
    hocon = _: format (opaque "hocon");
    libconfig = _: format (opaque "libconfig");
    php = _: format (opaque "php");
    xml = _: format (opaque "xml");
    cdn = _: format (opaque "cdn");
    plist = _: format (opaque "plist");
    hcl1 = formats.json;
    yaml_1_1 = formats.yaml;
    yaml_1_2 = formats.yaml;
    nixConf =
      _:
      format (
        attrsOf (
          nullOr (oneOf [
            bool
            int
            float
            str
            path
            lib.types.package
          ])
        )
      );
  };

  platform = lib.systems.elaborate "x86_64-linux";
in
lib.mapAttrs stub names
// {
  inherit lib formats;
  inherit (platform) system;
  config = { };
  path = "/nixpkgs";
  hostPlatform = platform;
  targetPlatform = platform;
  buildPlatform = platform;
  stdenv = stub "stdenv" (names.stdenv or { }) // {
    inherit (platform) system isLinux isx86_64 isAarch64;
    isi686 = false;
    isDarwin = false;
    hostPlatform = platform;
    targetPlatform = platform;
    buildPlatform = platform;
  };
}
