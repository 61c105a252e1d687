//! What people see of a rollout.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::super::context::Context;
use super::start::Known;
use crate::rollout::reply::Watch;
use crate::rollout::{
    Act, Action, Event, Final, Halt, Host, HostPlan, Observation, Outcome as Came, Phase, Plan,
    Scene, State, StorePath, Task, Unit,
};
use crate::ui::{Align, Table};

/// A store path as people tell it apart: a piece of the hash, and the name.
fn short(path: &str) -> String {
    let name = path.strip_prefix("/nix/store/").unwrap_or(path);
    match name.split_once('-') {
        Some((hash, rest)) if hash.len() == 32 => {
            let hash: String = hash.chars().take(7).collect();
            format!("{hash}-{rest}")
        }
        _ => name.to_owned(),
    }
}

fn short_or(path: Option<&StorePath>) -> String {
    path.map_or_else(|| "?".to_owned(), |path| short(&path.0))
}

/// `quay: 1234567-nixos… -> 89abcde-nixos…`.
pub(super) fn change(host: &HostPlan, known: &BTreeMap<String, Known>) -> String {
    let was = known.get(&host.name).map(|it| short(&it.closure));
    let was = was.unwrap_or_else(|| "not known from here".to_owned());
    format!("{}: {was} -> {}", host.name, short(&host.closure.0))
}

/// What would be done.
pub(super) fn plan(
    plan: &Plan,
    scenes: &[Scene],
    known: &BTreeMap<String, Known>,
    looks: &BTreeMap<String, Result<Observation, String>>,
    context: &Context,
) {
    #[derive(Serialize)]
    struct Document<'a> {
        schema: &'static str,
        digest: String,
        plan: &'a Plan,
        script: &'a [Scene],
        hosts: BTreeMap<&'a str, &'a Result<Observation, String>>,
    }
    context.ui.line(&Document {
        schema: "rollout-plan/1",
        digest: plan.digest(),
        plan,
        script: scenes,
        hosts: looks
            .iter()
            .map(|(name, look)| (name.as_str(), look))
            .collect(),
    });
    let mut table = Table::new(&[
        ("stage", Align::Right),
        ("step", Align::Right),
        ("host", Align::Left),
        ("reached at", Align::Left),
        ("built", Align::Left),
        ("runs", Align::Left),
        ("gets", Align::Left),
        ("remarks", Align::Left),
    ]);
    for (step, scene) in scenes.iter().enumerate() {
        let front = [scene.stage.to_string(), (step + 1).to_string()];
        match &scene.act {
            Act::Wave(hosts) => {
                for host in hosts.iter().filter_map(|at| plan.hosts.get(*at)) {
                    let look = looks.get(&host.name);
                    let mut row = front.to_vec();
                    row.extend([
                        host.name.clone(),
                        host.address
                            .as_ref()
                            .map_or_else(|| host.name.clone(), ToString::to_string),
                        match host.build_on {
                            crate::rollout::BuildOn::Local => "here",
                            crate::rollout::BuildOn::Remote => "there",
                            crate::rollout::BuildOn::Existing => "exists",
                        }
                        .to_owned(),
                        match look {
                            Some(Ok(seen)) => short(&seen.current.0),
                            _ => "?".to_owned(),
                        },
                        short(&host.closure.0),
                        remarks(host, look, known),
                    ]);
                    table.row(row);
                }
            }
            Act::Bake(hosts) => {
                let names = hosts.iter().filter_map(|at| plan.hosts.get(*at));
                let names: Vec<&str> = names.map(|host| host.name.as_str()).collect();
                let text = format!("bake: {}", names.join(", "));
                table.row([front[0].clone(), front[1].clone(), text]);
            }
            Act::Switch { group, to } => {
                let text = format!("traffic of {group} to {}", word(*to));
                table.row([front[0].clone(), front[1].clone(), text]);
            }
        }
    }
    context.ui.text(&table.render(context.ui.palette()));
}

fn word(colour: crate::rollout::Colour) -> &'static str {
    match colour {
        crate::rollout::Colour::Blue => "blue",
        crate::rollout::Colour::Green => "green",
    }
}

