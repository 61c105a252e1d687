//! What the target's side of the protocol says: lines of words, `end` at last.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::event::{Exit, Observation, Record, RecordState, Refusal, UnitState};
use super::plan::StorePath;

/// An answer that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadReply {
    /// It was cut off.
    #[error("the answer has no end")]
    Cut,
    /// A line is not as expected.
    #[error("the answer has a line that is not understood: {0:?}")]
    Line(String),
    /// Something is missing.
    #[error("the answer says nothing of `{0}`")]
    Missing(&'static str),
}

/// A record's watchdog, for reports: times in milliseconds of the target's
/// monotonic clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Watch {
    /// When it acts, or was to act.
    pub deadline: Option<u64>,
    /// When it began.
    pub began: Option<u64>,
    /// When it was done; not set if it had to reboot.
    pub done: Option<u64>,
    /// When the guard began to take the change back, of the clock of its own boot.
    pub guard_began: Option<u64>,
    /// When it was done, of the same clock.
    pub guard_done: Option<u64>,
    /// Who has begun the way back: `operator`, `watchdog` or `boot`.
    pub reverted_by: Option<String>,
}

impl Watch {
    /// What it has done, in words; `None` if it never began.
    pub fn said(&self) -> Option<String> {
        let seconds = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1000.0;
        if let Some(began) = self.began {
            let mut text = "the watchdog began".to_owned();
            if let Some(deadline) = self.deadline {
                text += &format!(" {:.1} s after its deadline", seconds(deadline, began));
            }
            match (self.done, self.guard_done) {
                (Some(done), _) => text += &format!(", and took {:.1} s", seconds(began, done)),
                (None, Some(_)) => text += ", and had to reboot",
                (None, None) => {}
            }
            return Some(text);
        }
        let took = seconds(self.guard_began?, self.guard_done?);
        Some(format!("the guard took {took:.1} s at boot"))
    }
}

/// Lines before `end`.
///
/// # Errors
/// There is no such line.
pub fn lines(text: &str) -> Result<Vec<&str>, BadReply> {
    let lines: Vec<&str> = text.lines().collect();
    match lines.iter().rposition(|line| *line == "end") {
        Some(at) => Ok(lines.into_iter().take(at).collect()),
        None => Err(BadReply::Cut),
    }
}

/// Why the target declined, if the line says that it did.
pub fn refusal(line: &str) -> Option<Refusal> {
    let mut words = line.strip_prefix("refused ")?.split(' ');
    match (words.next()?, words.next()) {
        ("busy", who) => Some(Refusal::Busy(who.unwrap_or("another").to_owned())),
        ("fenced", _) => Some(Refusal::Fenced),
        ("moved", _) => Some(Refusal::Moved),
        ("settled", Some(state)) => Some(Refusal::Settled(state_of(state)?)),
        _ => None,
    }
}

fn state_of(word: &str) -> Option<RecordState> {
    Some(match word {
        "armed" => RecordState::Armed,
        "promoting" => RecordState::Promoting,
        "confirmed" => RecordState::Confirmed,
        "reverting" => RecordState::Reverting,
        "reverted" => RecordState::Reverted,
        _ => return None,
    })
}

/// How far a unit is: `running`, `exited 0`, ….
pub fn unit_state(words: &str) -> Option<UnitState> {
    Some(match words.split_once(' ') {
        None => match words {
            "not-started" => UnitState::NotStarted,
            "running" => UnitState::Running,
            "vanished" => UnitState::Vanished,
            "lock" => UnitState::Exited(Exit::LockHeld),
            _ => return None,
        },
        Some(("exited", status)) => UnitState::Exited(Exit::Status(status.parse().ok()?)),
        Some(("signal", signal)) => UnitState::Exited(Exit::Signal(signal.parse().ok()?)),
        Some(_) => return None,
    })
}

/// A progress of a unit: how far, and how long its log is.
///
/// # Errors
/// The answer is not one.
pub fn awaited(text: &str) -> Result<(UnitState, u64, String), BadReply> {
    let mut state = None;
    let mut length = 0;
    let mut log = String::new();
    for line in lines(text)? {
        let bad = || BadReply::Line(line.to_owned());
        if let Some(words) = line.strip_prefix("state ") {
            state = Some(unit_state(words).ok_or_else(bad)?);
        } else if let Some(number) = line.strip_prefix("log ") {
            length = number.parse().map_err(|_| bad())?;
        } else if let Some(said) = line.strip_prefix("| ") {
            log.push_str(said);
            log.push('\n');
        }
    }
    Ok((state.ok_or(BadReply::Missing("state"))?, length, log))
}

