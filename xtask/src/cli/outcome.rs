//! How a command ends, and the one place that knows exit statuses.

use crate::problem::Problem;
use crate::workspace::ApplyError;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// What was asked for is done, or holds.
    Done,
    /// Something that the user asked about does not hold; nothing was changed.
    Findings,
    /// Wrong usage, or the tool or something that it needs failed.
    Failed,
    /// Refused by a safety protocol; nothing was changed.
    Refused,
    /// A rollout stopped after hosts had changed; the report says how they are.
    Stopped,
    /// The user wanted out; what was begun is taken back or resumable.
    Interrupted,
}

impl Outcome {
    /// The exit status.
    pub fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Findings => 1,
            Self::Failed => 2,
            Self::Refused => 3,
            Self::Stopped => 4,
            Self::Interrupted => 130,
        }
    }
}

/// Why a command could not give a result.
#[derive(Debug)]
pub struct Failure {
    /// How it ended.
    pub outcome: Outcome,
    /// What to tell.
    pub problems: Vec<Problem>,
}

/// The outcome that a finding stands for when it ends a command.
fn outcome_of(code: &str) -> Outcome {
    match code {
        "locked"
        | "half-done"
        | "dirty-tree"
        | "wrong-branch"
        | "detached-head"
        | "changed-meanwhile"
        | "edited-since"
        | "link-leaves-repository"
        | "rollout-runs"
        | "stage-order"
        | "not-acknowledged" => Outcome::Refused,
        "nothing-to-undo" | "nothing-to-resume" | "no-hosts" => Outcome::Findings,
        "interrupted" => Outcome::Interrupted,
        _ => Outcome::Failed,
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self {
            outcome: outcome_of(problem.code),
            problems: vec![problem],
        }
    }
}

impl From<ApplyError> for Failure {
    fn from(error: ApplyError) -> Self {
        let problem = error.problem();
        match error {
            // The tree is not as it was: that is no refusal.
            ApplyError::Stuck(_) | ApplyError::Abandoned => Self {
                outcome: Outcome::Failed,
                problems: vec![problem],
            },
            _ => Self::from(problem),
        }
    }
}
