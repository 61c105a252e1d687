//! How commands fail, and how that is told.

use std::fmt;
use std::time::{Duration, Instant};

use super::Invocation;

/// How a child failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// There is no such program.
    NotFound,
    /// It could not be started, or its pipes broke.
    Start(String),
    /// It ended with this status.
    Status(i32),
    /// A signal ended it.
    Signal(i32),
    /// It was killed at its deadline.
    Deadline(Duration),
    /// It was killed because the user wanted out.
    Cancelled,
}

/// A failed command: what was run, how it ended, what it said last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunError {
    /// The quoted command.
    pub command: String,
    /// How it failed.
    pub failure: Failure,
    /// How long it took.
    pub duration: Duration,
    /// The last lines of its standard error.
    pub stderr_tail: String,
}

impl RunError {
    pub(super) fn new(
        invocation: &Invocation,
        failure: Failure,
        started: Instant,
        stderr: &[u8],
    ) -> Self {
        Self {
            command: invocation.to_string(),
            failure,
            duration: started.elapsed(),
            stderr_tail: tail(stderr),
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ", self.command)?;
        match &self.failure {
            Failure::NotFound => return f.write_str("cannot be started: no such program"),
            Failure::Start(cause) => return write!(f, "cannot be run: {cause}"),
            Failure::Status(status) => write!(f, "ended with status {status}")?,
            Failure::Signal(signal) => write!(f, "was ended by signal {signal}")?,
            Failure::Deadline(limit) => {
                write!(
                    f,
                    "was killed at its deadline of {:.1} s",
                    limit.as_secs_f64()
                )?;
            }
            Failure::Cancelled => f.write_str("was interrupted")?,
        }
        write!(f, " after {:.1} s", self.duration.as_secs_f64())?;
        if self.stderr_tail.is_empty() {
            Ok(())
        } else {
            write!(f, ":\n{}", self.stderr_tail)
        }
    }
}

impl std::error::Error for RunError {}

/// The last lines of what a child said.
fn tail(stderr: &[u8]) -> String {
    const LINES: usize = 20;
    const BYTES: usize = 4_000;
    let start = stderr.len().saturating_sub(BYTES);
    let text = String::from_utf8_lossy(stderr.get(start..).unwrap_or_default());
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let skip = lines.len().saturating_sub(LINES);
    lines.get(skip..).unwrap_or_default().join("\n")
}