fn remarks(
    host: &HostPlan,
    look: Option<&Result<Observation, String>>,
    known: &BTreeMap<String, Known>,
) -> String {
    let mut remarks = Vec::new();
    match look {
        Some(Ok(seen)) => {
            if seen.is_all(&host.closure) {
                remarks.push("nothing to do".to_owned());
            } else if !seen.is_all(&seen.current) {
                remarks.push(format!(
                    "drift: profile {}, boots {}",
                    short(&seen.profile.0),
                    short(&seen.boot_default.0)
                ));
            } else if let Some(was) = known.get(&host.name)
                && was.closure != seen.current.0
            {
                remarks.push("runs what no rollout from here has brought".to_owned());
            }
            if !seen.guard {
                remarks.push("unwatched-boot-window".to_owned());
            }
            if let Some(record) = seen.record.as_ref().filter(|it| it.is_live()) {
                remarks.push(format!("rollout {} is at work there", record.rollout));
            }
        }
        Some(Err(why)) => remarks.push(format!(
            "not reached: {}",
            why.lines().next().unwrap_or_default()
        )),
        None => {}
    }
    if host.moves {
        let next = host.next.as_ref().map(ToString::to_string);
        remarks.push(format!("then reached at {}", next.unwrap_or_default()));
    }
    if host.policy == crate::rollout::Policy::WhenReachable {
        remarks.push("may be off".to_owned());
    }
    remarks.join("; ")
}

/// Says what begins.
pub(super) fn intent(action: &Action, context: &Context) {
    let what = match &action.task {
        Task::Probe | Task::Await { .. } => return,
        Task::Build { .. } => "build",
        Task::Copy { .. } => "copy",
        Task::Arm { .. } => "arm the watchdog",
        Task::Run { unit, .. } => match unit {
            Unit::Test => "activate",
            Unit::Commit => "promote",
            Unit::Stage => "promote, for a reboot",
            Unit::Confirm => "confirm",
            Unit::Revert => "take back",
        },
        Task::Pause { .. } => "wait: another activation is in the way",
        Task::Health { .. } => "health",
        Task::Reboot { .. } => "reboot",
        Task::Release { .. } => "release",
        Task::Bake { .. } => "bake",
        Task::Switch { .. } => "move the traffic",
        Task::ReadTraffic { .. } => "ask where the traffic goes",
    };
    let whom = match (&action.host, &action.task) {
        (Some(host), _) => host.clone(),
        (None, Task::Switch { group, to }) => format!("{group} ({})", word(*to)),
        (None, Task::ReadTraffic { group }) => group.clone(),
        (None, _) => "stage".to_owned(),
    };
    context.ui.remark(&format!("{whom}: {what}"));
}

/// Says what went otherwise than it should.
pub(super) fn event(event: &Event, context: &Context) {
    let (host, outcome) = match event {
        Event::Ended { host, outcome, .. } => (host, outcome),
        Event::Abort => {
            context
                .ui
                .remark("interrupted: what was begun is taken back");
            return;
        }
        _ => return,
    };
    let said = match outcome {
        Came::Failed(text) | Came::Unhealthy(text) => text.clone(),
        Came::Exited(crate::rollout::Exit::Status(0)) => return,
        Came::Exited(exit) => format!("ended with {exit:?}"),
        Came::Refused(refusal) => format!("refused: {refusal:?}"),
        Came::Unreachable => "cannot be reached".to_owned(),
        Came::Lost => "connection lost".to_owned(),
        Came::TimedOut => "not done in its time".to_owned(),
        _ => return,
    };
    let host = host.as_deref().unwrap_or("stage");
    context.ui.remark(&format!("{host}: {said}"));
}

/// The end of a host in a word.
fn end(host: &Host) -> String {
    match &host.phase {
        Phase::Waiting => "not begun".to_owned(),
        Phase::Final(end) => match end {
            Final::Confirmed => "confirmed".to_owned(),
            Final::Untouched => "failed, untouched".to_owned(),
            Final::RolledBack => "failed, rolled back".to_owned(),
            Final::Restored => "restored".to_owned(),
            Final::Kept => "still confirmed".to_owned(),
            Final::Pending => "pending".to_owned(),
            Final::Unreachable { boots } => format!("unreachable, boots {}", short(&boots.0)),
            Final::Yielded => "taken over by another one".to_owned(),
            Final::Broken => "broken: look at it".to_owned(),
        },
        other => format!("{other:?}").to_lowercase(),
    }
}

