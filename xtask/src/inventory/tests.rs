use expect_test::{ExpectFile, expect_file};

use super::*;
use crate::model::ParseCache;
use crate::options::OptionTable;

/// Files in one text, each behind a line `#- PATH`. Without a `flake.nix`,
/// every `NAME.nix` at the root is a host.
fn files(fixture: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fixture
        .split("#- ")
        .skip(1)
        .map(|part| {
            let (path, text) = part.split_once('\n').unwrap();
            (path.trim().to_owned(), text.to_owned())
        })
        .collect();
    if !files.iter().any(|(path, _)| path == "flake.nix") {
        let hosts = files
            .iter()
            .filter_map(|(path, _)| path.strip_suffix(".nix"));
        let hosts: Vec<&str> = hosts.filter(|name| !name.contains('/')).collect();
        let list = hosts.iter().map(|name| format!("\"{name}\" "));
        let flake = format!(
            "{{ outputs = {{ self, nixpkgs, ... }}@inputs: {{ nixosConfigurations = nixpkgs.lib.genAttrs \
             [ {}] (name: nixpkgs.lib.nixosSystem {{ system = \"x86_64-linux\"; \
             specialArgs = {{ inherit self inputs; }}; modules = [ (./. + \"/${{name}}.nix\") ]; }}); }}; }}",
            list.collect::<String>()
        );
        files.push(("flake.nix".to_owned(), flake));
    }
    files
}

fn read(fixture: &str) -> (Inventory, Tree) {
    let files = files(fixture);
    let tree = Tree::from_texts(
        files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str())),
    );
    let fleet = Fleet::load(&tree, &OptionTable::embedded(), &ParseCache::default());
    let (config, _) = crate::config::load(&tree);
    let inventory = Inventory::take(&fleet, &tree, &Taxonomy::embedded(), &config);
    (inventory, tree)
}

/// Every need as `FROM TO KIND: PATH: TEXT`.
fn check(before: &str, expect: &[&str]) {
    let (inventory, tree) = read(before);
    let mut said = Vec::new();
    for host in &inventory.hosts {
        for need in &host.needs {
            let span = need.span.as_ref().unwrap();
            let text = tree.text(&span.path).unwrap();
            let text = &text[span.start as usize..span.end as usize];
            let line = text.lines().next().unwrap();
            said.push(format!(
                "{} {} {}: {}: {line}",
                host.name,
                need.host,
                need.kind.name(),
                need.path
            ));
        }
    }
    assert_eq!(said, expect, "{before}\n{:?}", inventory.problems);
}

#[test]
fn a_dialled_peer_is_needed_by_endpoint_key_or_listing() {
    check(
        r#"
#- hub.nix
{
  networking.interfaces.e.ipv4.addresses = [ { address = "192.0.2.1"; prefixLength = 24; } ];
  networking.wireguard.interfaces.wg0 = {
    ips = [ "198.51.100.1/24" ];
    peers = map (ip: { publicKey = "k${ip}"; allowedIPs = [ "${ip}/32" ]; }) [ "198.51.100.7" "198.51.100.8" ];
  };
}
#- a.nix
{
  networking.wireguard.interfaces.wg0 = {
    ips = [ "198.51.100.7/24" ];
    peers = [ { publicKey = "hubkey"; endpoint = "192.0.2.1:51820"; allowedIPs = [ "198.51.100.0/24" ]; } ];
  };
}
#- b.nix
{
  networking.wg-quick.interfaces.wg0 = {
    address = [ "198.51.100.8/24" ];
    peers = [ { publicKey = "hubkey"; endpoint = "vpn.example:51820"; allowedIPs = [ "0.0.0.0/0" ]; } ];
  };
}
"#,
        &[
            "a hub vpn: networking.wireguard.interfaces.wg0.peers: 192.0.2.1",
            "b hub vpn: networking.wg-quick.interfaces.wg0.peers: vpn.example",
        ],
    );
    // Nobody knows key or endpoint, but only one host lists this one.
    check(
        r#"
#- hub.nix
{
  networking.wireguard.interfaces.wg0 = {
    ips = [ "198.51.100.1/24" ];
    peers = [ { publicKey = "k"; allowedIPs = [ "198.51.100.7/32" ]; } ];
  };
}
#- a.nix
{
  systemd.network.netdevs."10-wg".wireguardPeers = [ { PublicKey = "x"; Endpoint = "vpn.example:51820"; AllowedIPs = [ "198.51.100.0/24" ]; } ];
  systemd.network.networks.wg.address = [ "198.51.100.7/24" ];
}
"#,
        &["a hub vpn: systemd.network.netdevs.10-wg.wireguardPeers: vpn.example"],
    );
}

