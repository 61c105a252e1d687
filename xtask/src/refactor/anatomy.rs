//! The anatomy of a module file: the layers around its set (`args:`, `let`,
//! `with`), what it imports, and its definitions as a tree that can be split by
//! option path.

use std::ops::Range;

use rnix::ast::{self, Attr, Expr};
use rnix::{SyntaxKind, SyntaxNode};
use rowan::ast::AstNode;

use super::comments::{Slots, slots, span};
use crate::tree::TreePath;

/// One layer around the set of a module, outermost first.
#[derive(Debug, Clone)]
pub enum Layer {
    /// `{ config, ... }:` or `args:`.
    Function(ast::Lambda),
    /// `let … in`.
    Let(ast::LetIn),
    /// `with lib;`.
    With(ast::With),
}

impl Layer {
    /// The whole node, body included.
    pub fn node(&self) -> &SyntaxNode {
        match self {
            Self::Function(node) => node.syntax(),
            Self::Let(node) => node.syntax(),
            Self::With(node) => node.syntax(),
        }
    }
}

/// Index into [`Anatomy::items`].
pub type ItemId = usize;

/// The smallest piece that moves: one definition, as the author wrote it.
#[derive(Debug, Clone)]
pub struct Item {
    /// The option path as far as it is static.
    pub path: Vec<String>,
    /// Whether the attribute path goes on with an interpolated name.
    pub dynamic: bool,
    /// The binding.
    pub node: SyntaxNode,
    /// The binding with its comments.
    pub own: Range<usize>,
    /// Non-blank lines of `own`.
    pub lines: usize,
    /// What is copied along with it: conditions and scopes around it.
    pub context: Vec<SyntaxNode>,
    /// Why it cannot move, if so.
    pub fixed: Option<Fixed>,
}

/// Why a definition stays where it is, whatever the request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fixed {
    /// `imports`, `options`, `_module`, … have no meaning under a condition.
    Structural,
    /// The set that holds it is updated by `//` with something unknown.
    Update,
    /// A later `//` operand replaces it.
    Overridden,
    /// The set is recursive and others read the definition by its bare name.
    Recursive,
    /// Its attribute path begins with an interpolated name.
    DynamicRoot,
}

impl Fixed {
    /// The reason for people.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Structural => "has no meaning under a condition",
            Self::Update => "its set is updated with `//` by something that is not a literal set",
            Self::Overridden => "a later operand of `//` replaces it",
            Self::Recursive => {
                "its set is recursive and other definitions read it by its bare name"
            }
            Self::DynamicRoot => "its attribute path begins with an interpolated name",
        }
    }
}

/// What a slot of a set holds.
#[derive(Debug, Clone)]
pub enum Entry {
    /// One definition.
    Leaf(ItemId),
    /// A set strictly above options, split further.
    Group {
        /// The items below.
        items: Range<ItemId>,
        /// What is bound.
        value: Value,
    },
    /// `imports`, `options`, `config`: the frame of the module itself.
    Frame,
}

/// A literal set with its entries.
#[derive(Debug, Clone)]
pub struct Block {
    /// The `NODE_ATTR_SET`.
    pub set: SyntaxNode,
    /// Comments and extents.
    pub slots: Slots,
    /// One per slot.
    pub entries: Vec<Entry>,
}

/// An expression that definitions are read from.
#[derive(Debug, Clone)]
pub enum Value {
    /// `{ … }`.
    Set(Block),
    /// `mkIf c …`, `with x; …`, `let … in …`: text around one inner value.
    Around {
        /// The whole expression.
        node: SyntaxNode,
        /// The value inside.
        inner: Box<Value>,
    },
    /// `mkMerge [ … ]`.
    Merge {
        /// The whole application.
        node: SyntaxNode,
        /// The list.
        list: SyntaxNode,
        /// The elements with what was found in them.
        elements: Vec<(SyntaxNode, Value)>,
    },
    /// `a // b` of literal sets.
    Update {
        /// The whole expression.
        node: SyntaxNode,
        /// Left operand.
        left: Box<Value>,
        /// Right operand.
        right: Box<Value>,
    },
    /// Anything else.
    Opaque(SyntaxNode),
}

impl Value {
    /// The expression, without parentheses around it.
    pub fn node(&self) -> &SyntaxNode {
        match self {
            Self::Set(block) => &block.set,
            Self::Around { node, .. }
            | Self::Merge { node, .. }
            | Self::Update { node, .. }
            | Self::Opaque(node) => node,
        }
    }

