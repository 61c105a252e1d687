# What every system has: assertions, the package set, names and versions.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.system;
in
{
  options = {
    # For the modules of the stand-in among themselves.
    standin = {
      source = mkOption {
        type = types.raw;
        internal = true;
        description = "Where the stand-in lies in the store.";
      };
      known = mkOption {
        type = types.raw;
        internal = true;
        description = "What is known of options that nobody declares.";
      };
      options = mkOption {
        type = types.raw;
        internal = true;
        description = "All declared options of the host.";
      };
      undeclared = mkOption {
        type = types.raw;
        internal = true;
        description = "Definitions that no declared option takes.";
      };
      initInterface = mkOption {
        type = types.str;
        default = "systemd 2";
        description = "How the system is started. Where this differs from the running system, only a reboot gets there.";
      };
    };

    assertions = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
      internal = true;
      description = "What has to hold, as { assertion, message }.";
    };
    warnings = mkOption {
      type = types.listOf types.str;
      default = [ ];
      internal = true;
      description = "What the user is told when the host is evaluated.";
    };

    nixpkgs = {
      pkgs = mkOption {
        type = types.nullOr types.raw;
        default = null;
        description = "The package set, if it is not to be made from the other options.";
      };
      config = mkOption {
        type = types.attrs;
        default = { };
        description = "The configuration of the package set.";
      };
      overlays = mkOption {
        type = types.listOf types.raw;
        default = [ ];
        description = "Changes to the package set.";
      };
      system = mkOption {
        type = types.str;
        description = "The system, as older configurations say it.";
      };
      hostPlatform = mkOption {
        type = types.either types.str types.attrs;
        default = config.nixpkgs.system;
        apply = lib.systems.elaborate;
        description = "What the host runs on.";
      };
      buildPlatform = mkOption {
        type = types.either types.str types.attrs;
        default = config.nixpkgs.hostPlatform.system;
        apply = lib.systems.elaborate;
        description = "What the host is built on.";
      };
    };

    system = {
      stateVersion = mkOption {
        type = types.str;
        default = cfg.nixos.release;
        description = "The release that the state on disk is of.";
      };
      name = mkOption {
        type = types.str;
        default = if config.networking.hostName == "" then "unnamed" else config.networking.hostName;
        description = "The name in the store.";
      };
      nixos = {
        release = mkOption {
          type = types.str;
          default = lib.release;
          readOnly = true;
          description = "The release.";
        };
        version = mkOption {
          type = types.str;
          default = lib.version;
          description = "The version.";
        };
        label = mkOption {
          type = types.str;
          default = cfg.nixos.version;
          description = "What the boot menu says.";
        };
        versionSuffix = mkOption {
          type = types.str;
          default = "pre-standin";
          description = "What follows the release in the version.";
        };
        revision = mkOption {
          type = types.nullOr types.str;
          default = null;
          description = "The revision of nixpkgs.";
        };
        codeName = mkOption {
          type = types.str;
          default = lib.codeName;
          description = "What the release is called.";
        };
      };
      configurationRevision = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "The revision of the fleet.";
      };
      build = mkOption {
        type = types.lazyAttrsOf types.unspecified;
        default = { };
        description = "What can be built of the host.";
      };
      extraDependencies = mkOption {
        type = types.listOf types.pathInStore;
        default = [ ];
        description = "Further paths that the system keeps.";
      };
    };

    networking = {
      hostName = mkOption {
        type = types.strMatching "|[[:alnum:]]([[:alnum:]_-]{0,61}[[:alnum:]])?";
        default = "nixos";
        description = "The name of the host.";
      };
      domain = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "Its domain.";
      };
      fqdn = mkOption {
        type = types.str;
        default =
          if config.networking.domain == null then
            throw "networking.fqdn is not known without networking.domain"
          else
            "${config.networking.hostName}.${config.networking.domain}";
        description = "Both.";
      };
      fqdnOrHostName = mkOption {
        type = types.str;
        default =
          if config.networking.domain == null then
            config.networking.hostName
          else
            config.networking.fqdn;
        description = "Both, or the name.";
      };
    };

    lib = mkOption {
      type = types.attrsOf types.attrs;
      default = { };
      description = "Functions for other modules.";
    };
    meta = mkOption {
      type = types.attrsOf types.raw;
      default = { };
      internal = true;
      description = "Who keeps the modules.";
    };
  };
}
