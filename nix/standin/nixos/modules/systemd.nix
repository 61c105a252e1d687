# Units: what hosts say of them, as files that systemd reads.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.systemd;
  inherit (config.standin) known;
  inherit (known) unitOption;

  names = description: mkOption {
    type = types.listOf types.str;
    default = [ ];
    inherit description;
  };
  section = description: mkOption {
    type = types.attrsOf unitOption;
    default = { };
    inherit description;
  };
  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };
  text = description: mkOption {
    type = types.lines;
    default = "";
    inherit description;
  };

  # What all kinds of units have.
  common = {
    enable = flag true "Whether there is such a unit.";
    description = mkOption {
      type = types.str;
      default = "";
      description = "What it is.";
    };
    documentation = names "Where to read on.";
    after = names "What it starts after.";
    before = names "What it starts before.";
    requires = names "What it cannot do without.";
    wants = names "What it wants started.";
    requisite = names "What has to run already.";
    bindsTo = names "What it lives and dies with.";
    partOf = names "What stops and restarts it.";
    conflicts = names "What it cannot run beside.";
    onFailure = names "What is started when it fails.";
    onSuccess = names "What is started when it is done.";
    wantedBy = names "What wants it.";
    requiredBy = names "What cannot do without it.";
    upheldBy = names "What keeps it up.";
    aliases = names "Its other names.";
    unitConfig = section "The section [Unit].";
    restartTriggers = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
      description = "Whatever changes with what should restart it.";
    };
    reloadTriggers = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
      description = "Whatever changes with what should reload it.";
    };
  };

  service = {
    serviceConfig = section "The section [Service].";
    environment = mkOption {
      type = types.attrsOf (
        types.nullOr (
          types.oneOf [
            types.str
            types.path
            types.package
          ]
        )
      );
      default = { };
      description = "Its variables.";
    };
    path = mkOption {
      type = types.listOf (
        types.oneOf [
          types.package
          types.str
        ]
      );
      default = [ ];
      description = "Packages whose programs it finds.";
    };
    script = text "What it runs.";
    scriptArgs = mkOption {
      type = types.str;
      default = "";
      description = "The arguments of that.";
    };
    preStart = text "What runs before.";
    postStart = text "What runs after the start.";
    reload = text "What reloads it.";
    preStop = text "What runs before it stops.";
    postStop = text "What runs after it stopped.";
    startAt = mkOption {
      type = types.either types.str (types.listOf types.str);
      default = [ ];
      apply = lib.toList;
      description = "When it is started.";
    };
    restartIfChanged = flag true "Whether a change restarts it.";
    reloadIfChanged = flag false "Whether a change reloads it.";
    stopIfChanged = flag true "Whether it is stopped before and started after the activation.";
  };

  units =
    description: kind: more:
    mkOption {
      inherit description;
      default = { };
      type = types.attrsOf (
        types.submodule (
          { name, ... }:
          {
            freeformType = known.at [
              "systemd"
              kind
            ];
            options =
              common
              // more
              // {
                name = mkOption {
                  type = types.str;
                  default = name;
                  description = "Its name.";
                };
              };
          }
        )
      );
    };
  list =
    description: kind: more:
    mkOption {
      inherit description;
      default = [ ];
      type = types.listOf (types.submodule { options = common // more; });
    };

  # ---- text ------------------------------------------------------------------

  word =
    value:
    if value == true then
      "true"
    else if value == false then
      "false"
    else
      toString value;
  lines =
    name: value:
    if value == null then
      ""
    else if lib.isList value then
      lib.concatMapStrings (lines name) value
    else
      "${name}=${word value}\n";
  sectionText =
    name: settings:
    let
      body = lib.concatStrings (lib.mapAttrsToList lines settings);
    in
    lib.optionalString (body != "") "[${name}]\n${body}\n";

  unitSection =
    unit: more:
    sectionText "Unit" (
      lib.filterAttrs (_: value: value != [ ] && value != "") {
        Description = unit.description;
        Documentation = unit.documentation;
        After = unit.after;
        Before = unit.before;
        Requires = unit.requires;
        Wants = unit.wants;
        Requisite = unit.requisite;
        BindsTo = unit.bindsTo;
        PartOf = unit.partOf;
        Conflicts = unit.conflicts;
        OnFailure = unit.onFailure;
        OnSuccess = unit.onSuccess;
        X-Restart-Triggers = map (one: "${one}") unit.restartTriggers;
        X-Reload-Triggers = map (one: "${one}") unit.reloadTriggers;
      }
      // more
      // unit.unitConfig
    );

  scriptFile =
    name: what: body: arguments:
    lib.optionalAttrs (body != "") {
      ${what} = [
        (lib.concatStringsSep " " (
          [
            "${pkgs.writeShellScript "unit-script-${lib.sanitizeDerivationName name}-${lib.toLower what}" "set -e\n${body}"}"
          ]
          ++ lib.optional (arguments != "") arguments
        ))
      ];
    };

  serviceText =
    name: unit:
    unitSection unit (
      lib.optionalAttrs (!unit.restartIfChanged) { X-RestartIfChanged = false; }
      // lib.optionalAttrs (!unit.stopIfChanged) { X-StopIfChanged = false; }
      // lib.optionalAttrs unit.reloadIfChanged { X-ReloadIfChanged = true; }
    )
    + sectionText "Service" (
      lib.zipAttrsWith
        (
          _: values: if lib.length values == 1 then lib.head values else lib.concatMap lib.toList values
        )
        [
          {
            Environment = lib.mapAttrsToList (variable: value: builtins.toJSON "${variable}=${toString value}") (
              lib.filterAttrs (_: value: value != null) (
                unit.environment
                // lib.optionalAttrs (unit.path != [ ]) {
                  PATH = lib.concatStringsSep ":" (
                    map (package: "${package}/bin") unit.path
                    ++ [
                      "/run/current-system/sw/bin"
                      "/usr/sbin"
                      "/usr/bin"
                      "/sbin"
                      "/bin"
                    ]
                  );
                }
              )
            );
          }
          (scriptFile name "ExecStartPre" unit.preStart "")
          (scriptFile name "ExecStart" unit.script unit.scriptArgs)
          (scriptFile name "ExecStartPost" unit.postStart "")
          (scriptFile name "ExecReload" unit.reload "")
          (scriptFile name "ExecStop" unit.preStop "")
          (scriptFile name "ExecStopPost" unit.postStop "")
          unit.serviceConfig
        ]
    );

  plainText =
    head: attribute: unit:
    unitSection unit { } + lib.optionalString (head != null) (sectionText head unit.${attribute});

  # Name of the file -> { unit, text }.
  files =
    suffix: show: set:
    lib.mapAttrs' (
      name: unit:
      lib.nameValuePair "${name}.${suffix}" {
        inherit unit;
        text = show name unit;
      }
    ) (lib.filterAttrs (_: unit: unit.enable) set);
  mountFiles =
    suffix: head: attribute: units:
    lib.listToAttrs (
      map (unit: {
        name = "${lib.escapeSystemdPath unit.where}.${suffix}";
        value = {
          inherit unit;
          text =
            unitSection unit { }
            + sectionText head (
              {
                Where = unit.where;
              }
              // lib.optionalAttrs (unit ? what) {
                What = unit.what;
                Type = unit.type;
              }
              // unit.${attribute}
            );
        };
      }) (lib.filter (unit: unit.enable) units)
    );

  all =
    files "service" serviceText cfg.services
    // files "timer" (_: plainText "Timer" "timerConfig") cfg.timers
    // files "socket" (
      _: unit:
      unitSection unit { }
      + sectionText "Socket" (
        lib.filterAttrs (_: value: value != [ ]) {
          ListenStream = unit.listenStreams;
          ListenDatagram = unit.listenDatagrams;
        }
        // unit.socketConfig
      )
    ) cfg.sockets
    // files "path" (_: plainText "Path" "pathConfig") cfg.paths
    // files "slice" (_: plainText "Slice" "sliceConfig") cfg.slices
    // files "target" (_: plainText null null) cfg.targets
    // mountFiles "mount" "Mount" "mountConfig" cfg.mounts
    // mountFiles "automount" "Automount" "automountConfig" cfg.automounts;
  ofUsers =
    files "service" serviceText cfg.user.services
    // files "timer" (_: plainText "Timer" "timerConfig") cfg.user.timers
    // files "socket" (_: plainText "Socket" "socketConfig") cfg.user.sockets
    // files "target" (_: plainText null null) cfg.user.targets;

  directory =
    name: set:
    pkgs.runCommand name { } (
      ''mkdir -p "$out"''
      + "\n"
      + lib.concatStrings (
        lib.mapAttrsToList (
          file: one:
          let
            source = pkgs.writeTextFile {
              name = "unit-${lib.sanitizeDerivationName file}";
              inherit (one) text;
            };
            quoted = lib.escapeShellArg file;
            from =
              kind: other:
              ''
                mkdir -p "$out/"${lib.escapeShellArg "${other}.${kind}"}
                ln -sf ../${quoted} "$out/"${lib.escapeShellArg "${other}.${kind}"}/
              '';
          in
          ''
            ln -s ${source} "$out/"${quoted}
          ''
          + lib.concatMapStrings (from "wants") one.unit.wantedBy
          + lib.concatMapStrings (from "requires") one.unit.requiredBy
          + lib.concatMapStrings (from "upholds") one.unit.upheldBy
          + lib.concatMapStrings (alias: ''
            ln -sf ${quoted} "$out/"${lib.escapeShellArg alias}
          '') one.unit.aliases
        ) set
      )
    );

  timers =
    services:
    lib.mapAttrs (_: unit: {
      wantedBy = [ "timers.target" ];
      timerConfig.OnCalendar = unit.startAt;
    }) (lib.filterAttrs (_: unit: unit.enable && unit.startAt != [ ]) services);
