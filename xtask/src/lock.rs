//! `flake.lock`: which state of its inputs a flake is made of.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// References to references beyond this are a circle.
const DEPTH: usize = 32;

/// The lock file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Lock {
    /// The node of the flake itself.
    pub root: String,
    /// All nodes by name.
    pub nodes: BTreeMap<String, Node>,
}

/// One input, or the flake itself.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Its own inputs, by the name that it has for them.
    pub inputs: BTreeMap<String, Reference>,
    /// The state that is used.
    pub locked: Option<Source>,
    /// What its owner asked for.
    pub original: Option<Source>,
}

/// The node that an input is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Reference {
    /// By its name.
    Node(String),
    /// By the path of inputs to it from the root: it follows that one.
    Follows(Vec<String>),
}

/// Where an input comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Source {
    /// `github`, `git`, `path`, ….
    #[serde(rename = "type")]
    pub kind: String,
    /// Owner of a repository at a forge.
    pub owner: Option<String>,
    /// Its name.
    pub repo: Option<String>,
    /// Branch or tag.
    #[serde(rename = "ref")]
    pub branch: Option<String>,
    /// The commit.
    pub rev: Option<String>,
    /// Address of anything that is at no forge.
    pub url: Option<String>,
    /// Directory of a path.
    pub path: Option<String>,
    /// Name in the registry.
    pub id: Option<String>,
    /// When the commit was made, in seconds since 1970.
    pub last_modified: Option<i64>,
}

impl Source {
    /// Where it comes from, in a word: `github:NixOS/nixpkgs`.
    pub fn place(&self) -> String {
        let Self {
            kind,
            owner,
            repo,
            url,
            path,
            id,
            ..
        } = self;
        match (owner, repo, url.as_ref().or(path.as_ref())) {
            (Some(owner), Some(repo), _) => format!("{kind}:{owner}/{repo}"),
            (_, _, Some(address)) => format!("{kind}:{address}"),
            _ => format!("{kind}:{}", id.as_deref().unwrap_or_default()),
        }
    }
}

/// One repository that is there in several states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// Where it comes from.
    pub place: String,
    /// By commit: the paths of inputs that lead to it.
    pub states: BTreeMap<String, Vec<String>>,
}

impl Lock {
    /// Reads a lock file.
    ///
    /// # Errors
    ///
    /// It is none, in words.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// The inputs of the flake itself, with their nodes.
    pub fn inputs(&self) -> BTreeMap<&str, &Node> {
        let root = self.nodes.get(&self.root);
        root.into_iter()
            .flat_map(|root| &root.inputs)
            .filter_map(|(name, reference)| Some((name.as_str(), self.node(reference)?.1)))
            .collect()
    }

    /// The node that is meant, and its name.
    pub fn node<'l>(&'l self, reference: &'l Reference) -> Option<(&'l str, &'l Node)> {
        self.resolve(reference, 0)
    }

    fn resolve<'l>(
        &'l self,
        reference: &'l Reference,
        depth: usize,
    ) -> Option<(&'l str, &'l Node)> {
        if depth > DEPTH {
            return None;
        }
        match reference {
            Reference::Node(name) => {
                let (name, node) = self.nodes.get_key_value(name)?;
                Some((name, node))
            }
            Reference::Follows(path) => {
                let mut at = self.nodes.get_key_value(&self.root)?;
                for name in path {
                    let (node, _) = self.resolve(at.1.inputs.get(name)?, depth + 1)?;
                    at = self.nodes.get_key_value(node)?;
                }
                Some((at.0, at.1))
            }
        }
    }

    /// Paths of inputs that follow an input of the flake itself, by that input.
    pub fn followers(&self) -> BTreeMap<String, Vec<String>> {
        let mut followers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (path, reference) in self.paths() {
            if let Reference::Follows(target) = reference
                && path.len() > 1
            {
                let target = target.join("/");
                followers.entry(target).or_default().push(path.join("/"));
            }
        }
        followers
    }

    /// Repositories that are there in several states, of which an input of an input
    /// brings one. Several branches that the flake itself names are no duplicates.
    pub fn duplicates(&self) -> Vec<Duplicate> {
        let mut found: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for (path, reference) in self.paths() {
            let node = self.node(reference).map(|(_, node)| node);
            let Some(locked) = node.and_then(|node| node.locked.as_ref()) else {
                continue;
            };
            let Some(commit) = &locked.rev else { continue };
            let states = found.entry(locked.place().to_lowercase()).or_default();
            states
                .entry(commit.clone())
                .or_default()
                .insert(path.join("/"));
        }
        found
            .into_iter()
            .filter(|(_, states)| {
                let is_own = |paths: &BTreeSet<String>| paths.iter().any(|it| !it.contains('/'));
                states.len() > 1 && !states.values().all(is_own)
            })
            .map(|(place, states)| Duplicate {
                place,
                states: states
                    .into_iter()
                    .map(|(commit, paths)| (commit, paths.into_iter().collect()))
                    .collect(),
            })
            .collect()
    }

    /// Every path of inputs, links that follow others not gone through.
    fn paths(&self) -> Vec<(Vec<&str>, &Reference)> {
        let mut paths = Vec::new();
        let mut left: Vec<(Vec<&str>, &str)> = vec![(Vec::new(), &self.root)];
        let mut seen = BTreeSet::new();
        while let Some((path, name)) = left.pop() {
            // Each node once: the first way to it names it.
            if !seen.insert(name) {
                continue;
            }
            let inputs = self.nodes.get(name).into_iter().flat_map(|it| &it.inputs);
            for (input, reference) in inputs {
                let mut path = path.clone();
                path.push(input);
                if let Reference::Node(node) = reference {
                    left.push((path.clone(), node));
                }
                paths.push((path, reference));
            }
        }
        paths.sort_by(|a, b| a.0.cmp(&b.0));
        paths
    }
}

