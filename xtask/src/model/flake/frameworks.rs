//! Functions of well-known flakes that make modules out of directories.

use std::rc::Rc;

use crate::model::eval::Eval;
use crate::model::value::{Attribute, Item, Set, Thunk, Value};
use crate::syntax::hir::Name;
use crate::tree::{Tree, TreePath};

/// Directories below directories beyond this are a circle of links.
const DEPTH: usize = 64;

impl Eval<'_> {
    /// Whether an input is <https://github.com/vic/import-tree>.
    pub(in crate::model) fn is_import_tree(&mut self, input: &Name) -> bool {
        self.input_url(input)
            .is_some_and(|url| url.contains("vic/import-tree") || &*url == "flake:import-tree")
    }
}

/// `import-tree path`: a module that imports every Nix file below a directory, but
/// for names that begin with an underscore, directories among them.
pub(in crate::model) fn import_tree(eval: &mut Eval<'_>, argument: Thunk) -> Value {
    let roots: Vec<Thunk> = match eval.force(argument) {
        Value::List(items) => {
            let one = |item: &Item| match item {
                Item::One(thunk) => Some(*thunk),
                Item::Splice(_) => None,
            };
            match items.iter().map(one).collect() {
                Some(roots) => roots,
                None => return Value::unknown("the paths for `import-tree` are not known"),
            }
        }
        _ => vec![argument],
    };
    let mut files = Vec::new();
    for root in roots {
        let Some(path) = eval.place(root) else {
            return Value::unknown("the path for `import-tree` is not known");
        };
        collect(eval.files.tree, &path, 0, &mut files);
    }
    let imports: Vec<Thunk> = files
        .into_iter()
        .map(|path| eval.ready(Value::Path(path)))
        .collect();
    let value = eval.ready(Value::list(imports));
    let mut module = Set::default();
    module
        .fixed
        .insert(Name::from("imports"), Attribute { value, at: None });
    Value::Set(Rc::new(module))
}

fn collect(tree: &Tree, path: &TreePath, depth: usize, files: &mut Vec<TreePath>) {
    if depth > DEPTH {
        return;
    }
    if !tree.is_directory(path) {
        if path.as_str().ends_with(".nix") {
            files.push(path.clone());
        }
        return;
    }
    for (name, _) in tree.list(path) {
        if !name.starts_with('_')
            && let Some(path) = path.join(&name)
        {
            collect(tree, &path, depth + 1, files);
        }
    }
}
