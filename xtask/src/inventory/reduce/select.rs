//! Attributes of sets, of the library and of configurations.

use std::rc::Rc;

use super::{Delayed, Env, Reducer, Value, functions};
use crate::model::term::{Key, Term, TermKind as K};

impl Reducer<'_> {
    pub(super) fn key(&mut self, key: &Key, env: &Env) -> String {
        match key {
            Key::Name(name) => name.to_string(),
            Key::Term(term) => self.text_of(&Delayed::Code(term.clone(), env.clone())),
        }
    }

    pub(super) fn select(
        &mut self,
        base: &Term,
        keys: &[Key],
        default: Option<&Term>,
        env: &Env,
    ) -> Value {
        let names: Vec<String> = keys.iter().map(|key| self.key(key, env)).collect();
        let path: Vec<&str> = names.iter().map(String::as_str).collect();
        let (value, rest) = match (base.kind(), path.as_slice()) {
            (K::Flake, ["nixosConfigurations", host, "config", rest @ ..]) => {
                (Value::Config(Some(Rc::from(*host)), Rc::from([])), rest)
            }
            (K::Arg(arg), [host, "config", rest @ ..]) if &**arg == "nodes" => {
                (Value::Config(Some(Rc::from(*host)), Rc::from([])), rest)
            }
            (K::Input(_), ["lib", rest @ ..]) => (Value::Library, rest),
            (K::Arg(arg), ["lib", rest @ ..]) if &**arg == "pkgs" => (Value::Library, rest),
            (_, path) => (self.eval(base, env), path),
        };
        match (self.walk(value.clone(), rest), default) {
            (Some(found), _) => found,
            (None, Some(default)) => self.eval(default, env),
            (None, None) => match value {
                // A part of a configuration, to be selected from.
                Value::Config(host, above) => {
                    let rest = rest.iter().map(|name| (*name).to_owned());
                    Value::Config(host, above.iter().cloned().chain(rest).collect())
                }
                _ => Value::opaque([]),
            },
        }
    }

    /// `None` if it is certain or likely that there is nothing at the path.
    fn walk(&mut self, mut value: Value, names: &[&str]) -> Option<Value> {
        for (at, name) in names.iter().enumerate() {
            value = match value {
                Value::Set(set) => self.force(&set.get(*name)?.clone()),
                Value::Library => functions::member(name),
                Value::Config(host, above) => {
                    let rest = names.get(at..)?;
                    return self.option(host.as_deref(), &above, rest);
                }
                Value::Opaque(_) => return Some(Value::opaque([])),
                _ => return None,
            };
        }
        Some(value)
    }

    fn option(&mut self, host: Option<&str>, above: &[String], names: &[&str]) -> Option<Value> {
        if let Some(host) = host {
            self.world.read(host);
        }
        let path: Vec<&str> = above
            .iter()
            .map(String::as_str)
            .chain(names.iter().copied())
            .collect();
        for (term, used) in self.world.option(host, &path) {
            // Arguments of another host's modules are not this one's.
            let value = if host.is_some() && !is_plain(&term) {
                Value::opaque([])
            } else {
                self.eval(&term, &None)
            };
            let found = path.get(used..).and_then(|rest| self.walk(value, rest));
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

/// Nothing of a module's arguments occurs.
fn is_plain(term: &Term) -> bool {
    let mut plain = true;
    term.walk(&mut |term| {
        plain &= !matches!(term.kind(), K::Arg(_) | K::ArgSet(_));
    });
    plain
}
