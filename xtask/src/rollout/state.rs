//! Where a rollout stands.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;

use super::event::{Action, ActionId, Baseline};
use super::plan::{Colour, Plan, StorePath};
use super::reply::Watch;
use super::waves::Scene;

/// Why a host is not as intended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// It runs, or would boot, something else than its profile says.
    Drift,
    /// Another rollout or activation has the host.
    Busy,
    /// The closure could not be built.
    Build,
    /// It could not be brought to the host (disk full, link).
    Copy,
    /// The watchdog could not be armed.
    Arm,
    /// The activation failed.
    Activation,
    /// It did not end in its time, or was killed.
    Hang,
    /// The checks failed.
    Health,
    /// The closure takes a reboot, which the host's plan forbids.
    NeedsReboot,
    /// Profile or boot entry could not be changed.
    Promotion,
    /// The connection was lost.
    Link,
    /// It was reset on the way.
    Reset,
    /// The operator ended the rollout.
    Aborted,
    /// What was read back is neither the new nor the old state.
    ReadBack,
}

/// Why, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What kind.
    pub class: Class,
    /// What was seen.
    pub message: String,
}

/// How a host came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Final {
    /// It runs the new closure, and all of it was read back.
    Confirmed,
    /// It failed and nothing was changed.
    Untouched,
    /// It failed and is exactly as it was.
    RolledBack,
    /// It was confirmed, and went back with its stage.
    Restored,
    /// It was confirmed and should have gone back; it is still confirmed.
    Kept,
    /// `when-reachable`, and it was not.
    Pending,
    /// Not reachable any more after a change had begun.
    Unreachable {
        /// What it boots.
        boots: StorePath,
    },
    /// Another session of this rollout, or another rollout, has taken it over.
    Yielded,
    /// Neither new nor old: somebody has to look.
    Broken,
}

/// What is being done to a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing yet.
    Waiting,
    /// Step 1.
    Probing,
    /// Step 2.
    Building,
    /// Step 3.
    Copying,
    /// Copied; waits until it may be put at risk.
    Ready,
    /// Step 4.
    Arming,
    /// Step 5.
    Testing,
    /// Another activation is in the way.
    LockWait,
    /// Step 6.
    Checking,
    /// Step 7.
    Committing,
    /// Step 7 of a closure that takes a reboot.
    Staging,
    /// It restarts into the new closure.
    Rebooting,
    /// Step 6 after that, or after a reset in the middle of step 7.
    CheckingBoot,
    /// The last part of step 7 after that.
    Confirming,
    /// Step 8: what is there?
    ReadingBack,
    /// Step 8: watchdog and lock.
    Releasing,
    /// The way back.
    Reverting,
    /// Is the baseline there?
    ReadingBaseline,
    /// Connection or session was lost: find out, then go on from there.
    Settling,
    /// The end.
    Final(Final),
}

impl Phase {
    /// Something on the target may be changing, or has to be changed back.
    pub fn at_risk(&self) -> bool {
        !matches!(
            self,
            Self::Waiting
                | Self::Probing
                | Self::Building
                | Self::Copying
                | Self::Ready
                | Self::Final(_)
        )
    }
}

/// A host's way so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Host {
    /// Where it is.
    pub phase: Phase,
    /// From 1 when the first one begins.
    pub attempt: u32,
    /// It goes back to its baseline after having been confirmed.
    pub back: bool,
    /// What was found at first.
    pub baseline: Option<Baseline>,
    /// What the present attempt would go back to.
    pub from: Option<Baseline>,
    /// What the probe of this attempt saw.
    pub found: Option<Baseline>,
    /// The arming of this attempt may have taken place.
    pub armed: bool,
    /// The host may have been changed at some time.
    pub touched: bool,
    /// Commit or stage may have begun in this attempt.
    pub committing: bool,
    /// The closure is entered by a reboot.
    pub boot_mode: bool,
    /// Step 7 went without a watch over a reset.
    pub unwatched_boot_window: bool,
    /// The session that cared for it ended in the middle.
    pub orphaned: bool,
    /// Of the lock.
    pub token: u64,
    /// When it was last seen.
    pub boot_id: String,
    /// Failed units of the baseline.
    pub known_failed: BTreeSet<String>,
    /// Starts of the test unit in this attempt.
    pub starts: u32,
    /// How often connection or lock were lost in this attempt.
    pub recoveries: u32,
    /// What went wrong.
    pub failure: Option<Failure>,
    /// What watchdog or guard did when they last acted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<Watch>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            phase: Phase::Waiting,
            attempt: 0,
            back: false,
            baseline: None,
            from: None,
            found: None,
            armed: false,
            touched: false,
            committing: false,
            boot_mode: false,
            unwatched_boot_window: false,
            orphaned: false,
            token: 0,
            boot_id: String::new(),
            known_failed: BTreeSet::new(),
            starts: 0,
            recoveries: 0,
            failure: None,
            watch: None,
        }
    }
}

