# watchtower: Prometheus, Alertmanager, Loki and Grafana.
{
  config,
  lib,
  pkgs,
  self,
  ...
}:
let
  scrape = import ./scrape.nix { inherit lib; };

  servers = [
    "beacon"
    "breakwater"
    "anvil"
    "bellows"
    "drydock"
    "silo"
    "attic"
    "quay"
    "loom"
  ];
  displays = [
    "inkwell"
    "porthole-lobby"
    "porthole-workshop"
    "porthole-canteen"
  ];

  others = self.nixosConfigurations;
  exporterPort = host: name: others.${host}.config.services.prometheus.exporters.${name}.port;

  grafanaDomain = "metrics.harbour.example";
  lokiDir = "/srv/loki";

  # what to probe from outside the machine
  sites = [
    "https://git.harbour.example/"
    "https://vault.harbour.example/alive"
    "https://papers.harbour.example/"
    "https://feeds.harbour.example/healthcheck"
  ];
in
{
  imports = [
    ./hardware.nix
    ../../modules/environments/server.nix
    (import ../../modules/environments/backup-client.nix {
      paths = [ "/var/lib/grafana" ];
      at = "04:00";
    })
    # smtp password, same as on silo
    (
      { config, ... }:
      {
        secrix.system.secrets.smtp-password = {
          encrypted.file = ../../secrets/smtp-password.age;
          decrypted.mode = "0444";
        };
      }
    )
  ];

  system.stateVersion = "24.05";

  networking.hostName = "watchtower";
  networking.useDHCP = false;
  networking.interfaces.ens18.ipv4.addresses = [
    {
      address = "192.0.2.10";
      prefixLength = 24;
    }
  ];
  networking.defaultGateway = "192.0.2.1";
  networking.nameservers = [
    "192.0.2.2"
    "192.0.2.1"
  ];

  #
  # Prometheus
  #
  services.prometheus = {
    enable = true;
    port = 9090;
    listenAddress = "127.0.0.1";
    webExternalUrl = "https://${grafanaDomain}/prometheus/";
    retentionTime = "400d";
    globalConfig = {
      scrape_interval = "30s";
      evaluation_interval = "30s";
      external_labels.site = "harbour";
    };
    ruleFiles = [
      ./rules/hosts.yml
      ./rules/storage.yml
    ];

    scrapeConfigs = [
      (scrape {
        job = "node";
        port = config.services.prometheus.exporters.node.port;
        hosts = servers ++ displays;
      })
      (scrape {
        job = "zfs";
        port = exporterPort "silo" "zfs";
        hosts = [ "silo" ];
        interval = "5m";
      })
      (scrape {
        job = "smartctl";
        port = exporterPort "silo" "smartctl";
        hosts = [
          "silo"
          "attic"
        ];
        interval = "10m";
      })
      (scrape {
        job = "postgres";
        port = exporterPort "quay" "postgres";
        hosts = [ "quay" ];
        labels.role = "database";
      })
      {
        job_name = "unbound";
        static_configs = [
          { targets = [ "203.0.113.1:${toString (exporterPort "beacon" "unbound")}" ]; }
        ];
      }
      {
        job_name = "forgejo";
        metrics_path = "/metrics";
        static_configs = [ { targets = [ "203.0.113.12:3000" ]; } ];
      }
      {
        job_name = "restic";
        static_configs = [ { targets = [ "attic.harbour.example:8000" ]; } ];
      }
      {
        job_name = "watchtower";
        static_configs = [
          {
            targets = [
              "127.0.0.1:${toString config.services.prometheus.port}"
              "127.0.0.1:${toString config.services.grafana.settings.server.http_port}"
            ];
          }
        ];
      }
      {
        job_name = "sites";
        metrics_path = "/probe";
        params.module = [ "http_2xx" ];
        static_configs = [ { targets = sites; } ];
        relabel_configs = [
          {
            source_labels = [ "__address__" ];
            target_label = "__param_target";
          }
          {
            source_labels = [ "__param_target" ];
            target_label = "instance";
          }
          {
            target_label = "__address__";
            replacement = "127.0.0.1:${toString config.services.prometheus.exporters.blackbox.port}";
          }
        ];
      }
      # {
      #   job_name = "ups";
      #   static_configs = [ { targets = [ "silo.harbour.example:9162" ]; } ];
      # }
    ];

    exporters.blackbox = {
      enable = true;
      configFile = ./blackbox.yml;
      listenAddress = "127.0.0.1";
    };

    alertmanagers = [
      {
        scheme = "http";
        static_configs = [ { targets = [ "127.0.0.1:9093" ]; } ];
      }
    ];
    alertmanager = {
      enable = true;
      listenAddress = "127.0.0.1";
      port = 9093;
      configuration = {
        global = {
          smtp_smarthost = "mail.harbour.example:587";
          smtp_from = "watchtower@harbour.example";
          smtp_auth_username = "watchtower";
          smtp_auth_password_file = config.secrix.system.secrets.smtp-password.decrypted.path;
        };
        route = {
          receiver = "ops";
          group_by = [
            "alertname"
            "instance"
          ];
          group_wait = "30s";
          repeat_interval = "12h";
        };
        receivers = [
          {
            name = "ops";
            email_configs = [ { to = "ops@harbour.example"; } ];
          }
        ];
      };
    };
  };

  #
  # Loki
  #
  services.loki = {
    enable = true;
    dataDir = lokiDir;
    configuration = {
      auth_enabled = false;
      server = {
        http_listen_port = 3100;
        grpc_listen_port = 0;
      };
      common = {
        path_prefix = lokiDir;
        replication_factor = 1;
        ring = {
          instance_addr = "127.0.0.1";
          kvstore.store = "inmemory";
        };
        storage.filesystem = {
          chunks_directory = "${lokiDir}/chunks";
          rules_directory = "${lokiDir}/rules";
        };
      };
      schema_config.configs = [
        {
          from = "2024-01-01";
          store = "tsdb";
          object_store = "filesystem";
          schema = "v13";
          index = {
            prefix = "index_";
            period = "24h";
          };
        }
      ];
      limits_config.retention_period = "744h";
      compactor = {
        working_directory = "${lokiDir}/compactor";
        retention_enabled = true;
        delete_request_store = "filesystem";
      };
    };
  };

  #
  # Grafana
  #
  secrix.services.grafana = {
    forceRuntimeDirs = true;
    additionalRuntimeDirNames = [ "grafana" ];
    secrets = {
      grafana-admin.encrypted.file = ../../secrets/grafana-admin.age;
      grafana-secret-key.encrypted.file = ../../secrets/grafana-secret-key.age;
    };
  };

  services.grafana = {
    enable = true;
    settings = {
      server = {
        domain = grafanaDomain;
        root_url = "https://${grafanaDomain}/";
        http_addr = "0.0.0.0";
        http_port = 3000;
      };
      analytics.reporting_enabled = false;
      "auth.anonymous" = {
        enabled = true; # the displays on the wall
        org_role = "Viewer";
      };
      security = {
        admin_user = "ops";
        admin_password = "$__file{${config.secrix.services.grafana.secrets.grafana-admin.decrypted.path}}";
        secret_key = "$__file{${config.secrix.services.grafana.secrets.grafana-secret-key.decrypted.path}}";
        allow_embedding = true;
      };
      users.allow_sign_up = false;
    };
    provision = {
      enable = true;
      datasources.settings.datasources = [
        {
          name = "Prometheus";
          type = "prometheus";
          url = "http://127.0.0.1:${toString config.services.prometheus.port}/prometheus/";
          isDefault = true;
        }
        {
          name = "Loki";
          type = "loki";
          url = "http://127.0.0.1:${toString config.services.loki.configuration.server.http_listen_port}";
        }
      ];
      dashboards.settings.providers = [
        {
          name = "house";
          options.path = ./dashboards;
        }
      ];
    };
  };

  networking.firewall.allowedTCPPorts = [
    config.services.grafana.settings.server.http_port
    config.services.loki.configuration.server.http_listen_port
  ];

  #
  # VPN
  #
  secrix.services.wireguard-wg0.secrets.wg-watchtower.encrypted.file =
    ../../secrets/wg-watchtower.age;
  networking.wireguard.interfaces.wg0 = {
    ips = [ "203.0.113.10/24" ];
    privateKeyFile = config.secrix.services.wireguard-wg0.secrets.wg-watchtower.decrypted.path;
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

  environment.systemPackages = with pkgs; [
    prometheus.cli
    grafana-loki
  ];

  boot.kernel.sysctl."vm.swappiness" = lib.mkDefault 10;
  services.journald.extraConfig = lib.mkBefore ''
    RateLimitBurst=20000
  '';

  secrix.hostPubKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGl5C2vc0aQxMWOotatPhVWqaVAgtWc2gXLCZAMolpu/";
  secrix.defaultEncryptKeys = {
    mara = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+ZWlemWBSkh1LE8BEF98LwfKiNuUu1zhLiIV5TvL+p" ];
    recovery = [ "age1lsjmc56rdtg68ktdxq68z73zk7dw7e7kj7hx2vw9f9llqzsnjdzqc2pmg7" ];
  };
}
