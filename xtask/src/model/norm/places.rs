//! Strings, paths and sums, and what they read of the tree.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::eval::{Eval, place_path};
use crate::model::term::{Digest, Key, Term, TermKind as K};
use crate::model::value::{Code, Env, Opaque, Role, Unit, Value};
use crate::syntax::hir::{BinaryOp, Expr, ExprId, Name, Part, PathBase};
use crate::tree::{Kind, TreePath};

impl Eval<'_> {
    /// The term of a place in the tree.
    pub fn path_term(&self, path: &TreePath) -> Term {
        Term::new(K::Path(path.clone(), self.files.digest(path)))
    }

    /// The term of a string that begins with the tree's own place.
    pub(super) fn place_text(&self, text: &str) -> Term {
        match place_path(text) {
            Some(path) if path.as_str().is_empty() => Term::new(K::Flake),
            // A string that names the place, and nothing that is copied.
            Some(path) => {
                let digest = self.files.digest(&path);
                Term::new(K::PathInterp(path, digest, vec![Term::new(K::Flake)]))
            }
            None => Term::interp(vec![Term::new(K::Flake), Term::str(text)]),
        }
    }

    /// A term that may read anything of the tree.
    pub(super) fn whole_tree(&self, term: Term) -> Term {
        let root = TreePath::root();
        let digest = self.files.digest(&root);
        Term::new(K::PathInterp(root, digest, vec![term]))
    }

    pub(super) fn place_term(&self, unit: Unit, id: ExprId) -> Term {
        let (path, file) = self.unit_file(unit);
        let (start, _) = file.range(id);
        let digest = match file.expr(id) {
            // Its value is the line and the column.
            Expr::CurPos => {
                let before = file.text.get(..start as usize).unwrap_or("");
                let line = before.matches('\n').count();
                let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
                Digest::of(format!("{line}:{column}").as_bytes())
            }
            // What was not read, or not to its end, counts with all of its file.
            _ => self.files.digest(path),
        };
        Term::new(K::Place(path.clone(), start, digest))
    }

    pub(super) fn norm_sum(&mut self, unit: Unit, left: ExprId, right: ExprId, env: Env) -> Term {
        let file = Arc::clone(self.unit_file(unit).1);
        let (mut first, mut rest) = (left, vec![right]);
        while let Expr::Binary(BinaryOp::Add, left, right) = file.expr(first) {
            rest.push(*right);
            first = *left;
        }
        let count = rest.len();
        let thunk = self.delay(unit, first, env);
        let certain = match self.force(thunk) {
            Value::Opaque(Opaque {
                role: Role::Flake, ..
            }) => true,
            Value::Place(text) => place_path(&text).is_some_and(|path| path.as_str().is_empty()),
            _ => false,
        };
        let mut sum = self.norm(unit, first, env);
        for (index, operand) in rest.into_iter().rev().enumerate() {
            let operand = self.norm(unit, operand, env);
            // `./a + x` is any name that begins so, and `/../` leads on.
            if index == 0 && matches!(sum.kind(), K::Path(..)) && !super::reads::goes_down(&operand)
            {
                sum = self.whole_tree(sum);
            }
            // `config.x + "/../y"` leads out of what the option holds.
            let is_option = matches!(sum.kind(), K::Select(base, ..) if matches!(base.kind(), K::Arg(name) if &**name == "config"));
            let climbs = matches!(operand.kind(), K::Str(text) if text.starts_with("/.."));
            if is_option && climbs {
                sum = self.whole_tree(sum);
            }
            // `self + "/x"` reads what stands there.
            if index == 0 && (certain || may_be_tree(&sum)) {
                let (parts, open) = match operand.kind() {
                    K::Str(_) => (vec![operand.clone()], count > 1),
                    K::Interp(parts) => (parts.clone(), true),
                    _ => (vec![operand.clone()], true),
                };
                sum = self.tree_read(sum, certain, &parts, open);
            }
            sum = Term::binary(BinaryOp::Add, sum, operand);
        }
        sum
    }

    pub(super) fn norm_string(&mut self, unit: Unit, parts: &[Part], env: Env) -> Term {
        let mut terms: Vec<Term> = Vec::new();
        let mut index = 0;
        while let Some(part) = parts.get(index) {
            index += 1;
            match part {
                Part::Text(text) => terms.push(Term::new(K::Str(text.clone()))),
                Part::Expr(expr) => {
                    let thunk = self.delay(unit, *expr, env);
                    let base = match self.force(thunk) {
                        // A path in a string is copied, with all that is below it.
                        Value::Path(path) => {
                            terms.push(self.path_term(&path));
                            continue;
                        }
                        Value::Place(text) if place_path(&text).is_some() => {
                            let base = self.place_text(&text);
                            if !matches!(base.kind(), K::Flake) {
                                terms.push(base);
                                continue;
                            }
                            base
                        }
                        Value::Opaque(Opaque {
                            role: Role::Flake, ..
                        }) => Term::new(K::Flake),
                        // A set in a string is its store path.
                        _ => match self.unit_file(unit).1.expr(*expr).clone() {
                            Expr::Path(base, parts) => {
                                self.norm_path(unit, *expr, base, &parts, env, true)
                            }
                            _ => self.term(thunk),
                        },
                    };
                    if !may_be_tree(&base) {
                        terms.push(base);
                        continue;
                    }
                    // `"${self}/x"` reads what stands there.
                    let (rest, open) = match parts.get(index) {
                        Some(Part::Text(text)) => (
                            vec![Term::new(K::Str(text.clone()))],
                            parts.len() > index + 1,
                        ),
                        Some(Part::Expr(expr)) => (vec![self.norm(unit, *expr, env)], true),
                        None => (Vec::new(), false),
                    };
                    let certain = is_tree(&base);
                    terms.push(self.tree_read(base, certain, &rest, open));
                }
            }
        }
        Term::interp(terms)
    }

    /// The term of a value that is, or may be, the tree's own place, with what
    /// is read there by the text that follows. `certain` says that it is the
    /// tree, `open` that more follows, which is not known.
    fn tree_read(&self, base: Term, certain: bool, rest: &[Term], open: bool) -> Term {
        let root = TreePath::root();
        let place = match rest.first().map(Term::kind) {
            None => return base,
            Some(K::Str(text)) if text.starts_with('/') => {
                let end = text.find(|c: char| !is_path_char(c)).unwrap_or(text.len());
                let end = if end == text.len() && (open || rest.len() > 1) {
                    text.rfind('/').unwrap_or(0)
                } else {
                    end
                };
                let parent = text[..end].rfind('/').unwrap_or(0);
                let exists = |path: &TreePath| self.files.exists(path);
                let place = root.join(&text[..end]);
                // A name may go on where it seems to end: a space is no end.
                match root.join(&text[..parent]) {
                    Some(parent)
                        if !parent.as_str().is_empty()
                            && exists(&parent)
                            && !place.as_ref().is_some_and(exists) =>
                    {
                        Some(parent)
                    }
                    _ => place.filter(|place| certain || exists(place)),
                }
            }
            Some(K::Str(_)) => None,
            Some(_) => Some(root),
        };
        match place {
            Some(place) if certain || !place.as_str().is_empty() => {
                let digest = self.files.digest(&place);
                Term::new(K::PathInterp(place, digest, vec![base]))
            }
            _ => base,
        }
    }

    /// What stands at the places below a directory that end so, whatever is before: of
    /// `"${./hosts/${name}/key.pub}"` nothing else goes into the store. None where links
    /// or `..` may lead elsewhere.
    fn digest_of_ending(&self, directory: &TreePath, ending: &str) -> Option<Digest> {
        if ending
            .split('/')
            .skip(1)
            .any(|part| matches!(part, "" | "." | ".."))
        {
            return None;
        }
        if self.files.tree.resolve(directory).ok().as_ref() != Some(directory) {
            return None;
        }
        let base = directory.as_str().len();
        let mut places = BTreeSet::new();
        for (file, kind) in self.files.tree.below(directory) {
            if kind == Kind::Symlink {
                return None;
            }
            let rest = file.as_str().get(base..).unwrap_or_default();
            // The file itself, or a directory that it is in.
            let ends = rest
                .match_indices('/')
                .map(|(at, _)| at)
                .chain([rest.len()]);
            let found = ends.filter_map(|end| rest.get(..end));
            let named =
                |text: &&str| format!("/{}", text.trim_start_matches('/')).ends_with(ending);
            if let Some(text) = found.into_iter().find(named) {
                places.insert(directory.join(text.trim_start_matches('/'))?);
            }
        }
        let mut all = blake3::Hasher::new();
        for place in places {
            all.update(place.as_str().as_bytes()).update(&[0]);
            all.update(&self.files.digest(&place).0);
        }
        Some(Digest::finish(&all))
    }

    /// A call of `lib.path.append` that has its directory already
    /// (`relativeToRoot "x"`): the place, as if it were written as a path.
    pub(super) fn norm_appended(
        &mut self,
        unit: Unit,
        (id, function, argument): (ExprId, ExprId, ExprId),
        env: Env,
    ) -> Option<Term> {
        let file = Arc::clone(self.unit_file(unit).1);
        // What else is called is not worth evaluating.
        let callee = match file.expr(function) {
            Expr::Apply(inner, _) => *inner,
            _ => function,
        };
        if !matches!(file.expr(callee), Expr::Select(..) | Expr::Var(_)) {
            return None;
        }
        let callee = self.delay(unit, function, env);
        let Value::Prim(prim, given) = self.force(callee) else {
            return None;
        };
        let [directory] = *given else { return None };
        if !prim.appends_to_path() {
            return None;
        }
        let whole = self.thunk(Code::Expr(unit, id, env));
        if let Some(path) = self.place(whole) {
            return Some(self.path_term(&path));
        }
        let directory = self.place(directory)?;
        let prefix = match file.expr(argument) {
            Expr::Str(parts) => match parts.first() {
                Some(Part::Text(text)) => text[..text.rfind('/').unwrap_or(0)].to_owned(),
                _ => String::new(),
            },
            _ => String::new(),
        };
        let place = directory.join(&prefix)?;
        let digest = self.files.digest(&place);
        let rest = self.norm(unit, argument, env);
        Some(Term::new(K::PathInterp(place, digest, vec![rest])))
    }

    /// The text that a path certainly begins with, and how many of its parts that is.
    fn beginning(&mut self, unit: Unit, parts: &[Part], env: Env) -> (String, usize) {
        let mut known = String::new();
        for (index, part) in parts.iter().enumerate() {
            match part {
                Part::Text(text) => known.push_str(text),
                Part::Expr(expr) => {
                    let thunk = self.delay(unit, *expr, env);
                    match self.force(thunk) {
                        Value::Str(text) => known.push_str(&text),
                        _ => return (known, index),
                    }
                }
            }
        }
        (known, parts.len())
    }

    pub(super) fn norm_path(
        &mut self,
        unit: Unit,
        id: ExprId,
        base: PathBase,
        parts: &[Part],
        env: Env,
        copied: bool,
    ) -> Term {
        if base != PathBase::Relative {
            let (_, file) = self.unit_file(unit);
            let (start, end) = file.range(id);
            let text = Name::from(file.text.get(start as usize..end as usize).unwrap_or(""));
            return if parts.iter().all(|part| matches!(part, Part::Text(_))) {
                Term::new(K::OutsidePath(text))
            } else {
                self.norm_string(unit, parts, env)
            };
        }
        let thunk = self.thunk(Code::Expr(unit, id, env));
        if let Some(path) = self.place(thunk) {
            return self.path_term(&path);
        }
        let directory = self
            .unit_file(unit)
            .0
            .parent()
            .unwrap_or_else(TreePath::root);
        let (known, count) = self.beginning(unit, parts, env);
        let prefix = &known[..known.rfind('/').map_or(0, |at| at + 1)];
        let place = directory.join(prefix).unwrap_or_else(TreePath::root);
        let ending = match parts.last() {
            Some(Part::Text(text)) if copied && parts.len() > 1 => {
                self.digest_of_ending(&place, text)
            }
            _ => None,
        };
        let digest = ending.unwrap_or_else(|| self.files.digest(&place));
        let mut terms = vec![Term::str(&known[prefix.len()..])];
        for part in &parts[count..] {
            terms.push(match part {
                Part::Text(text) => Term::new(K::Str(text.clone())),
                Part::Expr(expr) => self.norm(unit, *expr, env),
            });
        }
        Term::new(K::PathInterp(place, digest, terms))
    }
}

/// Whether a term is the place of the tree itself.
fn is_tree(term: &Term) -> bool {
    match term.kind() {
        K::Flake => true,
        K::Path(..) => *term == Term::tree(),
        K::Select(base, keys, _) => match (base.kind(), keys.as_slice()) {
            (K::Inputs, [Key::Name(name), ..]) => &**name == "self",
            _ => false,
        },
        _ => false,
    }
}

/// Whether a term may be the place of the tree: it is, or it is what a function
/// that is not called here is given under a name that does not say otherwise.
fn may_be_tree(term: &Term) -> bool {
    match term.kind() {
        K::Select(base, _, _) if !is_tree(term) => may_be_tree(base),
        K::Bound(_, name) | K::Fresh(_, name) => {
            !matches!(&**name, "pkgs" | "config" | "lib" | "options")
        }
        _ => is_tree(term),
    }
}

fn is_path_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+')
}
