//! The text of generated modules.

use std::collections::BTreeSet;
use std::ops::Range;

use rnix::ast;
use rowan::ast::AstNode;

use super::anatomy::{Anatomy, ItemId, Layer, Value};
use super::carve::{Carver, Copy, selects};
use super::comments::span;
use super::draft::{Draft, Form};
use super::locals::{Local, Names, locals, needs_of};
use super::scope::{BoundHere, Needs};
use crate::tree::TreePath;

mod parts;

use parts::{declarations, formals, indent_more, set_text};
pub use parts::{escape, format_formals, option_text};

/// Why a draft has no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unwritable {
    /// The moved code depends on its place.
    BoundHere(BoundHere),
    /// The generated module would bind a name that the moved code gets from a
    /// `with`, or that a `let` of the file binds.
    Capture(String),
    /// A relative path leads out of the repository.
    OutsidePath,
}

impl Unwritable {
    /// The reason for people.
    pub fn reason(&self) -> String {
        match self {
            Self::BoundHere(here) => here.reason(),
            Self::Capture(name) => {
                format!("`{name}` means something else in it than in a generated module")
            }
            Self::OutsidePath => "has a relative path that leaves the repository".to_owned(),
        }
    }
}

/// Checks that items can stand in a generated file.
pub fn check(
    anatomy: &Anatomy,
    items: &BTreeSet<ItemId>,
    holes: &[Range<usize>],
    handed: &Names,
    form: &Form,
) -> Result<(), Unwritable> {
    let needs = needs_of(anatomy, items, holes, handed);
    if let Some(here) = needs.bound_here {
        return Err(Unwritable::BoundHere(here));
    }
    let own: &[&str] = match form {
        Form::Feature => &["config", "lib"],
        Form::Private | Form::Existing { .. } => &[],
    };
    for name in own {
        let local = needs.locals.iter().any(|(_, local)| local == name);
        if local || needs.unbound.contains(*name) {
            return Err(Unwritable::Capture((*name).to_owned()));
        }
    }
    let directory = anatomy.path.parent().unwrap_or_else(TreePath::root);
    let mut nodes: Vec<_> = items
        .iter()
        .filter_map(|id| anatomy.items.get(*id))
        .map(|item| item.node.clone())
        .collect();
    nodes.extend(
        locals(anatomy)
            .into_iter()
            .filter(|local| carries(&needs.locals, local))
            .map(|local| local.slot.node),
    );
    if nodes
        .iter()
        .any(|node| super::paths::leaves_tree(node, &directory))
    {
        return Err(Unwritable::OutsidePath);
    }
    Ok(())
}

fn carries(carried: &BTreeSet<(usize, String)>, local: &Local) -> bool {
    local
        .names
        .iter()
        .any(|name| carried.contains(&(local.layer, name.clone())))
}

/// The text of a generated module.
pub fn module(
    carver: &Carver<'_>,
    draft: &Draft,
    carried: &BTreeSet<(usize, String)>,
    namespace: &str,
) -> Result<String, Unwritable> {
    let anatomy = carver.anatomy;
    let holes = draft.holes(anatomy);
    check(anatomy, &draft.items, &holes, &draft.handed, &draft.form)?;
    let needs = needs_of(anatomy, &draft.items, &holes, &draft.handed);
    let directory = draft.file.parent().unwrap_or_else(TreePath::root);
    let mut names: BTreeSet<String> = needs.formals.clone();
    let own = format!("config.{namespace}.{}", draft.name);
    // Code that knows another `cfg` reads the options by their full path.
    let spelt_cfg = needs.spelt.contains("cfg");
    let mut replace = draft.replace.clone();
    if spelt_cfg {
        for (_, text) in &mut replace {
            *text = text.replacen("cfg", &own, 1);
        }
    }
    let copy = Copy::new(anatomy, &draft.items, &directory, &replace);
    let mut bound = String::new();
    if draft.form == Form::Feature {
        names.insert("config".to_owned());
        names.insert("lib".to_owned());
        let from = if spelt_cfg { own.as_str() } else { "cfg" };
        if !draft.options.is_empty() && !spelt_cfg {
            bound = format!("  cfg = {own};\n");
        }
        if !draft.handed.is_empty() {
            let names: Vec<&str> = draft.handed.iter().map(|(_, name)| name.as_str()).collect();
            bound.push_str(&format!("  inherit ({from}) {};\n", names.join(" ")));
        }
    }
    let mut text = formals(anatomy, &names);
    let enable = if bound.starts_with("  cfg = ") {
        "cfg.enable".to_owned()
    } else {
        format!("{own}.enable")
    };
    layers(carver, &copy, &needs, carried, bound, &mut text);
    match &draft.form {
        Form::Existing { .. } => {}
        Form::Feature => {
            text.push_str("{\n");
            declarations(draft, namespace, &mut text);
            text.push_str(&format!("\n  config = lib.mkIf {enable} "));
            let (parts, plain) = config_parts(carver, &copy, 2);
            match (parts.as_slice(), plain) {
                ([only], true) => text.push_str(only),
                ([only], false) => text.push_str(&format!("({only})")),
                _ => {
                    let (parts, _) = config_parts(carver, &copy, 6);
                    text.push_str("(\n    lib.mkMerge [\n");
                    for part in parts {
                        let bare = part.starts_with('{');
                        let part = if bare { part } else { format!("({part})") };
                        text.push_str(&format!("      {part}\n"));
                    }
                    text.push_str("    ]\n  )");
                }
            }
            text.push_str(";\n}\n");
        }
        Form::Private => {
            let (parts, plain) = config_parts(carver, &copy, 0);
            match (parts.as_slice(), plain) {
                ([only], true) => text.push_str(only),
                ([only], false) => {
                    text.push_str(&format!("{{\n  config = {};\n}}", indent_more(only)));
                }
                _ => {
                    let (parts, _) = config_parts(carver, &copy, 4);
                    text.push_str("{\n  config = lib.mkMerge [\n");
                    for part in parts {
                        let bare = part.starts_with('{');
                        let part = if bare { part } else { format!("({part})") };
                        text.push_str(&format!("    {part}\n"));
                    }
                    text.push_str("  ];\n}");
                }
            }
            text.push('\n');
        }
    }
    Ok(text)
}

