//! Functions of the language and of nixpkgs' library that fleets compute
//! addresses, peers and targets with.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Delayed, HOLE, Reducer, Value};
use crate::syntax::hir::Name;

macro_rules! functions {
    ($($variant:ident $arity:literal $($name:literal)|+;)*) => {
        /// A function that is known by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Function { $(#[doc = concat!($("`", $name, "` "),+)] $variant),* }

        impl Function {
            fn named(name: &str) -> Option<Self> {
                Some(match name {
                    $($($name)|+ => Self::$variant,)*
                    _ => return None,
                })
            }

            /// How many arguments it takes.
            pub fn arity(self) -> usize {
                match self { $(Self::$variant => $arity),* }
            }
        }
    };
}

functions! {
    Map 2 "map";
    ForEach 2 "forEach";
    ConcatMap 2 "concatMap";
    ConcatLists 1 "concatLists" | "flatten" | "mkMerge";
    Imap0 2 "imap0";
    Imap1 2 "imap1";
    Filter 2 "filter";
    FilterAttrs 2 "filterAttrs";
    MapAttrs 2 "mapAttrs";
    MapAttrsRenamed 2 "mapAttrs'";
    MapAttrsToList 2 "mapAttrsToList";
    NameValuePair 2 "nameValuePair";
    ListToAttrs 1 "listToAttrs";
    GenAttrs 2 "genAttrs";
    AttrNames 1 "attrNames";
    AttrValues 1 "attrValues";
    RemoveAttrs 2 "removeAttrs";
    GetAttr 2 "getAttr";
    Update 2 "recursiveUpdate";
    OptionalList 2 "optional";
    Optionals 2 "optionals" | "optionalString" | "optionalAttrs" | "mkIf";
    Singleton 1 "singleton";
    Same 1 "mkForce" | "mkDefault" | "mkBefore" | "mkAfter" | "mkVMOverride" | "id" | "unique"
        | "lists.unique" | "toList";
    Second 2 "mkOverride" | "mkOrder" | "trace" | "seq" | "deepSeq" | "warn";
    ToString 1 "toString";
    ConcatStrings 1 "concatStrings" | "concatLines";
    ConcatStringsSep 2 "concatStringsSep" | "intersperse";
    ConcatMapStringsSep 3 "concatMapStringsSep";
    SplitString 2 "splitString";
    RemoveSuffix 2 "removeSuffix";
    RemovePrefix 2 "removePrefix";
    Head 1 "head";
    Last 1 "last";
    ElemAt 2 "elemAt";
    Elem 2 "elem";
    Length 1 "length";
    ReadFile 1 "readFile" | "fileContents";
}

/// The value of a name of the language or the library.
pub fn value(name: &str) -> Value {
    Function::named(name).map_or_else(
        || Value::opaque([]),
        |function| Value::Function(function, Rc::from([])),
    )
}

/// Whether a name is one of these functions.
pub fn is_known(name: &str) -> bool {
    Function::named(name).is_some()
}

/// `lib.NAME`: a function, or a part of the library such as `lib.strings`.
pub fn member(name: &str) -> Value {
    if is_known(name)
        || !matches!(
            name,
            "attrsets" | "lists" | "strings" | "modules" | "trivial"
        )
    {
        value(name)
    } else {
        Value::Library
    }
}

fn call(function: &Delayed, argument: Delayed) -> Delayed {
    Delayed::Call(Rc::new((function.clone(), argument)))
}

fn call2(function: &Delayed, first: Delayed, second: Delayed) -> Delayed {
    call(&call(function, first), second)
}

fn text(name: &str) -> Delayed {
    Value::str(name).into()
}

fn pair(name: Delayed, value: Delayed) -> Value {
    let set = BTreeMap::from([(Name::from("name"), name), (Name::from("value"), value)]);
    Value::Set(Rc::new(set))
}

