# The boot menu, the kernel's name, and what the host is started with.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.boot;
  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };
in
{
  options.boot = {
    kernelParams = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "What the kernel is told.";
    };
    kernelModules = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "What is loaded later.";
    };
    initrd.availableKernelModules = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "What the first stage may load.";
    };
    initrd.kernelModules = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "What the first stage loads.";
    };
    loader = {
      grub.enable = flag (!cfg.isContainer) "Whether GRUB starts the host.";
      systemd-boot.enable = flag false "Whether systemd-boot starts the host.";
      generic-extlinux-compatible.enable = flag false "Whether U-Boot starts the host.";
    };
    isContainer = flag false "Whether somebody else starts the host.";
  };

  config = {
    # As on a real system, GRUB is what is there when nothing else is.
    boot.loader.grub.enable = lib.mkIf (
      cfg.loader.systemd-boot.enable || cfg.loader.generic-extlinux-compatible.enable
    ) (lib.mkOverride 900 false);
    environment.etc."modules-load.d/nixos.conf".text = lib.concatLines cfg.kernelModules;

    system.build.installBootLoader = pkgs.writeScript "install-boot-loader" (
      builtins.replaceStrings
        [ "@loader@" "@hostName@" ]
        [
          (
            if cfg.loader.systemd-boot.enable then
              "systemd-boot"
            else if cfg.loader.generic-extlinux-compatible.enable then
              "extlinux"
            else if cfg.loader.grub.enable then
              "grub"
            else
              "none"
          )
          config.networking.hostName
        ]
        (builtins.readFile ./install-boot-loader.sh)
    );
  };
}
