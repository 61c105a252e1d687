# Rented machine at the provider, KVM.
{ modulesPath, ... }:
{
  imports = [ (modulesPath + "/profiles/qemu-guest.nix") ];

  boot.loader.grub = {
    enable = true;
    device = "/dev/vda";
  };
  boot.initrd.availableKernelModules = [
    "ata_piix"
    "sd_mod"
    "uhci_hcd"
    "virtio_blk"
    "virtio_pci"
  ];
  boot.tmp.cleanOnBoot = true;

  fileSystems."/" = {
    device = "/dev/disk/by-uuid/5f0c7a53-6b0f-4f5e-9d2c-9b7a9c1f2a10";
    fsType = "ext4";
  };
  swapDevices = [
    {
      device = "/var/swapfile";
      size = 2048;
    }
  ];

  zramSwap.enable = true;
}
