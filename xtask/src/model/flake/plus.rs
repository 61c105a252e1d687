//! `mkFlake` of flake-utils-plus.

use std::rc::Rc;

use crate::model::eval::Eval;
use crate::model::prims::{ModulePrim, Prim};
use crate::model::value::{Attribute, HostCall, Set, Thunk, Value};
use crate::syntax::hir::Name;

/// `mkFlake` of flake-utils-plus takes all at once; its hosts become host calls.
pub(super) fn unfold_outputs(eval: &mut Eval<'_>, value: Value) -> Option<Value> {
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
            maker: Name::default(),
            extended: Vec::new(),
            laid_over: Vec::new(),
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
