//! The functions of the language and of nixpkgs' library that fleets build
//! their hosts with, by the part of the library that they belong to.

/// The functions of one family: variant, number of arguments, names.
macro_rules! prims {
    ($($variant:ident $arity:literal $($name:literal)*;)*) => {
        /// A known function.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Prim { $(#[doc = concat!("Takes ", stringify!($arity), " arguments.")] $variant,)* }

        impl Prim {
            /// How many arguments it takes.
            pub(super) fn arity(self) -> usize {
                match self { $(Self::$variant => $arity,)* }
            }

            /// The function of this name.
            pub(super) fn by_name(name: &str) -> Option<Self> {
                match name { $($($name)|* => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

mod attrsets;
mod files;
mod lists;
mod modules;
mod strings;
mod trivial;

use std::fmt;
use std::rc::Rc;

use super::eval::Eval;
use super::value::{Code, Item, Role, Set, Thunk, Value};
use crate::syntax::hir::Name;
pub use modules::Prim as ModulePrim;

macro_rules! families {
    ($($(#[$doc:meta])* $family:ident $module:ident;)*) => {
        /// A known function.
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Prim { $($(#[$doc])* $family($module::Prim),)* }

        impl Prim {
            /// How many arguments it takes.
            pub fn arity(self) -> usize {
                match self { $(Self::$family(prim) => prim.arity(),)* }
            }

            fn by_name(name: &str) -> Option<Self> {
                None$(.or_else(|| $module::Prim::by_name(name).map(Self::$family)))*
            }

            fn run(self, eval: &mut Eval<'_>, args: [Thunk; 3]) -> Option<Value> {
                match self { $(Self::$family(prim) => $module::run(eval, prim, args),)* }
            }
        }

        /// Named without its family.
        impl fmt::Debug for Prim {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(Self::$family(prim) => prim.fmt(f),)* }
            }
        }
    };
}

families! {
    /// Of lists.
    List lists;
    /// Of attribute sets.
    Attrs attrsets;
    /// Of strings.
    Str strings;
    /// Of paths and files.
    File files;
    /// Of any value.
    Any trivial;
    /// Of the module system.
    Module modules;
}

impl Prim {
    /// Whether it gives places below the directory that it is given first.
    pub fn appends_to_path(self) -> bool {
        self == Self::File(files::Prim::PathAppend)
    }

    /// Whether it reads the file that it is given, and nothing around it.
    pub fn reads_a_file(self) -> bool {
        use files::Prim as P;
        matches!(
            self,
            Self::File(P::Import | P::ReadFile | P::FileContents | P::ImportJson | P::ImportToml)
        )
    }
}

/// A function in the language's own scope.
pub(super) fn global(name: &str) -> Option<Value> {
    match name {
        "map" | "import" | "removeAttrs" | "throw" | "abort" | "toString" | "baseNameOf"
        | "dirOf" | "isNull" | "fromTOML" => builtin(name),
        _ => builtin(name.strip_prefix("__")?),
    }
}

/// A function of `builtins`.
pub(super) fn builtin(name: &str) -> Option<Value> {
    match name {
        "nixosSystem" | "evalModules" | "mkFlake" | "makeHive" | "append" | "extend" | "id"
        | "const" | "pipe" | "fix" => None,
        _ => Prim::by_name(name).map(value),
    }
}

/// A member of nixpkgs' library, or a part of it.
pub(super) fn library(name: &str) -> Option<Value> {
    match name {
        "strings" | "lists" | "attrsets" | "modules" | "options" | "trivial" | "filesystem"
        | "path" | "fixedPoints" | "debug" | "customisation" | "sources" => {
            Some(Value::role(Role::Lib, "the library"))
        }
        "isNull" | "fromTOML" => Prim::by_name(name).map(value),
        _ => Prim::by_name(name).map(value),
    }
}

/// A member of the library of an input that is not nixpkgs.
pub(super) fn foreign(name: &str) -> Option<Value> {
    match name {
        "nixosSystem"
        | "evalModules"
        | "mkFlake"
        | "importApply"
        | "makeHive"
        | "eachSystem"
        | "eachDefaultSystem"
        | "eachSystemPassThrough"
        | "eachDefaultSystemPassThrough" => library(name),
        _ => None,
    }
}

/// `import`.
fn import() -> Prim {
    Prim::File(files::Prim::Import)
}

fn value(prim: Prim) -> Value {
    Value::Prim(prim, Rc::from([]))
}

/// Calls a known function with all of its arguments.
pub(super) fn call(eval: &mut Eval<'_>, prim: Prim, args: &[Thunk]) -> Value {
    let arg = |index: usize| args.get(index).copied().unwrap_or(Thunk(u32::MAX));
    prim.run(eval, [arg(0), arg(1), arg(2)]).unwrap_or_else(|| {
        let why = args.iter().find_map(|arg| match eval.force(*arg) {
            Value::Opaque(opaque) => Some(opaque.why),
            _ => None,
        });
        match why {
            Some(why) => Value::unknown(&why),
            None => Value::unknown(&format!("`{prim:?}` of something unknown")),
        }
    })
}

/// Elements of a list without unknown parts.
fn known(eval: &mut Eval<'_>, thunk: Thunk) -> Option<Vec<Thunk>> {
    match eval.force(thunk) {
        Value::List(items) => items
            .iter()
            .map(|item| match item {
                Item::One(thunk) => Some(*thunk),
                Item::Splice(_) => None,
            })
            .collect(),
        _ => None,
    }
}

fn text(eval: &mut Eval<'_>, thunk: Thunk) -> Option<Name> {
    match eval.force(thunk) {
        Value::Str(text) => Some(text),
        _ => None,
    }
}

fn set(eval: &mut Eval<'_>, thunk: Thunk) -> Option<Rc<Set>> {
    match eval.force(thunk) {
        Value::Set(set) if set.dynamic.is_empty() => Some(set),
        _ => None,
    }
}

fn truth(eval: &mut Eval<'_>, thunk: Thunk) -> Option<bool> {
    match eval.force(thunk) {
        Value::Bool(value) => Some(value),
        _ => None,
    }
}

fn call1(eval: &mut Eval<'_>, f: Thunk, x: Thunk) -> Thunk {
    eval.thunk(Code::Call(f, x))
}

fn call2(eval: &mut Eval<'_>, f: Thunk, x: Thunk, y: Thunk) -> Thunk {
    let g = eval.thunk(Code::Call(f, x));
    eval.thunk(Code::Call(g, y))
}

fn str_thunk(eval: &mut Eval<'_>, text: &str) -> Thunk {
    eval.ready(Value::str(text))
}
