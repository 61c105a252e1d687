# Keeps the watch of a rollout over a reboot: before the network counts as there, a
# change that nobody has confirmed is taken back, or watched on if it waited for
# this very boot.
{ config, lib, ... }:
let
  cfg = config.features.rollout-guard;
in
{
  options.features.rollout-guard.enable =
    lib.mkEnableOption "the watch over unconfirmed rollouts at boot";

  config = lib.mkIf cfg.enable {
    systemd.services.fleet-rollout-guard = {
      description = "Take back a rollout that was not confirmed";
      wantedBy = [ "multi-user.target" ];
      before = [ "network-online.target" ];
      unitConfig.RequiresMountsFor = [
        "/boot"
        "/nix"
        "/var/lib/fleet-rollout"
      ];
      # It judges the boot that it belongs to, once.
      restartIfChanged = false;
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        TimeoutStartSec = "infinity";
        # The same store path as the one that a rollout brings.
        ExecStart = "${../../nix/rollout/fleet-rollout} guard";
      };
    };
  };
}
