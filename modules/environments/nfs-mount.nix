# One share of silo, mounted on demand:
#
#   imports = [ (import ../../modules/environments/nfs-mount.nix { share = "projects"; }) ];
{
  share,
  server ? "silo.harbour.example",
  mountPoint ? "/mnt/${share}",
  readOnly ? false,
}:
{ lib, ... }:
{
  fileSystems.${mountPoint} = {
    device = "${server}:/export/${share}";
    fsType = "nfs";
    options = [
      "nfsvers=4.2"
      "noauto"
      "x-systemd.automount"
      "x-systemd.idle-timeout=600"
      "x-systemd.mount-timeout=10"
    ]
    ++ lib.optional readOnly "ro";
  };
}
