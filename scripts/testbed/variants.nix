# One small host in several states, for trying what activation does with them.
let
  standin = import ../../nix/standin;
  inherit (standin) lib;
  host =
    more:
    (lib.nixosSystem {
      modules = [
        {
          nixpkgs.hostPlatform = "x86_64-linux";
          networking.hostName = "probe";
          fileSystems."/".device = "/dev/vda";
          boot.loader.systemd-boot.enable = lib.mkDefault true;
          systemd.services.steady = {
            wantedBy = [ "multi-user.target" ];
            script = "exec sleep infinity";
          };
        }
        more
      ];
    }).config.system.build.toplevel;
  failing = {
    wantedBy = [ "multi-user.target" ];
    script = "exit 3";
  };
in
{
  base = host { };
  changed = host {
    systemd.services.steady.environment.X = "1";
    environment.etc."probe.conf".text = "x";
  };
  kept = host {
    systemd.services.steady = {
      environment.X = "2";
      restartIfChanged = false;
    };
  };
  gone = host { systemd.services.steady.enable = false; };
  check = host { system.preSwitchChecks.no = "false"; };
  snippet = host { system.activationScripts.bad = "false; true"; };
  unit = host { systemd.services.broken = failing; };
  restarting = host {
    systemd.services.broken = failing // {
      serviceConfig = {
        Restart = "always";
        RestartSec = 5;
      };
    };
  };
  interface = host { standin.initInterface = "systemd 3"; };
  grub = host { boot.loader.systemd-boot.enable = false; };
  extlinux = host {
    boot.loader.systemd-boot.enable = false;
    boot.loader.generic-extlinux-compatible.enable = true;
  };
}
