//! One target machine: system, profile, boot entry, record, watchdog, units.

use std::collections::{BTreeMap, BTreeSet};

use xtask::rollout::{
    Baseline, Exit, Observation, Record, RecordState, Refusal, StorePath, Unit, UnitState,
};

/// What a closure does to the machine that it is activated on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    Good,
    /// Status 4, and yet nothing that was not so before.
    UnitsFailed,
    ActivationFails,
    ActivationHangs,
    HealthFails,
    /// The machine cannot be reached while it runs this.
    CutsLink,
    /// Status 100: to be entered by a reboot.
    NeedsReboot,
}

/// What is going on in a machine, at most one thing.
#[derive(Debug, Clone)]
pub struct Activity {
    pub serial: u64,
    pub unit: Unit,
    /// How far, see [`Target::part`].
    pub part: u32,
    pub closure: StorePath,
    pub generation: Option<u64>,
}

pub struct Target {
    pub current: StorePath,
    pub booted: StorePath,
    pub boot_default: StorePath,
    pub generations: BTreeMap<u64, StorePath>,
    pub generation: u64,
    pub store: BTreeSet<StorePath>,
    pub roots: Vec<StorePath>,
    pub boot: u64,
    pub up: bool,
    pub link: bool,
    pub guard: bool,
    pub disk_full: bool,
    /// An activation of somebody else holds the lock until then.
    pub foreign_until: u64,
    pub record: Option<Record>,
    pub from: Option<Baseline>,
    pub to: Option<StorePath>,
    pub staged: bool,
    pub deadline: u64,
    /// Distinguishes watchdogs: an old one that fires does nothing.
    pub watch: u64,
    pub activity: Option<Activity>,
    pub serial: u64,
    /// Requests that reached the machine, of what must not be repeated.
    pub requests: BTreeMap<(String, u32, u32, Unit), u32>,
    pub reboots: BTreeMap<u64, u32>,
    pub qualities: BTreeMap<StorePath, Quality>,
    /// How often a closure was activated that is not the one before.
    pub reached: BTreeSet<StorePath>,
}

impl Target {
    pub fn new(closure: StorePath, guard: bool) -> Self {
        Self {
            booted: closure.clone(),
            boot_default: closure.clone(),
            generations: BTreeMap::from([(7, closure.clone())]),
            generation: 7,
            store: BTreeSet::from([closure.clone()]),
            current: closure,
            roots: Vec::new(),
            boot: 1,
            up: true,
            link: true,
            guard,
            disk_full: false,
            foreign_until: 0,
            record: None,
            from: None,
            to: None,
            staged: false,
            deadline: 0,
            watch: 0,
            activity: None,
            serial: 0,
            requests: BTreeMap::new(),
            reboots: BTreeMap::new(),
            qualities: BTreeMap::new(),
            reached: BTreeSet::new(),
        }
    }

    pub fn quality(&self, closure: &StorePath) -> Quality {
        self.qualities
            .get(closure)
            .copied()
            .unwrap_or(Quality::Good)
    }

    pub fn reachable(&self) -> bool {
        self.up && self.link && self.quality(&self.current) != Quality::CutsLink
    }

    pub fn healthy(&self) -> bool {
        self.reachable() && self.quality(&self.current) != Quality::HealthFails
    }

    /// Whether its services answer.
    pub fn serving(&self) -> bool {
        let activating = self
            .activity
            .as_ref()
            .is_some_and(|a| matches!(a.unit, Unit::Test | Unit::Revert));
        self.healthy() && !activating
    }

    pub fn profile(&self) -> &StorePath {
        &self.generations[&self.generation]
    }

    pub fn observe(&self) -> Observation {
        Observation {
            current: self.current.clone(),
            profile: self.profile().clone(),
            generation: self.generation,
            boot_default: self.boot_default.clone(),
            booted: self.booted.clone(),
            boot_id: self.boot.to_string(),
            failed_units: BTreeSet::new(),
            guard: self.guard,
            record: self.record.clone(),
        }
    }

    fn set_profile(&mut self, closure: &StorePath, generation: Option<u64>) {
        let leads = |number: &u64| self.generations.get(number) == Some(closure);
        if let Some(number) = generation.filter(leads) {
            self.generation = number;
        } else if self.profile() != closure {
            let next = self.generations.keys().last().unwrap() + 1;
            self.generations.insert(next, closure.clone());
            self.generation = next;
        }
    }

