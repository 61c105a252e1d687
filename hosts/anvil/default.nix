# anvil: builds everything that is x86, and keeps the binary cache.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  port = 5000;
  builderKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMm6X9U5Kul9e6Ce/yRiY+hdMNDzbSRN+4y3bQYgg4XJ";
  people = [
    "helm"
    "sextant"
    "skiff"
    "drydock"
  ];
in
{
  imports = [
    ./hardware.nix
    ../../modules/environments/server.nix
    (import ../../modules/environments/nfs-mount.nix {
      share = "builds";
      mountPoint = "/srv/builds";
    })
  ];

  system.stateVersion = "24.05";

  networking.hostName = "anvil";
  networking.useDHCP = false;
  networking.interfaces.eno1.ipv4.addresses = [
    {
      address = "192.0.2.14";
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
    openssh.authorizedKeys.keys = map (name: "${builderKey} builder@${name}") people;
  };
  users.groups.builder = { };

  nix = {
    settings = {
      trusted-users = [ "builder" ];
      max-jobs = 8;
      cores = 8;
      system-features = [
        "benchmark"
        "big-parallel"
        "kvm"
        "nixos-test"
      ];
      keep-outputs = true;
      keep-derivations = true;
      min-free = 50 * 1024 * 1024 * 1024;
      max-free = 200 * 1024 * 1024 * 1024;
    };
    daemonCPUSchedPolicy = "batch";
    daemonIOSchedClass = "idle";
    gc.dates = lib.mkForce "monthly";
    gc.options = lib.mkForce "--delete-older-than 120d";
  };
  boot.binfmt.emulatedSystems = [ "armv7l-linux" ];
  # boot.binfmt.emulatedSystems = [ "armv7l-linux" "aarch64-linux" ]; # bellows does it for real

  # --- cache -----------------------------------------------------------------
  secrix.services.nix-serve.secrets.cache-key.encrypted.file = ../../secrets/cache-key.age;
  services.nix-serve = {
    enable = true;
    inherit port;
    secretKeyFile = config.secrix.services.nix-serve.secrets.cache-key.decrypted.path;
  };
  networking.firewall.allowedTCPPorts = [ port ];
  environment.etc."nix/cache.pub".source = ./cache.pub;

  # --- health ----------------------------------------------------------------
  services.smartd = {
    enable = true;
    notifications.mail.enable = false;
    notifications.wall.enable = true;
    defaults.monitored = "-a -o on -s (S/../.././03|L/../../6/05)";
  };
  powerManagement.cpuFreqGovernor = "performance";
  services.earlyoom.enable = true;
  services.earlyoom.freeMemThreshold = 3;

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
  secrix.services.wireguard-wg0.secrets.wg-anvil.encrypted.file = ../../secrets/wg-anvil.age;
  networking.wireguard.interfaces.wg0 = {
    ips = [ "203.0.113.14/24" ];
    privateKeyFile = config.secrix.services.wireguard-wg0.secrets.wg-anvil.decrypted.path;
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
    nix-tree
    nix-output-monitor
    nix-diff
    perf-tools
  ];

  secrix = {
    hostPubKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFq0fY6VYRS13hi0skjipKBynoqEPyFelaeCXWqBxxYd";
    defaultEncryptKeys = {
      mara = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+ZWlemWBSkh1LE8BEF98LwfKiNuUu1zhLiIV5TvL+p" ];
      recovery = [ "age1lsjmc56rdtg68ktdxq68z73zk7dw7e7kj7hx2vw9f9llqzsnjdzqc2pmg7" ];
    };
  };
}
