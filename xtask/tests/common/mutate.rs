//! Single changes to a tree, by kind. Nothing here knows what they mean; who wants
//! to know asks Nix.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use xtask::edit::{Change, ChangeSet};
use xtask::model::Host;
use xtask::syntax::hir::{Bindings, Expr, ExprId, File, Param, Part};
use xtask::tree::{Kind, Tree, TreePath};

use crate::seed::Seed;

/// One change to one file.
pub struct Mutation {
    pub what: &'static str,
    pub path: TreePath,
    /// The new text, or a flipped executable bit.
    pub text: Option<String>,
    /// Means nothing by construction.
    pub cosmetic: bool,
}

/// All kinds of changes.
pub const KINDS: [&str; 24] = [
    "value",
    "string",
    "order of elements",
    "order of imports",
    "element dropped",
    "element doubled",
    "priority",
    "level",
    "empty set added",
    "empty set dropped",
    "set emptied",
    "condition",
    "path",
    "executable bit",
    "shadowing",
    "formal added",
    "declaration doubled",
    "module argument",
    "second setter",
    "binding dropped",
    "unbound name",
    "comment",
    "white space",
    "local renamed",
];

fn splice(text: &str, at: (usize, usize), new: &str) -> String {
    format!("{}{new}{}", &text[..at.0], &text[at.1..])
}

