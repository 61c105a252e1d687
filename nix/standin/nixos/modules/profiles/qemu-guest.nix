# A guest of QEMU.
{
  boot.initrd.availableKernelModules = [
    "virtio_net"
    "virtio_pci"
    "virtio_blk"
    "9p"
    "9pnet_virtio"
  ];
}
