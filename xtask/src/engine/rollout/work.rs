//! One action of a host, from its beginning to its outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

use super::Said;
use super::agent::{Agent, Failed};
use super::connection::{CallError, Deadline};
use crate::process::Runner;
use crate::rollout::{
    Action, ActionId, Baseline, HostPlan, Outcome, StorePath, Task, Unit, UnitState, Via, reply,
};

/// Between two tries of what the link does not let through.
const AGAIN: Duration = Duration::from_millis(500);

/// Seconds that one call waits on the target for a unit.
const PATIENCE: u64 = 5;

/// One host of a rollout.
pub struct Target {
    /// What is to be done to it.
    pub planned: HostPlan,
    /// The rollout.
    pub rollout: String,
    /// How it is reached before.
    pub present: Agent,
    /// How it is reached afterwards, where that is another way.
    pub next: Option<Agent>,
    /// The newest action; workers of older ones give up.
    pub latest: AtomicU64,
    /// Starts what is run here.
    pub runner: Arc<dyn Runner>,
    /// Is told what targets say.
    pub said: Said,
}

/// What belongs to a unit that was started.
#[derive(Clone, Copy)]
struct Started {
    unit: Unit,
    attempt: u32,
    start: u32,
}

fn word(unit: Unit) -> &'static str {
    match unit {
        Unit::Test => "test",
        Unit::Commit => "commit",
        Unit::Stage => "stage",
        Unit::Confirm => "confirm",
        Unit::Revert => "revert",
    }
}

