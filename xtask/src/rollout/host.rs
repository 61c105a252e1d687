//! One host, from probe to confirmation or back: steps 1 to 8.

use super::deadlines::Deadlines;
use super::event::{Task, Unit};
use super::plan::{BuildOn, Check, HostPlan, Policy, StorePath};
use super::state::{Class, Failure, Final, Halt, Host, Phase};
use super::step::Machine;

/// How often connection or lock may be lost before the host is sent back.
pub(super) const RECOVERIES: u32 = 3;

impl Machine {
    /// What is looked at: that a new connection can be made and that no unit
    /// fails that did not before, and what the plan adds.
    pub(super) fn checks(host: &HostPlan) -> Vec<Check> {
        let mut checks = vec![Check::Reachable, Check::NoNewFailedUnits];
        checks.extend(host.health.iter().cloned());
        checks
    }

    pub(super) fn host(&self, at: usize) -> Host {
        self.state.hosts.get(at).cloned().unwrap_or_default()
    }

    pub(super) fn times(&self, at: usize) -> Deadlines {
        let planned = self.planned(at);
        planned
            .map(|host| host.deadlines.clone())
            .unwrap_or_default()
    }

    /// What this attempt is to bring: closure and the generation to take again.
    pub(super) fn aim(&self, at: usize) -> (StorePath, Option<u64>) {
        let host = self.state.hosts.get(at);
        if let Some(host) = host.filter(|host| host.back)
            && let Some(baseline) = &host.baseline
        {
            return (baseline.profile.clone(), baseline.generation);
        }
        self.planned(at).map_or_else(
            || (StorePath(String::new()), None),
            |host| (host.closure.clone(), host.generation),
        )
    }

    pub(super) fn go(&mut self, at: usize, phase: Phase) {
        self.with(at, |host| host.phase = phase);
    }

    // Steps.

    pub(super) fn begin(&mut self, at: usize) {
        self.with(at, |host| {
            host.attempt += 1;
            host.from = None;
            host.found = None;
            host.armed = false;
            host.committing = false;
            host.boot_mode = false;
            host.orphaned = false;
            host.token = 0;
            host.starts = 0;
            host.recoveries = 0;
            host.failure = None;
            host.phase = Phase::Probing;
        });
        self.act_probe(at);
    }

    /// A look at the host. While it settles, for as long as its watchdog may take.
    pub(super) fn act_probe(&mut self, at: usize) {
        let times = self.times(at);
        let settling = self.host(at).phase == Phase::Settling;
        let time = if settling {
            times.settled()
        } else {
            times.command
        };
        self.act(Some(at), Task::Probe, time);
    }

    pub(super) fn build(&mut self, at: usize) {
        let Some(planned) = self.planned(at) else {
            return;
        };
        let task = Task::Build {
            closure: planned.closure.clone(),
            on: planned.build_on,
        };
        if planned.build_on == BuildOn::Existing {
            self.copy(at);
            return;
        }
        self.go(at, Phase::Building);
        self.act(Some(at), task, self.times(at).build);
    }

    pub(super) fn copy(&mut self, at: usize) {
        let mut closures = vec![self.aim(at).0];
        if let Some(from) = self.host(at).from {
            closures.extend([from.current, from.profile, from.boot_default]);
        }
        let task = Task::Copy {
            closures,
            substitute: self.planned(at).is_some_and(|host| host.substitute),
        };
        self.go(at, Phase::Copying);
        self.act(Some(at), task, self.times(at).copy);
    }

    pub(super) fn arm(&mut self, at: usize) {
        let host = self.host(at);
        let (Some(from), Some(found)) = (host.from, host.found) else {
            // Never probed: there is nothing to go back to, so nothing is begun.
            self.fail(at, Class::Arm, "the host was never probed");
            return;
        };
        let times = self.times(at);
        let task = Task::Arm {
            attempt: host.attempt,
            to: self.aim(at).0,
            from,
            found,
            watchdog: times.watchdog(),
        };
        self.go(at, Phase::Arming);
        self.act(Some(at), task, times.command);
    }

    pub(super) fn run(&mut self, at: usize, unit: Unit) {
        let host = self.host(at);
        let times = self.times(at);
        let (to, generation) = self.aim(at);
        let (closure, generation) = match (unit, host.from) {
            (Unit::Revert, Some(from)) => (from.profile, from.generation),
            _ => (to, generation),
        };
        let (phase, time) = match unit {
            Unit::Test => (Phase::Testing, times.activation),
            Unit::Commit => (Phase::Committing, times.commit),
            Unit::Stage => (Phase::Staging, times.commit),
            Unit::Confirm => (Phase::Confirming, times.commit),
            Unit::Revert => (Phase::Reverting, times.revert()),
        };
        self.go(at, phase);
        let staging = unit == Unit::Stage;
        let task = Task::Run {
            unit,
            attempt: host.attempt,
            start: host.starts.max(1),
            token: host.token,
            closure,
            generation,
            colour: self.planned(at).and_then(|host| host.colour),
            watchdog: staging.then(|| times.watchdog_with_reboot()),
        };
        self.act(Some(at), task, time);
    }

    pub(super) fn attend(&mut self, at: usize, unit: Unit, phase: Phase) {
        let host = self.host(at);
        let times = self.times(at);
        self.go(at, phase);
        let task = Task::Await {
            unit,
            attempt: host.attempt,
            start: host.starts.max(1),
        };
        let time = match unit {
            Unit::Test => times.activation,
            Unit::Commit | Unit::Stage | Unit::Confirm => times.commit,
            Unit::Revert => times.revert(),
        };
        self.act(Some(at), task, time);
    }

