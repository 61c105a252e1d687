//! Collecting the modules of one evaluation, by the module system's own rules.
//!
//! Modules are the breadth-first walk of the import tree, first occurrence per
//! key; definitions merge in the reverse of that order.

mod arguments;
mod shape;

use std::collections::VecDeque;
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::eval::{Eval, path_text, place_path};
use super::term::Term;
use super::value::{Attribute, Code, Item, Set, Thunk, Unit, Value};
use crate::syntax::hir::{Name, Range};
use crate::tree::TreePath;
pub use arguments::Arguments;
use shape::{RESERVED, is_special, is_structured, unsupported};

/// Most modules of one evaluation; real hosts have a few hundred of their own.
const MODULES: usize = 20_000;
/// Deepest nesting of imports; an import that makes ever new modules ends here.
const LEVELS: usize = 200;

/// Where a module comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file of the tree.
    File(TreePath),
    /// Written where it is imported.
    Inline(TreePath, Range),
    /// Not followed: what it is, and why.
    Opaque(Term, String),
}

/// One module as the module system sees it.
#[derive(Debug, Clone)]
pub struct Module {
    /// What it is told apart by.
    pub key: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Key of the module that imports it; `None` in the evaluation's own list.
    pub parent: Option<String>,
    /// Place of the element in the list that imports it.
    pub index: usize,
    /// Steps from the evaluation's own list.
    pub level: usize,
    /// Its configuration; `None` for an opaque module.
    pub(super) config: Option<Thunk>,
    /// Its option declarations.
    pub(super) options: Option<Thunk>,
    pub(super) imports: Vec<Item>,
    /// Nix refuses it, whatever else there is: the host does not evaluate.
    pub refused: bool,
    /// Keys and terms it disables.
    pub disabled: Vec<(Option<String>, Term)>,
    /// Reserved attributes that matter beside these: `freeformType`, `_file`, ….
    pub(super) extra: Vec<(Name, Thunk)>,
}

/// A module where it is imported.
#[derive(Clone)]
struct Occurrence {
    /// What it is made of: equal for occurrences of one file. Modules that are
    /// given one key by their authors still differ here.
    identity: Rc<str>,
    module: Rc<Module>,
}

/// All modules of an evaluation in the order of the walk.
pub fn collect(eval: &mut Eval<'_>, list: Vec<Item>, args: &mut Arguments) -> Vec<Module> {
    // What a module disables counts wherever it stands, even below a module that is
    // itself disabled, or that counts for nothing beside another of the same key.
    let mut disabled = FxHashSet::default();
    let roots = load_all(eval, &list, None, 0, args);
    let mut queue: VecDeque<Occurrence> = roots.iter().cloned().collect();
    let mut children: FxHashMap<Rc<str>, Vec<Occurrence>> = FxHashMap::default();
    while let Some(own) = queue.pop_front() {
        let module = &own.module;
        if children.contains_key(&own.identity) || children.len() > MODULES || module.level > LEVELS
        {
            continue;
        }
        disabled.extend(module.disabled.iter().filter_map(|(key, _)| key.clone()));
        let imports = load_all(eval, &module.imports, Some(&own), module.level + 1, args);
        queue.extend(imports.iter().cloned());
        children.insert(own.identity, imports);
    }
    // The walk itself.
    let mut seen = FxHashSet::default();
    let mut order = Vec::new();
    let mut queue: VecDeque<(Occurrence, usize)> =
        roots.into_iter().map(|root| (root, 0)).collect();
    while let Some((Occurrence { identity, module }, level)) = queue.pop_front() {
        if disabled.contains(&module.key) || !seen.insert(module.key.clone()) {
            continue;
        }
        for child in children.get(&identity).into_iter().flatten() {
            queue.push_back((child.clone(), level + 1));
        }
        order.push(Module {
            level,
            ..(*module).clone()
        });
    }
    order
}

fn origin_file(module: &Module) -> Option<&TreePath> {
    match &module.origin {
        Origin::File(path) | Origin::Inline(path, _) => Some(path),
        Origin::Opaque(..) => None,
    }
}

