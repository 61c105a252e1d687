use std::collections::BTreeSet;

use super::*;
use crate::options::{OptionTable, PathKind};

fn path(text: &str) -> Vec<&str> {
    text.split('.').collect()
}

fn show(class: &Class<'_>) -> String {
    match class {
        Class::Host(kind) => format!("host {kind:?}"),
        Class::Feature(name) => (*name).to_owned(),
        Class::Unmatched => "-".to_owned(),
    }
}

#[test]
fn options_have_their_place() {
    let taxonomy = Taxonomy::embedded();
    let check = |text, expect: &str| {
        assert_eq!(show(&taxonomy.classify(&path(text))), expect, "{text}");
    };
    check("services.openssh.settings.PermitRootLogin", "openssh");
    check("services.nginx", "nginx");
    check(
        "services.prometheus.exporters.node.enable",
        "prometheus-exporters",
    );
    check("services.prometheus.scrapeConfigs", "prometheus");
    check("boot.loader.grub.device", "host Boot");
    check("boot.kernel.sysctl", "kernel-tuning");
    check("boot.zfs.extraPools", "host Filesystems");
    check("hardware.cpu.intel.updateMicrocode", "host Hardware");
    check("hardware.bluetooth.enable", "bluetooth");
    check("fileSystems./.device", "host Filesystems");
    check("networking.hostName", "host Identity");
    check("networking.interfaces.eth0.useDHCP", "networking");
    check("networking.firewall.allowedTCPPorts", "firewall");
    check("system.stateVersion", "host Identity");
    check("users.users.nginx.extraGroups", "nginx");
    check("users.users.alice.extraGroups", "users");
    check("home-manager.users.alice", "home-manager");
    check("services.frobnicator.enable", "-");
    check("services", "-");
    check("boot", "host Boot");
}

#[test]
fn units_go_with_their_service() {
    let taxonomy = Taxonomy::embedded();
    let check = |text, expect: &str| {
        assert_eq!(show(&taxonomy.classify(&path(text))), expect, "{text}");
    };
    check("systemd.services.nginx.serviceConfig", "nginx");
    check("systemd.services.nextcloud-cron.environment", "nextcloud");
    check("systemd.timers.nextcloud-cron", "nextcloud");
    check(
        "systemd.services.podman-web.serviceConfig",
        "oci-containers",
    );
    check("systemd.services.restic-backups-daily", "restic");
    check("systemd.services.nix-daemon.environment", "nix-settings");
    check("systemd.services.mirror.script", "-");
    check("systemd.services", "-");
    check("systemd.coredump.enable", "systemd");
    check("systemd.network.networks.lan.address", "systemd-networkd");
}

#[test]
fn values_that_name_a_machine_are_known() {
    let taxonomy = Taxonomy::embedded();
    let check = |text, expect| assert_eq!(taxonomy.identity(&path(text)), expect, "{text}");
    check(
        "networking.interfaces.eth0.ipv4.addresses",
        Some(IdentityKind::Address),
    );
    check(
        "networking.wireguard.interfaces.wg0.ips",
        Some(IdentityKind::Address),
    );
    check(
        "networking.wireguard.interfaces.wg0.listenPort",
        Some(IdentityKind::Port),
    );
    check("networking.wireguard.interfaces.wg0.mtu", None);
    check("services.nginx.enable", None);
}

fn extended(specs: &[(&str, &[&str], Option<&str>)]) -> (Taxonomy, Vec<&'static str>) {
    let specs: BTreeMap<&str, FeatureSpec> = specs
        .iter()
        .map(|(name, patterns, parent)| {
            let spec = FeatureSpec {
                patterns: patterns.iter().map(|p| (*p).to_owned()).collect(),
                parent: parent.map(str::to_owned),
                ..FeatureSpec::default()
            };
            (*name, spec)
        })
        .collect();
    let mut taxonomy = Taxonomy::embedded();
    let problems = taxonomy.extend(specs.iter().map(|(name, spec)| (*name, spec)));
    (
        taxonomy,
        problems.into_iter().map(|problem| problem.code).collect(),
    )
}

#[test]
fn a_fleet_adds_features_and_overrides_patterns() {
    let (taxonomy, problems) = extended(&[
        ("frob", &["services.frobnicator.**"], Some("web")),
        ("edge", &["services.nginx.**", "hardware.nvidia.**"], None),
    ]);
    assert_eq!(problems, Vec::<&str>::new());
    let check = |text, expect: &str| {
        assert_eq!(show(&taxonomy.classify(&path(text))), expect, "{text}");
    };
    check("services.frobnicator.port", "frob");
    check("services.nginx.enable", "edge");
    check("hardware.nvidia.open", "edge");
    check("services.caddy.enable", "caddy");
    assert_eq!(
        taxonomy.lineage("frob").collect::<Vec<_>>(),
        ["frob", "web", "services", "base"]
    );
    assert_eq!(
        taxonomy.feature("edge").map(|f| f.description.as_str()),
        Some("edge")
    );
}