#[test]
fn one_key_is_one_machine() {
    check(
        r#"
#- hub.nix
{ networking.wireguard.interfaces.w = { ips = [ "198.51.100.1/24" ]; peers = [ { publicKey = "k"; allowedIPs = [ "198.51.100.7/32" ]; } ]; }; }
#- a.nix
{ networking.wireguard.interfaces.w = { ips = [ "198.51.100.7/24" ]; peers = [ { publicKey = "h"; endpoint = "203.0.113.1:1"; allowedIPs = [ "198.51.100.0/24" ]; } ]; }; }
#- b.nix
{ networking.wireguard.interfaces.w = { ips = [ "198.51.100.9/24" ]; peers = [ { publicKey = "h"; endpoint = "203.0.113.1:1"; allowedIPs = [ "198.51.100.0/24" ]; } ]; }; }
"#,
        &[
            "a hub vpn: networking.wireguard.interfaces.w.peers: 203.0.113.1",
            "b hub vpn: networking.wireguard.interfaces.w.peers: 203.0.113.1",
        ],
    );
}

#[test]
fn hosts_that_share_all_files_have_an_entry_all_the_same() {
    let (inventory, _) = read(
        r#"
#- flake.nix
{ outputs = { nixpkgs, ... }: let make = modules: nixpkgs.lib.nixosSystem { inherit modules; }; in
  { nixosConfigurations = { a = make [ ./main.nix ]; b = make [ ./main.nix ./vm.nix ]; }; }; }
#- main.nix
{ imports = [ ./deep.nix ]; services.nginx.enable = true; }
#- deep.nix
{ services.nginx.enable = true; }
#- vm.nix
{ boot.kernelModules = [ "x" ]; }
"#,
    );
    let said: Vec<(Option<&str>, usize, f64)> = inventory
        .hosts
        .iter()
        .map(|host| {
            (
                host.entry.as_ref().map(TreePath::as_str),
                host.lines,
                host.monolithic_share,
            )
        })
        .collect();
    assert_eq!(said, [(Some("main.nix"), 0, 1.0), (Some("vm.nix"), 1, 0.0)]);
}

#[test]
fn resolvers() {
    check(
        r#"
#- dns.nix
{ networking.interfaces.e.ipv4.addresses = [ { address = "192.0.2.53"; prefixLength = 24; } ];
  networking.nameservers = [ "127.0.0.1" "192.0.2.53" ]; }
#- a.nix
{ networking.nameservers = [ "192.0.2.5" "192.0.2.53" ]; }
#- b.nix
{ services.dnsmasq.settings.server = [ "/lan.example/192.0.2.53" "203.0.113.9" ];
  services.dnsmasq.settings.listen-address = "192.0.2.53"; }
#- c.nix
{ self, ... }: { networking.nameservers = [ self.nixosConfigurations.dns.config.services.x.address "192.0.2.53" ]; }
"#,
        &[
            "a dns dns: networking.nameservers: 192.0.2.53",
            "b dns dns: services.dnsmasq.settings.server: 192.0.2.53",
            "c dns dns: networking.nameservers: 192.0.2.53",
            "c dns config: networking.nameservers: dns",
        ],
    );
}

