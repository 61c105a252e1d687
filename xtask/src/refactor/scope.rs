//! Which variables a piece of code reads, and what binds them.

use std::collections::BTreeSet;

use rnix::ast::{self, HasEntry};
use rnix::{SyntaxKind, SyntaxNode};
use rowan::ast::AstNode;

use super::anatomy::{Anatomy, Layer, attr_name};
use super::comments::span;

/// One read of a variable inside a piece of code.
#[derive(Debug, Clone)]
pub struct Usage {
    /// The spelling.
    pub name: String,
    /// The identifier.
    pub node: SyntaxNode,
    /// The node that binds it lexically, if any: a lambda, `let`, `rec` set.
    pub binder: Option<SyntaxNode>,
    /// The binder, when it is a recursive set.
    pub recursive: Option<SyntaxNode>,
    /// The `with`s around it, innermost first; empty when it is bound
    /// lexically or a builtin.
    pub withs: Vec<SyntaxNode>,
}

/// Names that are in scope everywhere; `with` never shadows them.
const GLOBALS: [&str; 25] = [
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
    "__curPos",
    "or",
];

/// Whether a name is in scope everywhere.
pub fn is_global(name: &str) -> bool {
    GLOBALS.contains(&name) || name.starts_with("__")
}

/// The names that an entry of a set or `let` binds in it.
pub fn bound_names(entry: &SyntaxNode) -> Vec<String> {
    if let Some(binding) = ast::AttrpathValue::cast(entry.clone()) {
        return binding
            .attrpath()
            .and_then(|path| path.attrs().next())
            .as_ref()
            .and_then(attr_name)
            .into_iter()
            .collect();
    }
    match ast::Inherit::cast(entry.clone()) {
        Some(inherit) => inherit
            .attrs()
            .filter_map(|attr| attr_name(&attr))
            .collect(),
        None => Vec::new(),
    }
}

/// All reads of variables in a piece of code, in order.
pub fn uses(node: &SyntaxNode) -> Vec<Usage> {
    node.descendants()
        .filter(|it| it.kind() == SyntaxKind::NODE_IDENT && is_variable(it))
        .map(resolve)
        .collect()
}

/// Whether an identifier stands for a variable, not for an attribute or a
/// parameter.
fn is_variable(ident: &SyntaxNode) -> bool {
    let Some(parent) = ident.parent() else {
        return false;
    };
    match parent.kind() {
        SyntaxKind::NODE_ATTRPATH | SyntaxKind::NODE_PAT_BIND | SyntaxKind::NODE_IDENT_PARAM => {
            false
        }
        SyntaxKind::NODE_INHERIT => {
            ast::Inherit::cast(parent).is_some_and(|inherit| inherit.from().is_none())
        }
        // The first identifier of `name ? default` is the parameter.
        SyntaxKind::NODE_PAT_ENTRY => parent.children().next().as_ref() != Some(ident),
        _ => true,
    }
}

fn resolve(ident: SyntaxNode) -> Usage {
    let name = ident.text().to_string();
    let mut usage = Usage {
        name,
        node: ident.clone(),
        binder: None,
        recursive: None,
        withs: Vec::new(),
    };
    let mut child = ident.clone();
    // `inherit x;` reads x from outside of the set that it stands in.
    let mut skip = ident
        .parent()
        .filter(|parent| parent.kind() == SyntaxKind::NODE_INHERIT)
        .and_then(|inherit| inherit.parent());
    while let Some(scope) = child.parent() {
        let binds = match scope.kind() {
            SyntaxKind::NODE_LAMBDA => {
                ast::Lambda::cast(scope.clone()).is_some_and(|it| parameter_binds(&it, &usage.name))
            }
            SyntaxKind::NODE_LET_IN | SyntaxKind::NODE_LEGACY_LET => {
                skip.as_ref() != Some(&scope) && entries_bind(&scope, &usage.name)
            }
            SyntaxKind::NODE_ATTR_SET => {
                let recursive =
                    ast::AttrSet::cast(scope.clone()).is_some_and(|set| set.rec_token().is_some());
                recursive && skip.as_ref() != Some(&scope) && entries_bind(&scope, &usage.name)
            }
            SyntaxKind::NODE_WITH => {
                let in_body = ast::With::cast(scope.clone())
                    .and_then(|with| with.body())
                    .is_some_and(|body| body.syntax() == &child);
                if in_body {
                    usage.withs.push(scope.clone());
                }
                false
            }
            _ => false,
        };
        if binds {
            usage.withs.clear();
            if scope.kind() == SyntaxKind::NODE_ATTR_SET {
                usage.recursive = Some(scope.clone());
            }
            usage.binder = Some(scope);
            return usage;
        }
        if skip.as_ref() == Some(&scope) {
            skip = None;
        }
        child = scope;
    }
    if is_global(&usage.name) {
        usage.withs.clear();
    }
    usage
}

