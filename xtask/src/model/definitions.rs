//! What the modules of one evaluation define and declare, path by path.

mod declarations;

use crate::options::{OptionType, PathKind, View};
use crate::problem::Span;
use crate::syntax::hir::Name;

pub(super) use declarations::own_kind;

use super::eval::Eval;
use super::modules::{Module, binding_place};
use super::path_index::PathIndex;
use super::term::{Key, Term};
use super::value::{Attribute, Item, Property, Set, Thunk, Value};

/// What stands around a definition: condition, priority or order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrapper {
    /// `mkIf`.
    If(Term),
    /// `mkOverride` and its like; smaller wins, 100 is the default.
    Override(i64),
    /// `mkOrder` and its like; smaller comes first, 1000 is the default.
    Order(i64),
}

/// One `option path = value` of one module.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The path down to the value.
    pub path: Vec<Key>,
    /// Wrappers from the outside in, each with the number of components above it.
    pub wrappers: Vec<(usize, Wrapper)>,
    /// The value in normal form.
    pub value: Term,
    /// How many components of the path make up the option. A condition below it
    /// that is false leaves the names above it: they count as defined.
    pub option: usize,
    /// Nothing is known of what is below the path: anything may be defined there.
    pub open: bool,
    /// Index of the module in [`super::Host::modules`].
    pub module: usize,
    /// Where the binding stands.
    pub span: Option<Span>,
}

/// One option declaration.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// The path of the option.
    pub path: Vec<Name>,
    /// The type, as far as it can be read.
    pub kind: OptionType,
    /// The default value.
    pub default: Option<Term>,
    /// Whether a function is applied to the merged value.
    pub apply: bool,
    /// All of it that has an effect: type, default, `apply`, `readOnly`.
    pub effect: Term,
    /// Not followed: anything may be declared at or below the path.
    pub open: bool,
    /// It says what no option may say; Nix refuses it.
    pub refused: bool,
    /// Index of the module.
    pub module: usize,
    /// Where it stands.
    pub span: Option<Span>,
}

impl Definition {
    /// The path as text.
    pub fn path_text(&self) -> String {
        path_text(&self.path)
    }
}

/// An option path in the notation that Nix uses.
pub fn path_text(path: &[Key]) -> String {
    let parts: Vec<String> = path
        .iter()
        .map(|key| match key {
            Key::Name(name) => super::show::attribute(name),
            Key::Term(term) => format!("${{{}}}", super::show::show(term, 60)),
        })
        .collect();
    parts.join(".")
}

/// Reads modules one after the other.
pub(super) struct Reader<'e, 't, 'v> {
    pub eval: &'e mut Eval<'t>,
    pub table: View<'v, 'v>,
    pub declarations: Vec<Declaration>,
    /// The declarations by path.
    pub declared: PathIndex,
    pub definitions: Vec<Definition>,
    module: usize,
}

/// Wrappers on the way down; `None` as level means: not at an option yet.
#[derive(Clone, Default)]
struct Way {
    path: Vec<Key>,
    wrappers: Vec<(Option<usize>, Wrapper)>,
    /// Components of the path above and with the option, once it is reached.
    option: Option<usize>,
    span: Option<Span>,
}

impl<'e, 't, 'v> Reader<'e, 't, 'v> {
    pub fn new(eval: &'e mut Eval<'t>, table: View<'v, 'v>) -> Self {
        Self {
            eval,
            table,
            declarations: Vec::new(),
            declared: PathIndex::default(),
            definitions: Vec::new(),
            module: 0,
        }
    }

    /// All declarations first: they say what the repository's own paths are.
    pub fn read(&mut self, modules: &[Module]) {
        for (index, module) in modules.iter().enumerate() {
            self.module = index;
            if let Some(options) = module.options {
                self.declare(options, Vec::new(), None);
            }
        }
        let paths = self
            .declarations
            .iter()
            .map(|declaration| &declaration.path);
        self.declared = paths.collect();
        for (index, module) in modules.iter().enumerate().rev() {
            self.module = index;
            if let Some(config) = module.config {
                self.define(config, Way::default(), 0);
            }
            for (name, thunk) in &module.extra {
                let path = vec![Key::Name(Name::from(format!("<{name}>")))];
                let value = self.eval.term(*thunk);
                self.push(
                    Way {
                        path,
                        ..Way::default()
                    },
                    value,
                    false,
                );
            }
        }
    }

    /// What a path is: the repository's own declarations come first.
    fn kind(&self, path: &[Key]) -> PathKind {
        let names: Option<Vec<&str>> = path
            .iter()
            .map(|key| {
                if let Key::Name(name) = key {
                    Some(&**name)
                } else {
                    None
                }
            })
            .collect();
        match names {
            Some(names) => self.kind_of_names(&names),
            None => {
                // A computed name: any name will do where the element type is one.
                let names: Vec<&str> = path
                    .iter()
                    .map(|key| {
                        if let Key::Name(name) = key {
                            &**name
                        } else {
                            "<computed>"
                        }
                    })
                    .collect();
                match self.kind_of_names(&names) {
                    PathKind::Namespace => PathKind::Unknown,
                    kind => kind,
                }
            }
        }
    }

