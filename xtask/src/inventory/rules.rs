//! What an option says about the relations between hosts.
//!
//! Patterns over the path of a value, the names inside its sets included, list
//! indices left out. `*` is one component, a final `**` any number. The first
//! pattern that fits decides.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::Kind;

/// What a value that a pattern fits is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// It names hosts that this one needs: addresses, names or URLs.
    Need(Kind),
    /// A program's configuration as text, in which directives name them.
    Directives(Kind),
    /// A program's configuration as text, in which URLs name them.
    Urls(Kind),
    /// The last component of the path is a host that this one needs.
    NeedKeys(Kind),
    /// What the host is called.
    HostName,
    /// A domain of the fleet's own.
    Domain,
    /// An address of the host.
    Address,
    /// A name that the host answers to; for attributes their names.
    Served,
    /// Address -> names, for every machine that uses them.
    HostsFile,
    /// Text or values in which names are given addresses.
    Records,
    /// A public key of the host.
    PublicKey,
    /// Peers of a tunnel.
    Peers,
    /// Secrets by name.
    Secrets,
    /// Addresses that machines are handed by name.
    Reservations,
    /// Names and public keys of machines, by entry.
    KnownHosts,
    /// `_module.args.nixinate`.
    Deploy,
    /// Nothing: what fits says who may come in, or what this host itself is.
    Nothing,
}

use Kind::{Builder, Dns, Metrics, Proxy, Storage, Vpn};
use Rule as R;

