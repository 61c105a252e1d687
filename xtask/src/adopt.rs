//! What a repository gets when it adopts this tool: settings, and the tool itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{self, Config};
use crate::edit::{Change, ChangeSet};
use crate::inventory::Inventory;
use crate::problem::Problem;
use crate::tree::{Kind, Tree, TreePath};

/// What of this repository makes up the tool: files, and directories as a whole.
const ENGINE: [&str; 6] = [
    ".cargo/config.toml",
    "Cargo.lock",
    "Cargo.toml",
    "nix/rollout/",
    "nix/standin/",
    "xtask/",
];

/// A host that a stage is proposed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Its name.
    pub host: String,
    /// The stage, from 1.
    pub stage: u32,
    /// Hosts that need it.
    pub needed_by: Vec<String>,
}

/// A stage for every host that has none: first those that nobody needs, then those
/// that some need, last those that more than a quarter of the fleet needs.
pub fn stages(inventory: &Inventory) -> Vec<Proposal> {
    let mut needed_by: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for host in &inventory.hosts {
        for need in host.needs.iter().filter(|need| need.host != host.name) {
            needed_by.entry(&need.host).or_default().insert(&host.name);
        }
    }
    let many = inventory.hosts.len() / 4;
    let without = inventory.hosts.iter().filter(|host| host.stage.is_none());
    without
        .map(|host| {
            let by = needed_by.get(host.name.as_str());
            let by: Vec<String> = by
                .into_iter()
                .flatten()
                .map(|it| (*it).to_owned())
                .collect();
            Proposal {
                host: host.name.clone(),
                stage: match by.len() {
                    0 => 1,
                    some if some <= many => 2,
                    _ => 3,
                },
                needed_by: by,
            }
        })
        .collect()
}

