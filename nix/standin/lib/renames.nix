# Modules for options that moved or went.
{ lib }:
let
  inherit (lib)
    attrByPath
    getAttrFromPath
    mkIf
    mkOption
    setAttrByPath
    showOption
    ;

  rename =
    {
      from,
      to,
      change ? value: value,
      visible ? false,
    }:
    { config, options, ... }:
    let
      old = getAttrFromPath from options;
    in
    {
      options = setAttrByPath from (mkOption {
        inherit visible;
        type = lib.types.unspecified;
        description = "Alias of `${showOption to}`.";
        apply = _: getAttrFromPath to config;
      });
      config = setAttrByPath to (
        mkIf old.isDefined (
          lib.mkMerge (map (value: lib.mkOverride old.highestPrio (change value)) old.definitions)
        )
      );
    };
in
{
  doRename = rename;
  mkRenamedOptionModule = from: to: rename { inherit from to; };
  mkRenamedOptionModuleWith = { from, to, ... }: rename { inherit from to; };
  mkAliasOptionModule = from: to: rename { inherit from to; visible = true; };
  mkAliasOptionModuleMD = from: to: rename { inherit from to; visible = true; };
  mkRemovedOptionModule =
    path: why:
    { options, ... }:
    {
      options = setAttrByPath path (mkOption {
        visible = false;
        apply = _: throw "The option `${showOption path}' was removed. ${why}";
      });
      config.assertions =
        let
          option = getAttrFromPath path options;
        in
        [
          {
            assertion = !option.isDefined;
            message = "The option `${showOption path}' was removed, and ${lib.showFiles option.files} still sets it. ${why}";
          }
        ];
    };
  mkChangedOptionModule =
    from: to: change:
    { config, options, ... }:
    {
      options = setAttrByPath from (mkOption {
        visible = false;
        type = lib.types.unspecified;
      });
      config = setAttrByPath to (
        mkIf (attrByPath from { isDefined = false; } options).isDefined (change config)
      );
    };
  mkMergedOptionModule =
    froms: to: change:
    { config, options, ... }:
    {
      options = lib.foldl' lib.recursiveUpdate { } (
        map (from: setAttrByPath from (mkOption { visible = false; })) froms
      );
      config = setAttrByPath to (
        mkIf (lib.any (from: (getAttrFromPath from options).isDefined) froms) (change config)
      );
    };
}
