//! One host: what an action's outcome leads to.

use super::event::{
    Baseline, Exit, Observation, Outcome, Record, RecordState, Refusal, Task, Unit,
};
use super::host::RECOVERIES;
use super::plan::AdoptDrift;
use super::state::{Class, Failure, Final, Phase};
use super::step::Machine;

/// Statuses of `switch-to-configuration` that mean more than failure.
const UNITS_FAILED: i32 = 4;
const NEEDS_REBOOT: i32 = 100;

impl Machine {
    pub(super) fn host_outcome(&mut self, at: usize, outcome: &Outcome) {
        use Outcome::{Armed, Done, Exited, Failed, Healthy, Observed, Refused};
        if let Observed(seen) = outcome
            && let Some(record) = self.own(at, seen)
            && record.watch.said().is_some()
        {
            // For reports: nothing is decided by it.
            let watch = Some(record.watch.clone());
            self.with(at, |host| host.watch = watch);
        }
        let host = self.host(at);
        match (&host.phase, outcome) {
            (_, Refused(Refusal::Fenced)) => self.finish(at, Final::Yielded),
            (Phase::Probing, Observed(seen)) => self.probed(at, seen),
            (Phase::Probing, Failed(message)) => self.fail(at, Class::Link, message),
            (Phase::Probing, _) => self.absent(at),
            (Phase::Building | Phase::Copying, _) if self.stopping() => self.stand_down(at),
            (Phase::Building, Done) => self.copy(at),
            (Phase::Building, other) => self.fail(at, Class::Build, said(other)),
            (Phase::Copying, Done) => self.go(at, Phase::Ready),
            (Phase::Copying, other @ (Failed(_) | Outcome::TimedOut)) => {
                self.fail(at, Class::Copy, said(other));
            }
            (Phase::Arming, Armed(token)) => self.armed(at, *token),
            (Phase::Arming, Refused(Refusal::Busy(who))) => self.fail(at, Class::Busy, who),
            (Phase::Arming, Refused(Refusal::Moved)) => self.moved(at),
            (Phase::Arming, Failed(message)) if host.starts == 0 => {
                self.fail(at, Class::Arm, message);
            }
            (Phase::Testing, Exited(exit)) => self.tested(at, *exit),
            (Phase::Testing, Failed(message)) => self.revert(at, Class::Activation, message),
            (Phase::Testing, Outcome::TimedOut) => {
                self.revert(at, Class::Hang, "the activation did not end in its time");
            }
            (Phase::LockWait, _) => {
                self.with(at, |host| host.starts += 1);
                self.run(at, Unit::Test);
            }
            (Phase::Checking | Phase::CheckingBoot, Healthy) if self.aborted() => {
                self.revert(at, Class::Aborted, "aborted by the operator");
            }
            (Phase::Checking, Healthy) => self.commit(at),
            (Phase::CheckingBoot, Healthy) => self.run(at, Unit::Confirm),
            (
                Phase::Checking | Phase::CheckingBoot,
                other @ (Outcome::Unhealthy(_) | Failed(_) | Outcome::TimedOut),
            ) => self.revert(at, Class::Health, said(other)),
            (Phase::Committing | Phase::Confirming, Exited(Exit::Status(0))) => self.read_back(at),
            (Phase::Staging, Exited(Exit::Status(0))) => self.reboot(at),
            (
                Phase::Committing | Phase::Confirming | Phase::Staging,
                other @ (Exited(_) | Failed(_) | Outcome::TimedOut),
            ) => self.revert(at, Class::Promotion, said(other)),
            (Phase::Rebooting, Observed(seen)) => self.rebooted(at, seen),
            (Phase::ReadingBack, Observed(seen)) => self.judge_new(at, seen),
            (Phase::Reverting, Exited(Exit::Status(0))) => {
                self.go(at, Phase::ReadingBaseline);
                self.act_probe(at);
            }
            (Phase::ReadingBaseline, Observed(seen)) => self.judge_old(at, seen),
            (Phase::Releasing, _) => self.finish_released(at),
            (Phase::Settling, Observed(seen)) => self.reconcile(at, seen),
            (Phase::Settling, _) => self.gone(at),
            (Phase::Waiting | Phase::Ready | Phase::Final(_), _) => {}
            _ => self.settle(at),
        }
    }

