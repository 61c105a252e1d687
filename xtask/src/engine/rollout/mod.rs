//! Real targets: actions of a rollout carried out over ssh, a worker each.

mod agent;
mod bring;
mod checks;
mod connection;
mod group;
pub mod journal;
mod nix;
mod session;
mod work;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use agent::NAME as AGENT;
pub use connection::{CallError, said};
pub use group::Hooks;
pub use nix::Store;
pub use session::{Ended, carry};

use crate::problem::Problem;
use crate::process::{DuctRunner, Runner, find_program};
use crate::rollout::{Action, Address, HostPlan, Observation, Outcome, Plan, Targets, Task, reply};
use crate::tools::ssh::Ssh;
use agent::{Agent, Failed};
use connection::Connection;
use work::{SharedTarget, Target};

/// Is told what a host, or a group, says.
pub type Said = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// What it takes to reach targets.
pub struct Reach {
    /// The configuration of ssh, where it is not the user's.
    pub ssh_config: Option<PathBuf>,
    /// The operator's store.
    pub store: Arc<Store>,
    /// Hooks of groups, by name.
    pub hooks: BTreeMap<String, Hooks>,
    /// Is told what targets say.
    pub said: Said,
}

/// The hosts of a rollout.
pub struct Fleet {
    targets: BTreeMap<String, SharedTarget>,
    hooks: BTreeMap<String, Hooks>,
    runner: Arc<dyn Runner>,
    said: Said,
    sender: Sender<(Action, Outcome)>,
    receiver: Mutex<Receiver<(Action, Outcome)>>,
    under_way: usize,
}

/// A worker that dies would be waited for for ever.
struct Answer {
    sender: Sender<(Action, Outcome)>,
    pending: Option<Action>,
}

impl Answer {
    fn give(mut self, outcome: Outcome) {
        if let Some(action) = self.pending.take() {
            // Nobody listens any more at the end of a session.
            let _ = self.sender.send((action, outcome));
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(action) = self.pending.take() {
            let _ = self.sender.send((action, Outcome::Lost));
        }
    }
}

/// What a host needs to be reached by.
fn address_of(planned: &HostPlan) -> Address {
    planned.address.clone().unwrap_or_else(|| Address {
        host: planned.name.clone(),
        ..Address::default()
    })
}

impl Fleet {
    /// Prepares; no connection is made yet.
    ///
    /// # Errors
    /// There is no ssh, or an address is none.
    pub fn new(plan: &Plan, reach: Reach, path: &OsStr) -> Result<Self, Problem> {
        let program = find_program("ssh", path).ok_or_else(|| {
            Problem::error("no-ssh", "ssh is not installed").help("cargo xtask doctor")
        })?;
        let ssh = Ssh::prepare(program, reach.ssh_config.as_deref()).map_err(|error| {
            let what = match &reach.ssh_config {
                Some(path) => format!("{}: {error}", path.display()),
                None => error.to_string(),
            };
            Problem::error("no-ssh", what)
        })?;
        let ssh = Arc::new(ssh);
        // What was begun is ended in order, whatever the terminal sends.
        let runner: Arc<dyn Runner> = Arc::new(DuctRunner::default());
        let mut targets = BTreeMap::new();
        for (number, planned) in plan.hosts.iter().enumerate() {
            let agent = |name: String, address: Address| {
                if let Some(what) = address.problem() {
                    return Err(
                        Problem::error("bad-address", format!("{}: {what}", planned.name))
                            .help("correct `deploy` of the host"),
                    );
                }
                let runner = Arc::clone(&runner);
                let connection = Connection::new(Arc::clone(&ssh), runner, name, address);
                Ok(Agent {
                    connection,
                    store: Arc::clone(&reach.store),
                })
            };
            let next = planned.next.clone();
            let target = Target {
                present: agent(format!("{number}"), address_of(planned))?,
                next: next
                    .map(|next| agent(format!("{number}n"), next))
                    .transpose()?,
                planned: planned.clone(),
                rollout: plan.id.clone(),
                latest: AtomicU64::new(u64::MAX),
                runner: Arc::clone(&runner),
                said: Arc::clone(&reach.said),
            };
            targets.insert(planned.name.clone(), Arc::new(target));
        }
        let (sender, receiver) = channel();
        Ok(Self {
            targets,
            hooks: reach.hooks,
            runner,
            said: reach.said,
            sender,
            receiver: Mutex::new(receiver),
            under_way: 0,
        })
    }

