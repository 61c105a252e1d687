//! `mkFlake { inputs; } module` of flake-parts: flake outputs out of modules.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::model::eval::{Eval, Member};
use crate::model::modules::{self, Arguments, Module, Origin};
use crate::model::prims::{ModulePrim, Prim};
use crate::model::term::{Term, TermKind as K};
use crate::model::value::{Attribute, Code, Item, Property, Set, Thunk, Value};
use crate::syntax::hir::Name;

/// The outputs: the `flake` option of the modules.
///
/// Where nothing of it is known, `nixosConfigurations` is opaque with the reason:
/// a module that is not followed may define hosts.
pub(in crate::model) fn make_flake(eval: &mut Eval<'_>, arguments: Thunk, module: Thunk) -> Value {
    let mut special = Set::default();
    if let Value::Set(given) = eval.force(arguments) {
        for (name, attribute) in &given.fixed {
            if &**name != "specialArgs" {
                special.fixed.insert(name.clone(), *attribute);
            } else if let Value::Set(more) = eval.force(attribute.value) {
                special
                    .fixed
                    .extend(more.fixed.iter().map(|(name, it)| (name.clone(), *it)));
            }
        }
    }
    let flake = eval.thunk(Code::Named(Term::new(K::Flake), None));
    let prim = Value::Prim(Prim::Module(ModulePrim::WithSystem), Rc::from([]));
    let with_system = eval.ready(prim);
    // Known once all modules are read.
    let config = eval.ready(Value::unknown("the configuration of the flake's modules"));
    for (name, value) in [
        ("self", flake),
        ("withSystem", with_system),
        ("config", config),
    ] {
        let attribute = Attribute { value, at: None };
        special.fixed.insert(Name::from(name), attribute);
    }
    let mut args = Arguments::new(eval, Some(&special));
    let mut found = Outputs::default();
    let modules = modules::collect(eval, vec![Item::One(module)], &mut args);
    // Definitions merge in the reverse of the walk.
    for module in modules.iter().rev() {
        found.module(eval, module);
    }
    let outputs = found.finish(eval);
    let mut known = Set::default();
    known.fixed.insert(
        Name::from("flake"),
        Attribute {
            value: outputs,
            at: None,
        },
    );
    let unknown = eval.ready(Value::unknown("an option of the flake's modules"));
    let known = eval.ready(Value::Set(Rc::new(known)));
    eval.redefine(config, Value::Update(unknown, known));
    eval.force(outputs)
}

/// What the modules define, and what of it cannot be followed. Like Nix, it looks
/// at the names of outputs alone: their values may refer to the flake itself.
#[derive(Default)]
struct Outputs {
    definitions: BTreeMap<Name, Vec<Attribute>>,
    unknown: Option<String>,
}

impl Outputs {
    fn module(&mut self, eval: &mut Eval<'_>, module: &Module) {
        let Some(config) = module.config else {
            if let Origin::Opaque(_, why) = &module.origin {
                self.unknown.get_or_insert_with(|| why.clone());
            }
            return;
        };
        for content in self.contents(eval, config) {
            match eval.member(content, &Name::from("flake")) {
                Member::Found(flake) => self.flake(eval, flake),
                Member::Value(value) => {
                    let flake = eval.ready(value);
                    self.flake(eval, flake);
                }
                Member::Missing => {}
                Member::Unknown(why) => {
                    self.unknown.get_or_insert(why);
                }
            }
        }
    }

    /// One definition of the option `flake`.
    fn flake(&mut self, eval: &mut Eval<'_>, flake: Thunk) {
        for content in self.contents(eval, flake) {
            match eval.force(content) {
                Value::Set(set) => {
                    for (name, attribute) in &set.fixed {
                        let known = self.definitions.entry(name.clone()).or_default();
                        known.push(*attribute);
                    }
                }
                Value::Update(left, right) => {
                    self.flake(eval, left);
                    self.flake(eval, right);
                }
                Value::Opaque(opaque) => {
                    self.unknown.get_or_insert_with(|| opaque.why.to_string());
                }
                _ => {}
            }
        }
    }

    fn contents(&mut self, eval: &mut Eval<'_>, value: Thunk) -> Vec<Thunk> {
        let mut found = Vec::new();
        if let Err(why) = contents(eval, value, &mut found) {
            self.unknown.get_or_insert(why);
        }
        found
    }