/// A random change of this kind to one of the host's files; `None` where the file
/// that was chosen has no place for it.
pub fn mutate(what: &'static str, seed: &mut Seed, tree: &Tree, host: &Host) -> Option<Mutation> {
    let files: Vec<&TreePath> = host
        .files
        .iter()
        .filter(|path| path.as_str().ends_with(".nix") && tree.entry(path).is_some())
        .collect();
    let path = match what {
        "module argument" => TreePath::new("flake.nix")?,
        _ => (*seed.pick(&files)).clone(),
    };
    let text = tree.text(&path).ok()?;
    let file = xtask::syntax::lower(text.clone().into());
    let ids: Vec<ExprId> = (0..file.len() as u32).map(ExprId).collect();
    let range = |id: ExprId| {
        let (start, end) = file.range(id);
        (start as usize, end as usize)
    };
    let of = |id: ExprId| &text[range(id).0..range(id).1];
    let choose = |seed: &mut Seed, fits: &dyn Fn(&Expr) -> bool| -> Option<ExprId> {
        let found: Vec<ExprId> = ids
            .iter()
            .copied()
            .filter(|id| fits(file.expr(*id)))
            .collect();
        (!found.is_empty()).then(|| *seed.pick(&found))
    };
    let has_lib = ids.iter().any(|id| {
        matches!(file.expr(*id), Expr::Lambda(Param::Set { formals, .. }, _)
            if formals.iter().any(|(name, _)| &**name == "lib"))
    });
    let bound = |seed: &mut Seed| -> Option<ExprId> {
        let values: Vec<ExprId> = ids
            .iter()
            .flat_map(|id| match file.expr(*id) {
                Expr::Set { bindings, .. } => values_of(bindings),
                _ => Vec::new(),
            })
            .filter(|id| {
                let (start, end) = range(*id);
                // A set that several attribute paths make up has no text.
                text[..start].trim_end().ends_with('=') && text[end..].trim_start().starts_with(';')
            })
            .collect();
        (!values.is_empty()).then(|| *seed.pick(&values))
    };
    let new = match what {
        "value" => {
            let id = choose(seed, &|expr| {
                matches!(expr, Expr::Int(_))
                    || matches!(expr, Expr::Var(name) if matches!(&**name, "true" | "false"))
            })?;
            let value = match file.expr(id) {
                Expr::Int(value) => (value + 1).to_string(),
                Expr::Var(name) if &**name == "true" => "false".to_owned(),
                _ => "true".to_owned(),
            };
            splice(&text, range(id), &value)
        }
        "string" => {
            let id = choose(seed, &|expr| {
                matches!(expr, Expr::Str(parts)
                    if matches!(parts.as_slice(), [Part::Text(text)] if !text.is_empty()))
            })?;
            let own = of(id);
            let at = range(id).0 + own.char_indices().nth(own.chars().count() / 2)?.0;
            splice(&text, (at, at), "q")
        }
        "order of elements" | "order of imports" | "element dropped" | "element doubled" => {
            let lists: Vec<ExprId> = ids
                .iter()
                .copied()
                .filter(|id| matches!(file.expr(*id), Expr::List(items) if items.len() > 1))
                .filter(|id| {
                    let before = text[..range(*id).0].trim_end();
                    let imports = before.ends_with("imports =") || before.ends_with("modules =");
                    imports || what != "order of imports"
                })
                .collect();
            if lists.is_empty() {
                return None;
            }
            let id = *seed.pick(&lists);
            let Expr::List(items) = file.expr(id) else {
                return None;
            };
            let at = seed.below(items.len() - 1);
            let (a, b) = (range(items[at]), range(items[at + 1]));
            match what {
                "order of elements" | "order of imports" => format!(
                    "{}{}{}{}{}",
                    &text[..a.0],
                    &text[b.0..b.1],
                    &text[a.1..b.0],
                    &text[a.0..a.1],
                    &text[b.1..]
                ),
                "element dropped" => splice(&text, a, ""),
                _ => splice(&text, a, &format!("{0} {0}", &text[a.0..a.1])),
            }
        }
        "priority" => {
            let pairs = [
                ("mkForce", "mkDefault"),
                ("mkDefault", "mkForce"),
                ("mkBefore", "mkAfter"),
                ("mkAfter", "mkBefore"),
            ];
            let places: Vec<(usize, &str, &str)> = pairs
                .iter()
                .flat_map(|(from, to)| {
                    text.match_indices(&format!("lib.{from} "))
                        .map(|(at, _)| (at + 4, *from, *to))
                        .collect::<Vec<_>>()
                })
                .collect();
            if places.is_empty() {
                return None;
            }
            let (at, from, to) = *seed.pick(&places);
            splice(&text, (at, at + from.len()), to)
        }
        "level" => {
            if !has_lib {
                return None;
            }
            let id = bound(seed)?;
            let property = *seed.pick(&[
                "lib.mkForce",
                "lib.mkDefault",
                "lib.mkIf false",
                "lib.mkOverride 90",
                "lib.mkOrder 600",
                "lib.mkAfter",
                "lib.mkIf (1 == 2)",
            ]);
            splice(&text, range(id), &format!("{property} ({})", of(id)))
        }
        "empty set added" => {
            let id = choose(seed, &|expr| matches!(expr, Expr::Set { .. }))?;
            let (_, end) = range(id);
            if !of(id).ends_with('}') {
                return None;
            }
            splice(&text, (end - 1, end - 1), " added = { }; ")
        }
        "empty set dropped" => {
            let dropped: Vec<(usize, usize)> = ids
                .iter()
                .flat_map(|id| match file.expr(*id) {
                    Expr::Set { bindings, .. } => bindings.fixed.as_slice(),
                    _ => &[],
                })
                .map(|own| (own.range.0 as usize, own.range.1 as usize))
                .filter(|(start, end)| {
                    let own: String = text[*start..*end].split_whitespace().collect();
                    own.ends_with("={};")
                })
                .collect();
            if dropped.is_empty() {
                return None;
            }
            splice(&text, *seed.pick(&dropped), "")
        }
        "unbound name" => {
            let id = choose(seed, &|expr| matches!(expr, Expr::Set { .. }))?;
            let (start, _) = range(id);
            if !of(id).starts_with('{') {
                return None;
            }
            splice(&text, (start, start), "let unused = nothingBindsThis; in ")
        }
        "set emptied" => {
            let id = bound(seed)?;
            matches!(file.expr(id), Expr::Set { .. }).then_some(())?;
            splice(&text, range(id), "{ }")
        }
        "condition" => {
            let conditions: Vec<ExprId> = ids
                .iter()
                .filter_map(|id| match file.expr(*id) {
                    Expr::If(condition, ..) => Some(*condition),
                    Expr::Apply(function, argument) => {
                        let name = of(*function);
                        [
                            "mkIf",
                            "lib.mkIf",
                            "optional",
                            "lib.optionals",
                            "lib.optional",
                        ]
                        .contains(&name)
                        .then_some(*argument)
                    }
                    _ => None,
                })
                .collect();
            if conditions.is_empty() {
                return None;
            }
            let id = *seed.pick(&conditions);
            splice(&text, range(id), &format!("(!{})", parenthesised(of(id))))
        }
        "path" => {
            let id = choose(seed, &|expr| matches!(expr, Expr::Path(..)))?;
            let other = choose(seed, &|expr| matches!(expr, Expr::Path(..)))?;
            if of(id) == of(other) || of(id).contains('$') {
                return None;
            }
            splice(&text, range(id), of(other))
        }
        "executable bit" => {
            // Mostly files that the host's own files name, not only modules.
            let named = seed.chance(70);
            let texts: Vec<_> = files
                .iter()
                .filter_map(|path| tree.text(path).ok())
                .collect();
            let all: Vec<TreePath> = tree
                .files()
                .filter(|(path, kind)| *kind != Kind::Symlink && !path.as_str().ends_with(".lock"))
                .map(|(path, _)| path.clone())
                .filter(|path| {
                    let name = path.as_str().rsplit('/').next().unwrap_or_default();
                    !named || texts.iter().any(|text| text.contains(name))
                })
                .collect();
            if all.is_empty() {
                return None;
            }
            return Some(Mutation {
                what,
                path: seed.pick(&all).clone(),
                text: None,
                cosmetic: false,
            });
        }
        "shadowing" => {
            let id = bound(seed)?;
            let names: Vec<String> = ids
                .iter()
                .filter(|inner| {
                    let (inner, outer) = (range(**inner), range(id));
                    inner.0 >= outer.0 && inner.1 <= outer.1
                })
                .filter_map(|inner| match file.expr(*inner) {
                    Expr::Var(name) => Some(name.to_string()),
                    _ => None,
                })
                .collect();
            if names.is_empty() {
                return None;
            }
            let name = seed.pick(&names).clone();
            let value = *seed.pick(&["null", "{ enable = false; }", "\"other\""]);
            splice(
                &text,
                range(id),
                &format!("let {name} = {value}; in {}", of(id)),
            )
        }
        "formal added" => {
            let places: Vec<usize> = text.match_indices("...").map(|(at, _)| at).collect();
            if places.is_empty() {
                return None;
            }
            let at = *seed.pick(&places);
            let name = *seed.pick(&["unstable, ", "extra ? 1, ", "modulesPath, "]);
            splice(&text, (at, at), name)
        }
        "declaration doubled" | "second setter" => {
            if host.declarations.is_empty() {
                return None;
            }
            let declaration = seed.pick(&host.declarations);
            let option = declaration.path.join(".");
            let module = match what {
                "second setter" => {
                    let value = *seed.pick(&["true", "false", "\"other\"", "[ ]"]);
                    let property = *seed.pick(&["", "lib.mkForce ", "lib.mkDefault "]);
                    format!("({{ lib, ... }}: {{ {option} = {property}{value}; }})")
                }
                _ => {
                    format!("({{ lib, ... }}: {{ options.{option} = lib.mkEnableOption \"it\"; }})")
                }
            };
            let places: Vec<usize> = text
                .match_indices("imports = [")
                .map(|(at, found)| at + found.len())
                .collect();
            if places.is_empty() {
                return None;
            }
            let at = *seed.pick(&places);
            splice(&text, (at, at), &format!(" {module}"))
        }
        "module argument" => {
            let places: Vec<usize> = text
                .match_indices("modules = [")
                .map(|(at, found)| at + found.len())
                .collect();
            if places.is_empty() {
                return None;
            }
            let at = *seed.pick(&places);
            let name = *seed.pick(&["unstable", "inputs", "fresh", "pkgs"]);
            splice(&text, (at, at), &format!(" {{ _module.args.{name} = 1; }}"))
        }
        "binding dropped" => {
            let ranges: Vec<(usize, usize)> = ids
                .iter()
                .flat_map(|id| match file.expr(*id) {
                    Expr::Set { bindings, .. } => bindings
                        .fixed
                        .iter()
                        .map(|own| (own.range.0 as usize, own.range.1 as usize))
                        .collect(),
                    _ => Vec::new(),
                })
                .collect();
            if ranges.is_empty() {
                return None;
            }
            splice(&text, *seed.pick(&ranges), "")
        }
        "comment" | "white space" => {
            let id = *seed.pick(&ids);
            let at = range(id).0;
            // In front of an expression, never inside of a text.
            let inside = ids.iter().any(|other| {
                let (start, end) = range(*other);
                matches!(file.expr(*other), Expr::Str(_) | Expr::Path(..)) && start < at && at < end
            });
            // `x.y` and `-1` fall apart; operands that stand alone do not.
            if inside || at == 0 || !text[..at].ends_with([' ', '\n', '(', '[']) {
                return None;
            }
            let new = if what == "comment" {
                "/* as it was */ "
            } else {
                "\n\n      "
            };
            splice(&text, (at, at), new)
        }
        _ => renamed(seed, &text, &file, &ids)?,
    };
    let cosmetic = matches!(what, "comment" | "white space" | "local renamed");
    (new != text).then_some(Mutation {
        what,
        path,
        text: Some(new),
        cosmetic,
    })
}

