# Tobias' desk: Intel, the big tablet.
{
  inputs,
  lib,
  modulesPath,
  ...
}:
{
  imports = [
    (modulesPath + "/installer/scan/not-detected.nix")
    inputs.nixos-hardware.nixosModules.common-cpu-intel
    inputs.nixos-hardware.nixosModules.common-pc-ssd
  ];

  boot = {
    loader.systemd-boot.enable = true;
    loader.efi.canTouchEfiVariables = true;
    initrd.availableKernelModules = [
      "ahci"
      "nvme"
      "usbhid"
      "xhci_pci"
    ];
    initrd.luks.devices.crypt = {
      device = "/dev/disk/by-uuid/9e07c3d2-77ab-4b1c-9b52-d08e4f5a2b62";
      allowDiscards = true;
    };
    kernelModules = [ "kvm-intel" ];
  };

  fileSystems."/" = {
    device = "/dev/mapper/crypt";
    fsType = "ext4";
    options = [ "noatime" ];
  };
  fileSystems."/boot" = {
    device = "/dev/disk/by-label/ESP";
    fsType = "vfat";
    options = [ "umask=0077" ];
  };

  hardware.cpu.intel.updateMicrocode = lib.mkDefault true;
}
