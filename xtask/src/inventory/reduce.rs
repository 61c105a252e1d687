//! Computes terms, as far as they can be known without building anything.
//!
//! A normal form keeps calls as the author wrote them. An inventory wants to
//! know what comes out: `map peerOf peers`, `"${host}:${toString port}"`,
//! `config.networking.hostName`. What cannot be computed stays opaque but keeps
//! its parts, so that the texts inside it can still be read.

mod functions;
mod select;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::model::term::{ParamTerm, Term, TermKind as K};
use crate::syntax::hir::{BinaryOp, Name, UnaryOp};
use crate::tree::TreePath;

/// Stands in computed texts for a part that is not known.
pub const HOLE: char = '\u{fffd}';

/// Steps that one value may take.
const BUDGET: u32 = 60_000;

/// How deep computations nest.
const DEPTH: u32 = 300;

/// Answers questions about configurations and files.
pub trait World {
    /// What a host defines at a path or above it, best first, each with the
    /// number of components above the value; `None` means the host at hand.
    fn option(&self, host: Option<&str>, path: &[&str]) -> Vec<(Term, usize)>;
    /// Text of a file of the tree.
    fn text(&self, path: &TreePath) -> Option<String>;
    /// A module argument of the host at hand.
    fn argument(&self, name: &str) -> Option<Term>;
    /// Told about every read of another host's configuration.
    fn read(&self, host: &str);
}

/// A value, computed to its outermost shape.
#[derive(Clone)]
pub enum Value {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A text; unknown parts are [`HOLE`]s.
    Str(Rc<str>),
    /// A path in the tree.
    Path(TreePath),
    /// A list.
    List(Rc<[Delayed]>),
    /// A set.
    Set(Rc<BTreeMap<Name, Delayed>>),
    /// A function of the source.
    Lambda(Rc<(ParamTerm, Term, Env)>),
    /// A function of the library with its first arguments.
    Function(functions::Function, Rc<[Delayed]>),
    /// nixpkgs' library, or a part of it.
    Library,
    /// A host's configuration at a path; `None` is the host at hand.
    Config(Option<Rc<str>>, Rc<[String]>),
    /// Not known; what it is made of.
    Opaque(Rc<[Delayed]>),
}

/// A value that is not computed yet.
#[derive(Clone)]
pub enum Delayed {
    /// A term in a scope.
    Code(Term, Env),
    /// Known already.
    Ready(Value),
    /// A call.
    Call(Rc<(Delayed, Delayed)>),
}

/// The scopes around a term.
pub type Env = Option<Rc<Frame>>;

/// What one binder binds.
pub struct Frame {
    bound: Delayed,
    formals: Option<Rc<(ParamTerm, Term, Env)>>,
    parent: Env,
}

impl Value {
    fn str(text: &str) -> Self {
        Self::Str(Rc::from(text))
    }

    fn list(items: Vec<Delayed>) -> Self {
        Self::List(items.into())
    }

    fn opaque(parts: impl IntoIterator<Item = Delayed>) -> Self {
        Self::Opaque(parts.into_iter().collect())
    }
}

impl From<Value> for Delayed {
    fn from(value: Value) -> Self {
        Self::Ready(value)
    }
}

/// Computes with a bounded number of steps.
pub struct Reducer<'w> {
    world: &'w dyn World,
    left: u32,
    depth: u32,
}

impl<'w> Reducer<'w> {
    /// A reducer with its full budget.
    pub fn new(world: &'w dyn World) -> Self {
        Self {
            world,
            left: BUDGET,
            depth: 0,
        }
    }

    /// The value of a closed term.
    pub fn value(&mut self, term: &Term) -> Value {
        self.eval(term, &None)
    }

    /// Computes a delayed value.
    pub fn force(&mut self, delayed: &Delayed) -> Value {
        match delayed {
            Delayed::Ready(value) => value.clone(),
            Delayed::Code(term, env) => self.eval(term, env),
            Delayed::Call(call) => {
                let function = self.force(&call.0);
                self.apply(function, call.1.clone())
            }
        }
    }

    fn eval(&mut self, term: &Term, env: &Env) -> Value {
        if self.left == 0 || self.depth > DEPTH {
            return Value::opaque([]);
        }
        self.left -= 1;
        self.depth += 1;
        let value = stacker::maybe_grow(64 << 10, 2 << 20, || self.step(term, env));
        self.depth -= 1;
        value
    }

