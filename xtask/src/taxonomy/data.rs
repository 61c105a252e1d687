//! The taxonomy as it is written down.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::{Feature, HostKind, IdentityKind, Pattern, PatternError, Place, Taxonomy};

const TEXT: &str = include_str!("../../data/features.toml");

static EMBEDDED: LazyLock<Taxonomy> = LazyLock::new(|| {
    // Both are empty only if the file is broken, which a test excludes.
    let data: Data = toml::from_str(TEXT).unwrap_or_default();
    data.build().unwrap_or_default()
});

pub(super) fn embedded() -> Taxonomy {
    EMBEDDED.clone()
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Data {
    pub host: BTreeMap<HostKind, Section>,
    pub identity: BTreeMap<IdentityKind, Section>,
    pub features: BTreeMap<String, Section>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Section {
    pub description: String,
    pub parent: Option<String>,
    #[serde(default)]
    pub near: Vec<String>,
    #[serde(default)]
    pub patterns: Vec<String>,
    #[serde(default)]
    pub newer: Vec<String>,
    #[serde(default)]
    pub third_party: Vec<String>,
    #[serde(default)]
    pub units: Vec<String>,
}

impl Section {
    /// Its patterns, wherever their options are declared.
    pub fn all_patterns(&self) -> impl Iterator<Item = &str> {
        let lists = [&self.patterns, &self.newer, &self.third_party];
        lists.into_iter().flatten().map(String::as_str)
    }
}

impl Data {
    pub fn build(&self) -> Result<Taxonomy, PatternError> {
        let mut taxonomy = Taxonomy::default();
        for (kind, section) in &self.host {
            for text in section.all_patterns() {
                let pattern = Pattern::parse(text)?;
                taxonomy.places.insert(&pattern, Place::Host(*kind));
            }
        }
        for (kind, section) in &self.identity {
            for text in section.all_patterns() {
                taxonomy.identity.insert(&Pattern::parse(text)?, *kind);
            }
        }
        for (name, section) in &self.features {
            for text in section.all_patterns() {
                let place = Place::Feature(name.as_str().into());
                taxonomy.places.insert(&Pattern::parse(text)?, place);
            }
            for unit in &section.units {
                taxonomy
                    .units
                    .insert(unit.as_str().into(), name.as_str().into());
            }
            let feature = Feature {
                description: section.description.clone(),
                parent: section.parent.clone(),
                near: section.near.clone(),
            };
            taxonomy.features.insert(name.as_str().into(), feature);
        }
        Ok(taxonomy)
    }
}

#[cfg(test)]
pub(super) fn parsed() -> Result<Data, toml::de::Error> {
    toml::from_str(TEXT)
}
