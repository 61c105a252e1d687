# Firmware for hardware that no scan found.
{ lib, ... }:
{
  hardware.enableRedistributableFirmware = lib.mkDefault true;
}
