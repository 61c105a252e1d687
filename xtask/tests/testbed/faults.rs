//! Everything that may go wrong with a target, at every step of its way.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bed::{Bed, Target};
use crate::fleet::{Fleet, Operator};

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
        }
    }
}

pub const STEPS: [&str; 8] = [
    "probe", "build", "copy", "arm", "test", "health", "commit", "release",
];

pub const FAULTS: [Fault; 9] = [
    Fault::Cut(5),
    Fault::Cut(60),
    Fault::NoSshd(5),
    Fault::Freeze(4),
    Fault::Full,
    Fault::Reboot,
    Fault::Reset,
    Fault::Kill,
    Fault::Desert,
];

pub const BAD: [Bad; 6] = [
    Bad::Fails,
    Bad::Hangs,
    Bad::Unit,
    Bad::Health,
    Bad::CutsItselfOff,
    Bad::StopsSshd,
];

/// One trial: some faults, each when a step begins, with a delay in milliseconds.
#[derive(Debug, Clone)]
pub struct Trial {
    pub faults: Vec<(Fault, &'static str, u64)>,
}

/// How it came out.
#[derive(Debug, Clone)]
pub struct Row {
    pub trial: String,
    /// `new`, `old`, or what else it is.
    pub end: String,
    /// Who brought it there.
    pub by: String,
    /// Milliseconds from the watchdog's deadline to its beginning, and what it took.
    pub late: Option<i64>,
    pub took: Option<i64>,
    pub status: i32,
    pub seconds: f64,
    /// What is wrong; nothing if it is as it should be.
    pub wrong: Vec<String>,
}

impl Row {
    pub fn line(&self) -> String {
        let number = |it: Option<i64>| it.map_or_else(|| "-".to_owned(), |it| it.to_string());
        format!(
            "{:<46} {:<4} by {:<9} late {:>6} ms took {:>6} ms exit {:<3} {:>5.1} s {}",
            self.trial,
            self.end,
            self.by,
            number(self.late),
            number(self.took),
            self.status,
            self.seconds,
            self.wrong.join("; ")
        )
    }
}

/// A target of one's own, and a fleet that is only it.
pub struct Lane<'a> {
    pub target: Target,
    pub fleet: Fleet<'a>,
    version: u32,
    number: u32,
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

