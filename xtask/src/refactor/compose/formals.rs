//! Arguments and `with`s that nothing reads any more.

use std::collections::BTreeSet;

use rnix::ast;
use rowan::ast::AstNode;

use crate::edit::{TextEdit, TextEdits};
use crate::refactor::anatomy::{Anatomy, Layer};
use crate::refactor::comments::span;
use crate::refactor::emit::format_formals;
use crate::refactor::scope;

/// Drops the `with`s around the set through which nothing is looked up any more.
pub(super) fn prune_withs(old: &Anatomy, text: String) -> String {
    // One at a time: the scope of one may have been looked up in another.
    let unused = |anatomy: &Anatomy| -> Vec<ast::With> {
        let uses = scope::uses(&anatomy.root);
        let withs = anatomy.layers.iter().filter_map(|layer| match layer {
            Layer::With(with) => Some(with.clone()),
            _ => None,
        });
        let is_used = |with: &ast::With| uses.iter().any(|it| it.withs.contains(with.syntax()));
        withs.filter(|with| !is_used(with)).collect()
    };
    // What nothing was looked up in before is a habit of its author.
    if !unused(old).is_empty() {
        return text;
    }
    let mut text = text;
    loop {
        let Ok(new) = Anatomy::of(&old.path, &text, &|_| false) else {
            return text;
        };
        let Some((with, body)) = unused(&new)
            .into_iter()
            .find_map(|with| with.body().map(|body| (with, body)))
        else {
            return text;
        };
        let start = span(with.syntax().text_range()).start;
        let end = span(body.syntax().text_range()).start;
        if text.get(start..end).is_none_or(|gone| gone.contains('#')) {
            return text;
        }
        text.replace_range(start..end, "");
    }
}

/// Drops arguments that nothing reads any more, if others may still be passed.
pub(super) fn prune_formals(old: &Anatomy, text: String) -> String {
    let Ok(new) = Anatomy::of(&old.path, &text, &|_| false) else {
        return text;
    };
    let Some(ast::Param::Pattern(pattern)) = new.function().and_then(ast::Lambda::param) else {
        return text;
    };
    let source = pattern.syntax().text().to_string();
    if pattern.pat_bind().is_some() || pattern.ellipsis_token().is_none() || source.contains('#') {
        return text;
    }
    let used = |anatomy: &Anatomy| -> BTreeSet<String> {
        let Some(lambda) = anatomy.function() else {
            return BTreeSet::new();
        };
        scope::uses(&anatomy.root)
            .into_iter()
            .filter(|usage| usage.binder.as_ref() == Some(lambda.syntax()))
            .map(|usage| usage.name)
            .collect()
    };
    let (before, after) = (used(old), used(&new));
    let mut dropped = false;
    let mut entries = Vec::new();
    for entry in pattern.pat_entries() {
        let name = entry
            .ident()
            .map(|ident| ident.syntax().text().to_string())
            .unwrap_or_default();
        if before.contains(&name) && !after.contains(&name) {
            dropped = true;
        } else {
            entries.push(entry.syntax().text().to_string());
        }
    }
    if !dropped {
        return text;
    }
    let formals = format_formals(&entries, source.contains('\n'));
    let formals = formals.trim_end().trim_end_matches(':');
    let edit = TextEdit {
        range: span(pattern.syntax().text_range()),
        insert: formals.to_owned(),
    };
    TextEdits::new(vec![edit])
        .ok()
        .and_then(|edits| edits.apply(&text))
        .unwrap_or(text)
}
