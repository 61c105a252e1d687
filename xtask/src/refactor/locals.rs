//! What becomes of the names that a file's `let` binds when code that reads
//! them moves away.

use std::collections::BTreeSet;
use std::ops::Range;

use rnix::SyntaxNode;
use rnix::ast;
use rowan::ast::AstNode;

use super::anatomy::{Anatomy, ItemId, Layer};
use super::comments::{Slot, slots, span};
use super::scope::{self, Needs};
use crate::edit::TextEdit;

mod sharing;

use sharing::Sharing;

/// How the reason of those begins that stay for the sake of a local.
pub const SHARES: &str = "shares `";

/// What some items need of their file, conditions around them included.
///
/// What stands in `holes` stays behind and needs nothing; nor does what is
/// `handed` over.
pub fn needs_of(
    anatomy: &Anatomy,
    items: &BTreeSet<ItemId>,
    holes: &[Range<usize>],
    handed: &BTreeSet<(usize, String)>,
) -> Needs {
    let mut nodes = Vec::new();
    let mut needs = Needs {
        handed: handed.clone(),
        ..Needs::default()
    };
    let mut queue = Vec::new();
    for item in items.iter().filter_map(|id| anatomy.items.get(*id)) {
        if has_position(&item.node) {
            needs.bound_here.get_or_insert(scope::BoundHere::Position);
        }
        for usage in scope::uses(&item.node) {
            let at = scope::usage_range(&usage);
            if !holes
                .iter()
                .any(|hole| hole.start <= at.start && at.end <= hole.end)
            {
                scope::note(anatomy, usage, &mut needs, &mut queue);
            }
        }
        for context in &item.context {
            for usage in glue(context) {
                scope::note(anatomy, usage, &mut needs, &mut queue);
            }
        }
        // The attribute paths of the sets around it are copied too.
        for set in item.node.ancestors().skip(1) {
            if let Some(binding) = ast::AttrpathValue::cast(set)
                && let Some(path) = binding.attrpath()
            {
                nodes.push(path.syntax().clone());
            }
        }
    }
    nodes.extend(queue);
    let mut more = scope::needs(anatomy, &nodes, handed);
    more.formals.append(&mut needs.formals);
    more.locals.append(&mut needs.locals);
    more.withs.append(&mut needs.withs);
    more.unbound.append(&mut needs.unbound);
    more.spelt.append(&mut needs.spelt);
    more.bound_here = more.bound_here.or(needs.bound_here);
    more
}

fn has_position(node: &SyntaxNode) -> bool {
    node.descendants()
        .any(|it| it.kind() == rnix::SyntaxKind::NODE_CUR_POS)
}

/// What the text around the inner value of a wrapper reads.
fn glue(node: &SyntaxNode) -> Vec<scope::Usage> {
    let inner = if let Some(with) = ast::With::cast(node.clone()) {
        with.body()
    } else if let Some(node) = ast::LetIn::cast(node.clone()) {
        node.body()
    } else {
        ast::Apply::cast(node.clone()).and_then(|apply| apply.argument())
    };
    match inner {
        Some(inner) => scope::uses_around(node, inner.syntax()),
        None => scope::uses(node),
    }
}

/// One entry of a `let` layer.
#[derive(Debug, Clone)]
pub struct Local {
    /// Index of the layer.
    pub layer: usize,
    /// The names that it binds.
    pub names: Vec<String>,
    /// The entry with its comments.
    pub slot: Slot,
}

/// All entries of the file's `let` layers, in order.
pub fn locals(anatomy: &Anatomy) -> Vec<Local> {
    let mut found = Vec::new();
    for (layer, it) in anatomy.layers.iter().enumerate() {
        if let Layer::Let(node) = it {
            for slot in slots(node.syntax()).slots {
                found.push(Local {
                    layer,
                    names: scope::bound_names(&slot.node),
                    slot,
                });
            }
        }
    }
    found
}

/// A reason why an item has to stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stay {
    /// The item.
    pub item: ItemId,
    /// The reason for people.
    pub reason: String,
}

/// Definitions that go to one file.
#[derive(Debug, Clone)]
pub struct Party<'a> {
    /// The definitions.
    pub items: &'a BTreeSet<ItemId>,
    /// Parts of them that do not go.
    pub holes: Vec<Range<usize>>,
    /// Values in them that the host keeps as settings.
    pub stays: Vec<Range<usize>>,
    /// Names of the options of the file, if it can be given more.
    pub options: Option<BTreeSet<String>>,
}

