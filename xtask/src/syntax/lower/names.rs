//! Names without a binding. Nix looks every name up when it reads a file and
//! refuses the whole of it for one that nothing binds, used or not.

use rustc_hash::FxHashMap;

use crate::syntax::SyntaxError;
use crate::syntax::hir::{Attr, Bindings, Bound, Expr, ExprId, File, Name, Param, Part, Range};

/// What every file sees, beside the builtins that begin with two underscores.
const GLOBAL: [&str; 23] = [
    "abort",
    "baseNameOf",
    "break",
    "builtins",
    "derivation",
    "derivationStrict",
    "dirOf",
    "false",
    "fetchGit",
    "fetchMercurial",
    "fetchTarball",
    "fetchTree",
    "fromTOML",
    "import",
    "isNull",
    "map",
    "null",
    "placeholder",
    "removeAttrs",
    "scopedImport",
    "throw",
    "toString",
    "true",
];

/// The names of a file that nothing binds, and those that locals stand for and only a
/// `with` can bind.
pub(super) fn look_up(file: &File) -> (Vec<SyntaxError>, Vec<Name>) {
    let mut walk = Walk {
        file,
        scope: FxHashMap::default(),
        withs: 0,
        found: Vec::new(),
        locals: Vec::new(),
    };
    walk.expr(file.root);
    (walk.found, walk.locals)
}

struct Walk<'f> {
    file: &'f File,
    /// How many binders of a name are in sight.
    scope: FxHashMap<&'f str, usize>,
    /// How many `with` are around.
    withs: usize,
    found: Vec<SyntaxError>,
    /// Names that locals stand for and only a `with` can bind.
    locals: Vec<Name>,
}

impl<'f> Walk<'f> {
    fn is_bound(&self, name: &Name) -> bool {
        self.scope.get(&**name).is_some_and(|count| *count > 0)
            || name.starts_with("__")
            || GLOBAL.contains(&&**name)
    }

    fn name(&mut self, name: &Name, range: Range) {
        if self.withs == 0 && !self.is_bound(name) {
            self.found.push(SyntaxError {
                start: range.0,
                end: range.1,
                message: format!("nothing binds the name `{name}`"),
                is_limit: false,
            });
        }
    }

    /// A name that a binding of a `let` stands for.
    fn local(&mut self, name: &Name, body: Option<ExprId>) {
        if body.is_some() && self.withs > 0 && !self.is_bound(name) {
            self.locals.push(name.clone());
        }
    }

    fn inside(
        &mut self,
        names: impl Iterator<Item = &'f Name> + Clone,
        then: impl FnOnce(&mut Self),
    ) {
        for name in names.clone() {
            *self.scope.entry(name).or_default() += 1;
        }
        then(self);
        for name in names {
            if let Some(count) = self.scope.get_mut(&**name) {
                *count -= 1;
            }
        }
    }

    fn expr(&mut self, id: ExprId) {
        stacker::maybe_grow(128 << 10, 4 << 20, || self.expr_here(id));
    }

    fn expr_here(&mut self, id: ExprId) {
        let file = self.file;
        match file.expr(id) {
            Expr::Error | Expr::Int(_) | Expr::Float(_) | Expr::CurPos => {}
            Expr::Str(parts) | Expr::Path(_, parts) => {
                for part in parts {
                    if let Part::Expr(id) = part {
                        self.expr(*id);
                    }
                }
            }
            Expr::Var(name) => self.name(name, file.range(id)),
            Expr::List(items) => items.iter().for_each(|item| self.expr(*item)),
            Expr::Set {
                recursive,
                bindings,
            } => self.bindings(bindings, *recursive, None),
            Expr::Let(bindings, body) => self.bindings(bindings, true, Some(*body)),
            Expr::With(scope, body) => {
                self.expr(*scope);
                self.withs += 1;
                self.expr(*body);
                self.withs -= 1;
            }
            Expr::Lambda(Param::Name(name), body) => {
                self.inside(std::iter::once(name), |walk| walk.expr(*body));
            }
            Expr::Lambda(Param::Set { formals, bind, .. }, body) => {
                let names = formals.iter().map(|(name, _)| name).chain(bind);
                self.inside(names, |walk| {
                    for (_, default) in formals {
                        default.iter().for_each(|default| walk.expr(*default));
                    }
                    walk.expr(*body);
                });
            }
            Expr::Apply(a, b) | Expr::Assert(a, b) | Expr::Binary(_, a, b) => {
                self.expr(*a);
                self.expr(*b);
            }
            Expr::Select(base, attributes, default) => {
                self.expr(*base);
                self.attributes(attributes);
                default.iter().for_each(|default| self.expr(*default));
            }
            Expr::HasAttr(base, attributes) => {
                self.expr(*base);
                self.attributes(attributes);
            }
            Expr::If(condition, then, other) => {
                self.expr(*condition);
                self.expr(*then);
                self.expr(*other);
            }
            Expr::Unary(_, operand) => self.expr(*operand),
        }
    }

    fn attributes(&mut self, attributes: &[Attr]) {
        for attribute in attributes {
            if let Attr::Expr(id) = attribute {
                self.expr(*id);
            }
        }
    }

    fn bindings(&mut self, bindings: &'f Bindings, recursive: bool, body: Option<ExprId>) {
        // `inherit x;` looks outside of the set that it stands in.
        for binding in &bindings.fixed {
            if binding.bound == Bound::Inherit {
                self.name(&binding.name, binding.range);
                self.local(&binding.name, body);
            }
        }
        let bound = if recursive {
            bindings.fixed.as_slice()
        } else {
            &[]
        };
        let names = bound.iter().map(|binding| &binding.name);
        self.inside(names, |walk| {
            for binding in &bindings.fixed {
                match binding.bound {
                    Bound::Expr(id) | Bound::InheritFrom(id) => {
                        if let (Bound::Expr(_), Expr::Var(name)) =
                            (&binding.bound, walk.file.expr(id))
                        {
                            walk.local(name, body);
                        }
                        walk.expr(id);
                    }
                    Bound::Inherit => {}
                }
            }
            for (name, value, _) in &bindings.dynamic {
                walk.expr(*name);
                walk.expr(*value);
            }
            body.iter().for_each(|body| walk.expr(*body));
        });
    }
}
