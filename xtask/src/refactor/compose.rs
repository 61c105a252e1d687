//! The host's side: what leaves its file, what it imports, what it switches on.

use rnix::SyntaxKind;
use rnix::ast::{self, Expr};
use rowan::ast::AstNode;

use super::anatomy::{Anatomy, Block, Entry, Value, static_path};
use super::carve::Carver;
use super::comments::{Slot, span};
use super::reindent::Lines;
use crate::edit::{Overlap, TextEdit, TextEdits};
use crate::tree::TreePath;

mod formals;
mod imports;

use formals::{prune_formals, prune_withs};
use imports::{extend_imports, relative_imports};

/// Where new elements go in a list of imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Before all others: merged right before the host's own definitions.
    Head,
    /// Behind all others: merged before what the others define.
    Tail,
}

/// What a host sets of one feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Name of the feature.
    pub feature: String,
    /// Whether `enable = true` has to be written.
    pub enable: bool,
    /// Options beside `enable`, with their expressions.
    pub values: Vec<(String, String)>,
}

/// What is written into the host's file.
#[derive(Debug, Clone)]
pub struct Composition<'a> {
    /// Attribute path of all features, `features` or `my.features`.
    pub namespace: &'a str,
    /// Features, in the order to write them.
    pub settings: &'a [Setting],
    /// Files to import, in order.
    pub imports: &'a [TreePath],
    /// Where in the list.
    pub position: Position,
    /// Edits of the `let` layers.
    pub removals: Vec<TextEdit>,
}

/// Why a host cannot be made a composition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// No place for definitions that always hold.
    #[error(
        "nothing in this file is defined unconditionally: there is no place to switch features on"
    )]
    NoUnconditionalSet,
    /// Edits touch each other: a defect of the migration.
    #[error("{0}")]
    Overlap(#[from] Overlap),
    /// The result does not parse: a defect of the migration.
    #[error("the new text of this file would not parse: {0}")]
    Syntax(String),
}

/// The new text of the host's file.
pub fn host_text(carver: &Carver<'_>, composition: &Composition<'_>) -> Result<String, Impossible> {
    let anatomy = carver.anatomy;
    let home = unconditional_block(anatomy).map(|(block, _)| &block.set);
    let mut edits = carver.removals(home);
    edits.extend(composition.removals.iter().cloned());
    if !composition.imports.is_empty() || !composition.settings.is_empty() {
        write_composition(carver, composition, &mut edits)?;
    }
    let text = TextEdits::new(edits)?
        .apply(&anatomy.text)
        .ok_or_else(|| Impossible::Syntax("an edit does not fit".to_owned()))?;
    let parsed = rnix::Root::parse(&text);
    if let Some(error) = parsed.errors().first() {
        return Err(Impossible::Syntax(error.to_string()));
    }
    Ok(prune_formals(anatomy, prune_withs(anatomy, text)))
}