/// Names that `let` layers bind, with the index of the layer.
pub type Names = BTreeSet<(usize, String)>;

/// Where the locals of a file go.
#[derive(Debug, Clone, Default)]
pub struct LocalsPlan {
    /// Per party (in the order given) the names it gets, by layer.
    pub carried: Vec<Names>,
    /// Per party the names whose values the host passes as options.
    pub handed: Vec<Names>,
    /// Edits that take out of the file what it no longer needs.
    pub removals: Vec<TextEdit>,
}

/// Decides for each local; `Err` names items that have to stay because they
/// share something too long to repeat.
pub fn plan(anatomy: &Anatomy, parties: &[Party<'_>]) -> Result<LocalsPlan, Vec<Stay>> {
    let all = locals(anatomy);
    let mut handed = vec![Names::new(); parties.len()];
    // Each round hands over at least one more local.
    loop {
        let sharing = Sharing::of(anatomy, parties, &all, &handed);
        let more = sharing.to_hand_over(&handed);
        if more.is_empty() {
            return sharing.settle(handed);
        }
        for (party, name) in more {
            if let Some(names) = handed.get_mut(party) {
                names.insert(name);
            }
        }
    }
}

/// What the file itself still reads when `moved` is gone.
fn kept_needs(
    anatomy: &Anatomy,
    moved: &BTreeSet<ItemId>,
    all: &[Local],
    staying: &[Range<usize>],
    passed: &Names,
) -> Needs {
    let holes: Vec<rowan::TextRange> = moved
        .iter()
        .filter_map(|id| anatomy.items.get(*id))
        .map(|item| item.node.text_range())
        .chain(all.iter().map(|local| local.slot.node.text_range()))
        .collect();
    let mut needs = Needs::default();
    let mut queue = Vec::new();
    for usage in scope::uses(&anatomy.root) {
        let at = usage.node.text_range();
        let stays = staying
            .iter()
            .any(|range| range.start <= span(at).start && span(at).end <= range.end);
        if stays || !holes.iter().any(|hole| hole.contains_range(at)) {
            scope::note(anatomy, usage, &mut needs, &mut queue);
        }
    }
    for (layer, name) in passed {
        if let Some(Layer::Let(node)) = anatomy.layers.get(*layer)
            && needs.locals.insert((*layer, name.clone()))
        {
            queue.extend(scope::local_entries(node, name));
        }
    }
    let mut more = scope::needs(anatomy, &queue, &Names::new());
    // `needs` follows locals from the queue only.
    more.locals.append(&mut needs.locals);
    more.formals.append(&mut needs.formals);
    more
}

fn remove_entries(
    anatomy: &Anatomy,
    node: &ast::LetIn,
    gone: &[bool],
    removals: &mut Vec<TextEdit>,
) {
    let entries = slots(node.syntax());
    let comments_left = anatomy
        .slice(
            entries
                .slots
                .last()
                .map_or(entries.open_end, |slot| slot.extent.end)..entries.close_start,
        )
        .contains('#');
    if gone.iter().all(|gone| *gone) && !comments_left {
        // The whole `let … in`, up to the body.
        if let Some(body) = node.body() {
            let start = span(node.syntax().text_range()).start;
            let end = span(body.syntax().text_range()).start;
            let between = anatomy.slice(entries.close_start..end);
            let keep = between.find('#').map_or(end, |at| entries.close_start + at);
            removals.push(remove(start..keep));
            return;
        }
    }
    let mut kept_before = false;
    let mut removed_before = false;
    for (slot, gone) in entries.slots.iter().zip(gone) {
        if *gone {
            removals.push(remove(slot.extent.clone()));
            removed_before = true;
            continue;
        }
        if removed_before && !kept_before {
            let lead = anatomy.slice(slot.extent.clone());
            let space = &lead[..lead.len() - lead.trim_start().len()];
            if let (Some(first), Some(last)) = (space.find('\n'), space.rfind('\n'))
                && first < last
            {
                removals.push(remove(slot.extent.start..slot.extent.start + last));
            }
        }
        kept_before = true;
    }
}

fn remove(range: Range<usize>) -> TextEdit {
    TextEdit {
        range,
        insert: String::new(),
    }
}
