//! Which options may have a certain value, and what it is.

use rustc_hash::FxHashSet;

use super::DEFAULT_PRIORITY;
use super::restrictions::admitted;
use crate::model::path_index::PathIndex;
use crate::model::term::{Key, Term, TermKind as K};
use crate::model::{Declaration, Definition, Host, Origin, Wrapper, files};
use crate::options::{OptionType, Scalar};
use crate::syntax::hir::Name;

/// Options that are declared once and that nothing unknown can define.
pub(super) fn candidates<'h>(host: &'h Host, before: Option<&Host>) -> Vec<&'h Declaration> {
    let opaque = |host: &Host| -> FxHashSet<Term> {
        let inside = host
            .modules
            .iter()
            .filter_map(|module| match &module.origin {
                Origin::Opaque(term, _) if is_of_this_tree(term) => Some(term.clone()),
                _ => None,
            });
        inside.collect()
    };
    let inside = opaque(host);
    let unchanged = before.filter(|before| opaque(before).is_superset(&inside));
    if provenance_is_read(host) || !inside.is_empty() && unchanged.is_none() {
        return Vec::new();
    }
    let was_declared =
        |path: &[Name]| unchanged.is_some_and(|before| before.declared.overlaps(path));
    host.declarations
        .iter()
        .filter(|declaration| {
            if !inside.is_empty() && was_declared(&declaration.path) {
                return false;
            }
            host.declared.count_overlapping(&declaration.path) == 1
                && !declaration.open
                && !declaration.apply
                && passes_unchanged(&declaration.kind)
        })
        .collect()
}

/// The manual lists every declaration: then a new one is a change.
fn provenance_is_read(host: &Host) -> bool {
    const OPTION: [&str; 3] = ["documentation", "nixos", "includeAllModules"];
    let is_it = |path: &[Key]| {
        let names = path.iter().zip(OPTION);
        path.len() == OPTION.len()
            && names
                .into_iter()
                .all(|(key, name)| matches!(key, Key::Name(key) if &**key == name))
    };
    host.definitions.iter().any(|definition| {
        is_it(&definition.path) && !matches!(definition.value.kind(), K::Bool(false))
    })
}

/// Whether an opaque module may be made by this tree: of its files, or of values that
/// it hands to a function. What an input or nixpkgs brings as it is cannot know of
/// the options of this tree. A file that is missing defines nothing; the host does
/// not evaluate with it.
fn is_of_this_tree(term: &Term) -> bool {
    match term.kind() {
        K::Path(_, digest) => *digest != files::missing(),
        K::Input(_) | K::Inputs | K::Str(_) | K::OutsidePath(_) | K::Null => false,
        K::Arg(name) => !matches!(&**name, "modulesPath" | "inputs"),
        K::Global(name) => &**name != "import",
        K::Interp(parts) => parts.iter().any(is_of_this_tree),
        K::Binary(_, left, right) => is_of_this_tree(left) || is_of_this_tree(right),
        K::Select(base, path, default) => {
            let is_computed = |key: &Key| matches!(key, Key::Term(term) if is_of_this_tree(term));
            is_of_this_tree(base)
                || path.iter().any(is_computed)
                || default.as_ref().is_some_and(is_of_this_tree)
        }
        // `import "${input}/module.nix"`
        K::Apply(function, argument) => {
            !matches!(function.kind(), K::Global(name) if &**name == "import")
                || is_of_this_tree(argument)
        }
        _ => true,
    }
}

/// Types that give one definition's value back as it is.
fn passes_unchanged(kind: &OptionType) -> bool {
    match kind {
        OptionType::Scalar(_) | OptionType::Raw => true,
        OptionType::ListOf(inner) => matches!(**inner, OptionType::Scalar(_) | OptionType::Raw),
        // One definition at most, and nothing is done to it: `raw` by another name.
        OptionType::Uniq(inner) if **inner == OptionType::Unspecified => true,
        OptionType::NullOr(inner) | OptionType::Uniq(inner) => passes_unchanged(inner),
        _ => false,
    }
}

