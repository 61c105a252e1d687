//! The state machine: one event in, a new state and what is to be done out.

use super::deadlines::Millis;
use super::event::{Action, ActionId, Event, Outcome, Task, Unit, Via};
use super::plan::{AdoptDrift, HostPlan, Plan};
use super::state::{Final, Halt, Host, Open, Phase, State};
use super::waves::script;

/// Applies one event. Total and deterministic: what makes no sense in a state
/// (an outcome of an action that is not open, a second start) changes nothing.
///
/// The same function drives the live run, folds the journal, and answers
/// `status`: state is nothing but the events so far.
pub fn step(state: State, event: &Event) -> (State, Vec<Action>) {
    let mut machine = Machine {
        state,
        actions: Vec::new(),
    };
    machine.apply(event);
    // An intent changes what is known, never what is to be done.
    if !matches!(event, Event::Begun { .. }) {
        machine.schedule();
    }
    // What was asked for and given up within this very step is not asked for.
    let open = &machine.state.open;
    machine
        .actions
        .retain(|action| open.contains_key(&action.id));
    (machine.state, machine.actions)
}

/// A state in the course of one step.
pub(super) struct Machine {
    pub(super) state: State,
    actions: Vec<Action>,
}

impl Machine {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::Started { plan } => self.start(plan),
            Event::Resumed => self.resume(),
            Event::Begun { action } => self.begun(action.id),
            Event::Ended {
                action, outcome, ..
            } => self.ended(*action, outcome),
            Event::Abort => self.abort(),
        }
    }

    fn start(&mut self, plan: &Plan) {
        if self.state.plan.is_some() {
            return;
        }
        self.state.hosts = vec![Host::default(); plan.hosts.len()];
        match script(plan) {
            Ok(script) => self.state.script = script,
            Err(error) => {
                self.state.halt = Some(Halt::Plan(error.to_string()));
                self.state.finished = true;
            }
        }
        self.state.plan = Some(plan.clone());
    }

    fn begun(&mut self, id: ActionId) {
        let Some(open) = self.state.open.get_mut(&id) else {
            return;
        };
        open.begun = true;
        let task = open.action.task.clone();
        let Some(at) = open.host else {
            return;
        };
        self.with(at, |host| match task {
            Task::Arm { .. } => {
                host.armed = true;
                // Which token this gives is known from the outcome alone.
                host.token = 0;
            }
            Task::Run { unit, start, .. } => match unit {
                Unit::Test => {
                    host.touched = true;
                    host.starts = host.starts.max(start);
                }
                Unit::Commit | Unit::Stage => host.committing = true,
                Unit::Confirm | Unit::Revert => {}
            },
            _ => {}
        });
    }

    fn ended(&mut self, id: ActionId, outcome: &Outcome) {
        let Some(open) = self.state.open.remove(&id) else {
            return;
        };
        match open.host {
            Some(at) => self.host_outcome(at, outcome),
            None => self.scene_outcome(&open.action.task, outcome),
        }
    }

    fn abort(&mut self) {
        if self.state.plan.is_none() || self.state.finished || self.state.halt.is_some() {
            return;
        }
        self.state.halt = Some(Halt::Aborted);
        self.state.open.retain(|_, open| open.host.is_some());
        for at in self.state.running.clone() {
            self.abort_host(at);
        }
    }

    /// Takes the rollout up where its journal ends. Nothing of what was open is
    /// taken for done or not done: hosts that may have changed are looked at.
    fn resume(&mut self) {
        let open = std::mem::take(&mut self.state.open);
        for at in self.state.running.clone() {
            self.resume_host(at);
        }
        if self.state.finished {
            self.catch_up();
            return;
        }
        for open in open.into_values().filter(|open| open.host.is_none()) {
            let task = match open.action.task {
                Task::Switch { group, .. } if open.begun => {
                    self.state.unsure = true;
                    Task::ReadTraffic { group }
                }
                task => task,
            };
            self.act(None, task, open.action.deadline);
        }
    }

    /// A finished rollout is taken up for those that were not there.
    fn catch_up(&mut self) {
        for at in 0..self.state.hosts.len() {
            match self.state.hosts.get(at).map(|host| &host.phase) {
                Some(Phase::Final(Final::Pending)) if self.state.halt.is_none() => {
                    self.with(at, |host| *host = Host::default());
                    self.state.finished = false;
                }
                Some(Phase::Final(Final::Unreachable { .. })) => {
                    self.state.running.insert(at);
                    self.with(at, |host| {
                        host.phase = Phase::Settling;
                        host.recoveries = 0;
                    });
                    self.act_probe(at);
                    self.state.finished = false;
                }
                _ => {}
            }
        }
        if !self.state.finished && !self.state.unwinding {
            self.state.cursor = 0;
            self.state.entered = false;
        }
    }

    // Access.

    pub(super) fn with(&mut self, at: usize, change: impl FnOnce(&mut Host)) {
        if let Some(host) = self.state.hosts.get_mut(at) {
            change(host);
        }
    }

    pub(super) fn planned(&self, at: usize) -> Option<&HostPlan> {
        self.state.plan.as_ref()?.hosts.get(at)
    }

    pub(super) fn rollout(&self) -> &str {
        self.state.plan.as_ref().map_or("", |plan| plan.id.as_str())
    }

    pub(super) fn adopt_drift(&self) -> Option<AdoptDrift> {
        self.state.plan.as_ref()?.options.adopt_drift
    }

    /// No host is to be put at risk any more.
    pub(super) fn stopping(&self) -> bool {
        self.state.halt.is_some() && !self.state.unwinding
    }

    /// The operator wants everything back that is not past the commit point.
    pub(super) fn aborted(&self) -> bool {
        self.state.halt == Some(Halt::Aborted)
    }

    pub(super) fn act(&mut self, at: Option<usize>, task: Task, deadline: Millis) {
        let id = self.state.next_action;
        self.state.next_action += 1;
        let planned = at.and_then(|at| self.planned(at));
        let action = Action {
            id,
            host: planned.map(|host| host.name.clone()),
            via: at.map_or(Via::Present, |at| self.via(at)),
            task,
            deadline,
        };
        let open = Open {
            action: action.clone(),
            host: at,
            begun: false,
        };
        self.state.open.insert(id, open);
        self.actions.push(action);
    }

    fn via(&self, at: usize) -> Via {
        let moves = self.planned(at).is_some_and(|host| host.moves);
        let Some(host) = self.state.hosts.get(at).filter(|_| moves) else {
            return Via::Present;
        };
        match host.phase {
            Phase::Probing | Phase::Building | Phase::Copying | Phase::Ready | Phase::Arming
                if !host.back =>
            {
                Via::Present
            }
            Phase::Checking | Phase::CheckingBoot if !host.back => Via::Next,
            _ => Via::Either,
        }
    }
}
