//! `migrate`: refactorings, and the ways back.

mod back;
mod grouping;
mod host;
mod plan;
mod show;

use clap::Subcommand;

use super::context::Context;
use super::outcome::{Failure, Outcome};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// What could be split, host by host; writes nothing
    Plan(plan::Arguments),
    /// Split monolithic hosts into feature modules and compositions
    Host(host::Arguments),
    /// Take the last migration back, byte for byte
    Undo,
    /// Put right what a cut-off migration left: the tree is then the old one or the new one
    Recover,
}

pub(super) fn run(command: Command, context: &Context) -> Result<Outcome, Failure> {
    match command {
        Command::Plan(arguments) => plan::run(&arguments, context),
        Command::Host(arguments) => host::run(&arguments, context),
        Command::Undo => back::undo(context),
        Command::Recover => back::recover(context),
    }
}

/// `migrate host NAME` without any option.
pub(super) fn host(name: &str, context: &Context) -> Result<Outcome, Failure> {
    host::run(&host::Arguments::of(name), context)
}

/// `migrate undo`.
pub(super) fn undo(context: &Context) -> Result<Outcome, Failure> {
    back::undo(context)
}