/// The layers around the set: `with`s that are needed, and `let`s with what is
/// carried along, the first of them with what is `bound` for the feature.
fn layers(
    carver: &Carver<'_>,
    copy: &Copy<'_>,
    needs: &Needs,
    carried: &BTreeSet<(usize, String)>,
    mut bound: String,
    text: &mut String,
) {
    let anatomy = carver.anatomy;
    let all = locals(anatomy);
    for (at, layer) in anatomy.layers.iter().enumerate() {
        match layer {
            Layer::Function(_) => {}
            Layer::With(with) => {
                if needs.withs.contains(&at)
                    && let Some(scope) = with.namespace()
                {
                    text.push_str(&format!("with {};\n", scope.syntax().text()));
                }
            }
            Layer::Let(_) => {
                let wanted: Vec<&Local> = all
                    .iter()
                    .filter(|local| local.layer == at && carries(carried, local))
                    .collect();
                if wanted.is_empty() {
                    continue;
                }
                text.push_str("let\n");
                text.push_str(&std::mem::take(&mut bound));
                for (nth, local) in wanted.iter().enumerate() {
                    if nth > 0 && local.slot.blank_above {
                        text.push('\n');
                    }
                    text.push_str("  ");
                    text.push_str(&local_text(carver, copy, local, carried));
                    text.push('\n');
                }
                text.push_str("in\n");
            }
        }
    }
    if !bound.is_empty() {
        text.push_str(&format!("let\n{bound}in\n"));
    }
}

/// A `let` entry; of an `inherit` only the names that are read.
fn local_text(
    carver: &Carver<'_>,
    copy: &Copy<'_>,
    local: &Local,
    carried: &BTreeSet<(usize, String)>,
) -> String {
    let wanted: Vec<&str> = local
        .names
        .iter()
        .filter(|name| carried.contains(&(local.layer, (*name).clone())))
        .map(String::as_str)
        .collect();
    if wanted.len() < local.names.len()
        && let Some(inherit) = ast::Inherit::cast(local.slot.node.clone())
    {
        let from = inherit
            .from()
            .map_or(String::new(), |from| format!(" {}", from.syntax().text()));
        return format!("inherit{from} {};", wanted.join(" "));
    }
    carver.copy_at(
        local.slot.own_start..local.slot.own_end,
        local.slot.own_start,
        2,
        copy,
    )
}

/// The parts of the configuration: sets and wrapped expressions, in order, and
/// whether the first is a plain set.
fn config_parts(carver: &Carver<'_>, copy: &Copy<'_>, indent: usize) -> (Vec<String>, bool) {
    let mut parts = Vec::new();
    let mut plain = true;
    let mut queue: Vec<&Value> = carver
        .anatomy
        .configs
        .iter()
        .map(|config| &config.value)
        .collect();
    queue.reverse();
    while let Some(value) = queue.pop() {
        if !selects(value, copy.select) {
            continue;
        }
        if let Value::Merge { elements, .. } = value {
            queue.extend(elements.iter().rev().map(|(_, value)| value));
            continue;
        }
        match carver.entries(value, copy, indent + 2) {
            Some(pieces) => parts.push(set_text(&pieces, indent)),
            None => {
                plain = false;
                parts.extend(carver.render(value, copy, indent));
            }
        }
    }
    (parts, plain)
}

/// The range of a node.
pub fn node_range(node: &rnix::SyntaxNode) -> Range<usize> {
    span(node.text_range())
}
