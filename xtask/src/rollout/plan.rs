//! What a rollout is to do: fixed when it starts, and the first record of its journal.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// A span of time, in milliseconds.
pub type Millis = u64;

/// A path in the Nix store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StorePath(pub String);

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One of the two halves of a blue-green group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Colour {
    /// The one.
    Blue,
    /// The other.
    Green,
}

impl Colour {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Blue => Self::Green,
            Self::Green => Self::Blue,
        }
    }
}

/// What becomes of the stage when a host cannot be reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// It fails.
    #[default]
    Required,
    /// The host is listed as pending; a resume catches up.
    WhenReachable,
}

/// Where a closure comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuildOn {
    /// Built by the operator.
    #[default]
    Local,
    /// Its derivation is copied to the target and built there.
    Remote,
    /// It exists already (a rollback): only copied, if the target has lost it.
    Existing,
}

/// One health check; the form of `[[health]]` in `host.toml`. Timeouts are in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Check {
    /// A connection that is new, not a multiplexed one, can be made.
    Reachable,
    /// No unit has failed that had not failed before the rollout.
    NoNewFailedUnits,
    /// The unit is active.
    Unit {
        /// With its suffix.
        name: String,
    },
    /// The port accepts connections.
    Tcp {
        /// On the target.
        port: u16,
        /// Seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<u32>,
    },
    /// The address answers with the status.
    Http {
        /// As the operator sees it.
        url: String,
        /// 200 if not set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// Seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<u32>,
    },
    /// The command exits with 0 on the target.
    Command {
        /// Program and arguments.
        run: Vec<String>,
        /// Seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<u32>,
    },
}

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

/// What is to be done to one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPlan {
    /// Its name in the fleet.
    pub name: String,
    /// From 1.
    pub stage: u32,
    /// What it is to run.
    pub closure: StorePath,
    /// The generation that leads there, if there was one: taken again in
    /// preference to a new one as long as it still does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// What an unreachable host means.
    #[serde(default)]
    pub policy: Policy,
    /// Failure domain: its hosts are never changed at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Its half of a blue-green group, or, alone in its group, the additional
    /// system profile that keeps this closure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
    /// Hosts that it cannot do without.
    #[serde(default)]
    pub needs: BTreeSet<String>,
    /// Beside reachability and failed units, which are always looked at.
    #[serde(default)]
    pub health: Vec<Check>,
    /// Where it is built.
    #[serde(default)]
    pub build_on: BuildOn,
    /// The target may fetch from its own substituters.
    #[serde(default)]
    pub substitute: bool,
    /// The closure changes how the host is reached (`deploy.next`): it has to
    /// answer there before it counts as healthy.
    #[serde(default)]
    pub moves: bool,
    /// Whether it may be rebooted when a closure cannot be switched to.
    #[serde(default = "yes")]
    pub may_reboot: bool,
    /// Its own times.
    #[serde(default)]
    pub deadlines: Deadlines,
}

fn yes() -> bool {
    true
}

impl HostPlan {
    /// A host of which nothing but this is known; everything else at its default.
    pub fn new(name: impl Into<String>, stage: u32, closure: StorePath) -> Self {
        Self {
            name: name.into(),
            stage,
            closure,
            generation: None,
            policy: Policy::default(),
            group: None,
            colour: None,
            needs: BTreeSet::new(),
            health: Vec::new(),
            build_on: BuildOn::default(),
            substitute: false,
            moves: false,
            may_reboot: true,
            deadlines: Deadlines::default(),
        }
    }
}

/// How the hosts of a stage follow each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Wave by wave.
    #[default]
    Rolling,
    /// So many hosts of the stage first; the others when those have been healthy
    /// for the bake time.
    Canary(usize),
    /// The idle colour of these groups (each with the colour that has the
    /// traffic now), the traffic, the bake time, the other colour.
    BlueGreen(BTreeMap<String, Colour>),
}

/// What a used-up failure budget means for the hosts of the stage that went well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// They go back to their baselines.
    #[default]
    RollbackStage,
    /// They stay.
    Stop,
}