fn load_all(
    eval: &mut Eval<'_>,
    items: &[Item],
    parent: Option<&Occurrence>,
    level: usize,
    args: &mut Arguments,
) -> Vec<Occurrence> {
    let key = parent.map(|parent| parent.module.key.as_str());
    let file = parent.and_then(|parent| origin_file(&parent.module));
    items
        .iter()
        .enumerate()
        .map(|(index, item)| {
            let anonymous = |of: Option<&str>| format!("{}:anon-{}", of.unwrap_or(""), index + 1);
            let own = anonymous(parent.map(|parent| &*parent.identity));
            let (identity, mut module) = match item {
                Item::One(thunk) => match place_of(eval, *thunk) {
                    Some((path, own)) => (own.clone(), load_file(eval, *thunk, &path, own, args)),
                    None => {
                        let file = file.cloned().unwrap_or_else(TreePath::root);
                        (own, unify(eval, *thunk, anonymous(key), &file, args))
                    }
                },
                Item::Splice(thunk) => {
                    let why = reason(eval, *thunk);
                    (own, opaque(eval, *thunk, anonymous(key), &why))
                }
            };
            module.parent = key.map(str::to_owned);
            module.index = index;
            module.level = level;
            Occurrence {
                identity: identity.into(),
                module: Rc::new(module),
            }
        })
        .collect()
}

fn reason(eval: &mut Eval<'_>, thunk: Thunk) -> String {
    match eval.force(thunk) {
        Value::Opaque(opaque) => opaque.why.to_string(),
        _ => "it is no list of modules".to_owned(),
    }
}

fn opaque(eval: &mut Eval<'_>, thunk: Thunk, key: String, why: &str) -> Module {
    let term = eval.term(thunk);
    Module {
        origin: Origin::Opaque(term, why.to_owned()),
        ..empty(key)
    }
}

const NO_MODULE: &str = "it is neither a set nor a function";

fn refused(eval: &mut Eval<'_>, thunk: Thunk, key: String, why: &str) -> Module {
    Module {
        refused: true,
        ..opaque(eval, thunk, key, why)
    }
}

fn empty(key: String) -> Module {
    Module {
        key,
        origin: Origin::Inline(TreePath::root(), (0, 0)),
        parent: None,
        index: 0,
        level: 0,
        config: None,
        options: None,
        imports: Vec::new(),
        refused: false,
        disabled: Vec::new(),
        extra: Vec::new(),
    }
}

/// The file that an import names, and the key that it has by that.
fn place_of(eval: &mut Eval<'_>, thunk: Thunk) -> Option<(TreePath, String)> {
    match eval.force(thunk) {
        Value::Path(path) => {
            let key = path_text(&path).to_string();
            Some((path, key))
        }
        // A string is its own key, however it is spelt.
        Value::Place(text) => {
            let path = place_path(&text).unwrap_or_else(TreePath::root);
            Some((path, text.to_string()))
        }
        _ => None,
    }
}

fn load_file(
    eval: &mut Eval<'_>,
    thunk: Thunk,
    path: &TreePath,
    key: String,
    args: &mut Arguments,
) -> Module {
    match eval
        .files
        .module_file(path)
        .and_then(|place| Ok((eval.import(path)?, place)))
    {
        Ok((content, place)) => {
            let module = unify(eval, content, key, &place, args);
            Module {
                origin: replace_file(module.origin.clone(), &place),
                ..module
            }
        }
        Err(why) => opaque(eval, thunk, key, &why),
    }
}

fn replace_file(origin: Origin, place: &TreePath) -> Origin {
    match origin {
        Origin::Opaque(term, why) => Origin::Opaque(term, why),
        _ => Origin::File(place.clone()),
    }
}

fn place(eval: &Eval<'_>, thunk: Thunk, file: &TreePath) -> Origin {
    match &eval.cells[thunk.0 as usize].code {
        Code::Expr(unit, expr, _) => {
            let (path, file) = eval.unit_file(*unit);
            Origin::Inline(path.clone(), file.range(*expr))
        }
        _ => Origin::Inline(file.clone(), (0, 0)),
    }
}