#[test]
fn builders_and_caches() {
    check(
        r#"
#- forge.nix
{ networking.domain = "fleet.example"; networking.hostName = "anvil"; }
#- a.nix
{ nix.buildMachines = [ { hostName = "anvil.fleet.example"; systems = [ ]; } { hostName = "anvil.other.example"; } ];
  nix.settings.substituters = [ "https://cache.example" "http://anvil:5000" ]; }
"#,
        &[
            "a forge builder: nix.buildMachines.hostName: anvil.fleet.example",
            "a forge builder: nix.settings.substituters: anvil",
        ],
    );
}

#[test]
fn remote_file_systems_backups_and_databases() {
    check(
        r#"
#- nas.nix
{ services.nfs.server.exports = "/x a(rw) 192.0.2.7(rw)"; }
#- a.nix
{ config, lib, ... }:
let mount = { share, server ? "nas" }: { device = "${server}:/export/${share}"; fsType = "nfs"; }; in
{
  networking.interfaces.e.ipv4.addresses = [ { address = "192.0.2.7"; prefixLength = 24; } ];
  fileSystems."/" = { device = "/dev/disk/by-label/nas"; };
  fileSystems."/n" = mount { share = "n"; };
  fileSystems."/c" = { device = "//nas/share"; fsType = "cifs"; };
  systemd.mounts = [ { what = "me@nas:/x"; where = "/x"; } ];
  services.restic.backups.b.repository = "rest:http://nas:8000/";
  services.nextcloud.config.dbhost = "nas";
  services.thing.settings.url = "postgres://u@nas/db";
}
"#,
        &[
            "a nas storage: fileSystems.\"/c\".device: nas",
            "a nas storage: fileSystems.\"/n\".device: device = \"${server}:/export/${share}\";",
            "a nas storage: services.nextcloud.config.dbhost: nas",
            "a nas storage: services.restic.backups.b.repository: nas",
            "a nas storage: services.thing.settings.url: nas",
            "a nas storage: systemd.mounts.what: nas",
        ],
    );
}

#[test]
fn reverse_proxies_need_what_is_behind_them_and_not_the_other_way() {
    check(
        r#"
#- edge.nix
{
  services.nginx.virtualHosts."git.example".locations."/".proxyPass = "http://app:3000";
  services.nginx.virtualHosts."x.example".locations."/".extraConfig = ''
    allow 192.0.2.9;
    proxy_pass http://web:80;
  '';
  services.haproxy.config = "backend b\n  server one 192.0.2.9:80 check\n";
  services.nginx.upstreams.u.servers."db:80" = { };
}
#- app.nix
{ services.forgejo.settings.server.LINK = "https://git.example/"; }
#- web.nix
{ services.caddy.virtualHosts."a".extraConfig = "reverse_proxy db:80"; }
#- db.nix
{ networking.interfaces.e.ipv4.addresses = [ { address = "192.0.2.9"; prefixLength = 24; } ];
  services.bot.url = "https://git.example/hook"; }
"#,
        &[
            "db edge proxy: services.bot.url: git.example",
            "edge app proxy: services.nginx.virtualHosts.\"git.example\".locations.\"/\".proxyPass: app",
            "edge db proxy: services.haproxy.config: 192.0.2.9",
            "edge db proxy: services.nginx.upstreams.u.servers: db",
            "edge web proxy: services.nginx.virtualHosts.\"x.example\".locations.\"/\".extraConfig: web",
            "web db proxy: services.caddy.virtualHosts.a.extraConfig: db",
        ],
    );
}

#[test]
fn scrape_targets_are_computed() {
    check(
        r#"
#- mon.nix
{ lib, config, self, ... }:
let
  scrape = import ./lib/scrape.nix { inherit lib; };
  port = host: self.nixosConfigurations.${host}.config.services.prometheus.exporters.node.port;
in
{
  networking.domain = "fleet.example";
  services.prometheus.scrapeConfigs = [
    (scrape { hosts = [ "a" "b" "mon" ]; port = 9100; })
    { job_name = "x"; static_configs = [ { targets = [ "192.0.2.3:${toString (port "c")}" "localhost:1" ]; } ]; }
  ];
}
#- lib/scrape.nix
{ lib }: { hosts, port, domain ? "fleet.example" }:
{ static_configs = map (host: { targets = [ "${host}.${domain}:${toString port}" ]; }) (lib.filter (h: h != "b") hosts); }
#- a.nix
{ }
#- b.nix
{ }
#- c.nix
{ networking.interfaces.e.ipv4.addresses = [ { address = "192.0.2.3"; prefixLength = 24; } ]; }
"#,
        &[
            "mon a metrics: services.prometheus.scrapeConfigs.static_configs.targets: a",
            "mon c metrics: services.prometheus.scrapeConfigs.static_configs.targets: 192.0.2.3",
            "mon c config: services.prometheus.scrapeConfigs: c",
        ],
    );
}

