//! What modules are written with, and what evaluates them.

use std::rc::Rc;

use crate::model::eval::Eval;
use crate::model::flake::{hive, parts};
use crate::model::value::{Code, HostCall, Property, Thunk, Value};
use crate::syntax::hir::Name;

prims! {
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
    NixosSystem 2 "nixosSystem";
    EvalModules 1 "evalModules";
    MkFlake 2 "mkFlake";
    MakeHive 1 "makeHive";
    MergeOutputs 2 "an output of flake-parts";
    ImportApply 2 "importApply";
    WithSystem 2 "withSystem of flake-parts";
    ExtendModules 2 "extendModules of a host";
}

/// The value of a call with all arguments; `None` if not enough of them is known.
pub(super) fn run(eval: &mut Eval<'_>, prim: Prim, [a, b, _]: [Thunk; 3]) -> Option<Value> {
    use Prim as P;
    Some(match prim {
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
        P::NixosSystem => {
            let Value::Str(maker) = eval.force(a) else {
                return None;
            };
            host(b, "nixosSystem", maker)
        }
        P::EvalModules => host(a, "evalModules", Name::default()),
        P::MkFlake => parts::make_flake(eval, a, b),
        P::MakeHive => return hive::make_hive(eval, a),
        P::MergeOutputs => return parts::merge_outputs(eval, a, b),
        P::ImportApply => {
            let import = eval.ready(Value::Prim(super::import(), Rc::from([])));
            let function = eval.thunk(Code::Call(import, a));
            eval.apply(function, b)
        }
        P::WithSystem => parts::with_system(eval, a, b),
        P::ExtendModules => {
            let Value::Host(host) = eval.force(a) else {
                return None;
            };
            let modules = eval.thunk(Code::Member(b, Name::from("modules")));
            let mut extended = host.extended.clone();
            extended.push(modules);
            let (args, function, maker) = (host.args, host.function, host.maker.clone());
            Value::Host(Rc::new(HostCall {
                args,
                function,
                maker,
                extended,
                laid_over: Vec::new(),
            }))
        }
    })
}

fn host(args: Thunk, function: &'static str, maker: Name) -> Value {
    Value::Host(Rc::new(HostCall {
        args,
        function,
        maker,
        extended: Vec::new(),
        laid_over: Vec::new(),
    }))
}
