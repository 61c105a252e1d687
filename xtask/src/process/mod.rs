//! Children: a command is a value, starting it is another matter.
//!
//! Every child runs in a process group of its own, so that a deadline or an
//! interruption ends its grandchildren too; standard input is never inherited,
//! so that no child can wait for a person who is not there. An editor is the
//! exception: it gets the terminal.

mod cancel;
mod conversation;
mod failure;
mod group;
mod interactive;
mod invocation;
mod runner;
pub mod tracing;

pub use cancel::Cancel;
pub use conversation::Conversation;
pub use failure::{Failure, RunError};
pub use interactive::hand_over;
pub use invocation::{Invocation, Quoted};
pub use runner::{DuctRunner, Output, Runner, find_program};