/// How every host came out, and the rollout: lines after those of the journal.
pub(super) fn ends(
    id: &str,
    state: &State,
    handshakes: &BTreeMap<String, usize>,
    context: &Context,
) {
    #[derive(Serialize)]
    struct OfHost<'a> {
        schema: &'static str,
        rollout: &'a str,
        host: &'a str,
        stage: u32,
        #[serde(flatten)]
        state: &'a Host,
        connections: usize,
    }
    #[derive(Serialize)]
    struct OfAll<'a> {
        schema: &'static str,
        rollout: &'a str,
        exit_status: u8,
        confirmed: &'a BTreeSet<u32>,
        halt: &'a Option<Halt>,
    }
    let Some(plan) = &state.plan else { return };
    for at in state.concerned() {
        if let (Some(planned), Some(host)) = (plan.hosts.get(at), state.hosts.get(at)) {
            context.ui.line(&OfHost {
                schema: "rollout-host/1",
                rollout: id,
                host: &planned.name,
                stage: planned.stage,
                state: host,
                connections: handshakes.get(&planned.name).copied().unwrap_or_default(),
            });
        }
    }
    context.ui.line(&OfAll {
        schema: "rollout-end/1",
        rollout: id,
        exit_status: state.exit_status(),
        confirmed: &state.confirmed,
        halt: &state.halt,
    });
}

/// Hosts that a resume would catch up with.
pub(super) fn is_open(state: &State) -> bool {
    let open = |host: &Host| {
        matches!(
            host.phase,
            Phase::Final(Final::Pending | Final::Unreachable { .. })
        )
    };
    state.hosts.iter().any(open)
}

pub(super) fn halt(halt: &Halt) -> String {
    match halt {
        Halt::Budget => "the failure budget is used up".to_owned(),
        Halt::Busy => "a host is in another one's hands".to_owned(),
        Halt::Traffic(text) | Halt::Bake(text) | Halt::Plan(text) => text.clone(),
        Halt::Aborted => "aborted by the operator".to_owned(),
    }
}

/// Where every host stands.
pub(super) fn summary(state: &State, handshakes: &BTreeMap<String, usize>, context: &Context) {
    let Some(plan) = &state.plan else { return };
    let mut table = Table::new(&[
        ("stage", Align::Right),
        ("host", Align::Left),
        ("end", Align::Left),
        ("was", Align::Left),
        ("is to run", Align::Left),
        ("connections", Align::Right),
        ("why", Align::Left),
    ]);
    for at in state.concerned() {
        let (Some(planned), Some(host)) = (plan.hosts.get(at), state.hosts.get(at)) else {
            continue;
        };
        let mut why: Vec<String> = Vec::new();
        if let Some(failure) = &host.failure {
            why.push(failure.message.clone());
        }
        why.extend(host.watch.as_ref().and_then(Watch::said));
        if host.unwatched_boot_window && host.touched {
            why.push("unwatched-boot-window".to_owned());
        }
        let was = host.baseline.as_ref().map(|baseline| &baseline.profile);
        table.row([
            planned.stage.to_string(),
            planned.name.clone(),
            end(host),
            short_or(was),
            short(&planned.closure.0),
            handshakes
                .get(&planned.name)
                .map_or_else(String::new, ToString::to_string),
            why.join("; "),
        ]);
    }
    context.ui.text(&table.render(context.ui.palette()));
    let stages: Vec<String> = state.confirmed.iter().map(ToString::to_string).collect();
    let mut text = match stages.as_slice() {
        [] => "no stage is confirmed".to_owned(),
        stages => format!("confirmed: stage {}", stages.join(", ")),
    };
    if let Some(why) = &state.halt {
        text += &format!("; stopped: {}", halt(why));
    }
    if !state.finished {
        text += "; not finished: `rollout resume` or `rollout abort`";
    } else if is_open(state) {
        text += "; `rollout resume` catches up with what is missing";
    }
    context.ui.text(&text);
}
