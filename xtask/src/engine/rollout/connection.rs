//! One connection to a host, shared by all calls, made again when it is lost.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::process::{Failure, Output, Runner};
use crate::rollout::Address;
use crate::tools::ssh::Ssh;

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// There was no connection, so it certainly never began.
    Unreachable(String),
    /// The connection was lost, or the answer did not come in time.
    Lost(String),
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    No,
    /// As whom: root, or somebody who has to ask sudo.
    As {
        root: bool,
    },
}

/// A connection to one address of a host.
pub struct Connection {
    ssh: Arc<Ssh>,
    runner: Arc<dyn Runner>,
    name: String,
    address: Address,
    state: Mutex<Open>,
    handshakes: AtomicUsize,
    closed: AtomicBool,
}

/// ssh's own status for a connection that failed.
const SSH_FAILED: i32 = 255;

impl Connection {
    /// One that is made when it is first needed. `name` has to be a file's name.
    pub fn new(ssh: Arc<Ssh>, runner: Arc<dyn Runner>, name: String, address: Address) -> Self {
        Self {
            ssh,
            runner,
            name,
            address,
            state: Mutex::new(Open::No),
            handshakes: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Whom it leads to.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// How often a connection was made, fresh ones for checks included.
    pub fn handshakes(&self) -> usize {
        self.handshakes.load(Ordering::Relaxed)
    }

    /// Whether calls are made as root; makes the connection if there is none.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(&self) -> Result<bool, CallError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Open::As { root } = *state {
            if self.ssh.has_socket(&self.name) {
                return Ok(root);
            }
            *state = Open::No;
        }
        if self.closed.load(Ordering::SeqCst) {
            return Err(CallError::Unreachable("the rollout has ended".to_owned()));
        }
        self.ssh.forget(&self.name);
        self.handshakes.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.runner.run(&self.ssh.open(&self.name, &self.address)) {
            let said = self.ssh.said(&self.name);
            let said = if said.is_empty() {
                error.to_string()
            } else {
                said
            };
            return Err(CallError::Unreachable(format!("{}: {said}", self.address)));
        }
        let asked = self.raw(&["id", "-u"], Duration::from_secs(15));
        let root = match asked {
            Ok(output) => output.stdout.trim_ascii() == b"0",
            Err(error) => {
                self.ssh.forget(&self.name);
                return Err(CallError::Unreachable(said(error)));
            }
        };
        *state = Open::As { root };
        Ok(root)
    }

    /// Runs a command on the host, whatever its status.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn call(&self, words: &[&str], patience: Duration) -> Result<Output, CallError> {
        self.open()?;
        self.raw(words, patience)
    }

    fn raw(&self, words: &[&str], patience: Duration) -> Result<Output, CallError> {
        let invocation = self.ssh.call(&self.name, &self.address, words);
        let invocation = invocation.deadline(patience).shielded();
        match self.runner.run_unchecked(&invocation) {
            Ok(output) if output.status == SSH_FAILED => {
                self.forget();
                let said = String::from_utf8_lossy(&output.stderr);
                Err(CallError::Lost(format!(
                    "{}: {}",
                    self.address,
                    said.trim()
                )))
            }
            Ok(output) => Ok(output),
            Err(error) => {
                // Where the host is silent the next call is not to wait for it.
                self.forget();
                match error.failure {
                    Failure::Deadline(_) => {
                        Err(CallError::Lost(format!("{}: no answer", self.address)))
                    }
                    _ => Err(CallError::Unreachable(error.to_string())),
                }
            }
        }
    }

    /// Whether a new connection can be made.
    ///
    /// # Errors
    /// It cannot: what was said.
    pub fn knock(&self, patience: Duration) -> Result<(), String> {
        self.handshakes.fetch_add(1, Ordering::Relaxed);
        let call = self.ssh.call_fresh(&self.address, &["true"]);
        let call = call.deadline(patience).shielded();
        self.runner
            .run(&call)
            .map(|_| ())
            .map_err(|error| format!("{}: {}", self.address, error.stderr_tail.trim()))
    }

    /// What Nix is to give ssh. The connection has to stand.
    pub fn for_nix(&self) -> String {
        self.ssh.for_nix(&self.name, &self.address)
    }

    /// The shared connection is of no more use: it is ended, if it still hears us.
    pub fn forget(&self) {
        if self.ssh.has_socket(&self.name) {
            // It may be dead already; then it has no socket that answers.
            let _ = self.runner.run(&self.ssh.close(&self.name, &self.address));
        }
        self.ssh.forget(&self.name);
    }

    /// Ends it for good.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.forget();
    }
}

/// In words.
pub fn said(error: CallError) -> String {
    match error {
        CallError::Unreachable(text) | CallError::Lost(text) => text,
    }
}

/// Until when something has to be done.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// So many milliseconds from now.
    pub fn after(milliseconds: u64) -> Self {
        // Far enough for anything, and no overflow.
        let time = Duration::from_millis(milliseconds.min(30 * 24 * 3_600_000));
        Self(Instant::now() + time)
    }

    /// What is left of it.
    pub fn left(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    pub fn is_over(&self) -> bool {
        self.left().is_zero()
    }
}
