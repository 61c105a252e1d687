//! Functions of any value, and functions of functions.

use super::{call1, call2, known};
use crate::model::eval::Eval;
use crate::model::value::{Code, Role, Thunk, Value};

prims! {
    IsAttrs 1 "isAttrs";
    IsList 1 "isList";
    IsString 1 "isString";
    IsFunction 1 "isFunction";
    IsPath 1 "isPath";
    IsBool 1 "isBool";
    IsInt 1 "isInt";
    IsNull 1 "isNull";
    Second 2 "seq" "deepSeq" "trace" "warn" "traceSeq" "addErrorContext";
    WarnIf 3 "warnIf" "warnIfNot" "throwIf" "throwIfNot";
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
        P::IsFunction => Value::Bool(matches!(
            shape(eval, a)?,
            Value::Lambda(_) | Value::Prim(..)
        )),
        P::IsPath => Value::Bool(matches!(shape(eval, a)?, Value::Path(_))),
        P::IsBool => Value::Bool(matches!(shape(eval, a)?, Value::Bool(_))),
        P::IsInt => Value::Bool(matches!(shape(eval, a)?, Value::Int(_))),
        P::IsNull => Value::Bool(matches!(shape(eval, a)?, Value::Null)),
        P::Second => eval.force(b),
        P::WarnIf => eval.force(c),
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
            let overlay = call2(eval, a, lib, lib);
            Value::Update(lib, overlay)
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
