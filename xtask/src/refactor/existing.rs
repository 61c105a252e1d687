//! A feature that exists already takes over what another host defines.
//!
//! Definitions that are equal are shared. A leaf that differs becomes an option
//! whose default is the old value; what the other host lacks becomes optional;
//! what only the other host has stays with it. No file of another host changes.
//!
//! ```nix
//! services.nginx.statusPage = true;
//! # becomes, for a host that has `false` there
//! services.nginx.statusPage = cfg.statusPage;
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rnix::ast::{self, Expr};
use rnix::{SyntaxKind, SyntaxNode};
use rowan::ast::AstNode;

use super::anatomy::{Anatomy, Block, ItemId, Layer, Value, attr_name, peel, static_path};
use super::canonical::canonical;
use super::catalogue::Catalogue;
use super::comments::{slots, span};
use super::emit::{OptionDecl, option_text};
use super::identity::dedented;
use super::leaves::{Leaf, leaves, plain_entries};
use super::option;
use super::reindent::Lines;
use super::scope;
use crate::edit::{TextEdit, TextEdits};
use crate::tree::TreePath;

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

struct Work<'a> {
    feature: &'a Feature,
    host: &'a Anatomy,
    host_lines: &'a Lines,
    catalogue: &'a Catalogue<'a>,
    used: BTreeSet<String>,
    options: Vec<OptionDecl>,
    edits: Vec<TextEdit>,
    settings: Vec<(String, String)>,
    holes: Vec<Range<usize>>,
    shared: usize,
    changes: usize,
}

/// How two leaves of one path go together.
enum Match {
    Equal,
    /// The feature reads this option there.
    Option(String),
    /// These values have to become an option of this type.
    Differs(String, SyntaxNode, SyntaxNode),
    No,
}

impl<'a> Work<'a> {
    fn new(
        feature: &'a Feature,
        host: &'a Anatomy,
        host_lines: &'a Lines,
        catalogue: &'a Catalogue<'a>,
    ) -> Self {
        let mut used = feature.declaration.names.clone();
        used.insert("enable".to_owned());
        Self {
            feature,
            host,
            host_lines,
            catalogue,
            used,
            options: Vec::new(),
            edits: Vec::new(),
            settings: Vec::new(),
            holes: Vec::new(),
            shared: 0,
            changes: 0,
        }
    }

    fn compare(&self, own: &Leaf, theirs: &Leaf) -> Match {
        let (Some(a), Some(b)) = (&own.value, &theirs.value) else {
            let same = canonical(&self.feature.anatomy, &own.binding);
            return match same {
                Some(a) if Some(&a) == canonical(self.host, &theirs.binding).as_ref() => {
                    Match::Equal
                }
                _ => Match::No,
            };
        };
        if let Some(name) = self.feature.option_read(a) {
            return if option::is_property(b) {
                Match::No
            } else {
                Match::Option(name)
            };
        }
        let (spelt_a, spelt_b) = (canonical(&self.feature.anatomy, a), canonical(self.host, b));
        if spelt_a.is_some() && spelt_a == spelt_b {
            return Match::Equal;
        }
        // Nobody's identity may become everybody's default.
        if self.catalogue.names_machine(&own.path) {
            return Match::No;
        }
        let Some((a, b)) = self.below_properties(a, b) else {
            return Match::No;
        };
        let expected = self.catalogue.value_type(&own.path);
        let types = (
            option::type_text(expected.as_ref(), &a),
            option::type_text(expected.as_ref(), &b),
        );
        match types {
            (Some(left), Some(right)) if left == right => Match::Differs(left, a, b),
            _ => Match::No,
        }
    }

    /// `mkForce a` and `mkForce b` differ in `a` and `b`.
    fn below_properties(&self, a: &SyntaxNode, b: &SyntaxNode) -> Option<(SyntaxNode, SyntaxNode)> {
        if !option::is_property(a) && !option::is_property(b) {
            return Some((a.clone(), b.clone()));
        }
        let parts = |node: &SyntaxNode| {
            let apply = match peel(Expr::cast(node.clone())?) {
                Expr::Apply(apply) => apply,
                _ => return None,
            };
            let argument = apply.argument()?.syntax().clone();
            Some((apply.lambda()?.syntax().clone(), argument))
        };
        let ((f, a), (g, b)) = (parts(a)?, parts(b)?);
        let same = canonical(&self.feature.anatomy, &f)? == canonical(self.host, &g)?;
        if same {
            self.below_properties(&a, &b)
        } else {
            None
        }
    }

    /// The definitions of the host whose every leaf has its like.
    fn takeable(&self, own: &[Leaf], theirs: &[Leaf]) -> BTreeSet<ItemId> {
        let mut bad: BTreeSet<ItemId> = BTreeSet::new();
        for leaf in theirs {
            let partner = own.iter().find(|other| other.path == leaf.path);
            let fits = match partner {
                Some(partner) => !matches!(self.compare(partner, leaf), Match::No),
                None => self.can_be_added(own, leaf).is_some(),
            };
            if !fits {
                bad.insert(leaf.item);
            }
        }
        theirs
            .iter()
            .map(|leaf| leaf.item)
            .filter(|item| !bad.contains(item))
            .collect()
    }

