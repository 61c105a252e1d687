//! What concerns a group of hosts: its traffic, and the time that it is watched.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::connection::Deadline;
use super::work::SharedTarget;
use crate::process::{Invocation, Runner};
use crate::rollout::{Action, Check, Colour, Outcome, Task, Via};

/// Commands of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hooks {
    /// Moves the traffic; the colour is its last argument.
    pub switch: Vec<String>,
    /// Prints the colour that has the traffic.
    pub traffic: Vec<String>,
}

/// The word for a colour.
pub fn word(colour: Colour) -> &'static str {
    match colour {
        Colour::Blue => "blue",
        Colour::Green => "green",
    }
}

impl Hooks {
    /// Asks where the traffic goes.
    ///
    /// # Errors
    /// The hook fails, or says neither colour.
    pub fn ask(&self, runner: &dyn Runner, patience: Duration) -> Result<Colour, String> {
        let output = run(&self.traffic, None, runner, patience)?;
        match output.trim() {
            "blue" => Ok(Colour::Blue),
            "green" => Ok(Colour::Green),
            other => Err(format!("the hook `traffic` says `{other}`: no colour")),
        }
    }

    pub(super) fn work(
        &self,
        action: &Action,
        runner: &dyn Runner,
        said: &(dyn Fn(&str, &str) + Send + Sync),
    ) -> Outcome {
        let patience = Duration::from_millis(action.deadline);
        let (group, answer) = match &action.task {
            Task::Switch { group, to } => {
                let switched = run(&self.switch, Some(*to), runner, patience);
                (group, switched.map(|_| Outcome::Done))
            }
            Task::ReadTraffic { group } => {
                (group, self.ask(runner, patience).map(Outcome::Traffic))
            }
            _ => return Outcome::Failed("not of a group".to_owned()),
        };
        answer.unwrap_or_else(|text| {
            said(group, &text);
            Outcome::Failed(text)
        })
    }
}

fn run(
    words: &[String],
    colour: Option<Colour>,
    runner: &dyn Runner,
    patience: Duration,
) -> Result<String, String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err("the group has no such hook".to_owned());
    };
    let call = Invocation::new(program)
        .args(arguments)
        .args(colour.map(word))
        .shielded()
        .deadline(patience);
    let output = runner.run(&call).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Repeats the checks of all hosts for the bake time; what fails once is looked
/// at again after the interval, and counts if it still fails.
pub(super) fn bake(targets: &[(SharedTarget, Vec<Check>)], action: &Action) -> Outcome {
    let Task::Bake { time, interval, .. } = &action.task else {
        return Outcome::Failed("no bake time".to_owned());
    };
    let pause = Duration::from_millis(*interval);
    let (started, time) = (Instant::now(), Duration::from_millis(*time));
    let deadline = Deadline::after(action.deadline);
    let known: Vec<BTreeSet<String>> = targets
        .iter()
        .map(|(target, _)| target.failed_units(Via::Either))
        .collect();
    let mut failing = 0;
    loop {
        let mut trouble = None;
        for ((target, checks), known) in targets.iter().zip(&known) {
            if let Err(why) = target.once(Via::Either, checks, known) {
                trouble = Some(format!("{}: {why}", target.planned.name));
            }
        }
        match trouble {
            None => failing = 0,
            Some(why) => {
                failing += 1;
                if failing > 1 || deadline.is_over() {
                    return Outcome::Unhealthy(why);
                }
            }
        }
        if failing == 0 && started.elapsed() >= time {
            return Outcome::Healthy;
        }
        sleep(pause.min(deadline.left()).max(Duration::from_millis(50)));
    }
}
