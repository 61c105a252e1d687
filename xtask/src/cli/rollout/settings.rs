//! What owners say of their hosts, as a rollout takes it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::{self, Config, Deploy};
use crate::engine::rollout::Hooks;
use crate::inventory::{HostEntry, Kind, Need};
use crate::problem::Problem;
use crate::proof::derivation::Facts;
use crate::rollout::{Address, BuildOn, Check, HostPlan, Policy, StorePath};

/// One host as it is to be, without a stage of its own if it has none.
pub(super) fn host(config: &Config, entry: &HostEntry, facts: &Facts) -> Result<HostPlan, Problem> {
    let stage = entry.stage.unwrap_or(0);
    let closure = facts.output.clone().unwrap_or_default();
    let mut host = HostPlan::new(&entry.name, stage, StorePath(closure));
    host.derivation = facts.derivation.clone().map(StorePath);
    config.rollout.times.apply(&mut host.deadlines);
    if let Some(rollout) = &entry.rollout {
        rollout.times.apply(&mut host.deadlines);
        host.colour = rollout.colour;
        host.may_reboot = rollout.may_reboot.unwrap_or(true);
        host.reboot_if_rollback_fails = rollout.reboot_if_rollback_fails.unwrap_or(true);
    }
    host.group.clone_from(&entry.group);
    // Who only watches another host, or reads a value of its configuration, does
    // not need it to be there.
    let loose = |need: &&Need| !matches!(need.kind, Kind::Metrics | Kind::Config);
    let needs = entry.needs.iter().filter(loose);
    host.needs = needs.map(|need| need.host.clone()).collect();
    host.policy = match entry.policy.as_deref() {
        None | Some("required") => Policy::Required,
        Some("when-reachable") => Policy::WhenReachable,
        Some(other) => {
            return Err(bad(entry, &format!("`policy` is `{other}`"))
                .help("`required` or `when-reachable`"));
        }
    };
    host.health = entry.health.iter().map(check).collect();
    // Where nobody says it and the model cannot follow it, Nix has seen it.
    let deploy = entry.deploy.clone().or_else(|| nixinate(&facts.beside));
    if let Some(deploy) = &deploy {
        host.address = address(deploy, &entry.name);
        host.next = deploy.next.as_ref().and_then(|next| {
            // What it does not say stays as it is.
            let merged = Deploy {
                host: next.host.clone().or_else(|| deploy.host.clone()),
                user: next.user.clone().or_else(|| deploy.user.clone()),
                port: next.port.or(deploy.port),
                ..Deploy::default()
            };
            address(&merged, &entry.name)
        });
        host.moves = host.next.is_some();
        host.substitute = deploy.substitute_on_destination.unwrap_or(false);
        host.build_on = match deploy.build_on.as_deref() {
            None | Some("local") => BuildOn::Local,
            Some("remote") => BuildOn::Remote,
            Some(other) => {
                return Err(
                    bad(entry, &format!("`build-on` is `{other}`")).help("`local` or `remote`")
                );
            }
        };
    }
    Ok(host)
}

/// Stages for hosts that have none: who is needed by others goes later.
pub(super) fn proposal(hosts: &[HostEntry]) -> String {
    let mut stage: BTreeMap<&str, u32> = hosts.iter().map(|host| (host.name.as_str(), 1)).collect();
    // A circle would go on for ever.
    for _ in 0..hosts.len() {
        for host in hosts {
            let own = stage.get(host.name.as_str()).copied().unwrap_or(1);
            for need in &host.needs {
                if let Some(other) = stage.get_mut(need.host.as_str())
                    && *other <= own
                    && own < 4
                {
                    *other = own + 1;
                }
            }
        }
    }
    let mut text = String::from("# A proposal: whom nobody needs goes first.\n");
    for (name, stage) in stage {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if name.chars().all(plain) {
            text += &format!("[hosts.{name}]\nstage = {stage}\n");
        } else {
            text += &format!("[hosts.{name:?}]\nstage = {stage}\n");
        }
    }
    text
}

fn bad(entry: &HostEntry, what: &str) -> Problem {
    Problem::error("bad-setting", format!("{}: {what}", entry.name))
}

pub(super) fn hooks(config: &Config) -> BTreeMap<String, Hooks> {
    let hook = |(name, group): (&String, &config::Group)| {
        let hooks = Hooks {
            switch: group.switch.clone(),
            traffic: group.traffic.clone(),
        };
        (name.clone(), hooks)
    };
    config.groups.iter().map(hook).collect()
}

/// What `_module.args.nixinate` says, as Nix evaluates it.
fn nixinate(beside: &Value) -> Option<Deploy> {
    let set = beside.get("nixinate")?;
    let word = |key: &str| Some(set.get(key)?.as_str()?.to_owned());
    let port = set.get("port").and_then(Value::as_u64);
    Some(Deploy {
        host: Some(word("host")?),
        user: word("sshUser"),
        port: port.and_then(|port| u16::try_from(port).ok()),
        build_on: word("buildOn"),
        substitute_on_destination: set.get("substituteOnTarget").and_then(Value::as_bool),
        next: None,
    })
}

/// How a host is reached; by its name if nothing says otherwise. The usual port is
/// left to the configuration of ssh.
pub(super) fn address(deploy: &Deploy, name: &str) -> Option<Address> {
    Some(Address {
        host: deploy.host.clone().unwrap_or_else(|| name.to_owned()),
        user: deploy.user.clone(),
        port: deploy.port.filter(|port| *port != 22),
    })
}

fn check(health: &config::Health) -> Check {
    let timeout = Some(u32::from(health.timeout));
    match &health.check {
        config::Check::Unit { name } => Check::Unit { name: name.clone() },
        config::Check::Tcp { port } => Check::Tcp {
            port: *port,
            timeout,
        },
        config::Check::Http { url, status } => Check::Http {
            url: url.clone(),
            status: Some(*status),
            timeout,
        },
        config::Check::Command { run } => Check::Command {
            run: run.clone(),
            timeout,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nixinate_data_is_read() {
        let said = json!({ "nixinate": {
            "host": "192.0.2.1", "sshUser": "ops", "port": 2222, "buildOn": "remote",
            "substituteOnTarget": true, "hermetic": false,
        }});
        let deploy = nixinate(&said).unwrap();
        assert_eq!(
            address(&deploy, "a").unwrap().to_string(),
            "ops@192.0.2.1:2222"
        );
        assert_eq!(deploy.build_on.as_deref(), Some("remote"));
        assert_eq!(deploy.substitute_on_destination, Some(true));
        for none in [
            json!(null),
            json!({ "nixinate": null }),
            json!({ "nixinate": { "failed": true } }),
        ] {
            assert_eq!(nixinate(&none), None);
        }
    }
}
