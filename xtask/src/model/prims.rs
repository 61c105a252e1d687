//! The functions of the language and of nixpkgs' library that fleets build
//! their hosts with.

use std::rc::Rc;

use super::eval::{Eval, Member, path_text, place_path};
use super::value::{Attribute, Code, HostCall, Item, Property, Role, Set, Thunk, Value};
use crate::syntax::hir::Name;
use crate::tree::Kind;

macro_rules! prims {
    ($($variant:ident $arity:literal $($name:literal)*;)*) => {
        /// A known function.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Prim { $(#[doc = concat!("Takes ", stringify!($arity), " arguments.")] $variant,)* }

        impl Prim {
            /// How many arguments it takes.
            pub fn arity(self) -> usize {
                match self { $(Self::$variant => $arity,)* }
            }
        }

        fn by_name(name: &str) -> Option<Prim> {
            match name { $($($name)|* => Some(Prim::$variant),)* _ => None }
        }
    };
}

prims! {
    Map 2 "map";
    Filter 2 "filter";
    FoldLeft 3 "foldl'" "foldl";
    FoldRight 3 "foldr" "fold";
    ConcatMap 2 "concatMap";
    ConcatLists 1 "concatLists";
    Flatten 1 "flatten";
    ConcatStringsSep 2 "concatStringsSep";
    ConcatMapStringsSep 3 "concatMapStringsSep";
    ConcatStrings 1 "concatStrings";
    ConcatMapStrings 2 "concatMapStrings";
    Elem 2 "elem";
    ElemAt 2 "elemAt";
    Head 1 "head";
    Tail 1 "tail";
    Last 1 "last";
    Length 1 "length";
    Reverse 1 "reverseList";
    Any 2 "any";
    All 2 "all";
    Range 2 "range";
    GenList 2 "genList";
    Imap0 2 "imap0";
    Imap1 2 "imap1";
    Singleton 1 "singleton";
    Unique 1 "unique";
    SubtractLists 2 "subtractLists";
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
    ZipListsWith 3 "zipListsWith";
    MergeAttrs 2 "mergeAttrs";
    MergeAttrsList 1 "mergeAttrsList";
    RecursiveUpdate 2 "recursiveUpdate";
    AttrByPath 3 "attrByPath";
    SetAttrByPath 2 "setAttrByPath";
    Optional 2 "optional";
    Optionals 2 "optionals";
    OptionalString 2 "optionalString";
    OptionalAttrs 2 "optionalAttrs";
    HasSuffix 2 "hasSuffix";
    HasPrefix 2 "hasPrefix";
    HasInfix 2 "hasInfix";
    RemoveSuffix 2 "removeSuffix";
    RemovePrefix 2 "removePrefix";
    SplitString 2 "splitString";
    StringLength 1 "stringLength";
    ToLower 1 "toLower";
    ToUpper 1 "toUpper";
    ReplaceStrings 3 "replaceStrings";
    ReadDir 1 "readDir";
    ReadFile 1 "readFile" "fileContents";
    PathExists 1 "pathExists";
    Import 1 "import";
    ListFilesRecursive 1 "listFilesRecursive";
    PathAppend 2 "append";
    FromToml 1 "fromTOML";
    FromJson 1 "fromJSON";
    ImportToml 1 "importTOML";
    ImportJson 1 "importJSON";
    ToString 1 "toString";
    BaseNameOf 1 "baseNameOf";
    DirOf 1 "dirOf";
    IsAttrs 1 "isAttrs";
    IsList 1 "isList";
    IsString 1 "isString";
    IsFunction 1 "isFunction";
    IsPath 1 "isPath";
    IsBool 1 "isBool";
    IsInt 1 "isInt";
    IsNull 1 "isNull";
    Second 2 "seq" "deepSeq" "trace" "warn" "traceSeq" "addErrorContext";
    WarnIf 3 "warnIf" "warnIfNot" "throwIf" "throwIfNot";
    Throw 1 "throw" "abort";
    Id 1 "id" "traceVal";
    Const 2 "const";
    Flip 3 "flip";
    Pipe 2 "pipe";
    Fix 1 "fix";
    Extend 1 "extend";
    MkIf 2 "mkIf";
    MkMerge 1 "mkMerge";
    MkOverride 2 "mkOverride";
    MkForce 1 "mkForce";
    MkDefault 1 "mkDefault";
    MkOptionDefault 1 "mkOptionDefault";
    MkImageMediaOverride 1 "mkImageMediaOverride";
    MkVmOverride 1 "mkVMOverride";
    MkOrder 2 "mkOrder";
    MkBefore 1 "mkBefore";
    MkAfter 1 "mkAfter";
    MkOption 1 "mkOption";
    MkEnableOption 1 "mkEnableOption";
    MkPackageOption 3 "mkPackageOption";
    NixosSystem 1 "nixosSystem";
    EvalModules 1 "evalModules";
    MkFlake 2 "mkFlake";
    ExtendModules 2 "extendModules of a host";
}

