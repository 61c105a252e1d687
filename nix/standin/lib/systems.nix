# What a system's name says of the machine.
{ lib }:
let
  elaborate =
    given:
    let
      system = if builtins.isAttrs given then given.system or given.config else given;
      parts = lib.splitString "-" system;
      cpu = builtins.head parts;
      kernel = lib.last parts;
    in
    {
      inherit system;
      config = "${cpu}-unknown-${kernel}-gnu";
      parsed = {
        cpu.name = cpu;
        kernel.name = kernel;
      };
      linuxArch =
        {
          aarch64 = "arm64";
          i686 = "i386";
        }
        .${cpu} or cpu;
      isLinux = kernel == "linux";
      isDarwin = kernel == "darwin";
      isUnix = true;
      isx86_64 = cpu == "x86_64";
      isx86_32 = cpu == "i686";
      isx86 = cpu == "x86_64" || cpu == "i686";
      isi686 = cpu == "i686";
      isAarch64 = cpu == "aarch64";
      isAarch32 = lib.hasPrefix "armv" cpu;
      isAarch = cpu == "aarch64" || lib.hasPrefix "armv" cpu;
      isRiscV = lib.hasPrefix "riscv" cpu;
      isMusl = false;
      isGnu = true;
      isStatic = false;
      is64bit = builtins.match ".*64.*" cpu != null;
      is32bit = builtins.match ".*64.*" cpu == null;
      canExecute = other: other.system == system;
      emulator = _: "";
    };
in
{
  inherit elaborate;
  flakeExposed = lib.platforms.linux ++ lib.platforms.darwin;
  doubles.all = lib.platforms.all;
  examples = { };
}