impl Host {
    /// As intended.
    pub fn is_confirmed(&self) -> bool {
        self.phase == Phase::Final(Final::Confirmed)
    }

    /// Nothing more is done to it.
    pub fn is_final(&self) -> bool {
        matches!(self.phase, Phase::Final(_))
    }
}

/// Why no further host starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Halt {
    /// More hosts of the stage failed than it may have.
    Budget,
    /// A host is in another one's hands: the stage cannot be confirmed now.
    Busy,
    /// The traffic could not be moved.
    Traffic(String),
    /// The bake time was not passed.
    Bake(String),
    /// The operator said so.
    Aborted,
    /// The plan cannot be carried out.
    Plan(String),
}

/// An action that was asked for and has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Open {
    /// What.
    pub action: Action,
    /// Position of its host.
    pub host: Option<usize>,
    /// Its intent is in the journal.
    pub begun: bool,
}

/// A whole rollout. The default is one that has not started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct State {
    /// What is to be done.
    pub plan: Option<Plan>,
    /// As in the plan, in its order.
    pub hosts: Vec<Host>,
    /// What is carried out at present: the plan's scenes, or the way back.
    pub script: Vec<Scene>,
    /// The present scene.
    pub cursor: usize,
    /// Hosts of the present wave that have not started.
    pub queue: VecDeque<usize>,
    /// The present scene was begun.
    pub entered: bool,
    /// Hosts that are being worked on.
    pub running: BTreeSet<usize>,
    /// Asked for, not ended.
    pub open: BTreeMap<ActionId, Open>,
    /// The number of the next action.
    pub next_action: ActionId,
    /// Failed hosts by stage.
    pub failures: BTreeMap<u32, usize>,
    /// Stages that are done, for the plan's digest.
    pub confirmed: BTreeSet<u32>,
    /// Why no further host starts.
    pub halt: Option<Halt>,
    /// The script is the way back.
    pub unwinding: bool,
    /// Traffic that was moved in the present stage: where it is now.
    pub moved: BTreeMap<String, Colour>,
    /// Groups whose hosts stay as they are, because their traffic cannot be
    /// moved away from them.
    pub pinned: BTreeSet<String>,
    /// The traffic is asked for because a session ended while it was being
    /// moved: if it stands where it was, moving it never began.
    pub unsure: bool,
    /// Scenes of the plan that are not repeated when a resume catches up.
    pub played: BTreeSet<usize>,
    /// All is done that will be.
    pub finished: bool,
}

impl State {
    /// The host of that name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        let plan = self.plan.as_ref()?;
        let at = plan.hosts.iter().position(|host| host.name == name)?;
        self.hosts.get(at)
    }

    /// Hosts whose turn it is in this rollout: positions.
    pub fn concerned(&self) -> impl Iterator<Item = usize> + Clone {
        let plan = self.plan.iter();
        plan.flat_map(|plan| {
            plan.hosts
                .iter()
                .enumerate()
                .filter(|(_, host)| plan.stages.contains(&host.stage))
                .map(|(at, _)| at)
        })
    }

    /// The exit status: 0 if and only if every host was read back as intended; 4
    /// if not and hosts have changed; 3 if a safety protocol refused and nothing
    /// was changed; 2 if the rollout could not be carried out; else 1.
    pub fn exit_status(&self) -> u8 {
        if !self.finished || matches!(self.halt, Some(Halt::Plan(_))) {
            return 2;
        }
        let mut hosts = self.concerned().filter_map(|at| self.hosts.get(at));
        if self.halt.is_none() && hosts.clone().all(Host::is_confirmed) {
            return 0;
        }
        if hosts.clone().any(|host| host.touched) {
            return 4;
        }
        let refused = |host: &Host| {
            let failure = host.failure.as_ref();
            failure.is_some_and(|failure| matches!(failure.class, Class::Drift | Class::Busy))
        };
        if hosts.any(refused) { 3 } else { 1 }
    }
}