/// A target as the probe saw it.
///
/// # Errors
/// The answer is not one.
pub fn observation(text: &str) -> Result<Observation, BadReply> {
    let lines = lines(text)?;
    // A login may print something before.
    let from = lines.iter().position(|line| *line == "fleet-rollout 1");
    let lines = lines.get(from.ok_or(BadReply::Missing("fleet-rollout 1"))? + 1..);
    let lines = lines.unwrap_or_default();
    let word = |key: &'static str| {
        let mut found = lines.iter().filter_map(|line| line.strip_prefix(key));
        let rest = found.find_map(|rest| rest.strip_prefix(' '));
        rest.filter(|rest| !rest.is_empty())
    };
    let need = |key: &'static str| word(key).ok_or(BadReply::Missing(key));
    let path = |key: &'static str| need(key).map(|path| StorePath(path.to_owned()));
    let number = |key: &'static str| word(key).and_then(|text| text.parse::<u64>().ok());
    let failed: BTreeSet<String> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("failed "))
        .map(str::to_owned)
        .collect();
    Ok(Observation {
        current: path("current")?,
        profile: path("profile")?,
        generation: number("generation").ok_or(BadReply::Missing("generation"))?,
        boot_default: path("boot")?,
        booted: StorePath(word("booted").unwrap_or_default().to_owned()),
        boot_id: need("boot-id")?.to_owned(),
        failed_units: failed,
        guard: word("guard") == Some("yes"),
        record: word("record")
            .map(|words| record(words, &word))
            .transpose()?,
    })
}

fn record<'a>(
    words: &str,
    word: &dyn Fn(&'static str) -> Option<&'a str>,
) -> Result<Record, BadReply> {
    let bad = || BadReply::Line(format!("record {words}"));
    let parts: Vec<&str> = words.split(' ').collect();
    let [rollout, attempt, token, state] = parts.as_slice() else {
        return Err(bad());
    };
    let unit = |key: &'static str| {
        let words = word(key).ok_or(BadReply::Missing(key))?;
        unit_state(words).ok_or_else(|| BadReply::Line(format!("{key} {words}")))
    };
    let number = |key: &'static str| word(key).and_then(|text| text.parse::<u64>().ok());
    let test = word("test").ok_or(BadReply::Missing("test"))?;
    let (start, far) = test.split_once(' ').ok_or_else(bad)?;
    Ok(Record {
        rollout: (*rollout).to_owned(),
        attempt: attempt.parse().map_err(|_| bad())?,
        token: token.parse().map_err(|_| bad())?,
        state: state_of(state).ok_or_else(bad)?,
        test: (
            start.parse().map_err(|_| bad())?,
            unit_state(far).ok_or_else(|| BadReply::Line(format!("test {test}")))?,
        ),
        commit: unit("commit")?,
        revert: unit("revert")?,
        watched: word("watched") == Some("yes"),
        boot_id: word("record-boot-id").unwrap_or_default().to_owned(),
        watch: Watch {
            deadline: number("watch-deadline"),
            began: number("watch-began"),
            done: number("watch-done"),
            guard_began: number("guard-began"),
            guard_done: number("guard-done"),
            reverted_by: word("reverted-by").map(str::to_owned),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: &str = "Welcome\nfleet-rollout 1\ncurrent /nix/store/a\nprofile /nix/store/a\n\
        generation 7\nboot /nix/store/a\nbooted \nboot-id 5\nfree /nix 100\nfree /boot 4\n\
        failed x.service\nguard yes\nrecord r1 2 9 armed\nrecord-boot-id 5\ntest 1 running\n\
        commit not-started\nrevert exited 3\nwatched yes\nwatch-deadline 77\nend\n";

    #[test]
    fn what_a_watchdog_did_is_said() {
        let watch = |began, done, guard_began, guard_done| Watch {
            deadline: Some(5_000),
            began,
            done,
            guard_began,
            guard_done,
            reverted_by: None,
        };
        let check = |watch: Watch, expect: &str| {
            assert_eq!(watch.said().unwrap_or_default(), expect);
        };
        check(watch(None, None, None, None), "");
        check(
            watch(Some(5_700), Some(6_900), None, None),
            "the watchdog began 0.7 s after its deadline, and took 1.2 s",
        );
        check(
            watch(Some(5_700), None, Some(900), Some(1_000)),
            "the watchdog began 0.7 s after its deadline, and had to reboot",
        );
        check(
            watch(None, None, Some(900), Some(1_000)),
            "the guard took 0.1 s at boot",
        );
    }

    #[test]
    fn an_observation_is_read() {
        let seen = observation(SEEN).unwrap();
        assert!(seen.guard && seen.failed_units.contains("x.service"));
        let record = seen.record.unwrap();
        assert_eq!(record.watch.deadline, Some(77));
        assert_eq!((record.attempt, record.token), (2, 9));
        assert_eq!(record.test, (1, UnitState::Running));
        assert_eq!(record.revert, UnitState::Exited(Exit::Status(3)));
    }

    #[test]
    fn half_an_answer_is_none() {
        for cut in 0..SEEN.len() - 1 {
            assert!(observation(&SEEN[..cut]).is_err(), "{cut}");
        }
        for line in SEEN.lines().filter(|line| {
            ["current", "profile", "generation", "boot ", "boot-id"]
                .iter()
                .any(|key| line.starts_with(key))
        }) {
            assert!(observation(&SEEN.replace(line, "")).is_err(), "{line}");
        }
    }

    #[test]
    fn refusals_are_read() {
        let check = |line, expect| assert_eq!(refusal(line), expect, "{line}");
        check("refused busy r2", Some(Refusal::Busy("r2".to_owned())));
        check("refused fenced", Some(Refusal::Fenced));
        check(
            "refused settled promoting",
            Some(Refusal::Settled(RecordState::Promoting)),
        );
        check("refused settled nonsense", None);
        check("done", None);
    }
}
