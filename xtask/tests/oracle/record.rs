//! The independent oracle: what real `lib.evalModules` records of a host's
//! definitions while it knows no option, against what the model says of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};
use xtask::model::term::{Key, ParamTerm, Term, TermKind};
use xtask::model::{Declaration, Fleet, Host, Origin, Resolved};
use xtask::options::{OptionTable, OptionType, PathKind, View};
use xtask::syntax::hir::{Attr, BinaryOp, Bound, Expr, ExprId, File, Param, Part, UnaryOp};
use xtask::tree::Tree;

use crate::evaluate::{Evaluator, GAP, Lazy, Value, World};
use crate::merge::rebuild;
use crate::nix;

/// What stands in for inputs and packages of one tree.
pub struct Stubs {
    directory: tempfile::TempDir,
    /// Attributes that every stand-in has.
    names: RefCell<BTreeSet<String>>,
    /// `names.json`, but for the names.
    known: Json,
    /// Of each host what is left out: it fails in a way that ends an evaluation,
    /// as stand-ins of the wrong kind do.
    left: RefCell<BTreeMap<String, BTreeSet<String>>>,
    booleans: BTreeSet<String>,
    lists: BTreeSet<String>,
    strings: BTreeSet<String>,
}

/// Most things that are left out of one host's record.
const ATTEMPTS: usize = 150;

/// Names that mean something to the module system or to Nix itself.
const NEVER: [&str; 6] = ["_type", "_module", "key", "outPath", "imports", "_file"];

/// Whether stand-ins may have an attribute of this name. Their own marks are not of
/// the tree, though this tree mentions them.
fn may_be_mentioned(name: &str) -> bool {
    !NEVER.contains(&name) && !name.starts_with("__") && !name.starts_with('<')
}

/// What a tree mentions, and how.
#[derive(Default)]
struct Mentions {
    selected: BTreeSet<String>,
    variables: BTreeSet<String>,
    formals: BTreeSet<String>,
    texts: BTreeSet<String>,
    /// Last names of what is used as a condition, or as a list.
    booleans: BTreeSet<String>,
    lists: BTreeSet<String>,
    /// Last names of what is used as the name of an attribute.
    strings: BTreeSet<String>,
    /// Names that something is selected from: sets, whatever else they look like.
    inner: BTreeSet<String>,
}

/// The last name of a selection.
fn last_name(file: &File, id: ExprId) -> Option<String> {
    match file.expr(id) {
        Expr::Select(_, attributes, None) => match attributes.last()? {
            Attr::Name(name) => Some(name.to_string()),
            Attr::Expr(_) => None,
        },
        // A local that stands for a selection.
        Expr::Var(name) => file.exprs().find_map(|expr| match expr {
            Expr::Let(bindings, _) => bindings.fixed.iter().find_map(|own| match own.bound {
                Bound::Expr(bound) if own.name == *name && bound != id => match file.expr(bound) {
                    Expr::Select(..) => last_name(file, bound),
                    _ => None,
                },
                Bound::InheritFrom(_) if own.name == *name => Some(name.to_string()),
                _ => None,
            }),
            _ => None,
        }),
        _ => None,
    }
}

/// The function that a call or a part of it calls.
fn callee(file: &File, id: ExprId) -> Option<String> {
    match file.expr(id) {
        Expr::Var(name) => Some(name.to_string()),
        Expr::Apply(function, _) => callee(file, *function),
        _ => last_name(file, id),
    }
}

fn is_library(file: &File, id: ExprId) -> bool {
    matches!(file.expr(id), Expr::Var(name) if matches!(&**name, "lib" | "builtins" | "l"))
        || last_name(file, id).is_some_and(|name| name == "lib")
}

