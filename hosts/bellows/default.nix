# bellows: builds everything that is Arm. Copied from anvil, without the cache.
{
  config,
  lib,
  pkgs,
  ...
}:
{
  imports = [
    ./hardware.nix
    ../../modules/environments/server.nix
    (import ../../modules/environments/nfs-mount.nix {
      share = "builds";
      mountPoint = "/srv/builds";
    })
  ];

  system.stateVersion = "24.11";

  networking.hostName = "bellows";
  networking.useDHCP = false;
  networking.interfaces.enP4p4s0.ipv4.addresses = [
    {
      address = "192.0.2.15";
      prefixLength = 24;
    }
  ];
  networking.defaultGateway = "192.0.2.1";
  networking.nameservers = [
    "192.0.2.2"
    "192.0.2.1"
  ];

  # --- building for others ---------------------------------------------------
  users.users.builder = {
    isSystemUser = true;
    group = "builder";
    shell = pkgs.bashInteractive;
    openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMm6X9U5Kul9e6Ce/yRiY+hdMNDzbSRN+4y3bQYgg4XJ builder" ];
  };
  users.groups.builder = { };

  nix = {
    settings = {
      trusted-users = [ "builder" ];
      max-jobs = 4;
      cores = 8;
      system-features = [
        "benchmark"
        "big-parallel"
      ];
      keep-outputs = true;
      min-free = 20 * 1024 * 1024 * 1024;
      max-free = 60 * 1024 * 1024 * 1024;
    };
    daemonCPUSchedPolicy = "batch";
    gc.options = lib.mkForce "--delete-older-than 60d";
  };
  # boot.binfmt.emulatedSystems = [ "armv7l-linux" ];

  # --- health ----------------------------------------------------------------
  powerManagement.cpuFreqGovernor = "performance";
  services.earlyoom.enable = true;
  services.earlyoom.freeMemThreshold = 5;

  systemd.services.build-report = {
    description = "What was built this week";
    startAt = "Fri 17:00";
    script = ''
      mkdir -p /srv/builds/reports
      ${config.systemd.package}/bin/journalctl -u nix-daemon --since -7d --no-pager \
        | ${pkgs.gnugrep}/bin/grep -c "building '" > /srv/builds/reports/${config.networking.hostName}
    '';
    serviceConfig.Type = "oneshot";
  };

  # --- VPN -------------------------------------------------------------------
  secrix.services.wireguard-wg0.secrets.wg-bellows.encrypted.file = ../../secrets/wg-bellows.age;
  networking.wireguard.interfaces.wg0 = {
    ips = [ "203.0.113.15/24" ];
    privateKeyFile = config.secrix.services.wireguard-wg0.secrets.wg-bellows.decrypted.path;
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

  environment.systemPackages = with pkgs; [
    nix-output-monitor
    # nix-tree
    ubootTools
  ];

  secrix = {
    hostPubKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINGrVnp51VpafNnpbCZe/ZJ17hdg4vkEGk5xZSTxhcTs";
    defaultEncryptKeys = {
      mara = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+ZWlemWBSkh1LE8BEF98LwfKiNuUu1zhLiIV5TvL+p" ];
      recovery = [ "age1lsjmc56rdtg68ktdxq68z73zk7dw7e7kj7hx2vw9f9llqzsnjdzqc2pmg7" ];
    };
  };
}
