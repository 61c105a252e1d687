//! Which options of the table the modules define.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use xtask::options::{OptionType, Row};

use crate::evaluate::{Evaluator, anything};
use crate::shape::{Set, Shape, Thunk};

/// What nixpkgs' modules do with an option.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    No,
    /// Definitions of a renamed option are passed on to it.
    Forwarded,
    Defined,
}

struct Node {
    children: BTreeMap<String, usize>,
    /// The row of the table that ends here, and whether its order matters.
    row: Option<(String, bool)>,
    seen: Seen,
}

/// The options of one release as a tree of names.
pub struct Marks {
    nodes: Vec<Node>,
    /// Options that pass their definitions on, and where these go.
    aliases: Vec<(BTreeSet<usize>, BTreeSet<usize>)>,
    problems: Vec<String>,
}

/// A component that stands for every name.
const ANY: &str = "*";
/// What belongs to the module rather than to its configuration.
const ABOUT: [&str; 8] = [
    "_file",
    "disabledModules",
    "freeformType",
    "imports",
    "key",
    "options",
    "require",
    "_class",
];

impl Marks {
    pub fn new<'t>(rows: impl Iterator<Item = Row<'t>>) -> Self {
        let mut marks = Self {
            nodes: Vec::new(),
            aliases: Vec::new(),
            problems: Vec::new(),
        };
        let root = marks.node();
        for row in rows {
            let mut at = root;
            for name in components(row.path) {
                at = match marks.nodes[at].children.get(&name) {
                    Some(child) => *child,
                    None => {
                        let child = marks.node();
                        marks.nodes[at].children.insert(name, child);
                        child
                    }
                };
            }
            let ordered = OptionType::parse(row.kind).order_matters();
            marks.nodes[at].row = Some((row.path.to_owned(), ordered));
        }
        marks
    }

    fn node(&mut self) -> usize {
        self.nodes.push(Node {
            children: BTreeMap::new(),
            row: None,
            seen: Seen::No,
        });
        self.nodes.len() - 1
    }

    /// Every ordered option and what was seen of it.
    pub fn ordered(&self) -> BTreeMap<String, Seen> {
        let rows = self.nodes.iter().filter_map(|node| match &node.row {
            Some((path, true)) => Some((path.clone(), node.seen)),
            _ => None,
        });
        rows.collect()
    }

    /// How many ordered options there are, are defined, and forwarded to.
    pub fn figures(&self) -> (usize, usize, usize) {
        let all = self.ordered();
        let count = |seen| all.values().filter(|other| **other == seen).count();
        (all.len(), count(Seen::Defined), count(Seen::Forwarded))
    }

    /// Counts everything at and below the path as defined.
    pub fn everything_below(&mut self, path: &[&str]) {
        let mut at = BTreeSet::from([0]);
        for name in path {
            at = self.child(&at, name);
        }
        self.subtree(&at, Seen::Defined);
    }

    /// Takes the file for a module; what could not be understood as one comes
    /// back in words.
    pub fn file(&mut self, evaluator: &mut Evaluator, path: &Path, modules: &Path) -> Vec<String> {
        let shape = evaluator.file(path);
        self.module(evaluator, &shape, modules);
        if evaluator.exhausted() {
            self.problems.push("given up half-way".into());
        }
        std::mem::take(&mut self.problems)
    }

    fn module(&mut self, evaluator: &mut Evaluator, shape: &Shape, modules: &Path) {
        for shape in shape.alternatives() {
            match shape {
                Shape::Set(set) => self.module_set(evaluator, set, modules),
                Shape::Closure(..) => {
                    let result = evaluator.apply(shape, anything());
                    // A function that is handed to others, or a package.
                    if matches!(result, Shape::Closure(..)) {
                        self.problems.push("a function of several arguments".into());
                    } else {
                        self.module(evaluator, &result, modules);
                    }
                }
                Shape::Alias(from, to) => {
                    let to = self.path(evaluator, to);
                    for from in from.iter() {
                        let from = self.path(evaluator, from);
                        self.aliases.push((from, to.clone()));
                    }
                }
                // Every file of the modules is looked at by itself.
                Shape::Path(path) if path.starts_with(modules) => {}
                Shape::Path(path) => {
                    let shape = evaluator.import(path);
                    self.module(evaluator, &shape, modules);
                }
                Shape::Scalar | Shape::Text(_) | Shape::Union(_) => {}
                Shape::List { .. } => self.problems.push("a list".into()),
                Shape::Any | Shape::Library | Shape::Primitive(..) => {
                    self.problems.push("not known what it is".into());
                }
            }
        }
    }

    fn module_set(&mut self, evaluator: &mut Evaluator, set: &Set, modules: &Path) {
        if !set.unnamed.is_empty() {
            self.problems.push("a set of unknown names".into());
        }
        let root = BTreeSet::from([0]);
        for key in ["imports", "require"] {
            let Some(imports) = set.named.get(key) else {
                continue;
            };
            let imports = evaluator.force(imports);
            match evaluator.items(&imports) {
                Some(items) => {
                    for item in items {
                        let shape = evaluator.force(&item);
                        self.module(evaluator, &shape, modules);
                    }
                }
                None => self.problems.push("imports of unknown modules".into()),
            }
        }
        if !set.named.contains_key("config") && !set.named.contains_key("options") {
            for (name, value) in &set.named {
                if !ABOUT.contains(&&**name) {
                    let at = self.child(&root, name);
                    self.value(evaluator, value, &at);
                }
            }
            return;
        }
        if let Some(config) = set.named.get("config") {
            let shape = evaluator.force(config);
            if shape
                .alternatives()
                .iter()
                .any(|shape| matches!(shape, Shape::Any))
            {
                self.problems.push("unknown configuration".into());
            } else {
                self.shape(evaluator, &shape, &root);
            }
        }
        if let Some(meta) = set.named.get("meta") {
            let at = self.child(&root, "meta");
            self.value(evaluator, meta, &at);
        }
    }

    fn value(&mut self, evaluator: &mut Evaluator, value: &Thunk, at: &BTreeSet<usize>) {
        // Nothing is worked out that the table has no options for.
        if !at.is_empty() {
            let shape = evaluator.force(value);
            self.shape(evaluator, &shape, at);
        }
    }

    /// Counts the options that a value at these nodes defines.
    fn shape(&mut self, evaluator: &mut Evaluator, shape: &Shape, at: &BTreeSet<usize>) {
        for shape in shape.alternatives() {
            for node in at {
                self.nodes[*node].seen = Seen::Defined;
            }
            match shape {
                Shape::Scalar | Shape::Text(_) | Shape::Union(_) => {}
                Shape::Set(set) => self.set(evaluator, set, at),
                // Sets of submodules were lists once.
                Shape::List { items, .. } => {
                    let below = self.below(at);
                    for item in items.iter() {
                        self.value(evaluator, item, &below);
                    }
                }
                Shape::Closure(..) if !self.below(at).is_empty() => {
                    let result = evaluator.apply(shape, anything());
                    self.shape(evaluator, &result, at);
                }
                _ => self.subtree(at, Seen::Defined),
            }
        }
    }

    fn set(&mut self, evaluator: &mut Evaluator, set: &Set, at: &BTreeSet<usize>) {
        let below = self.below(at);
        for value in &set.unnamed {
            self.value(evaluator, value, &below);
        }
        for (name, value) in &set.named {
            let there = self.child(at, name);
            // A definition of a submodule may be written as a module.
            if matches!(&**name, "config" | "imports") && there.is_empty() {
                self.subtree(at, Seen::Defined);
            }
            self.value(evaluator, value, &there);
        }
    }

    /// The nodes of an option path that is given as a list.
    fn path(&mut self, evaluator: &mut Evaluator, path: &Thunk) -> BTreeSet<usize> {
        let mut at = BTreeSet::from([0]);
        match evaluator.force(path) {
            Shape::List {
                items: names,
                exact: true,
            } => {
                for name in names.iter() {
                    at = match evaluator.force(name) {
                        Shape::Text(name) => self.child(&at, &name),
                        _ => self.below(&at),
                    };
                }
            }
            _ => self.problems.push("an alias of unknown path".into()),
        }
        at
    }

    fn child(&self, at: &BTreeSet<usize>, name: &str) -> BTreeSet<usize> {
        let nodes = at.iter().filter_map(|at| self.nodes.get(*at));
        nodes
            .flat_map(|node| [node.children.get(name), node.children.get(ANY)])
            .flatten()
            .copied()
            .collect()
    }

    fn below(&self, at: &BTreeSet<usize>) -> BTreeSet<usize> {
        let nodes = at.iter().filter_map(|at| self.nodes.get(*at));
        nodes
            .flat_map(|node| node.children.values())
            .copied()
            .collect()
    }

    fn subtree(&mut self, at: &BTreeSet<usize>, seen: Seen) {
        let mut at = at.clone();
        while !at.is_empty() {
            for node in &at {
                let old = &mut self.nodes[*node].seen;
                *old = seen.max(*old);
            }
            at = self.below(&at);
        }
    }

    /// An alias that nixpkgs itself defines something at is a definition.
    pub fn follow_aliases(&mut self) {
        let aliases = std::mem::take(&mut self.aliases);
        loop {
            let mut changed = false;
            for (from, to) in &aliases {
                let seen = from.iter().map(|at| self.nodes[*at].seen).max();
                let seen = seen.unwrap_or(Seen::No).max(Seen::Forwarded);
                if to.iter().any(|at| self.nodes[*at].seen < seen) {
                    changed = true;
                }
                self.subtree(to, seen);
            }
            if !changed {
                break;
            }
        }
        self.aliases = aliases;
    }
}

/// The components of a path of the table.
fn components(path: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let mut quoted = serde_json::Deserializer::from_str(rest).into_iter::<String>();
        let (name, end) = match rest.starts_with('"').then(|| quoted.next()).flatten() {
            Some(Ok(name)) => (name, quoted.byte_offset()),
            _ => {
                let end = rest.find('.').unwrap_or(rest.len());
                (rest[..end].to_owned(), end)
            }
        };
        names.push(name);
        rest = rest[end..].strip_prefix('.').unwrap_or(&rest[end..]);
    }
    names
}
