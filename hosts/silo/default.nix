# silo: the big array. ZFS, NFS for machines, Samba for people.
{
  config,
  lib,
  pkgs,
  unstable,
  ...
}:
let
  lan = "192.0.2.0/24";
  overlay = "203.0.113.0/24";

  # export: who may mount it, and how
  shares = {
    projects = {
      clients = [
        lan
        overlay
      ];
      flags = "rw,no_subtree_check,root_squash";
    };
    media = {
      clients = [ lan ];
      flags = "ro,no_subtree_check,all_squash";
    };
    builds = {
      clients = [
        "192.0.2.13"
        "192.0.2.14"
        "192.0.2.15"
      ];
      flags = "rw,no_subtree_check,no_root_squash,async";
    };
    papers = {
      clients = [
        "192.0.2.11"
        "192.0.2.30"
      ];
      flags = "rw,no_subtree_check,root_squash";
    };
  };

  mkExport =
    name: share:
    let
      allow = client: "${client}(${share.flags})";
    in
    "/export/${name} " + lib.concatMapStringsSep " " allow share.clients;

  snapshots = {
    frequent = 0;
    hourly = 24;
    daily = 14;
    weekly = 8;
    monthly = 6;
  };
in
{
  imports = [
    ./hardware.nix
    ../../modules/environments/server.nix
    (import ../../modules/environments/backup-client.nix {
      paths = [
        "/tank/projects"
        "/tank/papers"
      ];
      exclude = [
        "*.tmp"
        "/tank/projects/*/target"
      ];
      at = "01:15";
    })
    # inline, because nobody else has a UPS on USB
    (
      { pkgs, ... }:
      {
        services.apcupsd = {
          enable = true;
          configText = ''
            UPSTYPE usb
            NISIP 127.0.0.1
            BATTERYLEVEL 30
            MINUTES 5
          '';
          hooks.doshutdown = ''
            ${pkgs.util-linux}/bin/wall "the UPS is empty"
          '';
        };
      }
    )
  ];

  system.stateVersion = "24.05";

  networking = {
    hostName = "silo";
    hostId = "8c1f20a7"; # ZFS wants one
    useDHCP = false;
    bonds.bond0 = {
      interfaces = [
        "enp65s0f0"
        "enp65s0f1"
      ];
      driverOptions = {
        mode = "802.3ad";
        lacp_rate = "fast";
        miimon = "100";
      };
    };
    interfaces.bond0 = {
      mtu = 9000;
      ipv4.addresses = [
        {
          address = "192.0.2.20";
          prefixLength = 24;
        }
      ];
    };
    defaultGateway = "192.0.2.1";
    nameservers = [
      "192.0.2.2"
      "192.0.2.1"
    ];
  };

  ## ---------------------------------------------------------------- ZFS
  services.zfs = {
    autoScrub = {
      enable = true;
      interval = "Sun *-*-01..07 02:00";
      pools = [
        "rpool"
        "tank"
      ];
    };
    autoSnapshot = {
      enable = true;
      flags = "-k -p --utc";
    }
    // snapshots;
    trim.enable = true;
    zed.settings = {
      ZED_DEBUG_LOG = "/tmp/zed.debug.log";
      ZED_EMAIL_ADDR = [ "ops@harbour.example" ];
      ZED_EMAIL_PROG = "${./zed-notify.sh}";
      ZED_EMAIL_OPTS = "@ADDRESS@";
      ZED_NOTIFY_INTERVAL_SECS = 3600;
      ZED_NOTIFY_VERBOSE = true;
      ZED_SCRUB_AFTER_RESILVER = true;
    };
  };
  services.smartd = {
    enable = true;
    autodetect = true;
    notifications.mail = {
      enable = true;
      sender = "silo@harbour.example";
      recipient = "ops@harbour.example";
      mailer = "${pkgs.msmtp}/bin/sendmail";
    };
    defaults.monitored = "-a -o on -s (S/../.././02|L/../../7/04)";
  };
  services.prometheus.exporters.zfs = {
    enable = true;
    port = 9134;
    pools = [ "tank" ];
  };
  services.prometheus.exporters.smartctl.enable = true;
  services.prometheus.exporters.smartctl.maxInterval = "10m";

  ## ---------------------------------------------------------------- NFS
  services.nfs.server = {
    enable = true;
    createMountPoints = true;
    lockdPort = 4001;
    mountdPort = 4002;
    statdPort = 4000;
    exports = lib.concatStringsSep "\n" (lib.mapAttrsToList mkExport shares) + "\n";
  };
  networking.firewall = {
    allowedTCPPorts = [
      111
      2049
    ]
    ++ (with config.services.nfs.server; [
      lockdPort
      mountdPort
      statdPort
    ]);
    allowedUDPPorts = [
      111
      config.services.nfs.server.lockdPort
      config.services.nfs.server.mountdPort
      config.services.nfs.server.statdPort
    ];
  };

  ## -------------------------------------------------------------- Samba
  # The options of the module changed shape twice; the file never did.
  services.samba = {
    enable = true;
    openFirewall = true;
  };
  environment.etc."samba/smb.conf".source = lib.mkForce ./smb.conf;
  services.samba-wsdd = {
    enable = true;
    openFirewall = true;
    workgroup = "HARBOUR";
    hostname = config.networking.hostName;
  };

  users.groups.projects.gid = 2000;
  users.users = lib.mkMerge [
    (lib.genAttrs [ "mara" "tobias" ] (_: {
      extraGroups = [ "projects" ];
    }))
    {
      scanner = {
        isSystemUser = true;
        group = "projects";
        description = "inkwell drops scans here";
      };
    }
  ];
  systemd.tmpfiles.rules = [
    "d /tank/papers/inbox 2770 scanner projects - -"
    "d /tank/builds 0755 root root - -"
    # "d /tank/scratch 1777 root root 14d -"
  ];

  ## --------------------------------------------------------------- Mail
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
      from = "silo@harbour.example";
      user = "silo";
      passwordeval = "cat ${config.secrix.system.secrets.smtp-password.decrypted.path}";
    };
  };
  environment.etc.aliases.text = ''
    root: ops@harbour.example
  '';

  ## ---------------------------------------------------------------- VPN
  secrix.services.wireguard-wg0.secrets.wg-silo.encrypted.file = ../../secrets/wg-silo.age;
  networking.wireguard.interfaces.wg0 = {
    ips = [ "203.0.113.20/24" ];
    privateKeyFile = config.secrix.services.wireguard-wg0.secrets.wg-silo.decrypted.path;
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
    config.services.prometheus.exporters.zfs.port
    config.services.prometheus.exporters.smartctl.port
  ];

  ## -------------------------------------------------------------- Tools
  environment.systemPackages =
    with pkgs;
    [
      hdparm
      lm_sensors
      mbuffer
      pv
      sanoid
    ]
    ++ [ unstable.httm ];

  systemd.services.pool-report = {
    description = "Weekly report of the pools";
    startAt = "Mon 07:00";
    path = [
      config.boot.zfs.package
      pkgs.msmtp
    ];
    script = ''
      {
        echo "Subject: pools of ${config.networking.hostName}"
        echo
        zpool list
        zpool status
        zfs list -o name,used,avail,refer -d 1 tank
      } | msmtp ops@harbour.example
    '';
    serviceConfig.Type = "oneshot";
  };

  secrix = {
    hostPubKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK6WUMmhYzUJXTJwK70MZvfkmcBeEjKFoOqqBjfaCWD6";
    defaultEncryptKeys = {
      mara = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+ZWlemWBSkh1LE8BEF98LwfKiNuUu1zhLiIV5TvL+p" ];
      recovery = [ "age1lsjmc56rdtg68ktdxq68z73zk7dw7e7kj7hx2vw9f9llqzsnjdzqc2pmg7" ];
    };
  };
}
