//! `rollout` and `rollback`: hosts get what the tree says, stage by stage.

mod back;
mod prepare;
mod run;
mod settings;
mod show;
mod start;
mod status;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::context::Context;
use super::outcome::{Failure, Outcome};
use crate::rollout;

pub(super) use back::RollbackCommand;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    start: Start,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show where a rollout stands; the last one if none is named
    Status(Named),
    /// Go on with a rollout that was cut off, and catch up with hosts that were not there
    Resume(Resume),
    /// End the rollout that is under way or was cut off; what was begun is taken back
    Abort(Resume),
    /// List all rollouts of this repository
    History,
    /// Print what sudo has to allow where hosts are not reached as root
    Sudoers(Sudoers),
}

#[derive(Debug, Args)]
struct Named {
    /// Which rollout, as `history` names it
    #[arg(value_name = "ROLLOUT")]
    id: Option<String>,
}

#[derive(Debug, Args)]
struct Resume {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    reaching: Reaching,
}

/// How hosts are reached.
#[derive(Debug, Clone, Args)]
pub(super) struct Reaching {
    /// A configuration of ssh in the place of the user's and the machine's
    #[arg(long, value_name = "FILE")]
    ssh_config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Sudoers {
    /// Where the programs of Nix are on the hosts
    #[arg(long, value_name = "DIR", default_value = "/run/current-system/sw/bin")]
    nix_bin: String,
}

/// How the hosts of a stage follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Strategy {
    /// Wave by wave
    Rolling,
    /// Some hosts first; the others when those have been healthy for the bake time
    Canary,
    /// The idle colour of each group, the traffic, the other colour
    BlueGreen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnFailure {
    /// The stage's confirmed hosts go back too
    RollbackStage,
    /// They stay
    Stop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Drift {
    /// What runs
    Current,
    /// What the system profile leads to
    Profile,
}

#[derive(Debug, Args)]
struct Start {
    /// The stage to roll out; may be repeated
    #[arg(long = "stage", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    stages: Vec<u32>,
    /// All stages, one after the other
    #[arg(long, conflicts_with = "stages")]
    all: bool,
    /// Say what would happen, and touch nothing
    #[arg(long)]
    plan: bool,
    /// Hosts that are worked on at the same time [default: 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Hosts that may be in the course of a change at the same time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    max_unavailable: Option<u16>,
    /// Failed hosts that a stage may have [default: 0]
    #[arg(long, value_name = "N")]
    max_failures: Option<u16>,
    /// Hosts that may run something unproven at the same time [default: as many as may still fail]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    at_risk: Option<u16>,
    /// What a used-up failure budget means for the stage's confirmed hosts
    #[arg(long, value_enum, value_name = "WHAT")]
    on_failure: Option<OnFailure>,
    /// How the hosts of a stage follow each other
    #[arg(long, value_enum, value_name = "STRATEGY", default_value = "rolling")]
    strategy: Strategy,
    /// How many hosts a canary is
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    canaries: u16,
    /// Take what runs, or what the profile says, for a drifted host's baseline
    #[arg(long, value_enum, value_name = "WHICH")]
    adopt_drift: Option<Drift>,
    /// Start although the stage before is not confirmed for these closures
    #[arg(long)]
    force_stage: bool,
    /// A need that does not count for the order, to break a circle; may be repeated
    #[arg(long, value_name = "WHO:WHOM")]
    ignore_need: Vec<String>,
    /// The digest that `--plan` printed: what changes was seen, and is wanted
    #[arg(long, value_name = "DIGEST")]
    acknowledge: Option<String>,
    #[command(flatten)]
    reaching: Reaching,
}

impl Start {
    fn stages(&self) -> BTreeSet<u32> {
        self.stages.iter().copied().collect()
    }
}

impl From<OnFailure> for rollout::OnFailure {
    fn from(it: OnFailure) -> Self {
        match it {
            OnFailure::RollbackStage => Self::RollbackStage,
            OnFailure::Stop => Self::Stop,
        }
    }
}

impl From<Drift> for rollout::AdoptDrift {
    fn from(it: Drift) -> Self {
        match it {
            Drift::Current => Self::Current,
            Drift::Profile => Self::Profile,
        }
    }
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Outcome, Failure> {
    match &arguments.command {
        None => start::start(&arguments.start, context),
        Some(Command::Status(named)) => status::status(named.id.as_deref(), context),
        Some(Command::History) => status::history(context),
        Some(Command::Resume(resume)) => {
            run::resume(resume.named.id.as_deref(), &resume.reaching, false, context)
        }
        Some(Command::Abort(resume)) => {
            run::resume(resume.named.id.as_deref(), &resume.reaching, true, context)
        }
        Some(Command::Sudoers(sudoers)) => back::sudoers(&sudoers.nix_bin, context),
    }
}

pub(super) fn rollback(command: &RollbackCommand, context: &Context) -> Result<Outcome, Failure> {
    back::rollback(command, context)
}