fn values_of(bindings: &Bindings) -> Vec<ExprId> {
    bindings
        .fixed
        .iter()
        .filter_map(|own| match own.bound {
            xtask::syntax::hir::Bound::Expr(id) => Some(id),
            _ => None,
        })
        .collect()
}

fn parenthesised(text: &str) -> String {
    if text.starts_with('(') {
        text.to_owned()
    } else {
        format!("({text})")
    }
}

/// A local of another name, where the name is certainly nothing else.
fn renamed(seed: &mut Seed, text: &str, file: &File, ids: &[ExprId]) -> Option<String> {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for id in ids {
        if let Expr::Var(name) = file.expr(*id) {
            *uses.entry(name.to_string()).or_default() += 1;
        }
    }
    let word = |c: char| c.is_ascii_alphanumeric() || "_-'".contains(c);
    let places = |name: &str| -> Vec<usize> {
        text.match_indices(name)
            .map(|(at, _)| at)
            .filter(|at| !text[..*at].ends_with(word) && !text[at + name.len()..].starts_with(word))
            .collect()
    };
    let locals: Vec<String> = ids
        .iter()
        .flat_map(|id| match file.expr(*id) {
            Expr::Let(bindings, _) => bindings
                .fixed
                .iter()
                .map(|own| own.name.to_string())
                .collect(),
            _ => Vec::new(),
        })
        .filter(|name: &String| {
            places(name).len() == uses.get(name).copied().unwrap_or_default() + 1
        })
        .filter(|name| !text.contains("inherit") || !name.is_empty() && places(name).len() > 1)
        .collect();
    if locals.is_empty() {
        return None;
    }
    let name = seed.pick(&locals).clone();
    let mut out = text.to_owned();
    for at in places(&name).into_iter().rev() {
        out.replace_range(at..at + name.len(), &format!("{name}Renamed"));
    }
    // An attribute of the same name would be another thing.
    let again = xtask::syntax::lower(out.clone().into());
    again.errors.is_empty().then_some(out)
}

