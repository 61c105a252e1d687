//! `completions`: for the shells that clap knows.

use clap::Args;
use clap_complete::Shell;

use super::context::Context;
use super::outcome::{Failure, Outcome};

/// `cargo xtask` is completed by cargo, which knows nothing of it.
const ALIAS: &str = "The script completes `xtask`. For the way that the documentation writes it:
  alias xtask='cargo xtask'
  source <(cargo xtask completions bash)
and then `xtask migrate <TAB>`.";

#[derive(Debug, Args)]
#[command(after_help = ALIAS)]
pub(super) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut super::command_line(),
        "xtask",
        &mut script,
    );
    context.ui.raw(&script);
    Ok(Outcome::Done)
}
