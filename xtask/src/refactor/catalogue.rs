//! What is known about option paths and features, asked in one place.

use std::sync::OnceLock;

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::model::term::{Key, Term};
use crate::model::{Definition, Fleet, Host, Resolved, Wrapper};
use crate::options::{OptionTable, OptionType, PathKind, View};
use crate::taxonomy::{Class, Taxonomy, derived_feature};
use crate::tree::TreePath;

/// Parts of any desktop: they do not say what a machine is for.
const PERIPHERAL: [&str; 9] = [
    "audio",
    "bluetooth",
    "browsers",
    "display-manager",
    "fonts",
    "input",
    "input-method",
    "night-light",
    "theme",
];

/// Features that gather what belongs to many concerns.
const COLLECTIONS: [&str; 15] = [
    "base",
    "documentation",
    "environment",
    "firewall",
    "kernel-tuning",
    "logging",
    "networking",
    "nix-settings",
    "packages",
    "secrets",
    "services",
    "shell",
    "systemd",
    "tmpfiles",
    "users",
];

/// Features whose parts say what a machine is for.
const PURPOSES: [&str; 3] = ["services", "desktop", "laptop"];

/// The option table, the taxonomy and what the host itself declares.
#[derive(Clone, Copy)]
pub struct Catalogue<'a> {
    /// The options of NixOS.
    pub table: View<'a, 'a>,
    /// Features by option path.
    pub taxonomy: &'a Taxonomy,
    /// The host, for options that the repository declares.
    pub host: Option<&'a Host>,
    /// All hosts: what several of them define alike names none of them.
    pub seen_through: Option<&'a SeenThrough<'a>>,
    /// The host's own file: hosts that import it, too, are the same machine.
    pub entry: Option<&'a TreePath>,
}

/// The hosts of a fleet with features seen through: what is defined in the end.
/// Made when it is asked for.
pub struct SeenThrough<'a> {
    fleet: &'a Fleet,
    definitions: OnceLock<Vec<Vec<Definition>>>,
    /// The hosts' own definitions by path, and those seen through.
    by_path: [OnceLock<Vec<ByPath>>; 2],
}

/// Places of definitions in a list, by their path as [`joined`].
type ByPath = FxHashMap<String, Vec<usize>>;

impl<'a> SeenThrough<'a> {
    /// Nothing is done yet.
    pub fn new(fleet: &'a Fleet) -> Self {
        Self {
            fleet,
            definitions: OnceLock::new(),
            by_path: [OnceLock::new(), OnceLock::new()],
        }
    }

    /// The hosts with their definitions.
    pub fn hosts(&self) -> impl Iterator<Item = (&Host, &[Definition])> + Clone {
        let hosts = &self.fleet.hosts;
        let definitions = self.definitions.get_or_init(|| {
            let resolved = hosts.par_iter().map(Resolved::new);
            resolved.map(|host| host.definitions).collect()
        });
        hosts.iter().zip(definitions.iter().map(Vec::as_slice))
    }

    /// What each host's own modules define at exactly this path.
    fn own_at(&self, path: &[String]) -> Vec<(&Host, Vec<&Definition>)> {
        let hosts = self.fleet.hosts.iter();
        let lists = hosts.map(|host| (host, host.definitions.as_slice()));
        self.at(0, lists, path)
    }

    /// The same with features seen through.
    fn through_at(&self, path: &[String]) -> Vec<(&Host, Vec<&Definition>)> {
        self.at(1, self.hosts(), path)
    }

    fn at<'s>(
        &'s self,
        which: usize,
        lists: impl Iterator<Item = (&'s Host, &'s [Definition])> + Clone,
        path: &[String],
    ) -> Vec<(&'s Host, Vec<&'s Definition>)> {
        let Some(index) = self.by_path.get(which) else {
            return Vec::new();
        };
        let made = || lists.clone().map(|(_, list)| by_path(list)).collect();
        let index: &Vec<ByPath> = index.get_or_init(made);
        let path = joined(path.iter().map(String::as_str));
        let found = lists.zip(index).map(|((host, list), index)| {
            let places = index.get(&path).map(Vec::as_slice).unwrap_or_default();
            let here = places.iter().filter_map(|place| list.get(*place));
            (host, here.collect())
        });
        found.collect()
    }
}

/// A path as one text: no name has the separator.
fn joined<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.flat_map(|name| ["\0", name]).collect()
}

/// Where the definitions of each path stand in a list. What only evaluation names
/// is at no path.
fn by_path(definitions: &[Definition]) -> ByPath {
    let mut index = ByPath::default();
    for (place, definition) in definitions.iter().enumerate() {
        let names = definition.path.iter().map(|key| match key {
            Key::Name(name) => Some(&**name),
            Key::Term(_) => None,
        });
        if let Some(names) = names.collect::<Option<Vec<&str>>>() {
            let path = joined(names.into_iter());
            index.entry(path).or_default().push(place);
        }
    }
    index
}

