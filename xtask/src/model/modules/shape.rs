//! What a set has to look like to be a module.

use crate::model::value::Set;
use crate::syntax::hir::Name;

/// Whether it has `config` or `options`, and nothing else counts as configuration.
pub(super) fn is_structured(set: &Set) -> bool {
    set.fixed.contains_key("config") || set.fixed.contains_key("options")
}

/// What may not stand beside `config` or `options`; Nix refuses such a module.
pub(super) fn unsupported(set: &Set) -> Option<&Name> {
    let allowed = |name: &str| {
        matches!(name, "config" | "meta") || name != "require" && RESERVED.contains(&name)
    };
    let mut found: Vec<&Name> = set.fixed.keys().filter(|name| !allowed(name)).collect();
    found.sort();
    found.into_iter().next().filter(|_| is_structured(set))
}

/// Attributes of a module that are no configuration.
pub(super) const RESERVED: [&str; 8] = [
    "_class",
    "_file",
    "key",
    "disabledModules",
    "imports",
    "require",
    "freeformType",
    "options",
];

/// Called, or read as a property: not a module as it stands.
pub(super) fn is_special(set: &Set) -> bool {
    let special = ["__functor", "_type"];
    special.iter().any(|name| set.fixed.contains_key(*name))
}
