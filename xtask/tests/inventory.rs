//! The inventory of whole fleets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/fleet.rs"]
mod fleet;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use xtask::config::Config;
use xtask::inventory::{Inventory, Kind};
use xtask::model::{Fleet, ParseCache};
use xtask::options::OptionTable;
use xtask::taxonomy::Taxonomy;

#[allow(clippy::disallowed_methods)] // the program under test is started as a user starts it
fn inventory(arguments: &[&str]) -> String {
    let legacy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/legacy");
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["--repo".as_ref(), legacy.as_os_str()])
        .arg("inventory")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// `host kind` of what a host needs.
fn needs(document: &Value, host: &str) -> BTreeSet<String> {
    let hosts = document["hosts"].as_array().unwrap();
    let host = hosts.iter().find(|entry| entry["name"] == host).unwrap();
    let needs = host["needs"].as_array().unwrap().iter();
    needs
        .map(|need| {
            format!(
                "{} {}",
                need["host"].as_str().unwrap(),
                need["kind"].as_str().unwrap()
            )
        })
        .collect()
}

fn check(document: &Value, host: &str, expect: &[&str]) {
    let expect: BTreeSet<String> = expect.iter().map(|need| (*need).to_owned()).collect();
    assert_eq!(needs(document, host), expect, "{host}");
}

#[test]
fn the_legacy_fleet() {
    let document: Value = serde_json::from_str(&inventory(&["--json"])).unwrap();
    assert_eq!(document["schema"], "inventory/1");
    let hosts = document["hosts"].as_array().unwrap();
    assert_eq!(hosts.len(), 17);
    for host in hosts {
        let name = &host["name"];
        assert!(host["not_followed"].is_null(), "{name}");
        assert!(
            host["system"].as_str().unwrap().ends_with("-linux"),
            "{name}"
        );
        assert!(
            !host["module_files"].as_array().unwrap().is_empty(),
            "{name}"
        );
        assert!(host["lines"].as_u64().unwrap() > 60, "{name}");
        assert!(host["monolithic_share"].as_f64().unwrap() > 0.3, "{name}");
        assert!(host["deploy"]["host"].is_string(), "{name}");
        assert!(!host["secrets"].as_array().unwrap().is_empty(), "{name}");
        let inputs = host["inputs"].as_array().unwrap();
        assert!(inputs.contains(&Value::from("secrix")), "{name}");
    }
    check(&document, "breakwater", &["beacon vpn", "beacon dns"]);
    check(
        &document,
        "beacon",
        &[
            "breakwater dns",
            "loom proxy",
            "loom config",
            "quay proxy",
            "quay config",
            "watchtower proxy",
        ],
    );
    check(
        &document,
        "quay",
        &[
            "attic storage",
            "beacon vpn",
            "beacon dns",
            "breakwater dns",
            "silo storage",
            "silo config",
        ],
    );
    check(
        &document,
        "drydock",
        &[
            "anvil builder",
            "beacon vpn",
            "beacon dns",
            "bellows builder",
            "bellows config",
            "breakwater dns",
            "loom config",
            "silo storage",
        ],
    );
    // The laptop is away from the house: no resolver of the house.
    check(
        &document,
        "skiff",
        &[
            "anvil builder",
            "attic storage",
            "beacon vpn",
            "bellows builder",
            "inkwell proxy",
        ],
    );
    let watched = needs(&document, "watchtower");
    assert_eq!(
        watched
            .iter()
            .filter(|need| need.ends_with(" metrics"))
            .count(),
        13,
        "{watched:?}"
    );
}

#[test]
fn every_format_shows_every_host() {
    let document: Value = serde_json::from_str(&inventory(&["--format", "json"])).unwrap();
    let hosts = document["hosts"].as_array().unwrap();
    for format in ["table", "json", "markdown", "dot", "mermaid", "svg"] {
        let text = inventory(&["--format", format]);
        for host in hosts {
            let name = host["name"].as_str().unwrap();
            assert!(text.contains(name), "{format}: {name}");
        }
    }
    let svg = inventory(&["--format", "svg"]);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("<g>").count(), svg.matches("</g>").count() - 1);
}

#[test]
fn generated_fleets_come_out_as_they_were_made() {
    let hosts = 60;
    let tree = fleet::generate(hosts);
    let read = Fleet::load(&tree, &OptionTable::embedded(), &ParseCache::default());
    let inventory = Inventory::take(&read, &tree, &Taxonomy::embedded(), &Config::default());
    assert_eq!(inventory.hosts.len(), hosts);
    for entry in &inventory.hosts {
        let number: usize = entry.name.trim_start_matches("host").parse().unwrap();
        let needed: BTreeSet<&str> = entry.needs.iter().map(|need| need.host.as_str()).collect();
        let made: Vec<String> = fleet::needs(number)
            .iter()
            .map(|host| format!("host{host}"))
            .collect();
        let made: BTreeSet<&str> = made.iter().map(String::as_str).collect();
        assert_eq!(needed, made, "{}", entry.name);
        assert_eq!(entry.secrets.len(), 1);
        let vpn = entry
            .needs
            .iter()
            .filter(|need| need.kind == Kind::Vpn)
            .count();
        assert_eq!(vpn, usize::from(!number.is_multiple_of(20)));
    }
}