impl<'a> Catalogue<'a> {
    /// What is known without any host.
    pub fn new(table: &'a OptionTable<'a>, taxonomy: &'a Taxonomy) -> Self {
        Self {
            table: table.for_release(None),
            taxonomy,
            host: None,
            seen_through: None,
            entry: None,
        }
    }

    /// What a path is to the module system.
    pub fn kind(&self, path: &[String]) -> PathKind {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match self.host {
            Some(host) => host.path_kind(self.table, &path),
            None => self.table.lookup(&path),
        }
    }

    /// Whether a path lies strictly above options, so that a set bound to it
    /// can be split and conditions can be pushed through it.
    pub fn above_options(&self, path: &[String]) -> bool {
        self.kind(path).conditions_pass()
    }

    /// The type of the value at a path, if it is known.
    pub fn value_type(&self, path: &[String]) -> Option<OptionType> {
        self.kind(path).value_type().cloned()
    }

    /// Where a definition belongs.
    pub fn class(&self, path: &[String]) -> Class<'a> {
        self.taxonomy.classify(path)
    }

    /// Whether the value at a path names one machine: by the taxonomy, and no
    /// other host has the same value there.
    pub fn names_machine(&self, path: &[String]) -> bool {
        if self.taxonomy.identity(path).is_none() {
            return false;
        }
        let (Some(own), Some(fleet)) = (self.host, self.seen_through) else {
            return true;
        };
        let here = fleet.own_at(path);
        let values: Vec<&Term> = here
            .iter()
            .filter(|(host, _)| host.name == own.name)
            .flat_map(|(_, definitions)| definitions)
            .filter(|definition| is_certain(definition))
            .map(|definition| &definition.value)
            .collect();
        let is_other = |host: &Host| {
            let mut files = host.module_files();
            host.name != own.name
                && !self
                    .entry
                    .is_some_and(|entry| files.any(|file| file == entry))
        };
        let has_it = |(host, definitions): &(&Host, Vec<&Definition>)| {
            let mut definitions = definitions.iter();
            definitions.any(|definition| values.contains(&&definition.value)) && is_other(host)
        };
        // Hosts that have it themselves, and those that have it from a feature.
        !here.iter().any(has_it) && !fleet.through_at(path).iter().any(has_it)
    }

    /// A name for what no pattern covers.
    pub fn derived(&self, path: &[String]) -> Option<String> {
        derived_feature(path)
    }

    /// What a feature is, to follow "Whether to enable".
    pub fn description(&self, feature: &str) -> String {
        self.taxonomy
            .feature(feature)
            .map(|feature| feature.description.trim().trim_end_matches('.').to_owned())
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| feature.replace(['-', '_'], " "))
    }

    /// The feature that a small one joins. What the taxonomy does not know
    /// belongs to the small services, or to the base.
    pub fn parent(&self, feature: &str, path: &[String]) -> Option<&'a str> {
        if let Some(known) = self.taxonomy.feature(feature) {
            return known.parent.as_deref();
        }
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["services", ..] | ["systemd", "services" | "timers" | "sockets" | "paths", ..] => {
                Some("services")
            }
            _ => Some("base"),
        }
    }

    /// The features that a small one joins rather than its parent.
    pub fn near(&self, feature: &str) -> &'a [String] {
        let known = self.taxonomy.feature(feature);
        known.map_or(&[], |feature| feature.near.as_slice())
    }

    /// Whether a feature says what a machine is for: services, and what nobody
    /// has heard of.
    pub fn is_purpose(&self, feature: &str) -> bool {
        let mut above = self.taxonomy.lineage(feature).skip(1);
        let is_known = self.taxonomy.feature(feature).is_some();
        !PERIPHERAL.contains(&feature) && (!is_known || above.any(|it| PURPOSES.contains(&it)))
    }

    /// Whether a feature gathers settings of a kind that any machine has, which
    /// have nothing to do with each other: packages, ports, accounts.
    pub fn is_collection(&self, feature: &str) -> bool {
        COLLECTIONS.contains(&feature)
    }

    /// How many features stand above a feature.
    pub fn depth(&self, feature: &str) -> usize {
        self.taxonomy
            .feature(feature)
            .map_or(usize::MAX, |_| self.taxonomy.lineage(feature).count())
    }

    /// Whether a path belongs to options of the repository's own modules,
    /// outside of those of NixOS: to set them is what a composition is for.
    pub fn is_own_option(&self, path: &[String]) -> bool {
        let Some((host, first)) = self.host.zip(path.first()) else {
            return false;
        };
        if self.table.lookup(&[first.as_str()]) != PathKind::Unknown {
            return false;
        }
        host.declarations.iter().any(|declaration| {
            let mut pairs = declaration.path.iter().zip(path);
            pairs.all(|(declared, name)| **declared == **name)
        })
    }
}

/// Every host that could take a feature has the definitions of the feature,
/// under its condition; they say nothing of the host.
fn is_certain(definition: &Definition) -> bool {
    let mut wrappers = definition.wrappers.iter();
    !wrappers.any(|(_, wrapper)| matches!(wrapper, Wrapper::If(_)))
}
