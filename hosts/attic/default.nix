# attic: the NAS. Backups of everything, the media collection, synced folders.
{
  config,
  lib,
  pkgs,
  self,
  ...
}:
with lib;
let
  pool = "/pool";

  # folder -> who shares it
  folders = {
    drawings = [
      "helm"
      "sextant"
    ];
    photos = [
      "helm"
      "skiff"
    ];
    # firmware = [ "helm" ];
  };

  # device ids are made on first start of syncthing
  devices = {
    helm.id = "P56IOI7-MZJNU2Y-IQGDREY-DM2MGTI-MGL3BXN-PQ6W5BM-TBBZ4TJ-XZWICQ2";
    sextant.id = "DOVII4U-SQEEESM-VZ2CVTC-CJM4YN5-QNV7DCU-5U3ASRL-YVFG6TH-W5DV5AA";
    skiff.id = "YZJBJFX-RDBL7WY-6ZGKJ2D-4MJB4E7-ZATSDUY-LD6Y3L3-MLFUYWE-AEMXJAC";
  };

  siloPools = self.nixosConfigurations.silo.config.boot.zfs.extraPools;
in
{
  imports = [
    ./hardware.nix
    ./media.nix
    ../../modules/environments/server.nix
    (import ../../modules/environments/nfs-mount.nix {
      share = "media";
      mountPoint = "/mnt/silo-media";
      readOnly = true;
    })
  ];

  system.stateVersion = "24.05";

  networking.hostName = "attic";
  networking.hostId = "4e98d1b3";
  networking.useDHCP = false;
  networking.interfaces.enp1s0.ipv4.addresses = [
    {
      address = "192.0.2.21";
      prefixLength = 24;
    }
  ];
  networking.defaultGateway = "192.0.2.1";
  networking.nameservers = [
    "192.0.2.2"
    "192.0.2.1"
  ];

  ###  Backups  ###
  services.restic.server = {
    enable = true;
    listenAddress = "8000";
    dataDir = "${pool}/restic";
    appendOnly = true;
    privateRepos = false;
    prometheus = true;
    extraFlags = [
      "--no-auth" # only the house gets here
      "--prometheus-no-auth"
    ];
  };
  networking.firewall.allowedTCPPorts = [ 8000 ];

  # append-only on the network, so pruning is done here
  secrix.system.secrets.restic-password.encrypted.file = ../../secrets/restic-password.age;
  systemd.services.restic-prune = {
    description = "Forget old snapshots of every repository";
    startAt = "Sat 06:00";
    path = [ pkgs.restic ];
    environment.RESTIC_PASSWORD_FILE = config.secrix.system.secrets.restic-password.decrypted.path;
    script = ''
      for repo in ${config.services.restic.server.dataDir}/*/; do
        restic --repo "$repo" forget --prune --keep-daily 14 --keep-weekly 8 --keep-monthly 24
        restic --repo "$repo" check --read-data-subset 2%
      done
    '';
    serviceConfig = {
      Type = "oneshot";
      User = "restic";
      Nice = 10;
    };
  };

  # second copy of the array, pulled
  services.syncoid = {
    enable = false; # until the ZFS disks arrive
    interval = "daily";
    commands = listToAttrs (
      map (
        name:
        nameValuePair "silo-${name}" {
          source = "syncoid@silo.harbour.example:${name}/projects";
          target = "backup/${name}-projects";
          recursive = true;
        }
      ) siloPools
    );
  };

  services.btrfs.autoScrub = {
    enable = true;
    fileSystems = [ pool ];
    interval = "monthly";
  };

  services.smartd = {
    enable = true;
    autodetect = true;
    notifications.mail = {
      enable = true;
      sender = "attic@harbour.example";
      recipient = "ops@harbour.example";
      mailer = "${pkgs.msmtp}/bin/sendmail";
    };
    defaults.monitored = "-a -o on -s (S/../.././04|L/../../7/06)";
  };
  services.prometheus.exporters.smartctl = {
    enable = true;
    maxInterval = "10m";
  };

  ###  Sync  ###
  services.syncthing = {
    enable = true;
    dataDir = "${pool}/sync";
    guiAddress = "127.0.0.1:8384";
    openDefaultPorts = true;
    overrideDevices = true;
    overrideFolders = true;
    settings = {
      inherit devices;
      folders = mapAttrs (name: sharedWith: {
        path = "${pool}/sync/${name}";
        devices = sharedWith;
        versioning = {
          type = "staggered";
          params.maxAge = "31536000";
        };
      }) folders;
      options = {
        urAccepted = -1;
        relaysEnabled = false;
        globalAnnounceEnabled = false;
      };
    };
  };

  ###  Mail  ###
  secrix.system.secrets.smtp-password = {
    encrypted.file = ../../secrets/smtp-password.age;
    decrypted.mode = "0444";
  };
  programs.msmtp = {
    enable = true;
    setSendmail = true;
    defaults = {
      tls = true;
      port = 587;
      aliases = "/etc/aliases";
    };
    accounts.default = {
      auth = true;
      host = "mail.harbour.example";
      from = "attic@harbour.example";
      user = "attic";
      passwordeval = "cat ${config.secrix.system.secrets.smtp-password.decrypted.path}";
    };
  };
  environment.etc.aliases.text = ''
    root: ops@harbour.example
  '';

  ###  VPN  ###
  secrix.services.wireguard-wg0.secrets.wg-attic.encrypted.file = ../../secrets/wg-attic.age;
  networking.wireguard.interfaces.wg0 = {
    ips = [ "203.0.113.21/24" ];
    privateKeyFile = config.secrix.services.wireguard-wg0.secrets.wg-attic.decrypted.path;
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
  networking.firewall.interfaces.wg0.allowedTCPPorts = [
    config.services.prometheus.exporters.smartctl.port
  ];

  environment.systemPackages = with pkgs; [
    btrfs-progs
    hdparm
    mdadm
    restic
  ];

  secrix = {
    hostPubKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJlRBi7oINI7LYlOm3L8Ue1Uko8XOEjPELlTrpngnD7P";
    defaultEncryptKeys = {
      mara = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+ZWlemWBSkh1LE8BEF98LwfKiNuUu1zhLiIV5TvL+p" ];
      recovery = [ "age1lsjmc56rdtg68ktdxq68z73zk7dw7e7kj7hx2vw9f9llqzsnjdzqc2pmg7" ];
    };
  };
}
