# The functions of the package set: files, scripts, trees of links, formats.
{
  lib,
  system,
  builder,
  final,
  config,
}:
let
  platform = lib.systems.elaborate system;

  inherit (lib) escapeShellArg;

  writeTextFile =
    {
      name,
      text,
      executable ? false,
      destination ? "",
      checkPhase ? "",
      meta ? { },
      ...
    }:
    finish (
      builder {
        inherit name text;
        passAsFile = [ "text" ];
        script = ''
          target="$out"${escapeShellArg destination}
          mkdir -p "$(dirname "$target")"
          cp "$textPath" "$target"
          ${lib.optionalString executable ''chmod +x "$target"''}
          ${checkPhase}
        '';
      }
    ) { inherit meta; };

  finish =
    drv: more:
    drv
    // {
      meta = { };
      version = "standin";
      overrideAttrs = _: finish drv more;
      override = _: finish drv more;
    }
    // more;

  runCommandWith =
    name: environment: script:
    finish (builder (
      # Nothing is looked at before the derivation is asked for.
      lib.mapAttrs
        (_: value: if lib.isAttrs value && !(value ? outPath) || lib.isFunction value then null else value)
        (
          removeAttrs environment [
            "meta"
            "passthru"
            "nativeBuildInputs"
            "buildInputs"
          ]
        )
      // {
        inherit name;
        __ignoreNulls = true;
        script = ''
          # Tools of the machine come first, stand-ins only where it has none.
          for input in ${
            lib.concatMapStringsSep " " toString (
              lib.filter (input: input != null) (
                environment.nativeBuildInputs or [ ] ++ environment.buildInputs or [ ]
              )
            )
          }; do
            PATH="$PATH:$input/bin"
          done
          ${script}
        '';
      }
    )) { meta = environment.meta or { }; };

  links =
    name: pairs:
    runCommandWith name { } (
      ''mkdir -p "$out"''
      + "\n"
      + lib.concatMapStrings (pair: ''
        mkdir -p "$out/$(dirname ${escapeShellArg pair.name})"
        ln -s ${escapeShellArg "${pair.path}"} "$out/"${escapeShellArg pair.name}
      '') pairs
    );

  # Trees laid over each other, the first one wins.
  union =
    name: paths: after:
    builder {
      inherit name;
      paths = map toString paths;
      passAsFile = [ "paths" ];
      script = ''
        mkdir -p "$out"
        for tree in $(cat "$pathsPath"); do
          [ -d "$tree" ] || continue
          ( cd "$tree" && find . -type d ) | while read -r directory; do mkdir -p "$out/$directory"; done
          ( cd "$tree" && find . ! -type d ) | while read -r file; do
            if [ ! -e "$out/$file" ] && [ ! -L "$out/$file" ]; then ln -s "$tree/$file" "$out/$file"; fi
          done
        done
        ${after}
      '';
    };

  mkDerivation =
    given:
    let
      arguments = if lib.isFunction given then lib.fix given else given;
      name = arguments.name or "${arguments.pname}-${arguments.version or "0"}";
    in
    runCommandWith name (removeAttrs arguments [
      "name"
      "src"
      "system"
      "builder"
      "args"
    ]) (
      if arguments ? buildCommand then
        arguments.buildCommand
      else
        ''
          mkdir -p "$out"
          ${arguments.installPhase or ''echo ${escapeShellArg name} > "$out/standin"''}
        ''
    )
    // {
      inherit (arguments) meta;
      passthru = arguments.passthru or { };
    }
    // arguments.passthru or { };

  absent = function: what: {
    type = "derivation";
    name = "${function}-standin";
    outPath = builder {
      name = "${function}-standin";
      inherit what;
      script = ''
        echo "${function}: the offline stand-in fetches nothing: $what" >&2
        exit 1
      '';
    };
  };
  fetcher =
    function: arguments:
    absent function (
      builtins.toJSON (lib.filterAttrs (_: value: lib.isString value || lib.isList value) arguments)
    );

  format =
    extension: show:
    _: {
      type = (import ../options { inherit lib; }).byValue;
      generate =
        name: value:
        writeTextFile {
          inherit name;
          text = show value;
        };
      inherit extension;
    };
