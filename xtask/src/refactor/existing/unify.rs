//! Definitions of a host against those of a feature, leaf by leaf.

use std::collections::BTreeSet;
use std::ops::Range;

use rnix::SyntaxNode;
use rnix::ast::Expr;
use rowan::ast::AstNode;

use super::Feature;
use crate::edit::{TextEdit, TextEdits};
use crate::refactor::anatomy::{Anatomy, ItemId, peel};
use crate::refactor::canonical::canonical;
use crate::refactor::catalogue::Catalogue;
use crate::refactor::comments::span;
use crate::refactor::draft::OptionDecl;
use crate::refactor::identity::dedented;
use crate::refactor::leaves::{Leaf, plain_entries};
use crate::refactor::option;
use crate::refactor::reindent::Lines;

pub(super) struct Work<'a> {
    pub(super) feature: &'a Feature,
    pub(super) host: &'a Anatomy,
    pub(super) host_lines: &'a Lines,
    pub(super) catalogue: &'a Catalogue<'a>,
    pub(super) used: BTreeSet<String>,
    pub(super) options: Vec<OptionDecl>,
    pub(super) edits: Vec<TextEdit>,
    pub(super) settings: Vec<(String, String)>,
    pub(super) holes: Vec<Range<usize>>,
    pub(super) shared: usize,
    pub(super) changes: usize,
}

/// Lines of a value that a host sets as an option of a feature, at most.
const MAX_VALUE_LINES: usize = 5;

/// Values inside of a list that become options, at most.
const MAX_INSIDE: usize = 2;

/// How two leaves of one path go together.
pub(super) enum Match {
    Equal,
    /// The feature reads this option there.
    Option(String),
    /// Equal but for these parts.
    Differs(Vec<Part>),
    No,
}

/// A part of a value that the host has to say.
pub(super) enum Part {
    /// The feature reads this option there; the host's value.
    Option(String, SyntaxNode),
    /// It has to become an option.
    Difference(Difference),
}

/// A value of the feature for which the host has another one.
pub(super) struct Difference {
    path: Vec<String>,
    type_text: String,
    old: SyntaxNode,
    new: SyntaxNode,
}

impl<'a> Work<'a> {
    pub(super) fn new(
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
        let mut inside = Vec::new();
        if is_list_of_sets(&a)
            && self.inside(&own.path, &a, &b, &mut inside).is_some()
            && (1..=MAX_INSIDE).contains(&inside.len())
        {
            return Match::Differs(inside);
        }
        let difference = self.difference(&own.path, &a, &b);
        difference.map_or(Match::No, |it| Match::Differs(vec![Part::Difference(it)]))
    }

    /// Two values as an option.
    fn difference(&self, path: &[String], a: &SyntaxNode, b: &SyntaxNode) -> Option<Difference> {
        let expected = self.catalogue.value_type(path);
        let type_text = option::type_text(expected.as_ref(), a)?;
        let same = option::type_text(expected.as_ref(), b)? == type_text;
        // A long value that the host says itself is no gain.
        (same && lines_of(b) <= MAX_VALUE_LINES).then(|| Difference {
            path: path.to_vec(),
            type_text,
            old: a.clone(),
            new: b.clone(),
        })
    }

