//! Rules of this repository that no compiler knows.
// Helpers of tests fail as tests do, and say so as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_macros)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use xtask::process::{DuctRunner, Invocation, Runner};

/// What acts; everything else in `xtask/src` decides. Each with the shell
/// modules that it may use.
const SHELL: &[(&str, &[&str])] = &[
    ("process", &[]),
    ("tools", &["process"]),
    ("workspace", &["tools", "process"]),
    ("ui", &[]),
    ("engine", &["ui", "workspace", "tools", "process"]),
    ("cli", &["engine", "ui", "workspace", "tools", "process"]),
];

/// Lines of a source file, its unit tests not counted, beyond which there is a seam.
const LONG: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Every tracked file that is text, by its path. Without git (a release
/// archive) there is nothing to check.
fn tracked() -> Vec<(String, String)> {
    let listing = Invocation::new("git")
        .args(["ls-files", "-z"])
        .directory(root());
    let Ok(listing) = DuctRunner::default().run(&listing) else {
        common::need::skip("git", "the sources are no git repository");
        return Vec::new();
    };
    let names = String::from_utf8(listing.stdout).unwrap();
    names
        .split_terminator('\0')
        .filter_map(|name| {
            let text = fs::read_to_string(root().join(name)).ok()?;
            Some((name.to_owned(), text))
        })
        .collect()
}

fn sources() -> Vec<(String, String)> {
    let mut files = tracked();
    files.retain(|(name, _)| name.starts_with("xtask/") && name.ends_with(".rs"));
    files
}

/// Fails with all findings at once.
fn none(findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

fn identifier(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    &text[..end]
}

/// The top-level modules of the crate that a line refers to.
fn crate_modules(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for prefix in ["crate::", "xtask::", "super::"] {
        for (at, _) in line.match_indices(prefix) {
            let rest = &line[at + prefix.len()..];
            match rest.strip_prefix('{') {
                None => found.push(identifier(rest)),
                Some(group) => {
                    let mut depth = 0;
                    let mut start = true;
                    for (index, c) in group.char_indices() {
                        match c {
                            '{' => depth += 1,
                            '}' if depth == 0 => break,
                            '}' => depth -= 1,
                            ',' if depth == 0 => start = true,
                            c if start && !c.is_whitespace() => {
                                found.push(identifier(&group[index..]));
                                start = false;
                            }
                            _ => {}
                        }
                    }
                }
            }
        }
    }
    found
}

#[test]
fn the_core_imports_nothing_of_the_shell() {
    let all: Vec<&str> = SHELL.iter().map(|(name, _)| *name).collect();
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, text) in sources() {
        let Some(inside) = name.strip_prefix("xtask/src/") else {
            continue;
        };
        let module = identifier(inside);
        if matches!(inside, "main.rs" | "lib.rs") {
            continue;
        }
        let allowed: Vec<&str> = match SHELL.iter().find(|(name, _)| *name == module) {
            Some((own, allowed)) => {
                seen.insert(*own);
                allowed.iter().chain([own]).copied().collect()
            }
            None => Vec::new(),
        };
        // `use crate::{…}` may stand on several lines.
        let code: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        for used in crate_modules(&code.join(" ")) {
            if all.contains(&used) && !allowed.contains(&used) {
                findings.push(format!("{name}: `{module}` uses `{used}`"));
            }
        }
    }
    assert!(
        seen.is_empty() || seen.len() >= 5,
        "the list of shell modules is out of date: {seen:?}"
    );
    none(findings);
}

#[test]
fn the_reader_of_imports_reads_them() {
    let check = |line, expect: &[&str]| assert_eq!(crate_modules(line), expect, "{line}");
    check("use crate::ui::Ui;", &["ui"]);
    check(
        "use crate::{tree::{Tree, Kind}, ui, process::Runner};",
        &["tree", "ui", "process"],
    );
    check("let x = crate::cli::main();", &["cli"]);
    check("use super::super::tools;", &["super", "tools"]);
    check("use std::process;", &[]);
}

#[test]
fn files_stay_short() {
    let mut findings = Vec::new();
    for (name, text) in sources() {
        if !name.starts_with("xtask/src/") || name.ends_with("/tests.rs") {
            continue;
        }
        let lines = text
            .split("\n#[cfg(test)]\nmod tests {")
            .next()
            .unwrap()
            .lines()
            .count();
        if lines > LONG {
            findings.push(format!("{name}: {lines} lines: look for the seam"));
        }
    }
    none(findings);
}

#[test]
fn no_path_of_one_machine() {
    // Where people and build machines keep their copies.
    const WORKPLACES: &[&str] = &[
        "home",
        "root",
        "Users",
        "tmp",
        "work",
        "workspace",
        "build",
        "builds",
        "opt",
        "media",
        "data",
        "app",
        "src",
        "github",
        "runner",
    ];
    let mut findings = Vec::new();
    for (name, text) in tracked() {
        let ours =
            name.starts_with("xtask/src/") || name.starts_with(".ci/") || name.ends_with(".md");
        if !ours {
            continue;
        }
        let text = text
            .split("\n#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        if name.ends_with("/tests.rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for (at, _) in line.match_indices('/') {
                let before = line[..at].chars().next_back();
                if !matches!(before, None | Some('"' | '\'' | '`' | ' ' | '(')) {
                    continue;
                }
                let first = identifier(&line[at + 1..]);
                let rest = &line[at + 1 + first.len()..];
                let is_path =
                    rest.starts_with('/') && rest[1..].starts_with(|c: char| c.is_alphanumeric());
                if is_path && WORKPLACES.contains(&first) {
                    findings.push(format!("{name}:{}: {}", number + 1, line.trim()));
                }
            }
        }
    }
    none(findings);
}

#[test]
fn crates_come_from_the_public_registry_alone() {
    let mut findings = Vec::new();
    for (name, text) in tracked() {
        if name == "Cargo.lock" {
            for line in text.lines().filter(|line| line.starts_with("source = ")) {
                if line != "source = \"registry+https://github.com/rust-lang/crates.io-index\"" {
                    findings.push(format!("{name}: {line}"));
                }
            }
        }
        if name.ends_with(".cargo/config.toml") || name.ends_with("Cargo.toml") {
            for word in [
                "[source",
                "[registries",
                "[registry",
                "registry =",
                "replace-with",
            ] {
                if text.contains(word) {
                    findings.push(format!(
                        "{name}: {word}: belongs into a configuration of one's own"
                    ));
                }
            }
        }
    }
    none(findings);
}

#[test]
fn addresses_are_invented() {
    let is_ours = |octets: [u8; 4]| {
        let address = std::net::Ipv4Addr::from(octets);
        address.is_documentation()
            || address.is_private()
            || address.is_loopback()
            || address.is_link_local()
            || address.is_unspecified()
            || address.is_broadcast()
            || address.is_multicast()
            || octets[0] == 255
            || octets[0] == 100 && (64..128).contains(&octets[1])
    };
    let mut findings = Vec::new();
    for (name, text) in tracked() {
        if name.ends_with(".tsv") || name.ends_with(".lock") || name.ends_with("Cargo.toml") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for word in line.split(|c: char| !c.is_ascii_digit() && c != '.') {
                let octets: Vec<u8> = word
                    .split('.')
                    .filter_map(|part| part.parse().ok())
                    .collect();
                if word.split('.').count() != 4 {
                    continue;
                }
                if let Ok(octets) = <[u8; 4]>::try_from(octets)
                    && !is_ours(octets)
                {
                    findings.push(format!("{name}:{}: {word}", number + 1));
                }
            }
        }
    }
    none(findings);
}

