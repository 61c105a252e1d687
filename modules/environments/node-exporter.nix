# Lets watchtower scrape the machine, over the VPN only.
{ config, ... }:
let
  exporter = config.services.prometheus.exporters.node;
in
{
  services.prometheus.exporters.node = {
    enable = true;
    port = 9100;
    enabledCollectors = [
      "systemd"
      "processes"
    ];
    disabledCollectors = [ "textfile" ];
  };

  networking.firewall.interfaces.wg0.allowedTCPPorts = [ exporter.port ];
}
