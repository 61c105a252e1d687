//! Typed arguments to configuration structs; one file per subcommand.
//!
//! Here and nowhere else the shell and the core are wired together, and only
//! [`outcome`] knows what an exit status means.

mod adopt;
mod baseline;
mod completions;
mod context;
mod derivation;
mod doctor;
mod editor;
mod explain;
mod fleet;
mod guard;
mod inventory;
mod man;
mod migrate;
mod nix;
mod outcome;
mod pins;
mod proof;
mod prove;
mod rollout;
mod test;
mod tour;
mod validate;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::engine::tracer;
use crate::problem::Problem;
use crate::process::{Cancel, DuctRunner};
use crate::ui::{ColorChoice, Settings, Stdout, Ui};
use context::Context;
use outcome::{Failure, Outcome};

/// Refactors NixOS hosts into feature modules and proves that none changed.
#[derive(Debug, Parser)]
#[command(
    name = "xtask",
    bin_name = "cargo xtask",
    version,
    max_term_width = 100
)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The flake to work on: a directory with a flake.nix, or one below it
    #[arg(long, global = true, value_name = "DIR", default_value = ".", value_hint = clap::ValueHint::DirPath)]
    pub repo: PathBuf,
    /// Print one JSON document (or JSON lines) on standard output and nothing else
    #[arg(long, global = true)]
    pub json: bool,
    /// Use no network: stand-ins take the place of the inputs (see nix/standin)
    #[arg(long, global = true)]
    pub offline: bool,
    /// Take an input of the flake from a directory, whatever its lock says; may be repeated
    #[arg(long, global = true, value_name = "NAME=DIR")]
    pub override_input: Vec<String>,
    /// When to colour
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    pub color: ColorChoice,
    /// Show no progress
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// Say more; twice for even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Answer every question with yes
    #[arg(long, global = true)]
    pub yes: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Show hosts, what they are made of, and who needs whom
    Inventory(inventory::Arguments),
    /// Check whether a command that writes may start: clean tree, locked branch, nothing half done
    Guard,
    /// Is every host of the working tree equal to a revision?
    Prove(prove::Arguments),
    /// Does every host evaluate and build? Only what has changed is looked at again
    Validate(validate::Arguments),
    /// Which options of a host changed, from where, and which derivations that reached
    Explain(explain::Arguments),
    /// The derivation of every host: record it, and compare later
    #[command(subcommand)]
    Baseline(baseline::Command),
    /// The inputs of the flake: how old, who follows whom, what is there twice
    Pins(pins::Arguments),
    /// Bring hosts what the tree says, stage by stage, with a watchdog on each
    Rollout(rollout::Arguments),
    /// Bring hosts back to what they ran before
    #[command(subcommand)]
    Rollback(rollout::RollbackCommand),
    /// Turn monolithic hosts into feature modules, with proof; and the way back
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// Put settings (and the tool itself) into a repository that has none, with proof
    Adopt(adopt::Arguments),
    /// Show which programs are there, in which version, and what to do about missing ones
    Doctor,
    /// The whole way on a scratch copy: inventory, migration, proof and back
    Tour,
    /// Run all tests; installs what they need where it may, and says what is missing where not
    Test(test::Arguments),
    /// Print completions for a shell
    Completions(completions::Arguments),
    /// Print the manual page
    Man(man::Arguments),
}

fn dispatch(command: Command, context: &Context) -> Result<Outcome, Failure> {
    match command {
        Command::Inventory(arguments) => inventory::run(&arguments, context),
        Command::Guard => guard::run(context),
        Command::Prove(arguments) => prove::run(&arguments, context),
        Command::Validate(arguments) => validate::run(&arguments, context),
        Command::Explain(arguments) => explain::run(&arguments, context),
        Command::Baseline(command) => baseline::run(&command, context),
        Command::Pins(arguments) => pins::run(&arguments, context),
        Command::Rollout(arguments) => rollout::run(&arguments, context),
        Command::Rollback(command) => rollout::rollback(&command, context),
        Command::Migrate(command) => migrate::run(command, context),
        Command::Adopt(arguments) => adopt::run(&arguments, context),
        Command::Tour => tour::run(context),
        Command::Doctor => doctor::run(context),
        Command::Test(arguments) => test::run(&arguments, context),
        Command::Completions(arguments) => completions::run(&arguments, context),
        Command::Man(arguments) => man::run(&arguments, context),
    }
}

