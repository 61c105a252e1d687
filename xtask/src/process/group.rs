//! Ending children together with their own children.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::{Cancel, Failure};

/// How long a child may clean up (git removes its lock files) before it is killed.
pub(super) const GRACE: Duration = Duration::from_millis(500);

/// Sends a signal to the process groups that these children lead.
pub(super) fn signal_groups(pids: &[u32], signal: Signal) {
    for pid in pids {
        if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
            // A group that is gone already is what we want.
            let _ = rustix::process::kill_process_group(pid, signal);
        }
    }
}

/// Kills a child whose output another thread reads, when its time has come.
pub(super) struct Watcher {
    thread: std::thread::JoinHandle<Option<Failure>>,
    over: Arc<AtomicBool>,
}

impl Watcher {
    pub(super) fn new(
        cancel: Cancel,
        deadline: Option<Duration>,
        child: Arc<duct::ReaderHandle>,
    ) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let started = Instant::now();
        let thread = std::thread::spawn(move || {
            while !seen.load(Ordering::SeqCst) {
                let failure = match deadline {
                    _ if cancel.is_cancelled() => Failure::Cancelled,
                    Some(limit) if started.elapsed() >= limit => Failure::Deadline(limit),
                    _ => {
                        std::thread::park_timeout(Duration::from_millis(50));
                        continue;
                    }
                };
                signal_groups(&child.pids(), Signal::TERM);
                std::thread::park_timeout(GRACE);
                signal_groups(&child.pids(), Signal::KILL);
                return Some(failure);
            }
            None
        });
        Self { thread, over }
    }

    /// Stops watching; why the child was killed, if it was.
    pub(super) fn end(self) -> Option<Failure> {
        self.over.store(true, Ordering::SeqCst);
        self.thread.thread().unpark();
        self.thread.join().unwrap_or(None)
    }
}