    fn step(&mut self, term: &Term, env: &Env) -> Value {
        let code = |term: &Term| Delayed::Code(term.clone(), env.clone());
        match term.kind() {
            K::Null => Value::Null,
            K::Bool(value) => Value::Bool(*value),
            K::Int(value) => Value::Int(*value),
            K::Float(text) | K::Str(text) => Value::str(text),
            K::Path(path, _) => Value::Path(path.clone()),
            K::Interp(parts) => {
                let mut text = String::new();
                for part in parts {
                    text.push_str(&self.text_of(&code(part)));
                }
                Value::str(&text)
            }
            K::List(items) => Value::list(items.iter().map(code).collect()),
            K::Set(fixed, dynamic) => {
                let mut set: BTreeMap<Name, Delayed> = fixed
                    .iter()
                    .map(|(name, term)| (name.clone(), code(term)))
                    .collect();
                for (name, term) in dynamic {
                    let name = self.text_of(&code(name));
                    set.insert(Name::from(name), code(term));
                }
                Value::Set(Rc::new(set))
            }
            K::Lambda(param, body) => {
                Value::Lambda(Rc::new((param.clone(), body.clone(), env.clone())))
            }
            K::Mu(body) => {
                let inner = Some(Rc::new(Frame {
                    bound: code(term),
                    formals: None,
                    parent: env.clone(),
                }));
                self.eval(body, &inner)
            }
            K::Bound(index, name) => self.variable(*index, name, env),
            K::Apply(function, argument) => {
                let function = self.eval(function, env);
                self.apply(function, code(argument))
            }
            K::Select(base, keys, default) => self.select(base, keys, default.as_ref(), env),
            K::HasAttr(base, keys) => {
                let mut value = self.eval(base, env);
                for key in keys {
                    let name = self.key(key, env);
                    value = match value {
                        Value::Set(set) => match set.get(&*name) {
                            Some(found) => self.force(&found.clone()),
                            None => return Value::Bool(false),
                        },
                        _ => return Value::opaque([]),
                    };
                }
                Value::Bool(true)
            }
            K::If(condition, then, other) => match self.eval(condition, env) {
                Value::Bool(true) => self.eval(then, env),
                Value::Bool(false) => self.eval(other, env),
                _ => Value::opaque([code(then), code(other)]),
            },
            K::Assert(_, body) => self.eval(body, env),
            K::Unary(op, operand) => match (op, self.eval(operand, env)) {
                (UnaryOp::Invert, Value::Bool(value)) => Value::Bool(!value),
                (UnaryOp::Negate, Value::Int(value)) => Value::Int(value.wrapping_neg()),
                _ => Value::opaque([]),
            },
            K::Binary(op, left, right) => self.binary(*op, left, right, env),
            K::Global(name) if &**name == "builtins" => Value::Library,
            K::Global(name) => functions::value(name),
            K::Arg(name) if &**name == "lib" => Value::Library,
            K::Arg(name) if &**name == "config" => Value::Config(None, Rc::from([])),
            K::WithVar(name, scopes) => {
                for scope in scopes {
                    match self.eval(scope, env) {
                        Value::Set(set) => {
                            if let Some(found) = set.get(name) {
                                return self.force(&found.clone());
                            }
                        }
                        Value::Library if functions::is_known(name) => {
                            return functions::value(name);
                        }
                        _ => {}
                    }
                }
                Value::opaque([])
            }
            K::Arg(name) => match self.world.argument(name) {
                Some(term) if term != Term::new(K::Arg(name.clone())) => self.eval(&term, &None),
                _ => Value::opaque([]),
            },
            _ => Value::opaque([]),
        }
    }

    fn variable(&mut self, index: u32, name: &str, env: &Env) -> Value {
        let mut frame = env.clone();
        for _ in 0..index {
            frame = frame.and_then(|frame| frame.parent.clone());
        }
        let Some(frame) = frame else {
            return Value::opaque([]);
        };
        if frame.formals.is_none() || name == "@" {
            return self.force(&frame.bound);
        }
        if let Value::Set(set) = self.force(&frame.bound)
            && let Some(found) = set.get(name)
        {
            return self.force(&found.clone());
        }
        let default = frame.formals.as_ref().and_then(|lambda| match &lambda.0 {
            ParamTerm::Set(formals, ..) => formals
                .iter()
                .find(|(formal, _)| &**formal == name)
                .and_then(|(_, default)| default.clone()),
            ParamTerm::Plain => None,
        });
        match default {
            Some(default) => self.eval(&default, &Some(frame)),
            None => Value::opaque([]),
        }
    }

