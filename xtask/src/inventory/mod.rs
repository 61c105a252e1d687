//! What there is: hosts, what they are made of, and who needs whom.
//!
//! [`Inventory::take`] reads it off the module model. A need is only what the
//! configuration says: an address, a name or a key that belongs to exactly one
//! host of the fleet, in an option by which a machine uses another. Who is
//! merely let in, listed or trusted is not needed.

mod directory;
mod facts;
mod gather;
mod graph;
mod index;
mod likely;
mod place;
mod reader;
mod reduce;
mod rules;
mod scan;
mod size;

pub mod dot;
pub mod markdown;
pub mod mermaid;
pub mod svg;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use rustc_hash::FxHashSet;
use serde::Serialize;

use crate::config::{Config, Deploy, Health, HostRollout};
use crate::model::{Fleet, Host};
use crate::problem::{Problem, Span};
use crate::taxonomy::Taxonomy;
use crate::tree::{Tree, TreePath};
use directory::Directory;
use gather::{Gathered, Memo};
use index::Index;
use size::Size;

pub use graph::layers;

/// What one host needs of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A tunnel that it dials.
    Vpn,
    /// Name resolution.
    Dns,
    /// Builds, or a cache of builds.
    Builder,
    /// Data: remote file systems, backups, databases.
    Storage,
    /// A service that requests go to: behind a reverse proxy, or by its URL.
    Proxy,
    /// Measurements and logs, in either direction.
    Metrics,
    /// Values of the other's configuration.
    Config,
    /// Its owner says so.
    Declared,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Vpn,
        Self::Dns,
        Self::Builder,
        Self::Storage,
        Self::Proxy,
        Self::Metrics,
        Self::Config,
        Self::Declared,
    ];

    /// The name, as in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vpn => "vpn",
            Self::Dns => "dns",
            Self::Builder => "builder",
            Self::Storage => "storage",
            Self::Proxy => "proxy",
            Self::Metrics => "metrics",
            Self::Config => "config",
            Self::Declared => "declared",
        }
    }
}

/// One host needs another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Need {
    /// The host that is needed.
    pub host: String,
    /// What for.
    pub kind: Kind,
    /// The option that says so; `needs` for declared ones.
    pub path: String,
    /// The text that names the other host, else the definition.
    pub span: Option<Span>,
}

/// A secret that a host is given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// `agenix`, `sops` or `secrix`.
    pub tool: &'static str,
    /// The encrypted file, if the definition names one in the tree.
    pub file: Option<TreePath>,
    /// The option.
    pub path: String,
    /// The definition.
    pub span: Option<Span>,
}

/// One host.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct HostEntry {
    /// The attribute of `nixosConfigurations`.
    pub name: String,
    /// The platform, if it can be read.
    pub system: Option<String>,
    /// What the machine is for.
    pub roles: Vec<String>,
    /// The rollout stage, from 1.
    pub stage: Option<u32>,
    /// Failure domain.
    pub group: Option<String>,
    /// `required` or `when-reachable`.
    pub policy: Option<String>,
    /// How it is reached.
    pub deploy: Option<Deploy>,
    /// What has to hold for it to count as healthy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub health: Vec<Health>,
    /// How it is rolled out.
    #[serde(skip)]
    pub rollout: Option<HostRollout>,
    /// Why its modules could not be followed; `null` if they were.
    pub not_followed: Option<String>,
    /// The file that makes the host.
    pub entry: Option<TreePath>,
    /// Files of the tree among its modules, in the order of the walk.
    pub module_files: Vec<TreePath>,
    /// Modules that are not in the tree.
    pub opaque_modules: usize,
    /// Lines of the module files that no other host imports.
    pub lines: usize,
    /// Lines of the entry.
    pub entry_lines: usize,
    /// Share (0 to 1) of the entry's non-blank lines that stand in definitions
    /// of concerns other than hardware, file systems, boot and identity, and
    /// other than options that the repository's modules declare. Imports,
    /// `let`, comments and braces count as lines, but as no concern.
    pub monolithic_share: f64,
    /// Non-blank lines of the entry by feature: what a migration would move.
    pub concerns: BTreeMap<String, usize>,
    /// Secrets.
    pub secrets: Vec<Secret>,
    /// Inputs of the flake that its modules or their values come from.
    pub inputs: BTreeSet<String>,
    /// Hosts that it needs, each kind and option once.
    pub needs: Vec<Need>,
}

