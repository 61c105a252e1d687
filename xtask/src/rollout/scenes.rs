//! The order of things: scenes, waves, who may start, and the way back.

use super::deadlines::Millis;
use super::event::{Outcome, Task};
use super::plan::{Colour, HostPlan, OnFailure, Options};
use super::state::{Final, Halt, Host, Phase};
use super::step::Machine;
use super::waves::{Act, Scene, members};

/// How long a group's hook may take.
const SWITCH: Millis = 60_000;

impl Machine {
    fn options(&self) -> Options {
        let plan = self.state.plan.as_ref();
        plan.map(|plan| plan.options.clone()).unwrap_or_default()
    }

    pub(super) fn schedule(&mut self) {
        while self.state.plan.is_some() && !self.state.finished {
            if self.stopping() {
                for at in self.state.running.clone() {
                    self.stand_down_if_ready(at);
                }
                if !self.state.running.is_empty() {
                    return;
                }
                if !self.unwind() {
                    self.state.finished = true;
                }
                continue;
            }
            let Some(scene) = self.state.script.get(self.state.cursor) else {
                self.leave_stage();
                self.state.finished = true;
                return;
            };
            let stage = scene.stage;
            if !self.state.entered {
                self.enter(scene.clone());
                continue;
            }
            if !matches!(scene.act, Act::Wave(_)) {
                return;
            }
            self.fill(stage);
            if !self.state.queue.is_empty() || !self.state.running.is_empty() {
                return;
            }
            self.advance();
        }
    }

    fn enter(&mut self, scene: Scene) {
        self.state.entered = true;
        let before = self.state.cursor.checked_sub(1);
        let before = before.and_then(|at| self.state.script.get(at));
        if before.is_some_and(|before| before.stage != scene.stage) {
            self.leave_stage();
        }
        let played = !self.state.unwinding && self.state.played.contains(&self.state.cursor);
        match scene.act {
            Act::Wave(hosts) => {
                let waiting = |at: &usize| {
                    let host = self.state.hosts.get(*at);
                    host.is_some_and(|host| host.phase == Phase::Waiting) && !self.is_pinned(*at)
                };
                self.state.queue = hosts.iter().copied().filter(waiting).collect();
            }
            _ if played => self.advance(),
            Act::Bake(hosts) => self.bake(&hosts),
            Act::Switch { group, to } => {
                if self.state.unwinding && !self.can_serve(&group, to, scene.stage) {
                    self.keep_group(&group);
                    self.state.pinned.insert(group);
                    self.advance();
                } else {
                    self.act(None, Task::Switch { group, to }, SWITCH);
                }
            }
        }
    }

    fn advance(&mut self) {
        if !self.state.unwinding {
            self.state.played.insert(self.state.cursor);
        }
        self.state.cursor += 1;
        self.state.entered = false;
    }

    /// The stage of the scene before the present one is done.
    fn leave_stage(&mut self) {
        let before = self.state.cursor.checked_sub(1);
        let stage = before.and_then(|at| self.state.script.get(at));
        if let Some(stage) = stage.map(|scene| scene.stage)
            && !self.state.unwinding
        {
            self.state.confirmed.insert(stage);
            self.state.moved.clear();
        }
    }

    fn bake(&mut self, hosts: &[usize]) {
        let planned = |at: &usize| self.planned(*at);
        // Hosts that are not there, or failed within the budget, prove nothing.
        let confirmed = |at: &&usize| {
            let host = self.state.hosts.get(**at);
            host.is_some_and(Host::is_confirmed)
        };
        let there: Vec<&HostPlan> = hosts.iter().filter(confirmed).filter_map(planned).collect();
        let longest = |time: fn(&HostPlan) -> Millis| {
            let times = there.iter().map(|host| time(host));
            times.max().unwrap_or_default()
        };
        let time = longest(|host| host.deadlines.bake);
        let interval = longest(|host| host.deadlines.interval);
        let checks = longest(|host| host.deadlines.checks);
        let hosts: Vec<_> = there
            .iter()
            .map(|host| (host.name.clone(), Self::checks(host)))
            .collect();
        if hosts.is_empty() {
            self.state.halt = Some(Halt::Bake("no host is confirmed".into()));
            return;
        }
        let task = Task::Bake {
            hosts,
            time,
            interval,
        };
        self.act(None, task, time.saturating_add(checks));
    }

    /// Whether no host of this colour would fail the traffic's clients.
    fn can_serve(&self, group: &str, colour: Colour, stage: u32) -> bool {
        let Some(plan) = &self.state.plan else {
            return false;
        };
        let of = |host: &HostPlan| {
            host.stage == stage
                && host.group.as_deref() == Some(group)
                && host.colour == Some(colour)
        };
        let fit = |host: &Host| {
            use Final::{Confirmed, Kept, Restored, RolledBack, Untouched};
            match &host.phase {
                Phase::Waiting => true,
                Phase::Final(end) => {
                    matches!(end, Confirmed | Kept | Restored | RolledBack | Untouched)
                }
                _ => false,
            }
        };
        let hosts = plan.hosts.iter().zip(&self.state.hosts);
        hosts
            .filter(|(host, _)| of(host))
            .all(|(_, host)| fit(host))
    }

