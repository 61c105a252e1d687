//! The module system's merge, in small: definitions in merge order in, merged
//! values out. Written from `lib/modules.nix`, not from the model.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};
use xtask::model::term::Key;
use xtask::model::{Definition, Wrapper};

use crate::evaluate::{Evaluator, Lazy, Scope, Value};

/// What is declared: options in namespaces.
#[derive(Clone)]
pub enum Schema {
    Namespace(&'static [(&'static str, Schema)]),
    Option(Kind, Default),
}

/// The types that the check knows.
#[derive(Clone)]
pub enum Kind {
    Bool,
    Int,
    Str,
    Lines,
    ListOfStr,
    NullOrList,
    AttrsOf(&'static Kind),
    LazyAttrsOf(&'static Kind),
    Attrs,
    Submodule(&'static [(&'static str, Schema)]),
}

/// An option's default.
#[derive(Clone)]
pub enum Default {
    Null,
    False,
    Empty,
    Number(i64),
}

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// Evaluation fails in a way that `tryEval` sees.
    Fails,
    /// The check does not reach so far.
    Unknown(&'static str),
}

type Merged<T> = Result<T, Lack>;

pub struct Merger<'e> {
    pub evaluator: Evaluator<'e>,
}

/// A definition as one nested set, as if it were a module of its own.
pub fn rebuild(evaluator: &Evaluator<'_>, definition: &Definition) -> Option<Lazy> {
    let mut value = evaluator.closed(&definition.value);
    for level in (0..=definition.path.len()).rev() {
        for (_, wrapper) in definition
            .wrappers
            .iter()
            .rev()
            .filter(|(at, _)| *at == level)
        {
            value = Lazy::done(match wrapper {
                Wrapper::If(condition) => Value::If(evaluator.closed(condition), value),
                Wrapper::Override(priority) => Value::Override(*priority, value),
                Wrapper::Order(order) => Value::Order(*order, value),
            });
        }
        if level > 0 {
            let name = match &definition.path[level - 1] {
                Key::Name(name) => name.to_string(),
                Key::Term(term) => match evaluator.eval(term, &Scope::none(), 0) {
                    Value::Str(name) => name,
                    _ => return None,
                },
            };
            value = Lazy::done(Value::Set(BTreeMap::from([(name, value)])));
        }
    }
    Some(value)
}