    pub(super) fn probed(&mut self, at: usize, seen: &Observation) {
        if self.stopping() {
            self.stand_down(at);
            return;
        }
        let (to, _) = self.aim(at);
        if let Some(other) = seen.record.as_ref().filter(|record| record.is_live()) {
            if other.rollout == self.rollout() {
                self.reconcile(at, seen);
            } else {
                let who = format!("rollout {} is at work there", other.rollout);
                self.fail(at, Class::Busy, who);
            }
            return;
        }
        if seen.is_all(&to) {
            let back = self.host(at).back;
            let end = if back {
                Final::Restored
            } else {
                Final::Confirmed
            };
            self.finish(at, end);
            return;
        }
        let Some(from) = self.baseline(seen) else {
            let message = format!(
                "runs {}, its profile is {}, it would boot {}",
                seen.current, seen.profile, seen.boot_default
            );
            self.fail(at, Class::Drift, message);
            return;
        };
        let back = self.host(at).back;
        self.with(at, |host| {
            host.baseline.get_or_insert_with(|| from.clone());
            host.from = Some(from);
            host.found = Some(seen.found());
            host.boot_id.clone_from(&seen.boot_id);
            host.known_failed.clone_from(&seen.failed_units);
            host.unwatched_boot_window |= !seen.guard;
        });
        if back {
            // Both closures are held by the roots of the way there.
            self.go(at, Phase::Ready);
        } else {
            self.build(at);
        }
    }

    /// What a rollback restores; `None` for a host that has drifted.
    fn baseline(&self, seen: &Observation) -> Option<Baseline> {
        let chosen = match self.adopt_drift() {
            _ if seen.is_all(&seen.current) => &seen.current,
            Some(AdoptDrift::Current) => &seen.current,
            Some(AdoptDrift::Profile) => &seen.profile,
            None => return None,
        };
        Some(Baseline {
            current: chosen.clone(),
            profile: chosen.clone(),
            generation: (*chosen == seen.profile).then_some(seen.generation),
            boot_default: chosen.clone(),
            booted: seen.booted.clone(),
        })
    }

    fn armed(&mut self, at: usize, token: u64) {
        self.with(at, |host| host.token = token);
        if self.host(at).starts > 0 {
            // Armed anew by a later session: what has the earlier one done?
            self.go(at, Phase::Settling);
            self.act_probe(at);
        } else if self.stopping() {
            self.revert(at, Class::Aborted, "the rollout was stopped");
        } else {
            self.with(at, |host| host.starts = 1);
            self.run(at, Unit::Test);
        }
    }

    fn moved(&mut self, at: usize) {
        let mut lost = 0;
        self.with(at, |host| {
            host.recoveries += 1;
            lost = host.recoveries;
        });
        if lost > RECOVERIES || self.host(at).starts > 0 {
            self.fail(at, Class::Busy, "the host keeps changing under our hands");
        } else {
            self.go(at, Phase::Probing);
            self.act_probe(at);
        }
    }

