# The ordered definitions of a host, recorded by the real module system.
#
# The flake's own `outputs` is called with stand-ins for its inputs; what it hands
# to `nixosSystem` is evaluated by `lib.evalModules`, which knows no option but
# those that the tree itself declares: every other definition ends up, as it was
# written, with a free-form type that only writes down what it is given.
#
#   library  directory of nixpkgs' library
#   tree     directory of the flake
#   host     name in `nixosConfigurations`; null lists the names
#   contents with a path, tell what stands there
#   declared paths of the options that the tree declares: these have real values
#   without  paths, as JSON texts, of what is left out: "<fails>" stands there
#   stubs    directory with names.json, written by the test
{
  library,
  tree,
  host ? null,
  stubs,
  contents ? false,
  declared ? [ ],
  without ? [ ],
}:
let
  inherit (builtins)
    addErrorContext
    isAttrs
    isFunction
    isList
    isPath
    isString
    mapAttrs
    tryEval
    ;

  real = import library;
  known = builtins.fromJSON (builtins.readFile (stubs + "/names.json"));
  stub = import ./stub.nix {
    lib = real;
    inherit known;
    root = toString stubs;
    inherit tree contents host;
  };
  left = real.genAttrs without (_: null);

  capture = function: arguments: {
    "<host>" = { inherit function arguments; };
    config = stub.make "host.config";
    options = stub.make "host.options";
    pkgs = stub.make "host.pkgs";
  };

  lib = real.extend (
    _: _: {
      "<lib>" = true;
      nixosSystem = capture "nixosSystem";
      inherit (real) evalModules;
      # A stand-in is of every type.
      types = real.types // builtins.mapAttrs (
        name: type: type // { check = value: (isAttrs value && value ? "<stub>") || type.check value; }
      ) (real.getAttrs [
        "bool"
        "float"
        "int"
        "lines"
        "number"
        "package"
        "path"
        "port"
        "str"
      ] real.types);
    }
  );

  pkgs = stub.make "pkgs" // {
    lib = stub.make "pkgs.lib" // lib;
  };

  input =
    name:
    stub.make "inputs.${name}"
    // {
      lib = stub.make "inputs.${name}.lib" // lib;
    };

  flake = import (tree + "/flake.nix");
  names = real.remove "self" (
    builtins.attrNames ((flake.inputs or { }) // builtins.functionArgs flake.outputs)
  );
  inputs = real.genAttrs names input // {
    inherit self;
  };
  outputs = flake.outputs inputs;
  self =
    stub.make "self"
    // outputs
    // {
      "<stub>" = "self";
      inherit inputs outputs;
      outPath = toString tree;
    };

  hosts = outputs.nixosConfigurations;

  argument = stub.make "argument" // {
    inherit lib pkgs;
    config = stub.make "argument.config";
  };

  # What fails for good says where; the test leaves that out and asks again.
  record =
    path: value:
    let
      key = builtins.toJSON path;
    in
    if left ? ${key} then
      { "<fails>" = true; }
    else
      addErrorContext "recording ${key}." (recordNow path value);

  # The module system pushes properties into sets, and a stand-in looks like one.
  stand =
    way:
    let
      type = way._type or "";
    in
    if !isAttrs way then
      { "<stub>" = way; }
    else if type == "if" then
      {
        "<if>" = [
          way.condition
          (stand way.content)
        ];
      }
    else
      {
        "<${type}>" = [
          way.priority
          (stand way.content)
        ];
      };

  recordNow =
    path: value:
    let
      tried = tryEval value;
      v = tried.value;
      type = v._type or "";
      below = name: record (path ++ [ name ]);
      property = condition: {
        "<${type}>" = [
          condition
          (record path v.content)
        ];
      };
    in
    if !tried.success then
      { "<fails>" = true; }
    else if isAttrs v then
      if v ? "<lib>" then
        { "<stub>" = "lib"; }
      else if v ? "<stub>" then
        stand v."<stub>"
      else if v ? nixosConfigurations then
        # The flake itself has no end.
        { "<unknown>" = true; }
      else if type == "if" then
        property (below "<if>" v.condition)
      else if type == "override" || type == "order" then
        property v.priority
      else if type == "merge" then
        { "<merge>" = record path v.contents; }
      else if v.type or null == "derivation" then
        { "<derivation>" = v.name or "?"; }
      else
        real.mapAttrs' (name: value: {
          # What JSON would take for the whole set.
          name = if name == "outPath" || name == "__toString" then "<${name}>" else name;
          value = below name value;
        }) v
    else if isList v then
      real.imap0 (index: below "<${toString index}>") v
    else if isFunction v then
      # Modules of other evaluations are looked into.
      if builtins.functionArgs v == { } then
        { "<function>" = true; }
      else
        { "<call>" = record path (v argument); }
    else if isPath v then
      { "<path>" = stub.place v; }
    else if isString v then
      builtins.unsafeDiscardStringContext v
    else
      v;

  arguments = hosts.${host}."<host>".arguments;
  special = (arguments.extraArgs or { }) // (arguments.specialArgs or { });

  # A stand-in without what is declared below it.
  undeclared =
    set: path:
    let
      name = builtins.head path;
    in
    if !(set ? ${name}) then
      set
    else if builtins.length path == 1 then
      removeAttrs set [ name ]
    else if isAttrs set.${name} then
      set // { ${name} = undeclared set.${name} (builtins.tail path); }
    else
      set;

  recorder = {
    _file = "recorder";
    _module.freeformType = real.mkOptionType {
      name = "recorder";
      merge =
        _: definitions:
        builtins.foldl' undeclared (stub.make "config") declared
        // {
          "<definitions>" = map (definition: record [ ] definition.value) definitions;
        };
    };
    # What the tree asks for and no one gives.
    _module.args =
      mapAttrs (_: real.mkOptionDefault) (real.genAttrs known.formals stub.make)
      // {
        pkgs = real.mkOptionDefault pkgs;
      };
    "<recorder>" = true;
  };

  evaluated = real.evalModules {
    specialArgs = {
      modulesPath = "${toString stubs}/modulesPath";
      # Beside `_module.args`, too: what a module consists of may depend on it, and
      # the recorder has to see all of them before any argument is known.
      inherit lib pkgs;
    }
    // special;
    modules = arguments.modules ++ [ recorder ];
  };
in
if host == null then
  builtins.attrNames hosts
else
  {
    definitions = evaluated.config."<definitions>";
    specialArgs = mapAttrs (name: record [ "<specialArgs>" name ]) special;
    arguments = mapAttrs (name: record [ "<arguments>" name ]) (
      removeAttrs arguments [
        "modules"
        "specialArgs"
        "extraArgs"
      ]
    );
    moduleArguments = mapAttrs (name: record [ "<moduleArguments>" name ]) (
      removeAttrs (evaluated.config._module or evaluated._module).args (
        builtins.attrNames special
        ++ [
          "extendModules"
          "moduleType"
        ]
      )
    );
  }
