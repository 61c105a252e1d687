//! Ways to migrate one file of a host, tried in order.

use super::{Knowledge, MigratePlan, MigrateRequest, Outcome, pass_in};
use crate::model::{Fleet, Host};
use crate::proof::NOT_CERTAIN;
use crate::refactor::directory;
use crate::refactor::group::MIN_LINES;
use crate::refactor::namespace::{Namespace, detect, fallback};
use crate::tree::Tree;

/// One proposal, refined; a namespace of the repository whose options turn out
/// to be of no certain value gives way to the usual one, and a directory that
/// keeps most of the definitions where they are to another. Where no option is of
/// certain value, modules without options are made.
pub(super) fn pass(
    tree: &Tree,
    fleet: &Fleet,
    host: &Host,
    request: &MigrateRequest<'_>,
    knowledge: &Knowledge<'_>,
) -> MigratePlan {
    passes(tree, fleet, host, request, knowledge)
        .unwrap_or_else(|| MigratePlan::new(request.host, Outcome::Unchanged, None))
}

/// See [`pass`]; `None` if there is no directory for features.
fn passes(
    tree: &Tree,
    fleet: &Fleet,
    host: &Host,
    request: &MigrateRequest<'_>,
    knowledge: &Knowledge<'_>,
) -> Option<MigratePlan> {
    let habit = detect(tree, fleet, knowledge.table.for_release(None));
    let usual = fallback(tree, false);
    let directories = match &request.directory {
        Some(directory) => vec![directory.clone()],
        None => directory::choices(tree, fleet, &habit, knowledge),
    };
    let attribute = request.namespace.as_ref().unwrap_or(&habit.attribute);
    let mut best: Option<MigratePlan> = None;
    for directory in directories {
        let namespace = Namespace {
            attribute: attribute.clone(),
            directory,
        };
        let mut plan = pass_in(tree, fleet, host, request, &namespace, false, knowledge);
        if request.namespace.is_none()
            && namespace.attribute != usual.attribute
            && is_uncertain(&plan, &format!("{}.", namespace.attribute))
        {
            let namespace = Namespace {
                attribute: usual.attribute.clone(),
                ..namespace
            };
            let other = pass_in(tree, fleet, host, request, &namespace, false, knowledge);
            if other.moved() > plan.moved() {
                plan = other;
            }
        }
        let is_enough = is_enough(&plan);
        if best.as_ref().is_none_or(|best| plan.moved() > best.moved()) {
            best = Some(plan);
        }
        if is_enough {
            break;
        }
    }
    let mut best = best?;
    // Without options there is nothing to be certain of. They stand beside the host,
    // where nobody has asked for another directory.
    let may_be_plain = request.directory.is_none();
    if may_be_plain && !is_enough(&best) && is_uncertain(&best, "") {
        let namespace = Namespace {
            attribute: attribute.clone(),
            directory: usual.directory,
        };
        let other = pass_in(tree, fleet, host, request, &namespace, true, knowledge);
        if other.moved() > best.moved() {
            best = other;
        }
    }
    Some(best)
}

/// Whether no other way is tried.
fn is_enough(plan: &MigratePlan) -> bool {
    plan.moved() * 10 >= plan.movable * 6
}

/// Whether definitions stay because options, those of a namespace, are of no certain
/// value.
fn is_uncertain(plan: &MigratePlan, namespace: &str) -> bool {
    let option = format!("option `{namespace}");
    let is_it = |reason: &str| reason.starts_with(&option) && reason.ends_with(NOT_CERTAIN);
    let stays = plan.kept.iter().filter(|it| is_it(&it.reason));
    stays.map(|kept| kept.lines).sum::<usize>() >= MIN_LINES
}
