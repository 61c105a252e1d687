//! Which concern an option belongs to.
//!
//! The taxonomy is data (`data/features.toml`, with the language of its
//! patterns described on top) and is extended by `fleet.toml` and on the
//! command line. Here it is read and asked; what follows from the answers is
//! decided elsewhere.

mod data;
mod name;
mod pattern;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::problem::Problem;

pub use name::{derived_feature, is_feature_name, is_identifier};
pub use pattern::{Pattern, PatternError, PatternMap};

/// Why a definition stays with its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostKind {
    /// What the machine is made of.
    Hardware,
    /// Disks, file systems and swap.
    Filesystems,
    /// Boot loader, initial RAM disk and kernel.
    Boot,
    /// What makes the machine itself and no other.
    Identity,
}

/// What a value says about one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityKind {
    /// Addresses and routes.
    Address,
    /// Names of machines, domains and network devices.
    Name,
    /// Keys, tokens and the files that hold them.
    Key,
    /// Ports in sets that belong to one machine.
    Port,
    /// Devices by path, serial number or hardware address.
    Device,
}

/// Where the definition of an option belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class<'a> {
    /// It stays with the host.
    Host(HostKind),
    /// It belongs to the feature of this name.
    Feature(&'a str),
    /// No pattern covers it; [`derived_feature`] makes a name.
    Unmatched,
}

/// What is known of a feature beside its patterns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Feature {
    /// Completes "Whether to enable …".
    pub description: String,
    /// The feature that a group too small for a file of its own joins.
    pub parent: Option<String>,
    /// Features that such a group joins rather than its parent, the first that
    /// there is.
    pub near: Vec<String>,
}

/// A feature as `fleet.toml` writes it under `[features.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FeatureSpec {
    /// Patterns over option paths, see the head of `features.toml`.
    #[serde(default)]
    pub patterns: Vec<String>,
    /// Names of systemd units, or the start of one and `*`.
    #[serde(default)]
    pub units: Vec<String>,
    /// Completes "Whether to enable …".
    pub description: Option<String>,
    /// The feature that a group too small for a file of its own joins.
    pub parent: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Host(HostKind),
    Feature(Box<str>),
}

/// Patterns over option paths, the features that they belong to, and what of
/// their values names one machine.
#[derive(Debug, Clone, Default)]
pub struct Taxonomy {
    places: PatternMap<Place>,
    /// Unit names and, with a trailing `*`, starts of such.
    units: HashMap<Box<str>, Box<str>, rustc_hash::FxBuildHasher>,
    identity: PatternMap<IdentityKind>,
    features: BTreeMap<Box<str>, Feature>,
}

impl Taxonomy {
    /// The taxonomy that the tool carries.
    pub fn embedded() -> Self {
        data::embedded()
    }

