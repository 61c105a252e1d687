//! Progress: bars on a terminal, plain lines elsewhere, nothing for what is quick.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What takes less is not talked about.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often a plain line is written.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The progress of everything that runs.
pub struct Progress {
    bars: MultiProgress,
    enabled: bool,
    terminal: bool,
}

/// The progress of one task; it ends with this value.
pub struct Task<'a> {
    progress: &'a Progress,
    name: String,
    total: u64,
    started: Instant,
    state: Mutex<TaskState>,
}

#[derive(Default)]
struct TaskState {
    done: u64,
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
}

impl Progress {
    pub(super) fn new(enabled: bool, terminal: bool) -> Self {
        let target = if enabled && terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            bars: MultiProgress::with_draw_target(target),
            enabled,
            terminal,
        }
    }

    /// Begins a task of `total` steps.
    pub fn task(&self, name: impl Into<String>, total: u64) -> Task<'_> {
        Task {
            progress: self,
            name: name.into(),
            total,
            started: Instant::now(),
            state: Mutex::default(),
        }
    }

    /// Prints something without tearing the bars.
    pub(super) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bars.suspend(print)
    }
}

impl Task<'_> {
    /// One more step is done; `what` is the last one.
    pub fn advance(&self, what: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done += 1;
        if !self.progress.enabled || self.started.elapsed() < PATIENCE {
            return;
        }
        if self.progress.terminal {
            let bar = state.bar.get_or_insert_with(|| {
                let style =
                    ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {elapsed}")
                        .unwrap_or_else(|_| ProgressStyle::default_bar());
                let bar = ProgressBar::new(self.total)
                    .with_style(style)
                    .with_prefix(self.name.clone());
                self.progress.bars.add(bar)
            });
            bar.set_message(super::style::clean(what).replace('\n', " "));
            let done = state.done;
            if let Some(bar) = &state.bar {
                bar.set_position(done);
            }
            return;
        }
        if state
            .last_line
            .is_none_or(|last| last.elapsed() >= LINE_EVERY)
        {
            state.last_line = Some(Instant::now());
            use std::io::Write;
            let line = format!(
                "{}: {}/{} ({})\n",
                self.name,
                state.done,
                self.total,
                super::style::clean(what)
            );
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        }
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
            self.progress.bars.remove(&bar);
        }
    }
}