    /// The literal sets inside, in order.
    pub fn blocks(&self) -> Vec<&Block> {
        let mut found = Vec::new();
        self.collect_blocks(&mut found);
        found
    }

    fn collect_blocks<'a>(&'a self, found: &mut Vec<&'a Block>) {
        match self {
            Self::Set(block) => found.push(block),
            Self::Around { inner, .. } => inner.collect_blocks(found),
            Self::Merge { elements, .. } => {
                for (_, value) in elements {
                    value.collect_blocks(found);
                }
            }
            Self::Update { left, right, .. } => {
                left.collect_blocks(found);
                right.collect_blocks(found);
            }
            Self::Opaque(_) => {}
        }
    }
}

/// Where a module takes other modules from.
#[derive(Debug, Clone)]
pub struct Imports {
    /// The binding.
    pub node: SyntaxNode,
    /// What is bound.
    pub value: SyntaxNode,
    /// The first literal list in it (alone, or an operand of `++`).
    pub list: Option<SyntaxNode>,
}

/// A construct that the migration cannot see into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Construct {
    /// What it is, as a noun phrase.
    pub what: &'static str,
    /// Where.
    pub range: Range<usize>,
    /// The edit that would unblock it.
    pub help: &'static str,
}

/// A module file, taken apart.
#[derive(Debug, Clone)]
pub struct Anatomy {
    /// The file.
    pub path: TreePath,
    /// Its text.
    pub text: String,
    /// Its syntax tree.
    pub root: SyntaxNode,
    /// What stands around the set, outermost first.
    pub layers: Vec<Layer>,
    /// The set of the module itself (with `imports`), if it is a literal one.
    pub frame: Value,
    /// Where definitions are read from: the frame itself, or what `config` is
    /// bound to (several when `config` is spelt in several bindings).
    pub configs: Vec<Config>,
    /// All definitions.
    pub items: Vec<Item>,
    /// The `imports` binding.
    pub imports: Option<Imports>,
    /// Whether the frame has `config` or `options`.
    pub structured: bool,
    /// What could not be seen into.
    pub constructs: Vec<Construct>,
}

/// One place that definitions are read from.
#[derive(Debug, Clone)]
pub struct Config {
    /// The prefix that `config.a.b = …` leaves on everything inside.
    pub prefix: Vec<String>,
    /// The value.
    pub value: Value,
}

/// Why a file is not a module that can be taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAModule {
    /// The file does not parse.
    Syntax {
        /// What the parser said first.
        message: String,
        /// Where.
        range: Range<usize>,
    },
    /// The file is parsed, but its value is no literal module.
    Shape(Construct),
}

/// Deepest nesting of sets that is followed; deeper ones move as a whole.
const MAX_DEPTH: usize = 32;

/// Deepest syntax that is taken apart: rowan's own walks recurse.
const MAX_SYNTAX_DEPTH: usize = 1_000;

