//! Starting what an [`Invocation`] says.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::conversation::{Answers, Conversation};
use super::group::{GRACE, Watcher, signal_groups};
use super::{Cancel, Failure, Invocation, RunError};

/// What a child that ended well has said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Exit status; not zero only where the caller allowed it.
    pub status: i32,
    /// Everything on standard output.
    pub stdout: Vec<u8>,
    /// Everything on standard error.
    pub stderr: Vec<u8>,
    /// How long it took.
    pub duration: Duration,
}

/// Starts commands.
pub trait Runner: Send + Sync {
    /// Runs to the end and gives the output whatever the exit status; a
    /// signal, a deadline, an interruption or a failed start is an error.
    ///
    /// # Errors
    /// See [`Failure`].
    fn run_unchecked(&self, invocation: &Invocation) -> Result<Output, RunError>;

    /// Runs to the end; a status other than zero is an error too.
    ///
    /// # Errors
    /// See [`Failure`].
    fn run(&self, invocation: &Invocation) -> Result<Output, RunError> {
        let started = Instant::now();
        let output = self.run_unchecked(invocation)?;
        if output.status == 0 {
            Ok(output)
        } else {
            Err(RunError::new(
                invocation,
                Failure::Status(output.status),
                started,
                &output.stderr,
            ))
        }
    }

    /// Runs to the end and hands on every line of both streams, without its
    /// newline, as it comes; the output is empty apart from status and duration.
    ///
    /// # Errors
    /// As for [`Runner::run_unchecked`].
    fn follow(
        &self,
        invocation: &Invocation,
        line: &mut dyn FnMut(&str),
    ) -> Result<Output, RunError>;

    /// Starts a child that answers questions on its standard input.
    ///
    /// # Errors
    /// It cannot be started.
    fn converse(&self, invocation: &Invocation) -> Result<Conversation, RunError>;
}

/// The real thing.
#[derive(Debug, Clone, Default)]
pub struct DuctRunner {
    cancel: Cancel,
}

impl DuctRunner {
    /// A runner whose children end when `cancel` is set.
    pub fn new(cancel: Cancel) -> Self {
        Self { cancel }
    }
}

fn expression(invocation: &Invocation) -> duct::Expression {
    let mut expression = duct::cmd(&invocation.program, &invocation.args);
    if let Some(directory) = &invocation.directory {
        expression = expression.dir(directory);
    }
    // duct applies the outermost change first, and later entries shall win.
    for (name, value) in invocation.environment.iter().rev() {
        expression = match value {
            Some(value) => expression.env(name, value),
            None => expression.env_remove(name),
        };
    }
    let dies_with_us = !invocation.shielded;
    expression.before_spawn(move |command| {
        command.process_group(0);
        if dies_with_us {
            end_with_parent(command);
        }
        Ok(())
    })
}

/// A child that nobody waits for any more, because this process was killed, ends
/// too.
#[cfg(target_os = "linux")]
fn end_with_parent(command: &mut std::process::Command) {
    let parent = rustix::process::getpid();
    let prepare = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may be gone already.
        if rustix::process::getppid() != Some(parent) {
            return Err(io::Error::other("the parent has ended"));
        }
        Ok(())
    };
    // SAFETY: between fork and exec it makes two system calls and touches no
    // memory of other threads.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(prepare);
    }
}

/// Only Linux tells children of their parent's end.
#[cfg(not(target_os = "linux"))]
fn end_with_parent(_: &mut std::process::Command) {}

fn start_failure(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::NotFound {
        Failure::NotFound
    } else {
        Failure::Start(error.to_string())
    }
}