impl Mentions {
    fn look_at(&mut self, file: &File, expr: &Expr) {
        match expr {
            Expr::Select(base, attributes, _) | Expr::HasAttr(base, attributes) => {
                let mut library = is_library(file, *base);
                let path = attributes.split_last().map_or(&[][..], |(_, path)| path);
                self.inner
                    .extend(path.iter().filter_map(|attribute| match attribute {
                        Attr::Name(name) => Some(name.to_string()),
                        Attr::Expr(_) => None,
                    }));
                self.inner.extend(last_name(file, *base));
                for attribute in attributes {
                    let name = match attribute {
                        Attr::Name(name) => name,
                        Attr::Expr(expr) => {
                            self.strings.extend(last_name(file, *expr));
                            continue;
                        }
                    };
                    if !library {
                        self.selected.insert(name.to_string());
                    }
                    library |= &**name == "lib";
                }
            }
            Expr::Var(name) => {
                self.variables.insert(name.to_string());
            }
            Expr::Str(parts) => self
                .texts
                .extend(parts.iter().filter_map(|part| match part {
                    Part::Text(text) => Some(text.to_string()),
                    Part::Expr(_) => None,
                })),
            Expr::Set { bindings, .. } | Expr::Let(bindings, _) => {
                for (name, ..) in &bindings.dynamic {
                    self.strings.extend(last_name(file, *name));
                }
                for binding in &bindings.fixed {
                    if let Bound::InheritFrom(from) = binding.bound
                        && !is_library(file, from)
                    {
                        self.selected.insert(binding.name.to_string());
                    }
                }
            }
            Expr::Lambda(Param::Set { formals, .. }, _) => {
                self.formals
                    .extend(formals.iter().map(|(name, _)| name.to_string()));
            }
            Expr::If(condition, ..) | Expr::Unary(UnaryOp::Invert, condition) => {
                self.booleans.extend(last_name(file, *condition));
            }
            Expr::Binary(BinaryOp::And | BinaryOp::Or | BinaryOp::Implication, a, b) => {
                self.booleans.extend(last_name(file, *a));
                self.booleans.extend(last_name(file, *b));
            }
            Expr::Binary(BinaryOp::Concat, a, b) => {
                self.lists.extend(last_name(file, *a));
                self.lists.extend(last_name(file, *b));
            }
            Expr::Apply(function, argument) => {
                let argument = last_name(file, *argument);
                match callee(file, *function).as_deref() {
                    Some("optional" | "optionals" | "optionalString" | "optionalAttrs") => {
                        self.booleans.extend(argument);
                    }
                    Some(
                        "map"
                        | "concatMap"
                        | "filter"
                        | "concatStringsSep"
                        | "head"
                        | "any"
                        | "all"
                        | "elem"
                        | "length"
                        | "concatMapStringsSep"
                        | "forEach"
                        | "concatMapStrings"
                        | "genAttrs"
                        | "listToAttrs"
                        | "flatten"
                        | "concatLists",
                    ) => self.lists.extend(argument),
                    Some(
                        "removeSuffix" | "removePrefix" | "hasPrefix" | "hasSuffix" | "hasInfix"
                        | "splitString" | "toUpper" | "toLower" | "nameValuePair" | "fromJSON"
                        | "replaceStrings" | "escapeShellArg" | "stringLength" | "match",
                    ) => self.strings.extend(argument),
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

impl Stubs {
    /// Stand-ins with all names that the tree mentions.
    pub fn new(tree: &Tree, library: &Path) -> Result<Self, String> {
        let mut found = Mentions::default();
        let mut inputs = BTreeSet::new();
        for (path, _) in tree.files() {
            if !path.as_str().ends_with(".nix") {
                continue;
            }
            let Ok(text) = tree.text(path) else { continue };
            let file = xtask::syntax::lower(text.into());
            for expr in file.exprs() {
                found.look_at(&file, expr);
                if path.as_str() == "flake.nix"
                    && let Expr::Set { bindings, .. } = expr
                {
                    inputs.extend(bindings.fixed.iter().map(|own| own.name.to_string()));
                }
            }
        }
        let Mentions {
            selected,
            variables,
            formals,
            texts,
            mut booleans,
            mut lists,
            mut strings,
            inner,
        } = found;
        booleans.insert("enable".to_owned());
        booleans.retain(|name| !inner.contains(name));
        lists.retain(|name| !inner.contains(name) && !booleans.contains(name));
        strings.retain(|name| {
            !inner.contains(name) && !booleans.contains(name) && !lists.contains(name)
        });
        inputs.extend(formals.iter().cloned());
        let own = nix::evaluate(
            "library-names.nix",
            &[("library", &library.to_string_lossy())],
        )?;
        let own: BTreeSet<String> =
            serde_json::from_value(own).map_err(|error| error.to_string())?;
        let mut names = selected;
        names.extend(variables.difference(&own).cloned());
        names.extend(formals.iter().cloned());
        names.extend(["x86_64-linux", "aarch64-linux"].map(str::to_owned));
        names.retain(|name| may_be_mentioned(name));
        let mut directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        directory.disable_cleanup(std::env::var_os("FLEET_TEST_KEEP").is_some());
        let known = json!({
            "booleans": booleans,
            "lists": lists,
            "strings": strings,
            "formals": formals
                .iter()
                .filter(|name| !["config", "options", "lib", "pkgs"].contains(&name.as_str()))
                .collect::<Vec<_>>(),
        });
        let root = directory.path();
        let write = |path: PathBuf, text: &str| {
            fs::create_dir_all(path.parent().unwrap_or(root))?;
            fs::write(path, text)
        };
        let files = || -> std::io::Result<()> {
            // Files of inputs and of nixpkgs that are imported by name.
            for text in texts {
                if text.len() > 200 || !text.starts_with('/') || text.contains("..") {
                    continue;
                }
                let plain = |c: char| c.is_ascii_alphanumeric() || "/._+-".contains(c);
                if !text.chars().all(plain) || text.ends_with('/') {
                    continue;
                }
                for place in std::iter::once("modulesPath".to_owned())
                    .chain(inputs.iter().map(|name| format!("inputs.{name}")))
                {
                    let path = root.join(format!("{place}{text}"));
                    if text.ends_with(".nix") {
                        write(path, "{ }")?;
                    } else {
                        write(path.join("default.nix"), "{ }")?;
                    }
                }
            }
            for name in &inputs {
                let text = format!(
                    "import {}/tests/oracle/imported.nix {:?} {:?}",
                    env!("CARGO_MANIFEST_DIR"),
                    library.to_string_lossy(),
                    root.to_string_lossy()
                );
                write(root.join(format!("inputs.{name}/default.nix")), &text)?;
            }
            Ok(())
        };
        files().map_err(|error| error.to_string())?;
        let stubs = Self {
            directory,
            names: RefCell::new(names),
            known,
            left: RefCell::default(),
            booleans,
            lists,
            strings,
        };
        stubs.write_names()?;
        Ok(stubs)
    }

    fn write_names(&self) -> Result<(), String> {
        let mut known = self.known.clone();
        known["names"] = json!(*self.names.borrow());
        fs::write(self.path().join("names.json"), known.to_string())
            .map_err(|error| error.to_string())
    }

    /// How many names are known by now.
    pub fn known(&self) -> usize {
        self.names.borrow().len()
    }

    /// What is left out of a host's record.
    pub fn left_out(&self, host: &str) -> BTreeSet<String> {
        self.left.borrow().get(host).cloned().unwrap_or_default()
    }

    /// Takes from a failure what a next attempt needs; whether there is any hope.
    fn learn(&self, host: &str, trace: &str) -> Result<bool, String> {
        // The longest path is the innermost.
        let deepest = trace
            .match_indices("recording [")
            .filter_map(|(at, _)| {
                let text = &trace[at + "recording ".len()..];
                let mut values =
                    serde_json::Deserializer::from_str(text).into_iter::<Vec<String>>();
                values.next()?.ok()
            })
            .max_by_key(Vec::len)
            .filter(|path| !path.is_empty());
        if let Some(path) = deepest {
            let mut left = self.left.borrow_mut();
            let own = left.entry(host.to_owned()).or_default();
            let path = whole(&path, own);
            return Ok(own.len() < ATTEMPTS && own.insert(json!(path).to_string()));
        }
        let name = ["undefined variable '", "attribute '"]
            .iter()
            .find_map(|start| trace.split_once(start)?.1.split_once('\''))
            .map(|(name, _)| name.to_owned())
            .filter(|name| may_be_mentioned(name));
        let fresh = name.is_some_and(|name| self.names.borrow_mut().insert(name));
        if fresh {
            self.write_names()?;
        }
        Ok(fresh)
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// The path, or the set that it is in when many attributes of that fail.
fn whole<'p>(path: &'p [String], left: &BTreeSet<String>) -> &'p [String] {
    let left: Vec<Vec<String>> = left
        .iter()
        .filter_map(|text| serde_json::from_str(text).ok())
        .collect();
    (2..path.len())
        .rev()
        .map(|depth| &path[..depth])
        .find(|set| {
            let failing: BTreeSet<&String> = left
                .iter()
                .filter(|other| other.starts_with(set))
                .filter_map(|other| other.get(set.len()))
                .collect();
            failing.len() > 3
        })
        .unwrap_or(path)
}

/// How a host is recorded.
#[derive(Clone, Copy)]
pub struct How {
    /// With a path, tell what stands there.
    contents: bool,
    /// After a failure leave out what failed.
    again: bool,
}

/// What Nix records of one host.
pub fn real(
    tree: &Path,
    host: &str,
    declared: &[Declaration],
    stubs: &Stubs,
    library: &Path,
    how: How,
) -> Result<Json, String> {
    let declared: Vec<String> = declared
        .iter()
        .map(|own| {
            let names: Vec<String> = own.path.iter().map(|name| quoted(name)).collect();
            format!("[ {} ]", names.join(" "))
        })
        .collect();
    let declared = format!("[ {} ]", declared.join(" "));
    loop {
        let without: Vec<String> = stubs
            .left_out(host)
            .iter()
            .map(|path| quoted(path))
            .collect();
        let arguments = [
            ("library", &*library.to_string_lossy()),
            ("tree", &tree.to_string_lossy()),
            ("host", &quoted(host)),
            ("contents", if how.contents { "true" } else { "false" }),
            ("declared", &declared),
            ("without", &format!("[ {} ]", without.join(" "))),
            ("stubs", &stubs.path().to_string_lossy()),
        ];
        let why = match nix::evaluate("record.nix", &arguments) {
            Ok(record) => return Ok(record),
            Err(why) => why,
        };
        if !how.again || !stubs.learn(host, &why)? {
            return Err(why);
        }
    }
}

/// A text as a Nix string.
fn quoted(text: &str) -> String {
    format!("{text:?}").replace("${", "\\${")
}

/// The names of the hosts that Nix sees.
pub fn host_names(tree: &Path, stubs: &Stubs, library: &Path) -> Result<Vec<String>, String> {
    let names = nix::evaluate(
        "record.nix",
        &[
            ("library", &library.to_string_lossy()),
            ("tree", &tree.to_string_lossy()),
            ("stubs", &stubs.path().to_string_lossy()),
        ],
    )?;
    serde_json::from_value(names).map_err(|error| error.to_string())
}

/// The world as the stand-ins make it.
struct Outside<'h> {
    host: &'h Host,
    resolved: &'h Resolved<'h>,
    stubs: &'h Stubs,
    root: String,
}

impl Outside<'_> {
    fn follow(&self, way: &str, path: &[&str]) -> (Value, usize) {
        let mut value = Value::Named(way.to_owned());
        for (used, name) in path.iter().enumerate() {
            let Value::Named(way) = &value else {
                return (value, used);
            };
            value = self.member(way, name);
        }
        (value, path.len())
    }
}

impl World for Outside<'_> {
    fn argument(&self, name: &str, path: &[&str]) -> (Value, usize) {
        let library = || Value::Library("lib".to_owned(), Vec::new());
        match (name, path) {
            ("lib", _) | ("inputs" | "pkgs", []) if name == "lib" => (library(), 0),
            ("inputs", ["self", ..] | []) => (Value::Unknown, 0),
            ("inputs", [_, "lib", ..]) => (library(), 2),
            ("inputs", [input, rest @ ..]) => {
                let (value, used) = self.follow(&format!("inputs.{input}"), rest);
                (value, used + 1)
            }
            ("config", _) => {
                for (own, value) in &self.resolved.values {
                    if path.len() >= own.len() && own.iter().zip(path).all(|(a, b)| **a == **b) {
                        let evaluator = Evaluator { world: self };
                        return (evaluator.force(&evaluator.closed(value), 0), own.len());
                    }
                }
                let declared =
                    self.host.declarations.iter().any(|declaration| {
                        declaration.path.iter().zip(path).all(|(a, b)| **a == **b)
                    });
                if declared || path.is_empty() {
                    return (Value::Unknown, 0);
                }
                self.follow("config", path)
            }
            ("modulesPath", _) => (Value::Str(format!("{}/modulesPath", self.root)), 0),
            ("options", _) => (Value::Unknown, 0),
            _ => {
                let key = format!("specialArgs.{name}");
                if let Some((_, term)) = self.host.arguments.iter().find(|(own, _)| *own == key) {
                    let evaluator = Evaluator { world: self };
                    return (evaluator.force(&evaluator.closed(term), 0), 0);
                }
                if name == "pkgs" && path.first() == Some(&"lib") {
                    return (library(), 1);
                }
                let defined = self.host.definitions.iter().any(|definition| {
                    let text = definition.path_text();
                    text == "_module.args" || text == format!("_module.args.{name}")
                });
                if defined {
                    return (Value::Unknown, 0);
                }
                self.follow(name, path)
            }
        }
    }

    fn member(&self, way: &str, name: &str) -> Value {
        let platform = ["Platform", "stdenv", "pkgs", "Packages"];
        let whole = format!("{way}.{name}");
        if name == "system" && platform.iter().any(|end| way.ends_with(end)) {
            Value::Str("x86_64-linux".to_owned())
        } else if name == "hostName" && way.ends_with("networking") {
            Value::Str(self.host.name.clone())
        } else if way.starts_with("inputs.") {
            Value::Named(whole)
        } else if self.stubs.booleans.contains(name) {
            Value::Bool(way.len().is_multiple_of(2))
        } else if self.stubs.lists.contains(name) {
            Value::List(vec![Lazy::done(Value::Named(whole))])
        } else if self.stubs.strings.contains(name) {
            Value::Str(whole)
        } else {
            Value::Named(whole)
        }
    }

    fn text(&self, way: &str) -> Option<String> {
        Some(format!("{}/{way}", self.root))
    }

    fn mentions(&self, name: &str) -> Option<bool> {
        Some(self.stubs.names.borrow().contains(name))
    }
}

/// The same shape from the model's definitions.
pub fn modelled(host: &Host, stubs: &Stubs) -> Json {
    let resolved = Resolved::new(host);
    let world = Outside {
        host,
        resolved: &resolved,
        stubs,
        root: stubs.path().to_string_lossy().into_owned(),
    };
    let evaluator = Evaluator { world: &world };
    let definitions: Vec<Json> = host
        .definitions
        .iter()
        .filter(|definition| !definition.path_text().starts_with("\"<"))
        .map(|definition| match rebuild(&evaluator, definition) {
            Some(value) => record(&evaluator, &value, 0),
            // Nothing is known of what stands where the names end.
            None => {
                let names = definition.path.iter().map_while(|key| match key {
                    Key::Name(name) => Some(name.to_string()),
                    Key::Term(_) => None,
                });
                let names: Vec<String> = names.collect();
                let above = names.into_iter().rev();
                above.fold(wild(), |below, name| json!({ name: below }))
            }
        })
        .collect();
    let arguments = |special: bool| -> Json {
        let mut out = Map::new();
        // What stands beside a host is nothing that it is given.
        let given = host
            .arguments
            .iter()
            .filter(|(name, _)| !name.starts_with("<beside"));
        for (name, term) in given {
            let own = name.strip_prefix("specialArgs.");
            if own.is_some() == special {
                let value = record_term(&evaluator, term);
                out.insert(own.unwrap_or(name).to_owned(), value);
            }
        }
        Json::Object(out)
    };
    json!({
        "definitions": definitions,
        "specialArgs": arguments(true),
        "arguments": arguments(false),
    })
}

fn record_term(evaluator: &Evaluator<'_>, term: &Term) -> Json {
    record(evaluator, &evaluator.closed(term), 0)
}

fn wild() -> Json {
    json!({ "<unknown>": true })
}

fn record(evaluator: &Evaluator<'_>, value: &Lazy, depth: u32) -> Json {
    if depth > 60 {
        return wild();
    }
    let next = |value: &Lazy| record(evaluator, value, depth + 1);
    match evaluator.force(value, 0) {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::Str(text) => json!(text),
        Value::Path(path) => json!({ "<path>": path }),
        Value::Named(way) => json!({ "<stub>": way }),
        Value::Library(name, arguments) if name == "lib" && arguments.is_empty() => {
            json!({ "<stub>": "lib" })
        }
        Value::List(items) => Json::Array(items.iter().map(next).collect()),
        Value::Set(set) => Json::Object(
            set.iter()
                .map(|(name, value)| (name.clone(), next(value)))
                .collect(),
        ),
        Value::If(condition, content) => json!({ "<if>": [next(&condition), next(&content)] }),
        Value::Override(priority, content) => {
            json!({ "<override>": [priority, next(&content)] })
        }
        Value::Order(order, content) => json!({ "<order>": [order, next(&content)] }),
        Value::Merge(contents) => json!({ "<merge>": next(&contents) }),
        Value::Lambda(lambda) => match lambda.parameter() {
            ParamTerm::Set(formals, ..) if !formals.is_empty() => {
                let argument = formals
                    .iter()
                    .map(|(name, _)| {
                        let value = match &**name {
                            "lib" => Value::Library("lib".to_owned(), Vec::new()),
                            "pkgs" => Value::Named("pkgs".to_owned()),
                            name => evaluator.world.member("argument", name),
                        };
                        (name.to_string(), Lazy::done(value))
                    })
                    .collect();
                let argument = Lazy::done(Value::Set(argument));
                let result = evaluator.call(Value::Lambda(lambda), argument, 0);
                json!({ "<call>": next(&Lazy::done(result)) })
            }
            _ => json!({ "<function>": true }),
        },
        Value::Fails => json!({ "<fails>": true }),
        Value::Library(..) | Value::Unknown => wild(),
    }
}

// --- one form for both -----------------------------------------------------

/// A definition at its leaf: properties with the number of components above
/// them, and the value.
pub type Leaf = (Vec<(usize, String, Json)>, Json);

/// Ordered definitions by path.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Leaves {
    pub by_path: BTreeMap<Vec<String>, Vec<Leaf>>,
    /// Where something is not known, or fails: nothing is said of what is there.
    pub unclear: BTreeSet<Vec<String>>,
}

/// Where it is recorded that a module of an input is there.
const MODULE: &str = "<module>";

pub struct Flattening<'v> {
    pub host: &'v Host,
    pub view: View<'v, 'v>,
}

