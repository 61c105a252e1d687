# porthole-canteen: menu in the morning, films in the evening.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  menu = ./menu.txt;
in
{
  imports = [
    ./hardware.nix
    ../../modules/environments/kiosk.nix
    (import ../../modules/environments/nfs-mount.nix {
      share = "media";
      readOnly = true;
    })
    # the amplifier hangs on USB
    (
      { pkgs, ... }:
      {
        security.rtkit.enable = true;
        services.pipewire = {
          enable = true;
          alsa.enable = true;
          pulse.enable = true;
        };
        users.users.kiosk.extraGroups = [ "audio" ];
      }
    )
  ];

  system.stateVersion = "24.11";

  networking.hostName = "porthole-canteen";
  networking.useDHCP = lib.mkForce false;
  networking.interfaces.end0.ipv4.addresses = [
    {
      address = "192.0.2.43";
      prefixLength = 24;
    }
  ];
  networking.defaultGateway = "192.0.2.1";
  networking.nameservers = [ "192.0.2.2" ];

  # ---- the display ----
  services.cage = {
    enable = true;
    user = "kiosk";
    program = pkgs.writeShellScript "canteen" ''
      hour=$(date +%H)
      if [ "$hour" -lt 15 ]; then
        exec ${pkgs.foot}/bin/foot --fullscreen ${pkgs.less}/bin/less ${menu}
      else
        exec ${pkgs.mpv}/bin/mpv --fullscreen --shuffle --loop-playlist /mnt/media/films
      fi
    '';
    environment.WLR_LIBINPUT_NO_DEVICES = "1"; # no keyboard, no mouse
  };
  systemd.services.cage-tty1.serviceConfig = {
    Restart = lib.mkForce "always";
    RestartSec = 5;
  };

  # menu to films and back
  systemd.services.canteen-switch = {
    startAt = [
      "07:00"
      "15:00"
    ];
    script = "${config.systemd.package}/bin/systemctl restart cage-tty1.service";
    serviceConfig.Type = "oneshot";
  };

  # ---- VPN ----
  secrix.services.wireguard-wg0.secrets.wg-porthole-canteen.encrypted.file =
    ../../secrets/wg-porthole-canteen.age;
  networking.wireguard.interfaces.wg0 = {
    ips = [ "203.0.113.43/24" ];
    privateKeyFile = config.secrix.services.wireguard-wg0.secrets.wg-porthole-canteen.decrypted.path;
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
    hostPubKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDbrl2FY5sAfrFzVEL01kpDOqnOH4y5sbCmWyhO7KyA+";
    defaultEncryptKeys = {
      mara = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+ZWlemWBSkh1LE8BEF98LwfKiNuUu1zhLiIV5TvL+p" ];
      recovery = [ "age1lsjmc56rdtg68ktdxq68z73zk7dw7e7kj7hx2vw9f9llqzsnjdzqc2pmg7" ];
    };
  };
}
