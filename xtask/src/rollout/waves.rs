//! In which order the hosts of a stage are touched.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::plan::{Colour, Plan, Policy, Strategy};

/// A plan that cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Two hosts have one name.
    #[error("host `{0}` is in the plan twice")]
    Twice(String),
    /// The stage has no host.
    #[error("no host is in stage {0}")]
    Empty(u32),
    /// Hosts need each other in a circle, at least one of them in a stage of the plan.
    #[error("these hosts need each other: {}; declare which need does not count", .0.join(", "))]
    Circle(Vec<String>),
    /// A blue-green group without a host of one colour.
    #[error("group `{group}` has no host of colour {colour:?} in stage {stage}")]
    Colourless {
        /// Which.
        group: String,
        /// What is missing.
        colour: Colour,
        /// Where.
        stage: u32,
    },
    /// A member of a blue-green group that may be absent, or has no colour.
    #[error("host `{0}` of a blue-green group needs a colour and the policy `required`")]
    Member(String),
}

/// One thing of a stage; they follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Hosts (positions in the plan) that may be changed side by side.
    Wave(Vec<usize>),
    /// These hosts have to be healthy for the bake time.
    Bake(Vec<usize>),
    /// The traffic of a blue-green group moves.
    Switch {
        /// Whose.
        group: String,
        /// Where it goes.
        to: Colour,
    },
}

/// An act and the stage that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scene {
    /// From 1.
    pub stage: u32,
    /// What is done.
    pub act: Act,
}

/// All that a plan does, in order.
///
/// # Errors
/// The plan cannot be carried out.
pub fn script(plan: &Plan) -> Result<Vec<Scene>, PlanError> {
    let mut names = BTreeSet::new();
    if let Some(twice) = plan.hosts.iter().find(|host| !names.insert(&host.name)) {
        return Err(PlanError::Twice(twice.name.clone()));
    }
    let reach = reach(plan);
    let mut scenes = Vec::new();
    for stage in &plan.stages {
        let acts = acts(plan, *stage, &reach)?;
        scenes.extend(acts.into_iter().map(|act| Scene { stage: *stage, act }));
    }
    Ok(scenes)
}

fn acts(plan: &Plan, stage: u32, reach: &[BTreeSet<usize>]) -> Result<Vec<Act>, PlanError> {
    let hosts: Vec<usize> = (0..plan.hosts.len())
        .filter(|at| plan.hosts.get(*at).is_some_and(|host| host.stage == stage))
        .collect();
    if hosts.is_empty() {
        return Err(PlanError::Empty(stage));
    }
    let waves = |hosts: &[usize]| waves(plan, hosts, reach);
    let all = waves(&hosts)?;
    match &plan.options.strategy {
        Strategy::Rolling => Ok(all),
        Strategy::Canary(count) => {
            let ordered: Vec<usize> = all.iter().flat_map(members).copied().collect();
            let (first, rest) = ordered.split_at((*count).clamp(1, ordered.len()));
            if rest.is_empty() {
                return Ok(all);
            }
            let mut acts = waves(first)?;
            acts.push(Act::Bake(first.to_vec()));
            acts.extend(waves(rest)?);
            Ok(acts)
        }
        Strategy::BlueGreen(groups) => {
            let of = |group: &str, colour| -> Vec<usize> {
                let member = |at: &&usize| {
                    plan.hosts.get(**at).is_some_and(|host| {
                        host.group.as_deref() == Some(group) && host.colour == Some(colour)
                    })
                };
                hosts.iter().filter(member).copied().collect()
            };
            let in_group = |at: &usize| {
                let group = plan.hosts.get(*at).and_then(|host| host.group.as_ref());
                group.is_some_and(|group| groups.contains_key(group))
            };
            for host in hosts.iter().filter(|at| in_group(at)) {
                let member = plan.hosts.get(*host);
                let fit = |host: &&super::plan::HostPlan| {
                    host.colour.is_some() && host.policy == Policy::Required
                };
                if let Some(unfit) = member.filter(|host| !fit(host)) {
                    return Err(PlanError::Member(unfit.name.clone()));
                }
            }
            let others: Vec<usize> = hosts.iter().filter(|at| !in_group(at)).copied().collect();
            let mut acts = waves(&others)?;
            for (group, active) in groups {
                let present = hosts.iter().any(|at| {
                    let host = plan.hosts.get(*at);
                    host.is_some_and(|host| host.group.as_deref() == Some(group))
                });
                if !present {
                    continue;
                }
                let idle = active.other();
                let (first, second) = (of(group, idle), of(group, *active));
                for (colour, hosts) in [(idle, &first), (*active, &second)] {
                    if hosts.is_empty() {
                        let group = group.clone();
                        return Err(PlanError::Colourless {
                            group,
                            colour,
                            stage,
                        });
                    }
                }
                acts.extend(waves(&first)?);
                acts.push(Act::Switch {
                    group: group.clone(),
                    to: idle,
                });
                acts.push(Act::Bake(first));
                acts.extend(waves(&second)?);
            }
            Ok(acts)
        }
    }
}

