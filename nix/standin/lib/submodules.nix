# Types whose values are modules of an evaluation of their own.
{ lib }:
let
  inherit (builtins) isAttrs isList;
  inherit (lib.types) mkOptionType;

  submoduleWith =
    given@{
      modules,
      specialArgs ? { },
      shorthandOnlyDefinesConfig ? false,
      description ? null,
      class ? null,
    }:
    let
      # Definitions are modules as they are written, or all configuration.
      asModule =
        definition:
        if isAttrs definition.value && shorthandOnlyDefinesConfig then
          {
            _file = definition.file;
            config = definition.value;
          }
        else
          {
            _file = definition.file;
            imports = [ definition.value ];
          };
      evaluate =
        path: more:
        lib.evalModules {
          inherit specialArgs class;
          prefix = path;
          modules =
            modules
            ++ [
              {
                _file = "the name of a submodule";
                config._module.args.name = lib.last path;
              }
            ]
            ++ more;
        };
      documented = lib.evalModules {
        inherit specialArgs class;
        modules = [
          { _module.args.name = lib.mkOptionDefault "‹name›"; }
        ]
        ++ modules;
      };
    in
    mkOptionType {
      name = "submodule";
      description = if description == null then "submodule" else description;
      check = value: isAttrs value || lib.isFunction value || lib.types.path.check value;
      merge = path: definitions: (evaluate path (map asModule definitions)).config;
      emptyValue.value = { };
      getSubOptions =
        prefix:
        (documented.extendModules { inherit prefix; }).options;
      getSubModules = modules;
      substSubModules = modules: submoduleWith (given // { inherit modules; });
      nestedTypes = { };
      functor = {
        name = "submodule";
        payload = given;
        merge =
          other:
          submoduleWith {
            modules = modules ++ other.payload.modules;
            specialArgs = specialArgs // other.payload.specialArgs or { };
            shorthandOnlyDefinesConfig =
              shorthandOnlyDefinesConfig || other.payload.shorthandOnlyDefinesConfig or false;
            inherit class;
          };
      };
    };

  deferredModuleWith =
    {
      staticModules ? [ ],
    }:
    mkOptionType {
      name = "deferredModule";
      description = "module";
      check = value: isAttrs value || lib.isFunction value || lib.types.path.check value;
      merge = path: definitions: {
        imports =
          staticModules
          ++ map (
            definition:
            lib.setDefaultModuleLocation "${definition.file}, via option ${lib.showOption path}" definition.value
          ) definitions;
      };
      getSubModules = staticModules;
      substSubModules = modules: deferredModuleWith { staticModules = modules; };
      functor.merge = _: null;
    };
in
{
  inherit deferredModuleWith submoduleWith;
  deferredModule = deferredModuleWith { };
  submodule =
    modules:
    submoduleWith {
      shorthandOnlyDefinesConfig = true;
      modules = if isList modules then modules else [ modules ];
    };
  optionSet = throw "types.optionSet is gone: use types.submodule";
}