impl Anatomy {
    /// Takes a file apart. `above` tells whether a path lies strictly above
    /// options, so that the set bound to it can be split.
    pub fn of(
        path: &TreePath,
        text: &str,
        above: &dyn Fn(&[String]) -> bool,
    ) -> Result<Self, NotAModule> {
        if let Some(at) = too_deep(text) {
            return Err(NotAModule::Shape(Construct {
                what: "an expression nested too deeply",
                range: at..at + 1,
                help: "move generated data to a file of its own",
            }));
        }
        let parsed = rnix::Root::parse(text);
        let root = parsed.syntax();
        if let Some(error) = parsed.errors().first() {
            return Err(NotAModule::Syntax {
                message: error.to_string(),
                range: error_range(error, text.len()),
            });
        }
        let mut layers = Vec::new();
        let mut expr = parsed.tree().expr();
        let top = loop {
            expr = match expr {
                None => {
                    return Err(NotAModule::Shape(Construct {
                        what: "an empty file",
                        range: 0..0,
                        help: "write a module: `{ ... }: { }`",
                    }));
                }
                Some(Expr::Paren(paren)) => paren.expr(),
                Some(Expr::Lambda(lambda)) => {
                    let body = lambda.body();
                    layers.push(Layer::Function(lambda));
                    body
                }
                Some(Expr::LetIn(node)) => {
                    let body = node.body();
                    layers.push(Layer::Let(node));
                    body
                }
                Some(Expr::With(node)) => {
                    let body = node.body();
                    layers.push(Layer::With(node));
                    body
                }
                Some(other) => break other,
            };
        };
        let mut builder = Builder {
            text,
            above,
            items: Vec::new(),
            constructs: Vec::new(),
            context: Vec::new(),
            fixed: None,
        };
        let is_frame = is_structured(&top);
        let frame = if is_frame {
            builder.frame_of_structured(&top)
        } else {
            builder.value(&top, &[], 0)
        };
        if let Value::Opaque(node) = &frame {
            return Err(NotAModule::Shape(Construct {
                what: describe(node.kind()),
                range: span(node.text_range()),
                help: "write the module as a literal attribute set",
            }));
        }
        let mut configs = Vec::new();
        if is_frame {
            for block in frame.blocks() {
                for slot in &block.slots.slots {
                    if let Some((prefix, value)) = config_binding(&slot.node) {
                        builder.context.clear();
                        builder.fixed = None;
                        let value = builder.value(&value, &prefix, 0);
                        if let Value::Opaque(node) = &value {
                            builder.constructs.push(Construct {
                                what: describe(node.kind()),
                                range: span(node.text_range()),
                                help: "bind `config` to a literal attribute set",
                            });
                        }
                        configs.push(Config { prefix, value });
                    }
                }
            }
        } else {
            configs.push(Config {
                prefix: Vec::new(),
                value: frame.clone(),
            });
        }
        let imports = frame
            .blocks()
            .iter()
            .flat_map(|block| &block.slots.slots)
            .find_map(|slot| imports_of(&slot.node));
        let mut anatomy = Self {
            path: path.clone(),
            text: text.to_owned(),
            root,
            layers,
            frame,
            configs,
            items: builder.items,
            imports,
            structured: is_frame,
            constructs: builder.constructs,
        };
        anatomy.fix_recursive();
        Ok(anatomy)
    }

    /// The innermost function: what the module system calls.
    pub fn function(&self) -> Option<&ast::Lambda> {
        self.layers.iter().rev().find_map(|layer| match layer {
            Layer::Function(lambda) => Some(lambda),
            _ => None,
        })
    }

    /// Text of a range; empty if the range does not fit.
    pub fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    /// Indentation, in columns, of the line that holds `offset`.
    pub fn indent_at(&self, offset: usize) -> usize {
        let before = self.text.get(..offset).unwrap_or_default();
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        self.text[line..]
            .chars()
            .take_while(|c| matches!(c, ' ' | '\t'))
            .count()
    }

    /// In a `rec` set, definitions that read a sibling by its bare name stay,
    /// and so does the sibling.
    fn fix_recursive(&mut self) {
        let mut stay = Vec::new();
        for config in &self.configs {
            for block in config.value.blocks() {
                let set = ast::AttrSet::cast(block.set.clone());
                if set.is_none_or(|set| set.rec_token().is_none()) {
                    continue;
                }
                let binders: Vec<(String, &Entry)> = block
                    .slots
                    .slots
                    .iter()
                    .zip(&block.entries)
                    .flat_map(|(slot, entry)| {
                        super::scope::bound_names(&slot.node)
                            .into_iter()
                            .map(move |name| (name, entry))
                    })
                    .collect();
                for (slot, entry) in block.slots.slots.iter().zip(&block.entries) {
                    for usage in super::scope::uses(&slot.node) {
                        let Some(binder) = &usage.recursive else {
                            continue;
                        };
                        if binder != &block.set {
                            continue;
                        }
                        stay.extend(items_of(entry));
                        for (name, bound) in &binders {
                            if name == &usage.name {
                                stay.extend(items_of(bound));
                            }
                        }
                    }
                }
            }
        }
        for id in stay {
            if let Some(item) = self.items.get_mut(id) {
                item.fixed.get_or_insert(Fixed::Recursive);
            }
        }
    }
}

fn items_of(entry: &Entry) -> Range<ItemId> {
    match entry {
        Entry::Leaf(id) => *id..*id + 1,
        Entry::Group { items, .. } => items.clone(),
        Entry::Frame => 0..0,
    }
}

fn error_range(error: &rnix::ParseError, len: usize) -> Range<usize> {
    use rnix::ParseError as E;
    match error {
        E::Unexpected(range)
        | E::UnexpectedExtra(range)
        | E::UnexpectedWanted(_, range, _)
        | E::UnexpectedDoubleBind(range)
        | E::DuplicatedArgs(range, _) => span(*range),
        _ => len..len,
    }
}

