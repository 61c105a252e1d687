//! Evaluates normal forms: what a term stands for, as far as a small part of
//! the language reaches. What it does not reach is [`Value::Unknown`].

use std::collections::BTreeMap;
use std::rc::Rc;

use xtask::model::term::{Key, ParamTerm, Term, TermKind as K};
use xtask::syntax::hir::{BinaryOp, UnaryOp};

/// Calls deeper than this are not followed.
const DEPTH: u32 = 400;

#[derive(Clone)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    List(Vec<Lazy>),
    Set(BTreeMap<String, Lazy>),
    Lambda(Rc<Lambda>),
    /// A function of the library by its name, with its first arguments.
    Library(String, Vec<Lazy>),
    If(Lazy, Lazy),
    Override(i64, Lazy),
    Order(i64, Lazy),
    Merge(Lazy),
    /// Something of the outside world by the way to it: `pkgs.hello`.
    Named(String),
    /// A place in the tree, with a slash before it.
    Path(String),
    /// `throw`, or a failing assertion.
    Fails,
    Unknown,
}

pub struct Lambda {
    param: ParamTerm,
    body: Term,
    scope: Scope,
}

impl Lambda {
    pub fn parameter(&self) -> &ParamTerm {
        &self.param
    }
}

/// Binders from the inside out.
#[derive(Clone)]
pub struct Scope(Option<Rc<(Frame, Scope)>>);

enum Frame {
    Argument(Lazy),
    Formals(BTreeMap<String, Lazy>, Lazy),
    Itself(Term, Scope),
}

#[derive(Clone)]
pub enum Lazy {
    Term(Term, Scope),
    Formal(Term, Rc<(BTreeMap<String, Lazy>, Lazy, Scope)>),
    Done(Rc<Value>),
}

impl Lazy {
    pub fn done(value: Value) -> Self {
        Self::Done(Rc::new(value))
    }
}

/// What stands outside of the terms: module arguments by name and way.
pub trait World {
    /// The argument `name` followed along `path`; how much of the path was used.
    fn argument(&self, name: &str, path: &[&str]) -> (Value, usize);

    /// An attribute of something outside.
    fn member(&self, way: &str, name: &str) -> Value {
        Value::Named(format!("{way}.{name}"))
    }

    /// Something outside as a string; `None` if that is not known.
    fn text(&self, way: &str) -> Option<String> {
        let _ = way;
        None
    }

    /// Whether everything outside has this attribute; else the library has it.
    fn mentions(&self, name: &str) -> Option<bool> {
        let _ = name;
        None
    }
}

/// In the way to something: a part that is not known.
pub const GAP: char = '⁇';

pub struct Evaluator<'w> {
    pub world: &'w dyn World,
}

impl Scope {
    pub fn none() -> Self {
        Self(None)
    }

    fn with(&self, frame: Frame) -> Self {
        Self(Some(Rc::new((frame, self.clone()))))
    }

    fn at(&self, index: u32) -> Option<Rc<(Frame, Scope)>> {
        let mut scope = self.0.clone()?;
        for _ in 0..index {
            scope = scope.1.0.clone()?;
        }
        Some(scope)
    }
}