in
{
  options.systemd = {
    services = units "Services." "services" service;
    timers = units "Timers." "timers" { timerConfig = section "The section [Timer]."; };
    sockets = units "Sockets." "sockets" {
      socketConfig = section "The section [Socket].";
      listenStreams = names "Addresses of streams.";
      listenDatagrams = names "Addresses of datagrams.";
    };
    paths = units "Watched paths." "paths" { pathConfig = section "The section [Path]."; };
    slices = units "Slices." "slices" { sliceConfig = section "The section [Slice]."; };
    targets = units "Targets." "targets" { };
    mounts = list "Mounts." "mounts" {
      where = mkOption {
        type = types.str;
        description = "Where.";
      };
      what = mkOption {
        type = types.str;
        description = "What.";
      };
      type = mkOption {
        type = types.str;
        default = "";
        description = "Of which kind.";
      };
      mountConfig = section "The section [Mount].";
    };
    automounts = list "Mounts on demand." "automounts" {
      where = mkOption {
        type = types.str;
        description = "Where.";
      };
      automountConfig = section "The section [Automount].";
    };
    user = {
      services = units "Services of users." "services" service;
      timers = units "Timers of users." "timers" { timerConfig = section "The section [Timer]."; };
      sockets = units "Sockets of users." "sockets" {
        socketConfig = section "The section [Socket].";
      };
      targets = units "Targets of users." "targets" { };
    };
    tmpfiles.rules = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Files that are made and removed.";
    };
  };

  config = {
    systemd.timers = timers cfg.services;
    systemd.user.timers = timers cfg.user.services;
    environment.etc = {
      "tmpfiles.d/00-nixos.conf".text = lib.concatLines cfg.tmpfiles.rules;
      "systemd/user".source = directory "user-units" ofUsers;
    };
    system.build.units = directory "system-units" all;
  };
}
