# porthole-lobby: the display behind the front door.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  url = "http://127.0.0.1:8080/";
  output = "HDMI-A-1";
  # how to reach the compositor from outside
  environment = {
    WAYLAND_DISPLAY = "wayland-0";
    XDG_RUNTIME_DIR = "/run/user/${toString config.users.users.kiosk.uid}";
  };
in
{
  imports = [
    ./hardware.nix
    ../../modules/environments/kiosk.nix
  ];

  system.stateVersion = "24.11";

  networking.hostName = "porthole-lobby";
  networking.useDHCP = lib.mkForce false;
  networking.interfaces.end0.ipv4.addresses = [
    {
      address = "192.0.2.41";
      prefixLength = 24;
    }
  ];
  networking.defaultGateway = "192.0.2.1";
  networking.nameservers = [ "192.0.2.2" ];

  # ---- the page ----
  services.nginx = {
    enable = true;
    virtualHosts.localhost = {
      listen = [
        {
          addr = "127.0.0.1";
          port = 8080;
        }
      ];
      root = ./page;
      # locations."/news".proxyPass = "http://quay.harbour.example:8088";
    };
  };

  # ---- the display ----
  services.cage = {
    enable = true;
    user = "kiosk";
    program = "${pkgs.chromium}/bin/chromium --kiosk --noerrdialogs --incognito ${url}";
    environment.WLR_LIBINPUT_NO_DEVICES = "1"; # no keyboard, no mouse
  };
  systemd.services.cage-tty1 = {
    after = [ "nginx.service" ];
    serviceConfig.Restart = lib.mkForce "always";
    serviceConfig.RestartSec = 5;
  };

  # dark at night
  systemd.services.display-off = {
    startAt = "20:00";
    inherit environment;
    script = "${pkgs.wlr-randr}/bin/wlr-randr --output ${output} --off";
    serviceConfig = {
      Type = "oneshot";
      User = "kiosk";
    };
  };
  systemd.services.display-on = {
    startAt = "07:00";
    inherit environment;
    script = "${pkgs.wlr-randr}/bin/wlr-randr --output ${output} --on";
    serviceConfig = {
      Type = "oneshot";
      User = "kiosk";
    };
  };

  # ---- VPN ----
  secrix.services.wireguard-wg0.secrets.wg-porthole-lobby.encrypted.file =
    ../../secrets/wg-porthole-lobby.age;
  networking.wireguard.interfaces.wg0 = {
    ips = [ "203.0.113.41/24" ];
    privateKeyFile = config.secrix.services.wireguard-wg0.secrets.wg-porthole-lobby.decrypted.path;
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
    hostPubKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBnOUEhGWtn78KQTkLbhHskYEvF3CDIB5+oxMLlNWYzl";
    defaultEncryptKeys = {
      mara = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+ZWlemWBSkh1LE8BEF98LwfKiNuUu1zhLiIV5TvL+p" ];
      recovery = [ "age1lsjmc56rdtg68ktdxq68z73zk7dw7e7kj7hx2vw9f9llqzsnjdzqc2pmg7" ];
    };
  };
}
