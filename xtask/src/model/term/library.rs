//! Calls of nixpkgs' library of which the meaning is known.

use super::{Key, Term, TermKind as K};
use crate::syntax::hir::{BinaryOp, Name};

impl Term {
    /// The function of nixpkgs' library that is called, by its name, and what it is
    /// given, in order.
    pub fn library_call(&self) -> Option<(&str, Vec<&Self>)> {
        let mut arguments = Vec::new();
        let mut function = self;
        while let K::Apply(inner, argument) = function.kind() {
            arguments.push(argument);
            function = inner;
        }
        arguments.reverse();
        match function.kind() {
            K::Select(base, keys, None) => match keys.split_last() {
                Some((Key::Name(name), above)) if is_library(base, above) => {
                    Some((name, arguments))
                }
                _ => None,
            },
            K::WithVar(name, scopes) if !scopes.is_empty() => scopes
                .iter()
                .all(|scope| is_library(scope, &[]))
                .then_some((name, arguments)),
            _ => None,
        }
    }

    /// A call, reduced where it is another way to write a selection.
    pub fn apply(function: Self, argument: Self) -> Self {
        Self::selection(&function, &argument).unwrap_or_else(|| {
            let function = without_unused_defaults(&function, &argument).unwrap_or(function);
            Self::new(K::Apply(function, argument))
        })
    }

    /// `builtins.hasAttr "a" x`, `lib.attrByPath [ "a" ] d x` and their like.
    fn selection(function: &Self, argument: &Self) -> Option<Self> {
        if let K::Apply(inner, name) = function.kind()
            && let K::Global(global) = inner.kind()
        {
            return match &**global {
                "hasAttr" => Some(Self::new(K::HasAttr(argument.clone(), vec![key(name)]))),
                "getAttr" => Some(Self::select(argument.clone(), vec![key(name)], None)),
                _ => None,
            };
        }
        let (name, given) = function.library_call()?;
        let (path, default) = match (name, given.as_slice()) {
            ("hasAttrByPath" | "getAttrFromPath", [path]) => (path, None),
            ("attrByPath", [path, default]) => (path, Some((*default).clone())),
            _ => return None,
        };
        let keys = keys_of(path)?;
        Some(match name {
            "hasAttrByPath" => Self::new(K::HasAttr(argument.clone(), keys)),
            _ => Self::select(argument.clone(), keys, default),
        })
    }

    /// Whether a definition with this value may define what is at a path below it.
    pub fn may_define(&self, path: &[Key]) -> bool {
        let Some((first, rest)) = path.split_first() else {
            return true;
        };
        match self.kind() {
            K::Set(fixed, dynamic) => {
                let is_property = fixed.iter().any(|(name, _)| &**name == "_type");
                let Key::Name(first) = first else { return true };
                let defines =
                    |(name, value): &(Name, Self)| name == first && value.may_define(rest);
                is_property || !dynamic.is_empty() || fixed.iter().any(defines)
            }
            K::If(_, then, other) => then.may_define(path) || other.may_define(path),
            K::Assert(_, inner) => inner.may_define(path),
            K::Binary(BinaryOp::Update, left, right) => {
                left.may_define(path) || right.may_define(path)
            }
            K::List(_) => true,
            _ => match self.library_call() {
                Some(("optionalAttrs" | "mkIf" | "mkOverride" | "mkOrder", arguments)) => {
                    match arguments.as_slice() {
                        [_, inner] => inner.may_define(path),
                        _ => true,
                    }
                }
                Some(("mkDefault" | "mkForce" | "mkBefore" | "mkAfter", arguments)) => {
                    match arguments.as_slice() {
                        [inner] => inner.may_define(path),
                        _ => true,
                    }
                }
                Some(("mkMerge", arguments)) => match arguments.as_slice() {
                    [list] => match list.kind() {
                        K::List(items) => items.iter().any(|item| item.may_define(path)),
                        _ => true,
                    },
                    _ => true,
                },
                _ => true,
            },
        }
    }
}

/// Whether a term is nixpkgs' library, or a part of it.
fn is_library(base: &Term, below: &[Key]) -> bool {
    match base.kind() {
        K::Arg(name) | K::Bound(_, name) | K::Fresh(_, name) => &**name == "lib",
        K::Select(base, keys, None) => {
            let keys: Vec<Key> = keys.iter().chain(below).cloned().collect();
            is_library(base, &keys)
        }
        K::Input(name) => {
            &**name == "nixpkgs"
                && matches!(below.first(), Some(Key::Name(name)) if &**name == "lib")
        }
        _ => false,
    }
}

/// An attribute path that is written as a list.
fn keys_of(path: &Term) -> Option<Vec<Key>> {
    match path.kind() {
        K::List(items) if !items.is_empty() => Some(items.iter().map(key).collect()),
        _ => None,
    }
}

/// The component of an attribute path that a text is.
fn key(text: &Term) -> Key {
    match text.kind() {
        K::Str(name) => Key::Name(name.clone()),
        _ => Key::Term(text.clone()),
    }
}

/// A function without the defaults of what it is given.
fn without_unused_defaults(function: &Term, argument: &Term) -> Option<Term> {
    let K::Lambda(super::ParamTerm::Set(formals, ellipsis, bind), body) = function.kind() else {
        return None;
    };
    let K::Set(fixed, _) = argument.kind() else {
        return None;
    };
    let given = |name: &Name| fixed.binary_search_by(|(other, _)| other.cmp(name)).is_ok();
    let formals = formals
        .iter()
        .map(|(name, default)| {
            let default = default.clone().filter(|_| !given(name));
            (name.clone(), default)
        })
        .collect();
    let param = super::ParamTerm::Set(formals, *ellipsis, *bind);
    Some(Term::new(K::Lambda(param, body.clone())))
}