    /// The leaf of the feature that an additional scalar can stand behind.
    fn can_be_added<'l>(&self, own: &'l [Leaf], leaf: &Leaf) -> Option<&'l Leaf> {
        let value = leaf.value.as_ref()?;
        if !option::is_scalar_literal(value) || self.catalogue.names_machine(&leaf.path) {
            return None;
        }
        let parent = leaf.path.split_last()?.1;
        if parent.is_empty() || !self.may_be_conditional(&leaf.path) {
            return None;
        }
        own.iter()
            .rev()
            .find(|other| other.path.split_last().map(|(_, parent)| parent) == Some(parent))
    }

    /// Whether `mkIf` may stand at a path.
    fn may_be_conditional(&self, path: &[String]) -> bool {
        (1..path.len()).all(|end| {
            let kind = self.catalogue.kind(&path[..end]);
            kind.conditions_pass() || kind.splittable()
        })
    }

    fn unify(&mut self, own: &[Leaf], theirs: &[Leaf]) -> Option<()> {
        for leaf in theirs {
            match own.iter().find(|other| other.path == leaf.path) {
                Some(partner) => self.pair(partner, leaf)?,
                None => self.add(own, leaf)?,
            }
        }
        let theirs: BTreeSet<&[String]> = theirs.iter().map(|leaf| leaf.path.as_slice()).collect();
        let is_lacking = |leaf: &Leaf| !theirs.contains(leaf.path.as_slice());
        let lacking: Vec<&Leaf> = own.iter().filter(|leaf| is_lacking(leaf)).collect();
        let kept: Vec<&Leaf> = own.iter().filter(|leaf| !is_lacking(leaf)).collect();
        self.make_optional(&lacking, &kept)
    }

    fn pair(&mut self, own: &Leaf, theirs: &Leaf) -> Option<()> {
        match self.compare(own, theirs) {
            Match::Equal => self.shared += 1,
            Match::Option(name) => {
                let value = theirs.value.as_ref()?;
                let default = self
                    .feature
                    .declaration
                    .defaults
                    .get(&name)
                    .cloned()
                    .flatten();
                if default.is_none() || default != canonical(self.host, value) {
                    self.set(&name, value);
                }
                self.shared += 1;
            }
            Match::Differs(type_text, old, new) => {
                let default = self.feature.expression(&old);
                let name = self.declare(&own.path, type_text, Some(default));
                self.replace(span(old.text_range()), self.feature.read_of(&name));
                self.set(&name, &new);
                self.changes += 1;
            }
            Match::No => return None,
        }
        Some(())
    }

    /// A scalar that only the host has.
    fn add(&mut self, own: &[Leaf], leaf: &Leaf) -> Option<()> {
        let value = leaf.value.as_ref()?;
        let sibling = self.can_be_added(own, leaf)?;
        let type_text = option::type_text(self.catalogue.value_type(&leaf.path).as_ref(), value)?;
        let name = self.declare(&leaf.path, or_null(&type_text), Some("null".to_owned()));
        let anatomy = &self.feature.anatomy;
        let set_path = binding_path(&sibling.binding)?;
        let mut spelt: Vec<String> = set_path[..set_path.len() - 1].to_vec();
        spelt.push(leaf.path.last()?.clone());
        let read = self.feature.read_of(&name);
        let indent = " ".repeat(anatomy.indent_at(span(sibling.binding.text_range()).start));
        let text = format!(
            "\n{indent}{} = lib.mkIf ({read} != null) {read};",
            option::spell(&spelt)
        );
        let end = line_end(&anatomy.text, span(sibling.binding.text_range()).end);
        self.edits.push(TextEdit {
            range: end..end,
            insert: text,
        });
        self.set(&name, value);
        self.changes += 1;
        Some(())
    }

    /// What the host lacks is put under an option, in pieces as large as can be.
    fn make_optional(&mut self, lacking: &[&Leaf], kept: &[&Leaf]) -> Option<()> {
        let mut done: BTreeSet<usize> = BTreeSet::new();
        for leaf in lacking {
            let at = span(leaf.binding.text_range()).start;
            if done.iter().any(|start| *start == at) {
                continue;
            }
            // The outermost binding that holds nothing that is kept.
            let holds_kept = |binding: &SyntaxNode| {
                kept.iter().any(|other| {
                    binding
                        .text_range()
                        .contains_range(other.binding.text_range())
                })
            };
            let item = &self.feature.anatomy.items[leaf.item].node;
            let unit = leaf
                .binding
                .ancestors()
                .filter(|node| node.kind() == SyntaxKind::NODE_ATTRPATH_VALUE)
                .take_while(|node| {
                    item.text_range().contains_range(node.text_range()) && !holds_kept(node)
                })
                .last()?;
            for other in lacking {
                if unit.text_range().contains_range(other.binding.text_range()) {
                    done.insert(span(other.binding.text_range()).start);
                }
            }
            self.gate(leaf, &unit)?;
        }
        Some(())
    }

    fn gate(&mut self, leaf: &Leaf, unit: &SyntaxNode) -> Option<()> {
        let binding = ast::AttrpathValue::cast(unit.clone())?;
        let value = binding.value()?.syntax().clone();
        let path = unit_path(&self.feature.anatomy, leaf, unit)?;
        if !self.may_be_conditional(&path) {
            return None;
        }
        // Already an option, and this host does without: its own affair.
        if self.feature.option_read(&value).is_some() {
            return None;
        }
        let range = span(value.text_range());
        let scalar = option::is_scalar_literal(&value);
        let type_text = option::type_text(self.catalogue.value_type(&path).as_ref(), &value);
        if let (true, Some(type_text)) = (scalar, type_text) {
            let default = self.feature.expression(&value);
            let name = self.declare(&path, or_null(&type_text), Some(default));
            let read = self.feature.read_of(&name);
            self.replace(range, format!("lib.mkIf ({read} != null) {read}"));
            self.settings.push((name, "null".to_owned()));
        } else {
            let simple = matches!(
                value.kind(),
                SyntaxKind::NODE_ATTR_SET
                    | SyntaxKind::NODE_LIST
                    | SyntaxKind::NODE_STRING
                    | SyntaxKind::NODE_PAREN
                    | SyntaxKind::NODE_IDENT
                    | SyntaxKind::NODE_SELECT
                    | SyntaxKind::NODE_PATH_REL
            );
            let mut long = path.clone();
            if let Some(last) = long.last_mut() {
                *last = format!("with-{last}");
            }
            let name = self.unique(&long);
            self.used.insert(name.clone());
            self.options.push(OptionDecl {
                name: name.clone(),
                type_text: "lib.types.bool".to_owned(),
                default: Some("true".to_owned()),
                description: format!("Whether to set `{}`.", option::spell(&path)),
            });
            let read = self.feature.read_of(&name);
            let (open, close) = if simple { ("", "") } else { ("(", ")") };
            self.edits.push(TextEdit {
                range: range.start..range.start,
                insert: format!("lib.mkIf {read} {open}"),
            });
            if !simple {
                self.edits.push(TextEdit {
                    range: range.end..range.end,
                    insert: close.to_owned(),
                });
            }
            self.settings.push((name, "false".to_owned()));
        }
        self.changes += 1;
        Some(())
    }

    fn unique(&self, path: &[String]) -> String {
        option::name(path, &self.used)
    }

    fn declare(&mut self, path: &[String], type_text: String, default: Option<String>) -> String {
        let name = self.unique(path);
        self.used.insert(name.clone());
        self.options
            .push(option::declare(&name, path, type_text, default));
        name
    }

    fn set(&mut self, name: &str, value: &SyntaxNode) {
        let range = span(value.text_range());
        let text = dedented(self.host, self.host_lines, range.clone());
        self.settings.push((name.to_owned(), text));
        self.holes.push(range);
    }

    fn replace(&mut self, range: Range<usize>, insert: String) {
        self.edits.push(TextEdit { range, insert });
    }

    /// The new text of the feature.
    fn text(&mut self) -> Option<String> {
        let mut edits = std::mem::take(&mut self.edits);
        self.feature.declare_all(&self.options, &mut edits)?;
        if self.feature.cfg.is_none() {
            self.feature.bind_cfg(&mut edits)?;
        }
        let text = TextEdits::new(edits)
            .ok()?
            .apply(&self.feature.anatomy.text)?;
        rnix::Root::parse(&text).errors().is_empty().then_some(text)
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

fn or_null(type_text: &str) -> String {
    if type_text.starts_with("lib.types.nullOr") {
        type_text.to_owned()
    } else if type_text.contains(' ') {
        format!("lib.types.nullOr ({type_text})")
    } else {
        format!("lib.types.nullOr {type_text}")
    }
}

fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |end| at + end)
}

/// The names in a binding's own attribute path.
fn binding_path(binding: &SyntaxNode) -> Option<Vec<String>> {
    let path = ast::AttrpathValue::cast(binding.clone())?.attrpath()?;
    let (names, dynamic) = static_path(&path);
    (!dynamic && !names.is_empty()).then_some(names)
}

/// The full path of a binding around a leaf.
fn unit_path(anatomy: &Anatomy, leaf: &Leaf, unit: &SyntaxNode) -> Option<Vec<String>> {
    if unit == &anatomy.items.get(leaf.item)?.node {
        return anatomy.items.get(leaf.item).map(|item| item.path.clone());
    }
    let mut below = 0;
    for node in leaf.binding.ancestors() {
        if &node == unit {
            return leaf
                .path
                .get(..leaf.path.len() - below)
                .map(<[String]>::to_vec);
        }
        if node.kind() == SyntaxKind::NODE_ATTRPATH_VALUE {
            below += binding_path(&node)?.len();
        }
    }
    None
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
