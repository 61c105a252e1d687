# What is run when a system becomes the current one.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;

  snippet = types.submodule {
    options = {
      text = mkOption {
        type = types.lines;
        description = "What is run.";
      };
      deps = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "What is run before.";
      };
      supportsDryActivation = mkOption {
        type = types.bool;
        default = false;
        description = "Whether it may be run when nothing is to be changed.";
      };
    };
  };
  snippets = mkOption {
    type = types.attrsOf (types.coercedTo types.str (text: { inherit text; }) snippet);
    default = { };
    description = "Parts of the activation.";
  };

  # Names in an order in which nobody comes before what it depends on.
  ordered =
    set:
    let
      visit =
        above: done: name:
        if lib.elem name done || !(set ? ${name}) then
          done
        else if lib.elem name above then
          throw "system.activationScripts: ${lib.concatStringsSep " -> " (above ++ [ name ])} is a circle"
        else
          lib.foldl' (visit (above ++ [ name ])) done set.${name}.deps ++ [ name ];
    in
    lib.foldl' (visit [ ]) [ ] (lib.attrNames set);

  text =
    set:
    lib.concatMapStrings (name: ''
      snippet ${lib.escapeShellArg name} <<'SNIPPET-${name}'
      ${set.${name}.text}
      SNIPPET-${name}
    '') (ordered set);
  dry = lib.filterAttrs (_: one: one.supportsDryActivation) config.system.activationScripts;
in
{
  options.system = {
    activationScripts = snippets;
    userActivationScripts = snippets;
    preSwitchChecks = mkOption {
      type = types.attrsOf types.lines;
      default = { };
      description = "What has to succeed before anything is changed.";
    };
  };

  config.system.build = {
    activation = pkgs.writeText "activation" (text config.system.activationScripts);
    dryActivation = pkgs.writeText "dry-activation" (text dry);
    preSwitchChecks = pkgs.writeShellScript "pre-switch-checks" (
      lib.concatStrings (
        lib.mapAttrsToList (name: check: ''
          if ! ( ${check}
          ); then
            echo ${lib.escapeShellArg "Pre-switch check '${name}' failed"} >&2
            exit 1
          fi
        '') config.system.preSwitchChecks
      )
    );
  };
}