    /// Nothing happens by itself any more.
    fn settled(&self) -> bool {
        let quiet = self
            .target
            .inside("! systemctl list-units --state=activating --no-legend 'fleet-rollout-*' | grep -q .")
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

    /// How late the watchdog of the newest record was, and what it took.
    fn watch(&self, ours: bool) -> (Option<i64>, Option<i64>) {
        let number = |key: &str| self.target.record(key).parse::<i64>().ok().filter(|_| ours);
        let (deadline, began) = (number("watch-deadline"), number("watch-began"));
        let late = began
            .zip(deadline)
            .map(|(began, deadline)| began - deadline);
        let took = number("watch-done").zip(began);
        (late, took.map(|(done, began)| done - began))
    }

    /// One trial, from a good state to a good state.
    pub fn run(&mut self, trial: &Trial) -> Row {
        let started = Instant::now();
        let bad = trial.faults.iter().find_map(|(fault, ..)| match fault {
            Fault::Closure(bad) => Some(*bad),
            _ => None,
        });
        self.next_version(&bad.map(Bad::host).unwrap_or_default());
        let before = self.target.systems();
        let generation = self.target.generation();
        let token = self.target.record("token");
        let mut operator = self.fleet.start(&["rollout", "--stage", "1", "--yes"]);
        let mut deserted = false;
        let mut killed = false;
        let mut full = false;
        for (fault, step, delay) in &trial.faults {
            if matches!(fault, Fault::Closure(_)) || killed {
                continue;
            }
            if !operator.until(step) {
                continue;
            }
            sleep(Duration::from_millis(*delay));
            self.strike(*fault, &mut operator);
            match fault {
                Fault::Cut(time) | Fault::NoSshd(time) | Fault::Freeze(time) => {
                    let end = Instant::now() + Duration::from_secs(*time);
                    while Instant::now() < end {
                        operator.next(Duration::from_millis(200));
                    }
                    self.heal(*fault);
                }
                Fault::Full => full = true,
                Fault::Kill => killed = true,
                Fault::Desert => {
                    killed = true;
                    deserted = true;
                }
                _ => {}
            }
        }
        let mut wrong = Vec::new();
        let mut status = -9;
        if deserted {
            if !self.wait_until_settled() {
                wrong.push("nobody has brought it to an end".to_owned());
            }
        } else if !killed {
            status = operator.wait(Duration::from_secs(300));
        }
        let plan = operator.records.first().cloned().unwrap_or_default();
        let wanted = &plan["record"]["plan"]["hosts"][0]["closure"];
        let wanted = wanted.as_str().unwrap_or_default().to_owned();
        if full {
            self.heal(Fault::Full);
        }
        let mut times = deserted.then(|| self.watch(true));
        // What was cut off, or not reached at the end, is taken up again.
        let first_status = status;
        let by_watchdog = deserted.then(|| self.target.record("reverted-by"));
        for _ in 0..2 {
            let (again, _) = if killed || status != 0 {
                self.fleet.run(&["rollout", "resume"])
            } else {
                break;
            };
            // 1: there is nothing to resume; if it had come to its end before it
            // was killed, the journal knows how.
            if again == 1 {
                if status == -9 {
                    status = self.fleet.last_status();
                }
                break;
            }
            status = again;
            killed = false;
        }
        if !self.wait_until_settled() {
            wrong.push("it does not settle".to_owned());
        }
        let systems = self.target.systems();
        let all = |closure: &str| systems.iter().all(|system| system == closure);
        let end = if all(&wanted) {
            "new"
        } else if systems == before && self.target.generation() != generation {
            wrong.push("another generation leads to the old closure".to_owned());
            "old"
        } else if systems == before {
            "old"
        } else {
            wrong.push(format!("neither new nor old: {systems:?}, was {before:?}"));
            "?"
        };
        let state = self.target.record("state");
        let ours = self.target.record("token") != token;
        if ours && end == "new" && state != "confirmed" {
            wrong.push(format!(
                "it runs the new closure, and its record is {state}"
            ));
        }
        if (status == 0) != (end == "new") {
            wrong.push(format!("exit status {status}"));
        }
        let (late, took) = times.take().unwrap_or_else(|| self.watch(ours));
        if late.is_some_and(|late| !(-200..=5_000).contains(&late)) {
            wrong.push("the watchdog was late".to_owned());
        }
        let by = match by_watchdog {
            Some(by) if !by.is_empty() => by,
            _ if end == "new" => "operator".to_owned(),
            _ if !ours => "nobody".to_owned(),
            _ => self.target.record("reverted-by"),
        };
        let faults: Vec<String> = trial
            .faults
            .iter()
            .map(|(fault, step, delay)| format!("{fault:?}@{step}+{delay}"))
            .collect();
        if !wrong.is_empty() {
            wrong.push(format!("first exit {first_status}"));
        }
        Row {
            trial: faults.join(" "),
            end: end.to_owned(),
            by,
            late,
            took,
            status,
            seconds: started.elapsed().as_secs_f64(),
            wrong,
        }
    }
}

/// Runs trials, some side by side; what went wrong comes back, and every row goes
/// to the table.
pub fn run(bed: &Bed, lanes: u32, trials: Vec<Trial>, table: &str) -> Vec<Row> {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(table);
    let file = std::fs::File::options()
        .append(true)
        .create(true)
        .open(&path)
        .unwrap();
    let file = Mutex::new(file);
    eprintln!("table: {}", path.display());
    let queue = Mutex::new(VecDeque::from(trials));
    let rows = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for number in 1..=lanes {
            let (queue, rows, file) = (&queue, &rows, &file);
            scope.spawn(move || {
                let mut lane = Lane::new(bed, number);
                loop {
                    let Some(trial) = queue.lock().unwrap().pop_front() else {
                        break;
                    };
                    let row = lane.run(&trial);
                    eprintln!("{}", row.line());
                    writeln!(file.lock().unwrap(), "{}", row.line()).unwrap();
                    let broken = !row.wrong.is_empty();
                    if broken {
                        let log = lane.fleet.log();
                        let tail: Vec<&str> = log.lines().rev().take(40).collect();
                        for line in tail.iter().rev() {
                            eprintln!("    {line}");
                        }
                    }
                    let stranded = row.end == "?";
                    rows.lock().unwrap().push(row);
                    if stranded {
                        drop(lane);
                        lane = Lane::new(bed, number);
                    }
                }
            });
        }
    });
    rows.into_inner().unwrap()
}

/// Every fault at every step, and every bad closure.
pub fn matrix() -> Vec<Trial> {
    let mut trials = Vec::new();
    for bad in BAD {
        trials.push(Trial {
            faults: vec![(Fault::Closure(bad), "test", 0)],
        });
    }
    for fault in FAULTS {
        for step in STEPS {
            trials.push(Trial {
                faults: vec![(fault, step, 100)],
            });
        }
    }
    trials
}