impl Flattening<'_> {
    fn above_options(&self, path: &[String]) -> bool {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        path.is_empty()
            || matches!(
                self.host.path_kind(self.view, &path),
                PathKind::Namespace
                    | PathKind::Inside {
                        element: OptionType::Namespace,
                        ..
                    }
            )
    }

    fn reaches_option(&self, path: &[String]) -> bool {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        self.above_options(path)
            || matches!(self.host.path_kind(self.view, &names), PathKind::Option(_))
    }

    /// Takes recorded definitions apart down to what is no set.
    pub fn flatten(&self, definitions: &Json) -> Leaves {
        let mut leaves = Leaves::default();
        for definition in definitions.as_array().into_iter().flatten() {
            self.walk(definition, &mut Vec::new(), &[], &mut leaves);
        }
        leaves
    }

    fn walk(
        &self,
        value: &Json,
        path: &mut Vec<String>,
        properties: &[(usize, String, Json)],
        out: &mut Leaves,
    ) {
        let with = |kind: &str, of: &Json| {
            let mut properties = properties.to_vec();
            properties.push((path.len(), kind.to_owned(), of.clone()));
            properties
        };
        if let Json::Object(set) = value {
            if set.len() == 1
                && let Some((tag, inner)) = set.iter().next()
            {
                match (tag.as_str(), inner) {
                    // Nothing is defined below a false condition at or above an option.
                    ("<if>", Json::Array(pair))
                        if pair[0] == json!(false) && self.reaches_option(path) =>
                    {
                        return;
                    }
                    ("<if>" | "<override>" | "<order>", Json::Array(pair)) => {
                        let properties = with(tag, &pair[0]);
                        return self.walk(&pair[1], path, &properties, out);
                    }
                    ("<merge>", Json::Array(parts)) => {
                        for part in parts {
                            self.walk(part, path, properties, out);
                        }
                        return;
                    }
                    ("<unknown>" | "<fails>" | "<merge>", _) => {
                        out.unclear.insert(path.clone());
                        return;
                    }
                    ("<recorder>", _) => return,
                    (MODULE, Json::String(way)) => {
                        let path = [MODULE.to_owned(), way.clone()];
                        return self.leaf(&json!(true), &path, properties, out);
                    }
                    _ => {}
                }
            }
            let tagged = set
                .keys()
                .any(|name| name.starts_with('<') && name != "<outPath>");
            if !tagged {
                if set.is_empty() && self.above_options(path) {
                    return;
                }
                if !set.is_empty() {
                    for (name, value) in set {
                        path.push(name.clone());
                        self.walk(value, path, properties, out);
                        path.pop();
                    }
                    return;
                }
            }
        }
        self.leaf(value, path, properties, out);
    }

    fn leaf(
        &self,
        value: &Json,
        path: &[String],
        properties: &[(usize, String, Json)],
        out: &mut Leaves,
    ) {
        let mut normal = Vec::new();
        for (level, kind, of) in properties {
            if kind == "<if>" && *of == json!(true) {
                continue;
            }
            if of.get("<unknown>").is_some() || of.get("<fails>").is_some() {
                out.unclear.insert(path.to_vec());
                return;
            }
            let mut level = *level;
            while level < path.len() && self.above_options(&path[..level]) {
                level += 1;
            }
            normal.push((level, kind.clone(), of.clone()));
        }
        out.by_path
            .entry(path.to_vec())
            .or_default()
            .push((normal, value.clone()));
    }
}

