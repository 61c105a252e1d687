# Machines without a screen.
{ lib, pkgs, ... }:
{
  imports = [
    ./base.nix
    ./node-exporter.nix
  ];

  documentation.enable = lib.mkDefault false;
  fonts.fontconfig.enable = lib.mkDefault false;
  xdg.sounds.enable = lib.mkDefault false;

  services.journald.extraConfig = ''
    SystemMaxUse=1G
    MaxRetentionSec=30day
  '';

  services.fail2ban = {
    enable = lib.mkDefault true;
    maxretry = 5;
    bantime = "1h";
    ignoreIP = [
      "192.0.2.0/24"
      "203.0.113.0/24"
    ];
  };

  services.chrony = {
    enable = lib.mkDefault true;
    servers = lib.mkDefault [ "breakwater.harbour.example" ];
  };

  environment.systemPackages = with pkgs; [
    ethtool
    iotop
    ncdu
    smartmontools
  ];

  # services.smartd.enable = true; # per machine, the virtual ones have no disks
  networking.firewall.enable = true;
}