impl Evaluator<'_> {
    pub fn closed(&self, term: &Term) -> Lazy {
        Lazy::Term(term.clone(), Scope::none())
    }

    pub fn force(&self, lazy: &Lazy, depth: u32) -> Value {
        match lazy {
            Lazy::Done(value) => (**value).clone(),
            Lazy::Term(term, scope) => self.eval(term, scope, depth),
            Lazy::Formal(term, rest) => {
                let (formals, whole, scope) = &**rest;
                let scope = scope.with(Frame::Formals(formals.clone(), whole.clone()));
                self.eval(term, &scope, depth)
            }
        }
    }

    pub fn eval(&self, term: &Term, scope: &Scope, depth: u32) -> Value {
        if depth > DEPTH {
            return Value::Unknown;
        }
        let lazy = |term: &Term| Lazy::Term(term.clone(), scope.clone());
        let now = |term: &Term| self.eval(term, scope, depth + 1);
        match term.kind() {
            K::Null => Value::Null,
            K::Bool(value) => Value::Bool(*value),
            K::Int(value) => Value::Int(*value),
            K::Float(text) => text.parse().map_or(Value::Unknown, Value::Float),
            K::Str(text) => Value::Str(text.to_string()),
            K::Interp(parts) => self.text(parts, scope, depth),
            K::Path(path, _) => Value::Path(format!("/{}", path.as_str())),
            K::OutsidePath(text) => Value::Path(text.to_string()),
            K::Arg(name) => self.world.argument(name, &[]).0,
            K::Input(name) => self.world.argument("inputs", &[name]).0,
            K::Inputs => self.world.argument("inputs", &[]).0,
            K::Global(name) => Value::Library(library_name(name), Vec::new()),
            K::Bound(index, name) => self.bound(*index, name, scope, depth),
            K::List(items) => Value::List(items.iter().map(lazy).collect()),
            K::Set(fixed, dynamic) => {
                let mut set: BTreeMap<String, Lazy> = fixed
                    .iter()
                    .map(|(name, term)| (name.to_string(), lazy(term)))
                    .collect();
                for (name, term) in dynamic {
                    match now(name) {
                        Value::Str(name) => {
                            set.insert(name, lazy(term));
                        }
                        Value::Null => {}
                        _ => return Value::Unknown,
                    }
                }
                Value::Set(set)
            }
            K::Lambda(param, body) => Value::Lambda(Rc::new(Lambda {
                param: param.clone(),
                body: body.clone(),
                scope: scope.clone(),
            })),
            K::Mu(body) => {
                let scope = scope.with(Frame::Itself(term.clone(), scope.clone()));
                self.eval(body, &scope, depth + 1)
            }
            K::Apply(function, argument) => self.call(now(function), lazy(argument), depth + 1),
            K::Select(base, keys, default) => {
                let found = self.select(base, keys, scope, depth);
                match (found, default) {
                    (Some(value), _) => value,
                    (None, Some(default)) => now(default),
                    (None, None) => Value::Fails,
                }
            }
            K::HasAttr(base, keys) => {
                if !matches!(now(base), Value::Set(_)) {
                    return Value::Unknown;
                }
                Value::Bool(self.select(base, keys, scope, depth).is_some())
            }
            K::If(condition, then, other) => match now(condition) {
                Value::Bool(true) => now(then),
                Value::Bool(false) => now(other),
                Value::Fails => Value::Fails,
                _ => Value::Unknown,
            },
            K::Assert(condition, body) => match now(condition) {
                Value::Bool(true) => now(body),
                Value::Bool(false) | Value::Fails => Value::Fails,
                _ => Value::Unknown,
            },
            K::Unary(op, operand) => match (op, now(operand)) {
                (UnaryOp::Invert, Value::Bool(value)) => Value::Bool(!value),
                (UnaryOp::Negate, Value::Int(value)) => Value::Int(-value),
                (UnaryOp::Negate, Value::Float(value)) => Value::Float(-value),
                (_, Value::Fails) => Value::Fails,
                _ => Value::Unknown,
            },
            K::Binary(op, left, right) => self.binary(*op, left, right, scope, depth),
            K::WithVar(name, scopes) => {
                // Only where every scope is known for certain.
                for term in scopes {
                    match now(term) {
                        Value::Set(set) => {
                            if let Some(value) = set.get(&**name) {
                                return self.force(value, depth + 1);
                            }
                        }
                        Value::Named(way) => match self.world.mentions(name) {
                            Some(true) => return self.world.member(&way, name),
                            Some(false) => {}
                            None => return Value::Unknown,
                        },
                        Value::Library(..) => match self.world.mentions(name) {
                            Some(false) => return Value::Library(name.to_string(), Vec::new()),
                            Some(true) => {}
                            None => return Value::Unknown,
                        },
                        _ => return Value::Unknown,
                    }
                }
                Value::Unknown
            }
            K::PathInterp(..) | K::ArgSet(_) | K::Flake | K::Fresh(..) | K::Place(..) => {
                Value::Unknown
            }
        }
    }

    fn bound(&self, index: u32, name: &str, scope: &Scope, depth: u32) -> Value {
        match scope.at(index).as_deref() {
            Some((Frame::Argument(value), _)) => self.force(value, depth + 1),
            Some((Frame::Formals(_, whole), _)) if name == "@" => self.force(whole, depth + 1),
            Some((Frame::Formals(names, _), _)) => match names.get(name) {
                Some(value) => self.force(value, depth + 1),
                None => Value::Fails,
            },
            Some((Frame::Itself(term, scope), _)) => self.eval(term, scope, depth + 1),
            None => Value::Unknown,
        }
    }

    /// `None` for an attribute that is not there.
    fn select(&self, base: &Term, keys: &[Key], scope: &Scope, depth: u32) -> Option<Value> {
        let mut names = Vec::new();
        for key in keys {
            match key {
                Key::Name(name) => names.push(name.to_string()),
                Key::Term(term) => match self.eval(term, scope, depth + 1) {
                    Value::Str(name) => names.push(name),
                    _ => return Some(Value::Unknown),
                },
            }
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (mut value, used) = match base.kind() {
            K::Arg(name) => self.world.argument(name, &names),
            K::Input(name) => {
                let path: Vec<&str> = std::iter::once(&**name).chain(names.clone()).collect();
                let (value, used) = self.world.argument("inputs", &path);
                (value, used.saturating_sub(1))
            }
            K::Inputs => self.world.argument("inputs", &names),
            // All module arguments at once, one of them by its name.
            K::ArgSet(_) if !names.is_empty() => {
                let (value, used) = self.world.argument(names[0], &names[1..]);
                (value, used + 1)
            }
            _ => (self.eval(base, scope, depth + 1), 0),
        };
        for name in &names[used.min(names.len())..] {
            value = match value {
                Value::Set(set) => self.force(set.get(*name)?, depth + 1),
                Value::Named(way) => self.world.member(&way, name),
                Value::Library(way, arguments) if arguments.is_empty() => {
                    let _ = way;
                    Value::Library((*name).to_owned(), Vec::new())
                }
                Value::Fails => Value::Fails,
                _ => Value::Unknown,
            };
        }
        Some(value)
    }

    fn text(&self, parts: &[Term], scope: &Scope, depth: u32) -> Value {
        let mut text = String::new();
        for part in parts {
            match self.eval(part, scope, depth + 1) {
                Value::Str(part) => text.push_str(&part),
                Value::Named(way) => match self.world.text(&way) {
                    Some(part) => text.push_str(&part),
                    None => return Value::Unknown,
                },
                Value::Fails => return Value::Fails,
                _ => return Value::Unknown,
            }
        }
        Value::Str(text)
    }

    fn binary(&self, op: BinaryOp, left: &Term, right: &Term, scope: &Scope, depth: u32) -> Value {
        let now = |term: &Term| self.eval(term, scope, depth + 1);
        let first = now(left);
        if matches!(first, Value::Fails) {
            return Value::Fails;
        }
        match (op, &first) {
            (BinaryOp::And, Value::Bool(false)) => return Value::Bool(false),
            (BinaryOp::Or, Value::Bool(true)) | (BinaryOp::Implication, Value::Bool(false)) => {
                return Value::Bool(true);
            }
            _ => {}
        }
        match (op, first, now(right)) {
            (_, _, Value::Fails) => Value::Fails,
            (BinaryOp::And | BinaryOp::Or | BinaryOp::Implication, Value::Bool(_), second) => {
                second
            }
            (BinaryOp::Concat, Value::List(a), Value::List(b)) => {
                Value::List(a.into_iter().chain(b).collect())
            }
            (BinaryOp::Update, Value::Set(mut a), Value::Set(b)) => {
                a.extend(b);
                Value::Set(a)
            }
            (BinaryOp::Add, Value::Int(a), Value::Int(b)) => Value::Int(a + b),
            (BinaryOp::Add, Value::Str(a), Value::Str(b)) => Value::Str(a + &b),
            (BinaryOp::Equal, a, b) => self
                .equal(&a, &b, depth)
                .map_or(Value::Unknown, Value::Bool),
            (BinaryOp::NotEqual, a, b) => self
                .equal(&a, &b, depth)
                .map_or(Value::Unknown, |equal| Value::Bool(!equal)),
            _ => Value::Unknown,
        }
    }

    fn equal(&self, a: &Value, b: &Value, depth: u32) -> Option<bool> {
        Some(match (a, b) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Str(a), Value::Str(b)) => a == b,
            (Value::List(a), Value::List(b)) => {
                if a.len() != b.len() {
                    return Some(false);
                }
                for (a, b) in a.iter().zip(b) {
                    let (a, b) = (self.force(a, depth + 1), self.force(b, depth + 1));
                    if !self.equal(&a, &b, depth + 1)? {
                        return Some(false);
                    }
                }
                true
            }
            (
                Value::Null | Value::Bool(_) | Value::Int(_) | Value::Str(_) | Value::List(_),
                Value::Null | Value::Bool(_) | Value::Int(_) | Value::Str(_) | Value::List(_),
            ) => false,
            _ => return None,
        })
    }

    pub fn call(&self, function: Value, argument: Lazy, depth: u32) -> Value {
        match function {
            Value::Lambda(lambda) => {
                let scope = match &lambda.param {
                    ParamTerm::Plain => lambda.scope.with(Frame::Argument(argument)),
                    ParamTerm::Set(formals, ..) => {
                        let Value::Set(given) = self.force(&argument, depth + 1) else {
                            return Value::Unknown;
                        };
                        let mut names = BTreeMap::new();
                        for (name, _) in formals {
                            if let Some(value) = given.get(&**name) {
                                names.insert(name.to_string(), value.clone());
                            }
                        }
                        // Defaults see the arguments that are given, no more.
                        let base = Rc::new((names.clone(), argument.clone(), lambda.scope.clone()));
                        for (name, default) in formals {
                            if let Some(default) = default
                                && !names.contains_key(&**name)
                            {
                                let value = Lazy::Formal(default.clone(), Rc::clone(&base));
                                names.insert(name.to_string(), value);
                            }
                        }
                        lambda.scope.with(Frame::Formals(names, argument))
                    }
                };
                self.eval(&lambda.body, &scope, depth + 1)
            }
            Value::Library(name, mut arguments) => {
                arguments.push(argument);
                match arity(&name) {
                    Some(arity) if arguments.len() == arity => {
                        self.library(&name, &arguments, depth + 1)
                    }
                    Some(_) => Value::Library(name, arguments),
                    None => Value::Unknown,
                }
            }
            Value::Named(way) => Value::Named(format!("{way}({})", self.show(0, &argument))),
            Value::Fails => Value::Fails,
            _ => Value::Unknown,
        }
    }

    /// An argument of a call to something outside, as the stand-ins show it.
    fn show(&self, depth: u32, value: &Lazy) -> String {
        if depth > 4 {
            return "…".to_owned();
        }
        match self.force(value, depth) {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Str(text) => serde_json::Value::from(text).to_string(),
            Value::Path(path) => path,
            Value::Named(way) => way,
            Value::Library(name, arguments) if name == "lib" && arguments.is_empty() => name,
            Value::Library(..) | Value::Lambda(_) => "λ".to_owned(),
            Value::List(items) => {
                let items: Vec<String> = items
                    .iter()
                    .map(|item| self.show(depth + 1, item))
                    .collect();
                format!("[{}]", items.join(","))
            }
            Value::Set(set) if set.len() > 40 => "{…}".to_owned(),
            Value::Fails => "!".to_owned(),
            Value::Set(set) => {
                let items: Vec<String> = set
                    .iter()
                    .map(|(name, value)| format!("{name}={}", self.show(depth + 1, value)))
                    .collect();
                format!("{{{}}}", items.join(","))
            }
            _ => GAP.to_string(),
        }
    }

    fn library(&self, name: &str, arguments: &[Lazy], depth: u32) -> Value {
        let now = |index: usize| self.force(&arguments[index], depth);
        let last = || arguments[arguments.len() - 1].clone();
        let number = |index: usize| match now(index) {
            Value::Int(number) => Some(number),
            _ => None,
        };
        let texts = |index: usize| -> Option<Vec<String>> {
            let Value::List(items) = now(index) else {
                return None;
            };
            items
                .iter()
                .map(|item| match self.force(item, depth) {
                    Value::Str(text) => Some(text),
                    _ => None,
                })
                .collect()
        };
        match name {
            "mkIf" => Value::If(arguments[0].clone(), last()),
            "mkMerge" => Value::Merge(last()),
            "mkForce" => Value::Override(50, last()),
            "mkDefault" => Value::Override(1000, last()),
            "mkOptionDefault" => Value::Override(1500, last()),
            "mkImageMediaOverride" => Value::Override(60, last()),
            "mkVMOverride" => Value::Override(10, last()),
            "mkOverride" => number(0).map_or(Value::Unknown, |n| Value::Override(n, last())),
            "mkBefore" => Value::Order(500, last()),
            "mkAfter" => Value::Order(1500, last()),
            "mkOrder" => number(0).map_or(Value::Unknown, |n| Value::Order(n, last())),
            "throw" | "abort" => Value::Fails,
            "id" => now(0),
            "optional" | "optionals" | "optionalString" | "optionalAttrs" => match (now(0), name) {
                (Value::Bool(true), "optional") => Value::List(vec![last()]),
                (Value::Bool(true), _) => now(1),
                (Value::Bool(false), "optional" | "optionals") => Value::List(Vec::new()),
                (Value::Bool(false), "optionalString") => Value::Str(String::new()),
                (Value::Bool(false), _) => Value::Set(BTreeMap::new()),
                (Value::Fails, _) => Value::Fails,
                _ => Value::Unknown,
            },
            "map" => match now(1) {
                Value::List(items) => {
                    let function = now(0);
                    Value::List(
                        items
                            .into_iter()
                            .map(|item| Lazy::done(self.call(function.clone(), item, depth)))
                            .collect(),
                    )
                }
                _ => Value::Unknown,
            },
            "concatStringsSep" => match (now(0), texts(1)) {
                (Value::Str(separator), Some(texts)) => Value::Str(texts.join(&separator)),
                _ => Value::Unknown,
            },
            "concatStrings" => texts(0).map_or(Value::Unknown, |texts| Value::Str(texts.concat())),
            "genAttrs" | "mapAttrs" => {
                let (pairs, function): (Vec<(String, Option<Lazy>)>, _) = match name {
                    "genAttrs" => match texts(0) {
                        Some(names) => {
                            (names.into_iter().map(|name| (name, None)).collect(), now(1))
                        }
                        None => return Value::Unknown,
                    },
                    _ => match now(1) {
                        Value::Set(set) => (
                            set.into_iter().map(|(name, v)| (name, Some(v))).collect(),
                            now(0),
                        ),
                        _ => return Value::Unknown,
                    },
                };
                let mut set = BTreeMap::new();
                for (name, value) in pairs {
                    let first = Lazy::done(Value::Str(name.clone()));
                    let mut result = self.call(function.clone(), first, depth);
                    if let Some(value) = value {
                        result = self.call(result, value, depth);
                    }
                    set.insert(name, Lazy::done(result));
                }
                Value::Set(set)
            }
            _ => Value::Unknown,
        }
    }
}

fn library_name(global: &str) -> String {
    // Functions that the model knows are written with a capital.
    if global.starts_with(char::is_uppercase) {
        let (head, tail) = global.split_at(1);
        return match global {
            "MkVmOverride" => "mkVMOverride".to_owned(),
            _ => head.to_lowercase() + tail,
        };
    }
    global.to_owned()
}

fn arity(name: &str) -> Option<usize> {
    Some(match name {
        "mkMerge"
        | "mkForce"
        | "mkDefault"
        | "mkOptionDefault"
        | "mkImageMediaOverride"
        | "mkVMOverride"
        | "mkBefore"
        | "mkAfter"
        | "throw"
        | "abort"
        | "id"
        | "concatStrings" => 1,
        "mkIf" | "mkOverride" | "mkOrder" | "optional" | "optionals" | "optionalString"
        | "optionalAttrs" | "map" | "concatStringsSep" | "genAttrs" | "mapAttrs" => 2,
        _ => return None,
    })
}
