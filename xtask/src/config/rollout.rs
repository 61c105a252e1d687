//! What owners say about rolling out: `[rollout]` of a host and of the fleet, and
//! `[groups.NAME]`.

use serde::{Deserialize, Serialize};

use crate::rollout::{Colour, Deadlines, Millis, OnFailure};

/// Times in seconds; what is not said is as of the fleet, or the default.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Times {
    /// Looking at a host, arming, releasing.
    pub command_timeout: Option<f64>,
    /// A build.
    pub build_timeout: Option<f64>,
    /// A copy.
    pub copy_timeout: Option<f64>,
    /// One activation.
    pub activation_timeout: Option<f64>,
    /// How long the checks have to hold.
    pub soak: Option<f64>,
    /// Between two rounds of the checks.
    pub interval: Option<f64>,
    /// How long the checks may fail at first.
    pub check_timeout: Option<f64>,
    /// Profile and boot entry.
    pub commit_timeout: Option<f64>,
    /// How long another activation on the host is waited for.
    pub lock_timeout: Option<f64>,
    /// A reboot.
    pub reboot_timeout: Option<f64>,
    /// How long a canary, or moved traffic, is watched.
    pub bake: Option<f64>,
}

/// `[rollout]` of a host.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct HostRollout {
    /// Its half of a blue-green group.
    pub colour: Option<Colour>,
    /// Whether it may be rebooted into a closure that cannot be switched to.
    pub may_reboot: Option<bool>,
    /// Whether it reboots if even going back fails.
    pub reboot_if_rollback_fails: Option<bool>,
    /// Its times.
    #[serde(flatten)]
    pub times: Times,
}

/// `[rollout]` of the fleet.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct FleetRollout {
    /// Hosts that are worked on at the same time.
    pub jobs: Option<usize>,
    /// Hosts that may be in the course of a change at the same time.
    pub max_unavailable: Option<usize>,
    /// Failed hosts that a stage may have.
    pub max_failures: Option<usize>,
    /// Hosts that may run something unproven at the same time.
    pub at_risk: Option<usize>,
    /// What a used-up budget means for the hosts that went well.
    pub on_failure: Option<OnFailure>,
    /// Needs (who, whom) that do not count.
    pub ignore_needs: Vec<(String, String)>,
    /// The times of hosts that do not have their own.
    #[serde(flatten)]
    pub times: Times,
}

/// `[groups.NAME]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Group {
    /// The command that moves the traffic; the colour is its last argument.
    pub switch: Vec<String>,
    /// The command that prints the colour which has the traffic.
    pub traffic: Vec<String>,
}

/// The names of all times, for what knows settings by name.
pub const TIMES: &[&str] = &[
    "command-timeout",
    "build-timeout",
    "copy-timeout",
    "activation-timeout",
    "soak",
    "interval",
    "check-timeout",
    "commit-timeout",
    "lock-timeout",
    "reboot-timeout",
    "bake",
];

impl Times {
    /// Puts what is said into the place of what is not.
    pub fn apply(&self, deadlines: &mut Deadlines) {
        let set = |place: &mut Millis, said: Option<f64>| {
            if let Some(seconds) = said.filter(|seconds| seconds.is_finite() && *seconds >= 0.0) {
                // Casts of floats saturate.
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let milliseconds = (seconds * 1000.0) as Millis;
                *place = milliseconds;
            }
        };
        set(&mut deadlines.command, self.command_timeout);
        set(&mut deadlines.build, self.build_timeout);
        set(&mut deadlines.copy, self.copy_timeout);
        set(&mut deadlines.activation, self.activation_timeout);
        set(&mut deadlines.soak, self.soak);
        set(&mut deadlines.interval, self.interval);
        set(&mut deadlines.checks, self.check_timeout);
        set(&mut deadlines.commit, self.commit_timeout);
        set(&mut deadlines.reboot, self.reboot_timeout);
        set(&mut deadlines.bake, self.bake);
        let tries = f64::from(deadlines.lock_tries.max(1));
        let pause = self.lock_timeout.map(|seconds| seconds / tries);
        set(&mut deadlines.lock_pause, pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_seconds() {
        let host: HostRollout =
            toml::from_str("colour = \"green\"\nsoak = 2.5\nmay-reboot = false\nbake = -1\n")
                .unwrap();
        let mut deadlines = Deadlines::default();
        let before = deadlines.clone();
        host.times.apply(&mut deadlines);
        assert_eq!(deadlines.soak, 2_500);
        assert_eq!(deadlines.bake, before.bake);
        assert_eq!(
            (host.colour, host.may_reboot),
            (Some(Colour::Green), Some(false))
        );
        let fleet: FleetRollout = toml::from_str(
            "max-failures = 1\non-failure = \"stop\"\nignore-needs = [[\"a\", \"b\"]]\nsoak = 1\n",
        )
        .unwrap();
        assert_eq!(fleet.max_failures, Some(1));
        assert_eq!(fleet.on_failure, Some(OnFailure::Stop));
        assert_eq!(fleet.times.soak, Some(1.0));
    }
}
