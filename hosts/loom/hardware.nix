# Guest on the virtualisation box in the basement.
{ modulesPath, ... }:
{
  imports = [ (modulesPath + "/profiles/qemu-guest.nix") ];

  boot.loader.grub = {
    enable = true;
    device = "/dev/vda";
  };
  boot.initrd.availableKernelModules = [
    "ahci"
    "sr_mod"
    "virtio_blk"
    "virtio_pci"
    "xhci_pci"
  ];

  fileSystems."/" = {
    device = "/dev/disk/by-uuid/0a6e51c4-22c2-4d0e-9f5e-5b0c9d7be1c2";
    fsType = "ext4";
  };
  fileSystems."/srv" = {
    device = "/dev/disk/by-uuid/7be1a0c2-81c2-4c6b-8c3a-1f6c0b9a02c2";
    fsType = "xfs";
  };

  zramSwap.enable = true;
}
