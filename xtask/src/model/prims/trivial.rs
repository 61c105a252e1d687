//! Functions of any value, and functions of functions.

use super::{call1, call2, known, truth};
use crate::model::eval::Eval;
use crate::model::value::{Code, Item, Role, Thunk, Value};

prims! {
    IsAttrs 1 "isAttrs";
    IsList 1 "isList";
    IsString 1 "isString";
    IsFunction 1 "isFunction";
    IsPath 1 "isPath";
    IsBool 1 "isBool";
    IsInt 1 "isInt";
    IsNull 1 "isNull";
    Seq 2 "seq" "trace" "warn";
    DeepSeq 2 "deepSeq" "traceSeq";
    AddErrorContext 2 "addErrorContext";
    WarnIf 3 "warnIf";
    WarnIfNot 3 "warnIfNot";
    ThrowIf 3 "throwIf";
    ThrowIfNot 3 "throwIfNot";
    AssertMsg 2 "assertMsg";
    Throw 1 "throw" "abort";
    Id 1 "id" "traceVal";
    Const 2 "const";
    Flip 3 "flip";
    Pipe 2 "pipe";
    Fix 1 "fix";
    Extend 1 "extend";
}

/// The value of a call with all arguments; `None` if not enough of them is known.
pub(super) fn run(eval: &mut Eval<'_>, prim: Prim, [a, b, c]: [Thunk; 3]) -> Option<Value> {
    use Prim as P;
    Some(match prim {
        P::IsAttrs => Value::Bool(matches!(
            shape(eval, a)?,
            Value::Set(_) | Value::Property(_) | Value::Declaration(..) | Value::Host(_)
        )),
        P::IsList => Value::Bool(matches!(shape(eval, a)?, Value::List(_))),
        P::IsString => Value::Bool(matches!(shape(eval, a)?, Value::Str(_) | Value::Place(_))),
        P::IsFunction => match shape(eval, a)? {
            // The library and the language say different things of it.
            Value::Set(set) if set.fixed.contains_key("__functor") => return None,
            Value::Set(set) if !set.dynamic.is_empty() => return None,
            value => Value::Bool(matches!(value, Value::Lambda(_) | Value::Prim(..))),
        },
        P::IsPath => Value::Bool(matches!(shape(eval, a)?, Value::Path(_))),
        P::IsBool => Value::Bool(matches!(shape(eval, a)?, Value::Bool(_))),
        P::IsInt => Value::Bool(matches!(shape(eval, a)?, Value::Int(_))),
        P::IsNull => Value::Bool(matches!(shape(eval, a)?, Value::Null)),
        P::Seq => {
            shape(eval, a)?;
            eval.force(b)
        }
        P::DeepSeq => {
            let mut left = SEEN;
            if !certain(eval, a, &mut left) {
                return None;
            }
            eval.force(b)
        }
        P::AddErrorContext => eval.force(b),
        P::WarnIf | P::WarnIfNot => {
            if truth(eval, a)? == (prim == P::WarnIf) {
                shape(eval, b)?;
            }
            eval.force(c)
        }
        P::ThrowIf | P::ThrowIfNot if truth(eval, a)? == (prim == P::ThrowIf) => {
            Value::unknown("it throws an error")
        }
        P::ThrowIf | P::ThrowIfNot => eval.force(c),
        P::AssertMsg if truth(eval, a)? => Value::Bool(true),
        P::AssertMsg => Value::unknown("it throws an error"),
        P::Throw => Value::unknown("it throws an error"),
        P::Id => eval.force(a),
        P::Const => eval.force(a),
        P::Flip => {
            let thunk = call2(eval, a, c, b);
            eval.force(thunk)
        }
        P::Pipe => {
            let mut value = a;
            for f in known(eval, b)? {
                value = call1(eval, f, value);
            }
            eval.force(value)
        }
        P::Fix => {
            let thunk = eval.thunk(Code::Ready(Value::Null));
            eval.cells[thunk.0 as usize].code = Code::Call(a, thunk);
            eval.force(thunk)
        }
        P::Extend => {
            let lib = eval.ready(Value::role(Role::Lib, "the library"));
            // The first argument is the library with the overlay over it.
            let whole = eval.thunk(Code::Ready(Value::Null));
            let overlay = call2(eval, a, whole, lib);
            eval.cells[whole.0 as usize].code = Code::Ready(Value::Update(lib, overlay));
            eval.force(whole)
        }
    })
}

/// The value, unless nothing is known of its type.
fn shape(eval: &mut Eval<'_>, thunk: Thunk) -> Option<Value> {
    match eval.force(thunk) {
        Value::Opaque(_) | Value::Update(..) => None,
        value => Some(value),
    }
}

/// Most values that are looked at before something counts as too large.
const SEEN: u32 = 10_000;

/// Whether all of a value is known, so that no part of it throws.
fn certain(eval: &mut Eval<'_>, thunk: Thunk, left: &mut u32) -> bool {
    let Some(rest) = left.checked_sub(1) else {
        return false;
    };
    *left = rest;
    match shape(eval, thunk) {
        Some(Value::List(items)) => items.iter().all(|item| match item {
            Item::One(item) => certain(eval, *item, left),
            Item::Splice(_) => false,
        }),
        Some(Value::Set(set)) => {
            set.dynamic.is_empty()
                && set
                    .fixed
                    .values()
                    .all(|attribute| certain(eval, attribute.value, left))
        }
        Some(Value::Property(_) | Value::Host(_) | Value::Declaration(..)) | None => false,
        Some(_) => true,
    }
}