    fn binary(&mut self, op: BinaryOp, left: &Term, right: &Term, env: &Env) -> Value {
        let parts = [left, right].map(|term| Delayed::Code(term.clone(), env.clone()));
        let (a, b) = (self.force(&parts[0]), self.force(&parts[1]));
        match (op, a, b) {
            (BinaryOp::Concat, Value::List(a), Value::List(b)) => {
                Value::List(a.iter().chain(b.iter()).cloned().collect())
            }
            (BinaryOp::Update, Value::Set(a), Value::Set(b)) => {
                let mut set = (*a).clone();
                set.extend(b.iter().map(|(name, value)| (name.clone(), value.clone())));
                Value::Set(Rc::new(set))
            }
            (BinaryOp::Add, Value::Int(a), Value::Int(b)) => Value::Int(a.wrapping_add(b)),
            (BinaryOp::Sub, Value::Int(a), Value::Int(b)) => Value::Int(a.wrapping_sub(b)),
            (BinaryOp::Mul, Value::Int(a), Value::Int(b)) => Value::Int(a.wrapping_mul(b)),
            (BinaryOp::Add, Value::Str(a), Value::Str(b)) => Value::str(&format!("{a}{b}")),
            (BinaryOp::Add, Value::Path(a), Value::Str(b)) => match a.join(b.trim_matches('/')) {
                Some(path) => Value::Path(path),
                None => Value::opaque([]),
            },
            (BinaryOp::And, Value::Bool(false), _) | (BinaryOp::And, _, Value::Bool(false)) => {
                Value::Bool(false)
            }
            (BinaryOp::Or, Value::Bool(true), _) | (BinaryOp::Or, _, Value::Bool(true)) => {
                Value::Bool(true)
            }
            (BinaryOp::And, Value::Bool(true), Value::Bool(true)) => Value::Bool(true),
            (BinaryOp::Or, Value::Bool(false), Value::Bool(false)) => Value::Bool(false),
            (BinaryOp::Implication, Value::Bool(a), Value::Bool(b)) => Value::Bool(!a || b),
            (BinaryOp::Equal | BinaryOp::NotEqual, a, b) => match equal(&a, &b) {
                Some(equal) => Value::Bool(equal == (op == BinaryOp::Equal)),
                None => Value::opaque([]),
            },
            _ => Value::opaque(parts),
        }
    }

    /// Calls a function.
    fn apply(&mut self, function: Value, argument: Delayed) -> Value {
        match function {
            Value::Lambda(lambda) => {
                let formals = match &lambda.0 {
                    ParamTerm::Plain => None,
                    ParamTerm::Set(..) => Some(Rc::clone(&lambda)),
                };
                let env = Some(Rc::new(Frame {
                    bound: argument,
                    formals,
                    parent: lambda.2.clone(),
                }));
                self.eval(&lambda.1, &env)
            }
            Value::Function(function, first) => {
                let arguments: Vec<Delayed> = first.iter().cloned().chain([argument]).collect();
                if arguments.len() < function.arity() {
                    Value::Function(function, arguments.into())
                } else {
                    self.call(function, &arguments)
                }
            }
            // Functors and what is not known: the parts can still be read.
            Value::Opaque(parts) => Value::opaque(parts.iter().cloned().chain([argument])),
            _ => Value::opaque([argument]),
        }
    }

    /// The text that a value is in a string; a [`HOLE`] for what is unknown.
    pub fn text_of(&mut self, delayed: &Delayed) -> String {
        match self.force(delayed) {
            Value::Str(text) => text.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Bool(true) => "1".to_owned(),
            Value::Bool(false) | Value::Null => String::new(),
            _ => HOLE.to_string(),
        }
    }
}

fn equal(a: &Value, b: &Value) -> Option<bool> {
    Some(match (a, b) {
        (Value::Str(a), Value::Str(b)) if !a.contains(HOLE) && !b.contains(HOLE) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Null, Value::Null) => true,
        (Value::List(a), Value::List(b)) if a.is_empty() || b.is_empty() => a.len() == b.len(),
        (Value::Opaque(_), _) | (_, Value::Opaque(_)) => return None,
        (Value::List(_), Value::List(_)) | (Value::Set(_), Value::Set(_)) => return None,
        (Value::Str(_), Value::Str(_)) => return None,
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    })
}