/// A mutated file in a directory; what was there comes back at the end.
pub struct Applied {
    place: PathBuf,
    contents: Vec<u8>,
    mode: u32,
}

impl Applied {
    pub fn new(directory: &Path, mutation: &Mutation) -> Self {
        let place = directory.join(mutation.path.as_str());
        let contents = std::fs::read(&place).unwrap();
        let mode = std::fs::metadata(&place).unwrap().permissions().mode();
        match &mutation.text {
            Some(text) => std::fs::write(&place, text).unwrap(),
            None => {
                let mode = std::fs::Permissions::from_mode(mode ^ 0o111);
                std::fs::set_permissions(&place, mode).unwrap();
            }
        }
        Self {
            place,
            contents,
            mode,
        }
    }
}

impl Drop for Applied {
    fn drop(&mut self) {
        std::fs::write(&self.place, &self.contents).unwrap();
        let mode = std::fs::Permissions::from_mode(self.mode);
        std::fs::set_permissions(&self.place, mode).unwrap();
    }
}

/// The tree with the change.
pub fn changed(tree: &Tree, mutation: &Mutation) -> Tree {
    let before = tree.entry(&mutation.path).unwrap().kind();
    let (contents, executable) = match &mutation.text {
        Some(text) => (text.clone().into_bytes(), before == Kind::Executable),
        None => (
            tree.raw(&mutation.path).unwrap().to_vec(),
            before != Kind::Executable,
        ),
    };
    let change = Change::Create {
        contents,
        executable,
    };
    let changes: ChangeSet = [(mutation.path.clone(), change)].into_iter().collect();
    tree.with(&changes)
}
