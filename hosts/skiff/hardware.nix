# The laptop that goes to customers.
{
  inputs,
  lib,
  modulesPath,
  ...
}:
{
  imports = [
    (modulesPath + "/installer/scan/not-detected.nix")
    inputs.nixos-hardware.nixosModules.lenovo-thinkpad-t14-amd-gen3
  ];

  boot = {
    loader.systemd-boot.enable = true;
    loader.efi.canTouchEfiVariables = true;
    initrd.availableKernelModules = [
      "thunderbolt"
      "nvme"
      "usbhid"
      "xhci_pci"
    ];
    initrd.luks.devices.crypt = {
      device = "/dev/disk/by-uuid/c4b86e19-3d5f-4e0b-a7c8-1e9f6d2b3c63";
      allowDiscards = true;
    };
    kernelModules = [ "kvm-amd" ];
  };

  fileSystems."/" = {
    device = "/dev/mapper/crypt";
    fsType = "btrfs";
    options = [ "compress=zstd" ];
  };
  fileSystems."/boot" = {
    device = "/dev/disk/by-label/ESP";
    fsType = "vfat";
    options = [ "umask=0077" ];
  };

  hardware.cpu.amd.updateMicrocode = lib.mkDefault true;
}
