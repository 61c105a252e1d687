//! Functions of attribute sets.

use std::rc::Rc;

use super::{call1, call2, known, set, str_thunk, text, truth};
use crate::model::eval::{Eval, Member};
use crate::model::value::{Attribute, Code, Set, Thunk, Value};
use crate::syntax::hir::Name;

prims! {
    AttrNames 1 "attrNames";
    AttrValues 1 "attrValues";
    MapAttrs 2 "mapAttrs";
    MapAttrsPrime 2 "mapAttrs'";
    MapAttrsToList 2 "mapAttrsToList";
    ConcatMapAttrs 2 "concatMapAttrs";
    FilterAttrs 2 "filterAttrs";
    GenAttrs 2 "genAttrs";
    ListToAttrs 1 "listToAttrs";
    NameValuePair 2 "nameValuePair";
    RemoveAttrs 2 "removeAttrs";
    GetAttr 2 "getAttr";
    HasAttr 2 "hasAttr";
    GetAttrs 2 "getAttrs";
    IntersectAttrs 2 "intersectAttrs";
    CatAttrs 2 "catAttrs";
    FoldAttrs 3 "foldAttrs";
    MergeAttrs 2 "mergeAttrs";
    MergeAttrsList 1 "mergeAttrsList";
    RecursiveUpdate 2 "recursiveUpdate";
    AttrByPath 3 "attrByPath";
    SetAttrByPath 2 "setAttrByPath";
    OptionalAttrs 2 "optionalAttrs";
    ZipAttrsWith 2 "zipAttrsWith";
    EachSystem 2 "eachSystem";
    EachDefaultSystem 1 "eachDefaultSystem";
    EachSystemPassThrough 2 "eachSystemPassThrough";
    EachDefaultSystemPassThrough 1 "eachDefaultSystemPassThrough";
}

