//! Every class of failure: its exit status and its word in what is said at the end.

use serde_json::{Value, json};

use xtask::rollout::{
    Action, Baseline, Class, Event, Exit, Observation, Outcome, Plan, Record, RecordState, Refusal,
    Runner, State, StorePath, Task, Unit, UnitState, reply,
};

use crate::fleet::{Log, host, plan};
use crate::world::path;

/// A target that is only what it says.
struct Script {
    seen: Observation,
    /// What one kind of task comes to, where that is not what is hoped for.
    bad: (&'static str, Outcome),
    /// What the target looks like after that.
    then: fn(&mut Observation),
    aborted_at: Option<&'static str>,
}

fn kind(task: &Task) -> &'static str {
    match task {
        Task::Probe => "probe",
        Task::Build { .. } => "build",
        Task::Copy { .. } => "copy",
        Task::Arm { .. } => "arm",
        Task::Run { unit, .. } | Task::Await { unit, .. } => match unit {
            Unit::Test => "test",
            Unit::Commit => "commit",
            Unit::Revert => "revert",
            Unit::Stage | Unit::Confirm => "reboot",
        },
        Task::Health { .. } => "health",
        Task::Release { .. } => "release",
        _ => "other",
    }
}

impl Script {
    fn record(&mut self) -> &mut Record {
        self.seen.record.as_mut().unwrap()
    }

    fn all(&mut self, closure: &StorePath) {
        for place in [
            &mut self.seen.current,
            &mut self.seen.profile,
            &mut self.seen.boot_default,
        ] {
            place.clone_from(closure);
        }
    }

    fn answer(&mut self, action: &Action) -> Outcome {
        let kind = kind(&action.task);
        if kind == self.bad.0 {
            (self.then)(&mut self.seen);
            self.bad.0 = "";
            return self.bad.1.clone();
        }
        match &action.task {
            Task::Probe => Outcome::Observed(Box::new(self.seen.clone())),
            Task::Arm { attempt, .. } => {
                self.seen.record = Some(Record {
                    rollout: "r".to_owned(),
                    attempt: *attempt,
                    token: 1,
                    state: RecordState::Armed,
                    test: (0, UnitState::NotStarted),
                    commit: UnitState::NotStarted,
                    revert: UnitState::NotStarted,
                    watched: true,
                    boot_id: self.seen.boot_id.clone(),
                    watch: reply::Watch::default(),
                });
                Outcome::Armed(1)
            }
            Task::Run { unit, closure, .. } => {
                let done = UnitState::Exited(Exit::Status(0));
                match unit {
                    Unit::Test => self.seen.current.clone_from(closure),
                    Unit::Revert => {
                        self.all(closure);
                        self.record().state = RecordState::Reverted;
                        self.record().revert = done;
                    }
                    _ => {
                        self.all(closure);
                        self.record().state = RecordState::Confirmed;
                        self.record().commit = done;
                    }
                }
                Outcome::Exited(Exit::Status(0))
            }
            Task::Health { .. } => Outcome::Healthy,
            _ => Outcome::Done,
        }
    }

    fn run(&mut self, plan: Plan) -> State {
        let (mut runner, mut open) = Runner::start(plan, Log::default()).unwrap();
        while let Some(action) = open.pop() {
            let abort = self.aborted_at == Some(kind(&action.task));
            let event = match abort {
                true => Event::Abort,
                false => Event::Ended {
                    action: action.id,
                    host: action.host.clone(),
                    outcome: self.answer(&action),
                },
            };
            open.extend(runner.feed(event).unwrap());
        }
        assert!(runner.state().finished, "{:#?}", runner.state());
        runner.into_parts().0
    }
}

fn observation() -> Observation {
    let old = path("a-old");
    let found = Baseline {
        current: old.clone(),
        profile: old.clone(),
        generation: Some(1),
        boot_default: old.clone(),
        booted: old,
    };
    Observation {
        current: found.current,
        profile: found.profile,
        generation: 1,
        boot_default: found.boot_default,
        booted: found.booted,
        boot_id: "1".to_owned(),
        failed_units: Default::default(),
        guard: true,
        record: None,
    }
}