impl Duplicate {
    /// The line for flake.nix that takes away a state: an input of an input that
    /// follows the flake's own.
    pub fn remedy(&self) -> Option<String> {
        let mut paths = self.states.values().flatten();
        let own = paths.clone().find(|path| !path.contains('/'));
        let foreign = self
            .states
            .values()
            .filter(|paths| paths.iter().all(|path| path.contains('/')))
            .flatten()
            .next()?;
        let own = own.or_else(|| paths.find(|path| *path != foreign))?;
        let spelt = foreign.replace('/', ".inputs.");
        Some(format!("inputs.{spelt}.follows = \"{own}\";"))
    }
}

/// Whether this is nixpkgs as it is developed, not a release.
pub fn is_unstable(source: &Source) -> bool {
    let is_nixpkgs = source.repo.as_deref() == Some("nixpkgs")
        || source.id.as_deref() == Some("nixpkgs")
        || source
            .url
            .as_deref()
            .is_some_and(|url| url.contains("nixpkgs"));
    let branch = source.branch.as_deref();
    is_nixpkgs && branch.is_none_or(|branch| branch.contains("unstable") || branch == "master")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"{
      "root": "root", "version": 7,
      "nodes": {
        "root": { "inputs": { "nixpkgs": "nixpkgs", "tool": "tool", "other": "other" } },
        "nixpkgs": {
          "locked": { "type": "github", "owner": "NixOS", "repo": "nixpkgs", "rev": "aaaa", "lastModified": 86400 },
          "original": { "type": "github", "owner": "NixOS", "repo": "nixpkgs", "ref": "nixos-26.05" } },
        "nixpkgs_2": {
          "locked": { "type": "github", "owner": "nixos", "repo": "nixpkgs", "rev": "bbbb" } },
        "tool": { "inputs": { "nixpkgs": ["nixpkgs"], "self": ["tool"] },
          "locked": { "type": "git", "url": "https://forge.example/tool", "rev": "cccc" } },
        "other": { "inputs": { "nixpkgs": "nixpkgs_2", "gone": ["tool", "none"] },
          "locked": { "type": "path", "path": "./x" } } } }"#;

    #[test]
    fn inputs_followers_and_duplicates_are_found() {
        let lock = Lock::read(LOCK.as_bytes()).unwrap();
        let inputs = lock.inputs();
        assert_eq!(
            inputs.keys().copied().collect::<Vec<_>>(),
            ["nixpkgs", "other", "tool"]
        );
        let place = |name: &str| inputs[name].locked.as_ref().unwrap().place();
        assert_eq!(place("nixpkgs"), "github:NixOS/nixpkgs");
        assert_eq!(place("tool"), "git:https://forge.example/tool");
        assert_eq!(lock.followers()["nixpkgs"], ["tool/nixpkgs"]);
        let duplicates = lock.duplicates();
        assert_eq!(duplicates.len(), 1);
        assert_eq!(
            duplicates[0].remedy().as_deref(),
            Some("inputs.other.inputs.nixpkgs.follows = \"nixpkgs\";")
        );
        // Two branches that the flake names itself are meant.
        let own = LOCK.replace("\"other\": \"other\" }", "\"next\": \"nixpkgs_2\" }");
        assert!(Lock::read(own.as_bytes()).unwrap().duplicates().is_empty());
        assert_eq!(
            duplicates[0].states,
            BTreeMap::from([
                (
                    "aaaa".to_owned(),
                    vec!["nixpkgs".to_owned(), "tool/nixpkgs".to_owned()]
                ),
                ("bbbb".to_owned(), vec!["other/nixpkgs".to_owned()]),
            ])
        );
    }

    #[test]
    fn circles_and_rubbish_end() {
        let circle = r#"{"root":"r","nodes":{"r":{"inputs":{"a":["b"],"b":["a"],"r":"r"}}}}"#;
        let lock = Lock::read(circle.as_bytes()).unwrap();
        assert_eq!(lock.inputs().keys().copied().collect::<Vec<_>>(), ["r"]);
        assert!(lock.duplicates().is_empty());
        assert!(Lock::read(b"[").is_err());
        assert_eq!(Lock::read(b"{}").unwrap().inputs().len(), 0);
    }

    #[test]
    fn releases_are_told_from_what_is_developed() {
        let source = |branch: Option<&str>| Source {
            repo: Some("nixpkgs".to_owned()),
            branch: branch.map(str::to_owned),
            ..Source::default()
        };
        assert!(is_unstable(&source(Some("nixos-unstable"))));
        assert!(is_unstable(&source(None)));
        assert!(!is_unstable(&source(Some("nixos-26.05"))));
    }
}