/// What there is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inventory {
    /// `inventory/1`.
    pub schema: &'static str,
    /// The hosts by name.
    pub hosts: Vec<HostEntry>,
    /// What could not be followed, and what is wrong.
    pub problems: Vec<Problem>,
}

impl Inventory {
    /// Reads a fleet.
    pub fn take(fleet: &Fleet, tree: &Tree, taxonomy: &Taxonomy, config: &Config) -> Self {
        let index = Index::new(fleet);
        let importers = size::importers(fleet);
        let parts: Vec<(Gathered, Size)> = fleet
            .hosts
            .par_iter()
            .enumerate()
            .map_init(Memo::default, |memo, (position, host)| {
                let gathered = gather::gather(&index, position, tree, memo);
                let size = size::measure(host, &importers, taxonomy, tree);
                (gathered, size)
            })
            .collect();
        let (mut gathered, sizes): (Vec<Gathered>, Vec<Size>) = parts.into_iter().unzip();
        let mut problems = fleet.problems.clone();
        let mut facts = Vec::with_capacity(sizes.len());
        for ((host, size), found) in fleet.hosts.iter().zip(&sizes).zip(&mut gathered) {
            let mut known = facts::of(&host.name, size.entry.as_ref(), tree, config, &mut problems);
            if known.settings.deploy.is_none() {
                known.settings.deploy = found.deploy.take();
            }
            facts.push(known);
        }
        let names: Vec<&str> = fleet.hosts.iter().map(|host| host.name.as_str()).collect();
        let targets: Vec<Option<String>> = facts
            .iter()
            .map(|facts| facts.settings.deploy.as_ref()?.host.clone())
            .collect();
        let directory = Directory::new(&names, &gathered, &targets);
        let context = Context {
            fleet,
            index: &index,
            tree,
            directory: &directory,
            gathered: &gathered,
            behind: behind(&directory, &gathered),
        };
        let needs: Vec<Vec<Need>> = (0..fleet.hosts.len())
            .into_par_iter()
            .map(|host| context.needs(host))
            .collect();
        let mut hosts = Vec::with_capacity(fleet.hosts.len());
        for ((host, needs), (facts, size)) in fleet
            .hosts
            .iter()
            .zip(needs)
            .zip(facts.into_iter().zip(sizes))
        {
            let position = hosts.len();
            let mut needs = needs;
            for (name, span) in facts.needs {
                match index.position(&name) {
                    Some(other) if other == position => {}
                    Some(_) => needs.push(Need {
                        host: name,
                        kind: Kind::Declared,
                        path: "needs".to_owned(),
                        span,
                    }),
                    None => problems.push(facts::unknown_need(&host.name, &name, span, &names)),
                }
            }
            needs.sort();
            needs.dedup_by(|a, b| (&a.host, a.kind, &a.path) == (&b.host, b.kind, &b.path));
            let found = gathered
                .get_mut(position)
                .map(std::mem::take)
                .unwrap_or_default();
            hosts.push(entry(host, facts.settings, size, found, needs));
        }
        hosts.extend(likely::hosts(fleet, tree));
        hosts.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            schema: "inventory/1",
            hosts,
            problems,
        }
    }
}

