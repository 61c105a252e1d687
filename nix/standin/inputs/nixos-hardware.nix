# nixos-hardware: modules by the names of machines. Each says a little that the real
# one says too, so that a host is not the same with and without it.
{ lib }:
let
  amd =
    { lib, ... }:
    {
      hardware.cpu.amd.updateMicrocode = lib.mkDefault true;
    };
  intel =
    { lib, ... }:
    {
      hardware.cpu.intel.updateMicrocode = lib.mkDefault true;
    };
  ssd =
    { lib, ... }:
    {
      services.fstrim.enable = lib.mkDefault true;
    };
  laptop =
    { lib, ... }:
    {
      services.power-profiles-daemon.enable = lib.mkDefault true;
    };
in
lib.mapAttrs (name: module: {
  _file = "nixos-hardware/${name}";
  key = "nixos-hardware/${name}";
  imports = [ module ];
}) {
  common-cpu-amd = amd;
  common-cpu-amd-pstate.boot.kernelParams = [ "amd_pstate=active" ];
  common-cpu-intel = intel;
  common-gpu-amd.boot.initrd.kernelModules = [ "amdgpu" ];
  common-gpu-intel.boot.initrd.kernelModules = [ "i915" ];
  common-gpu-nvidia.services.xserver.videoDrivers = [ "nvidia" ];
  common-hidpi = { lib, ... }: { console.earlySetup = lib.mkDefault true; };
  common-pc = { lib, ... }: { boot.blacklistedKernelModules = [ "ath3k" ]; };
  common-pc-laptop = laptop;
  common-pc-laptop-ssd = ssd;
  common-pc-ssd = ssd;
  framework-13-7040-amd.imports = [ amd laptop ssd ];
  lenovo-thinkpad-t14-amd-gen3.imports = [ amd laptop ssd ];
  lenovo-thinkpad-x1-10th-gen.imports = [ intel laptop ssd ];
  raspberry-pi-4 =
    { lib, ... }:
    {
      boot.loader.grub.enable = lib.mkDefault false;
      boot.loader.generic-extlinux-compatible.enable = lib.mkDefault true;
      boot.initrd.availableKernelModules = [
        "pcie_brcmstb"
        "reset-raspberrypi"
        "usb-storage"
        "usbhid"
        "vc4"
      ];
    };
}
