//! Everything that may go wrong with a target, at every step of its way.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bed::{Bed, Target};
use crate::common::need;
use crate::common::seed::{Seed, number};
use crate::fleet::{Fleet, Operator};
use crate::table::{self, Row};

/// What the watchdog may take, in milliseconds: ten seconds to kill and the baseline's
/// activation (`TIMES`), and a second for what lies in between.
const BUDGET: i64 = 10_000 + 10_000 + 1_000;

/// And a reboot, where that fails.
const REBOOT: i64 = 20_000;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The link is down for so many seconds.
    Cut(u64),
    /// No sshd for so many seconds, and no connection that it had.
    NoSshd(u64),
    /// All processes stand still for so many seconds.
    Freeze(u64),
    /// No space is left, until the end.
    Full,
    Reboot,
    /// The plug is pulled.
    Reset,
    /// The operator is killed, and resumes.
    Kill,
    /// The operator is killed, and nobody comes.
    Desert,
    /// The operator's clock jumps by so many seconds, for good.
    Skew(i64),
    /// The new closure is bad, in one of these ways.
    Closure(Bad),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    Fails,
    Hangs,
    Unit,
    Health,
    CutsItselfOff,
    StopsSshd,
    /// The baseline cannot be activated any more either, until the next boot.
    NoWayBack,
}

impl Bad {
    fn host(self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Fails => vec![("fault", "false".into())],
            Self::Hangs => vec![("fault", "sleep 1000".into())],
            Self::Unit => vec![("broken", true.into())],
            Self::Health => vec![("port", 8081.into())],
            Self::CutsItselfOff => vec![("fault", "ip link set host0 down".into())],
            Self::StopsSshd => vec![(
                "fault",
                "systemctl stop ssh; pkill -KILL sshd || true".into(),
            )],
            Self::NoWayBack => vec![("fault", "touch /run/no-way-back; false".into())],
        }
    }
}

pub const STEPS: [&str; 8] = [
    "probe", "build", "copy", "arm", "test", "health", "commit", "release",
];

pub const FAULTS: [Fault; 11] = [
    Fault::Cut(5),
    Fault::Cut(60),
    Fault::NoSshd(5),
    Fault::Freeze(4),
    Fault::Full,
    Fault::Reboot,
    Fault::Reset,
    Fault::Kill,
    Fault::Desert,
    Fault::Skew(7_200),
    Fault::Skew(-7_200),
];

pub const BAD: [Bad; 7] = [
    Bad::Fails,
    Bad::Hangs,
    Bad::Unit,
    Bad::Health,
    Bad::CutsItselfOff,
    Bad::StopsSshd,
    Bad::NoWayBack,
];

/// One trial: some faults, each when a step begins, with a delay in milliseconds.
#[derive(Debug, Clone)]
pub struct Trial {
    pub faults: Vec<(Fault, &'static str, u64)>,
}

impl Trial {
    pub fn one(fault: Fault, step: &'static str) -> Self {
        Self {
            faults: vec![(fault, step, 100)],
        }
    }

    fn name(&self) -> String {
        let faults: Vec<String> = self
            .faults
            .iter()
            .map(|(fault, step, delay)| format!("{fault:?}@{step}+{delay}"))
            .collect();
        faults.join(" ")
    }
}

/// A target of one's own, and a fleet that is only it.
pub struct Lane<'a> {
    pub target: Target,
    pub fleet: Fleet<'a>,
    version: u32,
    number: u32,
}

/// A target before a trial.
struct Before {
    systems: [String; 3],
    generation: String,
    token: String,
}

impl Before {
    /// The newest record is of the trial.
    fn is_ours(&self, lane: &Lane) -> bool {
        lane.target.record("token") != self.token
    }
}

/// What was struck.
#[derive(Default)]
struct Struck {
    count: usize,
    /// The operator is no more.
    killed: bool,
    /// And nobody comes.
    deserted: bool,
    /// The disk is full.
    full: bool,
}

/// What lets a process have a clock of its own.
fn fake_clock() -> Option<PathBuf> {
    let places = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten();
    let mut files = places.map(|place| place.path().join("faketime/libfaketime.so.1"));
    files.find(|file| file.exists())
}

