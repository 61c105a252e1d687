# porthole-workshop: load of the machines, next to the lathe.
{
  config,
  lib,
  pkgs,
  self,
  ...
}:
let
  grafana = self.nixosConfigurations.watchtower.config.services.grafana.settings.server;
  url = "http://watchtower.harbour.example:${toString grafana.http_port}/d/overview?kiosk";
in
{
  imports = [
    ./hardware.nix
    ../../modules/environments/kiosk.nix
  ];

  config = {
    system.stateVersion = "24.11";

    networking.hostName = "porthole-workshop";
    networking.useDHCP = lib.mkForce false;
    networking.interfaces.end0.ipv4.addresses = [
      {
        address = "192.0.2.42";
        prefixLength = 24;
      }
    ];
    networking.defaultGateway = "192.0.2.1";
    networking.nameservers = [ "192.0.2.2" ];

    # ---- the display ----
    services.cage = {
      enable = true;
      user = "kiosk";
      program = "${pkgs.chromium}/bin/chromium --kiosk --noerrdialogs --incognito ${url}";
      environment.WLR_LIBINPUT_NO_DEVICES = "1"; # no keyboard, no mouse
    };
    systemd.services.cage-tty1 = {
      after = [ "network-online.target" ];
      wants = [ "network-online.target" ];
      serviceConfig.Restart = lib.mkForce "always";
      serviceConfig.RestartSec = 5;
    };

    # dust: it gets hot in there
    systemd.services.cool-down = {
      description = "Switch the display off above 75 degrees";
      startAt = "*:0/2";
      environment = {
        WAYLAND_DISPLAY = "wayland-0";
        XDG_RUNTIME_DIR = "/run/user/${toString config.users.users.kiosk.uid}";
      };
      script = ''
        t=$(cat /sys/class/thermal/thermal_zone0/temp)
        if [ "$t" -gt 75000 ]; then
          ${pkgs.wlr-randr}/bin/wlr-randr --output HDMI-A-1 --off
        else
          ${pkgs.wlr-randr}/bin/wlr-randr --output HDMI-A-1 --on
        fi
      '';
      serviceConfig = {
        Type = "oneshot";
        User = "kiosk";
      };
    };

    # ---- VPN ----
    secrix.services.wireguard-wg0.secrets.wg-porthole-workshop.encrypted.file =
      ../../secrets/wg-porthole-workshop.age;
    networking.wireguard.interfaces.wg0 = {
      ips = [ "203.0.113.42/24" ];
      privateKeyFile = config.secrix.services.wireguard-wg0.secrets.wg-porthole-workshop.decrypted.path;
      peers = [
        {
          # beacon
          publicKey = "J90oX4lbbM6o0nDafvQ3/lw2YI+l3MDVk72pNFx+hiA=";
          allowedIPs = [ "203.0.113.0/24" ];
          endpoint = "beacon.harbour.example:51820";
          persistentKeepalive = 25;
        }
      ];
    };

    zramSwap.enable = true;

    secrix = {
      hostPubKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMC66WtmOXOMDXMwW8ZpeM/eHl1sGASVC46Rb3nFbtnD";
      defaultEncryptKeys = {
        mara = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+ZWlemWBSkh1LE8BEF98LwfKiNuUu1zhLiIV5TvL+p" ];
        recovery = [ "age1lsjmc56rdtg68ktdxq68z73zk7dw7e7kj7hx2vw9f9llqzsnjdzqc2pmg7" ];
      };
    };
  };
}
