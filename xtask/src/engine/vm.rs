//! Booting hosts as virtual machines until they are up and healthy.
//!
//! A machine is the script that `system.build.vm` has made. Its console says when it
//! is up; checks of the network go through forwarded ports. What only a login could
//! tell (units, commands) is left out, and named.

mod probe;

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Health;
use crate::process::{Cancel, DuctRunner, Failure, Invocation, Runner, find_program};

/// Lines of the console that are shown of a machine that failed.
const TAIL: usize = 30;

/// Between two rounds of checks.
const PAUSE: Duration = Duration::from_millis(250);

/// A machine to boot.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The host.
    pub host: String,
    /// What was built for it.
    pub built: PathBuf,
    /// Its checks.
    pub health: Vec<Health>,
}

/// What came of a machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Booted {
    /// What is wrong, with the last lines of the console; `None` if it is up and
    /// all checks passed.
    pub failure: Option<String>,
    /// Checks that passed.
    pub passed: Vec<String>,
    /// Checks that cannot be made from outside.
    pub left_out: Vec<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The run was interrupted: nothing is known of the machine.
    pub interrupted: bool,
}

/// How to boot.
pub struct Machines<'a> {
    /// Set when the user wants out.
    pub cancel: &'a Cancel,
    /// Machines at the same time.
    pub jobs: usize,
    /// How long each may take.
    pub deadline: Duration,
    /// Is told of every machine that is done.
    pub done: &'a (dyn Fn(&str, &Booted) + Sync),
}

/// What the stand-in's machines need and this computer lacks; `None` if nothing.
/// Those of NixOS bring all that they need.
pub fn lacking(path: &OsStr) -> Option<String> {
    let emulator = format!("qemu-system-{}", std::env::consts::ARCH);
    for program in [&*emulator, "busybox", "cpio"] {
        if find_program(program, path).is_none() {
            return Some(format!("there is no {program}"));
        }
    }
    let own = || {
        let mut files = std::fs::read_dir("/boot").into_iter().flatten().flatten();
        files.any(|file| file.file_name().to_string_lossy().starts_with("vmlinuz-"))
    };
    let named = std::env::var_os("FLEET_VM_KERNEL").is_some_and(|it| Path::new(&it).is_file());
    (!named && !own()).then(|| "there is no kernel: FLEET_VM_KERNEL names one".to_owned())
}

impl Machines<'_> {
    /// Boots machines, and switches each off again.
    pub fn run(&self, machines: &[Machine]) -> BTreeMap<String, Booted> {
        let queue: Mutex<VecDeque<&Machine>> = Mutex::new(machines.iter().collect());
        let results = Mutex::new(BTreeMap::new());
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.clamp(1, machines.len().max(1)) {
                scope.spawn(|| {
                    loop {
                        let next = lock(&queue).pop_front();
                        let Some(machine) = next else { break };
                        let booted = self.one(machine);
                        (self.done)(&machine.host, &booted);
                        lock(&results).insert(machine.host.clone(), booted);
                    }
                });
            }
        });
        results.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn one(&self, machine: &Machine) -> Booted {
        let started = Instant::now();
        let (outside, inside): (Vec<&Health>, Vec<&Health>) = machine
            .health
            .iter()
            .partition(|health| health.check.port().is_some());
        let mut booted = Booted {
            failure: None,
            passed: Vec::new(),
            left_out: inside.iter().map(|it| it.check.to_string()).collect(),
            seconds: 0.0,
            interrupted: false,
        };
        match self.boot(machine, &outside) {
            Ok(()) => booted.passed = outside.iter().map(|it| it.check.to_string()).collect(),
            Err(failure) => booted.failure = Some(failure),
        }
        booted.interrupted = booted.failure.is_some() && self.cancel.is_cancelled();
        booted.seconds = started.elapsed().as_secs_f64();
        booted
    }

    /// One machine, from the start of its script to its end.
    fn boot(&self, machine: &Machine, checks: &[&Health]) -> Result<(), String> {
        let script = script(&machine.built)?;
        // Disk images and the like, which machines write where they are started.
        let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
        let ports = forwarded(checks).map_err(|error| format!("no free port: {error}"))?;
        let forwards: Vec<String> = ports
            .iter()
            .map(|(guest, host)| format!("hostfwd=tcp:127.0.0.1:{host}-:{guest}"))
            .collect();
        let console = if cfg!(target_arch = "x86_64") {
            "console=ttyS0"
        } else {
            "console=ttyAMA0"
        };
        let invocation = Invocation::new(script)
            .directory(scratch.path())
            .env("TMPDIR", scratch.path())
            .env("QEMU_NET_OPTS", forwards.join(","))
            .env("QEMU_OPTS", "-nographic")
            .env("QEMU_KERNEL_PARAMS", console)
            .deadline(self.deadline);

        let up = AtomicBool::new(false);
        let over = AtomicBool::new(false);
        // Ends the machine alone.
        let stop = Cancel::default();
        let seen = Mutex::new(Console::default());
        let healthy = AtomicBool::new(false);
        let answers: Mutex<BTreeMap<String, String>> = Mutex::default();
        let outcome = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut left: Vec<&&Health> = checks.iter().collect();
                while !over.load(Ordering::SeqCst) {
                    let is_up = up.load(Ordering::SeqCst);
                    left.retain(|health| match probe::probe(health, &ports, is_up) {
                        Ok(()) => false,
                        Err(why) => {
                            lock(&answers).insert(health.check.to_string(), why);
                            true
                        }
                    });
                    if is_up && left.is_empty() {
                        healthy.store(true, Ordering::SeqCst);
                    }
                    let hopeless = lock(&seen).broken;
                    if healthy.load(Ordering::SeqCst) || hopeless || self.cancel.is_cancelled() {
                        stop.cancel();
                        break;
                    }
                    std::thread::sleep(PAUSE);
                }
            });
            let outcome = DuctRunner::new(stop.clone()).follow(&invocation, &mut |line| {
                let mut console = lock(&seen);
                console.add(line);
                if console.up {
                    up.store(true, Ordering::SeqCst);
                }
            });
            over.store(true, Ordering::SeqCst);
            outcome
        });
        if healthy.load(Ordering::SeqCst) {
            return Ok(());
        }
        let seen = lock(&seen);
        let what = match outcome {
            _ if self.cancel.is_cancelled() => "interrupted".to_owned(),
            _ if seen.broken => "the boot failed".to_owned(),
            Ok(output) => format!("the machine ended by itself, with status {}", output.status),
            Err(error) => match error.failure {
                Failure::Deadline(limit) if seen.up => {
                    let mut text = format!("not healthy after {} s", limit.as_secs());
                    for (check, why) in &*lock(&answers) {
                        text.push_str(&format!("; {check}: {why}"));
                    }
                    text
                }
                Failure::Deadline(limit) => format!("not up after {} s", limit.as_secs()),
                _ => error.to_string(),
            },
        };
        Err(format!("{what}{}", seen.tail()))
    }
}