    /// Where the definition of the option at `path` belongs. A path above the
    /// options that patterns name (`services`) is unmatched: split it first.
    pub fn classify<S: AsRef<str>>(&self, path: &[S]) -> Class<'_> {
        match self.places.get(path) {
            Some(Place::Host(kind)) => Class::Host(*kind),
            Some(Place::Feature(name)) => Class::Feature(name),
            None => name::unit(path)
                .and_then(|unit| self.unit_feature(unit))
                .map_or(Class::Unmatched, Class::Feature),
        }
    }

    /// What the value at `path` says about one machine, if anything.
    pub fn identity<S: AsRef<str>>(&self, path: &[S]) -> Option<IdentityKind> {
        self.identity.get(path).copied()
    }

    /// What is known of a feature; `None` for names that nobody declared.
    pub fn feature(&self, name: &str) -> Option<&Feature> {
        self.features.get(name)
    }

    /// Every feature by name.
    pub fn features(&self) -> impl Iterator<Item = (&str, &Feature)> {
        self.features.iter().map(|(name, it)| (&**name, it))
    }

    /// The feature, its parent, the parent of that and so on.
    pub fn lineage<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let parent = |name: &&'a str| self.features.get(*name)?.parent.as_deref();
        // No chain without a cycle is longer than there are features.
        std::iter::successors(Some(name), parent).take(self.features.len().max(1))
    }

    fn unit_feature<'u>(&self, unit: &'u str) -> Option<&str> {
        let by_name = self.units.get(unit).or_else(|| {
            let cuts = unit.char_indices().rev().map(|(at, _)| at);
            cuts.filter_map(|at| unit.get(..at))
                .find_map(|start| self.units.get(format!("{start}*").as_str()))
        });
        if let Some(feature) = by_name {
            return Some(feature);
        }
        let shorter = |name: &&'u str| Some(name.rsplit_once('-')?.0);
        let owner = std::iter::successors(Some(unit), shorter)
            .find_map(|name| self.places.get(&["services", name]));
        match owner {
            Some(Place::Feature(name)) => Some(name),
            Some(Place::Host(_)) | None => None,
        }
    }

    /// Lays the features of a fleet over the taxonomy: their patterns beat
    /// equal ones that are there, their descriptions and parents replace those
    /// of a feature of the same name. What is wrong is left out and reported.
    pub fn extend<'s>(
        &mut self,
        specs: impl IntoIterator<Item = (&'s str, &'s FeatureSpec)>,
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut owners: HashMap<Pattern, &str> = HashMap::new();
        let mut named = Vec::new();
        for (name, spec) in specs {
            if !is_feature_name(name) {
                problems.push(bad_name(name));
                continue;
            }
            let mut others = self.features.keys();
            if let Some(other) =
                others.find(|other| &***other != name && other.eq_ignore_ascii_case(name))
            {
                problems.push(same_but_for_case(name, other));
                continue;
            }
            let feature = self.features.entry(name.into()).or_insert_with(|| Feature {
                description: name.replace(['-', '_'], " "),
                parent: None,
                near: Vec::new(),
            });
            if let Some(description) = &spec.description {
                feature.description.clone_from(description);
            }
            if spec.parent.is_some() {
                feature.parent.clone_from(&spec.parent);
            }
            named.push(name);
            for text in &spec.patterns {
                let pattern = match Pattern::parse(text) {
                    Ok(pattern) => pattern,
                    Err(error) => {
                        problems.push(bad_pattern(name, text, &error));
                        continue;
                    }
                };
                if let Some(other) = owners.insert(pattern.clone(), name).filter(|o| *o != name) {
                    problems.push(claimed_twice(&pattern, other, name));
                }
                self.places.insert(&pattern, Place::Feature(name.into()));
            }
            for unit in &spec.units {
                self.units.insert(unit.as_str().into(), name.into());
            }
        }
        for name in named {
            problems.extend(self.check_parents(name));
        }
        problems
    }

    /// Takes `NAME=PATTERN` as written on the command line.
    pub fn extend_with_arguments<S: AsRef<str>>(&mut self, arguments: &[S]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut specs: BTreeMap<&str, FeatureSpec> = BTreeMap::new();
        for argument in arguments.iter().map(AsRef::as_ref) {
            match argument.split_once('=') {
                Some((name, pattern)) => {
                    let spec = specs.entry(name.trim()).or_default();
                    spec.patterns.push(pattern.trim().to_owned());
                }
                None => problems.push(
                    Problem::error("bad-feature", format!("`{argument}` is not NAME=PATTERN"))
                        .help("write a feature and the options it takes: web=services.nginx.**"),
                ),
            }
        }
        problems.extend(self.extend(specs.iter().map(|(name, spec)| (*name, spec))));
        problems
    }

    /// A parent that is no feature, or a circle of parents, is taken out.
    fn check_parents(&mut self, name: &str) -> Option<Problem> {
        let parent = self.features.get(name)?.parent.clone()?;
        let problem = if !self.features.contains_key(parent.as_str()) {
            Problem::error(
                "unknown-parent",
                format!("feature `{name}` names the parent `{parent}`, which is no feature"),
            )
            .help("name a feature of the taxonomy or of fleet.toml, or leave `parent` out")
        } else if self.lineage(&parent).any(|ancestor| ancestor == name) {
            Problem::error(
                "parent-circle",
                format!("feature `{name}` is its own ancestor by way of `{parent}`"),
            )
            .help("leave `parent` out of one of them")
        } else {
            return None;
        };
        if let Some(feature) = self.features.get_mut(name) {
            feature.parent = None;
        }
        Some(problem)
    }
}

fn same_but_for_case(name: &str, other: &str) -> Problem {
    Problem::error(
        "bad-feature-name",
        format!("feature `{name}` differs from `{other}` in nothing but case"),
    )
    .help("their files are one and the same on some file systems: give it another name")
}

fn bad_name(name: &str) -> Problem {
    Problem::error(
        "bad-feature-name",
        format!("`{}` cannot name a feature", name.escape_debug()),
    )
    .help("use letters, digits and `-`, beginning with a letter, no word of the Nix language, and neither `default` nor `flake`")
}

fn bad_pattern(feature: &str, text: &str, error: &PatternError) -> Problem {
    let message = format!(
        "feature `{feature}`: `{}` is no pattern: {error}",
        text.escape_debug()
    );
    Problem::error("bad-pattern", message)
        .help("patterns look like `services.nginx.**` or `systemd.network.networks.*.dns`")
}

fn claimed_twice(pattern: &Pattern, first: &str, second: &str) -> Problem {
    let message = format!("`{pattern}` is claimed by the features `{first}` and `{second}`");
    Problem::error("pattern-claimed-twice", message).help("keep it in one of them")
}

#[cfg(test)]
mod tests;
