//! Many targets, operators and virtual time (milliseconds).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use xtask::rollout::{
    Action, Check, Colour, Outcome, Record, Refusal, StorePath, Targets, Task, Unit, UnitState,
};

use crate::seed::Seed;
use crate::target::Target;

#[derive(Debug, Clone)]
pub enum Fault {
    /// For so long.
    CutLink(u64),
    Reset,
    /// For so long.
    DiskFull(u64),
    /// Somebody else activates something for so long.
    Foreign(u64),
}

#[derive(Debug)]
enum Happening {
    /// An action reaches its target.
    Arrive {
        op: usize,
        started: u64,
        action: Action,
    },
    /// The operator looks whether a unit has ended.
    Poll {
        op: usize,
        started: u64,
        action: Action,
    },
    /// The soak time is over.
    Soaked {
        op: usize,
        started: u64,
        action: Action,
    },
    Answer {
        op: usize,
        action: Action,
        outcome: Outcome,
    },
    Part {
        host: usize,
        serial: u64,
    },
    Watchdog {
        host: usize,
        watch: u64,
        deadline: u64,
    },
    Start {
        host: usize,
    },
    Fault {
        host: usize,
        fault: Fault,
    },
    Heal {
        host: usize,
        fault: Fault,
    },
}

/// What a load generator would have seen.
#[derive(Debug, Default)]
pub struct Load {
    pub requests: u64,
    pub failed: u64,
}

pub struct World {
    pub now: u64,
    pub targets: Vec<Target>,
    pub names: BTreeMap<String, usize>,
    pub rollouts: Vec<String>,
    pub groups: BTreeMap<String, Colour>,
    /// Hosts of a group and colour.
    pub members: BTreeMap<(String, Colour), Vec<usize>>,
    pub switches: Vec<(String, Colour)>,
    pub load: Load,
    /// (deadline, begun, done) of watchdogs that acted.
    pub watchdogs: Vec<(u64, u64)>,
    /// Operators that are dead: their actions lead to nothing.
    dead: Vec<bool>,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    count: u64,
    pub seed: Seed,
    pub started: u64,
    /// When the actions that are under way were begun, by operator and number.
    begun: BTreeMap<(usize, u64), u64>,
    /// How long actions took for each host.
    pub busy: BTreeMap<String, u64>,
    /// What simulating took in truth.
    pub spent: Duration,
}