#[test]
fn names_come_from_records_and_reservations() {
    check(
        r#"
#- dns.nix
{
  services.unbound.settings.server.local-data = [ "\"git.example. IN A 192.0.2.4\"" "\"forge. IN A 192.0.2.4\"" ];
  networking.hosts."192.0.2.6" = [ "store.example" "nas" ];
}
#- forge.nix
{ }
#- nas.nix
{ }
#- a.nix
{ nix.settings.substituters = [ "https://git.example" ]; fileSystems."/x".device = "store.example:/x"; }
"#,
        &[
            "a forge builder: nix.settings.substituters: git.example",
            "a nas storage: fileSystems.\"/x\".device: store.example",
        ],
    );
}

#[test]
fn what_two_hosts_share_is_nobodys_and_what_is_off_says_nothing() {
    check(
        r#"
#- a.nix
{ networking.interfaces.e.ipv4.addresses = [ { address = "192.0.2.4"; prefixLength = 24; } ]; }
#- b.nix
{ networking.interfaces.e.ipv4.addresses = [ { address = "192.0.2.4"; prefixLength = 24; } ]; }
#- c.nix
{ config, lib, ... }: {
  options.mine.enable = lib.mkEnableOption "x";
  config = lib.mkIf config.mine.enable { fileSystems."/x".device = "a:/x"; };
}
#- d.nix
{ networking.nameservers = [ "192.0.2.4" ]; services.x.url = "https://a.example/"; users.motd = "ssh://a"; }
"#,
        &[],
    );
}

#[test]
fn owners_declare_needs() {
    let fixture = r#"
#- a.nix
{ }
#- b.nix
{ }
#- web1.nix
{ }
#- hosts/a/host.toml
stage = 2
roles = ["app"]
needs = ["b", "a", "bb"]
[deploy]
host = "192.0.2.1"
#- fleet.toml
[hosts."web*"]
stage = 3
needs = ["a"]
"#;
    check(
        fixture,
        &[
            "a b declared: needs: \"b\"",
            "web1 a declared: needs: \"a\"",
        ],
    );
    let (inventory, _) = read(fixture);
    let problem = &inventory.problems[0];
    assert_eq!(problem.code, "unknown-need");
    assert_eq!(inventory.hosts[0].stage, Some(2));
    assert_eq!(inventory.hosts[2].stage, Some(3));
}

const FLEET: &str = r#"
#- flake.nix
{
  outputs = { self, nixpkgs, agenix, hw, unused, ... }: {
    nixosConfigurations = {
      hub = nixpkgs.lib.nixosSystem {
        modules = [ agenix.nixosModules.default ./hub.nix ./base.nix { _module.args.nixinate = { host = "192.0.2.1"; sshUser = "ops"; port = 2222; buildOn = "remote"; }; } ];
      };
      leaf = nixpkgs.lib.nixosSystem { system = "aarch64-linux"; modules = [ hw.nixosModules.pi ./leaf.nix ./base.nix ]; };
      lost = self.lib.mystery "x";
    };
  };
}
#- hub.nix
{ lib, ... }:
{
  nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux";
  networking.hostName = "hub";

  # the files
  services.nginx.enable = true;
  services.nginx.virtualHosts."x.example" = {
    root = "/srv";
  };
  age.secrets.token.file = ./token.age;
}
#- token.age
x
#- leaf.nix
{
  fileSystems."/n" = { device = "hub:/n"; fsType = "nfs"; };
  nix.buildMachines = [ { hostName = "192.0.2.1"; } ];
}
#- base.nix
{ time.timeZone = "UTC"; }
#- fleet.toml
[hosts.hub]
stage = 2
roles = ["web <main>"]
"#;

