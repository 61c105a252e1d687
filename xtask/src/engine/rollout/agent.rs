//! Calls to the target's side of the protocol.

use std::sync::Arc;
use std::time::Duration;

use super::connection::{CallError, Connection};
use super::nix::Store;
use crate::rollout::Refusal;
use crate::rollout::reply;

/// The target's side, as it is put into stores.
pub const SCRIPT: &[u8] = include_bytes!("../../../../nix/rollout/fleet-rollout");

/// Its name in the store.
pub const NAME: &str = "fleet-rollout";

/// Starts it with the words after the script's own name, as root.
const START: &str = "test -x \"$1\" || exit 120; test \"$(id -u)\" = 0 && exec \"$@\"; \
                     exec sudo -n \"$@\"";

/// It is not on the target yet.
const NOT_THERE: i32 = 120;

/// Why a call of a verb has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// See [`CallError`].
    Call(CallError),
    /// The target declined.
    Refused(Refusal),
    /// It failed there.
    There(String),
}

/// The target's side at one address.
pub struct Agent {
    /// How it is reached.
    pub connection: Connection,
    /// The operator's store.
    pub store: Arc<Store>,
}

impl Agent {
    /// Calls a verb and gives what it says, with `end`.
    ///
    /// # Errors
    /// See [`Failed`].
    pub fn verb(&self, words: &[&str], patience: Duration) -> Result<String, Failed> {
        let agent = self.store.agent.as_str();
        let mut call = vec!["sh", "-c", START, "sh", agent];
        call.extend(words);
        let mut output = self
            .connection
            .call(&call, patience)
            .map_err(Failed::Call)?;
        if output.status == NOT_THERE {
            self.store
                .copy(
                    &self.connection,
                    &[agent],
                    false,
                    patience.max(Duration::from_secs(20)),
                )
                .map_err(Failed::There)?;
            output = self
                .connection
                .call(&call, patience)
                .map_err(Failed::Call)?;
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status != 0 {
            let said = String::from_utf8_lossy(&output.stderr);
            let verb = words.first().unwrap_or(&"");
            return Err(Failed::There(format!(
                "`{verb}` ended with status {} on the host: {}",
                output.status,
                last(&said)
            )));
        }
        let Ok(lines) = reply::lines(&text) else {
            let error = format!("{}: the answer was cut off", self.connection.address());
            return Err(Failed::Call(CallError::Lost(error)));
        };
        match lines.iter().find_map(|line| reply::refusal(line)) {
            Some(refusal) => Err(Failed::Refused(refusal)),
            None => Ok(text),
        }
    }

    /// Looks at the target without putting anything there; what only root may
    /// read may be missing then.
    ///
    /// # Errors
    /// See [`Failed`].
    pub fn glance(&self, patience: Duration) -> Result<String, Failed> {
        let script = String::from_utf8_lossy(SCRIPT);
        let words = ["sh", "-c", &script, "fleet-rollout", "probe"];
        let output = self
            .connection
            .call(&words, patience)
            .map_err(Failed::Call)?;
        if output.status == 0 {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(Failed::There(last(&said).to_owned()))
        }
    }
}

/// The last lines, as much as fits into a message.
pub fn last(text: &str) -> String {
    const LINES: usize = 6;
    let lines: Vec<&str> = text.trim().lines().collect();
    let skip = lines.len().saturating_sub(LINES);
    lines.get(skip..).unwrap_or_default().join("\n")
}