/// The value of an option, if all that defines it is unconditional. `index` holds
/// the definitions by the fixed part of their path.
pub(super) fn certain_value(
    declaration: &Declaration,
    definitions: &[Definition],
    index: &PathIndex,
) -> Option<Term> {
    let path = &declaration.path;
    let mut best: Option<(i64, Vec<&Term>)> = None;
    let mut count = 0;
    for at in index.overlapping(path) {
        // Of another length is what defines a part of the option or a set around
        // it; a computed name may be the option's own.
        let definition = definitions.get(at)?;
        let computed = |key: &Key| matches!(key, Key::Term(_));
        if definition.path.iter().any(computed) {
            return None;
        }
        let below = path.get(definition.path.len()..).unwrap_or_default();
        let below: Vec<Key> = below.iter().cloned().map(Key::Name).collect();
        if !definition.value.may_define(&below) {
            continue;
        }
        count += 1;
        if definition.path.len() != path.len() {
            return None;
        }
        // Of several overrides only the outermost is taken off.
        let priority = match definition.wrappers.as_slice() {
            [] => 100,
            [(_, Wrapper::Override(priority))] => *priority,
            _ => return None,
        };
        // The default is a definition too.
        if priority >= DEFAULT_PRIORITY && declaration.default.is_some() {
            return None;
        }
        match &mut best {
            Some((least, values)) if *least == priority => values.push(&definition.value),
            Some((least, _)) if *least < priority => {}
            _ => best = Some((priority, vec![&definition.value])),
        }
    }
    let value = match best {
        None => declaration.default.clone()?,
        Some((_, values)) => {
            let (first, rest) = values.split_first()?;
            // A list is the sum of its definitions, anything else agrees.
            let one = matches!(declaration.kind, OptionType::Scalar(_)) || rest.is_empty();
            if !one || rest.iter().any(|other| other != first) {
                return None;
            }
            (*first).clone()
        }
    };
    let fits = fits(&declaration.kind, &value) && admitted(declaration, count, &value);
    (value.is_closed() && fits).then_some(value)
}

/// Whether a value certainly is what the module system would give back.
fn fits(kind: &OptionType, value: &Term) -> bool {
    let property = match value.kind() {
        K::Apply(function, _) => match innermost(function).kind() {
            K::Select(_, path, _) => {
                matches!(path.last(), Some(Key::Name(name)) if name.starts_with("mk"))
            }
            K::WithVar(name, _) => name.starts_with("mk"),
            K::Lambda(..) | K::Mu(_) => true,
            _ => false,
        },
        // A property, an option or a type, written out.
        K::Set(fixed, dynamic) => {
            !dynamic.is_empty() || fixed.iter().any(|(name, _)| &**name == "_type")
        }
        _ => false,
    };
    if property {
        return false;
    }
    match kind {
        OptionType::NullOr(_) if matches!(value.kind(), K::Null) => true,
        OptionType::Uniq(inner) if **inner == OptionType::Unspecified => true,
        OptionType::NullOr(inner) | OptionType::Uniq(inner) => fits(inner, value),
        OptionType::Raw => true,
        OptionType::ListOf(inner) => match value.kind() {
            K::List(items) => items.iter().all(|item| fits(inner, item)),
            K::Null | K::Bool(_) | K::Int(_) | K::Str(_) | K::Set(..) => false,
            _ => true,
        },
        OptionType::Scalar(scalar) => match value.kind() {
            K::Bool(_) => matches!(scalar, Scalar::Bool | Scalar::Enum),
            K::Int(_) => matches!(scalar, Scalar::Int | Scalar::Enum | Scalar::Number),
            K::Str(_) | K::Interp(_) => matches!(scalar, Scalar::Str | Scalar::Enum | Scalar::Path),
            K::List(_) | K::Set(..) | K::Null => false,
            _ => true,
        },
        _ => false,
    }
}

pub(super) fn innermost(term: &Term) -> &Term {
    match term.kind() {
        K::Apply(function, _) => innermost(function),
        _ => term,
    }
}
