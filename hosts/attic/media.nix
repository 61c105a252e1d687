# Films and music for the canteen.
{ config, pkgs, ... }:
let
  library = "/pool/media";
in
{
  services.jellyfin = {
    enable = true;
    openFirewall = true;
  };
  users.users.${config.services.jellyfin.user}.extraGroups = [
    "render"
    "video"
  ];

  services.minidlna = {
    enable = true;
    openFirewall = true;
    settings = {
      friendly_name = config.networking.hostName;
      media_dir = [
        "A,${library}/music"
        "V,${library}/films"
      ];
      inotify = "yes";
    };
  };

  systemd.tmpfiles.rules = [
    "d ${library} 0775 root users - -"
    "d ${library}/films 0775 root users - -"
    "d ${library}/music 0775 root users - -"
  ];

  environment.systemPackages = [ pkgs.mediainfo ];
}
