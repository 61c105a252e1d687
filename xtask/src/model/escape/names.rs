//! Names by which configurations are known.

use crate::model::term::{Key, Term, TermKind as K};

/// Options whose values are modules: `config.home-manager.users.a.x` is a part of one.
pub(super) fn holds_modules(option: &str) -> bool {
    matches!(
        option,
        "containers" | "hm" | "home-manager" | "microvm" | "specialisation" | "virtualisation"
    )
}

/// What modules are given all options in.
pub(super) const CONFIG: [&str; 6] = [
    "config",
    "darwinConfig",
    "nixosConfig",
    "options",
    "osConfig",
    "superConfig",
];

/// Whether modules call the configuration of the host around theirs so.
pub(super) fn is_outer(name: &str) -> bool {
    CONFIG.contains(&name) && !matches!(name, "config" | "options")
}

/// Whether a term is a configuration.
pub(super) fn is_config(term: &Term) -> bool {
    matches!(term.kind(), K::Arg(name) | K::Bound(_, name) if CONFIG.contains(&&**name))
}

/// `options.a.b.value` is `config.a.b`.
pub(super) fn without_option<'k>(base: &Term, keys: &'k [Key]) -> &'k [Key] {
    let is_options =
        matches!(base.kind(), K::Arg(name) | K::Bound(_, name) if &**name == "options");
    match keys.split_last() {
        Some((Key::Name(last), rest))
            if is_options && matches!(&**last, "value" | "default" | "definitions") =>
        {
            rest
        }
        _ => keys,
    }
}
