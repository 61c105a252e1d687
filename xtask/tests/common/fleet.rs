//! Fleets of any size, made by rule.

use std::fmt::Write;

use xtask::tree::Tree;

/// Hosts that share one hub, one store and one cache.
const SITE: usize = 20;

fn address(host: usize) -> String {
    format!("10.{}.{}.{}", host / 65_536, host / 256 % 256, host % 256)
}

/// The first host of a host's site: the hub of its tunnel and its resolver.
fn hub(host: usize) -> usize {
    host - host % SITE
}

/// Whom a host needs: its site's hub (tunnel and names) and the store beside
/// the hub.
#[allow(dead_code)]
pub fn needs(host: usize) -> Vec<usize> {
    let hub = hub(host);
    match host - hub {
        0 => vec![hub + 1],
        1 => vec![hub],
        _ => vec![hub, hub + 1],
    }
}

fn module(host: usize) -> String {
    let (hub, own) = (hub(host), address(host));
    let mut text = format!(
        r#"{{ config, lib, pkgs, ... }}:
let
  domain = "site.example";
  port = {port};
in
{{
  imports = [
    ./hardware.nix
    ../../modules/base.nix
    ../../modules/server.nix
    (import ../../modules/mount.nix {{ server = "host{store}.${{domain}}"; share = "data"; }})
  ];

  networking = {{
    hostName = "host{host}";
    interfaces.eth0.ipv4.addresses = [ {{ address = "{own}"; prefixLength = 16; }} ];
    nameservers = [ "{hub_address}" ];
    firewall.allowedTCPPorts = [ 80 port ];
  }};

  services.nginx = {{
    enable = true;
    virtualHosts."host{host}.example" = {{
      forceSSL = true;
      locations."/".proxyPass = "http://127.0.0.1:${{toString port}}";
    }};
  }};

  services.postgresql = {{
    enable = true;
    ensureDatabases = [ "app{host}" ];
    settings.max_connections = {port};
  }};

  systemd.services.app = {{
    description = "the application of host {host}";
    wantedBy = [ "multi-user.target" ];
    serviceConfig.ExecStart = "${{pkgs.hello}}/bin/hello --port ${{toString port}}";
  }};

  environment.systemPackages = with pkgs; [ vim git htop ];
  age.secrets.app.file = ./app.age;
  users.users.app = {{ isSystemUser = true; group = "app"; }};
  users.groups.app = {{ }};
"#,
        port = 3000 + host % 1000,
        store = hub + 1,
        hub_address = address(hub),
    );
    text.push_str("  networking.wireguard.interfaces.wg0 = {\n    peers = [\n");
    if host == hub {
        for leaf in hub + 1..hub + SITE {
            let _ = writeln!(
                text,
                "      {{ publicKey = \"key{leaf}\"; allowedIPs = [ \"{}/32\" ]; }}",
                address(leaf)
            );
        }
    } else {
        let _ = writeln!(
            text,
            "      {{ publicKey = \"key{hub}\"; endpoint = \"{}:51820\"; allowedIPs = [ \"10.0.0.0/8\" ]; }}",
            address(hub)
        );
    }
    text.push_str("    ];\n  };\n}\n");
    text
}

/// A flake with this many hosts, each with two files of its own and four that
/// all share.
pub fn generate(hosts: usize) -> Tree {
    let mut files: Vec<(String, String)> = vec![
        (
            "flake.nix".to_owned(),
            r#"{
  outputs = { self, nixpkgs, agenix, ... }@inputs:
    let
      names = builtins.attrNames (builtins.readDir ./hosts);
      make = name: nixpkgs.lib.nixosSystem {
        system = "x86_64-linux";
        specialArgs = { inherit inputs self; };
        modules = [ agenix.nixosModules.default (./hosts + "/${name}") ];
      };
    in
    { nixosConfigurations = nixpkgs.lib.genAttrs names make; };
}
"#
            .to_owned(),
        ),
        (
            "modules/base.nix".to_owned(),
            "{ pkgs, ... }:\n{\n  networking.domain = \"site.example\";\n  time.timeZone = \"UTC\";\n  i18n.defaultLocale = \"C.UTF-8\";\n  nix.settings.experimental-features = [ \"nix-command\" \"flakes\" ];\n  environment.systemPackages = [ pkgs.curl ];\n}\n"
                .to_owned(),
        ),
        (
            "modules/server.nix".to_owned(),
            "{ lib, ... }:\n{\n  imports = [ ./ssh.nix ];\n  services.prometheus.exporters.node.enable = true;\n  documentation.enable = lib.mkDefault false;\n}\n"
                .to_owned(),
        ),
        (
            "modules/ssh.nix".to_owned(),
            "{\n  services.openssh = {\n    enable = true;\n    settings.PasswordAuthentication = false;\n  };\n}\n".to_owned(),
        ),
        (
            "modules/mount.nix".to_owned(),
            "{ server, share }:\n{\n  fileSystems.\"/mnt/${share}\" = { device = \"${server}:/export/${share}\"; fsType = \"nfs\"; };\n}\n"
                .to_owned(),
        ),
    ];
    for host in 0..hosts {
        files.push((format!("hosts/host{host}/default.nix"), module(host)));
        files.push((
            format!("hosts/host{host}/hardware.nix"),
            format!("{{\n  fileSystems.\"/\" = {{ device = \"/dev/disk/by-label/root{host}\"; fsType = \"ext4\"; }};\n  boot.loader.systemd-boot.enable = true;\n}}\n"),
        ));
        files.push((format!("hosts/host{host}/app.age"), "age".to_owned()));
    }
    Tree::from_texts(
        files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str())),
    )
}