    /// All outputs as a set.
    fn finish(self, eval: &mut Eval<'_>) -> Thunk {
        let prim = Value::Prim(Prim::Module(ModulePrim::MergeOutputs), Rc::from([]));
        let merge = eval.ready(prim);
        let mut set = Set::default();
        for (name, definitions) in self.definitions {
            let at = definitions.first().and_then(|it| it.at);
            let key = eval.ready(Value::Str(name.clone()));
            let values = Value::list(definitions.into_iter().map(|it| it.value));
            let values = eval.ready(values);
            let of_name = eval.thunk(Code::Call(merge, key));
            let value = eval.thunk(Code::Call(of_name, values));
            set.fixed.insert(name, Attribute { value, at });
        }
        let hosts = Name::from("nixosConfigurations");
        if let Some(why) = self.unknown
            && !set.fixed.contains_key(&hosts)
        {
            let value = eval.ready(Value::unknown(&why));
            set.fixed.insert(hosts, Attribute { value, at: None });
        }
        eval.ready(Value::Set(Rc::new(set)))
    }
}

/// The value of one output out of its definitions.
pub(in crate::model) fn merge_outputs(
    eval: &mut Eval<'_>,
    name: Thunk,
    definitions: Thunk,
) -> Option<Value> {
    let mut found = Vec::new();
    for item in eval.items(definitions) {
        let Item::One(value) = item else { return None };
        if let Err(why) = contents(eval, value, &mut found) {
            return Some(Value::unknown(&why));
        }
    }
    if matches!(eval.force(name), Value::Str(name) if &*name == "modules") {
        return merge_modules(eval, &found);
    }
    let mut found = found.into_iter();
    let mut merged = found.next()?;
    for more in found {
        let both = eval.update(merged, more);
        merged = eval.ready(both);
    }
    Some(eval.force(merged))
}

/// `flake.modules.CLASS.NAME`: a module that imports all its definitions.
fn merge_modules(eval: &mut Eval<'_>, definitions: &[Thunk]) -> Option<Value> {
    let mut classes: BTreeMap<Name, BTreeMap<Name, Vec<Attribute>>> = BTreeMap::new();
    for definition in definitions {
        let Value::Set(set) = eval.force(*definition) else {
            return None;
        };
        for (class, attribute) in &set.fixed {
            let mut found = Vec::new();
            contents(eval, attribute.value, &mut found).ok()?;
            for content in found {
                let Value::Set(modules) = eval.force(content) else {
                    return None;
                };
                let known = classes.entry(class.clone()).or_default();
                for (name, module) in &modules.fixed {
                    known.entry(name.clone()).or_default().push(*module);
                }
            }
        }
    }
    let mut out = Set::default();
    for (class, modules) in classes {
        let mut merged = Set::default();
        for (name, definitions) in modules {
            let at = definitions.first().and_then(|it| it.at);
            let imports = Value::list(definitions.into_iter().map(|it| it.value));
            let value = eval.ready(imports);
            let mut module = Set::default();
            let attribute = Attribute { value, at };
            module.fixed.insert(Name::from("imports"), attribute);
            let value = eval.ready(Value::Set(Rc::new(module)));
            merged.fixed.insert(name, Attribute { value, at });
        }
        let value = eval.ready(Value::Set(Rc::new(merged)));
        out.fixed.insert(class, Attribute { value, at: None });
    }
    Some(Value::Set(Rc::new(out)))
}

/// What is left of a definition without its properties; why that is not known.
fn contents(eval: &mut Eval<'_>, value: Thunk, found: &mut Vec<Thunk>) -> Result<(), String> {
    let Value::Property(property) = eval.force(value) else {
        found.push(value);
        return Ok(());
    };
    match &*property {
        Property::If(condition, content) => match eval.force(*condition) {
            Value::Bool(false) => Ok(()),
            Value::Bool(true) => contents(eval, *content, found),
            _ => Err("a condition is not known".to_owned()),
        },
        Property::Override(_, content) | Property::Order(_, content) => {
            contents(eval, *content, found)
        }
        Property::Merge(list) => {
            for item in eval.items(*list) {
                match item {
                    Item::One(content) => contents(eval, content, found)?,
                    Item::Splice(_) => return Err("a list is not known".to_owned()),
                }
            }
            Ok(())
        }
    }
}

/// `withSystem system f`: the function is called with what flake-parts knows of the
/// system, of which only the name is known here.
pub(in crate::model) fn with_system(eval: &mut Eval<'_>, system: Thunk, function: Thunk) -> Value {
    let mut set = Set::default();
    if let Value::Lambda(closure) = eval.force(function)
        && let crate::syntax::hir::Param::Set { formals, .. } = &closure.param
    {
        for (name, _) in formals {
            let term = Term::new(K::Arg(Name::from(format!("withSystem.{name}").as_str())));
            let value = eval.thunk(Code::Named(term, None));
            set.fixed
                .insert(name.clone(), Attribute { value, at: None });
        }
    }
    set.fixed.insert(
        Name::from("system"),
        Attribute {
            value: system,
            at: None,
        },
    );
    let argument = eval.ready(Value::Set(Rc::new(set)));
    eval.apply(function, argument)
}
