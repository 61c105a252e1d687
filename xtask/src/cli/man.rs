//! `man`: the manual, one page or all of them.

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::outcome::{Failure, Outcome};
use crate::problem::Problem;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Write a page for every command into this directory instead
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Outcome, Failure> {
    let failed =
        |error: std::io::Error| Failure::from(Problem::error("write-failed", error.to_string()));
    match &arguments.dir {
        Some(directory) => {
            std::fs::create_dir_all(directory).map_err(failed)?;
            clap_mangen::generate_to(super::command_line(), directory).map_err(failed)?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(super::command_line())
                .render(&mut page)
                .map_err(failed)?;
            context.ui.raw(&page);
        }
    }
    Ok(Outcome::Done)
}