/// How two sides compare.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Leaf definitions that are equal and wholly known.
    pub equal: usize,
    /// Paths of which one side knows nothing certain.
    pub unclear: usize,
    /// Leaf definitions of the model.
    pub modelled: usize,
    pub differences: Vec<String>,
}

/// Whether the model's value is what Nix has, as far as both are known.
fn agrees(model: &Json, real: &Json, gaps: &mut usize) -> bool {
    if model == real {
        return true;
    }
    // The place of the flake is a text of which only the end is known.
    if model.get("<path>") == Some(&json!("/")) && real.is_string() {
        *gaps += 1;
        return true;
    }
    let left_out = ["<fails>", "<unknown>"]
        .iter()
        .any(|tag| real.get(tag).is_some());
    if model.get("<unknown>").is_some() || left_out {
        *gaps += 1;
        return true;
    }
    match (model, real) {
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agrees(a, b, gaps))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| agrees(a, b, gaps)))
        }
        (Json::String(a), Json::String(b)) if a.contains(GAP) => {
            *gaps += 1;
            let mut rest = b.as_str();
            a.split(GAP).all(|part| match rest.find(part) {
                Some(at) => {
                    rest = &rest[at + part.len()..];
                    true
                }
                None => false,
            })
        }
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        _ => false,
    }
}

