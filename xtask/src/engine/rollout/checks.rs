//! Health of a host, looked at until it has held for long enough.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::agent::{Agent, Failed};
use super::connection::Deadline;
use super::work::Target;
use crate::process::Invocation;
use crate::rollout::{Action, Check, Outcome, Via, reply};

/// Seconds that a check may take unless it says otherwise.
const TIMEOUT: u32 = 10;

/// Why a check does not hold.
enum Trouble {
    /// Nothing can be said without a connection.
    NoLink(String),
    /// It was made, and failed.
    Bad(String),
}

fn of(failed: Failed) -> Trouble {
    match failed {
        Failed::Call(error) => Trouble::NoLink(super::connection::said(error)),
        Failed::There(text) => Trouble::Bad(text),
        Failed::Refused(refusal) => Trouble::Bad(format!("{refusal:?}")),
    }
}

impl Target {
    /// Repeats the checks until they have held for the soak time.
    pub(super) fn watch_over(
        &self,
        action: &Action,
        checks: &[Check],
        known_failed: &BTreeSet<String>,
        (soak, interval): (u64, u64),
        deadline: Deadline,
    ) -> Outcome {
        let soak = Duration::from_millis(soak);
        let mut healthy_since: Option<Instant> = None;
        loop {
            let round = self.round(action.via, checks, known_failed);
            let trouble = match round {
                Ok(()) => {
                    let since = *healthy_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= soak {
                        return Outcome::Healthy;
                    }
                    None
                }
                Err(trouble) => {
                    healthy_since = None;
                    Some(trouble)
                }
            };
            // What fails now has no time left to hold for the soak time.
            let late = match &trouble {
                Some(_) => deadline.left() <= soak,
                None => deadline.is_over(),
            };
            if late || self.is_pointless(action.id) {
                return match trouble {
                    Some(Trouble::NoLink(_)) => Outcome::Lost,
                    Some(Trouble::Bad(text)) => Outcome::Unhealthy(text),
                    None => Outcome::Unhealthy("the checks held, but not for long enough".into()),
                };
            }
            let pause = Duration::from_millis(interval);
            let rest = healthy_since.map_or(pause, |since| soak.saturating_sub(since.elapsed()));
            sleep(pause.min(rest.max(Duration::from_millis(50))));
        }
    }

    /// All checks once; why one does not hold.
    pub(super) fn once(
        &self,
        via: Via,
        checks: &[Check],
        known_failed: &BTreeSet<String>,
    ) -> Result<(), String> {
        self.round(via, checks, known_failed)
            .map_err(|trouble| match trouble {
                Trouble::NoLink(text) | Trouble::Bad(text) => text,
            })
    }

    /// Units that have failed by now; none if it cannot be seen.
    pub(super) fn failed_units(&self, via: Via) -> BTreeSet<String> {
        let seen = self.ways(via).into_iter().find_map(|agent| {
            let text = agent.verb(&["probe"], Duration::from_secs(20)).ok()?;
            reply::observation(&text).ok()
        });
        seen.map(|seen| seen.failed_units).unwrap_or_default()
    }

    /// All checks once.
    fn round(
        &self,
        via: Via,
        checks: &[Check],
        known_failed: &BTreeSet<String>,
    ) -> Result<(), Trouble> {
        let ways = self.ways(via);
        let mut answer = Ok(());
        for agent in ways {
            answer = checks
                .iter()
                .try_for_each(|check| self.check(agent, check, known_failed));
            if !matches!(answer, Err(Trouble::NoLink(_))) {
                break;
            }
        }
        answer
    }

    fn check(
        &self,
        agent: &Agent,
        check: &Check,
        known_failed: &BTreeSet<String>,
    ) -> Result<(), Trouble> {
        let patience = |timeout: Option<u32>| {
            Duration::from_secs(u64::from(timeout.unwrap_or(TIMEOUT))) + Duration::from_secs(5)
        };
        match check {
            Check::Reachable => agent.connection.knock(patience(None)).map_err(|text| {
                // An old connection that still stands makes it the host's fault.
                match agent.connection.call(&["true"], patience(None)) {
                    Ok(_) => Trouble::Bad(format!("no new connection: {text}")),
                    Err(_) => Trouble::NoLink(text),
                }
            }),
            Check::NoNewFailedUnits => {
                let text = agent.verb(&["probe"], patience(None)).map_err(of)?;
                let seen =
                    reply::observation(&text).map_err(|error| Trouble::Bad(error.to_string()))?;
                let new: Vec<&str> = seen
                    .failed_units
                    .difference(known_failed)
                    .map(String::as_str)
                    .collect();
                if new.is_empty() {
                    Ok(())
                } else {
                    Err(Trouble::Bad(format!("failed units: {}", new.join(", "))))
                }
            }
            Check::Unit { name } => said(agent.verb(&["check", "unit", name], patience(None))),
            Check::Tcp { port, timeout } => {
                let port = port.to_string();
                said(agent.verb(&["check", "tcp", &port], patience(*timeout)))
            }
            Check::Http {
                url,
                status,
                timeout,
            } => self.ask(url, status.unwrap_or(200), timeout.unwrap_or(TIMEOUT)),
            Check::Command { run, timeout } => {
                let words: Vec<&str> = run.iter().map(String::as_str).collect();
                let output = agent
                    .connection
                    .call(&words, patience(*timeout))
                    .map_err(|error| of(Failed::Call(error)))?;
                match output.status {
                    0 => Ok(()),
                    status => Err(Trouble::Bad(format!(
                        "`{}` ended with status {status}",
                        run.join(" ")
                    ))),
                }
            }
        }
    }

    /// Asks a web server, from here.
    fn ask(&self, url: &str, status: u16, timeout: u32) -> Result<(), Trouble> {
        let asked = Invocation::new("curl")
            .args(["--silent", "--show-error", "--output", "/dev/null"])
            .args(["--write-out", "%{http_code}", "--max-time"])
            .arg(timeout.to_string())
            .args(["--", url])
            .shielded()
            .deadline(Duration::from_secs(u64::from(timeout) + 5));
        let bad = |text: String| Trouble::Bad(format!("{url}: {text}"));
        let answer = self.runner.run(&asked).map_err(|error| {
            bad(match error.failure {
                crate::process::Failure::NotFound => "there is no curl to ask with".to_owned(),
                _ => error.stderr_tail,
            })
        })?;
        let said = String::from_utf8_lossy(&answer.stdout);
        if said.trim() == status.to_string() {
            Ok(())
        } else {
            Err(bad(format!("status {}, and not {status}", said.trim())))
        }
    }
}

fn said(answer: Result<String, Failed>) -> Result<(), Trouble> {
    let text = answer.map_err(of)?;
    let bad = text.lines().find_map(|line| line.strip_prefix("bad "));
    match bad {
        Some(why) => Err(Trouble::Bad(why.to_owned())),
        None => Ok(()),
    }
}