const LATENCY: u64 = 50;
const REBOOT: u64 = 30_000;

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            now: 0,
            targets: Vec::new(),
            names: BTreeMap::new(),
            rollouts: Vec::new(),
            groups: BTreeMap::new(),
            members: BTreeMap::new(),
            switches: Vec::new(),
            load: Load::default(),
            watchdogs: Vec::new(),
            dead: Vec::new(),
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            count: 0,
            seed: Seed::new(seed),
            started: 0,
            begun: BTreeMap::new(),
            busy: BTreeMap::new(),
            spent: Duration::ZERO,
        }
    }

    pub fn add(&mut self, name: &str, target: Target) {
        self.names.insert(name.to_owned(), self.targets.len());
        self.targets.push(target);
    }

    /// A new operator at work for a rollout.
    pub fn operator(&mut self, rollout: &str) -> usize {
        self.dead.push(false);
        self.rollouts.push(rollout.to_owned());
        self.dead.len() - 1
    }

    /// It dies: what it has sent may have arrived, or not.
    pub fn kill(&mut self, op: usize) {
        self.dead[op] = true;
        let mut lost = Vec::new();
        for (key, happening) in &self.happenings {
            if let Happening::Arrive { op: whose, .. } = happening
                && *whose == op
                && self.seed.chance(50)
            {
                lost.push(*key);
            }
        }
        lost.iter().for_each(|key| {
            self.happenings.remove(key);
        });
    }

    fn at(&mut self, time: u64, happening: Happening) {
        self.count += 1;
        self.happenings.insert(self.count, happening);
        self.queue.push(Reverse((time, self.count)));
    }

    pub fn fault(&mut self, time: u64, host: usize, fault: Fault) {
        self.at(time, Happening::Fault { host, fault });
    }

    pub fn begin(&mut self, op: usize, action: Action) {
        self.started += 1;
        let started = self.now;
        self.begun.insert((op, action.id), started);
        let latency = LATENCY + self.seed.below(20) as u64;
        self.at(
            self.now + latency,
            Happening::Arrive {
                op,
                started,
                action,
            },
        );
    }

    fn answer(&mut self, delay: u64, op: usize, action: Action, outcome: Outcome) {
        self.at(
            self.now + delay,
            Happening::Answer {
                op,
                action,
                outcome,
            },
        );
    }

    /// Lets time pass while nobody acts.
    pub fn pass(&mut self, time: u64) {
        let end = self.now + time;
        while self.queue.peek().is_some_and(|next| next.0.0 <= end) {
            let answer = self.turn();
            assert!(answer.is_none(), "an operator waits for {answer:?}");
        }
        self.now = end;
    }

    /// The next outcome, and whose it is.
    pub fn next(&mut self) -> Option<(usize, Action, Outcome)> {
        while !self.queue.is_empty() {
            if let Some(answer) = self.turn() {
                return Some(answer);
            }
        }
        None
    }

    fn turn(&mut self) -> Option<(usize, Action, Outcome)> {
        let Reverse((time, key)) = self.queue.pop()?;
        self.now = time.max(self.now);
        let happening = self.happenings.remove(&key)?;
        match happening {
            Happening::Answer {
                op,
                action,
                outcome,
            } => {
                let begun = self.begun.remove(&(op, action.id)).unwrap_or(self.now);
                if let Some(host) = &action.host {
                    *self.busy.entry(host.clone()).or_default() += self.now - begun;
                }
                if !self.dead[op] {
                    return Some((op, action, outcome));
                }
            }
            Happening::Arrive {
                op,
                started,
                action,
            } => self.arrive(op, started, action),
            Happening::Poll {
                op,
                started,
                action,
            } if !self.dead[op] => {
                self.poll(op, started, action);
            }
            Happening::Soaked {
                op,
                started,
                action,
            } if !self.dead[op] => {
                self.soaked(op, started, action);
            }
            Happening::Poll { .. } | Happening::Soaked { .. } => {}
            Happening::Part { host, serial } => {
                let target = &mut self.targets[host];
                let current = target.activity.as_ref().map(|activity| activity.serial);
                if current == Some(serial) && target.part() {
                    self.go_on(host, serial);
                }
            }
            Happening::Watchdog {
                host,
                watch,
                deadline,
            } => self.watchdog(host, watch, deadline),
            Happening::Start { host } => {
                if self.targets[host].start() {
                    let serial = self.targets[host].serial;
                    self.go_on(host, serial);
                }
                // The guard keeps the watch.
                let target = &self.targets[host];
                if target.record.as_ref().is_some_and(|record| record.watched) {
                    let (watch, deadline) = (target.watch, target.deadline);
                    let time = deadline.max(self.now);
                    self.at(
                        time,
                        Happening::Watchdog {
                            host,
                            watch,
                            deadline,
                        },
                    );
                }
            }
            Happening::Fault { host, fault } => self.strike(host, fault),
            Happening::Heal { host, fault } => match fault {
                Fault::CutLink(_) => self.targets[host].link = true,
                Fault::DiskFull(_) => self.targets[host].disk_full = false,
                Fault::Reset | Fault::Foreign(_) => {}
            },
        }
        self.sample();
        None
    }

    /// Clients ask wherever the traffic goes, at every turn.
    fn sample(&mut self) {
        for (group, colour) in &self.groups {
            for host in self
                .members
                .get(&(group.clone(), *colour))
                .into_iter()
                .flatten()
            {
                self.load.requests += 1;
                self.load.failed += u64::from(!self.targets[*host].serving());
            }
        }
    }

    fn strike(&mut self, host: usize, fault: Fault) {
        let target = &mut self.targets[host];
        match fault {
            Fault::CutLink(time) => {
                target.link = false;
                self.at(self.now + time, Happening::Heal { host, fault });
            }
            Fault::DiskFull(time) => {
                target.disk_full = true;
                self.at(self.now + time, Happening::Heal { host, fault });
            }
            Fault::Foreign(time) => target.foreign_until = self.now + time,
            Fault::Reset => self.reset(host),
        }
    }

    fn reset(&mut self, host: usize) {
        if self.targets[host].up {
            self.targets[host].reset();
            self.at(self.now + REBOOT, Happening::Start { host });
        }
    }

    fn go_on(&mut self, host: usize, serial: u64) {
        if let Some(time) = self.targets[host].takes() {
            self.at(self.now + time, Happening::Part { host, serial });
        }
    }

    fn watchdog(&mut self, host: usize, watch: u64, deadline: u64) {
        let target = &mut self.targets[host];
        let record = target.record.as_ref();
        let due = target.watch == watch
            && target.up
            && record.is_some_and(|record| {
                record.watched && !record.state.is_final() && record.revert != UnitState::Running
            });
        if due {
            self.watchdogs.push((deadline, self.now));
            let serial = target.begin_revert();
            self.go_on(host, serial);
        }
    }

    fn watch(&mut self, host: usize, time: u64) {
        let target = &mut self.targets[host];
        target.watch += 1;
        target.deadline = self.now + time;
        let (watch, deadline) = (target.watch, target.deadline);
        self.at(
            deadline,
            Happening::Watchdog {
                host,
                watch,
                deadline,
            },
        );
    }

    fn arrive(&mut self, op: usize, started: u64, action: Action) {
        let Some(host) = action.host.as_ref().map(|name| self.names[name]) else {
            self.fleet_wide(op, started, action);
            return;
        };
        if let Task::Pause { time } = action.task {
            self.answer(time, op, action, Outcome::Done);
            return;
        }
        if matches!(action.task, Task::Build { .. }) {
            let time = 500 + self.seed.below(2_000) as u64;
            self.answer(time, op, action, Outcome::Done);
            return;
        }
        if !self.targets[host].reachable() {
            let patient = matches!(action.task, Task::Probe);
            if patient && self.now < started + action.deadline {
                self.at(
                    self.now + 1_000,
                    Happening::Arrive {
                        op,
                        started,
                        action,
                    },
                );
            } else if matches!(action.task, Task::Await { .. } | Task::Health { .. }) {
                self.answer(1_000, op, action, Outcome::Lost);
            } else {
                self.answer(1_000, op, action, Outcome::Unreachable);
            }
            return;
        }
        let rollout = self.rollouts[op].clone();
        let now = self.now;
        let target = &mut self.targets[host];
        let refused = Outcome::Refused;
        match action.task.clone() {
            Task::Probe => {
                let seen = Outcome::Observed(Box::new(target.observe()));
                self.reply(host, op, action, seen);
            }
            Task::Copy { closures, .. } => {
                let time = 500 + self.seed.below(2_000) as u64;
                let target = &mut self.targets[host];
                let outcome = if target.disk_full {
                    Outcome::Failed("no space left on device".into())
                } else {
                    target.roots.clone_from(&closures);
                    target.store.insert(closures[0].clone());
                    Outcome::Done
                };
                self.answer(time, op, action, outcome);
            }
            Task::Arm {
                attempt,
                to,
                from,
                found,
                watchdog,
            } => match target.arm(&rollout, attempt, &to, &from, &found) {
                Ok(token) => {
                    self.watch(host, watchdog);
                    self.reply(host, op, action, Outcome::Armed(token));
                }
                Err(refusal) => self.reply(host, op, action, refused(refusal)),
            },
            Task::Run {
                unit,
                attempt,
                start,
                token,
                closure,
                generation,
                watchdog,
                ..
            } => {
                let answer = target.run(
                    now, &rollout, unit, attempt, start, token, &closure, generation,
                );
                match answer {
                    Err(refusal) => self.reply(host, op, action, refused(refusal)),
                    Ok(serial) => {
                        if let Some(serial) = serial {
                            self.go_on(host, serial);
                        }
                        if let Some(time) = watchdog {
                            self.watch(host, time);
                        }
                        self.at(
                            now + 200,
                            Happening::Poll {
                                op,
                                started,
                                action,
                            },
                        );
                    }
                }
            }
            Task::Await { .. } => self.poll(op, started, action),
            Task::Health { soak, .. } => {
                self.at(
                    now + soak,
                    Happening::Soaked {
                        op,
                        started,
                        action,
                    },
                );
            }
            Task::Reboot { boot_id, token } => {
                let fenced = target
                    .record
                    .as_ref()
                    .is_none_or(|record| record.token != token);
                if fenced {
                    self.reply(host, op, action, refused(Refusal::Fenced));
                } else if target.boot.to_string() != boot_id {
                    let seen = Outcome::Observed(Box::new(target.observe()));
                    self.reply(host, op, action, seen);
                } else {
                    *target.reboots.entry(target.boot).or_default() += 1;
                    self.reset(host);
                    self.at(
                        now + 1_000,
                        Happening::Poll {
                            op,
                            started,
                            action,
                        },
                    );
                }
            }
            Task::Release { token } => {
                if let Some(record) = target.record.as_mut().filter(|r| r.token == token) {
                    record.watched = false;
                }
                self.reply(host, op, action, Outcome::Done);
            }
            task => panic!("{task:?} for a host"),
        }
    }

    /// An answer that the link may lose.
    fn reply(&mut self, host: usize, op: usize, action: Action, outcome: Outcome) {
        let outcome = if self.targets[host].reachable() {
            outcome
        } else {
            Outcome::Lost
        };
        self.answer(LATENCY, op, action, outcome);
    }

    fn poll(&mut self, op: usize, started: u64, action: Action) {
        let host = self.names[action.host.as_ref().unwrap()];
        let target = &self.targets[host];
        let late = self.now >= started + action.deadline;
        if !target.reachable() {
            if late {
                self.answer(0, op, action, Outcome::Lost);
            } else {
                self.at(
                    self.now + 1_000,
                    Happening::Poll {
                        op,
                        started,
                        action,
                    },
                );
            }
            return;
        }
        let (unit, attempt, start) = match action.task {
            Task::Run {
                unit,
                attempt,
                start,
                ..
            }
            | Task::Await {
                unit,
                attempt,
                start,
            } => (unit, attempt, start),
            Task::Reboot { .. } => {
                let seen = Outcome::Observed(Box::new(target.observe()));
                self.answer(LATENCY, op, action, seen);
                return;
            }
            _ => unreachable!(),
        };
        let state = |record: &Record| match unit {
            _ if record.attempt != attempt || record.rollout != self.rollouts[op] => {
                UnitState::Vanished
            }
            Unit::Test if record.test.0 != start => UnitState::Vanished,
            Unit::Test => record.test.1,
            Unit::Revert => record.revert,
            _ => record.commit,
        };
        match target.record.as_ref().map_or(UnitState::Vanished, state) {
            UnitState::Running if late => self.answer(LATENCY, op, action, Outcome::TimedOut),
            UnitState::Running => {
                self.at(
                    self.now + 500,
                    Happening::Poll {
                        op,
                        started,
                        action,
                    },
                );
            }
            UnitState::Exited(exit) => self.answer(LATENCY, op, action, Outcome::Exited(exit)),
            UnitState::NotStarted | UnitState::Vanished => {
                self.answer(LATENCY, op, action, Outcome::Lost);
            }
        }
    }

    fn soaked(&mut self, op: usize, started: u64, action: Action) {
        let late = self.now >= started + action.deadline;
        let healthy = match &action.task {
            Task::Health { checks, .. } => {
                let target = &self.targets[self.names[action.host.as_ref().unwrap()]];
                if !target.reachable() {
                    None
                } else {
                    // Mere reachability is all that is asked on the way back.
                    Some(*checks == [Check::Reachable] || target.healthy())
                }
            }
            Task::Bake { hosts, .. } => {
                let healthy = |name: &String| self.targets[self.names[name]].healthy();
                Some(hosts.iter().all(|(name, _)| healthy(name)))
            }
            _ => unreachable!(),
        };
        match healthy {
            Some(true) => self.answer(0, op, action, Outcome::Healthy),
            None if late => self.answer(0, op, action, Outcome::Lost),
            Some(false) if late => {
                self.answer(0, op, action, Outcome::Unhealthy("a check failed".into()));
            }
            _ => self.at(
                self.now + 1_000,
                Happening::Soaked {
                    op,
                    started,
                    action,
                },
            ),
        }
    }

    fn fleet_wide(&mut self, op: usize, started: u64, action: Action) {
        match action.task.clone() {
            Task::Bake { time, .. } => {
                self.at(
                    self.now + time,
                    Happening::Soaked {
                        op,
                        started,
                        action,
                    },
                );
            }
            Task::Switch { group, to } => {
                self.groups.insert(group.clone(), to);
                self.switches.push((group, to));
                self.answer(100, op, action, Outcome::Done);
            }
            Task::ReadTraffic { group } => {
                let colour = self.groups[&group];
                self.answer(100, op, action, Outcome::Traffic(colour));
            }
            task => panic!("{task:?} for no host"),
        }
    }

    pub fn target(&self, name: &str) -> &Target {
        &self.targets[self.names[name]]
    }

    /// No two activations asked for twice, no boot ended twice.
    pub fn nothing_was_repeated(&self) {
        for (name, at) in &self.names {
            let target = &self.targets[*at];
            for (what, times) in &target.requests {
                assert!(*times <= 1, "{name}: {what:?} {times} times");
            }
            for (boot, times) in &target.reboots {
                assert!(*times <= 1, "{name}: boot {boot} ended {times} times");
            }
        }
        for pair in self.switches.windows(2) {
            assert_ne!(pair[0], pair[1], "traffic moved twice to one side");
        }
    }
}

/// One operator's hands.
pub struct Hands<'a> {
    pub world: &'a mut World,
    pub op: usize,
}

impl Targets for Hands<'_> {
    fn start(&mut self, action: Action) {
        let from = Instant::now();
        self.world.begin(self.op, action);
        self.world.spent += from.elapsed();
    }

    fn next(&mut self) -> Option<(Action, Outcome)> {
        let from = Instant::now();
        let answer = self.world.next();
        self.world.spent += from.elapsed();
        answer.map(|(_, action, outcome)| (action, outcome))
    }
}

pub fn path(name: &str) -> StorePath {
    StorePath(format!("/nix/store/{name}"))
}
