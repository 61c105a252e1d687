//! Functions of lists.

use std::rc::Rc;

use super::{call1, call2, known, truth};
use crate::model::eval::Eval;
use crate::model::value::{Code, Item, Thunk, Value};

prims! {
    Map 2 "map";
    Filter 2 "filter";
    FoldLeft 3 "foldl'" "foldl";
    FoldRight 3 "foldr" "fold";
    ConcatMap 2 "concatMap";
    ConcatLists 1 "concatLists";
    Flatten 1 "flatten";
    Elem 2 "elem";
    ElemAt 2 "elemAt";
    Head 1 "head";
    Tail 1 "tail";
    Last 1 "last";
    Length 1 "length";
    Reverse 1 "reverseList";
    Any 2 "any";
    All 2 "all";
    Range 2 "range";
    GenList 2 "genList";
    Imap0 2 "imap0";
    Imap1 2 "imap1";
    Singleton 1 "singleton";
    Unique 1 "unique";
    SubtractLists 2 "subtractLists";
    ZipListsWith 3 "zipListsWith";
    Optional 2 "optional";
    Optionals 2 "optionals";
}

/// The value of a call with all arguments; `None` if not enough of them is known.
pub(super) fn run(eval: &mut Eval<'_>, prim: Prim, [a, b, c]: [Thunk; 3]) -> Option<Value> {
    use Prim as P;
    Some(match prim {
        P::Map => {
            let Value::List(items) = eval.force(b) else {
                return None;
            };
            let mapped = items
                .iter()
                .map(|item| match item {
                    Item::One(x) => Item::One(call1(eval, a, *x)),
                    Item::Splice(rest) => {
                        let map = eval.ready(Value::Prim(super::Prim::List(P::Map), Rc::from([a])));
                        Item::Splice(eval.thunk(Code::Call(map, *rest)))
                    }
                })
                .collect();
            Value::List(mapped)
        }
        P::Filter => {
            let mut kept = Vec::new();
            for item in known(eval, b)? {
                let test = call1(eval, a, item);
                if truth(eval, test)? {
                    kept.push(item);
                }
            }
            Value::list(kept)
        }
        P::FoldLeft => {
            let mut acc = b;
            for item in known(eval, c)? {
                acc = call2(eval, a, acc, item);
            }
            eval.force(acc)
        }
        P::FoldRight => {
            let mut acc = b;
            for item in known(eval, c)?.into_iter().rev() {
                acc = call2(eval, a, item, acc);
            }
            eval.force(acc)
        }
        P::ConcatMap => {
            let mut out = Vec::new();
            for item in known(eval, b)? {
                let list = call1(eval, a, item);
                out.extend(eval.items(list));
            }
            Value::List(out.into())
        }
        P::ConcatLists => {
            let mut out = Vec::new();
            for list in known(eval, a)? {
                out.extend(eval.items(list));
            }
            Value::List(out.into())
        }
        P::Flatten => {
            let mut out = Vec::new();
            flatten(eval, a, &mut out, 0)?;
            Value::List(out.into())
        }
        P::Elem => {
            let mut unknown = false;
            for item in known(eval, b)? {
                match eval.equal(a, item, 0) {
                    Some(true) => return Some(Value::Bool(true)),
                    Some(false) => {}
                    None => unknown = true,
                }
            }
            if unknown {
                return None;
            }
            Value::Bool(false)
        }
        P::ElemAt => {
            let items = known(eval, a)?;
            let Value::Int(index) = eval.force(b) else {
                return None;
            };
            let item = *items.get(usize::try_from(index).ok()?)?;
            eval.force(item)
        }
        P::Head => {
            let item = *known(eval, a)?.first()?;
            eval.force(item)
        }
        P::Last => {
            let item = *known(eval, a)?.last()?;
            eval.force(item)
        }
        P::Tail => Value::list(known(eval, a)?.get(1..)?.iter().copied()),
        P::Length => Value::Int(i64::try_from(known(eval, a)?.len()).ok()?),
        P::Reverse => Value::list(known(eval, a)?.into_iter().rev()),
        P::Any | P::All => {
            for item in known(eval, b)? {
                let test = call1(eval, a, item);
                if truth(eval, test)? == (prim == P::Any) {
                    return Some(Value::Bool(prim == P::Any));
                }
            }
            Value::Bool(prim == P::All)
        }
        P::Range => {
            let (Value::Int(from), Value::Int(to)) = (eval.force(a), eval.force(b)) else {
                return None;
            };
            if to.checked_sub(from)? > 100_000 {
                return None;
            }
            let items: Vec<Thunk> = (from..=to).map(|n| eval.ready(Value::Int(n))).collect();
            Value::list(items)
        }
        P::GenList => {
            let Value::Int(count) = eval.force(b) else {
                return None;
            };
            if !(0..=100_000).contains(&count) {
                return None;
            }
            let mut items = Vec::new();
            for n in 0..count {
                let n = eval.ready(Value::Int(n));
                items.push(call1(eval, a, n));
            }
            Value::list(items)
        }
        P::Imap0 | P::Imap1 => {
            let mut out = Vec::new();
            for (index, item) in (i64::from(prim == P::Imap1)..).zip(known(eval, b)?) {
                let index = eval.ready(Value::Int(index));
                out.push(call2(eval, a, index, item));
            }
            Value::list(out)
        }
        P::Singleton => Value::list([a]),
        P::Unique => {
            let mut kept: Vec<Thunk> = Vec::new();
            for item in known(eval, a)? {
                let mut double = false;
                for other in &kept {
                    double |= eval.equal(*other, item, 0)?;
                }
                if !double {
                    kept.push(item);
                }
            }
            Value::list(kept)
        }
        P::SubtractLists => {
            let without = known(eval, a)?;
            let mut kept = Vec::new();
            for item in known(eval, b)? {
                let mut found = false;
                for other in &without {
                    found |= eval.equal(*other, item, 0)?;
                }
                if !found {
                    kept.push(item);
                }
            }
            Value::list(kept)
        }
        P::ZipListsWith => {
            let (left, right) = (known(eval, b)?, known(eval, c)?);
            let zipped: Vec<Thunk> = left
                .into_iter()
                .zip(right)
                .map(|(x, y)| call2(eval, a, x, y))
                .collect();
            Value::list(zipped)
        }
        P::Optional => Value::list(truth(eval, a)?.then_some(b)),
        P::Optionals => {
            if truth(eval, a)? {
                eval.force(b)
            } else {
                Value::list([])
            }
        }
    })
}

fn flatten(eval: &mut Eval<'_>, thunk: Thunk, out: &mut Vec<Item>, depth: u32) -> Option<()> {
    if depth > 64 {
        return None;
    }
    match eval.force(thunk) {
        Value::List(items) => {
            for item in items.iter() {
                match item {
                    Item::One(inner) => flatten(eval, *inner, out, depth + 1)?,
                    Item::Splice(rest) => out.push(Item::Splice(*rest)),
                }
            }
        }
        _ => out.push(Item::One(thunk)),
    }
    Some(())
}
