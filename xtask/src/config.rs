//! `fleet.toml`: what the owner of a fleet has settled.

mod health;
mod rollout;

use std::collections::BTreeMap;

pub use health::{Check, Health, WebAddress};
pub use rollout::{FleetRollout, Group, HostRollout, Times};
use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};

use crate::problem::{Problem, Span};
use crate::taxonomy::FeatureSpec;
use crate::tree::{ReadError, Tree, TreePath};

/// The name of the file, at the root of the flake.
pub const FILE: &str = "fleet.toml";

/// The settings; everything has a default.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Config {
    /// The option namespace of feature modules, such as `features` or `my`;
    /// found out from the modules when it is not set.
    pub namespace: Option<String>,
    /// Directory of feature modules, from the root of the flake; found out from
    /// where the modules stand when it is not set.
    pub modules_dir: Option<String>,
    /// Where writing is allowed.
    pub branch: Branch,
    /// Features beside the built-in taxonomy, by name.
    pub features: BTreeMap<String, FeatureSpec>,
    /// What concerns one host, where the fleet has no `host.toml`.
    pub hosts: BTreeMap<String, Host>,
    /// How the fleet is rolled out.
    pub rollout: FleetRollout,
    /// Groups of hosts, by name.
    pub groups: BTreeMap<String, Group>,
}

/// `[branch]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Branch {
    /// Commands that write refuse on any other branch.
    pub locked: Option<String>,
}

/// `[hosts.NAME]`, and a `host.toml` as a whole.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Host {
    /// The platform, such as `x86_64-linux`.
    pub system: Option<String>,
    /// What the machine is for.
    pub roles: Vec<String>,
    /// The rollout stage, from 1.
    pub stage: Option<u32>,
    /// Failure domain: no two hosts of one are changed at the same time.
    pub group: Option<String>,
    /// `required`, or `when-reachable` for machines that come and go.
    pub policy: Option<String>,
    /// Hosts that this one cannot do without.
    pub needs: Vec<String>,
    /// How to reach it.
    pub deploy: Option<Deploy>,
    /// What has to hold for the machine to count as healthy.
    pub health: Vec<Health>,
    /// How it is rolled out.
    pub rollout: Option<HostRollout>,
}

/// `[deploy]` of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Deploy {
    /// Address or name.
    pub host: Option<String>,
    /// Who logs in.
    pub user: Option<String>,
    /// Where sshd listens.
    pub port: Option<u16>,
    /// `local` or `remote`.
    pub build_on: Option<String>,
    /// Whether the target may fetch from its own substituters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub substitute_on_destination: Option<bool>,
    /// How it will be reached once it runs what the tree says, where that is
    /// another way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Box<Deploy>>,
}

/// What is known below a table; `*` stands for any name.
const KNOWN: &[(&[&str], &[&str])] = &[
    (
        &[],
        &[
            "namespace",
            "modules-dir",
            "branch",
            "features",
            "hosts",
            "rollout",
            "groups",
        ],
    ),
    (&["branch"], &["locked"]),
    (&["groups"], &["*"]),
    (&["groups", "*"], &["switch", "traffic"]),
    (&["features"], &["*"]),
    (
        &["features", "*"],
        &["patterns", "units", "description", "parent"],
    ),
    (&["hosts"], &["*"]),
    (&["hosts", "*"], HOST),
    (
        &["hosts", "*", "rollout"],
        &["colour", "may-reboot", "reboot-if-rollback-fails"],
    ),
    (
        &["rollout"],
        &[
            "jobs",
            "max-unavailable",
            "max-failures",
            "at-risk",
            "on-failure",
            "ignore-needs",
        ],
    ),
];

/// What is known in a host's table.
const HOST: &[&str] = &[
    "system", "roles", "stage", "group", "policy", "needs", "deploy", "health", "rollout",
];

/// The settings of a tree; the defaults if it has no `fleet.toml`.
pub fn load(tree: &Tree) -> (Config, Vec<Problem>) {
    let Some(path) = TreePath::new(FILE) else {
        return Default::default();
    };
    match tree.text(&path) {
        Ok(text) => parse(&path, &text),
        Err(ReadError::Missing(_)) => Default::default(),
        Err(error) => {
            let problem = Problem::error("unreadable", error.to_string());
            (Config::default(), vec![problem])
        }
    }
}

/// Reads the settings; what is wrong with them is in the problems, each with
/// its place. A text that cannot be read at all gives the defaults.
pub fn parse(path: &TreePath, text: &str) -> (Config, Vec<Problem>) {
    let mut problems = Vec::new();
    let span = |range: std::ops::Range<usize>| {
        let clamp = |offset: usize| u32::try_from(offset.min(text.len())).unwrap_or(u32::MAX);
        Span {
            path: path.clone(),
            start: clamp(range.start),
            end: clamp(range.end),
        }
    };
    let config = match toml::from_str::<Config>(text) {
        Ok(config) => config,
        Err(error) => {
            let problem = Problem::error("bad-setting", error.message().to_owned());
            problems.push(problem.at(span(error.span().unwrap_or_default())));
            Config::default()
        }
    };
    let mut unknown = Vec::new();
    if let Ok(table) = DeTable::parse(text) {
        find_unknown(table.get_ref(), &mut Vec::new(), &mut unknown);
    }
    for (name, range) in unknown {
        let problem = Problem::warning("unknown-setting", format!("`{name}` is no setting"));
        problems.push(problem.at(span(range)));
    }
    if let Some(namespace) = &config.namespace
        && !is_attribute_path(namespace)
    {
        let message = format!("namespace {namespace:?} is no attribute path");
        let place = text.find("namespace").unwrap_or(0);
        problems.push(
            Problem::error("bad-setting", message)
                .at(span(place..place + "namespace".len()))
                .help("names joined by dots, such as `features` or `fleet.features`"),
        );
        return (
            Config {
                namespace: None,
                ..config
            },
            problems,
        );
    }
    (config, problems)
}