/// The whole command line, for completions and the manual.
fn command_line() -> clap::Command {
    Cli::command()
}

/// Parses the command line, runs the command and maps its outcome to an exit status.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Before anything else: as another program's parent, or on the way to becoming it.
    if let Some(status) = tracer::serve(&arguments) {
        return status;
    }
    let outcome = run(arguments);
    ExitCode::from(outcome.status())
}

fn run(arguments: Vec<OsString>) -> Outcome {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to do if this cannot be printed.
            let _ = error.print();
            return if error.use_stderr() {
                Outcome::Failed
            } else {
                Outcome::Done
            };
        }
    };
    let ui = Ui::new(Settings {
        stdout: if cli.global.json {
            Stdout::Document
        } else {
            Stdout::People
        },
        color: cli.global.color,
        progress: !cli.global.no_progress,
        verbose: cli.global.verbose,
    });
    let cancel = match Cancel::on_signals() {
        Ok(cancel) => cancel,
        Err(error) => {
            ui.problems(&[Problem::error("no-signals", error.to_string())], None);
            return Outcome::Failed;
        }
    };
    let context = Arc::new(Context {
        runner: Arc::new(DuctRunner::new(cancel.clone())),
        global: cli.global,
        cancel,
        ui,
    });
    let result = on_a_deep_stack(&context, {
        let context = Arc::clone(&context);
        move || dispatch(cli.command, &context)
    });
    let outcome = match result {
        Ok(outcome) => outcome,
        Err(failure) => context.explain(&failure),
    };
    if let Some(error) = context.ui.stdout_error() {
        let problem = Problem::error("output-lost", format!("standard output: {error}"));
        context.ui.problems(&[problem], None);
        return Outcome::Failed;
    }
    outcome
}

/// Runs the command on a thread whose stack is deep enough for any source
/// that the parser accepts, and turns a bug of ours into a message. Work that may be
/// left in the middle is left when the user wants out.
fn on_a_deep_stack(
    context: &Context,
    command: impl FnOnce() -> Result<Outcome, Failure> + Send + 'static,
) -> Result<Outcome, Failure> {
    const STACK: usize = 512 << 20;
    const LOOK: Duration = Duration::from_millis(50);
    let waiting = std::thread::current();
    let over = Arc::new(AtomicBool::new(false));
    let is_over = Arc::clone(&over);
    let thread = std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || {
            let result = command();
            // The thread itself is finished only after it has woken who waits.
            over.store(true, Ordering::Release);
            waiting.unpark();
            result
        });
    let thread = match thread {
        Ok(thread) => thread,
        Err(error) => {
            let problem = Problem::error("no-thread", error.to_string());
            return Err(Failure::from(problem));
        }
    };
    // One that ends in a panic does not say so.
    while !is_over.load(Ordering::Acquire) && !thread.is_finished() {
        std::thread::park_timeout(LOOK);
        if let Some(stay) = context.cancel.leave() {
            // For ever: the process ends, and until then nothing else begins.
            std::mem::forget(stay);
            return context.check_interrupted().map(|()| Outcome::Interrupted);
        }
    }
    thread.join().unwrap_or_else(|_| {
        Err(Failure::from(
            Problem::error("bug", "this program has a bug; what it says is above")
                .help("`cargo xtask migrate recover` if it was changing files; please report it"),
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command_line().debug_assert();
    }
}