    fn is_pinned(&self, at: usize) -> bool {
        let group = self.planned(at).and_then(|host| host.group.as_ref());
        group.is_some_and(|group| self.state.pinned.contains(group))
    }

    fn fill(&mut self, stage: u32) {
        let options = self.options();
        while self.state.running.len() < options.jobs.max(1) {
            let Some(at) = self.state.queue.pop_front() else {
                break;
            };
            self.state.running.insert(at);
            self.begin(at);
        }
        let failed = self.state.failures.get(&stage).copied().unwrap_or(0);
        let budget = options
            .max_failures
            .saturating_add(1)
            .saturating_sub(failed);
        let allowed = match options.at_risk {
            _ if self.state.unwinding => usize::MAX,
            Some(declared) => declared.max(1),
            None => budget,
        };
        let allowed = allowed.min(options.max_unavailable.unwrap_or(usize::MAX).max(1));
        let phase = |at: &usize| self.state.hosts.get(*at).map(|host| host.phase.clone());
        let running = &self.state.running;
        let at_risk = running
            .iter()
            .filter(|at| phase(at).is_some_and(|phase| phase.at_risk()))
            .count();
        let ready = running.iter().filter(|at| phase(at) == Some(Phase::Ready));
        let room = allowed.saturating_sub(at_risk);
        for at in ready.copied().take(room).collect::<Vec<_>>() {
            self.arm(at);
        }
    }

    /// Turns to the way back of the present stage: its scenes in reverse.
    /// `false` if there is none.
    fn unwind(&mut self) -> bool {
        let wanted = matches!(
            self.state.halt,
            Some(Halt::Budget | Halt::Traffic(_) | Halt::Bake(_))
        );
        if !wanted || self.options().on_failure == OnFailure::Stop {
            return false;
        }
        let Some(stage) = self.state.script.get(self.state.cursor) else {
            return false;
        };
        let stage = stage.stage;
        let past = self.state.script.iter().take(self.state.cursor + 1);
        let mut back = Vec::new();
        for scene in past.filter(|scene| scene.stage == stage).rev() {
            let act = match &scene.act {
                Act::Bake(_) => continue,
                Act::Switch { group, to } if self.state.moved.get(group) == Some(to) => {
                    let (group, to) = (group.clone(), to.other());
                    Act::Switch { group, to }
                }
                Act::Switch { .. } => continue,
                wave @ Act::Wave(_) => {
                    let changed = |at: &usize| {
                        let host = self.state.hosts.get(*at);
                        host.is_some_and(|host| host.is_confirmed() && host.touched)
                    };
                    Act::Wave(members(wave).iter().copied().filter(changed).collect())
                }
            };
            back.push(Scene { stage, act });
        }
        for at in back.iter().flat_map(|scene| members(&scene.act)) {
            if self.is_pinned(*at) {
                continue;
            }
            if let Some(host) = self.state.hosts.get_mut(*at) {
                host.back = true;
                host.phase = Phase::Waiting;
            }
        }
        self.state.script = back;
        self.state.cursor = 0;
        self.state.entered = false;
        self.state.unwinding = true;
        true
    }

    pub(super) fn scene_outcome(&mut self, task: &Task, outcome: &Outcome) {
        let Some(scene) = self.state.script.get(self.state.cursor).cloned() else {
            return;
        };
        match (task, scene.act, outcome) {
            (Task::Bake { .. }, _, Outcome::Healthy) => self.advance(),
            (Task::Bake { .. }, _, other) => {
                let message = match other {
                    Outcome::Unhealthy(message) | Outcome::Failed(message) => message.clone(),
                    _ => "the checks could not be made".to_owned(),
                };
                self.state.halt.get_or_insert(Halt::Bake(message));
            }
            (Task::Switch { .. }, Act::Switch { group, to }, Outcome::Done) => {
                self.state.moved.insert(group, to);
                self.advance();
            }
            (Task::Switch { .. }, Act::Switch { group, .. }, _) => {
                self.state.unsure = false;
                self.act(None, Task::ReadTraffic { group }, SWITCH);
            }
            (_, Act::Switch { group, to }, Outcome::Traffic(now)) if *now == to => {
                self.state.moved.insert(group, to);
                self.advance();
            }
            (_, Act::Switch { group, to }, Outcome::Traffic(_)) if self.state.unsure => {
                self.state.unsure = false;
                self.act(None, Task::Switch { group, to }, SWITCH);
            }
            (_, Act::Switch { group, to }, answer) => {
                // Nobody is sent away from a host that may have the traffic.
                if self.state.unwinding || !matches!(answer, Outcome::Traffic(_)) {
                    self.state.pinned.insert(group.clone());
                }
                if self.state.unwinding {
                    self.keep_group(&group);
                    self.advance();
                } else {
                    let message = format!("the traffic of `{group}` did not move to {to:?}");
                    self.state.halt.get_or_insert(Halt::Traffic(message));
                }
            }
            _ => {}
        }
    }

    /// Hosts of a pinned group that were to go back stay confirmed.
    fn keep_group(&mut self, group: &str) {
        for at in 0..self.state.hosts.len() {
            let of = self.planned(at).and_then(|host| host.group.as_deref()) == Some(group);
            self.with(at, |host| {
                if of && host.back && host.phase == Phase::Waiting {
                    host.phase = Phase::Final(Final::Kept);
                }
            });
        }
    }
}