/// A function in the language's own scope.
pub(super) fn global(name: &str) -> Option<Value> {
    match name {
        "map" | "import" | "removeAttrs" | "throw" | "abort" | "toString" | "baseNameOf"
        | "dirOf" | "isNull" | "fromTOML" => builtin(name),
        _ => builtin(name.strip_prefix("__")?),
    }
}

/// A function of `builtins`.
pub(super) fn builtin(name: &str) -> Option<Value> {
    match name {
        "nixosSystem" | "evalModules" | "mkFlake" | "append" | "extend" | "id" | "const"
        | "pipe" | "fix" => None,
        _ => by_name(name).map(value),
    }
}

/// A member of nixpkgs' library, or a part of it.
pub(super) fn library(name: &str) -> Option<Value> {
    match name {
        "strings" | "lists" | "attrsets" | "modules" | "options" | "trivial" | "filesystem"
        | "path" | "fixedPoints" | "debug" | "customisation" | "sources" => {
            Some(Value::role(Role::Lib, "the library"))
        }
        "isNull" | "fromTOML" => by_name(name).map(value),
        _ => by_name(name).map(value),
    }
}

fn value(prim: Prim) -> Value {
    Value::Prim(prim, Rc::from([]))
}

/// Elements of a list without unknown parts.
fn known(eval: &mut Eval<'_>, thunk: Thunk) -> Option<Vec<Thunk>> {
    match eval.force(thunk) {
        Value::List(items) => items
            .iter()
            .map(|item| match item {
                Item::One(thunk) => Some(*thunk),
                Item::Splice(_) => None,
            })
            .collect(),
        _ => None,
    }
}

fn text(eval: &mut Eval<'_>, thunk: Thunk) -> Option<Name> {
    match eval.force(thunk) {
        Value::Str(text) => Some(text),
        _ => None,
    }
}

fn set(eval: &mut Eval<'_>, thunk: Thunk) -> Option<Rc<Set>> {
    match eval.force(thunk) {
        Value::Set(set) if set.dynamic.is_empty() => Some(set),
        _ => None,
    }
}

fn truth(eval: &mut Eval<'_>, thunk: Thunk) -> Option<bool> {
    match eval.force(thunk) {
        Value::Bool(value) => Some(value),
        _ => None,
    }
}

fn call1(eval: &mut Eval<'_>, f: Thunk, x: Thunk) -> Thunk {
    eval.thunk(Code::Call(f, x))
}

fn call2(eval: &mut Eval<'_>, f: Thunk, x: Thunk, y: Thunk) -> Thunk {
    let g = eval.thunk(Code::Call(f, x));
    eval.thunk(Code::Call(g, y))
}