fn write_composition(
    carver: &Carver<'_>,
    composition: &Composition<'_>,
    edits: &mut Vec<TextEdit>,
) -> Result<(), Impossible> {
    let anatomy = carver.anatomy;
    let (block, always) = unconditional_block(anatomy).ok_or(Impossible::NoUnconditionalSet)?;
    let frame_block = *anatomy
        .frame
        .blocks()
        .first()
        .ok_or(Impossible::NoUnconditionalSet)?;
    let paths = relative_imports(anatomy, composition.imports);
    // 1. imports
    let mut head = String::new();
    if !paths.is_empty() {
        match &anatomy.imports {
            Some(imports) => edits.push(extend_imports(
                anatomy,
                imports,
                &paths,
                composition.position,
            )),
            None => {
                head.push_str("\n  imports = [\n");
                for path in &paths {
                    head.push_str(&format!("    {path}\n"));
                }
                head.push_str("  ];\n");
            }
        }
    }
    if !head.is_empty() {
        edits.push(insert_at_open(
            carver,
            frame_block,
            shift(anatomy, frame_block, &head),
        ));
    }
    // 2. features
    if composition.settings.is_empty() {
        return Ok(());
    }
    if let Some((slot, inner)) = existing_features(always, composition.namespace) {
        let indent = anatomy.indent_at(slot.own_start) + 2;
        let mut text = String::new();
        for setting in composition.settings {
            text.push('\n');
            text.push_str(&setting_text(setting, "", indent));
        }
        let at = inner
            .slots
            .slots
            .last()
            .map_or(inner.slots.open_end, |slot| slot.extent.end);
        let multi = anatomy.slice(at..inner.slots.close_start).contains('\n');
        if !multi {
            text.push('\n');
            text.push_str(&" ".repeat(indent - 2));
        }
        edits.push(insert(at, text));
        return Ok(());
    }
    let after = always.slots.slots.iter().rfind(|slot| {
        anatomy
            .imports
            .as_ref()
            .is_some_and(|imports| imports.node == slot.node)
            || starts_with(slot, composition.namespace)
    });
    let text = features_text(composition, 2);
    match after {
        Some(slot) => {
            let blank = if starts_with(slot, composition.namespace) {
                "\n"
            } else {
                "\n\n"
            };
            let base = anatomy.indent_at(slot.own_start);
            let text = reindent(&text, base);
            let mut text = format!("{blank}{text}");
            if !blank_follows(anatomy, slot.extent.end) {
                text.push('\n');
            }
            edits.push(insert(slot.extent.end, text));
        }
        None if block.set == frame_block.set && !head.is_empty() => {
            // Behind the imports that were written just now.
            if let Some(edit) = edits
                .iter_mut()
                .find(|edit| edit.range == (frame_block.slots.open_end..frame_block.slots.open_end))
            {
                let text = reindent(&text, 2);
                let text = shift(anatomy, frame_block, &text);
                let blank = edit.insert.ends_with("\n\n");
                edit.insert
                    .truncate(edit.insert.trim_end_matches(['\n', ' ']).len());
                edit.insert.push_str("\n\n");
                edit.insert.push_str(&text);
                if blank || carver.keeps_any(always) {
                    edit.insert.push('\n');
                }
            }
        }
        None => {
            let base = child_indent(anatomy, always);
            let text = format!("\n{}", reindent(&text, base));
            edits.push(insert_at_open(carver, always, text + "\n"));
        }
    }
    Ok(())
}

/// Inserts at the beginning of a set; the text begins with a newline and ends
/// with one more than the last line needs.
fn insert_at_open(carver: &Carver<'_>, block: &Block, mut text: String) -> TextEdit {
    let anatomy = carver.anatomy;
    let rest = anatomy.slice(block.slots.open_end..anatomy.text.len());
    let space = &rest[..rest.len() - rest.trim_start().len()];
    if !space.contains('\n') {
        // `{ a = 1; }`: what follows goes to lines of its own.
        let outdent = if carver.keeps_any(block) { 1 } else { 3 };
        text.push_str(&" ".repeat(child_indent(anatomy, block).saturating_sub(outdent)));
    } else if !carver.keeps_any(block) {
        text.truncate(text.trim_end_matches('\n').len());
    }
    insert(block.slots.open_end, text)
}

/// The indentation of the entries of a set.
fn child_indent(anatomy: &Anatomy, block: &Block) -> usize {
    anatomy.indent_at(span(block.set.text_range()).start) + 2
}

/// Text written for entries at two columns, for those of another set.
fn shift(anatomy: &Anatomy, block: &Block, text: &str) -> String {
    reindent(text, child_indent(anatomy, block))
}

/// Moves text written at two columns to another indentation.
fn reindent(text: &str, indent: usize) -> String {
    if indent == 2 {
        return text.to_owned();
    }
    let wrapped = format!("{{\n{text}\n}}");
    let root = rnix::Root::parse(&wrapped).syntax();
    let delta = isize::try_from(indent).unwrap_or(2) - 2;
    let lines = Lines::of(&root);
    let all = lines.copy(&wrapped, 0..wrapped.len(), delta, &[]);
    let end = all.rfind('\n').unwrap_or(all.len());
    all.get(2..end).unwrap_or_default().to_owned()
}

fn insert(at: usize, text: String) -> TextEdit {
    TextEdit {
        range: at..at,
        insert: text,
    }
}

fn blank_follows(anatomy: &Anatomy, at: usize) -> bool {
    let rest = anatomy.slice(at..anatomy.text.len());
    let space = &rest[..rest.len() - rest.trim_start().len()];
    space.matches('\n').count() >= 2 || rest.trim_start().starts_with('}')
}

