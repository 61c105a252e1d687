//! Functions of strings.

use super::{call1, known, str_thunk, text, truth};
use crate::model::eval::{Eval, path_text};
use crate::model::value::{Thunk, Value};

prims! {
    ConcatStringsSep 2 "concatStringsSep";
    ConcatMapStringsSep 3 "concatMapStringsSep";
    ConcatStrings 1 "concatStrings";
    ConcatMapStrings 2 "concatMapStrings";
    OptionalString 2 "optionalString";
    HasSuffix 2 "hasSuffix";
    HasPrefix 2 "hasPrefix";
    HasInfix 2 "hasInfix";
    RemoveSuffix 2 "removeSuffix";
    RemovePrefix 2 "removePrefix";
    SplitString 2 "splitString";
    StringLength 1 "stringLength";
    ToLower 1 "toLower";
    ToUpper 1 "toUpper";
    ReplaceStrings 3 "replaceStrings";
    ToString 1 "toString";
}

/// The value of a call with all arguments; `None` if not enough of them is known.
pub(super) fn run(eval: &mut Eval<'_>, prim: Prim, [a, b, c]: [Thunk; 3]) -> Option<Value> {
    use Prim as P;
    Some(match prim {
        P::ConcatStringsSep => {
            let separator = text(eval, a)?;
            let mut parts = Vec::new();
            for item in known(eval, b)? {
                parts.push(text(eval, item)?.to_string());
            }
            Value::str(&parts.join(&separator))
        }
        P::ConcatMapStringsSep => {
            let separator = text(eval, a)?;
            let mut parts = Vec::new();
            for item in known(eval, c)? {
                let item = call1(eval, b, item);
                parts.push(text(eval, item)?.to_string());
            }
            Value::str(&parts.join(&separator))
        }
        P::ConcatStrings | P::ConcatMapStrings => {
            let mut out = String::new();
            for item in known(eval, if prim == P::ConcatStrings { a } else { b })? {
                let item = if prim == P::ConcatStrings {
                    item
                } else {
                    call1(eval, a, item)
                };
                out.push_str(&text(eval, item)?);
            }
            Value::str(&out)
        }
        P::OptionalString => {
            if truth(eval, a)? {
                eval.force(b)
            } else {
                Value::str("")
            }
        }
        P::HasSuffix => {
            let suffix = text(eval, a)?;
            match eval.force(b) {
                Value::Str(whole) => Value::Bool(whole.ends_with(&*suffix)),
                // What stands before the tree's own place is not known.
                Value::Place(whole) if suffix.len() <= whole.len() => {
                    Value::Bool(whole.ends_with(&*suffix))
                }
                Value::Path(path) if suffix.len() <= path.as_str().len() => {
                    Value::Bool(path.as_str().ends_with(&*suffix))
                }
                _ => return None,
            }
        }
        P::HasPrefix => Value::Bool(text(eval, b)?.starts_with(&*text(eval, a)?)),
        P::HasInfix => Value::Bool(text(eval, b)?.contains(&*text(eval, a)?)),
        P::RemoveSuffix => {
            let (suffix, text) = (text(eval, a)?, text(eval, b)?);
            Value::str(text.strip_suffix(&*suffix).unwrap_or(&text))
        }
        P::RemovePrefix => {
            let (prefix, text) = (text(eval, a)?, text(eval, b)?);
            Value::str(text.strip_prefix(&*prefix).unwrap_or(&text))
        }
        P::SplitString => {
            let (separator, text) = (text(eval, a)?, text(eval, b)?);
            if separator.is_empty() {
                return None;
            }
            let parts: Vec<Thunk> = text
                .split(&*separator)
                .map(|part| str_thunk(eval, part))
                .collect();
            Value::list(parts)
        }
        P::StringLength => Value::Int(i64::try_from(text(eval, a)?.len()).ok()?),
        P::ToLower => Value::str(&text(eval, a)?.to_ascii_lowercase()),
        P::ToUpper => Value::str(&text(eval, a)?.to_ascii_uppercase()),
        P::ReplaceStrings => {
            let (from, to) = (known(eval, a)?, known(eval, b)?);
            let ([from], [to]) = (from.as_slice(), to.as_slice()) else {
                return None;
            };
            let (from, to) = (text(eval, *from)?, text(eval, *to)?);
            if from.is_empty() {
                return None;
            }
            Value::str(&text(eval, c)?.replace(&*from, &to))
        }
        P::ToString => match eval.force(a) {
            Value::Str(text) => Value::Str(text),
            Value::Int(number) => Value::str(&number.to_string()),
            Value::Bool(true) => Value::str("1"),
            Value::Bool(false) | Value::Null => Value::str(""),
            Value::Path(path) => Value::Place(path_text(&path)),
            Value::Place(text) => Value::Place(text),
            _ => return None,
        },
    })
}