fn or_dash(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

pub(super) fn ended(failed: Failed) -> Outcome {
    match failed {
        Failed::Call(CallError::Unreachable(_)) => Outcome::Unreachable,
        Failed::Call(CallError::Lost(_)) => Outcome::Lost,
        Failed::Refused(refusal) => Outcome::Refused(refusal),
        Failed::There(text) => Outcome::Failed(text),
    }
}

impl Target {
    /// The ways to it, in the order in which they are tried.
    pub(super) fn ways(&self, via: Via) -> Vec<&Agent> {
        match (via, &self.next) {
            (Via::Present, _) | (_, None) => vec![&self.present],
            (Via::Next, Some(next)) => vec![next],
            (Via::Either, Some(next)) => vec![&self.present, next],
        }
    }

    pub(super) fn verb(
        &self,
        via: Via,
        words: &[&str],
        patience: Duration,
    ) -> Result<String, Failed> {
        let mut answer = Err(Failed::Call(CallError::Unreachable(String::new())));
        for agent in self.ways(via) {
            answer = agent.verb(words, patience);
            if !matches!(answer, Err(Failed::Call(CallError::Unreachable(_)))) {
                break;
            }
        }
        answer
    }

    /// Another action has taken its place.
    pub(super) fn is_pointless(&self, id: ActionId) -> bool {
        self.latest.load(Ordering::SeqCst) != id
    }

    /// Carries an action out.
    pub fn work(&self, action: &Action) -> Outcome {
        let deadline = Deadline::after(action.deadline);
        let via = action.via;
        match &action.task {
            Task::Probe => self.probe(action, deadline, None),
            Task::Build { closure, on } => self.build(closure, *on, deadline),
            Task::Copy {
                closures,
                substitute,
            } => self.copy(closures, *substitute, deadline),
            Task::Arm {
                attempt,
                to,
                from,
                found,
                watchdog,
            } => {
                let outcome = self.arm(via, *attempt, to, (from, found), *watchdog, deadline);
                outcome.unwrap_or_else(ended)
            }
            Task::Run {
                unit,
                attempt,
                start,
                token,
                closure,
                generation,
                colour,
                watchdog,
            } => {
                let colour = colour.map_or("-", |colour| match colour {
                    crate::rollout::Colour::Blue => "blue",
                    crate::rollout::Colour::Green => "green",
                });
                let numbers = [attempt.to_string(), start.to_string(), token.to_string()];
                let [attempt_word, start_word, token] = &numbers;
                let (generation, watchdog) = (or_dash(*generation), or_dash(*watchdog));
                let words = [
                    "start",
                    word(*unit),
                    &self.rollout,
                    attempt_word,
                    start_word,
                    token,
                    &closure.0,
                    &generation,
                    colour,
                    &watchdog,
                ];
                let started = Started {
                    unit: *unit,
                    attempt: *attempt,
                    start: *start,
                };
                match self.verb(via, &words, deadline.left().min(Duration::from_secs(30))) {
                    Ok(_) => self.follow(action, started, deadline),
                    Err(failed) => ended(failed),
                }
            }
            Task::Await {
                unit,
                attempt,
                start,
            } => {
                let started = Started {
                    unit: *unit,
                    attempt: *attempt,
                    start: *start,
                };
                self.follow(action, started, deadline)
            }
            Task::Pause { time } => {
                let end = Deadline::after(*time);
                while !end.is_over() && !self.is_pointless(action.id) {
                    sleep(end.left().min(AGAIN));
                }
                Outcome::Done
            }
            Task::Health {
                checks,
                known_failed,
                soak,
                interval,
            } => self.watch_over(action, checks, known_failed, (*soak, *interval), deadline),
            Task::Reboot { boot_id, token } => self.reboot(action, boot_id, *token, deadline),
            Task::Release { token } => {
                let words = ["release", &token.to_string()];
                let answer = self.verb(via, &words, deadline.left());
                answer.map_or_else(ended, |_| Outcome::Done)
            }
            Task::Bake { .. } | Task::Switch { .. } | Task::ReadTraffic { .. } => {
                Outcome::Failed("this concerns no single host".to_owned())
            }
        }
    }

    /// Looks until it is seen; in another boot than this one, if one is named.
    fn probe(&self, action: &Action, deadline: Deadline, boot: Option<&str>) -> Outcome {
        let mut trouble = Outcome::Unreachable;
        loop {
            let patience = deadline.left().clamp(AGAIN, Duration::from_secs(20));
            let answer = self.verb(action.via, &["probe"], patience);
            trouble = match answer {
                Ok(text) => match reply::observation(&text) {
                    Ok(seen) if boot == Some(&seen.boot_id) => Outcome::Lost,
                    Ok(seen) => return Outcome::Observed(Box::new(seen)),
                    Err(error) => Outcome::Failed(error.to_string()),
                },
                Err(Failed::There(text)) => Outcome::Failed(text),
                Err(Failed::Refused(refusal)) => return Outcome::Refused(refusal),
                Err(Failed::Call(error)) => {
                    self.tell(&format!("no answer: {}", super::connection::said(error)));
                    match trouble {
                        Outcome::Failed(_) => trouble,
                        _ => Outcome::Unreachable,
                    }
                }
            };
            if deadline.is_over() || self.is_pointless(action.id) {
                return trouble;
            }
            sleep(AGAIN);
        }
    }

    fn arm(
        &self,
        via: Via,
        attempt: u32,
        to: &StorePath,
        (from, found): (&Baseline, &Baseline),
        watchdog: u64,
        deadline: Deadline,
    ) -> Result<Outcome, Failed> {
        let times = &self.planned.deadlines;
        let reboot = if self.planned.reboot_if_rollback_fails {
            "yes"
        } else {
            "no"
        };
        let generation = or_dash(from.generation);
        let words = [
            "arm",
            &self.rollout,
            &attempt.to_string(),
            &to.0,
            &from.current.0,
            &from.profile.0,
            &generation,
            &from.boot_default.0,
            &found.current.0,
            &found.profile.0,
            &found.boot_default.0,
            &watchdog.to_string(),
            &times.activation.div_ceil(1000).to_string(),
            reboot,
        ];
        let text = self.verb(via, &words, deadline.left())?;
        let token = text
            .lines()
            .find_map(|line| line.strip_prefix("armed ")?.parse().ok());
        token
            .map(Outcome::Armed)
            .ok_or_else(|| Failed::Call(CallError::Lost("the answer names no token".to_owned())))
    }

    /// Waits for the end of a unit; a link that is lost meanwhile is made again.
    fn follow(&self, action: &Action, started: Started, deadline: Deadline) -> Outcome {
        let (attempt, start) = (started.attempt.to_string(), started.start.to_string());
        let unit = word(started.unit);
        let mut offset = 0;
        let mut tail = String::new();
        let mut linked;
        loop {
            let seconds = deadline.left().as_secs().min(PATIENCE).to_string();
            let from = offset.to_string();
            let words = [
                "await",
                unit,
                &self.rollout,
                &attempt,
                &start,
                &seconds,
                &from,
            ];
            let answer = self.verb(action.via, &words, Duration::from_secs(PATIENCE + 15));
            match answer.map(|text| reply::awaited(&text)) {
                Ok(Ok((state, length, log))) => {
                    linked = true;
                    offset = length;
                    tail.push_str(&log);
                    match state {
                        UnitState::Running => {}
                        UnitState::Exited(exit) => {
                            if exit != crate::rollout::Exit::Status(0) && !tail.trim().is_empty() {
                                self.tell(&format!("{unit}: {}", super::agent::last(&tail)));
                            }
                            return Outcome::Exited(exit);
                        }
                        UnitState::NotStarted | UnitState::Vanished => return Outcome::Lost,
                    }
                }
                Ok(Err(_)) | Err(Failed::There(_) | Failed::Call(_)) => {
                    linked = false;
                    sleep(AGAIN);
                }
                Err(refused @ Failed::Refused(_)) => return ended(refused),
            }
            if self.is_pointless(action.id) {
                return Outcome::Lost;
            }
            if deadline.is_over() {
                return if linked {
                    Outcome::TimedOut
                } else {
                    Outcome::Lost
                };
            }
        }
    }

    fn reboot(&self, action: &Action, boot: &str, token: u64, deadline: Deadline) -> Outcome {
        let words = ["reboot", boot, &token.to_string()];
        match self.verb(action.via, &words, Duration::from_secs(30)) {
            Ok(_) => {}
            // Its end may be what cut the answer off.
            Err(Failed::Call(CallError::Lost(_))) => {}
            Err(failed) => return ended(failed),
        }
        self.present.connection.forget();
        match self.probe(action, deadline, Some(boot)) {
            seen @ (Outcome::Observed(_) | Outcome::Refused(_)) => seen,
            _ => Outcome::Lost,
        }
    }

    pub(super) fn tell(&self, text: &str) {
        (self.said)(&self.planned.name, text);
    }
}

/// Shared by the workers of a rollout.
pub type SharedTarget = Arc<Target>;
