//! A feature that exists already takes over what another host defines.
//!
//! Definitions that are equal are shared. A leaf that differs becomes an option
//! whose default is the old value. What only the other host has stays with it; a
//! feature that does more than the other host is not for it, because a definition
//! under a condition that is false is still a definition to the sets above it.
//! No file of another host changes.
//!
//! ```nix
//! services.nginx.statusPage = true;
//! # becomes, for a host that has `false` there
//! services.nginx.statusPage = cfg.statusPage;
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rnix::SyntaxNode;
use rnix::ast::{self, Expr};
use rowan::ast::AstNode;

use super::anatomy::{Anatomy, Block, ItemId, Layer, Value, attr_name, peel, static_path};
use super::canonical::canonical;
use super::catalogue::Catalogue;
use super::comments::{slots, span};
use super::draft::OptionDecl;
use super::emit::option_text;
use super::leaves::{Leaf, leaves, plain_entries};
use super::reindent::Lines;
use super::scope;
use crate::edit::TextEdit;
use crate::tree::TreePath;

mod unify;

use unify::Work;

/// A feature file, ready to be compared with definitions of a host.
pub struct Feature {
    anatomy: Anatomy,
    lines: Lines,
    name: String,
    namespace: String,
    /// Conditional part of the configuration.
    condition: SyntaxNode,
    /// The binding that declares its options, and the options' names.
    declaration: Declared,
    /// The name that is bound to `config.<namespace>.<name>`.
    cfg: Option<String>,
}

struct Declared {
    /// `options.ns.x.enable = …` or `options.ns.x = { … }`.
    binding: SyntaxNode,
    /// The set of options; `None` if only `enable` is declared.
    set: Option<ast::AttrSet>,
    names: BTreeSet<String>,
    /// Default expressions in canonical spelling.
    defaults: BTreeMap<String, Option<String>>,
}

/// How a host can use a feature that exists.
#[derive(Debug, Clone)]
pub struct Adaptation {
    /// The new text of the feature, if it has to change.
    pub text: Option<String>,
    /// Definitions of the host that the feature takes over.
    pub taken: BTreeSet<ItemId>,
    /// What the host sets, as if it stood at the first column.
    pub settings: Vec<(String, String)>,
    /// Values of the host that are kept as settings.
    pub holes: Vec<Range<usize>>,
}

impl Feature {
    /// Reads a feature file; `None` if it is none that can be adapted.
    pub fn read(
        path: &TreePath,
        text: &str,
        name: &str,
        namespace: &str,
        catalogue: &Catalogue<'_>,
    ) -> Option<Self> {
        let anatomy = Anatomy::of(path, text, &|path| catalogue.above_options(path)).ok()?;
        let [config] = anatomy.configs.as_slice() else {
            return None;
        };
        if !anatomy.structured || anatomy.items.iter().any(|item| item.context.len() != 1) {
            return None;
        }
        let Value::Around { node, inner } = &config.value else {
            return None;
        };
        let Value::Set(_) = **inner else { return None };
        let apply = ast::Apply::cast(node.clone())?;
        let Expr::Apply(condition) = peel(apply.lambda()?) else {
            return None;
        };
        let condition = condition.argument()?.syntax().clone();
        let full = format!("config.{namespace}.{name}");
        let cfg = bound_to(&anatomy, &full);
        let spelt = condition.text().to_string();
        let by_cfg = cfg.as_ref().map(|cfg| format!("{cfg}.enable"));
        if spelt != format!("{full}.enable") && Some(&spelt) != by_cfg.as_ref() {
            return None;
        }
        let declaration = declared(&anatomy, name, namespace)?;
        let lines = Lines::of(&anatomy.root);
        let condition_node = condition;
        Some(Self {
            lines,
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            condition: condition_node,
            declaration,
            cfg,
            anatomy,
        })
    }