/// Where brackets nest deeper than the tree can be walked; strings and
/// comments count as text, so the answer errs towards "too deep".
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_SYNTAX_DEPTH {
            return Some(at);
        }
    }
    None
}

/// A noun phrase for a kind of expression.
pub fn describe(kind: SyntaxKind) -> &'static str {
    match kind {
        SyntaxKind::NODE_APPLY => "a function application in place of a set",
        SyntaxKind::NODE_IF_ELSE => "an `if` in place of a set",
        SyntaxKind::NODE_LIST => "a list in place of a set",
        SyntaxKind::NODE_BIN_OP => "an operator expression in place of a set",
        SyntaxKind::NODE_ASSERT => "an `assert` around the set",
        SyntaxKind::NODE_IDENT | SyntaxKind::NODE_SELECT => "a name in place of a set",
        SyntaxKind::NODE_LITERAL | SyntaxKind::NODE_STRING => "a literal in place of a set",
        _ => "an expression in place of a set",
    }
}

/// Strips parentheses.
pub fn peel(mut expr: Expr) -> Expr {
    while let Expr::Paren(paren) = &expr {
        match paren.expr() {
            Some(inner) => expr = inner,
            None => break,
        }
    }
    expr
}

/// The name of a static attribute (`a`, `"a"`), `None` for an interpolated one.
pub fn attr_name(attr: &Attr) -> Option<String> {
    match attr {
        Attr::Ident(ident) => Some(ident.to_string()),
        Attr::Str(string) => plain_string(string),
        Attr::Dynamic(dynamic) => match dynamic.expr()? {
            Expr::Str(string) => plain_string(&string),
            _ => None,
        },
    }
}

/// The value of a string literal without interpolation.
pub fn plain_string(string: &ast::Str) -> Option<String> {
    match string.normalized_parts().as_slice() {
        [] => Some(String::new()),
        [ast::InterpolPart::Literal(text)] => Some(text.clone()),
        _ => None,
    }
}

/// The static beginning of an attribute path, and whether more follows.
pub fn static_path(path: &ast::Attrpath) -> (Vec<String>, bool) {
    let mut names = Vec::new();
    for attr in path.attrs() {
        match attr_name(&attr) {
            Some(name) => names.push(name),
            None => return (names, true),
        }
    }
    (names, false)
}

fn entry_names(node: &SyntaxNode) -> Vec<String> {
    if let Some(binding) = ast::AttrpathValue::cast(node.clone()) {
        let first = binding.attrpath().and_then(|path| path.attrs().next());
        return first.as_ref().and_then(attr_name).into_iter().collect();
    }
    super::scope::bound_names(node)
}

fn is_structured(expr: &Expr) -> bool {
    match expr {
        Expr::AttrSet(set) => set
            .syntax()
            .children()
            .flat_map(|entry| entry_names(&entry))
            .any(|name| name == "config" || name == "options"),
        _ => false,
    }
}

/// `config = …`, `config.a.b = …` of a structured module.
fn config_binding(node: &SyntaxNode) -> Option<(Vec<String>, Expr)> {
    let binding = ast::AttrpathValue::cast(node.clone())?;
    let (mut names, dynamic) = static_path(&binding.attrpath()?);
    if dynamic || names.first().is_none_or(|name| name != "config") {
        return None;
    }
    names.remove(0);
    // `config.a.b = v` is split no further: the path cannot be cut in two.
    if names.is_empty() {
        Some((names, binding.value()?))
    } else {
        None
    }
}

fn imports_of(node: &SyntaxNode) -> Option<Imports> {
    let binding = ast::AttrpathValue::cast(node.clone())?;
    let (names, dynamic) = static_path(&binding.attrpath()?);
    if dynamic || names != ["imports"] {
        return None;
    }
    let value = binding.value()?;
    Some(Imports {
        node: node.clone(),
        list: literal_list(&value),
        value: value.syntax().clone(),
    })
}

fn literal_list(expr: &Expr) -> Option<SyntaxNode> {
    match peel(expr.clone()) {
        Expr::List(list) => Some(list.syntax().clone()),
        Expr::BinOp(op) if op.operator() == Some(ast::BinOpKind::Concat) => op
            .lhs()
            .and_then(|lhs| literal_list(&lhs))
            .or_else(|| op.rhs().and_then(|rhs| literal_list(&rhs))),
        _ => None,
    }
}

