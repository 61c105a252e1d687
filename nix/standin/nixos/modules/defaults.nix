# Defaults that hosts read and that are no empty value.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  # Weaker than anything that a host says.
  weak =
    value:
    if lib.isAttrs value && !lib.isDerivation value then
      lib.mapAttrs (_: weak) value
    else
      lib.mkOptionDefault value;
  inherit (config.services) forgejo;
in
weak {
  boot.zfs.package = pkgs.zfs;
  nix.package = pkgs.nix;
  systemd.package = pkgs.systemd;
  hardware.enableRedistributableFirmware = false;
  networking = {
    firewall.enable = true;
    useDHCP = true;
  };
  services = {
    forgejo = {
      package = pkgs.forgejo;
      stateDir = "/var/lib/forgejo";
      customDir = "${forgejo.stateDir}/custom";
      user = "forgejo";
      group = "forgejo";
      database.name = "forgejo";
    };
    grafana.settings.server = {
      http_addr = "127.0.0.1";
      http_port = 3000;
    };
    jellyfin = {
      user = "jellyfin";
      group = "jellyfin";
    };
    nginx = {
      user = "nginx";
      group = "nginx";
    };
    openssh.ports = [ 22 ];
    paperless.port = 28981;
    postgresql.package = pkgs.postgresql;
    prometheus = {
      port = 9090;
      listenAddress = "0.0.0.0";
      alertmanager.port = 9093;
      exporters = {
        blackbox.port = 9115;
        kea.port = 9547;
        nginx.port = 9113;
        node.port = 9100;
        postgres.port = 9187;
        smartctl.port = 9633;
        snmp.port = 9116;
        systemd.port = 9558;
        unbound.port = 9167;
        wireguard.port = 9586;
        zfs.port = 9134;
      };
    };
    restic.server.dataDir = "/var/lib/restic";
    syncthing.user = "syncthing";
  };
  virtualisation = {
    docker.package = pkgs.docker;
    podman.package = pkgs.podman;
  };
}
