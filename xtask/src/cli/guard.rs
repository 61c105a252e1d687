//! `guard`: may a command that writes start?

use serde::Serialize;

use super::context::Context;
use super::outcome::{Failure, Outcome};
use crate::guard::{judge, refuses};
use crate::problem::Problem;

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    refused: bool,
    problems: &'a [Problem],
}

pub(super) fn run(context: &Context) -> Result<Outcome, Failure> {
    let workspace = context.workspace()?;
    let (_, config) = context.read(&workspace)?;
    let facts = context.facts(&workspace, &config)?;
    let problems = judge(&facts);
    let refused = refuses(&problems);
    context.ui.problems(&problems, None);
    context.ui.document(&Document {
        schema: "guard/1",
        refused,
        problems: &problems,
    });
    if refused {
        return Ok(Outcome::Refused);
    }
    let branch = facts.git.and_then(|git| git.branch);
    let branch = branch.map_or_else(String::new, |branch| format!(", on branch {branch}"));
    context
        .ui
        .text(&format!("clear: nothing half done{branch}"));
    Ok(Outcome::Done)
}
