//! `x.a.b`, `x.a or d`, `x ? a`.

use std::rc::Rc;

use super::names::global;
use super::{DEPTH, Eval};
use crate::model::prims::{self, ModulePrim, Prim};
use crate::model::value::{Env, Opaque, Role, Thunk, Unit, Value};
use crate::syntax::hir::{Attr, ExprId, Name};

/// Outcome of looking a name up.
pub(in crate::model) enum Member {
    /// A delayed value.
    Found(Thunk),
    /// A value.
    Value(Value),
    /// The name is certainly not there.
    Missing,
    /// It is not known whether it is there.
    Unknown(String),
}

/// How the library of an input is named, before the input.
pub(in crate::model) const LIBRARY_OF_INPUT: &str = "the library of input ";

impl Eval<'_> {
    pub(super) fn select(
        &mut self,
        unit: Unit,
        base: Thunk,
        path: &[Attr],
        default: Option<ExprId>,
        env: Env,
    ) -> Value {
        let mut current = base;
        for attr in path {
            let name = match attr {
                Attr::Name(name) => name.clone(),
                Attr::Expr(expr) => {
                    let thunk = self.delay(unit, *expr, env);
                    match self.force(thunk) {
                        Value::Str(name) => name,
                        _ => return Value::unknown("an attribute name that is not known"),
                    }
                }
            };
            match self.member(current, &name) {
                Member::Found(thunk) => current = thunk,
                Member::Value(value) => current = self.ready(value),
                Member::Missing => {
                    return match default {
                        Some(default) => self.eval_deeper(unit, default, env),
                        None => Value::unknown(&format!("attribute `{name}` is missing")),
                    };
                }
                Member::Unknown(why) => return Value::unknown(&why),
            }
        }
        self.force(current)
    }

    pub(super) fn select_value(&mut self, base: Thunk, name: &Name) -> Value {
        match self.member(base, name) {
            Member::Found(thunk) => self.force(thunk),
            Member::Value(value) => value,
            Member::Missing => Value::unknown(&format!("attribute `{name}` is missing")),
            Member::Unknown(why) => Value::unknown(&why),
        }
    }

    /// Looks a name up in a value.
    pub(in crate::model) fn member(&mut self, base: Thunk, name: &Name) -> Member {
        if self.depth >= DEPTH {
            return Member::Unknown("it is nested too deeply".into());
        }
        self.depth += 1;
        let found = stacker::maybe_grow(128 << 10, 8 << 20, || self.member_here(base, name));
        self.depth -= 1;
        found
    }

    fn member_here(&mut self, base: Thunk, name: &Name) -> Member {
        match self.force(base) {
            Value::Set(set) => match set.fixed.get(name) {
                Some(attribute) => Member::Found(attribute.value),
                None if set.dynamic.is_empty() => Member::Missing,
                None => Member::Unknown(format!("`{name}` may be one of the computed attributes")),
            },
            Value::Update(left, right) => match self.member(right, name) {
                Member::Missing => self.member(left, name),
                // One input's library is not taken to replace another's functions.
                Member::Unknown(why) if self.keeps_functions(right, name) => {
                    match self.member(left, name) {
                        Member::Value(value @ Value::Prim(..)) => Member::Value(value),
                        _ => Member::Unknown(why),
                    }
                }
                Member::Value(Value::Opaque(opaque))
                    if opaque.role == Role::Unknown && self.keeps_functions(right, name) =>
                {
                    match self.member(left, name) {
                        Member::Value(value @ Value::Prim(..)) => Member::Value(value),
                        _ => Member::Value(Value::Opaque(opaque)),
                    }
                }
                found => found,
            },
            Value::Opaque(opaque) => self.opaque_member(&opaque, name),
            Value::Host(_) if &**name == "extendModules" => {
                let base: Rc<[Thunk]> = Rc::new([base]);
                Member::Value(Value::Prim(Prim::Module(ModulePrim::ExtendModules), base))
            }
            Value::Host(_) => Member::Value(Value::unknown("a host's own evaluation")),
            Value::Declaration(..) | Value::Property(_) => {
                Member::Unknown("part of a definition".into())
            }
            _ => Member::Missing,
        }
    }

    /// Whether a set holds no function of this name but for those of inputs' libraries.
    fn keeps_functions(&mut self, set: Thunk, name: &Name) -> bool {
        match self.force(set) {
            Value::Set(set) => set.dynamic.is_empty() && !set.fixed.contains_key(name),
            Value::Update(left, right) => {
                self.keeps_functions(left, name) && self.keeps_functions(right, name)
            }
            Value::Opaque(opaque) => {
                matches!(opaque.role, Role::Lib | Role::Input(_) | Role::InputLib(_))
            }
            _ => false,
        }
    }

    fn opaque_member(&mut self, opaque: &Opaque, name: &Name) -> Member {
        match &opaque.role {
            Role::Lib => match prims::library(name) {
                Some(value) => Member::Value(self.made_by(value, opaque)),
                None => Member::Value(Value::unknown(&format!("`lib.{name}` is not modelled"))),
            },
            Role::Builtins => match global(name).or_else(|| prims::builtin(name)) {
                Some(value) => Member::Value(value),
                None => Member::Value(Value::unknown(&format!(
                    "`builtins.{name}` is not modelled"
                ))),
            },
            Role::Input(input) => match &**name {
                "lib" if self.is_nixpkgs(input) => {
                    let why = format!("{LIBRARY_OF_INPUT}`{input}`");
                    Member::Value(Value::role(Role::Lib, &why))
                }
                "lib" => {
                    let why = format!("{LIBRARY_OF_INPUT}`{input}`");
                    Member::Value(Value::role(Role::InputLib(input.clone()), &why))
                }
                _ => Member::Value(Value::unknown(&format!("it comes from input `{input}`"))),
            },
            Role::InputLib(input) => Member::Value(match prims::foreign(name) {
                Some(value) => self.made_by(value, opaque),
                None => Value::unknown(&format!("it comes from the library of input `{input}`")),
            }),
            Role::Flake => self.flake_member(name),
            Role::Unknown => Member::Value(Value::unknown(&opaque.why)),
        }
    }

    /// What makes hosts is told apart by the library that it is of.
    fn made_by(&mut self, value: Value, library: &Opaque) -> Value {
        match value {
            Value::Prim(prim @ Prim::Module(ModulePrim::NixosSystem), _) => {
                let maker = self.ready(Value::str(&library.why));
                Value::Prim(prim, Rc::from([maker]))
            }
            value => value,
        }
    }

    fn flake_member(&mut self, name: &Name) -> Member {
        match &**name {
            "outPath" => return Member::Value(Value::Place(Name::from(""))),
            "inputs" => return Member::Value(self.inputs_value()),
            "outputs" => return Member::Value(Value::role(Role::Flake, "the flake")),
            "rev" | "shortRev" | "dirtyRev" | "dirtyShortRev" | "lastModified"
            | "lastModifiedDate" | "narHash" | "sourceInfo" | "submodules" | "_type"
            | "revCount" => {
                return Member::Value(Value::unknown("it depends on the whole repository"));
            }
            _ => {}
        }
        match self.outputs {
            Some(outputs) => self.member(outputs, name),
            None => Member::Unknown("the flake's outputs are not known".into()),
        }
    }

    pub(super) fn has_attr(&mut self, unit: Unit, base: ExprId, path: &[Attr], env: Env) -> Value {
        let mut current = self.delay(unit, base, env);
        for attr in path {
            let name = match attr {
                Attr::Name(name) => name.clone(),
                Attr::Expr(expr) => {
                    let thunk = self.delay(unit, *expr, env);
                    match self.force(thunk) {
                        Value::Str(name) => name,
                        _ => return Value::unknown("an attribute name that is not known"),
                    }
                }
            };
            match self.member(current, &name) {
                Member::Found(thunk) => current = thunk,
                Member::Value(Value::Opaque(opaque)) if opaque.role == Role::Unknown => {
                    return Value::unknown(&opaque.why);
                }
                Member::Value(value) => current = self.ready(value),
                Member::Missing => return Value::Bool(false),
                Member::Unknown(why) => return Value::unknown(&why),
            }
        }
        Value::Bool(true)
    }
}
