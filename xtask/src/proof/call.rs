//! The call that makes a host, and the modules that are not followed.

use std::collections::{BTreeMap, BTreeSet};

use super::{HostVerdict, Judgement};
use crate::model::term::{Digest, Term};
use crate::model::{Host, Origin, show};

pub(super) fn compare_calls(before: &Host, after: &Host, verdict: &mut HostVerdict) {
    if before.call.is_ok() != after.call.is_ok() {
        verdict.add(
            Judgement::Unknown,
            "the host can be followed on one side only".to_owned(),
        );
    } else if let (Ok(a), Ok(b)) = (&before.call, &after.call)
        && a != b
    {
        verdict.add(
            Judgement::Different,
            format!("made by `{b}` instead of `{a}`"),
        );
    }
    if before.maker != after.maker {
        verdict.add(
            Judgement::Unknown,
            format!("made with {} instead of {}", after.maker, before.maker),
        );
    }
    // A host that is not followed is equal only if all that makes it is.
    let gravity = if before.call.is_ok() {
        Judgement::Different
    } else {
        Judgement::Unknown
    };
    let a: BTreeMap<&str, &Term> = before
        .arguments
        .iter()
        .map(|(k, t)| (k.as_str(), t))
        .collect();
    let b: BTreeMap<&str, &Term> = after
        .arguments
        .iter()
        .map(|(k, t)| (k.as_str(), t))
        .collect();
    for name in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
        if a.get(name) != b.get(name) {
            verdict.add(gravity, format!("argument `{name}` of the call changed"));
        }
    }
}

/// Modules that are not followed, what is disabled, and their order.
/// A local that nobody uses fails where it stands for a name that no `with` binds.
pub(super) fn compare_looked_up(before: &Host, after: &Host, verdict: &mut HostVerdict) {
    if let Some(name) = after.looked_up.difference(&before.looked_up).next() {
        verdict.add(
            Judgement::Unknown,
            format!("a local stands for `{name}`, and it is not known whether a `with` binds that"),
        );
    }
}

pub(super) fn compare_modules(before: &Host, after: &Host, verdict: &mut HostVerdict) {
    let opaque = |host: &Host| -> Vec<Term> {
        let opaque = host
            .modules
            .iter()
            .filter_map(|module| match &module.origin {
                Origin::Opaque(term, _) => Some(term.clone()),
                _ => None,
            });
        opaque.collect()
    };
    let (mut a, mut b) = (opaque(before), opaque(after));
    let same_order = a == b;
    a.sort_by_key(Term::digest);
    b.sort_by_key(Term::digest);
    let refused = |host: &Host| {
        host.modules.iter().any(|module| module.refused)
            || host.declarations.iter().any(|option| option.refused)
    };
    if refused(before) != refused(after) {
        let side = if refused(after) { "no longer" } else { "now" };
        verdict.add(
            Judgement::Different,
            format!("the host {side} evaluates: what it imports is no module, or declares what is no option"),
        );
    } else if a != b {
        let gone: Vec<&Term> = a.iter().filter(|term| !b.contains(term)).collect();
        let new: Vec<&Term> = b.iter().filter(|term| !a.contains(term)).collect();
        for (terms, what) in [(gone, "is gone or changed"), (new, "is new or changed")] {
            for term in terms {
                let shown = show::show(term, 120);
                verdict.add(
                    Judgement::Unknown,
                    format!("module `{shown}`, which is not followed, {what}"),
                );
            }
        }
        if verdict.differences.is_empty() {
            verdict.add(
                Judgement::Different,
                "a module that is not followed is imported more or less often".to_owned(),
            );
        }
    } else if !same_order {
        verdict.add(
            Judgement::OrderOnly,
            "modules that are not followed changed places".to_owned(),
        );
    }
    let disabled = |host: &Host| -> Vec<Digest> {
        let mut all: Vec<Digest> = host
            .modules
            .iter()
            .flat_map(|m| &m.disabled)
            .map(|(_, term)| term.digest())
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    if disabled(before) != disabled(after) {
        verdict.add(Judgement::Different, "`disabledModules` changed".to_owned());
    }
}