/// Compares leaf by leaf, in merge order. Where the model says itself that it
/// does not follow some module of the tree, Nix may have more definitions.
pub fn compare(model: &Leaves, real: &Leaves, partial: bool) -> Comparison {
    let mut result = Comparison {
        modelled: model.by_path.values().map(Vec::len).sum(),
        ..Comparison::default()
    };
    let paths: BTreeSet<&Vec<String>> = model.by_path.keys().chain(real.by_path.keys()).collect();
    let unclear: Vec<&Vec<String>> = model.unclear.iter().chain(&real.unclear).collect();
    for path in paths {
        if unclear
            .iter()
            .any(|other| path.starts_with(other) || other.starts_with(path))
        {
            result.unclear += 1;
            continue;
        }
        let none = Vec::new();
        let a = model.by_path.get(path).unwrap_or(&none);
        let b = real.by_path.get(path).unwrap_or(&none);
        let mut gaps = 0;
        let mut pair = |(pa, va): &Leaf, (pb, vb): &Leaf| {
            pa.len() == pb.len()
                && pa.iter().zip(pb).all(|((la, ka, ca), (lb, kb, cb))| {
                    la == lb && ka == kb && agrees(ca, cb, &mut gaps)
                })
                && agrees(va, vb, &mut gaps)
        };
        let same = if partial {
            let mut rest = b.iter();
            a.iter().all(|a| rest.any(|b| pair(a, b)))
        } else {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| pair(a, b))
        };
        // Where the tree declares something near by, the module system itself drops
        // what is defined under a false condition.
        let holds = |leaf: &&Leaf| {
            let (properties, _) = leaf;
            !properties
                .iter()
                .any(|(_, kind, of)| kind == "<if>" && *of == json!(false))
        };
        if !same && b.is_empty() && !a.iter().any(|leaf| holds(&leaf)) {
            result.unclear += 1;
        } else if !same {
            result
                .differences
                .push(format!("{}: model {a:?}\n      real {b:?}", path.join(".")));
        } else if gaps > 0 {
            result.unclear += 1;
        } else {
            result.equal += a.len();
        }
    }
    result
}

