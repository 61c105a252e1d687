# beacon: the way in from outside. VPN hub, resolver for the house, certificates,
# and the nginx in front of everything that has a name.
{
  config,
  lib,
  pkgs,
  self,
  ...
}:
let
  lan = "192.0.2.0/24";
  overlay = "203.0.113.0/24";
  overlay6 = "2001:db8:10:1::/64";
  domain = "harbour.example";

  peers = import ./peers.nix;

  # what names resolve to from inside
  addresses = {
    breakwater = "192.0.2.1";
    beacon = "192.0.2.2";
    watchtower = "192.0.2.10";
    quay = "192.0.2.11";
    loom = "192.0.2.12";
    drydock = "192.0.2.13";
    anvil = "192.0.2.14";
    bellows = "192.0.2.15";
    silo = "192.0.2.20";
    attic = "192.0.2.21";
    inkwell = "192.0.2.30";
    porthole-lobby = "192.0.2.41";
    porthole-workshop = "192.0.2.42";
    porthole-canteen = "192.0.2.43";
    helm = "192.0.2.61";
    sextant = "192.0.2.62";
  };

  forgePort = self.nixosConfigurations.loom.config.services.forgejo.settings.server.HTTP_PORT;
  vaultPort = self.nixosConfigurations.quay.config.services.vaultwarden.config.ROCKET_PORT;

  peerToWireguard =
    peer:
    {
      inherit (peer) publicKey;
      allowedIPs = [ "${peer.ip}/32" ] ++ (peer.routes or [ ]);
    }
    // lib.optionalAttrs (!(peer.roaming or false)) { persistentKeepalive = 25; };

  # one line per host: forward and reverse
  hostRecords = lib.concatLists (
    lib.mapAttrsToList (name: address: [
      ''"${name}.${domain}. IN A ${address}"''
    ]) addresses
  );
