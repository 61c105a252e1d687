//! Whether a plan may start after the rollouts before it, and the plan that
//! takes one back.

use super::plan::{BuildOn, Plan, Strategy};
use super::state::State;

/// A stage that has to wait for another one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stage {stage} has to wait: stage {before} is not confirmed for these closures")]
pub struct Refused {
    /// What was to start.
    pub stage: u32,
    /// What has to be done first.
    pub before: u32,
}

/// Whether every stage of the plan comes after a stage that is confirmed for
/// the same digest, in this plan or in an earlier rollout.
///
/// # Errors
/// A stage before is missing, and the plan does not override the order.
pub fn admit<'a>(plan: &Plan, history: impl IntoIterator<Item = &'a State>) -> Result<(), Refused> {
    if plan.options.force_stage {
        return Ok(());
    }
    let digest = plan.digest();
    let same = |state: &&State| {
        let plan = state.plan.as_ref();
        plan.is_some_and(|plan| plan.digest() == digest)
    };
    let mut done: std::collections::BTreeSet<u32> = history
        .into_iter()
        .filter(same)
        .flat_map(|state| state.confirmed.iter().copied())
        .collect();
    for stage in &plan.stages {
        // Numbers may have gaps: what counts is the stage that has hosts.
        let below = plan.hosts.iter().map(|host| host.stage);
        if let Some(before) = below.filter(|other| other < stage).max()
            && !done.contains(&before)
        {
            let stage = *stage;
            return Err(Refused { stage, before });
        }
        done.insert(*stage);
    }
    Ok(())
}

/// The plan that takes hosts of a rollout back to the baselines that it found:
/// those that it has changed, of the given stage or of that name. `None` if
/// there is none.
pub fn rollback(state: &State, id: &str, stage: Option<u32>, host: Option<&str>) -> Option<Plan> {
    let plan = state.plan.as_ref()?;
    let mut back = plan.clone();
    back.id = id.to_owned();
    back.hosts.clear();
    back.stages.clear();
    for (planned, was) in plan.hosts.iter().zip(&state.hosts) {
        let meant = stage.is_none_or(|stage| planned.stage == stage)
            && host.is_none_or(|name| planned.name == name);
        let Some(baseline) = was.baseline.as_ref().filter(|_| meant && was.touched) else {
            continue;
        };
        let mut planned = planned.clone();
        planned.closure = baseline.profile.clone();
        planned.generation = baseline.generation;
        planned.build_on = BuildOn::Existing;
        // Its checks and its address are those of the closure that is left.
        planned.health.clear();
        planned.moves = false;
        back.stages.insert(planned.stage);
        back.hosts.push(planned);
    }
    back.options.strategy = Strategy::Rolling;
    back.options.force_stage = true;
    (!back.hosts.is_empty()).then_some(back)
}