/// The value of a call with all arguments; `None` if not enough of them is known.
pub(super) fn run(eval: &mut Eval<'_>, prim: Prim, [a, b, c]: [Thunk; 3]) -> Option<Value> {
    use Prim as P;
    Some(match prim {
        P::AttrNames => {
            let set = set(eval, a)?;
            let names: Vec<Thunk> = set.fixed.keys().map(|name| str_thunk(eval, name)).collect();
            Value::list(names)
        }
        P::AttrValues => Value::list(
            set(eval, a)?
                .fixed
                .values()
                .map(|attribute| attribute.value),
        ),
        P::MapAttrs => {
            let source = set(eval, b)?;
            let mut out = Set::default();
            for (name, attribute) in &source.fixed {
                let key = str_thunk(eval, name);
                let value = call2(eval, a, key, attribute.value);
                out.fixed.insert(
                    name.clone(),
                    Attribute {
                        value,
                        at: attribute.at,
                    },
                );
            }
            Value::Set(Rc::new(out))
        }
        P::MapAttrsPrime | P::MapAttrsToList | P::ConcatMapAttrs => {
            let source = set(eval, b)?;
            let mut items = Vec::new();
            for (name, attribute) in &source.fixed {
                let key = str_thunk(eval, name);
                items.push(call2(eval, a, key, attribute.value));
            }
            match prim {
                P::MapAttrsToList => Value::list(items),
                P::MapAttrsPrime => return from_pairs(eval, items),
                _ => return merge_all(eval, items),
            }
        }
        P::FilterAttrs => {
            let source = set(eval, b)?;
            let mut out = Set::default();
            for (name, attribute) in &source.fixed {
                let key = str_thunk(eval, name);
                let test = call2(eval, a, key, attribute.value);
                if truth(eval, test)? {
                    out.fixed.insert(name.clone(), *attribute);
                }
            }
            Value::Set(Rc::new(out))
        }
        P::GenAttrs => {
            let mut out = Set::default();
            for item in known(eval, a)? {
                let name = text(eval, item)?;
                let value = call1(eval, b, item);
                out.fixed.insert(name, Attribute { value, at: None });
            }
            Value::Set(Rc::new(out))
        }
        P::ListToAttrs => {
            let pairs = known(eval, a)?;
            return from_pairs(eval, pairs);
        }
        P::NameValuePair => {
            let mut out = Set::default();
            out.fixed
                .insert(Name::from("name"), Attribute { value: a, at: None });
            out.fixed
                .insert(Name::from("value"), Attribute { value: b, at: None });
            Value::Set(Rc::new(out))
        }
        P::RemoveAttrs => {
            let mut out = (*set(eval, a)?).clone();
            for name in known(eval, b)? {
                let name = text(eval, name)?;
                out.fixed.remove(&name);
            }
            Value::Set(Rc::new(out))
        }
        P::GetAttr => {
            let name = text(eval, a)?;
            member_value(eval, b, &name)?
        }
        P::HasAttr => {
            let name = text(eval, a)?;
            Value::Bool(set(eval, b)?.fixed.contains_key(&name))
        }
        P::GetAttrs => {
            let source = set(eval, b)?;
            let mut out = Set::default();
            for name in known(eval, a)? {
                let name = text(eval, name)?;
                out.fixed.insert(name.clone(), *source.fixed.get(&name)?);
            }
            Value::Set(Rc::new(out))
        }
        P::IntersectAttrs => {
            let (names, source) = (set(eval, a)?, set(eval, b)?);
            let mut out = (*source).clone();
            out.fixed.retain(|name, _| names.fixed.contains_key(name));
            Value::Set(Rc::new(out))
        }
        P::CatAttrs => {
            let name = text(eval, a)?;
            let mut out = Vec::new();
            for item in known(eval, b)? {
                out.extend(
                    set(eval, item)?
                        .fixed
                        .get(&name)
                        .map(|attribute| attribute.value),
                );
            }
            Value::list(out)
        }
        P::FoldAttrs => {
            let mut folded: std::collections::BTreeMap<Name, Thunk> =
                std::collections::BTreeMap::new();
            for item in known(eval, c)?.into_iter().rev() {
                for (name, attribute) in &set(eval, item)?.fixed {
                    let before = folded.get(name).copied().unwrap_or(b);
                    let value = call2(eval, a, attribute.value, before);
                    folded.insert(name.clone(), value);
                }
            }
            let mut out = Set::default();
            for (name, value) in folded {
                out.fixed.insert(name, Attribute { value, at: None });
            }
            Value::Set(Rc::new(out))
        }
        P::MergeAttrs => eval.update(a, b),
        P::MergeAttrsList => {
            let items = known(eval, a)?;
            return merge_all(eval, items);
        }
        P::RecursiveUpdate => recursive_update(eval, a, b, 0)?,
        P::AttrByPath => {
            let mut current = c;
            for name in known(eval, a)? {
                let name = text(eval, name)?;
                match eval.member(current, &name) {
                    Member::Found(thunk) => current = thunk,
                    Member::Missing => return Some(eval.force(b)),
                    _ => return None,
                }
            }
            eval.force(current)
        }
        P::SetAttrByPath => {
            let mut value = b;
            for name in known(eval, a)?.into_iter().rev() {
                let name = text(eval, name)?;
                let mut out = Set::default();
                out.fixed.insert(name, Attribute { value, at: None });
                value = eval.ready(Value::Set(Rc::new(out)));
            }
            eval.force(value)
        }
        P::ZipAttrsWith => {
            let mut zipped: std::collections::BTreeMap<Name, Vec<Thunk>> =
                std::collections::BTreeMap::new();
            for item in known(eval, b)? {
                for (name, attribute) in &set(eval, item)?.fixed {
                    zipped
                        .entry(name.clone())
                        .or_default()
                        .push(attribute.value);
                }
            }
            let mut out = Set::default();
            for (name, values) in zipped {
                let key = str_thunk(eval, &name);
                let values = eval.ready(Value::list(values));
                let value = call2(eval, a, key, values);
                out.fixed.insert(name, Attribute { value, at: None });
            }
            Value::Set(Rc::new(out))
        }
        P::EachSystem => {
            let systems = known(eval, a)?;
            return each_system(eval, systems, b);
        }
        P::EachDefaultSystem => {
            let systems = default_systems(eval);
            return each_system(eval, systems, a);
        }
        P::EachSystemPassThrough | P::EachDefaultSystemPassThrough => {
            let (systems, function) = match prim {
                P::EachSystemPassThrough => (known(eval, a)?, b),
                _ => (default_systems(eval), a),
            };
            let items = systems
                .into_iter()
                .map(|system| call1(eval, function, system))
                .collect();
            return merge_all(eval, items);
        }
        P::OptionalAttrs => {
            if truth(eval, a)? {
                eval.force(b)
            } else {
                Value::Set(Rc::default())
            }
        }
    })
}

/// The default systems of flake-utils.
fn default_systems(eval: &mut Eval<'_>) -> Vec<Thunk> {
    [
        "aarch64-darwin",
        "aarch64-linux",
        "x86_64-darwin",
        "x86_64-linux",
    ]
    .into_iter()
    .map(|system| str_thunk(eval, system))
    .collect()
}

