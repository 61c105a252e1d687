//! Keeping a program and who watches it on one processor.
//!
//! One of both always waits for the other. On two processors each of them falls
//! asleep and is woken up at every call, which takes longer than all of the rest; on
//! one processor that is a change of context. So both are bound to the processor that
//! the scheduler has last chosen, and set free again and again for it to choose anew.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Stops until the scheduler may choose anew.
const BOUND: u32 = 1024;

/// Stops during which it may.
const FREE: u32 = 8;

const ITSELF: Pid = Pid::from_raw(0);

/// Who is bound.
pub(super) struct Together {
    /// Processors that both may use; `None` if there is no choice.
    all: Option<CpuSet>,
    stops: u32,
    bound: Option<Pid>,
}

impl Together {
    pub(super) fn new() -> Self {
        let all = sched_getaffinity(ITSELF).ok();
        let several = |set: &CpuSet| {
            let processors = 0..CpuSet::count();
            processors.filter(|it| set.is_set(*it) == Ok(true)).count() > 1
        };
        Self {
            all: all.filter(several),
            stops: 0,
            bound: None,
        }
    }

    /// A thread has begun: what it has from the one that began it does not hold.
    pub(super) fn begun(&self, thread: Pid) {
        if let Some(all) = &self.all {
            // That it cannot be costs time, no more; so with all others here.
            let _ = sched_setaffinity(thread, all);
        }
    }

    /// A thread has stopped at a call.
    pub(super) fn stopped(&mut self, thread: Pid) {
        let Some(all) = &self.all else {
            return;
        };
        self.stops += 1;
        if self.stops == BOUND {
            self.stops = 0;
            let _ = sched_setaffinity(ITSELF, all);
            if let Some(bound) = self.bound.take() {
                let _ = sched_setaffinity(bound, all);
            }
        } else if self.stops == FREE {
            let mut one = CpuSet::new();
            if let Some(processor) = processor(thread)
                && one.set(processor).is_ok()
                && sched_setaffinity(thread, &one).is_ok()
            {
                self.bound = Some(thread);
                let _ = sched_setaffinity(ITSELF, &one);
            }
        }
    }
}

/// The processor on which a thread has last run.
fn processor(thread: Pid) -> Option<usize> {
    /// As counted after the name, which may hold spaces, but no parenthesis after it.
    const FIELD: usize = 36;
    let stat = std::fs::read_to_string(format!("/proc/{thread}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(FIELD)?.parse().ok()
}
