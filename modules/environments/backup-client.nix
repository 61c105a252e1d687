# Nightly backup to attic:
#
#   imports = [ (import ../../modules/environments/backup-client.nix { paths = [ "/srv" ]; }) ];
{
  paths,
  exclude ? [ ],
  at ? "02:30",
  prepare ? "",
}:
{ config, lib, ... }:
let
  name = config.networking.hostName;
in
{
  secrix.system.secrets.restic-password.encrypted.file = ../../secrets/restic-password.age;

  services.restic.backups.attic = {
    inherit paths exclude;
    repository = "rest:http://attic.harbour.example:8000/${name}/";
    passwordFile = config.secrix.system.secrets.restic-password.decrypted.path;
    initialize = true;
    backupPrepareCommand = lib.mkIf (prepare != "") prepare;
    # attic is append-only and forgets old snapshots by itself
    timerConfig = {
      OnCalendar = at;
      RandomizedDelaySec = "20min";
      Persistent = true;
    };
  };
}
