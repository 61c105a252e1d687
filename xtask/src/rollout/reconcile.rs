//! A host is looked at after connection or session were lost: its record
//! decides what comes next. Nothing is done twice that was done once.

use super::event::{Exit, Observation, Record, RecordState, Unit, UnitState};
use super::host::RECOVERIES;
use super::state::{Class, Failure, Final, Phase};
use super::step::Machine;

/// Attempts of a rollout whose sessions keep ending in the middle.
const ATTEMPTS: u32 = 3;

impl Machine {
    pub(super) fn resume_host(&mut self, at: usize) {
        match self.host(at).phase {
            Phase::Waiting | Phase::Ready | Phase::Final(_) => {}
            Phase::Probing => self.act_probe(at),
            Phase::Building => self.build(at),
            Phase::Copying => self.copy(at),
            _ => {
                self.with(at, |host| {
                    host.orphaned = true;
                    host.recoveries = 0;
                });
                self.settle(at);
            }
        }
    }

    pub(super) fn reconcile(&mut self, at: usize, seen: &Observation) {
        let Some(record) = self.own(at, seen).cloned() else {
            self.without_record(at, seen);
            return;
        };
        let host = self.host(at);
        if host.token == 0 {
            self.with(at, |host| host.token = record.token);
        } else if host.token != record.token {
            self.finish(at, Final::Yielded);
            return;
        }
        match record.state {
            RecordState::Confirmed => {
                self.with(at, |host| host.failure = None);
                self.judge_new(at, seen);
            }
            RecordState::Reverted => self.reverted(at, seen),
            RecordState::Reverting if record.revert == UnitState::Running => {
                self.attend(at, Unit::Revert, Phase::Reverting);
            }
            // It was cut off. Why it began is judged when it is done.
            RecordState::Reverting => self.run(at, Unit::Revert),
            RecordState::Promoting => self.promoting(at, seen, &record),
            RecordState::Armed => self.still_armed(at, seen, &record),
        }
    }

    /// The target knows nothing of this attempt.
    fn without_record(&mut self, at: usize, seen: &Observation) {
        let host = self.host(at);
        if host.starts == 0 || !host.armed {
            // It was never armed, so nothing was changed: from the start.
            self.with(at, |host| host.orphaned = false);
            self.probed(at, seen);
            return;
        }
        // Somebody else's record took the place of ours, which had ended then.
        if seen.is_all(&self.aim(at).0) {
            self.with(at, |host| host.failure = None);
            let end = if host.back {
                Final::Restored
            } else {
                Final::Confirmed
            };
            self.finish(at, end);
        } else if host.from.is_some_and(|from| seen.is_baseline(&from)) {
            self.with(at, |host| {
                host.failure.get_or_insert(Failure {
                    class: Class::Link,
                    message: "it went back by itself".to_owned(),
                });
            });
            let end = if host.back {
                Final::Kept
            } else {
                Final::RolledBack
            };
            self.finish(at, end);
        } else if let Some(other) = seen.record.as_ref().filter(|_| seen.is_all(&seen.current)) {
            // It went back, and then somebody else brought something of their own.
            let message = format!("rollout {} has changed it since", other.rollout);
            let class = Class::Busy;
            self.with(at, |host| host.failure = Some(Failure { class, message }));
            self.finish(at, Final::Yielded);
        } else {
            self.broken(at, seen);
        }
    }

    /// The baseline is back, for whatever reason.
    pub(super) fn reverted(&mut self, at: usize, seen: &Observation) {
        let reset = self
            .own(at, seen)
            .is_some_and(|record| record.boot_id != seen.boot_id);
        let host = self.host(at);
        let again =
            host.orphaned && host.failure.is_none() && !self.stopping() && host.attempt < ATTEMPTS;
        if again {
            // It went back because nobody was there, not because of the closure.
            self.begin(at);
            return;
        }
        let (class, message) = if reset {
            (Class::Reset, "it was reset and went back")
        } else {
            (Class::Link, "the watchdog took the change back")
        };
        let message = message.to_owned();
        self.with(at, |host| {
            host.failure.get_or_insert(Failure { class, message });
        });
        self.judge_old(at, seen);
    }

    /// Step 7 was begun: it is finished if all of it is there, and the host is
    /// healthy; else it is taken back.
    fn promoting(&mut self, at: usize, seen: &Observation, record: &Record) {
        let host = self.host(at);
        let boot_changed = record.boot_id != seen.boot_id;
        let unit = if host.boot_mode {
            Unit::Stage
        } else {
            Unit::Commit
        };
        let phase = match host.boot_mode {
            true => Phase::Staging,
            false => Phase::Committing,
        };
        if record.commit == UnitState::Running {
            match boot_changed && host.boot_mode {
                true => self.attend(at, Unit::Confirm, Phase::Confirming),
                false => self.attend(at, unit, phase),
            }
        } else if host.failure.is_some() {
            self.revert(at, Class::Promotion, "the way back had been decided");
        } else if host.boot_mode && boot_changed {
            self.rebooted(at, seen);
        } else if host.boot_mode && record.commit == UnitState::Exited(Exit::Status(0)) {
            self.with(at, |host| host.boot_id.clone_from(&seen.boot_id));
            self.reboot(at);
        } else if seen.is_all(&self.aim(at).0) && host.recoveries <= RECOVERIES {
            self.check(at, Phase::CheckingBoot);
        } else {
            let class = if boot_changed {
                Class::Reset
            } else {
                Class::Promotion
            };
            self.revert(at, class, "profile and boot entry were changed in part");
        }
    }

    fn still_armed(&mut self, at: usize, seen: &Observation, record: &Record) {
        let host = self.host(at);
        let start = host.starts.max(1);
        if host.failure.is_some() || self.stopping() {
            self.revert(at, Class::Aborted, "the rollout was stopped");
        } else if record.boot_id != seen.boot_id {
            self.revert(at, Class::Reset, "it was reset in the middle");
        } else if host.orphaned {
            // Fences whatever is left of the session before, and gives the
            // watchdog its whole time again.
            self.with(at, |host| host.orphaned = false);
            self.arm(at);
        } else if host.recoveries > RECOVERIES {
            self.revert(at, Class::Link, "the connection was lost again and again");
        } else if record.commit == UnitState::Running {
            let boot = host.boot_mode;
            let (unit, phase) = match boot {
                true => (Unit::Stage, Phase::Staging),
                false => (Unit::Commit, Phase::Committing),
            };
            self.attend(at, unit, phase);
        } else if record.commit != UnitState::NotStarted {
            self.revert(at, Class::Promotion, "the promotion failed");
        } else if record.test.0 < start {
            self.with(at, |host| host.starts = start);
            self.run(at, Unit::Test);
        } else {
            match record.test.1 {
                UnitState::NotStarted => self.run(at, Unit::Test),
                UnitState::Running => self.attend(at, Unit::Test, Phase::Testing),
                UnitState::Exited(exit) => self.tested(at, exit),
                UnitState::Vanished => {
                    self.revert(at, Class::Hang, "the activation ended without a status");
                }
            }
        }
    }
}
