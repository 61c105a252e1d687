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
#   stubs    directory with names.json, written by the test
{
  library,
  tree,
  host ? null,
  stubs,
  contents ? false,
}:
let
  inherit (builtins)
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
    inherit tree contents;
  };

  capture = function: arguments: {
    "<host>" = { inherit function arguments; };
    config = stub.make "host.config";
    options = stub.make "host.options";
    pkgs = stub.make "host.pkgs";
  };

  lib = real.extend (
    _: _: {
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
    inherit lib;
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

  record =
    value:
    let
      tried = tryEval value;
      v = tried.value;
      type = v._type or "";
    in
    if !tried.success then
      { "<fails>" = true; }
    else if isAttrs v then
      if v ? "<stub>" then
        { "<stub>" = v."<stub>"; }
      else if v ? mkIf && v ? types then
        { "<stub>" = "lib"; }
      else if type == "if" then
        {
          "<if>" = [
            (record v.condition)
            (record v.content)
          ];
        }
      else if type == "override" then
        {
          "<override>" = [
            v.priority
            (record v.content)
          ];
        }
      else if type == "order" then
        {
          "<order>" = [
            v.priority
            (record v.content)
          ];
        }
      else if type == "merge" then
        { "<merge>" = record v.contents; }
      else if v.type or null == "derivation" then
        { "<derivation>" = v.name or "?"; }
      else
        real.mapAttrs' (name: value: {
          # What JSON would take for the whole set.
          name = if name == "outPath" || name == "__toString" then "<${name}>" else name;
          value = record value;
        }) v
    else if isList v then
      map record v
    else if isFunction v then
      # Modules of other evaluations are looked into.
      if builtins.functionArgs v == { } then
        { "<function>" = true; }
      else
        { "<call>" = record (v argument); }
    else if isPath v then
      { "<path>" = stub.place v; }
    else if isString v then
      builtins.unsafeDiscardStringContext v
    else
      v;

  arguments = hosts.${host}."<host>".arguments;
  special = (arguments.extraArgs or { }) // (arguments.specialArgs or { });

  recorder = {
    _file = "recorder";
    _module.freeformType = real.mkOptionType {
      name = "recorder";
      merge =
        _: definitions:
        stub.make "config"
        // {
          "<definitions>" = map (definition: record definition.value) definitions;
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
      inherit lib;
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
    specialArgs = mapAttrs (_: record) special;
    arguments = mapAttrs (_: record) (
      removeAttrs arguments [
        "modules"
        "specialArgs"
        "extraArgs"
      ]
    );
    moduleArguments = mapAttrs (_: record) (
      removeAttrs (evaluated.config._module or evaluated._module).args (
        builtins.attrNames special
        ++ [
          "extendModules"
          "moduleType"
        ]
      )
    );
  }