/// What leads to a class: the exit status, and its word.
fn cause(class: Class) -> (Script, u8, &'static str) {
    let failed = || Outcome::Failed("no".to_owned());
    let exited = |status| Outcome::Exited(Exit::Status(status));
    let nothing: fn(&mut Observation) = |_| {};
    let reset: fn(&mut Observation) = |seen| seen.boot_id = "2".to_owned();
    let swapped: fn(&mut Observation) = |seen| {
        let new = path("a-new");
        seen.current.clone_from(&new);
        seen.profile = new;
        seen.record.as_mut().unwrap().state = RecordState::Confirmed;
    };
    let drift: fn(&mut Observation) = |seen| seen.boot_default = path("other");
    let (bad, then, status, word): ((&'static str, Outcome), _, u8, _) = match class {
        Class::Drift => (("drift", failed()), nothing, 3, "drift"),
        Class::Busy => {
            let busy = Refusal::Busy("another".to_owned());
            (("arm", Outcome::Refused(busy)), nothing, 3, "busy")
        }
        Class::Build => (("build", failed()), nothing, 1, "build"),
        Class::Copy => (("copy", failed()), nothing, 1, "copy"),
        Class::Arm => (("arm", failed()), nothing, 1, "arm"),
        Class::Activation => (("test", exited(2)), nothing, 4, "activation"),
        Class::Hang => (("test", Outcome::TimedOut), nothing, 4, "hang"),
        Class::Health => {
            let bad = Outcome::Unhealthy("no".to_owned());
            (("health", bad), nothing, 4, "health")
        }
        Class::NeedsReboot => (("test", exited(100)), nothing, 4, "needs-reboot"),
        Class::Promotion => (("commit", exited(1)), nothing, 4, "promotion"),
        Class::Link => (("probe", Outcome::Unreachable), nothing, 1, "link"),
        Class::Reset => (("health", Outcome::Lost), reset, 4, "reset"),
        Class::Aborted => (("", Outcome::Done), nothing, 4, "aborted"),
        Class::ReadBack => (("commit", exited(0)), swapped, 4, "read-back"),
    };
    let mut script = Script {
        seen: observation(),
        bad,
        then,
        aborted_at: (class == Class::Aborted).then_some("health"),
    };
    if class == Class::Drift {
        drift(&mut script.seen);
    }
    (script, status, word)
}

#[test]
fn every_class_has_its_exit_status_and_its_word() {
    let all = [
        Class::Drift,
        Class::Busy,
        Class::Build,
        Class::Copy,
        Class::Arm,
        Class::Activation,
        Class::Hang,
        Class::Health,
        Class::NeedsReboot,
        Class::Promotion,
        Class::Link,
        Class::Reset,
        Class::Aborted,
        Class::ReadBack,
    ];
    for class in all {
        let (mut script, status, word) = cause(class);
        let mut planned = host("a", 1);
        planned.may_reboot = false;
        let state = script.run(plan("r", vec![planned], Default::default()));
        let said: Value = serde_json::to_value(&state.hosts[0]).unwrap();
        assert_eq!(said["failure"]["class"], json!(word), "{said:#}");
        assert_eq!(state.exit_status(), status, "{word}: {said:#}");
    }
    let mut script = cause(Class::Build).0;
    script.bad.0 = "";
    let state = script.run(plan("r", vec![host("a", 1)], Default::default()));
    assert_eq!(state.exit_status(), 0);
}

/// A rollout that was cut off, and whose host another one has had since.
#[test]
fn a_host_that_another_rollout_has_changed_since_is_not_broken() {
    let taken: fn(&mut Observation) = |seen| {
        let other = path("a-other");
        seen.current.clone_from(&other);
        seen.profile.clone_from(&other);
        seen.boot_default = other;
        let record = seen.record.as_mut().unwrap();
        record.rollout = "another".to_owned();
        record.token = 2;
        record.state = RecordState::Confirmed;
        record.watched = false;
    };
    let mut script = cause(Class::Reset).0;
    script.then = taken;
    let state = script.run(plan("r", vec![host("a", 1)], Default::default()));
    let said: Value = serde_json::to_value(&state.hosts[0]).unwrap();
    assert_eq!(said["phase"]["final"], "yielded", "{said:#}");
    assert_eq!(said["failure"]["class"], "busy");
    let message = said["failure"]["message"].as_str().unwrap();
    assert!(message.contains("rollout another has changed it since"));
    assert_eq!(state.exit_status(), 4);
}
