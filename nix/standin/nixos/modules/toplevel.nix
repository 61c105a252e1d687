# The system as one path. Whatever is defined ends up in it, so that no change of a
# definition leaves the path as it was.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  own = toString ./.;

  # A value as JSON can hold it. Files and packages become their paths, and with that
  # dependencies of the system.
  plain =
    value:
    if lib.isAttrs value then
      if value ? outPath then
        "${value}"
      else if lib.isFunction value then
        "<function>"
      else if value ? __toString then
        toString value
      else
        lib.mapAttrs (_: plain) value
    else if lib.isList value then
      map plain value
    else if builtins.isPath value then
      "${value}"
    else if lib.isFunction value then
      "<function>"
    else
      value;

  # Options that the stand-in declares, but those that say nothing of the host.
  declared =
    path: options:
    lib.filterAttrs (_: value: value != { }) (
      lib.mapAttrs (
        name: below:
        let
          here = path ++ [ name ];
        in
        if lib.isOption below then
          # Defaults follow from what is defined.
          lib.optionalAttrs
            (lib.any (file: lib.hasPrefix own (toString file)) below.declarations && below.highestPrio < 1500)
            {
            value = builtins.addErrorContext "while evaluating the option `${lib.showOption here}':" (
              plain below.value
            );
          }
        else
          declared here below
      ) options
    );
  described = removeAttrs config.standin.options [
    "_module"
    "assertions"
    "lib"
    "meta"
    "nixpkgs"
    "specialisation"
    "standin"
    "warnings"
  ];

  everything = {
    declared = declared [ ] (
      described // { system = removeAttrs described.system [ "build" ]; }
    );
    undeclared = plain (config.standin.known.definitions config.standin.undeclared);
    platform = config.nixpkgs.hostPlatform.system;
    packages = plain config.nixpkgs.config;
  };

  failed = map (one: one.message) (lib.filter (one: !one.assertion) config.assertions);
  checked =
    system:
    if failed != [ ] then
      throw "\nFailed assertions:\n${lib.concatMapStringsSep "\n" (message: "- ${message}") failed}"
    else
      lib.foldr lib.warn system config.warnings;

  kernelParams = lib.concatStringsSep " " config.boot.kernelParams;

  system = pkgs.runCommand "nixos-system-${config.system.name}-${config.system.nixos.label}" {
    definitions = builtins.toJSON everything;
    passAsFile = [
      "definitions"
      "activate"
      "switcher"
    ];
    activate = builtins.readFile ./activate.sh;
    switcher = builtins.readFile ./switch-to-configuration.sh;
    inherit kernelParams;
    inherit (config.standin) initInterface;
    inherit (config.system.nixos) label;
    platform = config.nixpkgs.hostPlatform.system;
    inherit (config.system.build)
      activation
      dryActivation
      etc
      installBootLoader
      preSwitchChecks
      units
      ;
    sw = config.system.build.path;
    extra = map toString config.system.extraDependencies;
  } (
    ''
      mkdir -p "$out/bin" "$out/specialisation"
      cp "$definitionsPath" "$out/definitions.json"
      echo "$label" | tr -d '\n' > "$out/nixos-version"
      echo "$platform" | tr -d '\n' > "$out/system"
      echo "$kernelParams" | tr -d '\n' > "$out/kernel-params"
      echo "$initInterface" | tr -d '\n' > "$out/init-interface-version"
      echo "$extra" > "$out/extra-dependencies"
      # There is no kernel to build: what names one says what it would be started with.
      echo "stand-in of a kernel for $platform" > "$out/kernel"
      printf '%s\n' "$kernelParams" "stand-in of a first stage" > "$out/initrd"
      ln -s "$sw" "$out/sw"
      mkdir -p "$out/etc/systemd"
      for entry in "$etc"/etc/* "$etc"/etc/.[!.]*; do
        [ -e "$entry" ] || [ -L "$entry" ] || continue
        case "$entry" in
          */systemd) for inner in "$entry"/*; do ln -s "$inner" "$out/etc/systemd/"; done ;;
          *) ln -s "$entry" "$out/etc/" ;;
        esac
      done
      ln -s "$units" "$out/etc/systemd/system"
      ln -s "$etc/modes" "$out/etc-modes"
      ln -s "$preSwitchChecks" "$out/pre-switch-checks"
      ln -s "$installBootLoader" "$out/install-boot-loader"

      for name in activate dry-activate; do
        part=$activation
        [ "$name" = activate ] || part=$dryActivation
        sed -e "s|@out@|$out|g" -e "s|@action@|$name|g" "$activatePath" \
          | sed -e "/^@snippets@\$/{r $part
      d}" > "$out/$name"
        chmod +x "$out/$name"
      done
      sed -e "s|@out@|$out|g" "$switcherPath" > "$out/bin/switch-to-configuration"
      chmod +x "$out/bin/switch-to-configuration"
      printf '#!/bin/sh\n# What the kernel of a real system starts.\n%s/activate\nexec /sbin/init "$@"\n' "$out" > "$out/init"
      chmod +x "$out/init"
    ''
    + lib.concatStrings (
      lib.mapAttrsToList (name: variant: ''
        ln -s ${variant} "$out/specialisation/"${lib.escapeShellArg name}
      '') config.system.build.specialisations
    )
  );
in
{
  config.system.build.toplevel = checked system;
}
