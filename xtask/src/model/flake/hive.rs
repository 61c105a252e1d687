//! `makeHive` of <https://github.com/zhaofengli/colmena>.

use std::rc::Rc;

use crate::model::eval::{Eval, Member};
use crate::model::term::{Key, Term, TermKind as K};
use crate::model::value::{Attribute, Code, HostCall, Item, Set, Thunk, Value};
use crate::syntax::hir::Name;

/// Names in a hive that are no hosts.
const RESERVED: [&str; 3] = ["defaults", "meta", "network"];

/// The hive of a set of hosts; its `nodes` are host calls.
pub(in crate::model) fn make_hive(eval: &mut Eval<'_>, argument: Thunk) -> Option<Value> {
    let Value::Set(hive) = eval.force(argument) else {
        return None;
    };
    if !hive.dynamic.is_empty() {
        return None;
    }
    let get = |name: &str| hive.fixed.get(name).map(|attribute| attribute.value);
    let meta = get("meta").or_else(|| get("network"));
    let mut nodes = Set::default();
    for (name, attribute) in &hive.fixed {
        if RESERVED.contains(&&**name) {
            continue;
        }
        let args = arguments(eval, meta, get("defaults"), name, attribute.value);
        let call = HostCall {
            args,
            function: "makeHive",
            maker: Name::default(),
            extended: Vec::new(),
            laid_over: Vec::new(),
        };
        let value = eval.ready(Value::Host(Rc::new(call)));
        let at = attribute.at;
        nodes.fixed.insert(name.clone(), Attribute { value, at });
    }
    let nodes = eval.ready(Value::Set(Rc::new(nodes)));
    let result = set(eval, [("nodes", nodes)]);
    let rest = eval.ready(Value::unknown("it comes from colmena"));
    Some(Value::Update(rest, result))
}

/// What a host of a hive is made from.
fn arguments(
    eval: &mut Eval<'_>,
    meta: Option<Thunk>,
    defaults: Option<Thunk>,
    name: &Name,
    own: Thunk,
) -> Thunk {
    let part = |eval: &mut Eval<'_>, path: &[&str]| -> Option<Thunk> {
        path.iter().try_fold(meta?, |base, name| {
            match eval.member(base, &Name::from(*name)) {
                Member::Found(thunk) => Some(thunk),
                Member::Value(value) => Some(eval.ready(value)),
                Member::Missing => None,
                Member::Unknown(why) => Some(eval.ready(Value::unknown(&why))),
            }
        })
    };
    let packages = part(eval, &["nodeNixpkgs", name]).or_else(|| part(eval, &["nixpkgs"]));
    // Modules of colmena's own, which bring the overlays of the packages.
    let given: Vec<Term> = packages.iter().map(|it| eval.term(*it)).collect();
    let function = Term::new(K::Global(Name::from("makeHive")));
    let modules_of_hive = Term::new(K::Apply(function, Term::new(K::List(given))));
    let mut modules = vec![eval.thunk(Code::Named(modules_of_hive, None))];
    modules.extend(defaults);
    let mut items: Vec<Item> = modules.into_iter().map(Item::One).collect();
    match eval.force(own) {
        Value::List(own) => items.extend(own.iter().cloned()),
        _ => items.push(Item::One(own)),
    }
    let hosts = vec![Key::Name(Name::from("nixosConfigurations"))];
    let hosts = Term::select(Term::new(K::Flake), hosts, None);
    let hosts = eval.thunk(Code::Named(hosts, None));
    let own_name = eval.ready(Value::Str(name.clone()));
    let mut special = set(eval, [("name", own_name), ("nodes", hosts)]);
    for path in [&["nodeSpecialArgs", &**name][..], &["specialArgs"]] {
        if let Some(given) = part(eval, path) {
            let merged = eval.update(given, special);
            special = eval.ready(merged);
        }
    }
    let modules = eval.ready(Value::List(items.into()));
    set(eval, [("modules", modules), ("specialArgs", special)])
}

fn set<const N: usize>(eval: &mut Eval<'_>, attributes: [(&str, Thunk); N]) -> Thunk {
    let mut set = Set::default();
    for (name, value) in attributes {
        let attribute = Attribute { value, at: None };
        set.fixed.insert(Name::from(name), attribute);
    }
    eval.ready(Value::Set(Rc::new(set)))
}
