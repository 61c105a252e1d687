//! Features that several hosts use, one after the other.

use super::{ALPHA, migrate};
use crate::tree::TreePath;

/// The text of a feature after hosts have been migrated.
fn feature(files: &str, hosts: &[&str], name: &str) -> String {
    let (tree, report) = migrate(files, hosts);
    let path = TreePath::new(&format!("modules/features/{name}.nix")).unwrap();
    tree.text(&path).unwrap_or_else(|_| panic!("{report}"))
}

#[test]
fn a_feature_that_does_more_is_not_for_a_host_that_does_less() {
    let beta = ALPHA
        .replace("alpha", "beta")
        .replace("      X11Forwarding = false;\n", "");
    let files = format!("{ALPHA}{beta}");
    let alone = feature(ALPHA, &["alpha"], "openssh");
    assert_eq!(feature(&files, &["alpha", "beta"], "openssh"), alone);
    let (tree, report) = migrate(&files, &["alpha", "beta"]);
    let host = TreePath::new("hosts/beta/default.nix").unwrap();
    let text = tree.text(&host).unwrap();
    assert!(!text.contains("features.openssh"), "{text}\n{report}");
}

#[test]
fn a_feature_that_is_too_different_gets_a_variant_by_purpose() {
    let beta = r#"#- /hosts/beta/default.nix
{ pkgs, ... }:
{
  services.openssh = {
    enable = true;
    ports = [ 2222 ];
    banner = "b";
    allowSFTP = false;
    startWhenNeeded = true;
    openFirewall = true;
    authorizedKeysInHomedir = true;
    extraConfig = "x";
    settings.LogLevel = "DEBUG";
    settings.UseDns = true;
  };
  services.postgresql = {
    enable = true;
    enableJIT = true;
    enableTCPIP = true;
    checkConfig = true;
    initialScript = ./x;
    package = pkgs.postgresql_16;
    settings.max_connections = 9;
    settings.log_connections = true;
  };
}
"#;
    let text = feature(
        &format!("{ALPHA}{beta}"),
        &["alpha", "beta"],
        "openssh-postgresql",
    );
    assert!(
        text.contains("on hosts with the PostgreSQL database"),
        "{text}"
    );
    assert!(text.contains("banner = \"b\";"), "{text}");
}

#[test]
fn what_is_too_little_meets_in_one_feature() {
    let beta = r#"#- /hosts/beta/default.nix
{ ... }:
{
  services.openssh = {
    enable = true;
    banner = "b";
    allowSFTP = false;
    settings.LogLevel = "DEBUG";
  };
  services.postgresql = {
    enable = true;
    enableJIT = true;
    enableTCPIP = true;
    checkConfig = true;
  };
}
"#;
    let text = feature(&format!("{ALPHA}{beta}"), &["alpha", "beta"], "base");
    assert!(
        text.contains("banner") && text.contains("enableJIT"),
        "{text}"
    );
}

#[test]
fn a_key_in_use_by_a_feature_names_the_next_host_still() {
    let host = |name: &str, mtu: u16, table: &str| {
        format!(
            r#"#- /hosts/{name}/default.nix
{{ ... }}:
{{
  networking.wireguard.interfaces.wg0 = {{
    privateKeyFile = "/keys/{name}";
    mtu = {mtu};
    allowedIPsAsRoutes = {};
    table = "{table}";
    metric = {mtu};
    fwMark = "{table}";
    socketNamespace = "{table}";
    interfaceNamespace = "{table}";
  }};
}}
"#,
            mtu > 1400
        )
    };
    let files = [
        host("alpha", 1400, "vpn"),
        host("beta", 1400, "vpn"),
        host("gamma", 1500, "hub"),
        "#- /hosts/gamma/host.toml\nroles = [\"hub\"]\n".to_owned(),
    ];
    let (tree, report) = migrate(&files.concat(), &["alpha", "beta", "gamma"]);
    let features = TreePath::new("modules/features").unwrap();
    for name in ["wireguard.nix", "wireguard-hub.nix"] {
        let text = tree.text(&features.join(name).unwrap());
        let text = text.unwrap_or_else(|_| panic!("{name}: {report}"));
        assert!(!text.contains("/keys"), "{text}\n{report}");
    }
}