fn is_of_input(term: &Term) -> bool {
    match term.kind() {
        TermKind::Input(_) | TermKind::Inputs => true,
        TermKind::Select(base, ..) => is_of_input(base),
        TermKind::Apply(function, _) => is_of_input(function),
        _ => false,
    }
}

/// All that Nix records of a host, in a form in which a set that is written in
/// one piece or in several is the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    pub leaves: Leaves,
    rest: Json,
}

/// Records a host; options that the tree declares count by their effect alone.
pub fn recorded(
    directory: &Path,
    host: &Host,
    view: View<'_, '_>,
    stubs: &Stubs,
    library: &Path,
) -> Result<Recorded, String> {
    record_as(directory, host, view, stubs, library, true)
}

/// The same; a host of which anything fails that did not before is an error.
pub fn recorded_once(
    directory: &Path,
    host: &Host,
    view: View<'_, '_>,
    stubs: &Stubs,
    library: &Path,
) -> Result<Recorded, String> {
    record_as(directory, host, view, stubs, library, false)
}

fn record_as(
    directory: &Path,
    host: &Host,
    view: View<'_, '_>,
    stubs: &Stubs,
    library: &Path,
    again: bool,
) -> Result<Recorded, String> {
    let how = How {
        contents: true,
        again,
    };
    let mut real = real(
        directory,
        &host.name,
        &host.declarations,
        stubs,
        library,
        how,
    )?;
    let flattening = Flattening { host, view };
    let leaves = flattening.flatten(&real["definitions"]);
    if let Some(parts) = real.as_object_mut() {
        parts.remove("definitions");
    }
    Ok(Recorded { leaves, rest: real })
}

