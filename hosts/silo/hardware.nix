# Twelve bays, two mirrored SSDs for the system, a UPS on USB.
{ lib, modulesPath, ... }:
{
  imports = [ (modulesPath + "/installer/scan/not-detected.nix") ];

  boot = {
    loader.systemd-boot.enable = true;
    loader.systemd-boot.configurationLimit = 20;
    loader.efi.canTouchEfiVariables = true;
    initrd.availableKernelModules = [
      "ahci"
      "mpt3sas"
      "nvme"
      "sd_mod"
      "usb_storage"
      "xhci_pci"
    ];
    kernelModules = [ "kvm-amd" ];
    supportedFilesystems = [ "zfs" ];
    zfs = {
      extraPools = [ "tank" ];
      devNodes = "/dev/disk/by-id";
      forceImportRoot = false;
    };
    kernelParams = [ "zfs.zfs_arc_max=34359738368" ];
  };

  fileSystems = {
    "/" = {
      device = "rpool/root";
      fsType = "zfs";
    };
    "/nix" = {
      device = "rpool/nix";
      fsType = "zfs";
    };
    "/var" = {
      device = "rpool/var";
      fsType = "zfs";
    };
    "/boot" = {
      device = "/dev/disk/by-uuid/3C1A-77F0";
      fsType = "vfat";
      options = [ "umask=0077" ];
    };
    "/export/projects" = {
      device = "/tank/projects";
      options = [ "bind" ];
      depends = [ "/tank" ];
    };
    "/export/media" = {
      device = "/tank/media";
      options = [ "bind" ];
      depends = [ "/tank" ];
    };
    "/export/builds" = {
      device = "/tank/builds";
      options = [ "bind" ];
      depends = [ "/tank" ];
    };
    "/export/papers" = {
      device = "/tank/papers";
      options = [ "bind" ];
      depends = [ "/tank" ];
    };
  };

  hardware.cpu.amd.updateMicrocode = lib.mkDefault true;
}
