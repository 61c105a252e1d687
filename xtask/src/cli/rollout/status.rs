//! `rollout status` and `rollout history`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::context::Context;
use super::super::outcome::{Failure, Outcome};
use super::run;
use super::show::{halt, summary};
use crate::engine::rollout::journal::Journals;
use crate::problem::Problem;
use crate::rollout::State;
use crate::ui::{Align, Table};

pub(super) fn status(id: Option<&str>, context: &Context) -> Result<Outcome, Failure> {
    #[derive(Serialize)]
    struct Document<'a> {
        schema: &'static str,
        rollout: &'a str,
        owner: Option<i32>,
        exit_status: Option<u8>,
        state: &'a State,
    }
    let workspace = context.workspace()?;
    let journals = Journals::of(workspace.root());
    let list = journals.list();
    let id = match id {
        Some(id) => Some(id.to_owned()),
        None => list.last().cloned(),
    };
    let Some(id) = id.filter(|id| list.contains(id)) else {
        return Err(
            Problem::error("no-such-rollout", "there is no such rollout here")
                .help("`rollout history` lists them")
                .into(),
        );
    };
    let state = journals.read(&id)?.state;
    let owner = journals.owner();
    context.ui.document(&Document {
        schema: "rollout-status/1",
        rollout: &id,
        owner,
        exit_status: state.finished.then(|| state.exit_status()),
        state: &state,
    });
    let who = owner.filter(|_| !state.finished);
    let who = who.map_or_else(String::new, |pid| format!(", under way (process {pid})"));
    context.ui.text(&format!("rollout {id}{who}"));
    summary(&state, &BTreeMap::new(), context);
    Ok(Outcome::Done)
}

pub(super) fn history(context: &Context) -> Result<Outcome, Failure> {
    #[derive(Serialize)]
    struct Line<'a> {
        schema: &'static str,
        rollout: &'a str,
        stages: Vec<u32>,
        confirmed: Vec<u32>,
        digest: String,
        finished: bool,
        exit_status: Option<u8>,
    }
    let workspace = context.workspace()?;
    let journals = Journals::of(workspace.root());
    let mut table = Table::new(&[
        ("rollout", Align::Left),
        ("stages", Align::Left),
        ("confirmed", Align::Left),
        ("hosts", Align::Left),
        ("digest", Align::Left),
        ("end", Align::Left),
    ]);
    let list = |numbers: &mut dyn Iterator<Item = u32>| {
        numbers
            .map(|it| it.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    for (id, state) in run::states(&journals, context) {
        let Some(plan) = &state.plan else { continue };
        let exit_status = state.finished.then(|| state.exit_status());
        context.ui.line(&Line {
            schema: "rollout-history/1",
            rollout: &id,
            stages: plan.stages.iter().copied().collect(),
            confirmed: state.confirmed.iter().copied().collect(),
            digest: plan.digest(),
            finished: state.finished,
            exit_status,
        });
        let confirmed = state
            .hosts
            .iter()
            .filter(|host| host.is_confirmed())
            .count();
        table.row([
            id,
            list(&mut plan.stages.iter().copied()),
            list(&mut state.confirmed.iter().copied()),
            format!("{confirmed} of {}", state.concerned().count()),
            plan.digest().chars().take(12).collect(),
            match (&state.halt, exit_status) {
                (_, None) => "cut off".to_owned(),
                (Some(why), _) => halt(why),
                (None, Some(status)) => format!("exit status {status}"),
            },
        ]);
    }
    context.ui.text(&table.render(context.ui.palette()));
    Ok(Outcome::Done)
}