    pub(super) fn check(&mut self, at: usize, phase: Phase) {
        let host = self.host(at);
        let times = self.times(at);
        let checks = match self.planned(at) {
            // What is declared is about the new closure.
            Some(planned) if !host.back => Self::checks(planned),
            _ => vec![Check::Reachable],
        };
        self.go(at, phase);
        let task = Task::Health {
            checks,
            known_failed: host.known_failed,
            soak: times.soak,
            interval: times.interval,
        };
        self.act(Some(at), task, times.soak.saturating_add(times.checks));
    }

    pub(super) fn reboot(&mut self, at: usize) {
        let host = self.host(at);
        self.go(at, Phase::Rebooting);
        let task = Task::Reboot {
            boot_id: host.boot_id,
            token: host.token,
        };
        self.act(Some(at), task, self.times(at).reboot);
    }

    pub(super) fn release(&mut self, at: usize) {
        let token = self.host(at).token;
        self.go(at, Phase::Releasing);
        self.act(Some(at), Task::Release { token }, self.times(at).command);
    }

    pub(super) fn revert(&mut self, at: usize, class: Class, message: impl Into<String>) {
        let message = message.into();
        self.with(at, |host| {
            host.failure.get_or_insert(Failure { class, message });
        });
        self.run(at, Unit::Revert);
    }

    // Ends.

    /// The end of a host that nothing was done to.
    pub(super) fn fail(&mut self, at: usize, class: Class, message: impl Into<String>) {
        let message = message.into();
        self.with(at, |host| host.failure = Some(Failure { class, message }));
        let end = if self.host(at).back {
            Final::Kept
        } else {
            Final::Untouched
        };
        self.finish(at, end);
    }

    pub(super) fn finish(&mut self, at: usize, end: Final) {
        self.state.running.remove(&at);
        self.state.open.retain(|_, open| open.host != Some(at));
        let fine = matches!(end, Final::Confirmed | Final::Pending);
        self.go(at, Phase::Final(end));
        let Some(stage) = self.planned(at).map(|host| host.stage) else {
            return;
        };
        let host = self.host(at);
        if fine || host.back || self.state.unwinding {
            return;
        }
        let blameless = |failure: &Failure| matches!(failure.class, Class::Busy | Class::Aborted);
        if host.failure.as_ref().is_some_and(blameless) {
            self.state.halt.get_or_insert(Halt::Busy);
            return;
        }
        let failed = self.state.failures.entry(stage).or_default();
        *failed += 1;
        let failed = *failed;
        let budget = self.state.plan.as_ref();
        if failed > budget.map_or(0, |plan| plan.options.max_failures) {
            // A failed closure weighs more than a host in another one's hands.
            if matches!(self.state.halt, None | Some(Halt::Busy)) {
                self.state.halt = Some(Halt::Budget);
            }
        }
    }

    pub(super) fn finish_released(&mut self, at: usize) {
        let host = self.host(at);
        let end = match (host.back, host.failure.is_some()) {
            (false, false) => Final::Confirmed,
            (false, true) => Final::RolledBack,
            (true, false) => Final::Restored,
            (true, true) => Final::Kept,
        };
        self.finish(at, end);
    }

    /// Nothing was done to it, and nothing will be.
    pub(super) fn stand_down(&mut self, at: usize) {
        self.state.running.remove(&at);
        self.go(at, Phase::Waiting);
    }

    pub(super) fn stand_down_if_ready(&mut self, at: usize) {
        if self.host(at).phase == Phase::Ready {
            self.stand_down(at);
        }
    }

    pub(super) fn abort_host(&mut self, at: usize) {
        let message = "aborted by the operator";
        match self.host(at).phase {
            Phase::Testing | Phase::LockWait | Phase::Checking | Phase::CheckingBoot => {
                self.state.open.retain(|_, open| open.host != Some(at));
                self.revert(at, Class::Aborted, message);
            }
            _ => {}
        }
    }

    pub(super) fn absent(&mut self, at: usize) {
        let optional = self
            .planned(at)
            .is_some_and(|host| host.policy == Policy::WhenReachable);
        if optional && !self.host(at).back {
            self.finish(at, Final::Pending);
        } else {
            self.fail(at, Class::Link, "the host cannot be reached");
        }
    }

    /// Connection lost: look again for as long as the host may take to settle.
    pub(super) fn settle(&mut self, at: usize) {
        let mut lost = 0;
        self.with(at, |host| {
            host.recoveries += 1;
            lost = host.recoveries;
            host.phase = Phase::Settling;
        });
        if lost > 4 * RECOVERIES {
            self.gone(at);
        } else {
            self.act_probe(at);
        }
    }

    pub(super) fn gone(&mut self, at: usize) {
        let host = self.host(at);
        if !host.armed {
            self.absent(at);
            return;
        }
        let to = self.aim(at).0;
        let boots = match &host.from {
            Some(from) if !host.committing => from.boot_default.clone(),
            _ => to,
        };
        let message = "the host cannot be reached any more".to_owned();
        self.with(at, |host| {
            host.failure.get_or_insert(Failure {
                class: Class::Link,
                message,
            });
        });
        self.finish(at, Final::Unreachable { boots });
    }
}