/// Which closure is a host's baseline when it is found on more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdoptDrift {
    /// What runs.
    Current,
    /// What the system profile leads to.
    Profile,
}

/// What the operator asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Options {
    /// Hosts that are worked on at the same time.
    pub jobs: usize,
    /// Hosts that may be in the course of a change at the same time.
    pub max_unavailable: Option<usize>,
    /// Failed hosts that a stage may have and still count as done.
    pub max_failures: usize,
    /// Hosts that may run something unproven at the same time. Not set: as many
    /// as may still fail, so that a bad closure cannot reach more hosts than
    /// the budget has room for (and the one that uses it up).
    pub at_risk: Option<usize>,
    /// See [`OnFailure`].
    pub on_failure: OnFailure,
    /// See [`Strategy`].
    pub strategy: Strategy,
    /// See [`AdoptDrift`]; refused if not set.
    pub adopt_drift: Option<AdoptDrift>,
    /// The order of the stages was overridden.
    pub force_stage: bool,
    /// Needs (who, whom) that do not count: what breaks a circle.
    pub ignore_needs: BTreeSet<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            jobs: 8,
            max_unavailable: None,
            max_failures: 0,
            at_risk: None,
            on_failure: OnFailure::default(),
            strategy: Strategy::default(),
            adopt_drift: None,
            force_stage: false,
            ignore_needs: BTreeSet::new(),
        }
    }
}

/// A whole rollout: all hosts of the fleet, and the stages that are its turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Names the rollout, also on the targets.
    pub id: String,
    /// Every host, also those of other stages: the digest is over all.
    pub hosts: Vec<HostPlan>,
    /// What is to be carried out, in this order.
    pub stages: BTreeSet<u32>,
    /// What the operator asked for.
    #[serde(default)]
    pub options: Options,
}

impl Plan {
    /// The digest over host -> toplevel of the whole rollout: what a stage is
    /// confirmed for.
    pub fn digest(&self) -> String {
        let hosts: BTreeMap<&str, &str> = self
            .hosts
            .iter()
            .map(|host| (host.name.as_str(), host.closure.0.as_str()))
            .collect();
        let mut hasher = blake3::Hasher::new();
        for (name, closure) in hosts {
            for part in [name, closure] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part.as_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_over_closures_alone() {
        let host = |name: &str, closure: &str| HostPlan::new(name, 1, StorePath(closure.into()));
        let plan = |hosts| Plan {
            id: "r".into(),
            hosts,
            stages: BTreeSet::from([1]),
            options: Options::default(),
        };
        let one = plan(vec![host("a", "x"), host("b", "y")]);
        let mut same = plan(vec![host("b", "y"), host("a", "x")]);
        same.hosts[0].stage = 2;
        assert_eq!(one.digest(), same.digest());
        assert_ne!(
            one.digest(),
            plan(vec![host("a", "y"), host("b", "x")]).digest()
        );
        assert_ne!(one.digest(), plan(vec![host("a", "x")]).digest());
        assert_ne!(
            plan(vec![host("a", "bx")]).digest(),
            plan(vec![host("ab", "x")]).digest()
        );
    }

    #[test]
    fn checks_have_the_form_of_host_toml() {
        #[derive(Deserialize)]
        struct File {
            health: Vec<Check>,
        }
        let file: File = toml::from_str(
            "[[health]]\nkind = \"unit\"\nname = \"a.service\"\n[[health]]\nkind = \"http\"\n\
             url = \"https://a.example/\"\nstatus = 200\ntimeout = 20\n[[health]]\n\
             kind = \"command\"\nrun = [\"true\"]\n",
        )
        .unwrap();
        assert_eq!(file.health.len(), 3);
        let wrong = toml::from_str::<File>("[[health]]\nkind = \"unit\"\nnmae = \"a\"\n");
        assert!(wrong.is_err());
    }

    #[test]
    fn the_watchdog_outlasts_what_takes_place_under_it() {
        let times = Deadlines::default();
        let under = times.activation + times.soak + times.checks + times.commit;
        assert!(times.watchdog() > under);
        assert!(times.settled() > times.watchdog_with_reboot() + times.revert());
    }
}