impl<'a> Lane<'a> {
    pub fn new(bed: &'a Bed, number: u32) -> Self {
        let address = format!("192.0.2.{}", number + 10);
        let target = bed.target(&address);
        let name = format!("lane{number}");
        let mut fleet = Fleet::new(bed, &name, &[("only", &address, 1)], "");
        fleet.set("only", &format!("{number}-0"), &[]);
        fleet.commit();
        let closure = fleet.closures().remove("only").unwrap();
        target.bring(&closure);
        target.install(&closure);
        Self {
            target,
            fleet,
            version: 0,
            number,
        }
    }

    /// The next version is what the tree says.
    pub fn next_version(&mut self, more: &[(&'static str, Value)]) {
        self.version += 1;
        let version = format!("{}-{}", self.number, self.version);
        self.fleet.set("only", &version, more);
        self.fleet.commit();
    }

    fn strike(&mut self, fault: Fault, operator: &mut Operator) {
        match fault {
            Fault::Cut(_) => self.target.link(false),
            Fault::NoSshd(_) => {
                self.target
                    .inside("systemctl stop ssh.service ssh.socket; pkill -KILL sshd");
            }
            Fault::Freeze(_) => self.target.freeze(true),
            Fault::Full => {
                self.target
                    .inside("dd if=/dev/zero of=/filler bs=64k 2> /dev/null");
            }
            Fault::Reboot => {
                self.target.inside("systemctl --no-block reboot");
            }
            Fault::Reset => {
                self.target.power_off();
                self.target.power_on();
            }
            Fault::Kill | Fault::Desert => operator.kill(),
            Fault::Skew(seconds) => self.set_clock(seconds),
            Fault::Closure(_) => {}
        }
    }

    fn heal(&mut self, fault: Fault) {
        match fault {
            Fault::Cut(_) => self.target.link(true),
            Fault::NoSshd(_) => {
                self.target.inside("systemctl start ssh.service");
            }
            Fault::Freeze(_) => self.target.freeze(false),
            Fault::Full => {
                self.target.inside("rm -f /filler");
            }
            _ => {}
        }
    }

    /// Nothing happens by itself any more; it does not go down or come up either.
    fn settled(&self) -> bool {
        let quiet = self
            .target
            .inside("case $(systemctl is-system-running) in running | degraded) ;; *) exit 1 ;; esac; ! systemctl list-units --state=activating --no-legend 'fleet-rollout-*' | grep -q .")
            .1;
        let state = self.target.record("state");
        quiet == Some(0) && ["", "confirmed", "reverted"].contains(&state.as_str())
    }

    fn wait_until_settled(&self) -> bool {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(120) {
            if self.settled() {
                return true;
            }
            sleep(Duration::from_millis(300));
        }
        false
    }

    /// When the watchdog of the newest record was to begin, began, and was done; the
    /// guard, where it took its place. Targets have one clock here, over reboots too.
    fn watch(&self, before: &Before) -> [Option<i64>; 3] {
        if !before.is_ours(self) {
            return [None; 3];
        }
        let number = |key: &str| self.target.record(key).parse().ok();
        match number("watch-began") {
            Some(began) => {
                let done = number("watch-done").or_else(|| number("guard-done"));
                [number("watch-deadline"), Some(began), done]
            }
            None if number("guard-began").is_none() => [number("watch-deadline"), None, None],
            None => [None, number("guard-began"), number("guard-done")],
        }
    }

    /// What gives the operator a clock that can be set; nothing if there is none.
    fn clock(&self) -> Vec<(&'static str, String)> {
        let Some(library) = fake_clock() else {
            return Vec::new();
        };
        self.set_clock(0);
        vec![
            ("LD_PRELOAD", library.display().to_string()),
            (
                "FAKETIME_TIMESTAMP_FILE",
                self.fleet
                    .place
                    .with_extension("clock")
                    .display()
                    .to_string(),
            ),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            // Deadlines are of a clock that nobody sets.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    fn set_clock(&self, seconds: i64) {
        let file = self.fleet.place.with_extension("clock");
        std::fs::write(file, format!("{seconds:+}")).unwrap();
    }

    /// What the target is now, against what it was; what is wrong with that.
    fn end(&self, before: &Before, wanted: &str) -> (&'static str, Vec<String>) {
        let systems = self.target.systems();
        let state = self.target.record("state");
        let mut wrong = Vec::new();
        if systems.iter().all(|system| system == wanted) {
            if before.is_ours(self) && state != "confirmed" {
                wrong.push(format!(
                    "it runs the new closure, and its record is {state}"
                ));
            }
            return ("new", wrong);
        }
        if systems != before.systems {
            let was = &before.systems;
            wrong.push(format!("neither new nor old: {systems:?}, was {was:?}"));
            return ("?", wrong);
        }
        if self.target.generation() != before.generation {
            wrong.push("another generation leads to the old closure".to_owned());
        }
        ("old", wrong)
    }

    /// Who has brought the target to where it is.
    fn by(&self, before: &Before, end: &str) -> String {
        match end {
            _ if !before.is_ours(self) => "nobody".to_owned(),
            "new" => "operator".to_owned(),
            _ => self.target.record("reverted-by"),
        }
    }

    /// Strikes as the steps begin; what has become of the operator.
    fn strikes(&mut self, trial: &Trial, operator: &mut Operator) -> Struck {
        let mut struck = Struck::default();
        for (fault, step, delay) in &trial.faults {
            if matches!(fault, Fault::Closure(_)) {
                struck.count += 1;
                continue;
            }
            if struck.killed || !operator.until(step) {
                continue;
            }
            struck.count += 1;
            sleep(Duration::from_millis(*delay));
            self.strike(*fault, operator);
            match fault {
                Fault::Cut(time) | Fault::NoSshd(time) | Fault::Freeze(time) => {
                    let end = Instant::now() + Duration::from_secs(*time);
                    while Instant::now() < end {
                        operator.next(Duration::from_millis(200));
                    }
                    self.heal(*fault);
                }
                Fault::Full => struck.full = true,
                Fault::Kill => struck.killed = true,
                Fault::Desert => {
                    struck.killed = true;
                    struck.deserted = true;
                }
                _ => {}
            }
        }
        struck
    }

    /// The operator's side goes on until it has said how it ended.
    fn resume(&self, mut status: Option<i32>) -> Option<i32> {
        for _ in 0..2 {
            if status == Some(0) {
                break;
            }
            let (again, _) = self.fleet.run(&["rollout", "resume"]);
            // 1: there is nothing to resume; if it had come to its end before it
            // was killed, the journal knows how.
            if again == 1 {
                status = status.or_else(|| Some(self.fleet.last_status()));
                break;
            }
            status = Some(again);
        }
        status
    }

    /// One trial, from a good state to a good state.
    pub fn run(&mut self, name: &str, trial: &Trial) -> Row {
        let started = Instant::now();
        let bad = trial.faults.iter().find_map(|(fault, ..)| match fault {
            Fault::Closure(bad) => Some(*bad),
            _ => None,
        });
        self.next_version(&bad.map(Bad::host).unwrap_or_default());
        let before = Before {
            systems: self.target.systems(),
            generation: self.target.generation(),
            token: self.target.record("token"),
        };
        let clock = self.clock();
        let clock: Vec<(&str, &str)> = clock.iter().map(|(key, value)| (*key, &**value)).collect();
        let words = ["rollout", "--stage", "1", "--yes"];
        let mut operator = self.fleet.start_with(&words, &clock);
        let struck = self.strikes(trial, &mut operator);
        let mut wrong = Vec::new();
        let first = match struck.killed {
            true => None,
            false => Some(operator.wait(Duration::from_secs(300))),
        };
        // What is on its way to the target gets there still.
        let last = Duration::from_secs(if struck.deserted { 4 } else { 0 });
        sleep(last);
        if let Some(first) = first {
            wrong.extend(untrue(first, &operator.ends));
        }
        if struck.deserted && !self.wait_until_settled() {
            wrong.push("nobody has brought it to an end".to_owned());
        }
        let plan = operator.records.first().cloned().unwrap_or_default();
        let wanted = &plan["record"]["plan"]["hosts"][0]["closure"];
        let wanted = wanted.as_str().unwrap_or_default().to_owned();
        // What it came to without anybody.
        let alone = struck.deserted.then(|| {
            let (end, more) = self.end(&before, &wanted);
            wrong.extend(more);
            (end, self.by(&before, end), self.watch(&before))
        });
        if struck.full {
            self.heal(Fault::Full);
        }
        // What was cut off, or not reached at the end, is taken up again.
        let status = self.resume(first);
        if !self.wait_until_settled() {
            wrong.push("it does not settle".to_owned());
        }
        let (then, more) = self.end(&before, &wanted);
        wrong.extend(more);
        if (status == Some(0)) != (then == "new") {
            wrong.push(format!("exit status {status:?}, and it is {then}"));
        }
        if trial.faults.len() == 1 && struck.count == 0 {
            wrong.push("the step never came".to_owned());
        }
        let (end, by, [deadline, began, done]) =
            alone.unwrap_or_else(|| (then, self.by(&before, then), self.watch(&before)));
        let mut row = Row {
            trial: name.to_owned(),
            end: end.to_owned(),
            by,
            deadline,
            began,
            done,
            then: struck.killed.then(|| then.to_owned()),
            status,
            seconds: started.elapsed().as_secs_f64(),
            wrong,
            ..Row::default()
        };
        if row
            .late()
            .is_some_and(|late| !(-200..=5_000).contains(&late))
        {
            row.wrong.push("the watchdog was late".to_owned());
            let (journal, _) = self
                .target
                .inside("journalctl -o short-monotonic -n 60 --no-pager");
            eprintln!("{journal}");
        }
        let budget = match row.by.as_str() {
            "boot" => BUDGET + REBOOT,
            _ => BUDGET,
        };
        if row.took().is_some_and(|took| took > budget) {
            row.wrong.push("the watchdog took too long".to_owned());
        }
        if !row.wrong.is_empty() {
            row.wrong.push(format!("first exit {first:?}"));
            let log = self.fleet.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            for line in tail.iter().rev() {
                eprintln!("    {line}");
            }
        }
        row
    }
}

/// What does not fit of an exit status and what was said at the end.
fn untrue(status: i32, ends: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let [host, all] = ends else {
        return vec![format!("it says at the end: {ends:?}")];
    };
    if all["exit_status"] != status {
        wrong.push(format!("exit status {status}, and it says {all}"));
    }
    let confirmed = host["phase"]["final"] == "confirmed";
    // Who waits for a host has not failed.
    let failed = !host["failure"]["class"].is_null();
    if confirmed != (status == 0) || failed == confirmed {
        wrong.push(format!("exit status {status}, and it says {host}"));
    }
    wrong
}

/// Runs trials, some side by side.
pub fn run(bed: &Bed, lanes: u32, trials: Vec<Trial>, table: &str) {
    let named = trials.into_iter().map(|trial| (trial.name(), trial));
    let lane = |number| Lane::new(bed, number);
    table::run(table, lanes, named, lane, Lane::run);
}

/// Two or three at random.
pub fn together(count: u64) -> Vec<(String, Trial)> {
    let mut seed = Seed::new(number("FLEET_TEST_SEED", 1));
    let mut trial = |number| {
        let mut faults = Vec::new();
        if seed.chance(40) {
            faults.push((Fault::Closure(*seed.pick(&BAD)), "test", 0));
        }
        let mut step = seed.below(4);
        for _ in 0..1 + seed.below(2) {
            if step < STEPS.len() {
                let delay = u64::try_from(seed.below(1_500)).unwrap();
                faults.push((*seed.pick(&FAULTS), STEPS[step], delay));
            }
            step += 1 + seed.below(3);
        }
        let trial = Trial { faults };
        (format!("{number} {}", trial.name()), trial)
    };
    (1..=count).map(&mut trial).collect()
}

/// Every fault at every step, and every bad closure.
pub fn matrix() -> Vec<Trial> {
    let mut trials = Vec::new();
    for bad in BAD {
        trials.push(Trial {
            faults: vec![(Fault::Closure(bad), "test", 0)],
        });
    }
    let no_clock = fake_clock().is_none();
    if no_clock {
        need::skip("faketime", "there is no libfaketime");
    }
    for fault in FAULTS {
        if no_clock && matches!(fault, Fault::Skew(_)) {
            continue;
        }
        for step in STEPS {
            trials.push(Trial::one(fault, step));
        }
    }
    trials
}
