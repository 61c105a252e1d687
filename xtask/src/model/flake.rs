//! From `flake.nix` to the calls that make its hosts.

pub(super) mod frameworks;
pub(super) mod hive;
pub(super) mod parts;
mod plus;

use std::collections::BTreeMap;
use std::rc::Rc;

use super::eval::{Eval, Member};
use super::modules;
use super::term::{Term, TermKind as K};
use super::value::{Attribute, Code, HostCall, Opaque, Set, Thunk, Value};
use crate::problem::{Problem, Span};
use crate::syntax::hir::{Name, Param};
use crate::tree::TreePath;

/// A host as the flake's outputs name it.
pub struct Found {
    /// Attribute of `nixosConfigurations`.
    pub name: Name,
    /// Its value.
    pub thunk: Thunk,
    /// Where the attribute is bound.
    pub at: Option<Span>,
}

impl Eval<'_> {
    /// All inputs as a set, `self` among them.
    pub(super) fn inputs_value(&mut self) -> Value {
        let Ok(path) = self.import(&flake_path()) else {
            return Value::unknown("there is no flake.nix");
        };
        let mut names: Vec<Name> = Vec::new();
        if let Value::Set(flake) = self.force(path) {
            if let Some(inputs) = flake.fixed.get("inputs")
                && let Value::Set(inputs) = self.force(inputs.value)
            {
                names.extend(inputs.fixed.keys().cloned());
            }
            if let Some(outputs) = flake.fixed.get("outputs")
                && let Value::Lambda(closure) = self.force(outputs.value)
                && let Param::Set { formals, .. } = &closure.param
            {
                names.extend(formals.iter().map(|(name, _)| name.clone()));
            }
        }
        let mut set = Set::default();
        for name in names {
            let term = if &*name == "self" {
                K::Flake
            } else {
                K::Input(name.clone())
            };
            let value = self.thunk(Code::Named(Term::new(term), None));
            set.fixed.insert(name, Attribute { value, at: None });
        }
        let flake = self.thunk(Code::Named(Term::new(K::Flake), None));
        set.fixed.entry(Name::from("self")).or_insert(Attribute {
            value: flake,
            at: None,
        });
        Value::Set(Rc::new(set))
    }

    /// Where an input comes from, as flake.nix says it.
    pub(super) fn input_url(&mut self, name: &Name) -> Option<Name> {
        let flake = self.import(&flake_path()).ok()?;
        let mut at = flake;
        for name in [&Name::from("inputs"), name] {
            let Member::Found(next) = self.member(at, name) else {
                return None;
            };
            at = next;
        }
        match self.member(at, &Name::from("url")) {
            Member::Found(url) => match self.force(url) {
                Value::Str(url) => Some(url),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether an input is nixpkgs, by where it comes from or, where that is not
    /// said, by its name.
    pub(super) fn is_nixpkgs(&mut self, name: &Name) -> bool {
        match self.input_url(name) {
            Some(url) => {
                let url = url.to_ascii_lowercase();
                url.contains("nixpkgs") || url.contains("nixexprs")
            }
            None => ["nixpkgs", "nixos", "stable", "lib"]
                .iter()
                .any(|part| name.contains(part)),
        }
    }

    /// The hosts of the flake; what cannot be followed is a problem.
    pub fn hosts(&mut self) -> (Vec<Found>, Vec<Problem>) {
        let mut problems = Vec::new();
        let flake = match self.import(&flake_path()) {
            Ok(flake) => flake,
            Err(why) => {
                problems.push(
                    Problem::error("no-flake", why)
                        .help("run it in a flake, or name one with --repo DIR"),
                );
                return (Vec::new(), problems);
            }
        };
        for error in self
            .files
            .file(&flake_path())
            .map(|file| file.errors.clone())
            .unwrap_or_default()
        {
            let span = Span {
                path: flake_path(),
                start: error.start,
                end: error.end,
            };
            problems.push(Problem::error("syntax-error", error.message).at(span));
        }
        if !problems.is_empty() {
            return (Vec::new(), problems);
        }
        let inputs = self.inputs_value();
        let inputs = self.ready(inputs);
        let inputs = self.thunk(Code::Named(Term::new(K::Inputs), Some(inputs)));
        let function = self.thunk(Code::Member(flake, Name::from("outputs")));
        let outputs = self.thunk(Code::Call(function, inputs));
        self.outputs = Some(outputs);
        let value = self.force(outputs);
        let outputs = match plus::unfold_outputs(self, value) {
            Some(value) => self.ready(value),
            None => outputs,
        };
        self.outputs = Some(outputs);
        let configurations = match self.member(outputs, &Name::from("nixosConfigurations")) {
            Member::Found(thunk) => thunk,
            Member::Value(value) => self.ready(value),
            Member::Missing => {
                if !matches!(self.force(outputs), Value::Set(_)) {
                    problems.push(opaque_outputs(
                        "the outputs come from a function of an input",
                    ));
                }
                return (Vec::new(), problems);
            }
            Member::Unknown(why) => {
                problems.push(opaque_outputs(&why));
                return (Vec::new(), problems);
            }
        };
        let mut found = BTreeMap::new();
        self.list_hosts(configurations, &mut found, &mut problems, 0);
        (found.into_values().collect(), problems)
    }

    fn list_hosts(
        &mut self,
        thunk: Thunk,
        found: &mut BTreeMap<Name, Found>,
        problems: &mut Vec<Problem>,
        depth: u32,
    ) {
        match self.force(thunk) {
            Value::Set(set) => {
                if !set.dynamic.is_empty() {
                    problems.push(opaque_outputs("some hosts have computed names"));
                }
                for (name, attribute) in &set.fixed {
                    let at = modules::binding_place(self, attribute)
                        .map(|(path, (start, end))| Span { path, start, end });
                    let entry = Found {
                        name: name.clone(),
                        thunk: attribute.value,
                        at,
                    };
                    found.insert(name.clone(), entry);
                }
            }
            Value::Update(left, right) if depth < 32 => {
                self.list_hosts(left, found, problems, depth + 1);
                self.list_hosts(right, found, problems, depth + 1);
            }
            Value::Opaque(opaque) => problems.push(opaque_outputs(&opaque.why)),
            _ => problems.push(opaque_outputs("`nixosConfigurations` is no set")),
        }
    }

    /// The call that makes a host, if it can be followed.
    pub fn host_call(&mut self, thunk: Thunk) -> Result<Rc<HostCall>, String> {
        match self.force(thunk) {
            Value::Host(call) => Ok(call),
            Value::Opaque(Opaque { why, .. }) => Err(why.to_string()),
            _ => Err("it is not made by a function that is modelled".to_owned()),
        }
    }
}

fn flake_path() -> TreePath {
    TreePath::new("flake.nix").unwrap_or_else(TreePath::root)
}

fn opaque_outputs(why: &str) -> Problem {
    Problem::warning(
        "hosts-not-followed",
        format!("not all of `nixosConfigurations` can be followed: {why}"),
    )
    .help("hosts that are made by a function of an input are out of the model's sight")
}

#[cfg(test)]
mod tests;