fn entry(
    host: &Host,
    settings: crate::config::Host,
    size: Size,
    mut found: Gathered,
    needs: Vec<Need>,
) -> HostEntry {
    let mut seen = BTreeSet::new();
    let files = host
        .module_files()
        .filter(|path| seen.insert((*path).clone()));
    found.secrets.sort();
    found.secrets.dedup_by(|later, kept| {
        // Without a file sorts first: another definition names the file.
        let same = later.path == kept.path && (later.file == kept.file || kept.file.is_none());
        if same && kept.file.is_none() {
            std::mem::swap(later, kept);
        }
        same
    });
    HostEntry {
        name: host.name.clone(),
        system: host.system.clone().or(found.system).or(settings.system),
        roles: settings.roles,
        stage: settings.stage,
        group: settings.group,
        policy: settings.policy,
        deploy: settings.deploy,
        health: settings.health,
        rollout: settings.rollout,
        not_followed: host.call.as_ref().err().cloned(),
        module_files: files.cloned().collect(),
        opaque_modules: host
            .modules
            .iter()
            .filter(|module| matches!(module.origin, crate::model::Origin::Opaque(..)))
            .count(),
        entry: size.entry,
        lines: size.lines,
        entry_lines: size.entry_lines,
        monolithic_share: size.monolithic_share,
        concerns: size.features,
        secrets: found.secrets,
        inputs: found.inputs,
        needs,
    }
}

/// What it takes to say whom a host needs.
struct Context<'a> {
    fleet: &'a Fleet,
    index: &'a Index<'a>,
    tree: &'a Tree,
    directory: &'a Directory,
    gathered: &'a [Gathered],
    /// Names that reverse proxies answer to, each with a host behind it.
    behind: FxHashSet<(String, usize)>,
}

/// Which hosts stand behind the names that reverse proxies answer to.
fn behind(directory: &Directory, gathered: &[Gathered]) -> FxHashSet<(String, usize)> {
    let mut behind = FxHashSet::default();
    for found in gathered {
        for claim in found
            .claims
            .iter()
            .filter(|claim| claim.kind == Kind::Proxy)
        {
            let name = found.served.iter().find(|name| {
                claim.path.contains(&format!("\"{name}\""))
                    || claim.path.contains(&format!(".{name}."))
            });
            if let (Some(name), Some(host)) = (name, directory.find(&claim.target)) {
                behind.insert((name.to_ascii_lowercase(), host));
            }
        }
    }
    behind
}

impl Context<'_> {
    fn needs(&self, from: usize) -> Vec<Need> {
        let Some(found) = self.gathered.get(from) else {
            return Vec::new();
        };
        let mut texts = place::Texts::new(self.tree);
        let mut needs = Vec::new();
        let mut add =
            |host: Option<usize>, kind: Kind, path: &str, span: &Option<Span>, named: &[&str]| {
                let Some(host) = host.filter(|host| *host != from) else {
                    return;
                };
                let Some(host) = self.fleet.hosts.get(host) else {
                    return;
                };
                let span = span.as_ref().map(|span| {
                    let named = named.iter().copied().chain([host.name.as_str()]);
                    texts.narrow(span, named)
                });
                needs.push(Need {
                    host: host.name.clone(),
                    kind,
                    path: path.to_owned(),
                    span,
                });
            };
        for claim in &found.claims {
            // A service that knows the name under which it is published.
            if claim.by_url && self.behind.contains(&(claim.target.clone(), from)) {
                continue;
            }
            let host = self.directory.find(&claim.target);
            add(host, claim.kind, &claim.path, &claim.span, &[&claim.target]);
        }
        for peer in &found.peers {
            let host = self.directory.peer(from, peer, self.gathered);
            let named: Vec<&str> = [&peer.endpoint, &peer.key]
                .into_iter()
                .filter_map(|text| text.as_deref())
                .collect();
            add(host, Kind::Vpn, &peer.path, &peer.span, &named);
        }
        for (name, path, span) in &found.reads {
            let host = self.index.position(name);
            add(host, Kind::Config, path, span, &[]);
        }
        needs
    }
}

#[cfg(test)]
mod tests;
