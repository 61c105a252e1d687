//! The rollout as a state machine, without a process, a clock or a file.
//!
//! [`step`] takes a [`State`] and an [`Event`] and says what is to be done: a
//! list of [`Action`]s. Whoever carries those out writes every intent and every
//! outcome to the journal ([`crate::journal::rollout`]) before going on
//! ([`Runner`] does), so that the state of a rollout is a fold of its records,
//! and resuming it is the same function again.

mod address;
mod admission;
mod deadlines;
mod event;
mod host;
mod outcome;
mod plan;
mod reconcile;
pub mod reply;
mod runner;
mod scenes;
mod state;
mod step;
mod waves;

pub use address::Address;
pub use admission::{Refused, admit, rollback};
pub use deadlines::{Deadlines, Millis};
pub use event::{
    Action, ActionId, Baseline, Event, Exit, Observation, Outcome, Record, RecordState, Refusal,
    Task, Unit, UnitState, Via,
};
pub use plan::{
    AdoptDrift, BuildOn, Check, Colour, HostPlan, OnFailure, Options, Plan, Policy, StorePath,
    Strategy,
};
pub use runner::{FoldError, Runner, Sink, Targets, drive, fold};
pub use state::{Class, Failure, Final, Halt, Host, Open, Phase, State};
pub use step::step;
pub use waves::{Act, PlanError, Scene, members, script};
