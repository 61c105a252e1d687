# The host as a virtual machine: a script that boots it in QEMU, with the machine's own
# Linux kernel and a busybox that does what systemd would.
{
  config,
  lib,
  pkgs,
  ...
}:
{
  system.build.vm =
    let
      name = "run-${config.system.name}-vm";
      closure = pkgs.runCommand "vm-closure" {
        exportReferencesGraph = [
          "graph"
          config.system.build.toplevel
        ];
      } ''grep '^${builtins.storeDir}/' graph | grep -v '\.drv$' | sort -u > "$out"'';
    in
    pkgs.writeTextFile {
      inherit name;
      executable = true;
      destination = "/bin/${name}";
      text =
        builtins.replaceStrings
          [
            "@hostName@"
            "@toplevel@"
            "@closure@"
            "@init@"
            "@modules@"
            "@kernelParams@"
          ]
          [
            config.networking.hostName
            "${config.system.build.toplevel}"
            "${closure}"
            "${pkgs.writeScript "vm-init" (builtins.readFile ./vm-init.sh)}"
            (lib.concatStringsSep " " config.boot.initrd.kernelModules)
            (lib.concatStringsSep " " config.boot.kernelParams)
          ]
          (builtins.readFile ./vm.sh);
      checkPhase = ''bash -n "$target"'';
      meta.mainProgram = name;
    };
}
