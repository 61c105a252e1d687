//! Functions of Nix and of nixpkgs' library whose results have a shape.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::evaluate::{Evaluator, anything};
use crate::shape::{Shape, State, Thunk, done, later};

/// Name and number of arguments.
const ALL: &[(&str, usize)] = &[
    ("addErrorContext", 2),
    ("attrValues", 1),
    ("concat", 2),
    ("concatLists", 1),
    ("concatMap", 2),
    ("concatMapAttrs", 2),
    ("const", 2),
    ("deepSeq", 2),
    ("filter", 2),
    ("filterAttrs", 2),
    ("filterAttrsRecursive", 2),
    ("flatten", 1),
    ("flip", 3),
    ("foldl", 3),
    ("foldl'", 3),
    ("fold", 3),
    ("foldr", 3),
    ("forEach", 2),
    ("genAttrs", 2),
    ("genList", 2),
    ("getAttrs", 2),
    ("id", 1),
    ("imap0", 2),
    ("imap1", 2),
    ("import", 1),
    ("listToAttrs", 1),
    ("map", 2),
    ("mapAttrs", 2),
    ("mapAttrs'", 2),
    ("mapAttrsToList", 2),
    ("mapNullable", 2),
    ("mergeAttrs", 2),
    ("mergeAttrsList", 1),
    ("mkAfter", 1),
    ("mkAliasOptionModule", 2),
    ("mkAliasOptionModuleMD", 2),
    ("mkAssert", 3),
    ("mkBefore", 1),
    ("mkChangedOptionModule", 3),
    ("mkDefault", 1),
    ("mkFixStrictness", 1),
    ("mkForce", 1),
    ("mkIf", 2),
    ("mkImageMediaOverride", 1),
    ("mkMerge", 1),
    ("mkMergedOptionModule", 3),
    ("mkOptionDefault", 1),
    ("mkOrder", 2),
    ("mkOverride", 2),
    ("mkRemovedOptionModule", 2),
    ("mkRenamedOptionModule", 2),
    ("mkRenamedOptionModuleWith", 1),
    ("mkVMOverride", 1),
    ("nameValuePair", 2),
    ("optional", 2),
    ("optionalAttrs", 2),
    ("optionals", 2),
    ("recursiveUpdate", 2),
    ("removeAttrs", 2),
    ("reverseList", 1),
    ("seq", 2),
    ("setAttrByPath", 2),
    ("singleton", 1),
    ("sort", 2),
    ("take", 2),
    ("tail", 1),
    ("throw", 1),
    ("abort", 1),
    ("throwIf", 3),
    ("throwIfNot", 3),
    ("trace", 2),
    ("traceVal", 1),
    ("unique", 1),
    ("warn", 2),
    ("warnIf", 3),
];

/// The function of this name, or [`Shape::Any`] if it is none of these.
pub fn named(name: &str) -> Shape {
    match ALL.iter().find(|(other, _)| *other == name) {
        Some((name, _)) => Shape::Primitive(name, Rc::default()),
        None => Shape::Any,
    }
}

pub fn arity(name: &str) -> usize {
    ALL.iter()
        .find(|(other, _)| *other == name)
        .map_or(usize::MAX, |(_, arity)| *arity)
}

