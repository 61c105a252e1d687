//! The only printer.
//!
//! Results for people go to standard output, findings and progress to standard
//! error; with `--json` standard output carries the document and nothing else.
//! A reader that has closed its end is no error.

mod count;
mod diff;
mod progress;
mod report;
mod style;
mod table;

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::problem::{Problem, Severity};
use crate::tree::{Tree, TreePath};

pub use count::count;
pub use diff::unified as unified_diff;
pub use progress::{Progress, Task};
pub use report::render as render_problem;
pub use style::{ColorChoice, Palette};
pub use table::{Align, Table};

/// How to print.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// What standard output is for.
    pub stdout: Stdout,
    /// `--color`.
    pub color: ColorChoice,
    /// Whether progress is shown at all.
    pub progress: bool,
    /// How often `-v` was given.
    pub verbose: u8,
}

/// What standard output is for; people are told on standard error otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdout {
    /// Results for people.
    People,
    /// One document for a program.
    Document,
    /// The document of somebody else: none is printed here.
    Reserved,
}

/// What became of standard output.
#[derive(Debug, Default)]
struct StdoutState {
    /// The reader has gone; there is nobody left to tell.
    closed: bool,
    /// It could not be written for another reason.
    failed: Option<io::Error>,
}

/// The printer. Shared by reference; it locks what it must.
pub struct Ui {
    settings: Settings,
    out: Palette,
    err: Palette,
    stdout: Mutex<StdoutState>,
    progress: Progress,
}

fn columns_of_stdout() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(size.ws_col.into()).filter(|columns| *columns > 0)
}

impl Ui {
    /// A printer to the process's own streams.
    pub fn new(settings: Settings) -> Self {
        let err = Palette::new(settings.color, io::stderr().is_terminal());
        Self {
            settings,
            out: Palette::new(settings.color, io::stdout().is_terminal())
                .for_columns(columns_of_stdout()),
            err,
            stdout: Mutex::default(),
            progress: Progress::new(settings.progress, io::stderr().is_terminal()),
        }
    }

    /// A printer for a part of this one's command: it prints no document.
    pub fn part(&self) -> Self {
        let stdout = match self.settings.stdout {
            Stdout::People => Stdout::People,
            Stdout::Document | Stdout::Reserved => Stdout::Reserved,
        };
        Self::new(Settings {
            stdout,
            ..self.settings
        })
    }

    /// Whether standard output is for a document.
    pub fn is_json(&self) -> bool {
        self.settings.stdout != Stdout::People
    }

    /// Colours for what [`Self::text`] prints.
    pub fn palette(&self) -> &Palette {
        if self.is_json() { &self.err } else { &self.out }
    }

    /// Progress on what takes longer than a second.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What went wrong with standard output, if it was not just closed.
    pub fn stdout_error(&self) -> Option<String> {
        let stdout = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
        stdout.failed.as_ref().map(ToString::to_string)
    }

    fn write_stdout(&self, bytes: &[u8]) {
        let mut state = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed || state.failed.is_some() {
            return;
        }
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => state.closed = true,
            Err(error) => state.failed = Some(error),
        }
    }

    fn write_stderr(&self, text: &str) {
        self.progress.suspend(|| {
            // Nothing can be said about standard error when it is gone.
            let _ = io::stderr().lock().write_all(text.as_bytes());
        });
    }

    /// Text for people: standard output, or standard error with `--json`.
    /// It is printed as it is; a missing final newline is added.
    pub fn text(&self, text: &str) {
        let newline = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        let text = format!("{text}{newline}");
        if self.is_json() {
            self.write_stderr(&text);
        } else {
            self.progress.suspend(|| self.write_stdout(text.as_bytes()));
        }
    }

    /// What a program is meant to read whether or not `--json` is given:
    /// completions, man pages, graphs.
    pub fn raw(&self, bytes: &[u8]) {
        self.write_stdout(bytes);
    }

    /// What is worth saying beside the result; shown with `-v`.
    pub fn detail(&self, text: &str) {
        if self.settings.verbose > 0 {
            self.write_stderr(&format!("{}\n", style::clean(text)));
        }
    }

    /// What is worth saying beside the result.
    pub fn remark(&self, text: &str) {
        self.write_stderr(&format!("{}\n", style::clean(text)));
    }

    /// Whether there is a person to ask.
    pub fn is_interactive(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal() && !self.is_json()
    }

    /// Asks a person; without one (no terminal, or `--json`) the answer is yes:
    /// what can be asked here can be taken back.
    pub fn confirm(&self, question: &str) -> bool {
        if !self.is_interactive() {
            return true;
        }
        self.write_stderr(&format!("{} [y/N] ", style::clean(question)));
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }

    /// The JSON document on standard output, if `--json` was given.
    pub fn document<T: Serialize>(&self, document: &T) {
        if self.settings.stdout == Stdout::Document {
            self.machine_document(document);
        }
    }

    /// One of several JSON values, a line each, if `--json` was given.
    pub fn line<T: Serialize>(&self, value: &T) {
        if self.settings.stdout != Stdout::Document {
            return;
        }
        match serde_json::to_string(value) {
            Ok(text) => self.write_stdout(format!("{text}\n").as_bytes()),
            Err(error) => self.remark(&format!("a line has no form as JSON: {error}")),
        }
    }

    /// A line that is JSON already, if `--json` was given.
    pub fn json_line(&self, line: &str) {
        if self.settings.stdout == Stdout::Document {
            self.write_stdout(format!("{line}\n").as_bytes());
        }
    }

    /// A JSON document that was asked for as such, `--json` or not.
    pub fn machine_document<T: Serialize>(&self, document: &T) {
        match serde_json::to_string_pretty(document) {
            Ok(text) => self.write_stdout(format!("{text}\n").as_bytes()),
            Err(error) => self.remark(&format!("the document has no form as JSON: {error}")),
        }
    }

    /// Findings on standard error, worst last; notes only with `-v`.
    ///
    /// `tree` has the sources that the spans point into.
    pub fn problems(&self, problems: &[Problem], tree: Option<&Tree>) {
        let least = if self.settings.verbose > 0 {
            Severity::Note
        } else {
            Severity::Warning
        };
        let mut shown: Vec<&Problem> = problems
            .iter()
            .filter(|problem| problem.severity >= least)
            .collect();
        shown.sort_by_key(|problem| problem.severity);
        let source = |path: &TreePath| tree.and_then(|tree| tree.text(path).ok());
        for problem in shown {
            self.write_stderr(&report::render(problem, &source, &self.err));
        }
    }
}