/// `fleet.toml` with what is proposed. Settings that are there stay as they are, and
/// a host that they name is left to its owner.
pub fn settings(tree: &Tree, config: &Config, proposals: &[Proposal]) -> ChangeSet {
    /// Names that stand in a list before it is cut.
    const NAMES: usize = 6;
    let Some(path) = TreePath::new(config::FILE) else {
        return ChangeSet::new();
    };
    let before = tree.read(&path).ok().map(|bytes| bytes.to_vec());
    let new: Vec<&Proposal> = proposals
        .iter()
        .filter(|proposal| !config.hosts.contains_key(&proposal.host))
        .collect();
    if new.is_empty() {
        return ChangeSet::new();
    }
    let mut text = match &before {
        Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        None => "# What the owner of this fleet has settled. The stages are a proposal: hosts of\n\
                 # stage 1 are changed first.\n"
            .to_owned(),
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for proposal in new {
        text.push('\n');
        if !proposal.needed_by.is_empty() {
            let names = proposal.needed_by.iter().take(NAMES);
            let mut names: Vec<String> = names.cloned().collect();
            let more = proposal.needed_by.len().saturating_sub(NAMES);
            if more > 0 {
                names.push(format!("{more} more"));
            }
            text.push_str(&format!("# needed by {}\n", names.join(", ")));
        }
        let name = toml::Value::String(proposal.host.clone());
        text.push_str(&format!("[hosts.{name}]\nstage = {}\n", proposal.stage));
    }
    let contents = text.into_bytes();
    let change = match before {
        Some(before) => Change::Modify { before, contents },
        None => Change::Create {
            contents,
            executable: false,
        },
    };
    ChangeSet::from([(path, change)])
}

/// The files of the tool, from the tree of a repository that carries it.
///
/// # Errors
///
/// That repository does not carry it, or the files would take the place of others.
pub fn engine(from: &Tree, tree: &Tree) -> Result<ChangeSet, Vec<Problem>> {
    let belongs = |path: &str| {
        let mut parts = ENGINE.iter();
        parts.any(|part| path == *part || part.ends_with('/') && path.starts_with(part))
    };
    let mut changes = ChangeSet::new();
    let mut problems = Vec::new();
    for (path, kind) in from.files().filter(|(path, _)| belongs(path.as_str())) {
        if kind == Kind::Symlink {
            continue;
        }
        let contents = match from.raw(path) {
            Ok(contents) => contents.to_vec(),
            Err(error) => {
                problems.push(Problem::error("unreadable", error.to_string()));
                continue;
            }
        };
        let there = tree.raw(path).ok().map(|bytes| bytes.to_vec());
        if there.as_ref() == Some(&contents) {
            continue;
        }
        if there.is_some() || tree.is_directory(path) {
            let text = format!("{path} is there, and is another one");
            let problem = Problem::error("in-the-way", text);
            problems.push(problem.help(
                "leave --engine out, and use the tool from where it is: --repo names this repository",
            ));
            continue;
        }
        let executable = kind == Kind::Executable;
        let change = Change::Create {
            contents,
            executable,
        };
        changes.insert(path.clone(), change);
    }
    let manifest = TreePath::new("xtask/Cargo.toml");
    let carries = manifest.is_some_and(|manifest| from.entry(&manifest).is_some());
    if !carries {
        let problem = Problem::error("no-engine", "that repository has no xtask/Cargo.toml");
        problems.push(problem.help("--engine names a checkout of the repository of this tool"));
    }
    if problems.is_empty() {
        Ok(changes)
    } else {
        Err(problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal(host: &str, stage: u32, needed_by: &[&str]) -> Proposal {
        Proposal {
            host: host.to_owned(),
            stage,
            needed_by: needed_by.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    fn text(changes: &ChangeSet) -> String {
        let change = changes.values().next();
        let contents = match change {
            Some(Change::Create { contents, .. } | Change::Modify { contents, .. }) => contents,
            _ => return String::new(),
        };
        String::from_utf8_lossy(contents).into_owned()
    }

    #[test]
    fn settings_keep_what_is_there() {
        let proposals = [proposal("a", 1, &[]), proposal("b.c", 3, &["a", "d"])];
        let empty = Tree::from_texts([("flake.nix", "{ }")]);
        let new = settings(&empty, &Config::default(), &proposals);
        assert!(
            text(&new).ends_with(
                "\n[hosts.\"a\"]\nstage = 1\n\n# needed by a, d\n[hosts.\"b.c\"]\nstage = 3\n"
            ),
            "{}",
            text(&new)
        );
        let after = empty.with(&new);
        let (config, problems) = config::load(&after);
        assert_eq!(problems, []);
        assert_eq!(config.hosts["b.c"].stage, Some(3));
        assert!(settings(&after, &config, &proposals).is_empty());
        let own = "namespace = \"my\"\n[hosts.a]\ngroup = \"x\"";
        let tree = Tree::from_texts([("fleet.toml", own)]);
        let (config, _) = config::load(&tree);
        let added = text(&settings(&tree, &config, &proposals));
        assert!(
            added.starts_with(own) && !added.contains("hosts.\"a\""),
            "{added}"
        );
    }

    #[test]
    fn files_of_others_stay() {
        let engine_files = [
            ("xtask/Cargo.toml", "[package]"),
            ("Cargo.toml", "[workspace]"),
            ("hosts/x/default.nix", "{ }"),
        ];
        let from = Tree::from_texts(engine_files);
        let target = Tree::from_texts([("flake.nix", "{ }")]);
        let changes = engine(&from, &target).unwrap();
        let paths: Vec<&str> = changes.keys().map(TreePath::as_str).collect();
        assert_eq!(paths, ["Cargo.toml", "xtask/Cargo.toml"]);
        assert!(engine(&from, &target.with(&changes)).unwrap().is_empty());
        let taken = Tree::from_texts([("Cargo.toml", "[package]")]);
        assert_eq!(engine(&from, &taken).unwrap_err()[0].code, "in-the-way");
        assert_eq!(engine(&target, &taken).unwrap_err()[0].code, "no-engine");
    }
}