impl Merger<'_> {
    fn force(&self, lazy: &Lazy) -> Merged<Value> {
        match self.evaluator.force(lazy, 0) {
            Value::Fails => Err(Lack::Fails),
            Value::Unknown => Err(Lack::Unknown("a value")),
            value => Ok(value),
        }
    }

    fn list(&self, lazy: &Lazy) -> Merged<Vec<Lazy>> {
        match self.force(lazy)? {
            Value::List(items) => Ok(items),
            _ => Err(Lack::Fails),
        }
    }

    fn truth(&self, lazy: &Lazy) -> Merged<bool> {
        match self.force(lazy)? {
            Value::Bool(value) => Ok(value),
            _ => Err(Lack::Fails),
        }
    }

    /// `pushDownProperties`: sets of attributes with properties on the leaves.
    fn push_down(&self, config: &Lazy) -> Merged<Vec<BTreeMap<String, Lazy>>> {
        let wrap = |content: &Lazy, property: &dyn Fn(Lazy) -> Value| {
            Ok(self
                .push_down(content)?
                .into_iter()
                .map(|set| {
                    set.into_iter()
                        .map(|(name, value)| (name, Lazy::done(property(value))))
                        .collect()
                })
                .collect())
        };
        match self.force(config)? {
            Value::Merge(contents) => {
                let mut all = Vec::new();
                for content in self.list(&contents)? {
                    all.extend(self.push_down(&content)?);
                }
                Ok(all)
            }
            Value::If(condition, content) => {
                wrap(&content, &|value| Value::If(condition.clone(), value))
            }
            Value::Override(priority, content) => {
                wrap(&content, &|value| Value::Override(priority, value))
            }
            Value::Set(set) => Ok(vec![set]),
            _ => Err(Lack::Fails),
        }
    }

    /// Options below a namespace, from definitions of it in merge order.
    pub fn namespace(
        &self,
        declared: &[(&str, Schema)],
        configs: &[Lazy],
    ) -> BTreeMap<String, Merged<Json>> {
        let mut sets = Ok(Vec::new());
        for config in configs {
            sets = sets.and_then(|mut sets: Vec<BTreeMap<String, Lazy>>| {
                sets.extend(self.push_down(config)?);
                Ok(sets)
            });
        }
        declared
            .iter()
            .map(|(name, schema)| {
                let merged = sets.clone().and_then(|sets| {
                    let of: Vec<Lazy> = sets
                        .iter()
                        .filter_map(|set| set.get(*name).cloned())
                        .collect();
                    self.schema(schema, &of)
                });
                ((*name).to_owned(), merged)
            })
            .collect()
    }

    /// One option of a namespace that stands below.
    pub fn nested(
        &self,
        configs: &[Lazy],
        namespace: &str,
        name: &str,
        schema: &Schema,
    ) -> Merged<Json> {
        let sets = |configs: &[Lazy], name: &str| {
            let mut found = Vec::new();
            for config in configs {
                let sets = self.push_down(config)?;
                found.extend(sets.iter().filter_map(|set| set.get(name).cloned()));
            }
            Ok(found)
        };
        let below = sets(configs, namespace)?;
        self.schema(schema, &sets(&below, name)?)
    }

    fn schema(&self, schema: &Schema, definitions: &[Lazy]) -> Merged<Json> {
        match schema {
            Schema::Namespace(declared) => whole(self.namespace(declared, definitions)),
            Schema::Option(kind, default) => {
                let default = match default {
                    Default::Null => Some(Value::Null),
                    Default::False => Some(Value::Bool(false)),
                    Default::Number(number) => Some(Value::Int(*number)),
                    Default::Empty => Some(match kind {
                        Kind::Str | Kind::Lines => Value::Str(String::new()),
                        Kind::ListOfStr | Kind::NullOrList => Value::List(Vec::new()),
                        _ => Value::Set(BTreeMap::new()),
                    }),
                };
                let mut all: Vec<Lazy> = default
                    .into_iter()
                    .map(|value| Lazy::done(Value::Override(1500, Lazy::done(value))))
                    .collect();
                all.extend(definitions.iter().cloned());
                match self.option(kind, &all)? {
                    Some(value) => Ok(value),
                    None => empty(kind).ok_or(Lack::Fails),
                }
            }
        }
    }

    fn discharge(&self, definition: &Lazy) -> Merged<Vec<Lazy>> {
        match self.force(definition) {
            Ok(Value::Merge(contents)) => {
                let mut all = Vec::new();
                for content in self.list(&contents)? {
                    all.extend(self.discharge(&content)?);
                }
                Ok(all)
            }
            Ok(Value::If(condition, content)) => {
                if self.truth(&condition)? {
                    self.discharge(&content)
                } else {
                    Ok(Vec::new())
                }
            }
            Err(lack @ Lack::Unknown(_)) => Err(lack),
            _ => Ok(vec![definition.clone()]),
        }
    }

    /// `mergeDefinitions`; `None` if nothing is defined.
    fn option(&self, kind: &Kind, definitions: &[Lazy]) -> Merged<Option<Json>> {
        let mut discharged = Vec::new();
        for definition in definitions {
            for value in self.discharge(definition)? {
                let value = self.force(&value)?;
                discharged.push(match value {
                    Value::Override(priority, content) => (priority, content),
                    value => (100, Lazy::done(value)),
                });
            }
        }
        let Some(highest) = discharged.iter().map(|(priority, _)| *priority).min() else {
            return Ok(None);
        };
        let mut ordered = Vec::new();
        for (_, value) in discharged.into_iter().filter(|(own, _)| *own == highest) {
            ordered.push(match self.force(&value)? {
                Value::Order(order, content) => (order, content),
                value => (1000, Lazy::done(value)),
            });
        }
        ordered.sort_by_key(|(order, _)| *order);
        let values: Vec<Lazy> = ordered.into_iter().map(|(_, value)| value).collect();
        self.merge(kind, &values).map(Some)
    }

    fn merge(&self, kind: &Kind, values: &[Lazy]) -> Merged<Json> {
        match kind {
            Kind::Bool | Kind::Int | Kind::Str => {
                let mut merged: Option<Json> = None;
                for value in values {
                    let value = match (kind, self.force(value)?) {
                        (Kind::Bool, Value::Bool(value)) => json!(value),
                        (Kind::Int, Value::Int(value)) => json!(value),
                        (Kind::Str, Value::Str(value)) => json!(value),
                        _ => return Err(Lack::Fails),
                    };
                    if merged.get_or_insert_with(|| value.clone()) != &value {
                        return Err(Lack::Fails);
                    }
                }
                merged.ok_or(Lack::Fails)
            }
            Kind::Lines => {
                let mut texts = Vec::new();
                for value in values {
                    match self.force(value)? {
                        Value::Str(text) => texts.push(text),
                        _ => return Err(Lack::Fails),
                    }
                }
                Ok(json!(texts.join("\n")))
            }
            Kind::NullOrList => {
                let mut nulls = 0;
                for value in values {
                    nulls += usize::from(matches!(self.force(value)?, Value::Null));
                }
                match nulls {
                    0 => self.merge(&Kind::ListOfStr, values),
                    _ if nulls == values.len() => Ok(Json::Null),
                    _ => Err(Lack::Fails),
                }
            }
            Kind::ListOfStr => {
                let mut all = Vec::new();
                for value in values {
                    for item in self.list(value)? {
                        all.extend(self.option(&Kind::Str, &[item])?);
                    }
                }
                Ok(Json::Array(all))
            }
            Kind::AttrsOf(element) | Kind::LazyAttrsOf(element) => {
                let mut by_name: BTreeMap<String, Vec<Lazy>> = BTreeMap::new();
                for value in values {
                    let Value::Set(set) = self.force(value)? else {
                        return Err(Lack::Fails);
                    };
                    for (name, value) in set {
                        by_name.entry(name).or_default().push(value);
                    }
                }
                let mut merged = Map::new();
                for (name, values) in by_name {
                    match self.option(element, &values)? {
                        Some(value) => {
                            merged.insert(name, value);
                        }
                        // What an element without definitions is depends on the
                        // release: its type's empty value, or just a set.
                        None if matches!(kind, Kind::LazyAttrsOf(_)) => {
                            merged.insert(name, json!({ "<empty>": true }));
                        }
                        None => {}
                    }
                }
                Ok(Json::Object(merged))
            }
            Kind::Attrs => {
                let mut merged = BTreeMap::new();
                for value in values {
                    let Value::Set(set) = self.force(value)? else {
                        return Err(Lack::Fails);
                    };
                    // What comes first in merge order wins nothing: `//`.
                    merged.extend(set);
                }
                let mut all = Map::new();
                for (name, value) in merged {
                    all.insert(name, self.plain(&value)?);
                }
                Ok(Json::Object(all))
            }
            // Definitions are modules of another evaluation, whose walk is
            // merged in reverse again.
            Kind::Submodule(declared) => {
                let turned: Vec<Lazy> = values.iter().rev().cloned().collect();
                whole(self.namespace(declared, &turned))
            }
        }
    }

    fn plain(&self, value: &Lazy) -> Merged<Json> {
        Ok(match self.force(value)? {
            Value::Null => Json::Null,
            Value::Bool(value) => json!(value),
            Value::Int(value) => json!(value),
            Value::Str(value) => json!(value),
            Value::List(items) => Json::Array(
                items
                    .iter()
                    .map(|item| self.plain(item))
                    .collect::<Merged<_>>()?,
            ),
            Value::Set(set) => Json::Object(
                set.iter()
                    .map(|(name, value)| Ok((name.clone(), self.plain(value)?)))
                    .collect::<Merged<_>>()?,
            ),
            _ => return Err(Lack::Unknown("no plain value")),
        })
    }
}

/// The value of an option that nothing defines.
fn empty(kind: &Kind) -> Option<Json> {
    match kind {
        Kind::ListOfStr => Some(json!([])),
        Kind::AttrsOf(_) | Kind::LazyAttrsOf(_) | Kind::Attrs => Some(json!({})),
        Kind::NullOrList => Some(Json::Null),
        _ => None,
    }
}

fn whole(options: BTreeMap<String, Merged<Json>>) -> Merged<Json> {
    options
        .into_iter()
        .map(|(name, value)| Ok((name, value?)))
        .collect::<Merged<_>>()
        .map(Json::Object)
}
