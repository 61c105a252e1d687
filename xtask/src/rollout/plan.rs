//! What a rollout is to do: fixed when it starts, and the first record of its journal.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::deadlines::Deadlines;

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
    /// How it is reached; by its name if this does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// How it will be reached once it runs the closure, where that is another way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Address>,
    /// What the closure is built from, where it may have to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derivation: Option<StorePath>,
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
    /// Whether it reboots, into what it was booted from, if even going back fails.
    #[serde(default = "yes")]
    pub reboot_if_rollback_fails: bool,
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
            address: None,
            next: None,
            derivation: None,
            build_on: BuildOn::default(),
            substitute: false,
            moves: false,
            may_reboot: true,
            reboot_if_rollback_fails: true,
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
    /// The commit that the closures are of, for what changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
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
            revision: None,
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
}