#[test]
fn secrets_are_ciphertext() {
    let mut findings = Vec::new();
    for (name, text) in tracked() {
        // Binary ciphertext is not even text.
        let armoured = text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----")
            || text.starts_with("age-encryption.org/v1");
        if name.ends_with(".age") && !armoured {
            findings.push(format!("{name}: not encrypted"));
        }
        for kind in ["OPENSSH", "RSA", "EC", "DSA", "PGP", "ENCRYPTED"] {
            if text.contains(&format!("-----BEGIN {kind} PRIVATE KEY")) {
                findings.push(format!("{name}: a private key"));
            }
        }
    }
    none(findings);
}

#[test]
fn text_is_plain() {
    let mut findings = Vec::new();
    for (name, text) in tracked() {
        let ours = [".rs", ".nix", ".toml", ".md", ".py", ".sh"]
            .iter()
            .any(|end| name.ends_with(end));
        // What a test feeds in may be as odd as it likes.
        if !ours || name.contains("tests/fixtures/") || name.contains("tests/data/") {
            continue;
        }
        if text.contains('\r') {
            findings.push(format!("{name}: carriage returns"));
        }
        if !text.is_empty() && !text.ends_with('\n') {
            findings.push(format!("{name}: no newline at the end"));
        }
        for (number, line) in text.lines().enumerate() {
            if line.ends_with([' ', '\t']) {
                findings.push(format!("{name}:{}: trailing blanks", number + 1));
            }
        }
    }
    none(findings);
}

#[test]
fn the_taxonomy_repeats_nothing() {
    let text = include_str!("../data/features.toml");
    let table: toml::Table = toml::from_str(text).unwrap();
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut findings = Vec::new();
    let mut walk = vec![(String::new(), toml::Value::Table(table))];
    while let Some((path, value)) = walk.pop() {
        match value {
            toml::Value::Table(table) => {
                walk.extend(
                    table
                        .into_iter()
                        .map(|(key, value)| (format!("{path}.{key}"), value)),
                );
            }
            toml::Value::Array(items)
                if [".patterns", ".newer", ".third-party"]
                    .iter()
                    .any(|end| path.ends_with(end)) =>
            {
                for item in items {
                    // What a value says of a machine is another question than
                    // which concern its option belongs to.
                    let question = path.starts_with(".identity.");
                    if let Some(pattern) = item.as_str()
                        && let Some(other) =
                            seen.insert(format!("{question}{pattern}"), path.clone())
                    {
                        findings.push(format!("{pattern}: in {other} and in {path}"));
                    }
                }
            }
            _ => {}
        }
    }
    assert!(seen.len() > 300, "only {} patterns", seen.len());
    none(findings);
}