fn parameter_binds(lambda: &ast::Lambda, name: &str) -> bool {
    match lambda.param() {
        Some(ast::Param::IdentParam(param)) => param
            .ident()
            .is_some_and(|ident| ident.syntax().text() == name),
        Some(ast::Param::Pattern(pattern)) => {
            pattern
                .pat_bind()
                .and_then(|bind| bind.ident())
                .is_some_and(|ident| ident.syntax().text() == name)
                || pattern.pat_entries().any(|entry| {
                    entry
                        .ident()
                        .is_some_and(|ident| ident.syntax().text() == name)
                })
        }
        None => false,
    }
}

fn entries_bind(scope: &SyntaxNode, name: &str) -> bool {
    scope
        .children()
        .filter(|child| {
            matches!(
                child.kind(),
                SyntaxKind::NODE_ATTRPATH_VALUE | SyntaxKind::NODE_INHERIT
            )
        })
        .any(|entry| bound_names(&entry).iter().any(|bound| bound == name))
}

/// What a piece of moved code needs from the layers of its file.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// Arguments of the module, by name.
    pub formals: BTreeSet<String>,
    /// Names bound by a `let` layer: (index of the layer, name).
    pub locals: BTreeSet<(usize, String)>,
    /// Indices of `with` layers that a name may come from.
    pub withs: BTreeSet<usize>,
    /// Names that are resolved through `with`, or through nothing at all.
    pub unbound: BTreeSet<String>,
    /// Every name that is spelt as a variable.
    pub spelt: BTreeSet<String>,
    /// Names bound by a `let` layer that are passed as options, not carried:
    /// what they are made of is no need.
    pub handed: BTreeSet<(usize, String)>,
    /// What makes the code depend on the place where it stands.
    pub bound_here: Option<BoundHere>,
}

/// Why code cannot be moved into another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoundHere {
    /// It uses the whole argument set (`args@{ … }`, `args: …`).
    WholeArguments(String),
    /// It uses a parameter of a function around the module.
    Parameter(String),
    /// It reads its own position.
    Position,
    /// It uses a sibling of a recursive set.
    Recursive(String),
    /// The function takes an argument that nothing binds (`{ }:` with `@`).
    Unbound(String),
}

impl BoundHere {
    /// The reason for people.
    pub fn reason(&self) -> String {
        match self {
            Self::WholeArguments(name) => {
                format!("uses `{name}`, all arguments of this file, as a value")
            }
            Self::Parameter(name) => {
                format!("uses `{name}`, which whoever imports this file passes")
            }
            Self::Position => "uses `__curPos`, its place in this file".to_owned(),
            Self::Recursive(name) => format!("uses `{name}`, a sibling in a recursive set"),
            Self::Unbound(name) => format!("uses `{name}`, which nothing in this file binds"),
        }
    }
}

/// What a node needs of its file's layers, locals followed but for those that
/// are `handed` over.
pub fn needs(anatomy: &Anatomy, nodes: &[SyntaxNode], handed: &BTreeSet<(usize, String)>) -> Needs {
    let mut result = Needs {
        handed: handed.clone(),
        ..Needs::default()
    };
    let mut queue: Vec<SyntaxNode> = nodes.to_vec();
    while let Some(node) = queue.pop() {
        if node
            .descendants()
            .any(|it| it.kind() == SyntaxKind::NODE_CUR_POS)
        {
            result.bound_here.get_or_insert(BoundHere::Position);
        }
        for usage in uses(&node) {
            note(anatomy, usage, &mut result, &mut queue);
        }
    }
    result
}