    /// `nix-collect-garbage -d`.
    pub fn collect(&mut self) {
        let number = self.generation;
        self.generations.retain(|other, _| *other == number);
        let live: BTreeSet<StorePath> = [&self.current, &self.booted, &self.boot_default]
            .into_iter()
            .chain(self.generations.values())
            .chain(&self.roots)
            .cloned()
            .collect();
        self.store.retain(|path| live.contains(path));
    }

    pub fn arm(
        &mut self,
        rollout: &str,
        attempt: u32,
        to: &StorePath,
        from: &Baseline,
        found: &Baseline,
    ) -> Result<u64, Refusal> {
        let mut token = 1;
        if let Some(record) = &self.record {
            token = record.token + 1;
            let own = record.rollout == rollout && record.attempt == attempt;
            if record.is_live() && record.rollout != rollout {
                return Err(Refusal::Busy(record.rollout.clone()));
            }
            if own && record.state != RecordState::Armed {
                return Err(Refusal::Settled(record.state));
            }
            if own {
                let record = self.record.as_mut().unwrap();
                record.token = token;
                record.watched = true;
                return Ok(token);
            }
            if record.is_live() {
                return Err(Refusal::Busy(record.rollout.clone()));
            }
        }
        if !self.is(found) {
            return Err(Refusal::Moved);
        }
        self.staged = false;
        self.from = Some(from.clone());
        self.to = Some(to.clone());
        self.record = Some(Record {
            rollout: rollout.to_owned(),
            attempt,
            token,
            state: RecordState::Armed,
            test: (0, UnitState::NotStarted),
            commit: UnitState::NotStarted,
            revert: UnitState::NotStarted,
            watched: true,
            boot_id: self.boot.to_string(),
            watch: Default::default(),
        });
        Ok(token)
    }

    fn is(&self, baseline: &Baseline) -> bool {
        self.observe().is_baseline(baseline)
    }

    /// Starts a unit; the activity's serial if something now runs.
    #[allow(clippy::too_many_arguments)]
    pub fn run(
        &mut self,
        now: u64,
        rollout: &str,
        unit: Unit,
        attempt: u32,
        start: u32,
        token: u64,
        closure: &StorePath,
        generation: Option<u64>,
    ) -> Result<Option<u64>, Refusal> {
        let Some(record) = self.record.as_mut() else {
            return Err(Refusal::Fenced);
        };
        if record.rollout != rollout || record.attempt != attempt || record.token != token {
            return Err(Refusal::Fenced);
        }
        let key = (rollout.to_owned(), attempt, start, unit);
        if unit != Unit::Revert {
            *self.requests.entry(key).or_default() += 1;
        }
        let wanted = match unit {
            Unit::Test | Unit::Commit | Unit::Stage => record.state == RecordState::Armed,
            Unit::Confirm => record.state == RecordState::Promoting,
            Unit::Revert => record.state != RecordState::Confirmed,
        };
        if !wanted {
            return Err(Refusal::Settled(record.state));
        }
        match unit {
            Unit::Test if self.foreign_until > now => {
                record.test = (start, UnitState::Exited(Exit::LockHeld));
                return Ok(None);
            }
            Unit::Test => record.test = (start, UnitState::Running),
            Unit::Commit | Unit::Stage => {
                record.state = RecordState::Promoting;
                record.commit = UnitState::Running;
                self.staged = unit == Unit::Stage;
            }
            Unit::Confirm => record.commit = UnitState::Running,
            Unit::Revert if record.state == RecordState::Reverted => {
                record.revert = UnitState::Exited(Exit::Status(0));
                return Ok(None);
            }
            Unit::Revert => {
                if record.revert == UnitState::Running {
                    return Err(Refusal::Settled(record.state));
                }
                return Ok(Some(self.begin_revert()));
            }
        }
        assert!(
            self.activity.is_none(),
            "{unit:?} while {:?} runs",
            self.activity
        );
        Ok(Some(self.begin(unit, closure.clone(), generation)))
    }

    fn begin(&mut self, unit: Unit, closure: StorePath, generation: Option<u64>) -> u64 {
        self.serial += 1;
        self.activity = Some(Activity {
            serial: self.serial,
            unit,
            part: 0,
            closure,
            generation,
        });
        self.serial
    }