/// What a console has shown.
#[derive(Default)]
struct Console {
    last: VecDeque<String>,
    up: bool,
    broken: bool,
}

impl Console {
    fn add(&mut self, line: &str) {
        /// What a system that is up prints last; a prompt itself may lack its newline.
        const UP: [&str; 4] = [
            "<<< Welcome to",
            " login:",
            "Reached target multi-user.target",
            "Reached target Multi-User System",
        ];
        /// After these nothing more will come.
        const BROKEN: [&str; 4] = [
            "Kernel panic",
            "The boot cannot go on.",
            "An error occurred in stage 1 of the boot process",
            "You are in emergency mode",
        ];
        let line = console::strip_ansi_codes(line);
        let line = line.trim_end();
        self.up |= UP.iter().any(|text| line.contains(text));
        self.broken |= BROKEN.iter().any(|text| line.contains(text));
        if line.is_empty() {
            return;
        }
        let visible = |c: char| if c.is_control() && c != '\t' { ' ' } else { c };
        self.last.push_back(line.chars().map(visible).collect());
        if self.last.len() > TAIL {
            self.last.pop_front();
        }
    }

    fn tail(&self) -> String {
        let mut text = String::new();
        for line in &self.last {
            text.push_str("\n  ");
            text.push_str(line);
        }
        text
    }
}

/// The script that boots a machine: `bin/run-…-vm`.
fn script(built: &Path) -> Result<PathBuf, String> {
    let files = std::fs::read_dir(built.join("bin"));
    let files = files.map_err(|error| format!("{}: {error}", built.display()))?;
    let name = |path: &PathBuf| {
        let name = path.file_name().map(OsStr::to_string_lossy);
        name.is_some_and(|name| name.starts_with("run-") && name.ends_with("-vm"))
    };
    files
        .flatten()
        .map(|file| file.path())
        .find(name)
        .ok_or_else(|| format!("{} has no bin/run-…-vm", built.display()))
}

/// A free port of this computer for each port of the machine that is asked.
fn forwarded(checks: &[&Health]) -> std::io::Result<BTreeMap<u16, u16>> {
    let mut ports = BTreeMap::new();
    // Held together, so that no two are the same.
    let mut held = Vec::new();
    for guest in checks.iter().filter_map(|health| health.check.port()) {
        if ports.contains_key(&guest) {
            continue;
        }
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        ports.insert(guest, listener.local_addr()?.port());
        held.push(listener);
    }
    Ok(ports)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_tells_how_the_boot_went() {
        let told = |lines: &[&str]| {
            let mut console = Console::default();
            lines.iter().for_each(|line| console.add(line));
            (console.up, console.broken)
        };
        assert_eq!(
            told(&["<<< NixOS Stage 2 >>>", "Welcome to NixOS 26.05!"]),
            (false, false)
        );
        assert_eq!(told(&["\u{1b}[1;32mquay login: "]), (true, false));
        assert_eq!(
            told(&["[  OK  ] Reached target Multi-User System."]),
            (true, false)
        );
        assert_eq!(told(&["[ 1.0] Kernel panic - not syncing"]), (false, true));
    }

    #[test]
    fn a_script_that_ends_or_hangs_is_told_apart() {
        let check = |script: &str, seconds: u64| {
            let directory = tempfile::tempdir().unwrap();
            let bin = directory.path().join("bin");
            std::fs::create_dir(&bin).unwrap();
            let file = bin.join("run-probe-vm");
            std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&file, mode).unwrap();
            let machine = Machine {
                host: "probe".to_owned(),
                built: directory.path().to_owned(),
                health: Vec::new(),
            };
            let machines = Machines {
                cancel: &Cancel::default(),
                jobs: 1,
                deadline: Duration::from_secs(seconds),
                done: &|_, _| {},
            };
            machines.run(&[machine]).remove("probe").unwrap().failure
        };
        assert_eq!(check("echo 'probe login:'; sleep 60", 50), None);
        assert_eq!(
            check("echo begun; exit 3", 50).as_deref(),
            Some("the machine ended by itself, with status 3\n  begun")
        );
        assert_eq!(
            check("echo begun; sleep 60", 1).as_deref(),
            Some("not up after 1 s\n  begun")
        );
        let panic = "echo 'Kernel panic - not syncing: no init'; sleep 60";
        let said = check(panic, 50).unwrap();
        assert!(
            said.starts_with("the boot failed\n  Kernel panic"),
            "{said}"
        );
    }
}