/// What a whole application such as `mkIf c` reads outside of `inner`.
pub fn uses_around(node: &SyntaxNode, inner: &SyntaxNode) -> Vec<Usage> {
    let hole = inner.text_range();
    uses(node)
        .into_iter()
        .filter(|usage| !hole.contains_range(usage.node.text_range()))
        .collect()
}

/// Adds one usage to what is needed; locals are put on the queue.
pub fn note(anatomy: &Anatomy, usage: Usage, needs: &mut Needs, queue: &mut Vec<SyntaxNode>) {
    needs.spelt.insert(usage.name.clone());
    let Some(binder) = &usage.binder else {
        if !is_global(&usage.name) {
            if usage.withs.is_empty() {
                needs
                    .bound_here
                    .get_or_insert(BoundHere::Unbound(usage.name.clone()));
            }
            needs.unbound.insert(usage.name.clone());
            for with in &usage.withs {
                let layer = anatomy.layers.iter().position(|layer| layer.node() == with);
                if let (Some(layer), Some(node)) = (layer, ast::With::cast(with.clone()))
                    && needs.withs.insert(layer)
                {
                    queue.extend(node.namespace().map(|it| it.syntax().clone()));
                }
            }
        }
        return;
    };
    let layer = anatomy
        .layers
        .iter()
        .position(|layer| layer.node() == binder);
    match layer.and_then(|at| anatomy.layers.get(at).map(|layer| (at, layer))) {
        Some((at, Layer::Let(node))) => {
            let is_handed = needs.handed.contains(&(at, usage.name.clone()));
            if !is_handed && needs.locals.insert((at, usage.name.clone())) {
                queue.extend(local_entries(node, &usage.name));
            }
        }
        Some((_, Layer::Function(lambda))) => {
            let innermost = anatomy.function().map(AstNode::syntax) == Some(lambda.syntax());
            match lambda.param() {
                _ if !innermost => {
                    needs
                        .bound_here
                        .get_or_insert(BoundHere::Parameter(usage.name.clone()));
                }
                Some(ast::Param::Pattern(pattern)) => {
                    let formal = pattern.pat_entries().find(|entry| {
                        entry
                            .ident()
                            .is_some_and(|ident| ident.syntax().text() == usage.name.as_str())
                    });
                    match formal {
                        Some(entry) => {
                            if needs.formals.insert(usage.name.clone()) {
                                queue.extend(entry.default().map(|it| it.syntax().clone()));
                            }
                        }
                        None => {
                            needs
                                .bound_here
                                .get_or_insert(BoundHere::WholeArguments(usage.name.clone()));
                        }
                    }
                }
                _ => {
                    needs
                        .bound_here
                        .get_or_insert(BoundHere::WholeArguments(usage.name.clone()));
                }
            }
        }
        Some((_, Layer::With(_))) => {}
        None => {
            // Bound inside of the moved code, or by what is copied around it;
            // a recursive set around a definition is left behind.
            if let Some(set) = &usage.recursive
                && anatomy
                    .configs
                    .iter()
                    .flat_map(|config| config.value.blocks())
                    .any(|block| &block.set == set)
            {
                needs
                    .bound_here
                    .get_or_insert(BoundHere::Recursive(usage.name.clone()));
            }
        }
    }
}

/// The entries of a `let` that bind a name (several for `a.b = …; a.c = …;`).
pub fn local_entries(node: &ast::LetIn, name: &str) -> Vec<SyntaxNode> {
    node.entries()
        .map(|entry| entry.syntax().clone())
        .filter(|entry| bound_names(entry).iter().any(|bound| bound == name))
        .collect()
}

/// The byte range of a usage.
pub fn usage_range(usage: &Usage) -> std::ops::Range<usize> {
    span(usage.node.text_range())
}
