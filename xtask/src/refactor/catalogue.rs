//! What is known about option paths and features, asked in one place.

use crate::model::term::{Key, Term};
use crate::model::{Fleet, Host};
use crate::options::{OptionTable, OptionType, PathKind, View};
use crate::taxonomy::{Class, Taxonomy, derived_feature};

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
    pub fleet: Option<&'a Fleet>,
}

impl<'a> Catalogue<'a> {
    /// What is known without any host.
    pub fn new(table: &'a OptionTable<'a>, taxonomy: &'a Taxonomy) -> Self {
        Self {
            table: table.for_release(None),
            taxonomy,
            host: None,
            fleet: None,
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
        let (Some(own), Some(fleet)) = (self.host, self.fleet) else {
            return true;
        };
        let values = values_at(own, path);
        let is_shared = |host: &Host| {
            host.name != own.name
                && values_at(host, path)
                    .iter()
                    .any(|value| values.contains(value))
        };
        !fleet.hosts.iter().any(is_shared)
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

    /// The feature that a small one joins.
    pub fn parent(&self, feature: &str) -> Option<&'a str> {
        self.taxonomy.feature(feature)?.parent.as_deref()
    }
}

/// What a host defines at exactly this path.
fn values_at<'h>(host: &'h Host, path: &[String]) -> Vec<&'h Term> {
    let is_here = |keys: &[Key]| {
        keys.len() == path.len()
            && keys
                .iter()
                .zip(path)
                .all(|(key, name)| matches!(key, Key::Name(key) if **key == **name))
    };
    host.definitions
        .iter()
        .filter(|definition| is_here(&definition.path))
        .map(|definition| &definition.value)
        .collect()
}