fn str_thunk(eval: &mut Eval<'_>, text: &str) -> Thunk {
    eval.ready(Value::str(text))
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

/// Calls a known function with all of its arguments.
pub(super) fn call(eval: &mut Eval<'_>, prim: Prim, args: &[Thunk]) -> Value {
    run(eval, prim, args).unwrap_or_else(|| {
        let why = args.iter().find_map(|arg| match eval.force(*arg) {
            Value::Opaque(opaque) => Some(opaque.why),
            _ => None,
        });
        match why {
            Some(why) => Value::unknown(&why),
            None => Value::unknown(&format!("`{prim:?}` of something unknown")),
        }
    })
}

fn run(eval: &mut Eval<'_>, prim: Prim, args: &[Thunk]) -> Option<Value> {
    use Prim as P;
    let arg = |index: usize| args.get(index).copied().unwrap_or(Thunk(u32::MAX));
    let (a, b, c) = (arg(0), arg(1), arg(2));
    Some(match prim {
        P::Map => {
            let Value::List(items) = eval.force(b) else {
                return None;
            };
            let mapped = items
                .iter()
                .map(|item| match item {
                    Item::One(x) => Item::One(call1(eval, a, *x)),
                    Item::Splice(rest) => {
                        let map = eval.ready(Value::Prim(P::Map, Rc::from([a])));
                        Item::Splice(eval.thunk(Code::Call(map, *rest)))
                    }
                })
                .collect();
            Value::List(mapped)
        }
        P::Filter => {
            let mut kept = Vec::new();
            for item in known(eval, b)? {
                let test = call1(eval, a, item);
                if truth(eval, test)? {
                    kept.push(item);
                }
            }
            Value::list(kept)
        }
        P::FoldLeft => {
            let mut acc = b;
            for item in known(eval, c)? {
                acc = call2(eval, a, acc, item);
            }
            eval.force(acc)
        }
        P::FoldRight => {
            let mut acc = b;
            for item in known(eval, c)?.into_iter().rev() {
                acc = call2(eval, a, item, acc);
            }
            eval.force(acc)
        }
        P::ConcatMap => {
            let mut out = Vec::new();
            for item in known(eval, b)? {
                let list = call1(eval, a, item);
                out.extend(eval.items(list));
            }
            Value::List(out.into())
        }
        P::ConcatLists => {
            let mut out = Vec::new();
            for list in known(eval, a)? {
                out.extend(eval.items(list));
            }
            Value::List(out.into())
        }
        P::Flatten => {
            let mut out = Vec::new();
            flatten(eval, a, &mut out, 0)?;
            Value::List(out.into())
        }
        P::ConcatStringsSep => {
            let separator = text(eval, a)?;
            let mut parts = Vec::new();
            for item in known(eval, b)? {
                parts.push(text(eval, item)?.to_string());
            }
            Value::str(&parts.join(&separator))
        }
        P::ConcatMapStringsSep => {
            let separator = text(eval, a)?;
            let mut parts = Vec::new();
            for item in known(eval, c)? {
                let item = call1(eval, b, item);
                parts.push(text(eval, item)?.to_string());
            }
            Value::str(&parts.join(&separator))
        }
        P::ConcatStrings | P::ConcatMapStrings => {
            let mut out = String::new();
            for item in known(eval, if prim == P::ConcatStrings { a } else { b })? {
                let item = if prim == P::ConcatStrings {
                    item
                } else {
                    call1(eval, a, item)
                };
                out.push_str(&text(eval, item)?);
            }
            Value::str(&out)
        }
        P::Elem => {
            let mut unknown = false;
            for item in known(eval, b)? {
                match eval.equal(a, item, 0) {
                    Some(true) => return Some(Value::Bool(true)),
                    Some(false) => {}
                    None => unknown = true,
                }
            }
            if unknown {
                return None;
            }
            Value::Bool(false)
        }
        P::ElemAt => {
            let items = known(eval, a)?;
            let Value::Int(index) = eval.force(b) else {
                return None;
            };
            let item = *items.get(usize::try_from(index).ok()?)?;
            eval.force(item)
        }
        P::Head => {
            let item = *known(eval, a)?.first()?;
            eval.force(item)
        }
        P::Last => {
            let item = *known(eval, a)?.last()?;
            eval.force(item)
        }
        P::Tail => Value::list(known(eval, a)?.get(1..)?.iter().copied()),
        P::Length => Value::Int(i64::try_from(known(eval, a)?.len()).ok()?),
        P::Reverse => Value::list(known(eval, a)?.into_iter().rev()),
        P::Any | P::All => {
            for item in known(eval, b)? {
                let test = call1(eval, a, item);
                if truth(eval, test)? == (prim == P::Any) {
                    return Some(Value::Bool(prim == P::Any));
                }
            }
            Value::Bool(prim == P::All)
        }
        P::Range => {
            let (Value::Int(from), Value::Int(to)) = (eval.force(a), eval.force(b)) else {
                return None;
            };
            if to.checked_sub(from)? > 100_000 {
                return None;
            }
            let items: Vec<Thunk> = (from..=to).map(|n| eval.ready(Value::Int(n))).collect();
            Value::list(items)
        }
        P::GenList => {
            let Value::Int(count) = eval.force(b) else {
                return None;
            };
            if !(0..=100_000).contains(&count) {
                return None;
            }
            let mut items = Vec::new();
            for n in 0..count {
                let n = eval.ready(Value::Int(n));
                items.push(call1(eval, a, n));
            }
            Value::list(items)
        }
        P::Imap0 | P::Imap1 => {
            let mut out = Vec::new();
            for (index, item) in (i64::from(prim == P::Imap1)..).zip(known(eval, b)?) {
                let index = eval.ready(Value::Int(index));
                out.push(call2(eval, a, index, item));
            }
            Value::list(out)
        }
        P::Singleton => Value::list([a]),
        P::Unique => {
            let mut kept: Vec<Thunk> = Vec::new();
            for item in known(eval, a)? {
                let mut double = false;
                for other in &kept {
                    double |= eval.equal(*other, item, 0)?;
                }
                if !double {
                    kept.push(item);
                }
            }
            Value::list(kept)
        }
        P::SubtractLists => {
            let without = known(eval, a)?;
            let mut kept = Vec::new();
            for item in known(eval, b)? {
                let mut found = false;
                for other in &without {
                    found |= eval.equal(*other, item, 0)?;
                }
                if !found {
                    kept.push(item);
                }
            }
            Value::list(kept)
        }
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
        P::ZipListsWith => {
            let (left, right) = (known(eval, b)?, known(eval, c)?);
            let zipped: Vec<Thunk> = left
                .into_iter()
                .zip(right)
                .map(|(x, y)| call2(eval, a, x, y))
                .collect();
            Value::list(zipped)
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
        P::Optional => Value::list(truth(eval, a)?.then_some(b)),
        P::Optionals => {
            if truth(eval, a)? {
                eval.force(b)
            } else {
                Value::list([])
            }
        }
        P::OptionalString => {
            if truth(eval, a)? {
                eval.force(b)
            } else {
                Value::str("")
            }
        }
        P::OptionalAttrs => {
            if truth(eval, a)? {
                eval.force(b)
            } else {
                Value::Set(Rc::default())
            }
        }
        P::HasSuffix => {
            let suffix = text(eval, a)?;
            match eval.force(b) {
                Value::Str(whole) => Value::Bool(whole.ends_with(&*suffix)),
                // What stands before the tree's own place is not known.
                Value::Place(whole) if suffix.len() <= whole.len() => {
                    Value::Bool(whole.ends_with(&*suffix))
                }
                Value::Path(path) if suffix.len() <= path.as_str().len() => {
                    Value::Bool(path.as_str().ends_with(&*suffix))
                }
                _ => return None,
            }
        }
        P::HasPrefix => Value::Bool(text(eval, b)?.starts_with(&*text(eval, a)?)),
        P::HasInfix => Value::Bool(text(eval, b)?.contains(&*text(eval, a)?)),
        P::RemoveSuffix => {
            let (suffix, text) = (text(eval, a)?, text(eval, b)?);
            Value::str(text.strip_suffix(&*suffix).unwrap_or(&text))
        }
        P::RemovePrefix => {
            let (prefix, text) = (text(eval, a)?, text(eval, b)?);
            Value::str(text.strip_prefix(&*prefix).unwrap_or(&text))
        }
        P::SplitString => {
            let (separator, text) = (text(eval, a)?, text(eval, b)?);
            if separator.is_empty() {
                return None;
            }
            let parts: Vec<Thunk> = text
                .split(&*separator)
                .map(|part| str_thunk(eval, part))
                .collect();
            Value::list(parts)
        }
        P::StringLength => Value::Int(i64::try_from(text(eval, a)?.len()).ok()?),
        P::ToLower => Value::str(&text(eval, a)?.to_ascii_lowercase()),
        P::ToUpper => Value::str(&text(eval, a)?.to_ascii_uppercase()),
        P::ReplaceStrings => {
            let (from, to) = (known(eval, a)?, known(eval, b)?);
            let ([from], [to]) = (from.as_slice(), to.as_slice()) else {
                return None;
            };
            let (from, to) = (text(eval, *from)?, text(eval, *to)?);
            if from.is_empty() {
                return None;
            }
            Value::str(&text(eval, c)?.replace(&*from, &to))
        }
        P::ReadDir => {
            let path = eval.place(a)?;
            let tree = eval.files.tree;
            let path = tree.resolve(&path).ok()?;
            if !tree.is_directory(&path) {
                return None;
            }
            let mut out = Set::default();
            for (name, kind) in tree.list(&path) {
                let kind = match kind {
                    None => "directory",
                    Some(Kind::Symlink) => "symlink",
                    Some(_) => "regular",
                };
                let value = str_thunk(eval, kind);
                out.fixed
                    .insert(Name::from(name), Attribute { value, at: None });
            }
            Value::Set(Rc::new(out))
        }
        P::ReadFile => {
            let path = eval.place(a)?;
            let content = eval.files.tree.text(&path).ok()?;
            eval.used.push(path);
            Value::str(&content)
        }
        P::PathExists => {
            let path = eval.place(a)?;
            let tree = eval.files.tree;
            let exists = tree
                .resolve(&path)
                .is_ok_and(|place| tree.entry(&place).is_some() || tree.is_directory(&place));
            Value::Bool(exists)
        }
        P::Import => {
            let path = eval.place(a)?;
            match eval.import(&path) {
                Ok(thunk) => eval.force(thunk),
                Err(why) => Value::unknown(&why),
            }
        }
        P::ListFilesRecursive => {
            let path = eval.place(a)?;
            let tree = eval.files.tree;
            let paths: Vec<_> = tree.below(&path).map(|(path, _)| path.clone()).collect();
            let items: Vec<Thunk> = paths
                .into_iter()
                .map(|path| eval.ready(Value::Path(path)))
                .collect();
            Value::list(items)
        }
        P::PathAppend => {
            let path = eval.place(a)?;
            let rest = text(eval, b)?;
            Value::Path(path.join(&rest)?)
        }
        P::FromToml | P::ImportToml => {
            let text = if prim == P::FromToml {
                text(eval, a)?.to_string()
            } else {
                let path = eval.place(a)?;
                eval.used.push(path.clone());
                eval.files.tree.text(&path).ok()?
            };
            let table: toml::Table = text.parse().ok()?;
            from_toml(eval, &toml::Value::Table(table))?
        }
        P::FromJson | P::ImportJson => {
            let text = if prim == P::FromJson {
                text(eval, a)?.to_string()
            } else {
                let path = eval.place(a)?;
                eval.used.push(path.clone());
                eval.files.tree.text(&path).ok()?
            };
            from_json(eval, &serde_json::from_str(&text).ok()?)?
        }
        P::ToString => match eval.force(a) {
            Value::Str(text) => Value::Str(text),
            Value::Int(number) => Value::str(&number.to_string()),
            Value::Bool(true) => Value::str("1"),
            Value::Bool(false) | Value::Null => Value::str(""),
            Value::Path(path) => Value::Place(path_text(&path)),
            Value::Place(text) => Value::Place(text),
            _ => return None,
        },
        P::BaseNameOf => match eval.force(a) {
            Value::Path(path) => Value::str(path.file_name()?),
            Value::Place(text) => {
                let path = place_path(&text)?;
                Value::str(path.file_name()?)
            }
            Value::Str(text) => Value::str(text.trim_end_matches('/').rsplit('/').next()?),
            _ => return None,
        },
        P::DirOf => match eval.force(a) {
            Value::Path(path) => Value::Path(path.parent()?),
            Value::Place(text) => {
                let parent = place_path(&text)?.parent()?;
                Value::Place(path_text(&parent))
            }
            _ => return None,
        },
        P::IsAttrs => Value::Bool(matches!(
            shape(eval, a)?,
            Value::Set(_) | Value::Property(_) | Value::Declaration(..) | Value::Host(_)
        )),
        P::IsList => Value::Bool(matches!(shape(eval, a)?, Value::List(_))),
        P::IsString => Value::Bool(matches!(shape(eval, a)?, Value::Str(_) | Value::Place(_))),
        P::IsFunction => Value::Bool(matches!(
            shape(eval, a)?,
            Value::Lambda(_) | Value::Prim(..)
        )),
        P::IsPath => Value::Bool(matches!(shape(eval, a)?, Value::Path(_))),
        P::IsBool => Value::Bool(matches!(shape(eval, a)?, Value::Bool(_))),
        P::IsInt => Value::Bool(matches!(shape(eval, a)?, Value::Int(_))),
        P::IsNull => Value::Bool(matches!(shape(eval, a)?, Value::Null)),
        P::Second => eval.force(b),
        P::WarnIf => eval.force(c),
        P::Throw => Value::unknown("it throws an error"),
        P::Id => eval.force(a),
        P::Const => eval.force(a),
        P::Flip => {
            let thunk = call2(eval, a, c, b);
            eval.force(thunk)
        }
        P::Pipe => {
            let mut value = a;
            for f in known(eval, b)? {
                value = call1(eval, f, value);
            }
            eval.force(value)
        }
        P::Fix => {
            let thunk = eval.thunk(Code::Ready(Value::Null));
            eval.cells[thunk.0 as usize].code = Code::Call(a, thunk);
            eval.force(thunk)
        }
        P::Extend => {
            let lib = eval.ready(Value::role(Role::Lib, "the library"));
            let overlay = call2(eval, a, lib, lib);
            Value::Update(lib, overlay)
        }
        P::MkIf => Value::Property(Rc::new(Property::If(a, b))),
        P::MkMerge => Value::Property(Rc::new(Property::Merge(a))),
        P::MkOverride => {
            let Value::Int(priority) = eval.force(a) else {
                return None;
            };
            Value::Property(Rc::new(Property::Override(priority, b)))
        }
        P::MkForce => Value::Property(Rc::new(Property::Override(50, a))),
        P::MkDefault => Value::Property(Rc::new(Property::Override(1000, a))),
        P::MkOptionDefault => Value::Property(Rc::new(Property::Override(1500, a))),
        P::MkImageMediaOverride => Value::Property(Rc::new(Property::Override(60, a))),
        P::MkVmOverride => Value::Property(Rc::new(Property::Override(10, a))),
        P::MkOrder => {
            let Value::Int(order) = eval.force(a) else {
                return None;
            };
            Value::Property(Rc::new(Property::Order(order, b)))
        }
        P::MkBefore => Value::Property(Rc::new(Property::Order(500, a))),
        P::MkAfter => Value::Property(Rc::new(Property::Order(1500, a))),
        P::MkOption | P::MkEnableOption => Value::Declaration(prim, a),
        P::MkPackageOption => Value::Declaration(prim, b),
        P::NixosSystem => host(a, "nixosSystem"),
        P::EvalModules => host(a, "evalModules"),
        P::MkFlake => return super::flake::make_flake(eval, a, b),
        P::ExtendModules => {
            let Value::Host(host) = eval.force(a) else {
                return None;
            };
            let modules = eval.thunk(Code::Member(b, Name::from("modules")));
            let mut extended = host.extended.clone();
            extended.push(modules);
            let (args, function) = (host.args, host.function);
            Value::Host(Rc::new(HostCall {
                args,
                function,
                extended,
            }))
        }
    })
}

fn host(args: Thunk, function: &'static str) -> Value {
    Value::Host(Rc::new(HostCall {
        args,
        function,
        extended: Vec::new(),
    }))
}

/// The value, unless nothing is known of its type.
fn shape(eval: &mut Eval<'_>, thunk: Thunk) -> Option<Value> {
    match eval.force(thunk) {
        Value::Opaque(_) | Value::Update(..) => None,
        value => Some(value),
    }
}

fn member_value(eval: &mut Eval<'_>, base: Thunk, name: &Name) -> Option<Value> {
    match eval.member(base, name) {
        Member::Found(thunk) => Some(eval.force(thunk)),
        Member::Value(value) => Some(value),
        _ => None,
    }
}

fn flatten(eval: &mut Eval<'_>, thunk: Thunk, out: &mut Vec<Item>, depth: u32) -> Option<()> {
    if depth > 64 {
        return None;
    }
    match eval.force(thunk) {
        Value::List(items) => {
            for item in items.iter() {
                match item {
                    Item::One(inner) => flatten(eval, *inner, out, depth + 1)?,
                    Item::Splice(rest) => out.push(Item::Splice(*rest)),
                }
            }
        }
        _ => out.push(Item::One(thunk)),
    }
    Some(())
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
    let (left, right) = (set(eval, a)?, set(eval, b)?);
    let mut out = (*left).clone();
    for (name, attribute) in &right.fixed {
        let both = left.fixed.get(name).filter(|other| {
            matches!(eval.force(other.value), Value::Set(_))
                && matches!(eval.force(attribute.value), Value::Set(_))
        });
        let value = match both {
            Some(other) => {
                let merged = recursive_update(eval, other.value, attribute.value, depth + 1)?;
                eval.ready(merged)
            }
            None => attribute.value,
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

fn from_toml(eval: &mut Eval<'_>, value: &toml::Value) -> Option<Value> {
    Some(match value {
        toml::Value::String(text) => Value::str(text),
        toml::Value::Integer(number) => Value::Int(*number),
        toml::Value::Float(number) => Value::Float(*number),
        toml::Value::Boolean(value) => Value::Bool(*value),
        toml::Value::Datetime(_) => return None,
        toml::Value::Array(items) => {
            let mut out = Vec::new();
            for item in items {
                let item = from_toml(eval, item)?;
                out.push(eval.ready(item));
            }
            Value::list(out)
        }
        toml::Value::Table(table) => {
            let mut out = Set::default();
            for (name, item) in table {
                let item = from_toml(eval, item)?;
                let value = eval.ready(item);
                out.fixed
                    .insert(Name::from(name.as_str()), Attribute { value, at: None });
            }
            Value::Set(Rc::new(out))
        }
    })
}

fn from_json(eval: &mut Eval<'_>, value: &serde_json::Value) -> Option<Value> {
    Some(match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::String(text) => Value::str(text),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64()?),
        },
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Array(items) => {
            let mut out = Vec::new();
            for item in items {
                let item = from_json(eval, item)?;
                out.push(eval.ready(item));
            }
            Value::list(out)
        }
        serde_json::Value::Object(table) => {
            let mut out = Set::default();
            for (name, item) in table {
                let item = from_json(eval, item)?;
                let value = eval.ready(item);
                out.fixed
                    .insert(Name::from(name.as_str()), Attribute { value, at: None });
            }
            Value::Set(Rc::new(out))
        }
    })
}