impl Runner for DuctRunner {
    fn run_unchecked(&self, invocation: &Invocation) -> Result<Output, RunError> {
        /// How often an interruption is looked for.
        const POLL: Duration = Duration::from_millis(50);
        let started = Instant::now();
        let fail = |failure, stderr: &[u8]| RunError::new(invocation, failure, started, stderr);
        let expression = expression(invocation)
            .stdin_bytes(invocation.stdin.clone())
            .stdout_capture()
            .stderr_capture()
            .unchecked();
        let handle = expression
            .start()
            .map_err(|error| fail(start_failure(&error), &[]))?;
        let output = loop {
            match handle.wait_timeout(POLL) {
                Ok(Some(output)) => break output,
                Ok(None) => {}
                // A child that ends without reading its standard input
                // breaks the pipe; its status says what happened.
                Err(error) => return Err(fail(Failure::Start(error.to_string()), &[])),
            }
            let failure = if self.cancel.is_cancelled() && !invocation.shielded {
                Failure::Cancelled
            } else if let Some(limit) = invocation.deadline
                && started.elapsed() >= limit
            {
                Failure::Deadline(limit)
            } else {
                continue;
            };
            signal_groups(&handle.pids(), Signal::TERM);
            let mut said = handle.wait_timeout(GRACE);
            if !matches!(said, Ok(Some(_))) {
                signal_groups(&handle.pids(), Signal::KILL);
                said = handle.wait_timeout(Duration::from_secs(2));
            }
            let stderr = said.ok().flatten().map(|output| output.stderr.clone());
            return Err(fail(failure, &stderr.unwrap_or_default()));
        };
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&output.status) {
            return Err(fail(Failure::Signal(signal), &output.stderr));
        }
        Ok(Output {
            status: output.status.code().unwrap_or(-1),
            stdout: output.stdout.clone(),
            stderr: output.stderr.clone(),
            duration: started.elapsed(),
        })
    }

    fn follow(
        &self,
        invocation: &Invocation,
        line: &mut dyn FnMut(&str),
    ) -> Result<Output, RunError> {
        let started = Instant::now();
        let fail = |failure, tail: &[u8]| RunError::new(invocation, failure, started, tail);
        let start = |error: io::Error| fail(start_failure(&error), &[]);
        let reader = expression(invocation)
            .stdin_bytes(invocation.stdin.clone())
            .stderr_to_stdout()
            .unchecked()
            .reader()
            .map_err(start)?;
        let reader = Arc::new(reader);
        let mut lines = BufReader::new(Answers(Arc::clone(&reader)));
        let watcher = Watcher::new(
            self.cancel.clone(),
            invocation.deadline,
            Arc::clone(&reader),
        );
        let mut tail = Vec::new();
        let result = loop {
            let mut bytes = Vec::new();
            match lines.read_until(b'\n', &mut bytes) {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
            tail.extend_from_slice(&bytes);
            let surplus = tail.len().saturating_sub(8_000);
            tail.drain(..surplus);
            let text = String::from_utf8_lossy(&bytes);
            line(text.trim_end_matches(['\n', '\r']));
        };
        if let Some(failure) = watcher.end() {
            return Err(fail(failure, &tail));
        }
        result.map_err(|error| fail(Failure::Start(error.to_string()), &tail))?;
        let status = match reader.try_wait() {
            Ok(Some(output)) => output.status,
            Ok(None) => {
                return Err(fail(
                    Failure::Start("it closed its output".to_owned()),
                    &tail,
                ));
            }
            Err(error) => return Err(fail(Failure::Start(error.to_string()), &tail)),
        };
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
            return Err(fail(Failure::Signal(signal), &tail));
        }
        Ok(Output {
            status: status.code().unwrap_or(-1),
            duration: started.elapsed(),
            ..Output::default()
        })
    }

    fn converse(&self, invocation: &Invocation) -> Result<Conversation, RunError> {
        let started = Instant::now();
        let fail =
            |error: &io::Error| RunError::new(invocation, start_failure(error), started, &[]);
        let (questions_end, questions) = io::pipe().map_err(|error| fail(&error))?;
        let answers = expression(invocation)
            .stdin_file(questions_end)
            .stderr_null()
            .unchecked()
            .reader()
            .map_err(|error| fail(&error))?;
        Ok(Conversation::new(questions, answers))
    }
}

