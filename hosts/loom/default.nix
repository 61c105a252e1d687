# loom: the git forge.
{
  config,
  lib,
  pkgs,
  ...
}:
with lib;
let
  domain = "git.harbour.example";
  stateDir = "/srv/forgejo";

  cfg = config.services.forgejo;

  robots = pkgs.writeText "robots.txt" ''
    User-agent: *
    Disallow: /
  '';

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
    ../../modules/environments/server.nix
    (import ../../modules/environments/backup-client.nix {
      paths = [ "/srv/forgejo" ];
      exclude = [ "/srv/forgejo/data/tmp" ];
      prepare = "systemctl start forgejo-dump.service || true";
    })
    {
      # until the proxy settles on one name
      services.forgejo.settings.server.LANDING_PAGE = "explore";
    }
  ];

  system.stateVersion = "24.05";

  networking = {
    hostName = "loom";
    useDHCP = false;
    interfaces.ens18.ipv4.addresses = [
      {
        address = "192.0.2.12";
        prefixLength = 24;
      }
    ];
    defaultGateway = "192.0.2.1";
    nameservers = [
      "192.0.2.2"
      "192.0.2.1"
    ];
  };

  ### Forge #################################################################

  services.forgejo = {
    enable = true;
    inherit stateDir;
    lfs.enable = true;
    database = {
      type = "postgres";
      createDatabase = true;
    };
    settings = {
      DEFAULT = {
        APP_NAME = "Harbour";
        RUN_MODE = "prod";
      };
      server = {
        DOMAIN = domain;
        ROOT_URL = "https://${domain}/";
        HTTP_ADDR = "0.0.0.0";
        HTTP_PORT = 3000;
        START_SSH_SERVER = true;
        BUILTIN_SSH_SERVER_USER = "git";
        SSH_PORT = 22;
        SSH_LISTEN_PORT = 22;
      };
      service = {
        DISABLE_REGISTRATION = true;
        REQUIRE_SIGNIN_VIEW = mkDefault false;
        ENABLE_NOTIFY_MAIL = false;
      };
      session.COOKIE_SECURE = true;
      actions.ENABLED = true;
      actions.DEFAULT_ACTIONS_URL = "self";
      "repository.pull-request".DEFAULT_MERGE_STYLE = "rebase";
      "git.timeout" = {
        MIGRATE = 3600;
        MIRROR = 600;
      };
      metrics.ENABLED = true;
      log.LEVEL = "Warn";
      # mailer = {
      #   ENABLED = true;
      #   SMTP_ADDR = "mail.harbour.example";
      #   FROM = "git@harbour.example";
      # };
    };
    dump = {
      enable = true;
      interval = "02:00";
      type = "tar.zst";
    };
  };

  # port 22 without being root
  systemd.services.forgejo.serviceConfig = mkHardening {
    AmbientCapabilities = mkForce "CAP_NET_BIND_SERVICE";
    CapabilityBoundingSet = mkForce "CAP_NET_BIND_SERVICE";
    PrivateUsers = mkForce false;
  };

  systemd.tmpfiles.rules = [
    "d ${cfg.customDir}/templates 0750 ${cfg.user} ${cfg.group} - -"
    "L+ ${cfg.customDir}/templates/home.tmpl - - - - ${./templates/home.tmpl}"
    "L+ ${cfg.customDir}/public/robots.txt - - - - ${robots}"
  ];

  ### Database ##############################################################

  services.postgresql = {
    package = pkgs.postgresql_16;
    settings = {
      shared_buffers = "1GB";
      effective_cache_size = "3GB";
      work_mem = "16MB";
      max_connections = 50;
      random_page_cost = 1.1;
      log_min_duration_statement = 500;
    };
  };
  services.postgresqlBackup = {
    enable = true;
    databases = [ cfg.database.name ];
    startAt = "*-*-* 01:40:00";
    compression = "zstd";
  };

  ### Access ################################################################

  # git has port 22
  services.openssh.ports = mkForce [ 2222 ];
  services.openssh.extraConfig = ''
    Match User deploy
      AllowTcpForwarding no
      X11Forwarding no
  '';
  services.openssh.banner = builtins.readFile ./motd.txt;

  networking.firewall = {
    allowedTCPPorts = [
      cfg.settings.server.SSH_LISTEN_PORT
    ]
    ++ config.services.openssh.ports;
    extraCommands = ''
      iptables -A nixos-fw -s 192.0.2.2/32 -p tcp --dport ${toString cfg.settings.server.HTTP_PORT} -j nixos-fw-accept
      iptables -A nixos-fw -s 192.0.2.13/32 -p tcp --dport ${toString cfg.settings.server.HTTP_PORT} -j nixos-fw-accept
    '';
    interfaces.wg0.allowedTCPPorts = [ cfg.settings.server.HTTP_PORT ];
  };

  services.fail2ban.jails.forgejo.settings = {
    enabled = true;
    filter = "forgejo";
    maxretry = 10;
    findtime = "1h";
  };
  environment.etc."fail2ban/filter.d/forgejo.conf".text = ''
    [Definition]
    failregex = .*(Failed authentication attempt|invalid credentials).* from <HOST>
    journalmatch = _SYSTEMD_UNIT=forgejo.service
  '';

  ### VPN ###################################################################

  secrix.services.wireguard-wg0.secrets.wg-loom.encrypted.file = ../../secrets/wg-loom.age;
  networking.wireguard.interfaces.wg0 = {
    ips = [ "203.0.113.12/24" ];
    privateKeyFile = config.secrix.services.wireguard-wg0.secrets.wg-loom.decrypted.path;
    peers = [
      {
        # beacon
        publicKey = "J90oX4lbbM6o0nDafvQ3/lw2YI+l3MDVk72pNFx+hiA=";
        allowedIPs = [ "203.0.113.0/24" ];
        endpoint = "198.51.100.2:51820";
        persistentKeepalive = 25;
      }
    ];
  };

  ### Tools #################################################################

  environment.systemPackages = with pkgs; [
    git-lfs
    zstd
    (writeShellScriptBin "forge" ''
      # the forge's own command line, as its own user
      cd ${cfg.stateDir}
      exec sudo -u ${cfg.user} ${cfg.package}/bin/forgejo --work-path ${cfg.stateDir} "$@"
    '')
  ];

  programs.git = {
    enable = true;
    lfs.enable = true;
    config = {
      init.defaultBranch = "main";
      safe.directory = "*";
    };
  };

  secrix = {
    hostPubKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHlr3WwvsihB+Wmi7euDmKfdw6uHTSvYRmoMelUmGjXw";
    defaultEncryptKeys = {
      mara = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+ZWlemWBSkh1LE8BEF98LwfKiNuUu1zhLiIV5TvL+p" ];
      recovery = [ "age1lsjmc56rdtg68ktdxq68z73zk7dw7e7kj7hx2vw9f9llqzsnjdzqc2pmg7" ];
    };
  };
}