    /// Kills what runs, then goes back.
    pub fn begin_revert(&mut self) -> u64 {
        let from = self.from.clone().unwrap();
        self.kill();
        let record = self.record.as_mut().unwrap();
        record.state = RecordState::Reverting;
        record.revert = UnitState::Running;
        self.begin(Unit::Revert, from.current, from.generation)
    }

    fn kill(&mut self) {
        let (Some(activity), Some(record)) = (self.activity.take(), self.record.as_mut()) else {
            return;
        };
        match activity.unit {
            Unit::Test => record.test.1 = UnitState::Vanished,
            Unit::Revert => record.revert = UnitState::Vanished,
            _ => record.commit = UnitState::Vanished,
        }
    }

    /// How long the present part takes; `None`: for ever.
    pub fn takes(&self) -> Option<u64> {
        let activity = self.activity.as_ref()?;
        match (activity.unit, activity.part) {
            (Unit::Test, 0) => Some(1_000),
            (Unit::Test, _) if self.quality(&activity.closure) == Quality::ActivationHangs => None,
            (Unit::Test, _) => Some(2_000),
            (Unit::Revert, 1) => Some(2_000),
            _ => Some(100),
        }
    }

    /// A part of the activity is over; `false` if the activity is.
    pub fn part(&mut self) -> bool {
        let Some(mut activity) = self.activity.clone() else {
            return false;
        };
        let closure = activity.closure.clone();
        let record = self.record.as_mut().unwrap();
        let part = activity.part;
        activity.part += 1;
        let mut end = None;
        match (activity.unit, part) {
            (Unit::Test, _) if !self.store.contains(&closure) => {
                end = Some(Exit::Status(1));
            }
            (Unit::Test, 0) => match self.qualities.get(&closure) {
                Some(Quality::NeedsReboot) => end = Some(Exit::Status(100)),
                _ => {
                    self.reached.insert(closure.clone());
                    self.current = closure;
                }
            },
            (Unit::Test, _) => {
                end = Some(Exit::Status(match self.qualities.get(&closure) {
                    Some(Quality::ActivationFails) => 2,
                    Some(Quality::UnitsFailed) => 4,
                    _ => 0,
                }));
            }
            (Unit::Commit | Unit::Stage, 0) => {
                self.set_profile(&closure, activity.generation);
            }
            (Unit::Commit | Unit::Stage, 1) => self.boot_default = closure,
            (Unit::Stage, _) => end = Some(Exit::Status(0)),
            (Unit::Commit | Unit::Confirm, _) => {
                record.state = RecordState::Confirmed;
                end = Some(Exit::Status(0));
            }
            (Unit::Revert, 0) => {
                let from = self.from.clone().unwrap();
                self.set_profile(&from.profile, from.generation);
                self.boot_default = from.boot_default;
            }
            (Unit::Revert, 1) => {
                assert!(self.store.contains(&closure), "the baseline was collected");
                self.current = closure;
            }
            (Unit::Revert, _) => {
                record.state = RecordState::Reverted;
                end = Some(Exit::Status(0));
            }
        }
        let Some(exit) = end else {
            self.activity = Some(activity);
            return true;
        };
        let record = self.record.as_mut().unwrap();
        match activity.unit {
            Unit::Test => record.test.1 = UnitState::Exited(exit),
            Unit::Revert => record.revert = UnitState::Exited(exit),
            _ => record.commit = UnitState::Exited(exit),
        }
        self.activity = None;
        false
    }

    /// The power fails.
    pub fn reset(&mut self) {
        self.kill();
        self.up = false;
        if let Some(record) = self.record.as_mut() {
            record.watched = false;
        }
        self.watch += 1;
    }

    /// It starts what its boot menu says; whether the guard now goes back.
    pub fn start(&mut self) -> bool {
        self.up = true;
        self.boot += 1;
        self.current = self.boot_default.clone();
        self.booted = self.current.clone();
        if self.quality(&self.current) == Quality::NeedsReboot {
            self.reached.insert(self.current.clone());
        }
        let Some(record) = self.record.as_mut().filter(|r| !r.state.is_final()) else {
            return false;
        };
        if !self.guard {
            return false;
        }
        let entered = Some(&self.current) == self.to.as_ref();
        if record.state == RecordState::Promoting && self.staged && entered {
            record.watched = true;
            return false;
        }
        self.begin_revert();
        true
    }
}