/// The result of a function with all its arguments.
pub fn run(evaluator: &mut Evaluator, name: &str, arguments: &[Thunk]) -> Shape {
    let [first, rest @ ..] = arguments else {
        return Shape::Any;
    };
    let second = rest.first().unwrap_or(first);
    let last = arguments.last().unwrap_or(first);
    match name {
        // Properties and conditions: the value, whatever it depends on.
        "addErrorContext"
        | "deepSeq"
        | "filterAttrs"
        | "filterAttrsRecursive"
        | "getAttrs"
        | "id"
        | "mkAfter"
        | "mkAssert"
        | "mkBefore"
        | "mkDefault"
        | "mkFixStrictness"
        | "mkForce"
        | "mkIf"
        | "mkImageMediaOverride"
        | "mkOptionDefault"
        | "mkOrder"
        | "mkOverride"
        | "mkVMOverride"
        | "optionalAttrs"
        | "seq"
        | "throwIf"
        | "throwIfNot"
        | "trace"
        | "traceVal"
        | "warn"
        | "warnIf" => evaluator.force(last),
        // Elements of the list, in another order or number.
        "filter" | "optionals" | "reverseList" | "sort" | "tail" | "take" | "unique" => {
            let list = evaluator.force(last);
            match evaluator.items(&list) {
                Some(items) => Shape::list(items, false),
                None => Shape::Any,
            }
        }
        "const" | "removeAttrs" => evaluator.force(first),
        "throw" | "abort" => Shape::none(),
        "optional" => Shape::list(vec![last.clone()], false),
        "singleton" => Shape::list(vec![last.clone()], true),
        "concat" | "mergeAttrs" | "recursiveUpdate" => {
            Shape::union([evaluator.force(first), evaluator.force(second)])
        }
        "mkMerge" | "mergeAttrsList" => {
            let list = evaluator.force(first);
            evaluator.values(&list)
        }
        "import" => match evaluator.force(first) {
            Shape::Path(path) => evaluator.import(&path),
            _ => Shape::Any,
        },
        "flip" => {
            let function = evaluator.force(first);
            let function = evaluator.apply(&function, last.clone());
            evaluator.apply(&function, second.clone())
        }
        "mapNullable" => {
            let function = evaluator.force(first);
            let some = evaluator.apply(&function, second.clone());
            Shape::union([Shape::Scalar, some])
        }
        // Folds that only put things together.
        "fold" | "foldr" | "foldl" | "foldl'" => match evaluator.force(first) {
            Shape::Primitive("recursiveUpdate" | "mergeAttrs" | "concat", _) => {
                let list = evaluator.force(last);
                Shape::union([evaluator.force(second), evaluator.values(&list)])
            }
            _ => Shape::Any,
        },
        "attrValues" => Shape::list(vec![values_of(evaluator, first)], false),
        "concatLists" => {
            let list = evaluator.force(first);
            evaluator.values(&list)
        }
        "flatten" => flatten(evaluator, first),
        "map" => over_list(evaluator, first, second, 1),
        "forEach" => over_list(evaluator, second, first, 1),
        "imap0" | "imap1" => over_list(evaluator, first, second, 2),
        "genList" => Shape::list(
            vec![call(evaluator, first, vec![done(Shape::Scalar)])],
            false,
        ),
        "concatMap" => {
            let list = over_list(evaluator, first, second, 1);
            evaluator.values(&list)
        }
        "mapAttrsToList" => {
            let shape = evaluator.force(second);
            let value = done(evaluator.values(&shape));
            Shape::list(
                vec![call(evaluator, first, vec![done(Shape::Scalar), value])],
                false,
            )
        }
        "concatMapAttrs" => {
            let value = values_of(evaluator, second);
            let parts = call(evaluator, first, vec![done(Shape::Scalar), value]);
            evaluator.force(&parts)
        }
        "mapAttrs" => map_attrs(evaluator, first, second),
        "mapAttrs'" => {
            let value = values_of(evaluator, second);
            let pair = call(evaluator, first, vec![done(Shape::Scalar), value]);
            from_pairs(evaluator, &[pair])
        }
        "nameValuePair" => Shape::set(
            BTreeMap::from([
                ("name".into(), first.clone()),
                ("value".into(), second.clone()),
            ]),
            Vec::new(),
        ),
        "listToAttrs" => {
            let list = evaluator.force(first);
            match evaluator.items(&list) {
                Some(pairs) => from_pairs(evaluator, &pairs),
                None => Shape::set(BTreeMap::new(), vec![anything()]),
            }
        }
        "genAttrs" => gen_attrs(evaluator, first, second),
        "setAttrByPath" => {
            let path = evaluator.force(first);
            match &path {
                Shape::List {
                    items: names,
                    exact: true,
                } => names
                    .iter()
                    .rev()
                    .fold(None, |inner, name| {
                        let value = inner.map_or_else(|| second.clone(), done);
                        Some(match evaluator.force(name) {
                            Shape::Text(name) => {
                                Shape::set(BTreeMap::from([(name, value)]), Vec::new())
                            }
                            _ => Shape::set(BTreeMap::new(), vec![value]),
                        })
                    })
                    .unwrap_or(Shape::Any),
                _ => Shape::Any,
            }
        }
        "mkAliasOptionModule"
        | "mkAliasOptionModuleMD"
        | "mkRenamedOptionModule"
        | "mkChangedOptionModule" => Shape::Alias(Rc::new(vec![first.clone()]), second.clone()),
        "mkMergedOptionModule" => {
            let list = evaluator.force(first);
            match evaluator.items(&list) {
                Some(from) => Shape::Alias(Rc::new(from), second.clone()),
                None => Shape::Any,
            }
        }
        "mkRenamedOptionModuleWith" => {
            let part = |name: &str| later(State::Attribute(first.clone(), name.into(), None));
            Shape::Alias(Rc::new(vec![part("from")]), part("to"))
        }
        // Defines nothing but an assertion.
        "mkRemovedOptionModule" => Shape::set(BTreeMap::new(), Vec::new()),
        _ => Shape::Any,
    }
}

