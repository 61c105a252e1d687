# secrix: secrets that a host decrypts when it needs them.
#
# Options and places are those of the real one; what decrypts is a unit that leaves a
# note saying which file it would have decrypted.
{ lib, packagesFor }:
let
  inherit (lib) mkOption types;

  text = default: description: mkOption {
    type = types.str;
    inherit default description;
  };

  # The options of one secret that is decrypted below `directory`.
  secret =
    {
      directory,
      keys,
    }:
    { name, config, ... }:
    {
      options = {
        name = text name "What the secret is called.";
        encryptKeys = mkOption {
          type = types.attrsOf (types.listOf types.str);
          default = keys;
          description = "Public keys that the secret is encrypted for.";
        };
        encrypted.file = mkOption {
          type = types.path;
          description = "The encrypted file.";
        };
        decrypted = {
          name = text config.name "The name of the decrypted file.";
          mode = text "0400" "Its permissions.";
          user = text "0" "Its owner.";
          group = text "0" "Its group.";
          path = mkOption {
            type = types.str;
            default = "${directory}/${config.name}";
            readOnly = true;
            description = "Where it is found on the running host.";
          };
          builder = mkOption {
            type = types.nullOr (types.either types.lines (types.functionTo types.lines));
            default = null;
            description = "What is done to the decrypted text before it is put in place.";
          };
        };
      };
    };

  # Puts every secret of a service in its place.
  decrypt =
    directory: secrets:
    lib.concatStrings (
      [ "mkdir -p ${directory}\n" ]
      ++ lib.mapAttrsToList (_: one: ''
        printf '%s\n' 'decrypted from ${one.encrypted.file}' > ${one.decrypted.path}
        chmod ${one.decrypted.mode} ${one.decrypted.path}
        chown ${one.decrypted.user}:${one.decrypted.group} ${one.decrypted.path} || true
      '') secrets
    );

  module =
    { config, lib, ... }:
    let
      cfg = config.secrix;
      withSecrets = lib.filterAttrs (_: service: service.secrets != { }) cfg.services;
    in
    {
      _file = "secrix";
      key = "secrix";
      options.secrix = {
        ageBin = text "/usr/bin/age" "The program that encrypts and decrypts.";
        hostIdentityFile = text "/etc/ssh/ssh_host_ed25519_key" "The private key of the host.";
        hostPubKey = mkOption {
          type = types.nullOr types.str;
          default = null;
          description = "The public key of the host.";
        };
        defaultEncryptKeys = mkOption {
          type = types.attrsOf (types.listOf types.str);
          default = { };
          description = "Public keys that every secret is encrypted for.";
        };
        system = {
          secretsDir = {
            name = text "system-keys" "The directory below /run.";
            permissions = text "111" "Its permissions.";
            user = text "0" "Its owner.";
            group = text "0" "Its group.";
          };
          secretsServiceName = text "system-keys" "The unit that decrypts.";
          secrets = mkOption {
            type = types.attrsOf (
              types.submodule (secret {
                directory = "/run/${cfg.system.secretsDir.name}";
                keys = cfg.defaultEncryptKeys;
              })
            );
            default = { };
            description = "Secrets that stay decrypted while the host is up.";
          };
        };
        services = mkOption {
          default = { };
          description = "Secrets that are decrypted for one service.";
          type = types.attrsOf (
            types.submodule (
              { name, config, ... }:
              {
                options = {
                  secretsDirName = text "${name}-keys" "The directory below /run.";
                  systemdService = text name "The service that they are for.";
                  secretsServiceName = text "${name}-keys" "The unit that decrypts.";
                  additionalRuntimeDirNames = mkOption {
                    type = types.listOf types.str;
                    default = [ ];
                    description = "Further runtime directories of the service.";
                  };
                  forceRuntimeDirs = mkOption {
                    type = types.bool;
                    default = false;
                    description = "Whether the service's own runtime directories are replaced.";
                  };
                  secrets = mkOption {
                    type = types.attrsOf (
                      types.submodule (secret {
                        directory = "/run/${config.secretsDirName}";
                        keys = cfg.defaultEncryptKeys;
                      })
                    );
                    default = { };
                    description = "The secrets of the service.";
                  };
                };
              }
            )
          );
        };
      };

      config.systemd.services = lib.mkMerge [
        (lib.mkIf (cfg.system.secrets != { }) {
          ${cfg.system.secretsServiceName} = {
            description = "Secrets of the system";
            wantedBy = [ "multi-user.target" ];
            serviceConfig = {
              Type = "oneshot";
              RemainAfterExit = true;
            };
            script = decrypt "/run/${cfg.system.secretsDir.name}" cfg.system.secrets;
          };
        })
        (lib.mapAttrs' (
          _: service:
          lib.nameValuePair service.secretsServiceName {
            description = "Secrets of ${service.systemdService}";
            before = [ "${service.systemdService}.service" ];
            unitConfig.StopWhenUnneeded = true;
            serviceConfig = {
              Type = "oneshot";
              RemainAfterExit = true;
            };
            script = decrypt "/run/${service.secretsDirName}" service.secrets;
          }
        ) withSecrets)
        (lib.mapAttrs' (
          _: service:
          lib.nameValuePair service.systemdService {
            after = [ "${service.secretsServiceName}.service" ];
            requires = [ "${service.secretsServiceName}.service" ];
          }
        ) withSecrets)
      ];
    };
in
{
  inherit module;
  app =
    flake:
    let
      packages = packagesFor { system = "x86_64-linux"; };
      keys = lib.mapAttrs (_: host: host.config.secrix.hostPubKey) (
        lib.filterAttrs (_: host: host.config ? secrix) flake.nixosConfigurations
      );
    in
    {
      type = "app";
      program = toString (
        packages.writeShellScript "secrix" ''
          # Says what the real one would know; encrypts nothing.
          case "''${1:-}" in
            -l | --list-all | --list-systems)
              ${lib.concatStrings (lib.mapAttrsToList (name: _: "echo ${name}\n") keys)}
              ;;
            *)
              echo "secrix: the offline stand-in encrypts nothing" >&2
              exit 1
              ;;
          esac
        ''
      );
    };
}
