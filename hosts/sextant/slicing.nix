# The 3D printers: slicer, and a job that fetches what was sliced elsewhere.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  printers = [
    "mk4"
    "voron"
  ];
  spool = "/srv/prints";
in
lib.mkIf config.virtualisation.docker.enable {
  environment.systemPackages = with pkgs; [
    prusa-slicer
    # cura
  ];

  systemd.tmpfiles.rules = map (name: "d ${spool}/${name} 0775 tobias users 60d -") printers;

  systemd.services = lib.listToAttrs (
    map (name: {
      name = "fetch-${name}";
      value = {
        description = "Fetch jobs for ${name}";
        startAt = "*:0/10";
        unitConfig.ConditionPathIsMountPoint = "/mnt/projects";
        script = ''
          ${pkgs.rsync}/bin/rsync -a --remove-source-files /mnt/projects/prints/${name}/ ${spool}/${name}/
        '';
        serviceConfig = {
          Type = "oneshot";
          User = config.users.users.tobias.name;
        };
      };
    }) printers
  );

  networking.firewall.allowedTCPPorts = [ 5000 ]; # OctoPrint in a container
}
