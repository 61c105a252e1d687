//! The anatomy of a module file: the layers around its set (`args:`, `let`,
//! `with`), what it imports, and its definitions as a tree that can be split by
//! option path.

use std::ops::Range;

use rnix::SyntaxNode;
use rnix::ast::{self, Expr};
use rowan::ast::AstNode;

use super::comments::{Slots, span};
use crate::tree::TreePath;

mod build;
mod fixed;
mod read;
mod recursive;

use build::Builder;
pub use fixed::Fixed;
pub use read::{attr_name, describe, peel, plain_string, static_path};
use read::{config_binding, error_range, imports_of, is_structured, too_deep};

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
}