    /// Finds how the feature can take over what a host defines.
    pub fn adapt(
        &self,
        host: &Anatomy,
        host_lines: &Lines,
        items: &BTreeSet<ItemId>,
        catalogue: &Catalogue<'_>,
    ) -> Option<Adaptation> {
        let own_items: BTreeSet<ItemId> = (0..self.anatomy.items.len()).collect();
        let own = leaves(&self.anatomy, &own_items);
        let theirs: Vec<Leaf> = leaves(host, items)
            .into_iter()
            .filter(|leaf| host.items[leaf.item].context.is_empty())
            .collect();
        let mut work = Work::new(self, host, host_lines, catalogue);
        // Definitions that the feature cannot take whole are left out, which
        // may make others of the feature superfluous.
        let taken = work.takeable(&own, &theirs);
        if taken.is_empty() {
            return None;
        }
        let theirs: Vec<Leaf> = theirs
            .into_iter()
            .filter(|leaf| taken.contains(&leaf.item))
            .collect();
        work.unify(&own, &theirs)?;
        if work.shared == 0 || work.changes > work.shared.max(1) {
            return None;
        }
        // What the host has to say instead must be less than what it said.
        let says: usize = work
            .settings
            .iter()
            .map(|(_, value)| value.lines().count())
            .sum();
        let said: usize = taken.iter().map(|id| host.items[*id].lines).sum();
        if says + 1 > said {
            return None;
        }
        let text = if work.edits.is_empty() && work.options.is_empty() {
            None
        } else {
            Some(work.text()?)
        };
        Some(Adaptation {
            text,
            taken,
            settings: work.settings,
            holes: work.holes,
        })
    }
}

impl Feature {
    fn read_of(&self, option: &str) -> String {
        format!("{}.{option}", self.cfg.as_deref().unwrap_or("cfg"))
    }

    /// The option that an expression reads, if it is nothing but that.
    fn option_read(&self, value: &SyntaxNode) -> Option<String> {
        let text = value.text().to_string();
        let full = format!("config.{}.{}", self.namespace, self.name);
        let rest = self
            .cfg
            .as_ref()
            .and_then(|cfg| text.strip_prefix(cfg.as_str()))
            .or_else(|| text.strip_prefix(&full))?
            .strip_prefix('.')?;
        self.declaration
            .names
            .contains(rest)
            .then(|| rest.to_owned())
    }

    /// The text of an old value, as the default of an option.
    fn expression(&self, value: &SyntaxNode) -> String {
        let range = span(value.text_range());
        let indent = self.anatomy.indent_at(range.start);
        let delta = 6 - isize::try_from(indent).unwrap_or(0);
        self.lines.copy(&self.anatomy.text, range, delta, &[])
    }

    fn declare_all(&self, options: &[OptionDecl], edits: &mut Vec<TextEdit>) -> Option<()> {
        if options.is_empty() {
            return Some(());
        }
        let declarations: Vec<String> = options.iter().map(|it| option_text(it, 4)).collect();
        let joined = declarations.join("\n");
        match &self.declaration.set {
            Some(set) => {
                let inside = slots(set.syntax());
                let at = inside
                    .slots
                    .last()
                    .map_or(inside.open_end, |slot| slot.extent.end);
                edits.push(TextEdit {
                    range: at..at,
                    insert: format!("\n\n{}", joined.trim_end()),
                });
            }
            None => {
                let binding = ast::AttrpathValue::cast(self.declaration.binding.clone())?;
                let enable = binding.value()?.syntax().text().to_string();
                edits.push(TextEdit {
                    range: span(self.declaration.binding.text_range()),
                    insert: format!(
                        "options.{}.{} = {{\n    enable = {enable};\n\n{joined}  }};",
                        self.namespace, self.name
                    ),
                });
            }
        }
        Some(())
    }

