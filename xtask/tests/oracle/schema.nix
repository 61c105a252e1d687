# What the modules of the random import trees may set.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  list = types.listOf types.str;

  inner = types.submodule {
    options = {
      l = option list [ ];
      t = option types.lines "";
    };
  };
  middle = types.submodule {
    options = {
      l = option list [ ];
      n.l = option list [ ];
      s = option types.str "";
      sub = option (types.attrsOf inner) { };
    };
  };
  outer = types.submodule {
    options = {
      l = option list [ ];
      t = option types.lines "";
      a = option (types.attrsOf list) { };
      n = {
        l = option list [ ];
        one = option middle { };
      };
      sub = option (types.attrsOf middle) { };
    };
  };
in
{
  options.g.flag = option types.bool false;
  options.w = {
    list = option list [ ];
    lines = option types.lines "";
    str = option types.str "";
    int = option types.int 7;
    maybe = option (types.nullOr list) null;
    attrs = option (types.attrsOf list) { };
    lazy = option (types.lazyAttrsOf list) { };
    flat = option types.attrs { };
    sub = option (types.attrsOf outer) { };
    one = option outer { };
    ns = {
      list = option list [ ];
      lines = option types.lines "";
      sub = option (types.attrsOf middle) { };
    };
  };
}