in
{
  imports = [
    ./hardware.nix
    ../../modules/environments/server.nix

    # sites
    (import ../../modules/environments/proxy-host.nix {
      site = "git";
      upstream = "http://192.0.2.12:${toString forgePort}";
      maxBody = "512m";
    })
    (import ../../modules/environments/proxy-host.nix {
      site = "vault";
      upstream = "http://192.0.2.11:${toString vaultPort}";
      websockets = true;
    })
    (import ../../modules/environments/proxy-host.nix {
      site = "metrics";
      upstream = "http://192.0.2.10:3000";
      websockets = true;
    })
    (import ../../modules/environments/proxy-host.nix {
      site = "papers";
      upstream = "http://quay.harbour.example:28981";
      maxBody = "100m";
    })
    # (import ../../modules/environments/proxy-host.nix {
    #   site = "wiki";
    #   upstream = "http://192.0.2.11:3456";
    # })
  ];

  system.stateVersion = "24.05";

  ###########################################################################
  ## Network
  ###########################################################################
  networking = {
    hostName = "beacon";
    useDHCP = false;
    interfaces = {
      ens3 = {
        ipv4.addresses = [
          {
            address = "198.51.100.2";
            prefixLength = 24;
          }
        ];
        ipv6.addresses = [
          {
            address = "2001:db8:10::2";
            prefixLength = 64;
          }
        ];
      };
      ens4.ipv4.addresses = [
        {
          address = "192.0.2.2";
          prefixLength = 24;
        }
      ];
    };
    defaultGateway = {
      address = "198.51.100.1";
      interface = "ens3";
    };
    defaultGateway6 = {
      address = "2001:db8:10::1";
      interface = "ens3";
    };
    # itself, with a way out when unbound is down
    nameservers = [
      "127.0.0.1"
      "192.0.2.1"
    ];

    firewall = {
      allowedTCPPorts = [
        80
        443
      ];
      allowedUDPPorts = [ config.networking.wireguard.interfaces.wg0.listenPort ];
      interfaces.ens4 = {
        allowedTCPPorts = [ 53 ];
        allowedUDPPorts = [ 53 ];
      };
      # checkReversePath = "loose";
    };
  };

  boot.kernel.sysctl = {
    "net.ipv4.ip_forward" = 1;
    "net.ipv6.conf.all.forwarding" = 1;
    "net.core.rmem_max" = 2500000; # unbound complains otherwise
  };

  ###########################################################################
  ## VPN
  ###########################################################################
  secrix.services.wireguard-wg0.secrets.wg-beacon.encrypted.file = ../../secrets/wg-beacon.age;

  networking.wireguard.interfaces.wg0 = {
    ips = [
      "203.0.113.1/24"
      "2001:db8:10:1::1/64"
    ];
    listenPort = 51820;
    privateKeyFile = config.secrix.services.wireguard-wg0.secrets.wg-beacon.decrypted.path;
    peers = map peerToWireguard peers;
  };

  # the VPN may talk to the house and out, nobody else passes through
  networking.nat = {
    enable = true;
    enableIPv6 = true;
    externalInterface = "ens3";
    internalInterfaces = [ "wg0" ];
    internalIPs = [ overlay ];
    internalIPv6s = [ overlay6 ];
  };
  networking.firewall.trustedInterfaces = [ "wg0" ];

  environment.systemPackages = with pkgs; [
    wireguard-tools
    # wg-netmanager
    (writeShellScriptBin "wg-stale" ''
      # peers without a handshake in the last ten minutes
      now=$(date +%s)
      ${pkgs.wireguard-tools}/bin/wg show wg0 latest-handshakes | while read -r key seen; do
        if [ $((now - seen)) -gt 600 ]; then
          echo "$key last seen $seen"
        fi
      done
    '')
  ];

  ###########################################################################
  ## DNS
  ###########################################################################
  services.unbound = {
    enable = true;
    resolveLocalQueries = false;
    settings = {
      server = {
        interface = [
          "127.0.0.1"
          "192.0.2.2"
          "203.0.113.1"
        ];
        access-control = [
          "127.0.0.0/8 allow"
          "${lan} allow"
          "${overlay} allow"
        ];
        private-domain = [ "${domain}." ];
        local-zone = [ ''"${domain}." transparent'' ];
        local-data = hostRecords ++ [
          # services are all here, nginx sorts them out
          ''"git.${domain}. IN A 192.0.2.2"''
          ''"vault.${domain}. IN A 192.0.2.2"''
          ''"metrics.${domain}. IN A 192.0.2.2"''
          ''"papers.${domain}. IN A 192.0.2.2"''
          ''"feeds.${domain}. IN A 192.0.2.2"''
        ];
        prefetch = true;
        cache-min-ttl = 60;
        cache-max-ttl = 86400;
        hide-identity = true;
        hide-version = true;
        qname-minimisation = true;
        extended-statistics = true;
      };
      forward-zone = [
        {
          name = ".";
          forward-addr = [
            "198.51.100.53@853#resolver-a.example"
            "198.51.100.54@853#resolver-b.example"
          ];
          forward-tls-upstream = true;
        }
      ];
      remote-control.control-enable = true;
      include = [ "${./blocklist.conf}" ];
    };
  };

  services.prometheus.exporters.unbound = {
    enable = true;
    port = 9167;
    # unbound.host = "unix:///run/unbound/unbound.ctl";
  };
  systemd.services.unbound.serviceConfig.Restart = lib.mkForce "always";

  ###########################################################################
  ## Certificates
  ###########################################################################
  secrix.system.secrets.acme-dns.encrypted.file = ../../secrets/acme-dns.age;

  security.acme = {
    acceptTerms = true;
    defaults = {
      email = "hostmaster@${domain}";
      dnsProvider = "rfc2136";
      environmentFile = config.secrix.system.secrets.acme-dns.decrypted.path;
      dnsPropagationCheck = true;
    };
    certs.${domain} = {
      extraDomainNames = [ "*.${domain}" ];
      group = "nginx";
      reloadServices = [ "nginx.service" ];
    };
  };

  ###########################################################################
  ## Web
  ###########################################################################
  services.nginx = {
    enable = true;
    recommendedGzipSettings = true;
    recommendedOptimisation = true;
    recommendedProxySettings = true;
    recommendedTlsSettings = true;
    statusPage = true;
    commonHttpConfig = ''
      log_format timed '$remote_addr $host "$request" $status $request_time';
      access_log /var/log/nginx/access.log timed;
      limit_req_zone $binary_remote_addr zone=login:10m rate=5r/m;
    '';
    virtualHosts = {
      "_" = {
        default = true;
        useACMEHost = domain;
        addSSL = true;
        locations."/".return = "404";
      };
      ${domain} = {
        forceSSL = true;
        useACMEHost = domain;
        root = ./www; # one page that says sorry
        locations."/".tryFiles = "/error.html =404";
      };
      "feeds.${domain}" = {
        forceSSL = true;
        useACMEHost = domain;
        locations."/" = {
          proxyPass = "http://quay.harbour.example:8088";
          extraConfig = "limit_req zone=login burst=20 nodelay;";
        };
      };
    };
  };
  services.prometheus.exporters.nginx.enable = true;
  networking.firewall.interfaces.wg0.allowedTCPPorts = [
    config.services.prometheus.exporters.nginx.port
    config.services.prometheus.exporters.unbound.port
  ];

  services.fail2ban.jails = {
    nginx-botsearch.settings = {
      enabled = true;
      filter = "nginx-botsearch";
      logpath = "/var/log/nginx/access.log";
      backend = "auto";
    };
    # nginx-http-auth.settings.enabled = true;
  };
  services.logrotate.settings.nginx = {
    rotate = lib.mkForce 14;
    frequency = "daily";
  };

  ###########################################################################
  ## Identity, secrets
  ###########################################################################
  secrix = {
    hostPubKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDtJ4KhjNSsmAFggmO5IjuSUXdQ/zpW/B7HrE0T0G6tU";
    defaultEncryptKeys = {
      mara = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+ZWlemWBSkh1LE8BEF98LwfKiNuUu1zhLiIV5TvL+p" ];
      recovery = [ "age1lsjmc56rdtg68ktdxq68z73zk7dw7e7kj7hx2vw9f9llqzsnjdzqc2pmg7" ];
    };
  };

  # console at the provider, when all else fails
  users.users.root.openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID/hyVwBQazVIQyYveIWpFlcG2tiBXYrHnVtowewMhPz ops" ];
  services.openssh.settings.PermitRootLogin = "prohibit-password";

  # a reboot at three when a kernel came in
  system.autoUpgrade.enable = false;
  systemd.services.reboot-if-needed = {
    description = "Reboot when the booted kernel is not the current one";
    startAt = "Sun 03:00";
    script = ''
      booted=$(readlink -f /run/booted-system/kernel)
      current=$(readlink -f /run/current-system/kernel)
      if [ "$booted" != "$current" ]; then
        ${config.systemd.package}/bin/systemctl reboot
      fi
    '';
    serviceConfig.Type = "oneshot";
  };
}