    /// Binds `cfg`, which the feature did without so far.
    fn bind_cfg(&self, edits: &mut Vec<TextEdit>) -> Option<()> {
        let takes_cfg = scope::uses(&self.anatomy.root)
            .iter()
            .any(|usage| usage.name == "cfg");
        if takes_cfg {
            return None;
        }
        edits.push(TextEdit {
            range: span(self.condition.text_range()),
            insert: "cfg.enable".to_owned(),
        });
        let line = format!("cfg = config.{}.{};", self.namespace, self.name);
        let let_in = self.anatomy.layers.iter().find_map(|layer| match layer {
            Layer::Let(node) => Some(node),
            _ => None,
        });
        let edit = match let_in {
            Some(node) => {
                let at = slots(node.syntax()).open_end;
                TextEdit {
                    range: at..at,
                    insert: format!("\n  {line}"),
                }
            }
            None => {
                let at = span(self.anatomy.frame.node().text_range()).start;
                TextEdit {
                    range: at..at,
                    insert: format!("let\n  {line}\nin\n"),
                }
            }
        };
        edits.push(edit);
        Some(())
    }
}

/// The names in a binding's own attribute path.
fn binding_path(binding: &SyntaxNode) -> Option<Vec<String>> {
    let path = ast::AttrpathValue::cast(binding.clone())?.attrpath()?;
    let (names, dynamic) = static_path(&path);
    (!dynamic && !names.is_empty()).then_some(names)
}

/// The local that is bound to an expression.
fn bound_to(anatomy: &Anatomy, expression: &str) -> Option<String> {
    super::locals::locals(anatomy)
        .into_iter()
        .find_map(|local| {
            let binding = ast::AttrpathValue::cast(local.slot.node.clone())?;
            let value = binding.value()?.syntax().text().to_string();
            (value == expression).then(|| local.names.into_iter().next())?
        })
}

/// The one binding that declares the options of a feature.
fn declared(anatomy: &Anatomy, name: &str, namespace: &str) -> Option<Declared> {
    let mut wanted: Vec<String> = vec!["options".to_owned()];
    wanted.extend(namespace.split('.').map(str::to_owned));
    wanted.push(name.to_owned());
    let blocks: Vec<&Block> = anatomy.frame.blocks();
    let mut found = None;
    for slot in blocks.iter().flat_map(|block| &block.slots.slots) {
        let Some(path) = binding_path(&slot.node) else {
            continue;
        };
        if path.first().map(String::as_str) != Some("options") {
            continue;
        }
        // Options that are declared in pieces are left to their author.
        if found.is_some() {
            return None;
        }
        let value = ast::AttrpathValue::cast(slot.node.clone())?.value()?;
        if path == wanted {
            let Expr::AttrSet(set) = peel(value) else {
                return None;
            };
            let mut names = BTreeSet::new();
            let mut defaults = BTreeMap::new();
            for (path, _, value) in plain_entries(&set)? {
                let [option] = path.as_slice() else {
                    return None;
                };
                names.insert(option.clone());
                defaults.insert(option.clone(), default_of(anatomy, &value));
            }
            found = Some(Declared {
                binding: slot.node.clone(),
                set: Some(set),
                names,
                defaults,
            });
        } else if path.split_last() == Some((&"enable".to_owned(), wanted.as_slice())) {
            found = Some(Declared {
                binding: slot.node.clone(),
                set: None,
                names: BTreeSet::from(["enable".to_owned()]),
                defaults: BTreeMap::new(),
            });
        } else {
            return None;
        }
    }
    found
}

/// The default in `lib.mkOption { default = …; }`, in canonical spelling.
fn default_of(anatomy: &Anatomy, declaration: &Expr) -> Option<String> {
    let Expr::Apply(apply) = peel(declaration.clone()) else {
        return None;
    };
    let Expr::AttrSet(set) = peel(apply.argument()?) else {
        return None;
    };
    let default = set.syntax().children().find_map(|child| {
        let binding = ast::AttrpathValue::cast(child)?;
        let first = binding.attrpath()?.attrs().next()?;
        (attr_name(&first).as_deref() == Some("default")).then(|| binding.value())?
    })?;
    canonical(anatomy, default.syntax())
}