impl Reducer<'_> {
    fn elements(&mut self, list: &Delayed) -> Option<Rc<[Delayed]>> {
        match self.force(list) {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    fn attributes(&mut self, set: &Delayed) -> Option<Rc<BTreeMap<Name, Delayed>>> {
        match self.force(set) {
            Value::Set(set) => Some(set),
            _ => None,
        }
    }

    fn truth(&mut self, delayed: &Delayed) -> Option<bool> {
        match self.force(delayed) {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Elements of lists in a list; anything else is an element of its own.
    fn flat(&mut self, items: &[Delayed]) -> Value {
        let mut all = Vec::new();
        for item in items {
            match self.force(item) {
                Value::List(inner) => all.extend(inner.iter().cloned()),
                other => all.push(other.into()),
            }
        }
        Value::list(all)
    }

    fn joined(&mut self, between: &str, list: &Delayed) -> Option<Value> {
        let items = self.elements(list)?;
        let texts: Vec<String> = items.iter().map(|item| self.text_of(item)).collect();
        Some(Value::str(&texts.join(between)))
    }

    /// The result of a call with all of its arguments.
    pub(super) fn call(&mut self, function: Function, arguments: &[Delayed]) -> Value {
        match self.known(function, arguments) {
            Some(value) => value,
            None => Value::opaque(arguments.iter().cloned()),
        }
    }

    fn known(&mut self, function: Function, arguments: &[Delayed]) -> Option<Value> {
        use Function as F;
        let first = arguments.first()?;
        let last = arguments.last()?;
        Some(match function {
            F::Map => self.mapped(first, last)?,
            F::ForEach => self.mapped(last, first)?,
            F::ConcatMap => {
                let items = self.elements(last)?;
                let calls: Vec<Delayed> =
                    items.iter().map(|item| call(first, item.clone())).collect();
                self.flat(&calls)
            }
            F::ConcatLists => {
                let items = self.elements(first)?;
                self.flat(&items)
            }
            F::Imap0 | F::Imap1 => {
                let start = i64::from(function == F::Imap1);
                let items = self.elements(last)?;
                let numbered = items
                    .iter()
                    .zip(start..)
                    .map(|(item, index)| call2(first, Value::Int(index).into(), item.clone()));
                Value::list(numbered.collect())
            }
            F::Filter => {
                let items = self.elements(last)?;
                let mut kept = Vec::new();
                for item in items.iter() {
                    if self.truth(&call(first, item.clone()))? {
                        kept.push(item.clone());
                    }
                }
                Value::list(kept)
            }
            F::FilterAttrs => {
                let set = self.attributes(last)?;
                let mut kept = BTreeMap::new();
                for (name, value) in set.iter() {
                    if self.truth(&call2(first, text(name), value.clone()))? {
                        kept.insert(name.clone(), value.clone());
                    }
                }
                Value::Set(Rc::new(kept))
            }
            F::MapAttrs => {
                let set = self.attributes(last)?;
                let each = |(name, value): (&Name, &Delayed)| {
                    (name.clone(), call2(first, text(name), value.clone()))
                };
                Value::Set(Rc::new(set.iter().map(each).collect()))
            }
            F::MapAttrsRenamed => {
                let set = self.attributes(last)?;
                let pairs: Vec<Delayed> = set
                    .iter()
                    .map(|(name, value)| call2(first, text(name), value.clone()))
                    .collect();
                self.set_of_pairs(&pairs)?
            }
            F::MapAttrsToList => {
                let set = self.attributes(last)?;
                let each =
                    |(name, value): (&Name, &Delayed)| call2(first, text(name), value.clone());
                Value::list(set.iter().map(each).collect())
            }
            F::NameValuePair => pair(first.clone(), last.clone()),
            F::ListToAttrs => {
                let items = self.elements(first)?;
                self.set_of_pairs(&items)?
            }
            F::GenAttrs => {
                let names = self.elements(first)?;
                let mut set = BTreeMap::new();
                for name in names.iter() {
                    let key = Name::from(self.text_of(name));
                    set.insert(key, call(last, name.clone()));
                }
                Value::Set(Rc::new(set))
            }
            F::AttrNames => {
                let set = self.attributes(first)?;
                Value::list(set.keys().map(|name| text(name)).collect())
            }
            F::AttrValues => Value::list(self.attributes(first)?.values().cloned().collect()),
            F::RemoveAttrs => {
                let mut set = (*self.attributes(first)?).clone();
                for name in self.elements(last)?.iter() {
                    let name = self.text_of(name);
                    set.remove(name.as_str());
                }
                Value::Set(Rc::new(set))
            }
            F::GetAttr => {
                let name = self.text_of(first);
                let found = self.attributes(last)?.get(name.as_str())?.clone();
                self.force(&found)
            }
            F::Update => {
                let mut set = (*self.attributes(first)?).clone();
                let over = self.attributes(last)?;
                set.extend(
                    over.iter()
                        .map(|(name, value)| (name.clone(), value.clone())),
                );
                Value::Set(Rc::new(set))
            }
            F::OptionalList => match self.truth(first)? {
                true => Value::list(vec![last.clone()]),
                false => Value::list(Vec::new()),
            },
            F::Optionals => match (self.truth(first)?, self.force(last)) {
                (true, value) => value,
                (false, Value::List(_)) => Value::list(Vec::new()),
                (false, Value::Set(_)) => Value::Set(Rc::default()),
                (false, Value::Str(_)) => Value::str(""),
                (false, _) => Value::Null,
            },
            F::Singleton => Value::list(vec![first.clone()]),
            F::Same | F::Second => self.force(last),
            F::ToString => Value::str(&self.text_of(first)),
            F::ConcatStrings => self.joined("", first)?,
            F::ConcatStringsSep => {
                let between = self.text_of(first);
                self.joined(&between, last)?
            }
            F::ConcatMapStringsSep => {
                let between = self.text_of(first);
                let list = self.mapped(arguments.get(1)?, last)?;
                self.joined(&between, &list.into())?
            }
            F::SplitString => {
                let (between, whole) = (self.text_of(first), self.text_of(last));
                if between.is_empty() {
                    return None;
                }
                Value::list(whole.split(&between).map(text).collect())
            }
            F::RemoveSuffix | F::RemovePrefix => {
                let (part, whole) = (self.text_of(first), self.text_of(last));
                let rest = match function {
                    F::RemoveSuffix => whole.strip_suffix(&part),
                    _ => whole.strip_prefix(&part),
                };
                Value::str(rest.unwrap_or(&whole))
            }
            F::Head => {
                let found = self.elements(first)?.first()?.clone();
                self.force(&found)
            }
            F::Last => {
                let found = self.elements(first)?.last()?.clone();
                self.force(&found)
            }
            F::ElemAt => {
                let Value::Int(index) = self.force(last) else {
                    return None;
                };
                let items = self.elements(first)?;
                let found = items.get(usize::try_from(index).ok()?)?.clone();
                self.force(&found)
            }
            F::Elem => {
                let wanted = self.text_of(first);
                let items = self.elements(last)?;
                let texts: Vec<String> = items.iter().map(|item| self.text_of(item)).collect();
                if wanted.contains(HOLE) || texts.iter().any(|text| text.contains(HOLE)) {
                    return None;
                }
                Value::Bool(texts.contains(&wanted))
            }
            F::Length => Value::Int(i64::try_from(self.elements(first)?.len()).ok()?),
            F::ReadFile => {
                let Value::Path(path) = self.force(first) else {
                    return None;
                };
                Value::str(self.world.text(&path)?.trim_end())
            }
        })
    }

    fn mapped(&mut self, function: &Delayed, list: &Delayed) -> Option<Value> {
        let items = self.elements(list)?;
        let calls = items.iter().map(|item| call(function, item.clone()));
        Some(Value::list(calls.collect()))
    }

    fn set_of_pairs(&mut self, pairs: &[Delayed]) -> Option<Value> {
        let mut set = BTreeMap::new();
        for pair in pairs {
            let pair = self.attributes(pair)?;
            let name = self.text_of(pair.get("name")?);
            set.insert(Name::from(name), pair.get("value")?.clone());
        }
        Some(Value::Set(Rc::new(set)))
    }
}