/// The last name of `f` in `f`, `lib.f`, `pkgs.lib.f`.
fn function_name(expr: &Expr) -> Option<String> {
    match peel(expr.clone()) {
        Expr::Ident(ident) => Some(ident.to_string()),
        Expr::Select(select) if select.default_expr().is_none() => {
            attr_name(&select.attrpath()?.attrs().last()?)
        }
        _ => None,
    }
}

/// Attributes of a module that mean something to the module system itself.
const STRUCTURAL: [&str; 9] = [
    "imports",
    "options",
    "disabledModules",
    "freeformType",
    "key",
    "meta",
    "require",
    "_file",
    "_class",
];

struct Builder<'a> {
    text: &'a str,
    above: &'a dyn Fn(&[String]) -> bool,
    items: Vec<Item>,
    constructs: Vec<Construct>,
    context: Vec<SyntaxNode>,
    fixed: Option<Fixed>,
}

impl Builder<'_> {
    fn value(&mut self, expr: &Expr, prefix: &[String], depth: usize) -> Value {
        let expr = peel(expr.clone());
        if depth > MAX_DEPTH {
            return Value::Opaque(expr.syntax().clone());
        }
        match &expr {
            Expr::AttrSet(set) => Value::Set(self.block(set, prefix, depth)),
            Expr::With(with) => match with.body() {
                Some(body) => self.around(&expr, &body, prefix, depth),
                None => Value::Opaque(expr.syntax().clone()),
            },
            Expr::LetIn(node) => match node.body() {
                Some(body) => self.around(&expr, &body, prefix, depth),
                None => Value::Opaque(expr.syntax().clone()),
            },
            Expr::Apply(apply) => self
                .application(&expr, apply, prefix, depth)
                .unwrap_or_else(|| Value::Opaque(expr.syntax().clone())),
            Expr::BinOp(op) if op.operator() == Some(ast::BinOpKind::Update) => {
                match (op.lhs(), op.rhs()) {
                    (Some(left), Some(right)) => self.update(&expr, &left, &right, prefix, depth),
                    _ => Value::Opaque(expr.syntax().clone()),
                }
            }
            _ => Value::Opaque(expr.syntax().clone()),
        }
    }

    fn around(&mut self, expr: &Expr, inner: &Expr, prefix: &[String], depth: usize) -> Value {
        self.context.push(expr.syntax().clone());
        let inner = self.value(inner, prefix, depth + 1);
        self.context.pop();
        if matches!(inner, Value::Opaque(_)) {
            return Value::Opaque(expr.syntax().clone());
        }
        Value::Around {
            node: expr.syntax().clone(),
            inner: Box::new(inner),
        }
    }

    /// `mkIf c {…}` and `mkMerge [ … ]`.
    fn application(
        &mut self,
        expr: &Expr,
        apply: &ast::Apply,
        prefix: &[String],
        depth: usize,
    ) -> Option<Value> {
        let argument = apply.argument()?;
        let function = peel(apply.lambda()?);
        if let Expr::Apply(inner) = &function {
            if function_name(&inner.lambda()?)? == "mkIf" {
                return Some(self.around(expr, &argument, prefix, depth));
            }
            return None;
        }
        if function_name(&function)? != "mkMerge" {
            return None;
        }
        let Expr::List(list) = peel(argument) else {
            return None;
        };
        self.context.push(expr.syntax().clone());
        let elements = list
            .items()
            .map(|item| {
                let value = self.value(&item, prefix, depth + 1);
                (item.syntax().clone(), value)
            })
            .collect();
        self.context.pop();
        Some(Value::Merge {
            node: expr.syntax().clone(),
            list: list.syntax().clone(),
            elements,
        })
    }

    fn update(
        &mut self,
        expr: &Expr,
        left: &Expr,
        right: &Expr,
        prefix: &[String],
        depth: usize,
    ) -> Value {
        let start = self.items.len();
        let left_value = self.value(left, prefix, depth + 1);
        let middle = self.items.len();
        let right_value = self.value(right, prefix, depth + 1);
        let opaque = |value: &Value| !matches!(value, Value::Set(_) | Value::Update { .. });
        let at = prefix.len();
        if opaque(&left_value) || opaque(&right_value) {
            for item in &mut self.items[start..] {
                item.fixed.get_or_insert(Fixed::Update);
            }
            let bad = if opaque(&right_value) { right } else { left };
            self.constructs.push(Construct {
                what: "an operand of `//` that is not a literal set",
                range: span(bad.syntax().text_range()),
                help: "use `lib.mkMerge [ … ]` in place of `//`",
            });
        } else {
            let names = |items: &[Item]| -> Vec<Option<String>> {
                items
                    .iter()
                    .map(|item| item.path.get(at).cloned())
                    .collect()
            };
            let (lefts, rights) = (
                names(&self.items[start..middle]),
                names(&self.items[middle..]),
            );
            for (offset, item) in self.items[start..].iter_mut().enumerate() {
                let (own, other) = if offset < lefts.len() {
                    (&lefts[offset], &rights)
                } else {
                    (&rights[offset - lefts.len()], &lefts)
                };
                if other.contains(own) || other.contains(&None) {
                    item.fixed.get_or_insert(Fixed::Overridden);
                }
            }
        }
        if matches!(left_value, Value::Opaque(_)) && matches!(right_value, Value::Opaque(_)) {
            return Value::Opaque(expr.syntax().clone());
        }
        Value::Update {
            node: expr.syntax().clone(),
            left: Box::new(left_value),
            right: Box::new(right_value),
        }
    }

    /// The frame of `{ imports; options; config; }`: nothing in it moves.
    fn frame_of_structured(&mut self, expr: &Expr) -> Value {
        let node = expr.syntax().clone();
        let slots = slots(&node);
        let entries = slots.slots.iter().map(|_| Entry::Frame).collect();
        Value::Set(Block {
            set: node,
            slots,
            entries,
        })
    }

    fn block(&mut self, set: &ast::AttrSet, prefix: &[String], depth: usize) -> Block {
        let slots = slots(set.syntax());
        let mut entries = Vec::with_capacity(slots.slots.len());
        for slot in &slots.slots {
            let own = slot.own_start..slot.own_end;
            entries.push(self.entry(&slot.node, own, prefix, depth));
        }
        Block {
            set: set.syntax().clone(),
            slots,
            entries,
        }
    }

    fn entry(
        &mut self,
        node: &SyntaxNode,
        own: Range<usize>,
        prefix: &[String],
        depth: usize,
    ) -> Entry {
        let (names, dynamic, value) = match ast::AttrpathValue::cast(node.clone()) {
            Some(binding) => {
                let (names, dynamic) = binding
                    .attrpath()
                    .map_or((Vec::new(), true), |path| static_path(&path));
                (names, dynamic, binding.value())
            }
            None => {
                let names = super::scope::bound_names(node);
                // Several names in one `inherit` move together or not at all.
                let first = names.first().cloned().into_iter().collect();
                (first, names.is_empty(), None)
            }
        };
        let mut path = prefix.to_vec();
        path.extend(names);
        if prefix.is_empty() && path.first().is_some_and(|name| name == "imports") {
            return Entry::Frame;
        }
        let structural = prefix.is_empty()
            && path
                .first()
                .is_some_and(|name| STRUCTURAL.contains(&name.as_str()));
        if let (false, false, Some(value)) = (structural, dynamic, &value)
            && !path.is_empty()
            && (self.above)(&path)
            && !is_recursive(value)
        {
            let start = self.items.len();
            let value = self.value(value, &path, depth + 1);
            if self.items.len() > start || !matches!(value, Value::Opaque(_)) {
                // An empty set above options defines nothing: leave it be.
                if self.items.len() > start {
                    return Entry::Group {
                        items: start..self.items.len(),
                        value,
                    };
                }
                return Entry::Frame;
            }
        }
        let fixed = if structural || path.first().is_some_and(|name| name == "_module") {
            Some(Fixed::Structural)
        } else if path.is_empty() {
            Some(Fixed::DynamicRoot)
        } else {
            self.fixed.clone()
        };
        let lines = self
            .text
            .get(own.clone())
            .unwrap_or_default()
            .lines()
            .filter(|line| !line.trim().is_empty())
            .count();
        self.items.push(Item {
            path,
            dynamic,
            node: node.clone(),
            own,
            lines,
            context: self.context.clone(),
            fixed,
        });
        Entry::Leaf(self.items.len() - 1)
    }
}

fn is_recursive(expr: &Expr) -> bool {
    match peel(expr.clone()) {
        Expr::AttrSet(set) => set.rec_token().is_some(),
        _ => false,
    }
}