/// Reads a `host.toml`; what is wrong with it is in the problems.
pub fn parse_host(path: &TreePath, text: &str) -> (Host, Vec<Problem>) {
    match toml::from_str(text) {
        Ok(host) => (host, Vec::new()),
        Err(error) => {
            let clamp = |offset: usize| u32::try_from(offset.min(text.len())).unwrap_or(u32::MAX);
            let range = error.span().unwrap_or_default();
            let span = Span {
                path: path.clone(),
                start: clamp(range.start),
                end: clamp(range.end),
            };
            let problem = Problem::error("bad-setting", error.message().to_owned()).at(span);
            (Host::default(), vec![problem])
        }
    }
}

/// Where the elements of a list of texts stand, by the names of the tables
/// above it.
pub fn places(text: &str, at: &[&str]) -> Vec<(String, std::ops::Range<usize>)> {
    let Ok(root) = DeTable::parse(text) else {
        return Vec::new();
    };
    let Some((last, tables)) = at.split_last() else {
        return Vec::new();
    };
    let mut table = root.get_ref();
    for name in tables {
        match table.get(*name).map(|value| value.get_ref()) {
            Some(DeValue::Table(inner)) => table = inner,
            _ => return Vec::new(),
        }
    }
    let Some(DeValue::Array(items)) = table.get(*last).map(|value| value.get_ref()) else {
        return Vec::new();
    };
    let element = |item: &toml::Spanned<DeValue<'_>>| match item.get_ref() {
        DeValue::String(text) => Some((text.to_string(), item.span())),
        _ => None,
    };
    items.iter().filter_map(element).collect()
}

fn is_attribute_path(text: &str) -> bool {
    text.split('.').all(|name| {
        let mut characters = name.chars();
        characters
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '\''))
    })
}

fn find_unknown(
    table: &DeTable<'_>,
    at: &mut Vec<&str>,
    unknown: &mut Vec<(String, std::ops::Range<usize>)>,
) {
    let more: &[&str] = match at.as_slice() {
        ["rollout"] | ["hosts", "*", "rollout"] => rollout::TIMES,
        _ => &[],
    };
    let Some((_, names)) = KNOWN.iter().find(|(path, _)| path == at) else {
        return;
    };
    for (key, value) in table {
        let name: &str = key.get_ref();
        let mut names = names.iter().chain(more);
        let Some(known) = names.find(|known| **known == name || **known == "*") else {
            unknown.push((name.escape_debug().to_string(), key.span()));
            continue;
        };
        if let DeValue::Table(inner) = value.get_ref() {
            at.push(known);
            find_unknown(inner, at, unknown);
            at.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::line_col;

    fn check(text: &str, expect: &[&str]) -> Config {
        let (config, problems) = parse(&TreePath::new(FILE).unwrap(), text);
        let said: Vec<String> = problems
            .iter()
            .map(|problem| {
                let (line, column) = line_col(text, problem.span.as_ref().unwrap().start as usize);
                format!("{line}:{column}: {}: {}", problem.code, problem.message)
            })
            .collect();
        assert_eq!(said, expect, "{text}");
        config
    }

    #[test]
    fn settings_are_read() {
        let config = check(
            "namespace = \"my.fleet\"\nmodules-dir = \"nix/features\"\n[branch]\nlocked = \"main\"\n\
             [features.backup]\npatterns = [\"services.restic\"]\n[hosts.web]\nstage = 2\nneeds = [\"db\"]\n",
            &[],
        );
        assert_eq!(config.branch.locked.as_deref(), Some("main"));
        assert_eq!(config.modules_dir.as_deref(), Some("nix/features"));
        assert_eq!(config.features["backup"].patterns, ["services.restic"]);
        assert_eq!(config.hosts["web"].needs, ["db"]);
        assert_eq!(check("", &[]), Config::default());
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        let config = check(
            "colour = 1\n[branch]\nlocked = \"main\"\nlockd = \"x\"\n[features.web]\npattern = []\n",
            &[
                "4:1: unknown-setting: `lockd` is no setting",
                "1:1: unknown-setting: `colour` is no setting",
                "6:1: unknown-setting: `pattern` is no setting",
            ],
        );
        assert_eq!(config.branch.locked.as_deref(), Some("main"));
        check(
            "[branch]\nlocked = 3\n",
            &["2:10: bad-setting: invalid type: integer `3`, expected a string"],
        );
        check(
            "namespace = \"a b\"\n",
            &["1:1: bad-setting: namespace \"a b\" is no attribute path"],
        );
        let (_, problems) = parse(&TreePath::new(FILE).unwrap(), "[branch\n");
        assert_eq!(problems[0].code, "bad-setting");
    }
}
