//! Definitions of all hosts by path.

use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

use rustc_hash::{FxHashMap, FxHasher};

use crate::model::term::{Key, Term, TermKind as K};
use crate::model::{Definition, Fleet, Host, Wrapper};

/// Definitions of a host by the hash of their path.
type Paths = FxHashMap<u64, Vec<u32>>;

/// Answers what a host defines at a path.
pub struct Index<'f> {
    fleet: &'f Fleet,
    positions: FxHashMap<&'f str, usize>,
    paths: Vec<OnceLock<Paths>>,
}

impl<'f> Index<'f> {
    /// Nothing is indexed yet.
    pub fn new(fleet: &'f Fleet) -> Self {
        let names = fleet.hosts.iter().map(|host| host.name.as_str());
        Self {
            fleet,
            positions: names.zip(0..).collect(),
            paths: fleet.hosts.iter().map(|_| OnceLock::new()).collect(),
        }
    }

    /// The host at a position.
    pub fn host(&self, position: usize) -> Option<&'f Host> {
        self.fleet.hosts.get(position)
    }

    /// Where a host stands.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.positions.get(name).copied()
    }

    /// What a host defines at a path, then at the paths above it; then the
    /// default of the repository's own option. Each with the number of
    /// components that lead to it.
    pub fn option(&self, host: usize, path: &[&str]) -> Vec<(Term, usize)> {
        let (Some(own), Some(paths)) = (self.host(host), self.paths.get(host)) else {
            return Vec::new();
        };
        let paths = paths.get_or_init(|| index(own));
        let mut found = Vec::new();
        for length in (1..=path.len()).rev() {
            let Some(part) = path.get(..length) else {
                continue;
            };
            let mut here: Vec<(i64, &Definition)> = paths
                .get(&hash(part.iter().copied()))
                .into_iter()
                .flatten()
                .filter_map(|at| own.definitions.get(*at as usize))
                .filter(|definition| is_at(definition, part) && !is_off(definition))
                .map(|definition| (priority(definition), definition))
                .collect();
            here.sort_by_key(|(priority, _)| *priority);
            found.extend(here.iter().map(|(_, it)| (it.value.clone(), length)));
        }
        let default = own.declarations.iter().find(|declaration| {
            declaration.path.len() == path.len()
                && declaration
                    .path
                    .iter()
                    .zip(path)
                    .all(|(own, name)| **own == **name)
        });
        let default = default.and_then(|declaration| declaration.default.clone());
        found.extend(default.map(|term| (term, path.len())));
        found
    }
}

fn hash<'a>(path: impl Iterator<Item = &'a str>) -> u64 {
    let mut hasher = FxHasher::default();
    path.for_each(|name| name.hash(&mut hasher));
    hasher.finish()
}

fn index(host: &Host) -> Paths {
    let mut paths = Paths::default();
    for (definition, at) in host.definitions.iter().zip(0..) {
        let names: Option<Vec<&str>> = definition
            .path
            .iter()
            .map(|key| match key {
                Key::Name(name) => Some(&**name),
                Key::Term(_) => None,
            })
            .collect();
        if let Some(names) = names {
            paths.entry(hash(names.into_iter())).or_default().push(at);
        }
    }
    paths
}

fn is_at(definition: &Definition, path: &[&str]) -> bool {
    definition.path.len() == path.len()
        && definition
            .path
            .iter()
            .zip(path)
            .all(|(key, name)| match key {
                Key::Name(own) => &**own == *name,
                Key::Term(_) => false,
            })
}

fn is_off(definition: &Definition) -> bool {
    definition
        .wrappers
        .iter()
        .any(|(_, wrapper)| match wrapper {
            Wrapper::If(condition) => matches!(condition.kind(), K::Bool(false)),
            _ => false,
        })
}

fn priority(definition: &Definition) -> i64 {
    let priorities = definition
        .wrappers
        .iter()
        .filter_map(|(_, wrapper)| match wrapper {
            Wrapper::Override(priority) => Some(*priority),
            _ => None,
        });
    priorities.min().unwrap_or(100)
}
