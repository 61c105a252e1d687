use std::collections::BTreeMap;

use super::*;
use crate::options::OptionTable;
use crate::taxonomy::Taxonomy;
use crate::tree::TreePath;

/// The features of a module: names with non-blank lines.
fn features(text: &str) -> BTreeMap<String, usize> {
    let table = OptionTable::embedded();
    let taxonomy = Taxonomy::embedded();
    let catalogue = Catalogue::new(&table, &taxonomy);
    let path = TreePath::new("h/default.nix").unwrap();
    let anatomy = Anatomy::of(&path, text, &|path| catalogue.above_options(path)).unwrap();
    let wanted = Grouping::default();
    let groups = group(&anatomy, &catalogue, &wanted, "features", &|_| false);
    let lines = |group: &Group| group.lines(&anatomy);
    let found = groups.features.iter();
    found
        .map(|(name, group)| (name.clone(), lines(group)))
        .collect()
}

fn check(parts: &[(&str, usize)], expect: &[(&str, usize)]) {
    let definition = |(path, lines): &(&str, usize)| match lines {
        1 => format!("  {path}.a = 1;\n"),
        lines => {
            let inside: String = (2..*lines).map(|n| format!("    a{n} = {n};\n")).collect();
            format!("  {path}.a = {{\n{inside}  }};\n")
        }
    };
    let body: String = parts.iter().map(definition).collect();
    let found = features(&format!("{{\n{body}}}\n"));
    let expect = expect
        .iter()
        .map(|(name, lines)| ((*name).to_owned(), *lines));
    assert_eq!(found, expect.collect(), "{parts:?}");
}

#[test]
fn small_groups_join_what_they_are_related_to() {
    check(&[("services.nginx", 9)], &[("nginx", 9)]);
    check(&[("services.nginx", 7)], &[]);
    // A parent takes what is too little, as far up as needed.
    check(
        &[("services.nginx", 4), ("services.haproxy", 4)],
        &[("web", 8)],
    );
    check(
        &[("services.nginx", 4), ("services.postgresql", 4)],
        &[("services", 8)],
    );
    check(
        &[
            ("services.nginx", 4),
            ("nix", 2),
            ("services.unheard-of", 2),
        ],
        &[("base", 8)],
    );
    // Rather what is near than the parent.
    check(
        &[
            ("services.prometheus.exporters", 3),
            ("services.prometheus.x", 9),
        ],
        &[("prometheus", 12)],
    );
}

#[test]
fn what_belongs_to_one_purpose_by_name_is_one_feature() {
    check(
        &[
            ("systemd.services.screen-on", 9),
            ("systemd.services.screen-off", 9),
            ("systemd.services.mirror", 30),
        ],
        &[("mirror", 30), ("screen", 18)],
    );
}

#[test]
fn a_feature_that_holds_most_is_parted_by_its_options() {
    check(
        &[
            ("services.prometheus.scrapeConfigs", 30),
            ("services.prometheus.alertmanagers", 9),
            ("services.prometheus.globalConfig", 3),
            ("services.nginx", 20),
            ("services.postgresql", 20),
        ],
        &[
            ("nginx", 20),
            ("postgresql", 20),
            ("prometheus", 12),
            ("prometheus-scrape-configs", 30),
        ],
    );
    // One definition cannot be parted, and two lines make no feature.
    check(
        &[
            ("services.prometheus.scrapeConfigs", 30),
            ("services.prometheus.x", 2),
        ],
        &[("prometheus", 32)],
    );
}

#[test]
fn patterns_take_in_what_is_below() {
    let path: Vec<String> = ["services", "nginx", "enable"].map(str::to_owned).to_vec();
    for (pattern, expect) in [
        ("services.nginx", true),
        ("services.*.enable", true),
        ("services.**", true),
        ("services.nginx.enable.x", false),
        ("services.\"nginx\".enable", true),
        ("programs", false),
    ] {
        assert_eq!(matches(pattern, &path), expect, "{pattern}");
    }
}

#[test]
fn names_are_kebab_case_and_no_hosts() {
    let check = |name, expect: &str| {
        assert_eq!(feature_name(name, &["beacon".to_owned()]), expect, "{name}");
    };
    check("nginx", "nginx");
    check("batteryNotifier", "battery-notifier");
    check("beacon", "beacon-settings");
    check("3proxy", "feature-3proxy");
    check("a.b_c", "a-b-c");
    check("allowedTCPPorts", "allowed-tcp-ports");
    check("HTTPServer", "http-server");
}
