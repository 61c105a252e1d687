//! Values that name one machine become options of the feature, set by the host.

use std::collections::BTreeSet;
use std::ops::Range;

use super::anatomy::{Anatomy, ItemId};
use super::catalogue::Catalogue;
use super::comments::span;
use super::draft::OptionDecl;
use super::leaves::leaves;
use super::option;
use super::reindent::Lines;

/// What is taken out of a feature.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// Options that the feature gets.
    pub options: Vec<OptionDecl>,
    /// Their reads, by range of the value that they replace.
    pub replace: Vec<(Range<usize>, String)>,
    /// What the host sets, as if it stood at the first column.
    pub settings: Vec<(String, String)>,
}

/// Whether the very name of a definition names the machine: its network
/// interfaces, its secrets.
pub fn is_in_the_path(path: &[String], catalogue: &Catalogue<'_>) -> bool {
    path.len() > 1
        && catalogue.names_machine(path)
        && catalogue.names_machine(&path[..path.len() - 1])
}

/// Whether a definition is about little else than one machine: then moving it
/// would only add a name for what the host says anyway.
pub fn is_mostly_identity(
    anatomy: &Anatomy,
    lines: &Lines,
    item: ItemId,
    catalogue: &Catalogue<'_>,
) -> bool {
    let Some(it) = anatomy.items.get(item) else {
        return false;
    };
    let own = BTreeSet::from([item]);
    let names_it = |path: &[String]| is_in_the_path(path, catalogue);
    if names_it(&it.path)
        || leaves(anatomy, &own)
            .iter()
            .any(|leaf| names_it(&leaf.path))
    {
        return true;
    }
    let found = extract(anatomy, lines, &own, catalogue);
    let stays: usize = found
        .settings
        .iter()
        .map(|(_, value)| value.lines().filter(|line| !line.trim().is_empty()).count())
        .sum();
    stays * 10 >= it.lines * 6
}

/// Finds the values that name the machine.
pub fn extract(
    anatomy: &Anatomy,
    lines: &Lines,
    items: &BTreeSet<ItemId>,
    catalogue: &Catalogue<'_>,
) -> Identity {
    let mut identity = Identity::default();
    let mut used = BTreeSet::new();
    for leaf in leaves(anatomy, items) {
        let Some(value) = &leaf.value else { continue };
        if !catalogue.names_machine(&leaf.path) || is_in_the_path(&leaf.path, catalogue) {
            continue;
        }
        let type_text = option::type_text(catalogue.value_type(&leaf.path).as_ref(), value)
            .unwrap_or_else(|| "lib.types.uniq lib.types.unspecified".to_owned());
        if option::is_property(value) {
            continue;
        }
        let name = option::name(&leaf.path, &used);
        used.insert(name.clone());
        let range = span(value.text_range());
        identity
            .settings
            .push((name.clone(), dedented(anatomy, lines, range.clone())));
        identity.replace.push((range, format!("cfg.{name}")));
        identity
            .options
            .push(option::declare(&name, &leaf.path, type_text, None));
    }
    identity
}

/// The text of a value as if its first line began at the first column.
pub fn dedented(anatomy: &Anatomy, lines: &Lines, range: Range<usize>) -> String {
    let indent = anatomy.indent_at(range.start);
    let delta = -isize::try_from(indent).unwrap_or(0);
    lines.copy(&anatomy.text, range, delta, &[])
}