const RULES: &[(&str, Rule)] = &[
    // identity
    ("networking.hostName", R::HostName),
    ("networking.domain", R::Domain),
    ("networking.search", R::Domain),
    ("networking.fqdn", R::Served),
    ("networking.interfaces.*.ipv4.addresses.address", R::Address),
    ("networking.interfaces.*.ipv6.addresses.address", R::Address),
    ("networking.bridges.**", R::Nothing),
    ("systemd.network.networks.*.address", R::Address),
    ("systemd.network.networks.*.addresses.Address", R::Address),
    (
        "systemd.network.networks.*.addresses.addressConfig.Address",
        R::Address,
    ),
    (
        "systemd.network.networks.*.networkConfig.Address",
        R::Address,
    ),
    ("networking.wireguard.interfaces.*.ips", R::Address),
    ("networking.wg-quick.interfaces.*.address", R::Address),
    ("networking.wireguard.interfaces.*.peers.**", R::Peers),
    ("networking.wg-quick.interfaces.*.peers.**", R::Peers),
    ("systemd.network.netdevs.*.wireguardPeers.**", R::Peers),
    ("secrix.hostPubKey", R::PublicKey),
    ("age.rekey.hostPubkey", R::PublicKey),
    ("networking.hosts.**", R::HostsFile),
    ("networking.extraHosts", R::Records),
    ("services.nginx.virtualHosts.*.serverName", R::Served),
    ("services.nginx.virtualHosts.*.serverAliases", R::Served),
    // vpn
    ("services.nebula.networks.*.lighthouses", R::Need(Vpn)),
    ("services.nebula.networks.*.staticHostMap.*", R::Need(Vpn)),
    ("services.openvpn.servers.*.config", R::Directives(Vpn)),
    ("services.tailscale.extraUpFlags", R::Need(Vpn)),
    ("services.tailscale.extraSetFlags", R::Nothing),
    // names
    ("networking.nameservers", R::Need(Dns)),
    ("services.resolved.fallbackDns", R::Need(Dns)),
    ("services.resolved.settings.Resolve.DNS", R::Need(Dns)),
    ("systemd.network.networks.*.dns", R::Need(Dns)),
    ("systemd.network.networks.*.networkConfig.DNS", R::Need(Dns)),
    ("networking.networkmanager.insertNameservers", R::Need(Dns)),
    ("networking.networkmanager.appendNameservers", R::Need(Dns)),
    ("services.unbound.forwardAddresses", R::Need(Dns)),
    (
        "services.unbound.settings.forward-zone.forward-addr",
        R::Need(Dns),
    ),
    (
        "services.unbound.settings.forward-zone.forward-host",
        R::Need(Dns),
    ),
    (
        "services.unbound.settings.stub-zone.stub-addr",
        R::Need(Dns),
    ),
    ("services.unbound.settings.server.local-data", R::Records),
    ("services.unbound.**", R::Nothing),
    ("services.dnsmasq.servers", R::Need(Dns)),
    ("services.dnsmasq.settings.server", R::Need(Dns)),
    ("services.dnsmasq.settings.address", R::Records),
    ("services.dnsmasq.settings.host-record", R::Records),
    ("services.dnsmasq.**", R::Nothing),
    ("services.coredns.config", R::Directives(Dns)),
    ("services.blocky.settings.upstreams.**", R::Need(Dns)),
    (
        "services.blocky.settings.customDNS.mapping.**",
        R::HostsFile,
    ),
    ("services.bind.forwarders", R::Need(Dns)),
    ("services.bind.zones.*.masters", R::Need(Dns)),
    ("services.bind.zones.**", R::Records),
    ("services.nsd.zones.*.requestXFR", R::Need(Dns)),
    ("services.nsd.zones.*.data", R::Records),
    ("services.kea.**", R::Reservations),
    ("services.dhcpd4.**", R::Nothing),
    // builders and their caches
    ("nix.buildMachines.hostName", R::Need(Builder)),
    ("nix.settings.builders", R::Need(Builder)),
    ("nix.settings.substituters", R::Need(Builder)),
    ("nix.settings.extra-substituters", R::Need(Builder)),
    ("nix.settings.trusted-substituters", R::Nothing),
    ("nix.binaryCaches", R::Need(Builder)),
    ("services.hydra.buildMachinesFiles", R::Nothing),
    // storage
    ("fileSystems.*.device", R::Need(Storage)),
    ("systemd.mounts.what", R::Need(Storage)),
    ("services.autofs.autoMaster", R::Directives(Storage)),
    ("services.restic.backups.*.repository", R::Need(Storage)),
    ("services.restic.server.**", R::Nothing),
    ("services.borgbackup.jobs.*.repo", R::Need(Storage)),
    ("services.borgmatic.**.repositories", R::Need(Storage)),
    ("services.borgmatic.**.path", R::Need(Storage)),
    ("services.syncoid.commands.*.source", R::Need(Storage)),
    ("services.syncoid.commands.*.target", R::Need(Storage)),
    ("services.openiscsi.discoverPortal", R::Need(Storage)),
    ("services.nfs.server.**", R::Nothing),
    ("services.samba.**", R::Nothing),
    ("services.nextcloud.config.dbhost", R::Need(Storage)),
    (
        "services.nextcloud.config.objectstore.s3.hostname",
        R::Need(Storage),
    ),
    ("services.*.database.host", R::Need(Storage)),
    ("services.*.database.socket", R::Nothing),
    ("services.*.settings.database.HOST", R::Need(Storage)),
    ("services.*.settings.database.host", R::Need(Storage)),
    ("services.*.config.dbhost", R::Need(Storage)),
    ("services.*.redis.host", R::Need(Storage)),
    // measurements
    (
        "services.prometheus.scrapeConfigs.static_configs.targets",
        R::Need(Metrics),
    ),
    ("services.prometheus.scrapeConfigs.**", R::Nothing),
    ("services.prometheus.remoteWrite.url", R::Need(Metrics)),
    ("services.prometheus.remoteRead.url", R::Need(Metrics)),
    (
        "services.prometheus.alertmanagers.static_configs.targets",
        R::Need(Metrics),
    ),
    ("services.prometheus.exporters.**", R::Nothing),
    (
        "services.victoriametrics.prometheusConfig.scrape_configs.static_configs.targets",
        R::Need(Metrics),
    ),
    (
        "services.vmagent.prometheusConfig.scrape_configs.static_configs.targets",
        R::Need(Metrics),
    ),
    ("services.vmagent.remoteWrite.url", R::Need(Metrics)),
    (
        "services.grafana.provision.datasources.settings.datasources.url",
        R::Need(Metrics),
    ),
    (
        "services.grafana.provision.datasources.url",
        R::Need(Metrics),
    ),
    (
        "services.promtail.configuration.clients.url",
        R::Need(Metrics),
    ),
    ("services.telegraf.extraConfig.outputs.**", R::Need(Metrics)),
    (
        "services.journald.upload.settings.Upload.URL",
        R::Need(Metrics),
    ),
    ("services.rsyslogd.extraConfig", R::Directives(Metrics)),
    ("services.syslog-ng.extraConfig", R::Directives(Metrics)),
    ("services.zabbixAgent.server", R::Need(Metrics)),
    ("services.alloy.**", R::Urls(Metrics)),
    ("services.vector.**", R::Urls(Metrics)),
    ("services.fluent-bit.**", R::Urls(Metrics)),
    ("services.opentelemetry-collector.**", R::Urls(Metrics)),
    ("services.loki.**", R::Nothing),
    // requests that are handed on
    (
        "services.nginx.virtualHosts.*.locations.*.proxyPass",
        R::Need(Proxy),
    ),
    (
        "services.nginx.virtualHosts.*.locations.*.uwsgiPass",
        R::Need(Proxy),
    ),
    (
        "services.nginx.virtualHosts.*.locations.*.grpcPass",
        R::Need(Proxy),
    ),
    (
        "services.nginx.virtualHosts.*.locations.*.extraConfig",
        R::Directives(Proxy),
    ),
    (
        "services.nginx.virtualHosts.*.extraConfig",
        R::Directives(Proxy),
    ),
    ("services.nginx.upstreams.*.servers.*", R::NeedKeys(Proxy)),
    (
        "services.nginx.upstreams.*.extraConfig",
        R::Directives(Proxy),
    ),
    ("services.nginx.proxyResolveWhileRunning", R::Nothing),
    ("services.nginx.resolver.addresses", R::Need(Dns)),
    ("services.nginx.config", R::Directives(Proxy)),
    ("services.nginx.httpConfig", R::Directives(Proxy)),
    ("services.nginx.appendHttpConfig", R::Directives(Proxy)),
    ("services.nginx.streamConfig", R::Directives(Proxy)),
    ("services.nginx.virtualHosts.**", R::Served),
    ("services.nginx.**", R::Nothing),
    (
        "services.caddy.virtualHosts.*.extraConfig",
        R::Directives(Proxy),
    ),
    ("services.caddy.extraConfig", R::Directives(Proxy)),
    ("services.caddy.virtualHosts.*.serverAliases", R::Served),
    ("services.caddy.virtualHosts.**", R::Served),
    ("services.haproxy.config", R::Directives(Proxy)),
    (
        "services.traefik.dynamicConfigOptions.*.services.*.loadBalancer.servers.**",
        R::Need(Proxy),
    ),
    (
        "services.httpd.virtualHosts.*.extraConfig",
        R::Directives(Proxy),
    ),
    (
        "services.httpd.virtualHosts.*.locations.*.proxyPass",
        R::Need(Proxy),
    ),
    ("services.httpd.extraConfig", R::Directives(Proxy)),
    ("services.httpd.virtualHosts.**", R::Served),
    ("services.varnish.config", R::Directives(Proxy)),
    ("services.sniproxy.config", R::Directives(Proxy)),
    ("services.oauth2-proxy.upstream", R::Need(Proxy)),
    ("networking.proxy.**", R::Need(Proxy)),
    // access and trust, not need
    ("networking.firewall.**", R::Nothing),
    ("networking.nftables.**", R::Nothing),
    ("services.fail2ban.**", R::Nothing),
    ("services.openssh.**", R::Nothing),
    ("programs.ssh.knownHosts.**", R::KnownHosts),
    ("programs.ssh.**", R::Nothing),
    ("users.**", R::Nothing),
    ("security.acme.**", R::Nothing),
    ("meta.**", R::Nothing),
    ("environment.systemPackages.**", R::Nothing),
    // the rest
    ("_module.args.nixinate.**", R::Deploy),
    ("secrix.**", R::Secrets),
    ("age.secrets.**", R::Secrets),
    ("sops.secrets.**", R::Secrets),
];