#[test]
fn what_differs_inside_of_a_list_becomes_an_option() {
    let host = |name: &str, interval: &str| {
        format!(
            r#"#- /hosts/{name}/default.nix
{{ ... }}:
{{
  services.prometheus = {{
    enable = true;
    retentionTime = "30d";
    scrapeConfigs = [
      {{
        job_name = "node";
        scrape_interval = "{interval}";
        static_configs = [ {{ targets = [ "127.0.0.1:9100" ]; }} ];
      }}
    ];
  }};
}}
"#
        )
    };
    let files = host("alpha", "15s") + &host("beta", "60s") + &host("gamma", "15s");
    let text = feature(&files, &["alpha", "beta"], "prometheus");
    assert!(
        text.contains("scrape_interval = cfg.scrapeInterval;"),
        "{text}"
    );
    assert!(text.contains("default = \"15s\";"), "{text}");
    let (tree, _) = migrate(&files, &["alpha", "beta", "gamma"]);
    let host = |name: &str| {
        let path = TreePath::new(&format!("hosts/{name}/default.nix"));
        tree.text(&path.unwrap()).unwrap()
    };
    let (beta, gamma) = (host("beta"), host("gamma"));
    assert!(beta.contains("scrapeInterval = \"60s\";"), "{beta}");
    assert!(
        gamma.contains("features.prometheus.enable = true;"),
        "{gamma}"
    );
}

#[test]
fn hosts_with_roles_share_what_they_have_in_common() {
    let host = |name: &str, role: &str, own: &str| {
        format!(
            r#"#- /hosts/{name}/default.nix
{{ pkgs, ... }}:
{{
  networking.useDHCP = false;
  networking.nameservers = [
    "192.0.2.2"
    "192.0.2.1"
  ];
  networking.{own} = true;
  services.nginx = {{
    enable = true;
    recommendedGzipSettings = true;
    recommendedOptimisation = true;
    recommendedProxySettings = true;
    recommendedTlsSettings = true;
    serverTokens = false;
    statusPage = true;
    clientMaxBodySize = "1g";
    appendConfig = "worker_rlimit_nofile 4096;";
    logError = "stderr warn";
  }};
  environment.systemPackages = [
    pkgs.{name}1
    pkgs.{name}2
    pkgs.{name}3
    pkgs.{name}4
    pkgs.{name}5
    pkgs.{name}6
  ];
}}
#- /hosts/{name}/host.toml
roles = ["{role}"]
"#
        )
    };
    let files = [
        host("alpha", "shop", "enableIPv6"),
        host("beta", "mail", "useNetworkd"),
        host("gamma", "dns", "dhcpcd.wait"),
    ];
    let (tree, report) = migrate(&files.concat(), &["alpha", "beta", "gamma"]);
    let text = |path: &str| {
        let path = TreePath::new(path).unwrap();
        tree.text(&path)
            .unwrap_or_else(|_| panic!("{path}: {report}"))
    };
    let shared = text("modules/features/networking.nix");
    assert!(
        shared.contains("nameservers") && !shared.contains("enableIPv6"),
        "{shared}"
    );
    for (name, role, own) in [
        ("alpha", "shop", "enableIPv6"),
        ("beta", "mail", "useNetworkd"),
    ] {
        let feature = text(&format!("modules/features/{role}.nix"));
        assert!(
            feature.contains(own) && feature.contains("pkgs."),
            "{feature}"
        );
        let host = text(&format!("hosts/{name}/default.nix"));
        assert!(host.contains("networking.enable = true;"), "{host}");
    }
}