fn call(evaluator: &mut Evaluator, function: &Thunk, arguments: Vec<Thunk>) -> Thunk {
    let function = evaluator.force(function);
    later(State::Apply(function, arguments))
}

fn values_of(evaluator: &mut Evaluator, set: &Thunk) -> Thunk {
    let shape = evaluator.force(set);
    done(evaluator.values(&shape))
}

/// The function over each element; with two arguments the first is a number.
fn over_list(evaluator: &mut Evaluator, function: &Thunk, list: &Thunk, arguments: usize) -> Shape {
    let list = evaluator.force(list);
    let exact = matches!(list, Shape::List { exact: true, .. });
    let items = evaluator.items(&list).unwrap_or_else(|| vec![anything()]);
    let results = items.into_iter().map(|item| {
        let all = if arguments == 2 {
            vec![done(Shape::Scalar), item]
        } else {
            vec![item]
        };
        call(evaluator, function, all)
    });
    Shape::list(results.collect(), exact)
}

fn map_attrs(evaluator: &mut Evaluator, function: &Thunk, set: &Thunk) -> Shape {
    let shape = evaluator.force(set);
    let Some(sets) = evaluator.sets(&shape) else {
        let value = call(evaluator, function, vec![done(Shape::Scalar), anything()]);
        return Shape::set(BTreeMap::new(), vec![value]);
    };
    Shape::union(
        sets.into_iter()
            .map(|set| {
                let named = set.named.iter().map(|(name, value)| {
                    let arguments = vec![done(Shape::Text(name.clone())), value.clone()];
                    (name.clone(), call(evaluator, function, arguments))
                });
                let named = named.collect();
                let unnamed = set.unnamed.iter().map(|value| {
                    call(
                        evaluator,
                        function,
                        vec![done(Shape::Scalar), value.clone()],
                    )
                });
                let unnamed = unnamed.collect();
                Shape::set(named, unnamed)
            })
            .collect::<Vec<_>>(),
    )
}

fn gen_attrs(evaluator: &mut Evaluator, names: &Thunk, function: &Thunk) -> Shape {
    let list = evaluator.force(names);
    let names = evaluator.items(&list).unwrap_or_else(|| vec![anything()]);
    let (mut named, mut unnamed) = (BTreeMap::new(), Vec::new());
    for name in names {
        let shape = evaluator.force(&name);
        let value = call(evaluator, function, vec![name]);
        match shape {
            Shape::Text(name) => {
                named.insert(name, value);
            }
            _ => unnamed.push(value),
        }
    }
    Shape::set(named, unnamed)
}

/// The set that `listToAttrs` makes of these.
fn from_pairs(evaluator: &mut Evaluator, pairs: &[Thunk]) -> Shape {
    let mut sets = Vec::new();
    for pair in pairs {
        let part = |name: &str| later(State::Attribute(pair.clone(), name.into(), None));
        let value = part("value");
        let name = evaluator.force(&part("name"));
        sets.push(match name {
            Shape::Text(name) => Shape::set(BTreeMap::from([(name, value)]), Vec::new()),
            _ => Shape::set(BTreeMap::new(), vec![value]),
        });
    }
    Shape::union(sets)
}

fn flatten(evaluator: &mut Evaluator, thunk: &Thunk) -> Shape {
    let shape = evaluator.force(thunk);
    let mut parts = Vec::new();
    for shape in shape.alternatives() {
        match shape {
            Shape::List { items, .. } => {
                parts.extend(items.iter().map(|item| flatten(evaluator, item)))
            }
            Shape::Any => return Shape::Any,
            other => parts.push(Shape::list(vec![done(other.clone())], false)),
        }
    }
    Shape::union(parts)
}