impl Recorded {
    /// Where two records differ.
    pub fn difference(&self, other: &Self) -> Vec<String> {
        self.difference_but(other, &BTreeSet::new())
    }

    /// Where two records differ, but for what was left out of either.
    pub fn difference_but(&self, other: &Self, left: &BTreeSet<String>) -> Vec<String> {
        let left: Vec<Vec<String>> = left
            .iter()
            .filter_map(|text| serde_json::from_str::<Vec<String>>(text).ok())
            .map(|path| {
                // Elements and conditions are part of the leaf that they are in.
                let leaf = path.iter().position(|name| name.starts_with('<'));
                path[..leaf.unwrap_or(path.len())].to_vec()
            })
            .collect();
        let counts = |path: &Vec<String>| !left.iter().any(|own| path.starts_with(own));
        let mut found = Vec::new();
        let (a, b) = (&self.leaves.by_path, &other.leaves.by_path);
        let paths: BTreeSet<_> = a.keys().chain(b.keys()).collect();
        for path in paths.into_iter().filter(|path| counts(path)) {
            if a.get(path) != b.get(path) {
                found.push(format!(
                    "{}: {:?}\n      then {:?}",
                    path.join("."),
                    a.get(path),
                    b.get(path)
                ));
            }
        }
        if !left.iter().any(Vec::is_empty) && self.rest != other.rest {
            found.push(format!(
                "arguments: {}\n      then {}",
                self.rest, other.rest
            ));
        }
        let unclear = |own: &Self| -> BTreeSet<Vec<String>> {
            let all = own.leaves.unclear.iter();
            all.filter(|path| counts(path)).cloned().collect()
        };
        let (a, b) = (unclear(self), unclear(other));
        if a != b {
            found.push(format!("failures: {a:?} then {b:?}"));
        }
        found
    }
}

