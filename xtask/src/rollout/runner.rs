//! Between the state machine, its journal and whoever acts: the order in which
//! things are written and done.

use super::event::{Action, Event, Outcome};
use super::plan::Plan;
use super::state::State;
use super::step::step;

/// Where records go. They are on the disk when `append` returns.
pub trait Sink {
    /// Why it could not be written.
    type Error;

    /// Writes all of them, in order.
    ///
    /// # Errors
    /// They are not certain to be on the disk: nothing may be done by them.
    fn append(&mut self, events: &[Event]) -> Result<(), Self::Error>;
}

/// Whoever carries out actions: the real targets, or a simulation of them.
pub trait Targets {
    /// Begins to carry it out; does not wait for its end.
    fn start(&mut self, action: Action);

    /// Waits for the next action that ends. `None` if none is under way.
    fn next(&mut self) -> Option<(Action, Outcome)>;
}

/// A journal that does not fit this program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// An intent that the state machine did not have.
    #[error(
        "record {record} begins an action that this version would not have begun: finish the rollout with the version that started it"
    )]
    Diverged {
        /// From 1.
        record: usize,
    },
    /// The first record is no start, or a later one is.
    #[error("record {record} does not belong there: a rollout starts with its plan, once")]
    Misplaced {
        /// From 1.
        record: usize,
    },
}

/// The state after these events.
///
/// # Errors
/// The events were not made by this state machine.
pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> Result<State, FoldError> {
    let mut state = State::default();
    for (index, event) in events.into_iter().enumerate() {
        let record = index + 1;
        if matches!(event, Event::Started { .. }) != (index == 0) {
            return Err(FoldError::Misplaced { record });
        }
        if let Event::Begun { action } = event
            && state.open.get(&action.id).map(|open| &open.action) != Some(action.as_ref())
        {
            return Err(FoldError::Diverged { record });
        }
        state = step(state, event).0;
    }
    Ok(state)
}

/// A rollout in one session: every event and every intent is on the disk
/// before anything is done by it.
#[derive(Debug)]
pub struct Runner<S> {
    state: State,
    sink: S,
}

impl<S: Sink> Runner<S> {
    /// Starts a rollout; gives what is to be carried out at first.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn start(plan: Plan, sink: S) -> Result<(Self, Vec<Action>), S::Error> {
        let mut runner = Self {
            state: State::default(),
            sink,
        };
        let plan = Box::new(plan);
        let actions = runner.feed(Event::Started { plan })?;
        Ok((runner, actions))
    }

    /// Takes up what a journal was folded to.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn resume(state: State, sink: S) -> Result<(Self, Vec<Action>), S::Error> {
        let mut runner = Self { state, sink };
        let actions = runner.feed(Event::Resumed)?;
        Ok((runner, actions))
    }

    /// Tells of an event; gives what is to be carried out now.
    ///
    /// # Errors
    /// The journal cannot be written: the session has to end.
    pub fn feed(&mut self, event: Event) -> Result<Vec<Action>, S::Error> {
        self.sink.append(std::slice::from_ref(&event))?;
        let (state, actions) = step(std::mem::take(&mut self.state), &event);
        self.state = state;
        let intents: Vec<Event> = actions
            .iter()
            .map(|action| Event::Begun {
                action: Box::new(action.clone()),
            })
            .collect();
        if !intents.is_empty() {
            self.sink.append(&intents)?;
        }
        for intent in &intents {
            // An intent changes what is known, never what is to be done.
            self.state = step(std::mem::take(&mut self.state), intent).0;
        }
        Ok(actions)
    }

    /// Where it stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Gives the journal back.
    pub fn into_parts(self) -> (State, S) {
        (self.state, self.sink)
    }
}

/// Carries a session through to its end.
///
/// # Errors
/// The journal cannot be written.
pub fn drive<S: Sink>(
    runner: &mut Runner<S>,
    first: Vec<Action>,
    targets: &mut impl Targets,
) -> Result<(), S::Error> {
    first.into_iter().for_each(|action| targets.start(action));
    while !runner.state().finished {
        let Some((action, outcome)) = targets.next() else {
            return Ok(());
        };
        let event = Event::Ended {
            action: action.id,
            host: action.host,
            outcome,
        };
        for action in runner.feed(event)? {
            targets.start(action);
        }
    }
    Ok(())
}
