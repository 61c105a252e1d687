# drydock: runs what the forge wants to see tested.
{
  config,
  inputs,
  lib,
  pkgs,
  self,
  unstable,
  ...
}:
let
  forge = self.nixosConfigurations.loom.config.services.forgejo.settings.server;

  # label of a job -> image it runs in
  images = {
    debian = "docker://debian:bookworm";
    node = "docker://node:22-bookworm";
    rust = "docker://rust:1-bookworm";
    # ubuntu = "docker://ubuntu:24.04";
  };
  labels = lib.mapAttrsToList (label: image: "${label}:${image}") images ++ [ "nix:host" ];

  jobs = 4;
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

  networking = {
    hostName = "drydock";
    useDHCP = false;
    interfaces.eno1.ipv4.addresses = [
      {
        address = "192.0.2.13";
        prefixLength = 24;
      }
    ];
    defaultGateway = "192.0.2.1";
    nameservers = [
      "192.0.2.2"
      "192.0.2.1"
    ];
  };

  ##
  ## The runner
  ##
  secrix.system.secrets.runner-token.encrypted.file = ../../secrets/runner-token.age;

  services.gitea-actions-runner = {
    package = unstable.forgejo-runner;
    instances.${config.networking.hostName} = {
      enable = true;
      name = config.networking.hostName;
      url = forge.ROOT_URL;
      tokenFile = config.secrix.system.secrets.runner-token.decrypted.path;
      inherit labels;
      hostPackages = with pkgs; [
        bash
        coreutils
        curl
        gawk
        gitMinimal
        gnused
        nix
        nodejs
        wget
      ];
      settings = {
        log.level = "warn";
        runner = {
          capacity = jobs;
          timeout = "2h";
        };
        cache.enabled = true;
        cache.dir = "/var/cache/runner";
        container.network = "bridge";
      };
    };
  };
  systemd.tmpfiles.rules = [ "d /var/cache/runner 0777 root root 30d -" ];

  virtualisation.podman = {
    enable = true;
    dockerCompat = true;
    dockerSocket.enable = true;
    defaultNetwork.settings.dns_enabled = true;
    autoPrune = {
      enable = true;
      dates = "daily";
      flags = [ "--all" ];
    };
  };
  virtualisation.containers.registries.search = lib.mkForce [ "docker.io" ];

  ##
  ## Nix
  ##
  nix = {
    nixPath = [ "nixpkgs=${inputs.nixpkgs}" ];
    registry.nixpkgs.flake = inputs.nixpkgs;
    settings = {
      max-jobs = jobs;
      cores = 4;
      keep-outputs = true;
      min-free = 20 * 1024 * 1024 * 1024;
      max-free = 80 * 1024 * 1024 * 1024;
      substituters = lib.mkBefore [ "http://anvil.harbour.example:5000" ];
      trusted-public-keys = [ "anvil.harbour.example-1:${lib.fileContents ../anvil/cache.pub}" ];
      builders-use-substitutes = true;
    };
    gc = {
      dates = lib.mkForce "03:45";
      options = lib.mkForce "--delete-older-than 5d";
    };
    distributedBuilds = true;
    buildMachines = [
      {
        hostName = "bellows.harbour.example";
        sshUser = "builder";
        sshKey = config.secrix.system.secrets.builder-ssh.decrypted.path;
        systems = [ "aarch64-linux" ];
        maxJobs = 4;
        supportedFeatures = [ "big-parallel" ];
      }
    ];
  };
  secrix.system.secrets.builder-ssh.encrypted.file = ../../secrets/builder-ssh.age;
  programs.ssh.knownHosts.bellows = {
    hostNames = [ "bellows.harbour.example" ];
    publicKey = self.nixosConfigurations.bellows.config.secrix.hostPubKey;
  };

  systemd.services.prune = {
    description = "Keep a fifth of the disk free";
    startAt = "hourly";
    path = [
      config.nix.package
      config.virtualisation.podman.package
      pkgs.gawk
    ];
    serviceConfig = {
      Type = "oneshot";
      ExecStart = "${pkgs.runtimeShell} ${./prune.sh} 20";
      Nice = 15;
      IOSchedulingClass = "idle";
    };
  };

  ##
  ## VPN
  ##
  secrix.services.wireguard-wg0.secrets.wg-drydock.encrypted.file = ../../secrets/wg-drydock.age;
  networking.wireguard.interfaces.wg0 = {
    ips = [ "203.0.113.13/24" ];
    privateKeyFile = config.secrix.services.wireguard-wg0.secrets.wg-drydock.decrypted.path;
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

  zramSwap = {
    enable = true;
    memoryPercent = 30;
  };
  services.earlyoom = {
    enable = true;
    freeMemThreshold = 5;
    extraArgs = [ "--avoid '^(sshd|systemd)$'" ];
  };

  environment.systemPackages = with pkgs; [
    buildah
    skopeo
    nix-output-monitor
  ];

  secrix = {
    hostPubKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFRhWa5+BUqBUhUbzsVOXxU8wxQVAVI5I/XaseXnr7UL";
    defaultEncryptKeys = {
      mara = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+ZWlemWBSkh1LE8BEF98LwfKiNuUu1zhLiIV5TvL+p" ];
      recovery = [ "age1lsjmc56rdtg68ktdxq68z73zk7dw7e7kj7hx2vw9f9llqzsnjdzqc2pmg7" ];
    };
  };
}
