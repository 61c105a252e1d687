//! What the engine is told, and what it asks for.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::deadlines::Millis;
use super::plan::{BuildOn, Check, Colour, Plan, StorePath};
use super::reply::Watch;

/// Numbers the actions of a rollout, over all its sessions.
pub type ActionId = u64;

/// How a host is reached at this point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// As it was before.
    Present,
    /// As the new closure has it (`deploy.next`).
    Next,
    /// Whichever answers: which closure runs is what is to be found out.
    Either,
}

/// Something to be carried out. A later action for the same host makes an
/// earlier one that still runs pointless: its worker may be stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// To be named by the events about it.
    pub id: ActionId,
    /// Whom it concerns; `None` for a group's traffic and for the bake time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What.
    pub task: Task,
    /// How to reach the host.
    pub via: Via,
    /// After this it counts as lost; enforced by the operator's side.
    pub deadline: Millis,
}

/// Which unit of the target is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// `switch-to-configuration test` of the new closure.
    Test,
    /// Under the record's lock: armed -> promoting, profile, boot entry, -> confirmed.
    Commit,
    /// The same without the last part, for a closure that takes a reboot.
    Stage,
    /// Under the record's lock: promoting -> confirmed.
    Confirm,
    /// What the watchdog does, at once: -> reverting, the activation killed, the
    /// baseline activated, profile and boot entry restored, -> reverted. Safe
    /// to run again: what is as it should be is left alone.
    Revert,
}

/// What to do. Every task that changes a target carries the token of its lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "kebab-case")]
pub enum Task {
    /// Read the target's state. Tried again until the deadline, so that a link
    /// that comes back is noticed.
    Probe,
    /// Build the closure.
    Build {
        /// Which.
        closure: StorePath,
        /// Where.
        on: BuildOn,
    },
    /// Take GC roots for all of these, then bring the first to the target.
    Copy {
        /// The new closure, then those of the baseline.
        closures: Vec<StorePath>,
        /// The target may fetch from its own substituters.
        substitute: bool,
    },
    /// Take the target's lock, write the record, start the watchdog. Arming
    /// what this rollout has armed already renews token and watchdog.
    /// Refused if the target is no longer as it was `found`.
    Arm {
        /// Names the record, with the rollout's id.
        attempt: u32,
        /// What is to be activated.
        to: StorePath,
        /// What is to be gone back to.
        from: Baseline,
        /// What the probe saw: the same, unless drift was adopted.
        found: Baseline,
        /// Milliseconds until the watchdog acts.
        watchdog: Millis,
    },
    /// Start a unit, detached, and wait for its end.
    Run {
        /// Which.
        unit: Unit,
        /// The attempt that it belongs to.
        attempt: u32,
        /// Distinguishes starts of one attempt that follow each other because
        /// another activation was in the way; part of the unit's name.
        start: u32,
        /// Of the lock.
        token: u64,
        /// What it activates or puts into the profile.
        closure: StorePath,
        /// The generation that is to be taken again if it still leads there.
        generation: Option<u64>,
        /// The additional system profile.
        colour: Option<Colour>,
        /// The watchdog's time is set anew to this (for a reboot).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        watchdog: Option<Millis>,
    },
    /// Wait for the end of a unit that was started before.
    Await {
        /// Which.
        unit: Unit,
        /// Of which attempt.
        attempt: u32,
        /// Of which start.
        start: u32,
    },
    /// Let time pass.
    Pause {
        /// How much.
        time: Millis,
    },
    /// Repeat the checks until they have held for the soak time; a failure
    /// counts when it persists to the end of the time for checks.
    Health {
        /// All have to hold.
        checks: Vec<Check>,
        /// Units that had failed before.
        known_failed: BTreeSet<String>,
        /// How long.
        soak: Millis,
        /// Between two rounds.
        interval: Millis,
    },
    /// Reboot if the host is still in this boot, and wait until it answers.
    Reboot {
        /// The boot that is to end.
        boot_id: String,
        /// Of the lock.
        token: u64,
    },
    /// Stop the watchdog and give the lock back.
    Release {
        /// Of the lock.
        token: u64,
    },
    /// Repeat the checks of all these hosts for the bake time.
    Bake {
        /// Names, each with its checks.
        hosts: Vec<(String, Vec<Check>)>,
        /// How long.
        time: Millis,
        /// Between two rounds.
        interval: Millis,
    },
    /// Call the group's `switch` hook.
    Switch {
        /// Whose traffic.
        group: String,
        /// Where to.
        to: Colour,
    },
    /// Ask the group's hook where the traffic goes.
    ReadTraffic {
        /// Whose.
        group: String,
    },
}

/// What a rollback goes back to, as found on the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// The closure that is activated.
    pub current: StorePath,
    /// What the system profile leads to.
    pub profile: StorePath,
    /// The profile's generation; `None` if none leads there (adopted drift).
    pub generation: Option<u64>,
    /// The default boot entry.
    pub boot_default: StorePath,
    /// What was booted.
    pub booted: StorePath,
}

