//! Option declarations: what the repository's own paths are.

use super::{Declaration, Reader};
use crate::model::modules::binding_place;
use crate::model::path_index::PathIndex;
use crate::model::prims::ModulePrim;
use crate::model::term::{Key, Term, TermKind as K};
use crate::model::value::{Thunk, Value};
use crate::options::{OptionType, PathKind};
use crate::problem::Span;
use crate::syntax::hir::{Name, Range};
use crate::tree::TreePath;

impl Reader<'_, '_, '_> {
    pub(super) fn declare(&mut self, thunk: Thunk, path: Vec<Name>, at: Option<(TreePath, Range)>) {
        let span = at.map(|(path, (start, end))| Span { path, start, end });
        let module = self.module;
        match self.eval.force(thunk) {
            Value::Set(set) if set.dynamic.is_empty() && path.len() < 64 => {
                for (name, attribute) in &set.fixed {
                    let at = binding_place(self.eval, attribute);
                    let path = path.iter().cloned().chain([name.clone()]).collect();
                    self.declare(attribute.value, path, at);
                }
            }
            Value::Declaration(prim, argument) => {
                let declaration = self.declaration(prim, argument);
                self.declarations.push(Declaration {
                    path,
                    module,
                    span,
                    ..declaration
                });
            }
            value => {
                // Neither an option nor a set of them, whatever it holds.
                let refused = matches!(
                    value,
                    Value::Property(_)
                        | Value::Null
                        | Value::Bool(_)
                        | Value::Int(_)
                        | Value::Float(_)
                        | Value::Str(_)
                        | Value::Path(_)
                        | Value::List(_)
                        | Value::Lambda(_)
                );
                let effect = self.eval.term(thunk);
                let kind = OptionType::Unknown;
                self.declarations.push(Declaration {
                    path,
                    kind,
                    default: None,
                    apply: true,
                    effect,
                    open: true,
                    refused,
                    module,
                    span,
                });
            }
        }
    }

    fn declaration(&mut self, prim: ModulePrim, argument: Thunk) -> Declaration {
        let mut found = Declaration {
            path: Vec::new(),
            kind: OptionType::Unknown,
            default: None,
            apply: false,
            effect: Term::str("enable"),
            open: false,
            refused: false,
            module: 0,
            span: None,
        };
        match prim {
            ModulePrim::MkEnableOption => {
                found.kind = OptionType::parse("bool");
                found.default = Some(Term::new(K::Bool(false)));
            }
            ModulePrim::MkOption => match self.eval.force(argument) {
                Value::Set(set) if set.dynamic.is_empty() => {
                    const EFFECT: [&str; 5] = ["type", "default", "apply", "readOnly", "options"];
                    // Only shown, never merged.
                    const SHOWN: [&str; 7] = [
                        "defaultText",
                        "example",
                        "description",
                        "relatedPackages",
                        "internal",
                        "visible",
                        "_type",
                    ];
                    let mut effect = Vec::new();
                    for name in EFFECT {
                        if let Some(attribute) = set.fixed.get(name) {
                            effect.push((Name::from(name), self.eval.term(attribute.value)));
                        }
                    }
                    let known = effect.len();
                    for (name, attribute) in &set.fixed {
                        if !EFFECT.contains(&&**name) && !SHOWN.contains(&&**name) {
                            effect.push((name.clone(), self.eval.term(attribute.value)));
                        }
                    }
                    found.refused = effect.len() > known;
                    let term = |name: &str| {
                        effect
                            .iter()
                            .find(|(own, _)| &**own == name)
                            .map(|(_, term)| term.clone())
                    };
                    found.kind = term("type").map_or(OptionType::Unspecified, |kind| {
                        OptionType::parse(&type_expression(&kind))
                    });
                    found.default = term("default");
                    found.apply = term("apply").is_some();
                    found.effect = Term::set(effect, Vec::new());
                }
                _ => {
                    found.apply = true;
                    found.effect = self.eval.term(argument);
                }
            },
            _ => {
                found.kind = OptionType::parse("package");
                found.apply = true;
                found.effect = self.eval.term(argument);
            }
        }
        found
    }
}

/// What the repository's own declarations say of a path; `index` holds them by
/// path.
pub(in crate::model) fn own_kind(
    declarations: &[Declaration],
    index: &PathIndex,
    names: &[&str],
) -> Option<PathKind> {
    let declaration = match index.first_at_or_above(names) {
        Ok(first) => declarations.get(first)?,
        Err(below) => return below.then_some(PathKind::Namespace),
    };
    if declaration.open {
        return Some(PathKind::Unknown);
    }
    let option = declaration.path.len();
    let mut element = declaration.kind.clone();
    for _ in option..names.len() {
        element = match element {
            OptionType::AttrsOf(inner) | OptionType::LazyAttrsOf(inner) => *inner,
            _ => OptionType::Unknown,
        };
    }
    Some(if names.len() == option {
        PathKind::Option(element)
    } else {
        PathKind::Inside {
            option,
            submodules: 0,
            element,
        }
    })
}

/// Whether names that are taken from a term may mean what they mean in nixpkgs'
/// library: it is something that the module was given, and nothing that a file of
/// the repository makes (`let lib = …` hides the library).
fn is_library(term: &Term) -> bool {
    match term.kind() {
        K::Arg(_) | K::ArgSet(_) | K::Input(_) | K::Inputs | K::Bound(..) | K::Fresh(..) => true,
        K::Select(base, _, None) => is_library(base),
        K::WithVar(_, scopes) => scopes.iter().all(is_library),
        _ => false,
    }
}

/// A type term in the notation of [`OptionType::parse`].
fn type_expression(term: &Term) -> String {
    let name = |name: &str| match name {
        "port" | "positive" | "unsigned" | "u8" | "u16" | "u32" | "s8" | "s16" | "s32" => {
            "int".to_owned()
        }
        "nonEmptyStr" | "singleLineStr" => "str".to_owned(),
        "shellPackage" => "package".to_owned(),
        name => name.to_owned(),
    };
    match term.kind() {
        K::Select(base, path, None) if is_library(base) => match path.last() {
            Some(Key::Name(last)) => name(last),
            _ => "?".to_owned(),
        },
        K::WithVar(last, scopes) if scopes.iter().all(is_library) => name(last),
        K::Apply(function, argument) => match function.kind() {
            K::Apply(inner, first) if type_expression(inner) == "either" => {
                format!(
                    "either({},{})",
                    type_expression(first),
                    type_expression(argument)
                )
            }
            _ => match type_expression(function).as_str() {
                wrapper @ ("listOf" | "attrsOf" | "lazyAttrsOf" | "nullOr" | "uniq"
                | "functionTo") => {
                    format!("{wrapper}({})", type_expression(argument))
                }
                "nonEmptyListOf" => format!("listOf({})", type_expression(argument)),
                wrapper @ ("enum" | "submodule") => wrapper.to_owned(),
                _ => "?".to_owned(),
            },
        },
        _ => "?".to_owned(),
    }
}