/// A pattern's components and what it means.
type Split = (Vec<&'static str>, Rule);

/// Rules by the first component of their patterns.
static BY_FIRST: LazyLock<FxHashMap<&'static str, Vec<Split>>> = LazyLock::new(|| {
    let mut map: FxHashMap<&str, Vec<(Vec<&str>, Rule)>> = FxHashMap::default();
    for (pattern, rule) in RULES {
        let parts: Vec<&str> = pattern.split('.').collect();
        map.entry(parts[0]).or_default().push((parts, *rule));
    }
    map
});

fn fits(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        (["**"], _) | ([], []) => true,
        (["**", rest @ ..], _) => (0..=path.len()).any(|skip| fits(rest, &path[skip..])),
        ([first, pattern @ ..], [name, path @ ..]) => {
            (*first == "*" || first == name) && fits(pattern, path)
        }
        _ => false,
    }
}

/// Whether something that a pattern fits may stand below the path, or at it.
fn leads_to(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        (["**", ..], _) | (_, []) => true,
        ([first, pattern @ ..], [name, path @ ..]) => {
            (*first == "*" || first == name) && leads_to(pattern, path)
        }
        ([], _) => false,
    }
}

/// The rule for a value.
pub fn rule(path: &[&str]) -> Option<Rule> {
    let rules = BY_FIRST.get(path.first()?)?;
    rules
        .iter()
        .find(|(pattern, _)| fits(pattern, path))
        .map(|(_, rule)| *rule)
}

/// Whether a definition at this path is worth computing.
pub fn is_watched(path: &[&str]) -> bool {
    let Some(first) = path.first() else {
        return true;
    };
    BY_FIRST.get(first).is_some_and(|rules| {
        rules
            .iter()
            .any(|(pattern, rule)| *rule != Rule::Nothing && leads_to(pattern, path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expect: Option<Rule>) {
        let path: Vec<&str> = path.split('.').collect();
        assert_eq!(rule(&path), expect, "{path:?}");
        if !matches!(expect, None | Some(R::Nothing)) {
            for end in 1..=path.len() {
                assert!(is_watched(&path[..end]), "{:?}", &path[..end]);
            }
        }
    }

    #[test]
    fn the_first_pattern_that_fits_decides() {
        check("networking.nameservers", Some(R::Need(Dns)));
        check(
            "services.nginx.virtualHosts.a.locations./.proxyPass",
            Some(R::Need(Proxy)),
        );
        check("services.nginx.virtualHosts.a.root", Some(R::Served));
        check("services.nfs.server.exports", Some(R::Nothing));
        check(
            "services.borgmatic.configurations.a.repositories",
            Some(R::Need(Storage)),
        );
        check("services.none", None);
        check("other", None);
    }
}
