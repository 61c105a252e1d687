//! A rollout carried through in this process.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::Fleet;
use crate::process::Cancel;
use crate::rollout::{Action, Event, Runner, Sink, Targets};

/// How often an interruption is looked for.
const POLL: Duration = Duration::from_millis(100);

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All is done that will be.
    Finished,
    /// The operator wanted out; what was begun has been taken back.
    Aborted,
}

/// Carries out what is to be done until there is nothing left. An interruption
/// takes back what is under way, and ends the rollout; `seen` is told of every
/// event and of what follows from it.
///
/// # Errors
/// The journal cannot be written.
pub fn carry<S: Sink>(
    runner: &mut Runner<S>,
    first: Vec<Action>,
    fleet: &mut Fleet,
    cancel: &Cancel,
    seen: &mut dyn FnMut(&Event, &[Action]),
) -> Result<Ended, S::Error> {
    let mut aborted = false;
    first.into_iter().for_each(|action| fleet.start(action));
    while !runner.state().finished {
        let event = match fleet.next_within(POLL) {
            Ok((action, outcome)) => Event::Ended {
                action: action.id,
                host: action.host,
                outcome,
            },
            Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() && !aborted => {
                aborted = true;
                Event::Abort
            }
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let actions = runner.feed(event.clone())?;
        seen(&event, &actions);
        actions.into_iter().for_each(|action| fleet.start(action));
    }
    Ok(if aborted {
        Ended::Aborted
    } else {
        Ended::Finished
    })
}