/// The model against Nix for one host.
pub fn check(
    fleet: &Fleet,
    table: &OptionTable<'_>,
    directory: &Path,
    host: &str,
    stubs: &Stubs,
    library: &Path,
) -> Result<Comparison, String> {
    let Some(host) = fleet.host(host) else {
        return Err("the model does not know the host".to_owned());
    };
    let how = How {
        contents: false,
        again: true,
    };
    let real = real(
        directory,
        &host.name,
        &host.declarations,
        stubs,
        library,
        how,
    )?;
    if let Err(why) = &host.call {
        return Err(format!("the model does not follow the host: {why}"));
    }
    let flattening = Flattening {
        host,
        view: table.for_release(None),
    };
    let own = modelled(host, stubs);
    let declared = |leaves: &mut Leaves| {
        // Declared options are evaluated, not recorded.
        leaves.by_path.retain(|path, _| {
            path.first()
                .is_some_and(|name| name != "_module" && name != MODULE)
                && !host.declarations.iter().any(|declaration| {
                    declaration.path.len() <= path.len()
                        && declaration.path.iter().zip(path).all(|(a, b)| **a == **b)
                })
        });
    };
    let mut a = flattening.flatten(&own["definitions"]);
    let mut b = flattening.flatten(&real["definitions"]);
    declared(&mut a);
    declared(&mut b);
    // Modules of inputs define nothing here.
    let partial = host.modules.iter().any(|module| match &module.origin {
        Origin::Opaque(term, _) => !is_of_input(term),
        _ => false,
    });
    let mut comparison = compare(&a, &b, partial);
    for part in ["specialArgs", "arguments"] {
        let mut gaps = 0;
        if !agrees(&own[part], &real[part], &mut gaps) {
            comparison.differences.push(format!(
                "{part}: model {}\n      real {}",
                own[part], real[part]
            ));
        }
    }
    Ok(comparison)
}
