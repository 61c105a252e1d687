# quay: what people use in a browser. Passwords, papers, feeds, calendars, and the
# PostgreSQL below them. nginx on beacon stands in front.
{
  config,
  lib,
  pkgs,
  self,
  unstable,
  ...
}:

let
  domain = "harbour.example";
  beacon = "192.0.2.2";
  dbHost = "/run/postgresql";

  # every application gets a database and a user of its own name
  databases = [
    "miniflux"
    "paperless"
    "vaultwarden"
  ];

  silo = self.nixosConfigurations.silo.config;

  # TODO: same thing as on loom
  mkHardening =
    extra:
    {
      NoNewPrivileges = true;
      PrivateTmp = true;
      ProtectHome = true;
      ProtectKernelTunables = true;
    }
    // extra;
in
{
  imports = [
    ./hardware.nix
    ./calendar.nix
    ../../modules/environments/server.nix
    (import ../../modules/environments/nfs-mount.nix { share = "papers"; })
    (import ../../modules/environments/backup-client.nix {
      paths = [
        "/var/lib/vaultwarden"
        "/var/lib/radicale"
        "/var/backup/postgresql"
      ];
      at = "03:10";
    })
  ];

  system.stateVersion = "24.05";

  networking.hostName = "quay";
  networking.useDHCP = false;
  networking.interfaces.ens18.ipv4.addresses = [
    {
      address = "192.0.2.11";
      prefixLength = 24;
    }
  ];
  networking.defaultGateway = "192.0.2.1";
  networking.nameservers = [
    "192.0.2.2"
    "192.0.2.1"
  ];

  # =========================================================================
  # PostgreSQL
  # =========================================================================
  services.postgresql = {
    enable = true;
    package = pkgs.postgresql_16;
    enableTCPIP = false;
    ensureDatabases = databases;
    ensureUsers = map (name: {
      inherit name;
      ensureDBOwnership = true;
    }) databases;
    authentication = lib.mkBefore ''
      # exporter
      local all postgres-exporter peer
    '';
    settings = {
      shared_buffers = "2GB";
      effective_cache_size = "6GB";
      work_mem = "32MB";
      maintenance_work_mem = "512MB";
      max_connections = 80;
      random_page_cost = 1.1;
      log_min_duration_statement = 500;
      # shared_preload_libraries = "pg_stat_statements";
    };
  };

  services.postgresqlBackup = {
    enable = true;
    inherit databases;
    startAt = "*-*-* 02:40:00";
    compression = "zstd";
  };

  services.prometheus.exporters.postgres = {
    enable = true;
    runAsLocalSuperUser = true;
    port = 9187;
  };

  systemd.services.postgresql-analyze = {
    description = "Analyze all databases after the backup";
    startAt = "Sun 05:00";
    after = [ "postgresql.service" ];
    requires = [ "postgresql.service" ];
    script = ''
      for db in ${lib.concatStringsSep " " databases}; do
        ${config.services.postgresql.package}/bin/vacuumdb --analyze-only "$db"
      done
    '';
    serviceConfig = {
      Type = "oneshot";
      User = "postgres";
    };
  };

  # =========================================================================
  # Passwords
  # =========================================================================
  secrix.services.vaultwarden.secrets.vaultwarden-env.encrypted.file =
    ../../secrets/vaultwarden-env.age;

  services.vaultwarden = {
    enable = true;
    dbBackend = "postgresql";
    environmentFile = config.secrix.services.vaultwarden.secrets.vaultwarden-env.decrypted.path;
    config = {
      DOMAIN = "https://vault.${domain}";
      DATABASE_URL = "postgresql:///vaultwarden?host=${dbHost}";
      ROCKET_ADDRESS = "192.0.2.11";
      ROCKET_PORT = 8222;
      SIGNUPS_ALLOWED = false;
      INVITATIONS_ALLOWED = true;
      IP_HEADER = "X-Real-IP";
      SMTP_HOST = "mail.${domain}";
      SMTP_FROM = "vault@${domain}";
      SMTP_SECURITY = "starttls";
      LOG_LEVEL = "warn";
    };
  };
  systemd.services.vaultwarden = {
    after = [ "postgresql.service" ];
    requires = [ "postgresql.service" ];
    serviceConfig = mkHardening { MemoryMax = "1G"; };
  };

  # =========================================================================
  # Papers
  # =========================================================================
  secrix.system.secrets.paperless-admin = {
    encrypted.file = ../../secrets/paperless-admin.age;
    decrypted.user = "paperless";
    decrypted.group = "paperless";
  };

  services.paperless = {
    enable = true;
    address = "192.0.2.11";
    port = 28981;
    passwordFile = config.secrix.system.secrets.paperless-admin.decrypted.path;
    consumptionDir = "/mnt/papers/inbox";
    mediaDir = "/mnt/papers/archive";
    settings = {
      PAPERLESS_URL = "https://papers.${domain}";
      PAPERLESS_DBHOST = dbHost;
      PAPERLESS_OCR_LANGUAGE = "eng+por";
      PAPERLESS_OCR_USER_ARGS = {
        optimize = 1;
        pdfa_image_compression = "lossless";
      };
      PAPERLESS_CONSUMER_POLLING = 60; # inotify does not see what happens on the NFS server
      PAPERLESS_FILENAME_FORMAT = "{{ created_year }}/{{ correspondent }}/{{ title }}";
      PAPERLESS_TIME_ZONE = config.time.timeZone;
    };
  };
  # The share has to be there before the consumer looks into it.
  systemd.services.paperless-consumer.unitConfig.RequiresMountsFor = [ "/mnt/papers" ];
  users.users.paperless.extraGroups = [ "projects" ];
  users.groups.projects = { inherit (silo.users.groups.projects) gid; };

  # =========================================================================
  # Feeds
  # =========================================================================
  secrix.services.miniflux.secrets.miniflux-admin.encrypted.file = ../../secrets/miniflux-admin.age;
  secrix.services.miniflux.forceRuntimeDirs = true;
  secrix.services.miniflux.additionalRuntimeDirNames = [ "miniflux" ];

  services.miniflux = {
    enable = true;
    adminCredentialsFile = config.secrix.services.miniflux.secrets.miniflux-admin.decrypted.path;
    config = {
      LISTEN_ADDR = "192.0.2.11:8088";
      BASE_URL = "https://feeds.${domain}";
      CLEANUP_FREQUENCY_HOURS = 48;
      POLLING_FREQUENCY = 30;
      METRICS_COLLECTOR = 1;
      METRICS_ALLOWED_NETWORKS = "203.0.113.0/24";
    };
  };

  # =========================================================================
  # Network
  # =========================================================================
  # only beacon talks to the applications
  networking.firewall.extraCommands = ''
    iptables -A nixos-fw -s ${beacon}/32 -p tcp --dport ${toString config.services.vaultwarden.config.ROCKET_PORT} -j nixos-fw-accept
    iptables -A nixos-fw -s ${beacon}/32 -p tcp --dport ${toString config.services.paperless.port} -j nixos-fw-accept
    iptables -A nixos-fw -s ${beacon}/32 -p tcp --dport 8088 -j nixos-fw-accept
  '';
  networking.firewall.interfaces.wg0.allowedTCPPorts = [
    config.services.prometheus.exporters.postgres.port
    8088 # miniflux metrics
  ];

  secrix.services.wireguard-wg0.secrets.wg-quay.encrypted.file = ../../secrets/wg-quay.age;
  networking.wireguard.interfaces.wg0 = {
    ips = [ "203.0.113.11/24" ];
    privateKeyFile = config.secrix.services.wireguard-wg0.secrets.wg-quay.decrypted.path;
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

  # =========================================================================
  # Odds and ends
  # =========================================================================
  environment.systemPackages =
    (with pkgs; [
      pgcli
      sqlite
      zstd
    ])
    ++ (with unstable; [ pgbadger ]);

  environment.shellAliases = {
    pg = "sudo -u postgres psql";
    papers-log = "journalctl -u 'paperless-*' -f";
  };

  nix.gc.options = "--delete-older-than 14d"; # the disk is small

  secrix.hostPubKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIM/MzjOS8WrSHR8IuDSKJIUu+/DE5KPpmfVPik6XCRZB";
  secrix.defaultEncryptKeys = {
    mara = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+ZWlemWBSkh1LE8BEF98LwfKiNuUu1zhLiIV5TvL+p" ];
    recovery = [ "age1lsjmc56rdtg68ktdxq68z73zk7dw7e7kj7hx2vw9f9llqzsnjdzqc2pmg7" ];
  };
}
