//! How long everything may take.

use serde::{Deserialize, Serialize};

/// A span of time, in milliseconds.
pub type Millis = u64;

/// How long each step may take, enforced by the operator's side and, from the
/// arming of the watchdog on, by the target too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Deadlines {
    /// Probe, reading back, arming, releasing: each a few commands.
    pub command: Millis,
    /// Build.
    pub build: Millis,
    /// Copy.
    pub copy: Millis,
    /// One activation, forth or back.
    pub activation: Millis,
    /// How long the health checks have to hold.
    pub soak: Millis,
    /// Between two rounds of the checks.
    pub interval: Millis,
    /// One round of the checks.
    pub checks: Millis,
    /// Profile, boot entry and confirmation.
    pub commit: Millis,
    /// Until a host that was told to reboot answers again.
    pub reboot: Millis,
    /// Before an activation is tried again that another one was in the way of.
    pub lock_pause: Millis,
    /// How often that is tried.
    pub lock_tries: u32,
    /// How long the traffic of a blue-green group, or a canary, is watched.
    pub bake: Millis,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            command: 30_000,
            build: 3_600_000,
            copy: 1_800_000,
            activation: 300_000,
            soak: 30_000,
            interval: 5_000,
            checks: 60_000,
            commit: 120_000,
            reboot: 600_000,
            lock_pause: 10_000,
            lock_tries: 6,
            bake: 60_000,
        }
    }
}

impl Deadlines {
    /// When the watchdog begins to act, counted from its arming: all that may
    /// take place under it has had its time by then.
    pub fn watchdog(&self) -> Millis {
        let waiting = self.lock_pause.saturating_mul(self.lock_tries.into());
        [
            waiting,
            self.activation,
            self.soak,
            self.checks,
            self.commit,
            self.command.saturating_mul(4),
        ]
        .iter()
        .fold(0, |sum, part| sum.saturating_add(*part))
    }

    /// The same when a reboot lies in between.
    pub fn watchdog_with_reboot(&self) -> Millis {
        self.watchdog().saturating_add(self.reboot)
    }

    /// What the watchdog may take once it has begun: ten seconds to kill, the
    /// baseline's activation, and a reboot if that fails.
    pub fn revert(&self) -> Millis {
        self.activation
            .saturating_add(10_000)
            .saturating_add(self.reboot)
    }

    /// After this a host that was changed is on one of its two closures, or off.
    pub fn settled(&self) -> Millis {
        self.watchdog_with_reboot()
            .saturating_add(self.revert())
            .saturating_add(self.command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_outlasts_what_takes_place_under_it() {
        let times = Deadlines::default();
        let under = times.activation + times.soak + times.checks + times.commit;
        assert!(times.watchdog() > under);
        assert!(times.settled() > times.watchdog_with_reboot() + times.revert());
    }
}
