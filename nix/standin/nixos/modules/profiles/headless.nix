# Nobody looks at a screen.
{ lib, ... }:
{
  boot.kernelParams = [ "panic=1" ];
  systemd.enableEmergencyMode = lib.mkDefault false;
}
