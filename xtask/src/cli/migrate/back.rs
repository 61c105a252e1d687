//! `migrate undo` and `migrate recover`.

use serde::Serialize;

use super::super::context::Context;
use super::super::outcome::{Failure, Outcome};
use crate::ui;
use crate::workspace::Recovered;

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    /// `old` or `new`: which tree is there now.
    tree: &'static str,
    /// What was taken back, finished or found.
    change: Option<&'a str>,
    paths: &'a [String],
}

pub(super) fn undo(context: &Context) -> Result<Outcome, Failure> {
    let workspace = context.workspace()?;
    let lock = workspace.lock()?;
    let done = workspace.undo(&lock, &mut context.cancel.clone())?;
    let count = done.paths.len();
    let what = done.label.strip_prefix("undo of ").unwrap_or(&done.label);
    context.ui.document(&Document {
        schema: "migrate-undo/1",
        tree: "old",
        change: Some(what),
        paths: &done.paths,
    });
    context.ui.text(&format!(
        "took back `{what}`: {} as before",
        ui::count(count, "file")
    ));
    if done.is_staged {
        context.ui.text(
            "it had been committed: the way back is in the index, and `git commit` records it",
        );
    }
    match workspace.changes_on_record() {
        0 => {}
        1 => context
            .ui
            .text("one earlier change is on record: `cargo xtask migrate undo` takes it back"),
        more => context.ui.text(&format!(
            "{more} earlier changes are on record: each `cargo xtask migrate undo` takes back one"
        )),
    }
    Ok(Outcome::Done)
}

pub(super) fn recover(context: &Context) -> Result<Outcome, Failure> {
    let workspace = context.workspace()?;
    let lock = workspace.lock()?;
    let recovered = workspace.recover(&lock, &mut context.cancel.clone())?;
    let (tree, done, text) = match &recovered {
        Recovered::Nothing => ("old", None, "nothing was cut off here".to_owned()),
        Recovered::Old(None) => (
            "old",
            None,
            "a change was cut off before it touched a file: the tree is the old one".to_owned(),
        ),
        Recovered::Old(Some(done)) => (
            "old",
            Some(done),
            format!(
                "took back `{}`, which was cut off: the tree is the old one",
                done.label
            ),
        ),
        Recovered::New(done) => (
            "new",
            Some(done),
            format!(
                "`{}` was cut off after its last file: the tree is the new one",
                done.label
            ),
        ),
    };
    context.ui.document(&Document {
        schema: "migrate-recover/1",
        tree,
        change: done.map(|done| done.label.as_str()),
        paths: done.map_or(&[], |done| &done.paths),
    });
    context.ui.text(&text);
    Ok(Outcome::Done)
}
