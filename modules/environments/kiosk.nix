# Displays on the wall: no keyboard, nobody logs in, everything may go at any time.
{
  lib,
  modulesPath,
  pkgs,
  ...
}:
{
  imports = [
    (modulesPath + "/profiles/minimal.nix")
    ./base.nix
    ./node-exporter.nix
  ];

  users.users.kiosk = {
    isNormalUser = true;
    uid = 1500;
    extraGroups = [ "video" ];
  };

  nix.gc.options = lib.mkForce "--delete-older-than 3d"; # small cards
  services.journald.extraConfig = ''
    Storage=volatile
    RuntimeMaxUse=32M
  '';

  fonts.packages = with pkgs; [
    dejavu_fonts
    noto-fonts
  ];

  networking.wireless.enable = lib.mkDefault false;
  powerManagement.cpuFreqGovernor = lib.mkDefault "ondemand";
}
