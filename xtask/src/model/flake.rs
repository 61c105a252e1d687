//! From `flake.nix` to the calls that make its hosts.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::eval::{Eval, Member};
use super::modules::{self, Arguments};
use super::prims::{ModulePrim, Prim};
use super::term::{Term, TermKind as K};
use super::value::{Attribute, Code, HostCall, Item, Opaque, Set, Thunk, Value};
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
        let outputs = match unfold_outputs(self, value) {
            Some(value) => self.ready(value),
            None => outputs,
        };
        self.outputs = Some(outputs);
        let configurations = match self.member(outputs, &Name::from("nixosConfigurations")) {
            Member::Found(thunk) => thunk,
            Member::Value(value) => self.ready(value),
            Member::Missing => return (Vec::new(), problems),
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

/// `mkFlake` of flake-utils-plus takes all at once; its hosts become host calls.
fn unfold_outputs(eval: &mut Eval<'_>, value: Value) -> Option<Value> {
    let Value::Prim(Prim::Module(ModulePrim::MkFlake), arguments) = value else {
        return None;
    };
    let argument = *arguments.first()?;
    let Value::Set(set) = eval.force(argument) else {
        return None;
    };
    let defaults = set
        .fixed
        .get("hostDefaults")
        .map(|attribute| attribute.value);
    let Value::Set(hosts) = eval.force(set.fixed.get("hosts")?.value) else {
        return None;
    };
    let mut configurations = Set::default();
    for (name, attribute) in &hosts.fixed {
        let args = merge_host(eval, defaults, attribute.value);
        let call = HostCall {
            args,
            function: "mkFlake",
            extended: Vec::new(),
        };
        let value = eval.ready(Value::Host(Rc::new(call)));
        configurations.fixed.insert(
            name.clone(),
            Attribute {
                value,
                at: attribute.at,
            },
        );
    }
    let mut outputs = (*set).clone();
    let value = eval.ready(Value::Set(Rc::new(configurations)));
    outputs.fixed.insert(
        Name::from("nixosConfigurations"),
        Attribute { value, at: None },
    );
    Some(Value::Set(Rc::new(outputs)))
}

/// Host defaults with one host's own arguments: lists are joined, the rest replaced.
fn merge_host(eval: &mut Eval<'_>, defaults: Option<Thunk>, host: Thunk) -> Thunk {
    let (Some(defaults), Value::Set(own)) = (defaults, eval.force(host)) else {
        return host;
    };
    let Value::Set(base) = eval.force(defaults) else {
        return host;
    };
    let mut merged = (*base).clone();
    for (name, attribute) in &own.fixed {
        let both = base.fixed.get(name).map(|other| other.value);
        let value = match both {
            Some(other) if &**name == "modules" => {
                let mut items = eval.items(other);
                items.extend(eval.items(attribute.value));
                eval.ready(Value::List(items.into()))
            }
            Some(other) if matches!(&**name, "extraArgs" | "specialArgs") => {
                let merged = eval.update(other, attribute.value);
                eval.ready(merged)
            }
            _ => attribute.value,
        };
        merged.fixed.insert(
            name.clone(),
            Attribute {
                value,
                at: attribute.at,
            },
        );
    }
    eval.ready(Value::Set(Rc::new(merged)))
}

/// `mkFlake { inputs; } module` of flake-parts: the `flake` option of its modules.
pub(super) fn make_flake(eval: &mut Eval<'_>, arguments: Thunk, module: Thunk) -> Option<Value> {
    let mut special = Set::default();
    if let Value::Set(given) = eval.force(arguments) {
        special.fixed.extend(
            given
                .fixed
                .iter()
                .map(|(name, attribute)| (name.clone(), *attribute)),
        );
    }
    let flake = eval.thunk(Code::Named(Term::new(K::Flake), None));
    special.fixed.insert(
        Name::from("self"),
        Attribute {
            value: flake,
            at: None,
        },
    );
    let mut args = Arguments::new(eval, Some(&special));
    let mut outputs = Set::default();
    for module in modules::collect(eval, vec![Item::One(module)], &mut args) {
        let Some(config) = module.config else {
            continue;
        };
        let Member::Found(flake) = eval.member(config, &Name::from("flake")) else {
            continue;
        };
        let Value::Set(flake) = eval.force(flake) else {
            continue;
        };
        for (name, attribute) in &flake.fixed {
            let value = match outputs.fixed.get(name) {
                Some(Attribute { value: before, .. }) => {
                    let merged = eval.update(*before, attribute.value);
                    eval.ready(merged)
                }
                None => attribute.value,
            };
            outputs.fixed.insert(
                name.clone(),
                Attribute {
                    value,
                    at: attribute.at,
                },
            );
        }
    }
    if outputs.fixed.is_empty() {
        return None;
    }
    Some(Value::Set(Rc::new(outputs)))
}