#[test]
fn what_is_wrong_with_a_feature_is_reported_and_left_out() {
    let check = |specs: &[(&str, &[&str], Option<&str>)], expect: &[&str]| {
        assert_eq!(extended(specs).1, expect, "{specs:?}");
    };
    check(&[("a b", &["x.y"], None)], &["bad-feature-name"]);
    check(&[("../x", &["x.y"], None)], &["bad-feature-name"]);
    check(&[("with", &["x.y"], None)], &["bad-feature-name"]);
    check(&[("default", &["x.y"], None)], &["bad-feature-name"]);
    check(&[("flake", &["x.y"], None)], &["bad-feature-name"]);
    check(
        &[("a", &["x..y", "**"], None)],
        &["bad-pattern", "bad-pattern"],
    );
    check(
        &[("a", &["x.y"], None), ("b", &["x.y"], None)],
        &["pattern-claimed-twice"],
    );
    check(&[("a", &[], Some("nowhere"))], &["unknown-parent"]);
    check(
        &[("a", &[], Some("b")), ("b", &[], Some("a"))],
        &["parent-circle"],
    );
    check(&[("a", &[], Some("a"))], &["parent-circle"]);
    let (taxonomy, _) = extended(&[("a", &["x..y", "x.z"], Some("a"))]);
    assert_eq!(show(&taxonomy.classify(&["x", "z"])), "a");
    assert_eq!(taxonomy.lineage("a").count(), 1);
}

#[test]
fn arguments_name_a_feature_and_a_pattern() {
    let mut taxonomy = Taxonomy::embedded();
    let codes = |problems: Vec<Problem>| problems.iter().map(|p| p.code).collect::<Vec<_>>();
    let fine = taxonomy.extend_with_arguments(&["web=services.nginx.**", "web=security.acme.**"]);
    assert_eq!(codes(fine), Vec::<&str>::new());
    assert_eq!(
        show(&taxonomy.classify(&path("security.acme.email"))),
        "web"
    );
    let wrong = taxonomy.extend_with_arguments(&["web", "=x.y", "a b=x.y", "web="]);
    let expect = [
        "bad-feature",
        "bad-feature-name",
        "bad-feature-name",
        "bad-pattern",
    ];
    assert_eq!(codes(wrong), expect);
}

#[test]
fn the_taxonomy_is_well_formed() {
    let data = data::parsed().unwrap_or_else(|error| panic!("{error}"));
    let taxonomy = data.build().unwrap_or_else(|error| panic!("{error}"));
    assert!(
        data.features.len() >= 60,
        "{} features",
        data.features.len()
    );
    assert_eq!(data.host.len(), 4);
    let count: usize = data
        .features
        .values()
        .map(|s| s.all_patterns().count())
        .sum();
    assert!(count >= 300, "{count} patterns");
    for (name, section) in &data.features {
        assert!(is_identifier(name), "name of {name}");
        assert_eq!(*name, name.to_lowercase(), "names are in kebab case");
        let described = &section.description;
        assert!(
            !described.is_empty() && !described.ends_with('.'),
            "description of {name}"
        );
        let is_parent = |it: &data::Section| it.parent.as_ref() == Some(name);
        assert!(
            section.all_patterns().count() > 0 || data.features.values().any(is_parent),
            "{name} has no patterns"
        );
        for near in &section.near {
            assert!(data.features.contains_key(near), "{name} is near {near}");
        }
        if let Some(parent) = &section.parent {
            assert!(data.features.contains_key(parent), "parent of {name}");
            let last = taxonomy
                .lineage(name)
                .last()
                .and_then(|it| taxonomy.feature(it));
            assert_eq!(
                last.and_then(|it| it.parent.clone()),
                None,
                "{name} descends from itself"
            );
        }
    }
}

#[test]
fn every_pattern_stands_once() {
    let data = data::parsed().unwrap();
    let unique = |lists: Vec<&str>, what: &str| {
        let mut seen = BTreeSet::new();
        let twice: Vec<_> = lists
            .into_iter()
            .filter(|text| !seen.insert(*text))
            .collect();
        assert!(twice.is_empty(), "{what} twice: {twice:?}");
    };
    let places = data.host.values().chain(data.features.values());
    unique(places.flat_map(|s| s.all_patterns()).collect(), "places");
    unique(
        data.identity
            .values()
            .flat_map(|s| s.all_patterns())
            .collect(),
        "identity",
    );
    unique(
        data.features
            .values()
            .flat_map(|s| &s.units)
            .map(String::as_str)
            .collect(),
        "units",
    );
}

/// A path that the pattern fits.
fn example(pattern: &str) -> (Vec<String>, bool) {
    let pattern = Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    let open = pattern.is_open();
    let text = pattern.to_string();
    let text = text.strip_suffix(".**").unwrap_or(&text);
    let mut path = Vec::new();
    let mut quoted = false;
    let mut part = String::new();
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => path.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
    }
    path.push(part);
    (path, open)
}

#[test]
fn patterns_name_real_options_or_say_why_not() {
    let table = OptionTable::embedded().with_third_party("");
    let declared = |path: &[String]| {
        let mut kinds = table
            .releases()
            .iter()
            .map(|release| table.for_release(Some(*release)).lookup(path));
        kinds.find(|kind| *kind != PathKind::Unknown)
    };
    let data = data::parsed().unwrap();
    let sections = data
        .host
        .values()
        .chain(data.identity.values())
        .chain(data.features.values());
    let mut wrong = Vec::new();
    for section in sections {
        for text in &section.patterns {
            let (path, open) = example(text);
            match declared(&path) {
                None => wrong.push(format!("{text}: no such option")),
                Some(PathKind::Namespace) if !open => {
                    wrong.push(format!("{text}: options only below; add `.**`"));
                }
                Some(_) => {}
            }
        }
        for text in section.newer.iter().chain(&section.third_party) {
            if declared(&example(text).0).is_some() {
                wrong.push(format!("{text}: belongs into `patterns`"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