    pub(super) fn tested(&mut self, at: usize, exit: Exit) {
        let host = self.host(at);
        let times = self.times(at);
        match exit {
            _ if self.aborted() => self.revert(at, Class::Aborted, "aborted by the operator"),
            // Failed units are judged against the baseline's.
            Exit::Status(0 | UNITS_FAILED) => self.check(at, Phase::Checking),
            Exit::Status(NEEDS_REBOOT) => {
                if self.planned(at).is_some_and(|host| host.may_reboot) {
                    self.with(at, |host| host.boot_mode = true);
                    self.run(at, Unit::Stage);
                } else {
                    let message = "the closure cannot be switched to without a reboot";
                    self.revert(at, Class::NeedsReboot, message);
                }
            }
            Exit::LockHeld if host.starts <= times.lock_tries => {
                self.go(at, Phase::LockWait);
                let time = times.lock_pause;
                self.act(Some(at), Task::Pause { time }, time.saturating_add(1_000));
            }
            Exit::LockHeld => self.revert(at, Class::Busy, "another activation holds the lock"),
            Exit::Status(status) => {
                let message = format!("the activation ended with status {status}");
                self.revert(at, Class::Activation, message);
            }
            Exit::Signal(signal) => {
                let message = format!("the activation was ended by signal {signal}");
                self.revert(at, Class::Hang, message);
            }
        }
    }

    fn commit(&mut self, at: usize) {
        self.run(at, Unit::Commit);
    }

    pub(super) fn read_back(&mut self, at: usize) {
        self.go(at, Phase::ReadingBack);
        self.act_probe(at);
    }

    pub(super) fn rebooted(&mut self, at: usize, seen: &Observation) {
        self.with(at, |host| host.boot_id.clone_from(&seen.boot_id));
        let there = seen.current == self.aim(at).0;
        let state = self.own(at, seen).map(|record| record.state);
        match state {
            Some(RecordState::Promoting) if there => self.check(at, Phase::CheckingBoot),
            Some(RecordState::Promoting) => {
                self.revert(at, Class::Reset, "it came back with another closure");
            }
            _ => self.reconcile(at, seen),
        }
    }

    /// The record of this attempt.
    pub(super) fn own<'a>(&self, at: usize, seen: &'a Observation) -> Option<&'a Record> {
        let attempt = self.state.hosts.get(at)?.attempt;
        let ours = |record: &&Record| record.rollout == self.rollout() && record.attempt == attempt;
        seen.record.as_ref().filter(ours)
    }

    /// Step 8: all of it has to be there.
    pub(super) fn judge_new(&mut self, at: usize, seen: &Observation) {
        let state = self.own(at, seen).map(|record| record.state);
        match state {
            Some(RecordState::Confirmed) if seen.is_all(&self.aim(at).0) => self.release(at),
            Some(RecordState::Confirmed) => self.broken(at, seen),
            _ => self.reconcile(at, seen),
        }
    }

    pub(super) fn judge_old(&mut self, at: usize, seen: &Observation) {
        let restored = self
            .host(at)
            .from
            .is_some_and(|from| seen.is_baseline(&from));
        let state = self.own(at, seen).map(|record| record.state);
        match state {
            // Somebody else than this session has begun it.
            Some(RecordState::Reverted) if self.host(at).failure.is_none() => {
                self.reverted(at, seen);
            }
            Some(RecordState::Reverted) if restored => self.release(at),
            Some(RecordState::Reverted) => self.broken(at, seen),
            _ => self.settle(at),
        }
    }

    pub(super) fn broken(&mut self, at: usize, seen: &Observation) {
        let message = format!(
            "read back: runs {}, profile {}, boots {}",
            seen.current, seen.profile, seen.boot_default
        );
        let class = Class::ReadBack;
        self.with(at, |host| host.failure = Some(Failure { class, message }));
        self.finish(at, Final::Broken);
    }
}

fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed(message) | Outcome::Unhealthy(message) => message.clone(),
        Outcome::TimedOut => "it did not end in its time".to_owned(),
        Outcome::Unreachable | Outcome::Lost => "the connection was lost".to_owned(),
        Outcome::Exited(Exit::Status(status)) => format!("status {status}"),
        Outcome::Exited(Exit::Signal(signal)) => format!("signal {signal}"),
        _ => "it came out in an unexpected way".to_owned(),
    }
}