/// How a unit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// With a status.
    Status(i32),
    /// By a signal.
    Signal(i32),
    /// Another activation holds the lock: nothing was done.
    LockHeld,
}

/// How far a unit of the record is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnitState {
    /// It was never started.
    #[default]
    NotStarted,
    /// It runs.
    Running,
    /// It ended.
    Exited(Exit),
    /// It was started and is gone without a status (killed, or a reset).
    Vanished,
}

/// The state of the record on the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordState {
    /// The watchdog will revert.
    Armed,
    /// Profile and boot entry are being changed, or are.
    Promoting,
    /// The new closure stays.
    Confirmed,
    /// The way back has begun.
    Reverting,
    /// The baseline is back.
    Reverted,
}

impl RecordState {
    /// Nothing happens by itself any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Confirmed | Self::Reverted)
    }
}

/// A record as it lies on the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Whose.
    pub rollout: String,
    /// Which attempt.
    pub attempt: u32,
    /// The fencing token.
    pub token: u64,
    /// How far.
    pub state: RecordState,
    /// The number of the last start of the test unit, and how far that is.
    pub test: (u32, UnitState),
    /// Commit, stage or confirm, whichever was started last.
    pub commit: UnitState,
    /// The operator's or the watchdog's way back.
    pub revert: UnitState,
    /// A watchdog is armed in this boot.
    pub watched: bool,
    /// The boot in which the record was armed.
    pub boot_id: String,
    /// For reports.
    #[serde(default)]
    pub watch: Watch,
}

impl Record {
    /// Somebody or something may still act by it.
    pub fn is_live(&self) -> bool {
        let running = [self.test.1, self.commit, self.revert].contains(&UnitState::Running);
        running || (!self.state.is_final() && self.watched)
    }
}

/// A target's state, all of it read in one go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// `/run/current-system`.
    pub current: StorePath,
    /// What the system profile leads to.
    pub profile: StorePath,
    /// Its generation.
    pub generation: u64,
    /// The default boot entry.
    pub boot_default: StorePath,
    /// `/run/booted-system`.
    pub booted: StorePath,
    /// The kernel's boot id.
    pub boot_id: String,
    /// Failed units.
    pub failed_units: BTreeSet<String>,
    /// Whether the boot unit is there that keeps the watch over a reboot.
    pub guard: bool,
    /// The newest record.
    pub record: Option<Record>,
}

impl Observation {
    /// Runs, profile and boot entry are this closure.
    pub fn is_all(&self, closure: &StorePath) -> bool {
        [&self.current, &self.profile, &self.boot_default] == [closure; 3]
    }

    /// What of it a baseline keeps.
    pub fn found(&self) -> Baseline {
        Baseline {
            current: self.current.clone(),
            profile: self.profile.clone(),
            generation: Some(self.generation),
            boot_default: self.boot_default.clone(),
            booted: self.booted.clone(),
        }
    }

    /// Current system, profile and boot entry are as in the baseline.
    pub fn is_baseline(&self, baseline: &Baseline) -> bool {
        self.current == baseline.current
            && self.profile == baseline.profile
            && self.boot_default == baseline.boot_default
    }
}

/// Why a target did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// Another rollout has the lock.
    Busy(String),
    /// The token is not the newest: another session has taken over.
    Fenced,
    /// The record's state does not allow it: somebody else was first.
    Settled(RecordState),
    /// The target is not as in the baseline any more.
    Moved,
}

/// How an action came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Done, nothing to say about it (build, copy, pause, release, switch).
    Done,
    /// The target's state (probe, reboot).
    Observed(Box<Observation>),
    /// Armed, with this token.
    Armed(u64),
    /// The unit ended.
    Exited(Exit),
    /// The checks held for the whole time.
    Healthy,
    /// They did not; what was wrong.
    Unhealthy(String),
    /// The target declined; nothing was done.
    Refused(Refusal),
    /// It failed and had no effect; what was said.
    Failed(String),
    /// No connection: it was certainly not begun.
    Unreachable,
    /// The connection was lost: it may have been begun, or done.
    Lost,
    /// The deadline passed while the connection stood: it still runs.
    TimedOut,
    /// Where the traffic goes.
    Traffic(Colour),
}

/// One record of the journal, without its place in time and chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The first one.
    Started {
        /// All that is to be done.
        plan: Box<Plan>,
    },
    /// A new session has taken the rollout up; nothing of the one before runs
    /// any more on the operator's side.
    Resumed,
    /// The intent: written before the action is carried out.
    Begun {
        /// Which.
        action: Box<Action>,
    },
    /// The outcome: written when it is known.
    Ended {
        /// Which.
        action: ActionId,
        /// Whose, for the reader.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        /// How.
        outcome: Outcome,
    },
    /// The operator wants no more changes.
    Abort,
}
