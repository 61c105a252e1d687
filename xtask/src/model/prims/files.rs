//! Functions of paths and of what stands there.

use std::rc::Rc;

use super::{str_thunk, text};
use crate::model::eval::{Eval, path_text, place_path};
use crate::model::value::{Attribute, Set, Thunk, Value};
use crate::syntax::hir::Name;
use crate::tree::Kind;

prims! {
    ReadDir 1 "readDir";
    ReadFile 1 "readFile";
    FileContents 1 "fileContents";
    PathExists 1 "pathExists";
    Import 1 "import";
    ListFilesRecursive 1 "listFilesRecursive";
    PathAppend 2 "append";
    FromToml 1 "fromTOML";
    FromJson 1 "fromJSON";
    ImportToml 1 "importTOML";
    ImportJson 1 "importJSON";
    BaseNameOf 1 "baseNameOf";
    DirOf 1 "dirOf";
}

/// The value of a call with all arguments; `None` if not enough of them is known.
pub(super) fn run(eval: &mut Eval<'_>, prim: Prim, [a, b, _]: [Thunk; 3]) -> Option<Value> {
    use Prim as P;
    Some(match prim {
        P::ReadDir => {
            let path = eval.place(a)?;
            let tree = eval.files.tree;
            let path = tree.resolve(&path).ok()?;
            if !tree.is_directory(&path) {
                return None;
            }
            let mut out = Set::default();
            for (name, kind) in tree.list(&path) {
                let kind = match kind {
                    None => "directory",
                    Some(Kind::Symlink) => "symlink",
                    Some(_) => "regular",
                };
                let value = str_thunk(eval, kind);
                out.fixed
                    .insert(Name::from(name), Attribute { value, at: None });
            }
            Value::Set(Rc::new(out))
        }
        P::ReadFile | P::FileContents => {
            let path = eval.place(a)?;
            let content = eval.files.tree.text(&path).ok()?;
            eval.used.push(path);
            let trimmed = match prim {
                P::FileContents => content.strip_suffix('\n'),
                _ => None,
            };
            Value::str(trimmed.unwrap_or(&content))
        }
        P::PathExists => {
            let path = eval.place(a)?;
            let tree = eval.files.tree;
            let exists = tree
                .resolve(&path)
                .is_ok_and(|place| tree.entry(&place).is_some() || tree.is_directory(&place));
            Value::Bool(exists)
        }
        P::Import => {
            let path = eval.place(a)?;
            match eval.import(&path) {
                Ok(thunk) => eval.force(thunk),
                Err(why) => Value::unknown(&why),
            }
        }
        P::ListFilesRecursive => {
            let path = eval.place(a)?;
            let tree = eval.files.tree;
            let paths: Vec<_> = tree.below(&path).map(|(path, _)| path.clone()).collect();
            let items: Vec<Thunk> = paths
                .into_iter()
                .map(|path| eval.ready(Value::Path(path)))
                .collect();
            Value::list(items)
        }
        P::PathAppend => {
            let path = eval.place(a)?;
            let rest = text(eval, b)?;
            Value::Path(path.join(&rest)?)
        }
        P::FromToml | P::ImportToml => {
            let text = if prim == P::FromToml {
                text(eval, a)?.to_string()
            } else {
                let path = eval.place(a)?;
                eval.used.push(path.clone());
                eval.files.tree.text(&path).ok()?
            };
            let table: toml::Table = text.parse().ok()?;
            from_toml(eval, &toml::Value::Table(table))?
        }
        P::FromJson | P::ImportJson => {
            let text = if prim == P::FromJson {
                text(eval, a)?.to_string()
            } else {
                let path = eval.place(a)?;
                eval.used.push(path.clone());
                eval.files.tree.text(&path).ok()?
            };
            from_json(eval, &serde_json::from_str(&text).ok()?)?
        }
        P::BaseNameOf => match eval.force(a) {
            Value::Path(path) => Value::str(path.file_name()?),
            Value::Place(text) => {
                let path = place_path(&text)?;
                Value::str(path.file_name()?)
            }
            Value::Str(text) => Value::str(text.trim_end_matches('/').rsplit('/').next()?),
            _ => return None,
        },
        P::DirOf => match eval.force(a) {
            Value::Path(path) => Value::Path(path.parent()?),
            Value::Place(text) => {
                let parent = place_path(&text)?.parent()?;
                Value::Place(path_text(&parent))
            }
            _ => return None,
        },
    })
}

fn from_toml(eval: &mut Eval<'_>, value: &toml::Value) -> Option<Value> {
    Some(match value {
        toml::Value::String(text) => Value::str(text),
        toml::Value::Integer(number) => Value::Int(*number),
        toml::Value::Float(number) => Value::Float(*number),
        toml::Value::Boolean(value) => Value::Bool(*value),
        toml::Value::Datetime(_) => return None,
        toml::Value::Array(items) => {
            let mut out = Vec::new();
            for item in items {
                let item = from_toml(eval, item)?;
                out.push(eval.ready(item));
            }
            Value::list(out)
        }
        toml::Value::Table(table) => {
            let mut out = Set::default();
            for (name, item) in table {
                let item = from_toml(eval, item)?;
                let value = eval.ready(item);
                out.fixed
                    .insert(Name::from(name.as_str()), Attribute { value, at: None });
            }
            Value::Set(Rc::new(out))
        }
    })
}

fn from_json(eval: &mut Eval<'_>, value: &serde_json::Value) -> Option<Value> {
    Some(match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::String(text) => Value::str(text),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64()?),
        },
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Array(items) => {
            let mut out = Vec::new();
            for item in items {
                let item = from_json(eval, item)?;
                out.push(eval.ready(item));
            }
            Value::list(out)
        }
        serde_json::Value::Object(table) => {
            let mut out = Set::default();
            for (name, item) in table {
                let item = from_json(eval, item)?;
                let value = eval.ready(item);
                out.fixed
                    .insert(Name::from(name.as_str()), Attribute { value, at: None });
            }
            Value::Set(Rc::new(out))
        }
    })
}
