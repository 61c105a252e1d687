# breakwater: the router of the house.
#
#   enp1s0  uplink (198.51.100.0/24)
#   enp2s0  trunk to the switch: untagged LAN, 20 guests, 30 machines of the workshop
#   enp3s0  spare
#   wlp5s0  WiFi of the office
{
  config,
  lib,
  pkgs,
  ...
}:

with lib;

let
  wan = "enp1s0";
  trunk = "enp2s0";
  wifi = "wlp5s0";

  vlans = {
    guest = {
      id = 20;
      net = "198.51.100.128";
      gateway = "198.51.100.129";
      length = 26;
    };
    shop = {
      id = 30;
      net = "198.51.100.192";
      gateway = "198.51.100.193";
      length = 27;
    };
  };

  # only nftables below needs these
  guestPorts = [
    53
    67
    123
  ];
  portList = ports: concatMapStringsSep ", " toString ports;
in
{
  imports = [
    ./hardware.nix
    ../../modules/environments/base.nix
    ../../modules/environments/node-exporter.nix
  ];

  system.stateVersion = "24.05";

  networking.hostName = "breakwater";
  networking.useDHCP = false;

  # ---- links ---------------------------------------------------------------
  networking.bridges.br0.interfaces = [ trunk ];

  networking.vlans = {
    guest = {
      inherit (vlans.guest) id;
      interface = trunk;
    };
    shop = {
      inherit (vlans.shop) id;
      interface = trunk;
    };
  };

  networking.interfaces = {
    ${wan} = {
      useDHCP = true;
      # macAddress = "02:00:5e:00:53:01"; # the old modem wanted this
    };
    br0.ipv4.addresses = [
      {
        address = "192.0.2.1";
        prefixLength = 24;
      }
    ];
    br0.ipv6.addresses = [
      {
        address = "2001:db8:10:2::1";
        prefixLength = 64;
      }
    ];
    guest.ipv4.addresses = [
      {
        address = vlans.guest.gateway;
        prefixLength = vlans.guest.length;
      }
    ];
    shop.ipv4.addresses = [
      {
        address = vlans.shop.gateway;
        prefixLength = vlans.shop.length;
      }
    ];
  };

  networking.nameservers = [ "192.0.2.2" ];

  boot.kernel.sysctl = {
    "net.ipv4.conf.all.forwarding" = true;
    "net.ipv6.conf.all.forwarding" = true;
    "net.ipv6.conf.${wan}.accept_ra" = 2;
    "net.netfilter.nf_conntrack_max" = 131072;
    "net.core.default_qdisc" = "fq_codel";
  };

  # ---- firewall ------------------------------------------------------------
  networking.firewall.enable = mkForce false; # nftables by hand, below
  networking.nftables = {
    enable = true;
    tables = {
      filter = {
        family = "inet";
        content = ''
          chain input {
            type filter hook input priority 0; policy drop;
            ct state established,related accept
            ct state invalid drop
            iifname { "lo", "br0", "wg0" } accept
            iifname { "guest", "shop" } udp dport { ${portList guestPorts} } accept
            iifname { "guest", "shop" } tcp dport 53 accept
            iifname "${wan}" ip protocol icmp limit rate 10/second accept
            iifname "${wan}" meta l4proto ipv6-icmp accept
            iifname "${wan}" tcp dport 22 limit rate 3/minute accept
          }

          chain forward {
            type filter hook forward priority 0; policy drop;
            ct state established,related accept
            iifname { "br0", "wg0" } accept
            iifname "guest" oifname "${wan}" accept
            iifname "shop" oifname "${wan}" accept
            # displays and the print controller live in the shop
            iifname "shop" ip daddr { 192.0.2.10, 192.0.2.30 } accept
          }
        '';
      };
      nat = {
        family = "ip";
        content = ''
          chain postrouting {
            type nat hook postrouting priority srcnat;
            oifname "${wan}" masquerade
          }
        '';
      };
    };
  };

  # ---- DHCP ----------------------------------------------------------------
  services.kea.dhcp4 = {
    enable = true;
    settings = {
      interfaces-config.interfaces = [
        "br0"
        "guest"
        "shop"
      ];
      lease-database = {
        name = "/var/lib/kea/dhcp4.leases";
        persist = true;
        type = "memfile";
      };
      valid-lifetime = 43200;
      renew-timer = 21600;
      option-data = [
        {
          name = "domain-name";
          data = "harbour.example";
        }
      ];
      subnet4 = [
        {
          id = 1;
          subnet = "192.0.2.0/24";
          pools = [ { pool = "192.0.2.100 - 192.0.2.199"; } ];
          option-data = [
            {
              name = "routers";
              data = "192.0.2.1";
            }
            {
              # beacon answers, the router is the fallback
              name = "domain-name-servers";
              data = "192.0.2.2, 192.0.2.1";
            }
          ];
          reservations = import ./reservations.nix;
        }
        {
          inherit (vlans.guest) id;
          subnet = "${vlans.guest.net}/${toString vlans.guest.length}";
          pools = [ { pool = "198.51.100.140 - 198.51.100.189"; } ];
          option-data = [
            {
              name = "routers";
              data = vlans.guest.gateway;
            }
            {
              name = "domain-name-servers";
              data = vlans.guest.gateway;
            }
          ];
        }
        {
          inherit (vlans.shop) id;
          subnet = "${vlans.shop.net}/${toString vlans.shop.length}";
          pools = [ { pool = "198.51.100.200 - 198.51.100.220"; } ];
          option-data = [
            {
              name = "routers";
              data = vlans.shop.gateway;
            }
          ];
        }
      ];
    };
  };

  services.radvd = {
    enable = true;
    config = ''
      interface br0 {
        AdvSendAdvert on;
        MinRtrAdvInterval 30;
        prefix 2001:db8:10:2::/64 { AdvOnLink on; AdvAutonomous on; };
        RDNSS 2001:db8:10::2 { };
      };
    '';
  };

  # ---- DNS for guests, fallback for the rest -------------------------------
  services.dnsmasq = {
    enable = true;
    resolveLocalQueries = false;
    settings = {
      no-resolv = true;
      bind-dynamic = true;
      interface = [
        "br0"
        "guest"
        "shop"
      ];
      no-dhcp-interface = [
        "br0"
        "guest"
        "shop"
      ];
      server = [
        "/harbour.example/192.0.2.2"
        "198.51.100.53"
        "198.51.100.54"
      ];
      cache-size = 2000;
      # log-queries = true;
    };
  };

  # ---- time ----------------------------------------------------------------
  services.chrony = {
    enable = true;
    servers = [
      "ntp-a.example"
      "ntp-b.example"
    ];
    extraConfig = ''
      allow 192.0.2.0/24
      allow 198.51.100.128/25
      local stratum 10
    '';
  };

  # ---- WiFi ----------------------------------------------------------------
  secrix.services.hostapd.secrets.wifi-office = {
    encrypted.file = ../../secrets/wifi-office.age;
    decrypted.mode = "0400";
  };
  services.hostapd = {
    enable = true;
    radios.${wifi} = {
      countryCode = "PT";
      band = "5g";
      channel = 36;
      wifi4.enable = true;
      wifi5.enable = true;
      networks.${wifi} = {
        ssid = "harbour";
        authentication = {
          mode = "wpa3-sae";
          saePasswordsFile = config.secrix.services.hostapd.secrets.wifi-office.decrypted.path;
        };
        settings.bridge = "br0";
      };
      # networks."${wifi}-1" = {
      #   ssid = "harbour-guest";
      #   authentication.mode = "none";
      # };
    };
  };

  # ---- VPN -----------------------------------------------------------------
  secrix.services.wireguard-wg0.secrets.wg-breakwater.encrypted.file =
    ../../secrets/wg-breakwater.age;
  networking.wireguard.interfaces.wg0 = {
    ips = [ "203.0.113.2/24" ];
    privateKeyFile = config.secrix.services.wireguard-wg0.secrets.wg-breakwater.decrypted.path;
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

  # ---- tools, odds and ends ------------------------------------------------
  environment.systemPackages = with pkgs; [
    conntrack-tools
    ethtool
    iperf3
    iw
    (writeShellScriptBin "leases" ''
      ${pkgs.gawk}/bin/awk -F, '{ print $1, $9 }' ${config.services.kea.dhcp4.settings.lease-database.name}
    '')
  ];

  services.prometheus.exporters.kea = {
    enable = true;
    targets = [ "/run/kea/kea-dhcp4.socket" ];
  };

  services.journald.extraConfig = ''
    SystemMaxUse=256M
  '';
  documentation.enable = false;

  systemd.services.uplink-watch = {
    description = "Restart the uplink when the provider forgets us";
    startAt = "*:0/5";
    path = [ pkgs.iputils ];
    script = ''
      if ! ping -c3 -W2 -I ${wan} 198.51.100.1 >/dev/null; then
        ${config.systemd.package}/bin/systemctl restart network-addresses-${wan}.service
      fi
    '';
    serviceConfig.Type = "oneshot";
  };

  secrix = {
    hostPubKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICeeLHOXLNptky8c0boPiklDA3CPftOSiG/1x8XZrV1p";
    defaultEncryptKeys = {
      mara = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ+ZWlemWBSkh1LE8BEF98LwfKiNuUu1zhLiIV5TvL+p" ];
      recovery = [ "age1lsjmc56rdtg68ktdxq68z73zk7dw7e7kj7hx2vw9f9llqzsnjdzqc2pmg7" ];
    };
  };
}