/// The set that definitions which always hold can be written into.
fn unconditional_block(anatomy: &Anatomy) -> Option<(&Block, &Block)> {
    fn find(value: &Value) -> Option<&Block> {
        match value {
            Value::Set(block) => Some(block),
            Value::Around { node, inner } => {
                let is_scope =
                    matches!(node.kind(), SyntaxKind::NODE_WITH | SyntaxKind::NODE_LET_IN);
                if is_scope { find(inner) } else { None }
            }
            Value::Merge { elements, .. } => elements.iter().find_map(|(_, value)| find(value)),
            Value::Update { left, right, .. } => find(left).or_else(|| find(right)),
            Value::Opaque(_) => None,
        }
    }
    let preferred = anatomy.configs.iter().find_map(|config| {
        let imports = anatomy.imports.as_ref()?;
        config.value.blocks().into_iter().find(|block| {
            block
                .slots
                .slots
                .iter()
                .any(|slot| slot.node == imports.node)
        })
    });
    let block = preferred.or_else(|| {
        anatomy
            .configs
            .iter()
            .find_map(|config| find(&config.value))
    })?;
    Some((block, block))
}

/// An existing `features = { … };` of the host.
fn existing_features<'b>(block: &'b Block, namespace: &str) -> Option<(&'b Slot, Block)> {
    block.slots.slots.iter().find_map(|slot| {
        let binding = ast::AttrpathValue::cast(slot.node.clone())?;
        let (path, dynamic) = static_path(&binding.attrpath()?);
        if dynamic || path.join(".") != namespace {
            return None;
        }
        let Expr::AttrSet(set) = super::anatomy::peel(binding.value()?) else {
            return None;
        };
        let slots = super::comments::slots(set.syntax());
        let entries = slots.slots.iter().map(|_| Entry::Frame).collect();
        Some((
            slot,
            Block {
                set: set.syntax().clone(),
                slots,
                entries,
            },
        ))
    })
}

/// Whether a slot binds something in the namespace.
fn starts_with(slot: &Slot, namespace: &str) -> bool {
    ast::AttrpathValue::cast(slot.node.clone())
        .and_then(|binding| binding.attrpath())
        .is_some_and(|path| {
            let path = static_path(&path).0;
            let namespace: Vec<&str> = namespace.split('.').collect();
            path.len() > namespace.len() && path.iter().zip(&namespace).all(|(a, b)| a == b)
        })
}

/// The settings as text at two columns, without the last newline.
fn features_text(composition: &Composition<'_>, indent: usize) -> String {
    let pad = " ".repeat(indent);
    match composition.settings {
        [only] => setting_text(only, &format!("{}.", composition.namespace), indent),
        settings => {
            let mut text = format!("{pad}{} = {{\n", composition.namespace);
            for setting in settings {
                text.push_str(&setting_text(setting, "", indent + 2));
                text.push('\n');
            }
            text.push_str(&format!("{pad}}};"));
            text
        }
    }
}

fn setting_text(setting: &Setting, prefix: &str, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let mut bindings = Vec::new();
    if setting.enable {
        bindings.push(("enable".to_owned(), "true".to_owned()));
    }
    bindings.extend(setting.values.iter().cloned());
    match bindings.as_slice() {
        [(name, value)] => format!(
            "{pad}{prefix}{}.{name} = {};",
            setting.feature,
            indented(value, indent)
        ),
        bindings => {
            let mut text = format!("{pad}{prefix}{} = {{\n", setting.feature);
            for (name, value) in bindings {
                if name == value {
                    text.push_str(&format!("{pad}  inherit {name};\n"));
                    continue;
                }
                let value = indented(value, indent + 2);
                text.push_str(&format!("{pad}  {name} = {value};\n"));
            }
            text.push_str(&format!("{pad}}};"));
            text
        }
    }
}

/// An expression written from the first column, for a line at an indentation.
fn indented(value: &str, indent: usize) -> String {
    let root = rnix::Root::parse(value).syntax();
    let delta = isize::try_from(indent).unwrap_or(0);
    Lines::of(&root).copy(value, 0..value.len(), delta, &[])
}