    fn kind_of_names(&self, names: &[&str]) -> PathKind {
        own_kind(&self.declarations, &self.declared, names)
            .unwrap_or_else(|| self.table.lookup(names))
    }

    fn define(&mut self, thunk: Thunk, way: Way, depth: u32) {
        if depth > 200 {
            let value = self.eval.outcome(thunk);
            return self.push(way, value, true);
        }
        let kind = if way.path.is_empty() {
            PathKind::Namespace
        } else {
            self.kind(&way.path)
        };
        let above = matches!(
            kind,
            PathKind::Namespace
                | PathKind::Inside {
                    element: OptionType::Namespace,
                    ..
                }
        );
        let mut way = way;
        if !above {
            let level = way.path.len();
            way.option.get_or_insert(level);
            for (at, _) in &mut way.wrappers {
                at.get_or_insert(level);
            }
        }
        let inside = matches!(&kind, PathKind::Inside { submodules, .. } if *submodules > 0);
        let unknown = matches!(
            kind,
            PathKind::Unknown
                | PathKind::Inside {
                    element: OptionType::Unknown,
                    ..
                }
        );
        if unknown {
            // Not even the wrappers may be taken off: it may be a namespace.
            let value = self.eval.outcome(thunk);
            return self.push(way, value, false);
        }
        match self.eval.force(thunk) {
            Value::Property(property) => {
                let level = if above { None } else { Some(way.path.len()) };
                match &*property {
                    Property::If(condition, content) => {
                        let condition = self.eval.outcome(*condition);
                        way.wrappers.push((level, Wrapper::If(condition)));
                        self.define(*content, way, depth + 1);
                    }
                    Property::Override(priority, content) => {
                        way.wrappers.push((level, Wrapper::Override(*priority)));
                        self.define(*content, way, depth + 1);
                    }
                    Property::Order(order, content) => {
                        way.wrappers.push((level, Wrapper::Order(*order)));
                        self.define(*content, way, depth + 1);
                    }
                    Property::Merge(contents) => {
                        // Inside a submodule the parts of one definition and
                        // several definitions stand in opposite orders.
                        let items = self.eval.items(*contents);
                        if inside || items.iter().any(|item| matches!(item, Item::Splice(_))) {
                            let value = self.eval.outcome(thunk);
                            return self.push(way, value, above);
                        }
                        for item in items {
                            if let Item::One(part) = item {
                                self.define(part, way.clone(), depth + 1);
                            }
                        }
                    }
                }
            }
            Value::Set(set) if above || kind.splittable() && !is_module(&kind, &set) => {
                if set.fixed.is_empty() && set.dynamic.is_empty() {
                    if !above {
                        self.push(way, Term::set(Vec::new(), Vec::new()), false);
                    }
                    return;
                }
                self.attributes(&set, &way, depth);
            }
            _ => {
                let value = self.eval.outcome(thunk);
                self.push(way, value, above);
            }
        }
    }

    fn attributes(&mut self, set: &Set, way: &Way, depth: u32) {
        for (name, attribute) in &set.fixed {
            let way = self.step(way, Key::Name(name.clone()), attribute);
            self.define(attribute.value, way, depth + 1);
        }
        for (name, attribute) in &set.dynamic {
            let name = self.eval.term(*name);
            let way = self.step(way, Key::Term(name), attribute);
            self.define(attribute.value, way, depth + 1);
        }
    }

    fn step(&self, way: &Way, key: Key, attribute: &Attribute) -> Way {
        let mut way = way.clone();
        way.path.push(key);
        if let Some((path, (start, end))) = binding_place(self.eval, attribute) {
            way.span = Some(Span { path, start, end });
        }
        way
    }

    fn push(&mut self, way: Way, value: Term, open: bool) {
        let level = way.path.len();
        let wrappers = way
            .wrappers
            .into_iter()
            .map(|(at, wrapper)| (at.unwrap_or(level), wrapper))
            .collect();
        self.definitions.push(Definition {
            option: way.option.unwrap_or(level),
            path: way.path,
            wrappers,
            value,
            open,
            module: self.module,
            span: way.span,
        });
    }
}

/// Whether a submodule's definition is a module with parts of its own: it has
/// to stay whole.
fn is_module(kind: &PathKind, set: &Set) -> bool {
    const PARTS: [&str; 9] = [
        "imports",
        "options",
        "config",
        "freeformType",
        "_module",
        "disabledModules",
        "_file",
        "key",
        "require",
    ];
    kind.value_type().is_some_and(OptionType::is_submodule)
        && PARTS.iter().any(|name| set.fixed.contains_key(*name))
}