    /// What differs inside of two lists of sets that are alike but for some
    /// values.
    fn inside(
        &self,
        path: &[String],
        a: &SyntaxNode,
        b: &SyntaxNode,
        found: &mut Vec<Part>,
    ) -> Option<()> {
        if let Some(name) = self.feature.option_read(a) {
            found.push(Part::Option(name, b.clone()));
            return (!option::is_property(b)).then_some(());
        }
        let spelt = canonical(&self.feature.anatomy, a);
        if spelt.is_some() && spelt == canonical(self.host, b) {
            return Some(());
        }
        let (left, right) = (Expr::cast(a.clone())?, Expr::cast(b.clone())?);
        match (peel(left), peel(right)) {
            (Expr::List(left), Expr::List(right)) => {
                let (left, right): (Vec<_>, Vec<_>) =
                    (left.items().collect(), right.items().collect());
                let pairs = left.iter().zip(&right);
                let is_of_sets = pairs.clone().all(|(a, b)| is_set(a) && is_set(b));
                if left.len() != right.len() || !is_of_sets {
                    found.push(Part::Difference(self.difference(path, a, b)?));
                    return Some(());
                }
                pairs
                    .into_iter()
                    .try_for_each(|(a, b)| self.inside(path, a.syntax(), b.syntax(), found))
            }
            (Expr::AttrSet(left), Expr::AttrSet(right)) => {
                let (left, right) = (plain_entries(&left)?, plain_entries(&right)?);
                if left.len() != right.len() {
                    return None;
                }
                for (names, _, a) in &left {
                    let (_, _, b) = right.iter().find(|(other, _, _)| other == names)?;
                    let path: Vec<String> = path.iter().chain(names).cloned().collect();
                    self.inside(&path, a.syntax(), b.syntax(), found)?;
                }
                Some(())
            }
            _ if option::is_property(a) || option::is_property(b) => None,
            _ if self.catalogue.names_machine(path) => None,
            _ => {
                found.push(Part::Difference(self.difference(path, a, b)?));
                Some(())
            }
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
    pub(super) fn takeable(&self, own: &[Leaf], theirs: &[Leaf]) -> BTreeSet<ItemId> {
        let mut bad: BTreeSet<ItemId> = BTreeSet::new();
        for leaf in theirs {
            let partner = own.iter().find(|other| other.path == leaf.path);
            let fits =
                partner.is_some_and(|partner| !matches!(self.compare(partner, leaf), Match::No));
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

    /// Pairs every leaf of the feature with one of the host.
    pub(super) fn unify(&mut self, own: &[Leaf], theirs: &[Leaf]) -> Option<()> {
        for leaf in theirs {
            let partner = own.iter().find(|other| other.path == leaf.path)?;
            self.pair(partner, leaf)?;
        }
        let has = |leaf: &Leaf| theirs.iter().any(|other| other.path == leaf.path);
        own.iter().all(has).then_some(())
    }

    fn pair(&mut self, own: &Leaf, theirs: &Leaf) -> Option<()> {
        match self.compare(own, theirs) {
            Match::Equal => self.shared += 1,
            Match::Option(name) => self.set_option(&name, theirs.value.as_ref()?),
            Match::Differs(parts) => {
                for part in parts {
                    let it = match part {
                        Part::Option(name, value) => {
                            self.set_option(&name, &value);
                            continue;
                        }
                        Part::Difference(it) => it,
                    };
                    let default = self.feature.expression(&it.old);
                    let name = self.declare(&it.path, it.type_text, Some(default));
                    self.replace(span(it.old.text_range()), self.feature.read_of(&name));
                    self.set(&name, &it.new);
                    self.changes += 1;
                }
            }
            Match::No => return None,
        }
        Some(())
    }

    /// The host's value of an option that the feature has.
    fn set_option(&mut self, name: &str, value: &SyntaxNode) {
        let defaults = &self.feature.declaration.defaults;
        let default = defaults.get(name).cloned().flatten();
        if default.is_none() || default != canonical(self.host, value) {
            self.set(name, value);
        }
        self.shared += 1;
    }

    pub(super) fn unique(&self, path: &[String]) -> String {
        option::name(path, &self.used)
    }

    pub(super) fn declare(
        &mut self,
        path: &[String],
        type_text: String,
        default: Option<String>,
    ) -> String {
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

    pub(super) fn replace(&mut self, range: Range<usize>, insert: String) {
        self.edits.push(TextEdit { range, insert });
    }

    /// The new text of the feature.
    pub(super) fn text(&mut self) -> Option<String> {
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

fn lines_of(value: &SyntaxNode) -> usize {
    let text = value.text().to_string();
    text.lines().filter(|line| !line.trim().is_empty()).count()
}

fn is_set(value: &Expr) -> bool {
    matches!(peel(value.clone()), Expr::AttrSet(_))
}

fn is_list_of_sets(value: &SyntaxNode) -> bool {
    match Expr::cast(value.clone()).map(peel) {
        Some(Expr::List(list)) => list.items().next().as_ref().is_some_and(is_set),
        _ => false,
    }
}