    /// What a host looks like, without putting anything there.
    ///
    /// # Errors
    /// It cannot be reached, or what it says makes no sense.
    pub fn glance(&self, host: &str) -> Result<Observation, String> {
        let target = self.targets.get(host).ok_or("no such host")?;
        match target.present.glance(Duration::from_secs(20)) {
            Ok(text) => reply::observation(&text).map_err(|error| error.to_string()),
            Err(Failed::Call(error)) => Err(said(error)),
            Err(Failed::There(text)) => Err(text),
            Err(Failed::Refused(refusal)) => Err(format!("{refusal:?}")),
        }
    }

    /// What a command on a host prints.
    ///
    /// # Errors
    /// It cannot be reached, or the command fails.
    pub fn ask(&self, host: &str, words: &[&str], patience: Duration) -> Result<String, String> {
        let target = self.targets.get(host).ok_or("no such host")?;
        match target.present.connection.call(words, patience) {
            Ok(output) if output.status == 0 => {
                Ok(String::from_utf8_lossy(&output.stdout).into_owned())
            }
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(said(error)),
        }
    }

    /// Connections made so far, by host.
    pub fn handshakes(&self) -> BTreeMap<String, usize> {
        let count = |target: &SharedTarget| {
            let next = target.next.as_ref();
            target.present.connection.handshakes()
                + next.map_or(0, |next| next.connection.handshakes())
        };
        let all = self.targets.iter();
        all.map(|(name, target)| (name.clone(), count(target)))
            .collect()
    }

    /// The next action that ends, within that time.
    fn next_within(&mut self, time: Duration) -> Result<(Action, Outcome), RecvTimeoutError> {
        let receiver = self.receiver.get_mut();
        let receiver = receiver.unwrap_or_else(PoisonError::into_inner);
        let answer = receiver.recv_timeout(time)?;
        self.under_way = self.under_way.saturating_sub(1);
        Ok(answer)
    }

    /// Ends all connections.
    pub fn close(&self) {
        std::thread::scope(|scope| {
            for target in self.targets.values() {
                scope.spawn(|| {
                    target.present.connection.close();
                    if let Some(next) = &target.next {
                        next.connection.close();
                    }
                });
            }
        });
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.close();
    }
}

impl Targets for Fleet {
    fn start(&mut self, action: Action) {
        self.under_way += 1;
        let answer = Answer {
            sender: self.sender.clone(),
            pending: Some(action.clone()),
        };
        let name = action.host.as_ref();
        if let Some(target) = name.and_then(|name| self.targets.get(name)) {
            let target = Arc::clone(target);
            target.latest.store(action.id, Ordering::SeqCst);
            std::thread::spawn(move || answer.give(target.work(&action)));
            return;
        }
        match &action.task {
            Task::Bake { hosts, .. } => {
                let targets = hosts.iter().filter_map(|(name, checks)| {
                    Some((Arc::clone(self.targets.get(name)?), checks.clone()))
                });
                let targets: Vec<_> = targets.collect();
                std::thread::spawn(move || answer.give(group::bake(&targets, &action)));
            }
            Task::Switch { group, .. } | Task::ReadTraffic { group } => {
                let hooks = self.hooks.get(group).cloned().unwrap_or_default();
                let runner = Arc::clone(&self.runner);
                let said = Arc::clone(&self.said);
                std::thread::spawn(move || answer.give(hooks.work(&action, &*runner, &*said)));
            }
            _ => answer.give(Outcome::Failed("no such host".to_owned())),
        }
    }

    fn next(&mut self) -> Option<(Action, Outcome)> {
        if self.under_way == 0 {
            return None;
        }
        self.under_way -= 1;
        let receiver = self.receiver.get_mut();
        let receiver = receiver.unwrap_or_else(PoisonError::into_inner);
        receiver.recv().ok()
    }
}