fn check_format(render: impl Fn(&Inventory, &Tree) -> String, expect: &ExpectFile) {
    let (inventory, tree) = read(FLEET);
    expect.assert_eq(&render(&inventory, &tree));
}

#[test]
fn as_json() {
    check_format(
        |inventory, _| serde_json::to_string_pretty(&inventory.hosts[..2]).unwrap(),
        &expect_file!["snapshots/fleet.json"],
    );
}

#[test]
fn as_markdown() {
    check_format(markdown::render, &expect_file!["snapshots/fleet.md"]);
}

#[test]
fn as_dot() {
    check_format(
        |inventory, _| dot::render(inventory),
        &expect_file!["snapshots/fleet.dot"],
    );
}

#[test]
fn as_mermaid() {
    check_format(
        |inventory, _| mermaid::render(inventory),
        &expect_file!["snapshots/fleet.mmd"],
    );
}

#[test]
fn as_svg() {
    check_format(
        |inventory, _| svg::render(inventory),
        &expect_file!["snapshots/fleet.svg"],
    );
}

#[test]
fn layers_stand_on_what_they_need_and_circles_open_where_they_are_weakest() {
    let (inventory, _) = read(
        r#"
#- a.nix
{ self, ... }: { fileSystems."/x".device = "b:/x"; }
#- b.nix
{ self, ... }: { nix.buildMachines = [ { hostName = "c"; } ]; users.motd = self.nixosConfigurations.a.config.x; }
#- c.nix
{ services.prometheus.scrapeConfigs = [ { static_configs = [ { targets = [ "a:1" "b:1" "d:1" ]; } ]; } ]; }
#- d.nix
{ fileSystems."/x".device = "a:/x"; }
"#,
    );
    let names = |layer: &Vec<usize>| -> Vec<&str> {
        let mut names: Vec<&str> = layer
            .iter()
            .map(|host| inventory.hosts[*host].name.as_str())
            .collect();
        names.sort_unstable();
        names
    };
    let layers: Vec<Vec<&str>> = layers(&inventory).iter().map(names).collect();
    assert_eq!(layers, [vec!["c"], vec!["b"], vec!["a"], vec!["d"]]);
}

#[test]
fn computing_ends() {
    check(
        r#"
#- a.nix
let f = x: f x; g = x: [ (g x) ] ++ [ "b" ]; s = { inherit s; t = s; }; in
{ networking.nameservers = f 1; services.prometheus.scrapeConfigs = g 1; fileSystems."/x" = s; }
#- b.nix
{ config, ... }: { networking.nameservers = config.networking.nameservers; networking.hostName = config.networking.hostName; }
"#,
        &[],
    );
}

#[test]
fn hosts_out_of_sight_are_listed_by_their_place() {
    let files = |outputs: &str| {
        Tree::from_texts([
            ("flake.nix", outputs),
            ("hosts/alpha/default.nix", "{ }\n"),
            ("hosts/common/default.nix", "{ }\n"),
        ])
    };
    let names = |outputs: &str| {
        let tree = files(outputs);
        let table = OptionTable::embedded();
        let fleet = Fleet::load(&tree, &table, &ParseCache::default());
        let inventory = Inventory::take(&fleet, &tree, &Taxonomy::embedded(), &Config::default());
        let hosts = inventory.hosts.into_iter();
        hosts
            .map(|host| (host.name, host.not_followed.is_some()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names("{ outputs = { framework, ... }: framework.lib.mkFlake { src = ./.; }; }"),
        [("alpha".to_owned(), true)]
    );
    // Where everything is followed, a directory is no host.
    assert_eq!(
        names("{ outputs = { ... }: { nixosConfigurations = { }; }; }"),
        []
    );
}