/// The hosts of a wave.
pub fn members(act: &Act) -> &[usize] {
    match act {
        Act::Wave(hosts) => hosts,
        Act::Bake(_) | Act::Switch { .. } => &[],
    }
}

/// For every host all that it needs, also through others.
fn reach(plan: &Plan) -> Vec<BTreeSet<usize>> {
    let position: BTreeMap<&str, usize> = plan
        .hosts
        .iter()
        .map(|host| host.name.as_str())
        .zip(0..)
        .collect();
    let ignored = &plan.options.ignore_needs;
    let direct: Vec<Vec<usize>> = plan
        .hosts
        .iter()
        .map(|host| {
            let counts = |need: &&String| {
                **need != host.name && !ignored.contains(&(host.name.clone(), (*need).clone()))
            };
            let needs = host.needs.iter().filter(counts);
            needs
                .filter_map(|need| position.get(need.as_str()).copied())
                .collect()
        })
        .collect();
    let follow = |start: &Vec<usize>| {
        let mut seen = BTreeSet::new();
        let mut open = start.clone();
        while let Some(at) = open.pop() {
            if seen.insert(at) {
                open.extend(direct.get(at).into_iter().flatten());
            }
        }
        seen
    };
    direct.iter().map(follow).collect()
}

/// Hosts in waves: every host comes after all of the same stage that it needs,
/// and no two of one group are side by side. What is needed goes first: if it
/// fails, nobody that stands on it has been touched.
fn waves(plan: &Plan, hosts: &[usize], reach: &[BTreeSet<usize>]) -> Result<Vec<Act>, PlanError> {
    let needs = |at: usize| reach.get(at).into_iter().flatten();
    let name = |at: &usize| plan.hosts.get(*at).map(|host| host.name.clone());
    let within: BTreeSet<usize> = hosts.iter().copied().collect();
    let circular = |at: &usize| needs(*at).any(|need| need == at);
    if hosts.iter().any(circular) {
        let circle = (0..plan.hosts.len()).filter(circular);
        return Err(PlanError::Circle(
            circle.filter_map(|at| name(&at)).collect(),
        ));
    }
    // Whoever needs fewer hosts cannot need one that needs more.
    let mut order: Vec<usize> = hosts.to_vec();
    order.sort_by_key(|at| (needs(*at).count(), *at));
    let mut level: BTreeMap<usize, usize> = BTreeMap::new();
    let mut groups: BTreeSet<(usize, &str)> = BTreeSet::new();
    let mut waves: Vec<Vec<usize>> = Vec::new();
    for at in order {
        let below = needs(at).filter(|need| within.contains(need));
        let mut wave = below
            .filter_map(|need| level.get(need).map(|wave| wave + 1))
            .max()
            .unwrap_or(0);
        if let Some(group) = plan.hosts.get(at).and_then(|host| host.group.as_deref()) {
            while !groups.insert((wave, group)) {
                wave += 1;
            }
        }
        level.insert(at, wave);
        waves.resize_with(waves.len().max(wave + 1), Vec::new);
        if let Some(hosts) = waves.get_mut(wave) {
            hosts.push(at);
        }
    }
    waves.retain(|hosts| !hosts.is_empty());
    waves.iter_mut().for_each(|hosts| hosts.sort_unstable());
    Ok(waves.into_iter().map(Act::Wave).collect())
}