/// Where a program stands in `PATH`, if it does.
pub fn find_program(name: &str, path: &OsStr) -> Option<std::path::PathBuf> {
    std::env::split_paths(path)
        .map(|directory| directory.join(name))
        .find(|candidate| {
            rustix::fs::access(candidate, rustix::fs::Access::EXEC_OK).is_ok()
                && candidate.is_file()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Invocation {
        Invocation::new("sh").arg("-c").arg(script)
    }

    #[test]
    fn output_and_status_are_captured() {
        let runner = DuctRunner::default();
        let output = runner
            .run(&shell("cat; echo oops >&2").stdin("in"))
            .unwrap();
        assert_eq!(
            (&*output.stdout, &*output.stderr),
            (&b"in"[..], &b"oops\n"[..])
        );
        let error = runner.run(&shell("echo why >&2; exit 7")).unwrap_err();
        assert_eq!(error.failure, Failure::Status(7));
        let text = error.to_string();
        assert!(
            text.contains("sh -c 'echo why >&2; exit 7'") && text.ends_with("why"),
            "{text}"
        );
    }

    #[test]
    fn a_child_that_ignores_its_input_is_judged_by_its_status() {
        let big = vec![b'x'; 1 << 20];
        let output = DuctRunner::default().run_unchecked(&shell("exit 3").stdin(big));
        assert_eq!(output.unwrap().status, 3);
    }

    #[test]
    fn a_missing_program_is_told_apart() {
        let error = DuctRunner::default()
            .run(&Invocation::new("no-such-program-here"))
            .unwrap_err();
        assert_eq!(error.failure, Failure::NotFound);
    }

    #[test]
    fn environment_changes_apply_in_order() {
        let invocation = shell("echo \"$A-$HOME\"")
            .env("A", "1")
            .env("A", "2")
            .env_remove("HOME");
        let output = DuctRunner::default().run(&invocation).unwrap();
        assert_eq!(output.stdout, b"2-\n");
    }

    #[test]
    fn a_deadline_ends_grandchildren_too() {
        let directory = tempfile::tempdir().unwrap();
        let marker = directory.path().join("alive");
        let script = format!("(sleep 1; touch '{}') & wait", marker.display());
        let started = Instant::now();
        let error = DuctRunner::default()
            .run(&shell(&script).deadline(Duration::from_millis(200)))
            .unwrap_err();
        assert_eq!(error.failure, Failure::Deadline(Duration::from_millis(200)));
        assert!(started.elapsed() < Duration::from_millis(900));
        std::thread::sleep(Duration::from_millis(1_200));
        assert!(!marker.exists(), "the grandchild outlived its group");
    }

    #[test]
    fn an_interruption_ends_a_child() {
        let cancel = Cancel::default();
        let runner = DuctRunner::new(cancel.clone());
        let thread = std::thread::spawn(move || runner.run(&shell("sleep 30")));
        std::thread::sleep(Duration::from_millis(100));
        cancel.cancel();
        assert_eq!(
            thread.join().unwrap().unwrap_err().failure,
            Failure::Cancelled
        );
    }

    #[test]
    fn lines_are_handed_on_as_they_come() {
        let mut seen = Vec::new();
        let follow = |script: &str, seen: &mut Vec<String>| {
            let invocation = shell(script).deadline(Duration::from_millis(500));
            DuctRunner::default().follow(&invocation, &mut |line| seen.push(line.to_owned()))
        };
        let output = follow("echo one; echo two >&2; printf three; exit 4", &mut seen).unwrap();
        assert_eq!(
            (output.status, seen.join(" ").as_str()),
            (4, "one two three")
        );
        let error = follow("echo last; sleep 20 & wait", &mut seen).unwrap_err();
        assert_eq!(error.failure, Failure::Deadline(Duration::from_millis(500)));
        assert!(error.duration < Duration::from_secs(3));
        assert_eq!(error.stderr_tail, "last");
    }

    #[test]
    fn a_conversation_answers_and_ends() {
        let mut talk = DuctRunner::default()
            .converse(&Invocation::new("cat"))
            .unwrap();
        talk.ask(b"one\ntwo!").unwrap();
        assert_eq!(talk.line().unwrap(), b"one");
        assert_eq!(talk.bytes(4).unwrap(), b"two!");
    }
}
