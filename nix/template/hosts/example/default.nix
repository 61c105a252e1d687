# Take the hardware's part from `nixos-generate-config`.
{
  boot.loader.grub.device = "/dev/sda";
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
  };

  services.openssh.enable = true;

  system.stateVersion = "26.05";
}
