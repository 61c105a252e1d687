//! What a declaration refuses although the structure of its type would take it.

use std::ops::RangeInclusive;

use crate::model::Declaration;
use crate::model::term::{Key, Term, TermKind as K};

/// Whether Nix certainly takes a value for an option that has so many definitions
/// beside its default.
pub(super) fn admitted(declaration: &Declaration, definitions: usize, value: &Term) -> bool {
    let K::Set(parts, _) = declaration.effect.kind() else {
        return true;
    };
    let part = |name: &str| parts.iter().find(|(own, _)| &**own == name);
    let read_only = part("readOnly").is_some_and(|(_, it)| !matches!(it.kind(), K::Bool(false)));
    let defaults = usize::from(declaration.default.is_some());
    if read_only && definitions + defaults > 1 {
        return false;
    }
    part("type").is_none_or(|(_, kind)| admits(kind, value))
}

/// The name of a type or of a function that makes one.
fn name(term: &Term) -> Option<&str> {
    match term.kind() {
        K::Select(_, path, _) => match path.last() {
            Some(Key::Name(name)) => Some(name),
            _ => None,
        },
        K::WithVar(name, _) => Some(name),
        _ => None,
    }
}

fn admits(kind: &Term, value: &Term) -> bool {
    if let K::Apply(function, argument) = kind.kind() {
        return match (name(function), value.kind()) {
            (Some("enum"), K::Str(_) | K::Int(_) | K::Bool(_) | K::Null) => {
                matches!(argument.kind(), K::List(items) if items.contains(value))
            }
            (Some("enum"), _) => false,
            (Some("nonEmptyListOf"), K::List(items)) if items.is_empty() => false,
            (Some("listOf" | "nonEmptyListOf"), K::List(items)) => {
                items.iter().all(|item| admits(argument, item))
            }
            (Some("nonEmptyListOf"), _) => false,
            (Some("listOf"), _) => !is_restricted(argument),
            (Some("nullOr"), K::Null) => true,
            (Some("nullOr" | "uniq"), _) => admits(argument, value),
            _ => true,
        };
    }
    let text = |fits: fn(&str) -> bool| matches!(value.kind(), K::Str(text) if fits(text));
    match name(kind) {
        // The one line is stripped of its end.
        Some("singleLineStr") => text(|text| !text.contains(['\n', '\r'])),
        Some("nonEmptyStr") => text(|text| !text.trim().is_empty()),
        Some("path") => match value.kind() {
            K::Str(text) => text.starts_with('/'),
            _ => true,
        },
        Some(name) => match range(name) {
            Some(range) => matches!(value.kind(), K::Int(number) if range.contains(number)),
            None => true,
        },
        None => true,
    }
}

/// The integers that a type of this name takes.
fn range(name: &str) -> Option<RangeInclusive<i64>> {
    Some(match name {
        "port" | "u16" => 0..=0xffff,
        "positive" => 1..=i64::MAX,
        "unsigned" => 0..=i64::MAX,
        "u8" => 0..=0xff,
        "u32" => 0..=0xffff_ffff,
        "s8" => -0x80..=0x7f,
        "s16" => -0x8000..=0x7fff,
        "s32" => -0x8000_0000..=0x7fff_ffff,
        _ => return None,
    })
}

/// Whether a type refuses, or changes, some values that its structure takes.
fn is_restricted(kind: &Term) -> bool {
    match kind.kind() {
        K::Apply(function, argument) => match name(function) {
            Some("listOf" | "nullOr" | "uniq") => is_restricted(argument),
            _ => true,
        },
        _ => name(kind).is_none_or(|name| {
            matches!(name, "singleLineStr" | "nonEmptyStr") || range(name).is_some()
        }),
    }
}