in
{
  stdenv = {
    inherit mkDerivation system;
    hostPlatform = platform;
    buildPlatform = platform;
    targetPlatform = platform;
    inherit (platform)
      isLinux
      isDarwin
      isAarch64
      isx86_64
      isi686
      is64bit
      ;
    shell = "${final.bash}/bin/bash";
    cc = final.gcc;
  };
  inherit (final.stdenv) hostPlatform buildPlatform targetPlatform;
  stdenvNoCC = final.stdenv;
  inherit (final) config;
  buildPackages = final;
  targetPackages = final;
  pkgsBuildBuild = final;
  pkgsBuildHost = final;
  pkgsHostTarget = final;
  pkgsCross = { };
  runtimeShell = "/bin/bash";

  mkShell =
    given:
    mkDerivation {
      name = given.name or "nix-shell";
      tools = map toString (given.packages or [ ] ++ given.nativeBuildInputs or [ ]);
      meta = { };
    };
  rustPlatform.buildRustPackage =
    given:
    mkDerivation {
      inherit (given) pname version meta;
      source = toString given.src;
      lock = builtins.hashFile "sha256" given.cargoLock.lockFile;
      installPhase = ''
        mkdir -p "$out/bin"
        printf '#!/bin/sh\necho "the offline stand-in builds no Rust" >&2\nexit 1\n' > "$out/bin/${given.meta.mainProgram}"
        chmod +x "$out/bin/${given.meta.mainProgram}"
      '';
    };

  inherit writeTextFile mkDerivation;
  writeText = name: text: writeTextFile { inherit name text; };
  writeTextDir =
    path: text:
    writeTextFile {
      name = baseNameOf path;
      inherit text;
      destination = "/${path}";
    };
  writeScript =
    name: text:
    writeTextFile {
      inherit name text;
      executable = true;
    };
  writeScriptBin =
    name: text:
    writeTextFile {
      inherit name text;
      executable = true;
      destination = "/bin/${name}";
      meta.mainProgram = name;
    };
  writeShellScript =
    name: text:
    writeTextFile {
      inherit name;
      text = "#!${final.runtimeShell}\n${text}";
      executable = true;
      checkPhase = ''bash -n "$target"'';
    };
  writeShellScriptBin =
    name: text:
    writeTextFile {
      inherit name;
      text = "#!${final.runtimeShell}\n${text}";
      executable = true;
      destination = "/bin/${name}";
      checkPhase = ''bash -n "$target"'';
      meta.mainProgram = name;
    };
  writeShellApplication =
    {
      name,
      text,
      runtimeInputs ? [ ],
      ...
    }:
    writeTextFile {
      inherit name;
      text = ''
        #!${final.runtimeShell}
        set -eu
        PATH="${lib.makeBinPath runtimeInputs}:$PATH"
        ${text}
      '';
      executable = true;
      destination = "/bin/${name}";
      checkPhase = ''bash -n "$target"'';
      meta.mainProgram = name;
    };
  concatText =
    name: files:
    runCommandWith name { } "cat ${lib.concatMapStringsSep " " (file: "${file}") files} > $out";
  copyPathToStore = path: builtins.path { inherit path; };
  emptyDirectory = runCommandWith "empty-directory" { } ''mkdir "$out"'';
  emptyFile = runCommandWith "empty-file" { } ''touch "$out"'';

  runCommand = runCommandWith;
  runCommandLocal = runCommandWith;
  runCommandCC = runCommandWith;
  runCommandNoCC = runCommandWith;
  symlinkJoin =
    {
      name ? "${lib.getName (builtins.head paths)}-joined",
      paths,
      postBuild ? "",
      meta ? { },
      ...
    }:
    finish (union name paths postBuild) { inherit meta paths; };
  buildEnv =
    {
      name,
      paths,
      postBuild ? "",
      ...
    }:
    finish (union name paths postBuild) { inherit paths; };
  linkFarm =
    name: entries:
    links name (
      if lib.isList entries then
        entries
      else
        lib.mapAttrsToList (name: path: { inherit name path; }) entries
    );
  linkFarmFromDrvs = name: drvs: links name (map (drv: { inherit (drv) name; path = drv; }) drvs);
  makeSetupHook = { name, ... }: _: final.emptyDirectory // { inherit name; };
  substituteAll = arguments: writeTextFile { inherit (arguments) name; text = builtins.readFile arguments.src; };
  replaceVars =
    file: variables:
    writeTextFile {
      name = baseNameOf file;
      text = builtins.replaceStrings (map (name: "@${name}@") (lib.attrNames variables)) (map toString (
        lib.attrValues variables
      )) (builtins.readFile file);
    };

  formats = {
    json = format "json" builtins.toJSON;
    yaml = format "yaml" builtins.toJSON;
    toml = format "toml" builtins.toJSON;
    ini = arguments: format "ini" (lib.generators.toINI { }) arguments;
    keyValue = arguments: format "conf" (lib.generators.toKeyValue { }) arguments;
    systemd = format "conf" (lib.generators.toINI { listsAsDuplicateKeys = true; }) { };
  };

  fetchurl = fetcher "fetchurl";
  fetchzip = fetcher "fetchzip";
  fetchgit = fetcher "fetchgit";
  fetchpatch = fetcher "fetchpatch";
  fetchFromGitHub = fetcher "fetchFromGitHub";
  fetchFromGitLab = fetcher "fetchFromGitLab";
  fetchFromGitea = fetcher "fetchFromGitea";
  fetchTarball = fetcher "fetchTarball";
}