#[cfg(test)]
mod tests {
    use super::super::plan::{HostPlan, Options, StorePath};
    use super::*;

    /// `name/stage[@group][+colour][>need,need]`, separated by blanks.
    fn plan(text: &str, strategy: Strategy) -> Plan {
        let host = |text: &str| {
            let (text, needs) = text.split_once('>').unwrap_or((text, ""));
            let (text, colour) = text.split_once('+').unwrap_or((text, ""));
            let (text, group) = text.split_once('@').unwrap_or((text, ""));
            let (name, stage) = text.split_once('/').unwrap();
            let mut host = HostPlan::new(name, stage.parse().unwrap(), StorePath("x".into()));
            host.needs = needs.split_terminator(',').map(str::to_owned).collect();
            host.group = (!group.is_empty()).then(|| group.to_owned());
            host.colour = match colour {
                "b" => Some(Colour::Blue),
                "g" => Some(Colour::Green),
                _ => None,
            };
            host
        };
        let hosts: Vec<HostPlan> = text.split_whitespace().map(host).collect();
        Plan {
            id: "r".into(),
            stages: hosts.iter().map(|host| host.stage).collect(),
            hosts,
            revision: None,
            options: Options {
                strategy,
                ..Options::default()
            },
        }
    }

    fn shown(plan: &Plan) -> String {
        let name = |at: &usize| plan.hosts[*at].name.clone();
        let names = |hosts: &[usize]| hosts.iter().map(name).collect::<Vec<_>>().join(" ");
        let scene = |scene: &Scene| match &scene.act {
            Act::Wave(hosts) => format!("{}: {}", scene.stage, names(hosts)),
            Act::Bake(hosts) => format!("{}: bake {}", scene.stage, names(hosts)),
            Act::Switch { group, to } => format!("{}: {group} to {to:?}", scene.stage),
        };
        match script(plan) {
            Ok(scenes) => scenes.iter().map(scene).collect::<Vec<_>>().join("; "),
            Err(error) => error.to_string(),
        }
    }

    #[track_caller]
    fn check(text: &str, strategy: Strategy, expect: &str) {
        assert_eq!(shown(&plan(text, strategy)), expect, "{text}");
    }

    #[test]
    fn order() {
        use Strategy::{BlueGreen, Canary, Rolling};
        check("a/1 b/1 c/2", Rolling, "1: a b; 2: c");
        check("a/1>b b/1 c/1", Rolling, "1: b c; 1: a");
        check("a/1@dns b/1@dns c/1", Rolling, "1: a c; 1: b");
        check("a/1>x x/2>b b/1", Rolling, "1: b; 1: a; 2: x");
        check("a/1>nobody,a", Rolling, "1: a");
        check("a/1 b/1 c/1", Canary(1), "1: a; 1: bake a; 1: b c");
        check("a/1", Canary(1), "1: a");
        let groups = || BlueGreen(BTreeMap::from([("web".into(), Colour::Blue)]));
        check(
            "a/1@web+b b/1@web+g c/1",
            groups(),
            "1: c; 1: b; 1: web to Green; 1: bake b; 1: a",
        );
        check(
            "a/1@web+b",
            groups(),
            "group `web` has no host of colour Green in stage 1",
        );
        check(
            "a/1@web+b b/1@web",
            groups(),
            "host `b` of a blue-green group needs a colour and the policy `required`",
        );
        check("a/1 a/2", Rolling, "host `a` is in the plan twice");
    }

    #[test]
    fn circles_are_broken_by_declaration_only() {
        let text = "a/1>b b/1>c c/1>a d/1";
        let mut plan = plan(text, Strategy::Rolling);
        assert_eq!(
            shown(&plan),
            "these hosts need each other: a, b, c; declare which need does not count"
        );
        plan.options.ignore_needs = BTreeSet::from([("c".to_owned(), "a".to_owned())]);
        assert_eq!(shown(&plan), "1: c d; 1: b; 1: a");
    }

    #[test]
    fn stages_have_their_own_order() {
        check("a/1>b b/2>c c/2", Strategy::Rolling, "1: a; 2: c; 2: b");
        check(
            "a/1>b b/2>a",
            Strategy::Rolling,
            "these hosts need each other: a, b; declare which need does not count",
        );
    }
}