fn unify(
    eval: &mut Eval<'_>,
    thunk: Thunk,
    key: String,
    file: &TreePath,
    args: &mut Arguments,
) -> Module {
    let mut content = thunk;
    // `args: …` may return a function only by mistake; one call is what Nix does.
    if let Value::Lambda(closure) = eval.force(thunk) {
        if let Some(name) = args.unexpected(&closure.param) {
            let why = format!("it is given `{name}`, and takes neither that nor `...`");
            return refused(eval, thunk, key, &why);
        }
        let argument = args.for_function(eval, &closure.param);
        content = eval.thunk(Code::Call(thunk, argument));
    }
    let origin = place(eval, thunk, file);
    match eval.force(content) {
        Value::Set(set) if is_special(&set) => {
            opaque(eval, thunk, key, "a set with `__functor` or `_type`")
        }
        Value::Set(set) if set.dynamic.is_empty() || !is_structured(&set) => {
            match unsupported(&set) {
                Some(name) => {
                    let why = format!("it has `config` or `options`, and `{name}` beside them");
                    refused(eval, thunk, key, &why)
                }
                None => from_set(eval, &set, content, key, origin),
            }
        }
        // `mkMerge [ … ]` or `mkIf c { … }` as a whole module is configuration.
        Value::Property(_) => Module {
            origin,
            config: Some(content),
            ..empty(key)
        },
        Value::Opaque(why) => opaque(eval, thunk, key, &why.why),
        Value::Update(..) => opaque(eval, thunk, key, "a set that is only partly known"),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::List(_)
        | Value::Lambda(_) => refused(eval, thunk, key, NO_MODULE),
        _ => opaque(eval, thunk, key, NO_MODULE),
    }
}

fn from_set(
    eval: &mut Eval<'_>,
    set: &Rc<Set>,
    content: Thunk,
    key: String,
    origin: Origin,
) -> Module {
    let mut module = Module {
        origin,
        ..empty(key)
    };
    let get = |name: &str| set.fixed.get(name).map(|attribute| attribute.value);
    if is_structured(set) {
        module.config = get("config");
        module.options = get("options");
        module
            .extra
            .extend(get("meta").map(|meta| (Name::from("meta"), meta)));
    } else {
        let mut config = (**set).clone();
        config.fixed.retain(|name, _| !RESERVED.contains(&&**name));
        module.config = if config.fixed.len() == set.fixed.len() {
            Some(content)
        } else {
            Some(eval.ready(Value::Set(Rc::new(config))))
        };
    }
    for name in ["freeformType", "_file", "_class"] {
        module
            .extra
            .extend(get(name).map(|thunk| (Name::from(name), thunk)));
    }
    if let Some(own) = get("key") {
        match eval.force(own) {
            Value::Str(own) => module.key = own.to_string(),
            Value::Path(path) => module.key = path_text(&path).to_string(),
            Value::Place(text) => module.key = text.to_string(),
            _ => {
                let term = eval.term(own);
                module.key = format!("key:{:?}", term.digest());
            }
        }
    }
    for imports in [get("require"), get("imports")].into_iter().flatten() {
        module.imports.extend(eval.items(imports));
    }
    if let Some(disabled) = get("disabledModules") {
        for item in eval.items(disabled) {
            let (Item::One(thunk) | Item::Splice(thunk)) = item;
            let key = disabled_key(eval, thunk);
            let term = eval.term(thunk);
            module.disabled.push((key, term));
        }
    }
    module
}

fn disabled_key(eval: &mut Eval<'_>, thunk: Thunk) -> Option<String> {
    match eval.force(thunk) {
        Value::Path(path) => Some(path_text(&path).to_string()),
        Value::Place(text) => Some(text.to_string()),
        Value::Str(text) if text.starts_with('/') => Some(text.to_string()),
        Value::Set(set) => match eval.force(set.fixed.get("key")?.value) {
            Value::Str(text) => Some(text.to_string()),
            Value::Path(path) => Some(path_text(&path).to_string()),
            Value::Place(text) => Some(text.to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// Where the binding of an attribute stands.
pub(super) fn binding_place(eval: &Eval<'_>, attribute: &Attribute) -> Option<(TreePath, Range)> {
    let (unit, range): (Unit, Range) = attribute.at?;
    Some((eval.unit_file(unit).0.clone(), range))
}
