//! Typed arguments to configuration structs; one file per subcommand.

use std::process::ExitCode;

/// Parses the command line, runs the command and maps its outcome to an exit status.
pub fn main() -> ExitCode {
    ExitCode::from(2)
}