/// `eachSystem` of flake-utils: `name.system` is `(function system).name`.
fn each_system(eval: &mut Eval<'_>, systems: Vec<Thunk>, function: Thunk) -> Option<Value> {
    let mut found: std::collections::BTreeMap<Name, Set> = std::collections::BTreeMap::new();
    for system in systems {
        let key = text(eval, system)?;
        let outputs = call1(eval, function, system);
        for (name, attribute) in &set(eval, outputs)?.fixed {
            let by_system = found.entry(name.clone()).or_default();
            by_system.fixed.insert(key.clone(), *attribute);
        }
    }
    let mut out = Set::default();
    for (name, by_system) in found {
        let value = eval.ready(Value::Set(Rc::new(by_system)));
        out.fixed.insert(name, Attribute { value, at: None });
    }
    Some(Value::Set(Rc::new(out)))
}

fn from_pairs(eval: &mut Eval<'_>, pairs: Vec<Thunk>) -> Option<Value> {
    let mut out = Set::default();
    for pair in pairs {
        let pair = set(eval, pair)?;
        let name_thunk = pair.fixed.get("name")?.value;
        let name = text(eval, name_thunk)?;
        let attribute = *pair.fixed.get("value")?;
        // The first of equal names wins.
        out.fixed.entry(name).or_insert(attribute);
    }
    Some(Value::Set(Rc::new(out)))
}

fn member_value(eval: &mut Eval<'_>, base: Thunk, name: &Name) -> Option<Value> {
    match eval.member(base, name) {
        Member::Found(thunk) => Some(eval.force(thunk)),
        Member::Value(value) => Some(value),
        _ => None,
    }
}

fn merge_all(eval: &mut Eval<'_>, items: Vec<Thunk>) -> Option<Value> {
    let mut out = Set::default();
    for item in items {
        let more = set(eval, item)?;
        out.fixed.extend(
            more.fixed
                .iter()
                .map(|(name, attribute)| (name.clone(), *attribute)),
        );
    }
    Some(Value::Set(Rc::new(out)))
}

fn recursive_update(eval: &mut Eval<'_>, a: Thunk, b: Thunk, depth: u32) -> Option<Value> {
    if depth > 64 {
        return None;
    }
    let (left, right) = match (eval.force(a), eval.force(b)) {
        (_, right) if no_set(&right) => return Some(right),
        (left, Value::Set(_)) if no_set(&left) => return Some(eval.force(b)),
        (Value::Set(left), Value::Set(right))
            if left.dynamic.is_empty() && right.dynamic.is_empty() =>
        {
            (left, right)
        }
        (Value::Opaque(_) | Value::Update(..) | Value::Set(_), Value::Set(right))
            if right.dynamic.is_empty() =>
        {
            return Some(update_unknown(eval, a, &right));
        }
        // `mkForce`, options and their like are sets with parts of their own.
        _ => return None,
    };
    let mut out = (*left).clone();
    for (name, attribute) in &right.fixed {
        let value = match left.fixed.get(name) {
            Some(other) if !no_set(&eval.force(attribute.value)) => {
                merged(eval, other.value, attribute.value, depth)
            }
            _ => attribute.value,
        };
        out.fixed.insert(
            name.clone(),
            Attribute {
                value,
                at: attribute.at,
            },
        );
    }
    Some(Value::Set(Rc::new(out)))
}

/// Both values as one; what is not known of that stays the call.
fn merged(eval: &mut Eval<'_>, left: Thunk, right: Thunk, depth: u32) -> Thunk {
    match recursive_update(eval, left, right, depth + 1) {
        Some(value) => eval.ready(value),
        None => {
            let update = Value::Prim(super::Prim::Attrs(Prim::RecursiveUpdate), Rc::from([]));
            let update = eval.ready(update);
            call2(eval, update, left, right)
        }
    }
}

/// Whether a value certainly is no set: it replaces one, and is replaced by one.
/// Nobody makes one host out of two.
fn no_set(value: &Value) -> bool {
    !matches!(
        value,
        Value::Set(_)
            | Value::Property(_)
            | Value::Declaration(..)
            | Value::Update(..)
            | Value::Opaque(_)
    )
}

/// `recursiveUpdate left { … }` where only the names on the right are known.
fn update_unknown(eval: &mut Eval<'_>, left: Thunk, right: &Set) -> Value {
    let prim = Value::Prim(super::Prim::Attrs(Prim::RecursiveUpdate), Rc::from([]));
    let update = eval.ready(prim);
    let mut out = Set::default();
    for (name, attribute) in &right.fixed {
        let before = eval.thunk(Code::Member(left, name.clone()));
        let value = call2(eval, update, before, attribute.value);
        let at = attribute.at;
        out.fixed.insert(name.clone(), Attribute { value, at });
    }
    let right = eval.ready(Value::Set(Rc::new(out)));
    Value::Update(left, right)
}
