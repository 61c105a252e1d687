//! Where the features of a host go.

use std::collections::BTreeMap;

use super::Placement;
use super::judge::{Judge, Proved};
use crate::refactor::compose::Position;
use crate::refactor::host::Request;
use crate::refactor::placement::Place;

/// The placement that moves the most.
///
/// Where the host's own `imports` turn out to be too deep, a place in the list
/// that the host is made from comes first.
pub(super) fn placed<'a>(
    judge: &mut Judge<'_>,
    asked: &mut Request<'a>,
    candidates: &dyn Fn() -> Vec<Place>,
) -> Result<Proved, String> {
    let mut listed = None;
    if !asked.auto_import {
        if let Some(found) = judge.at_once(asked) {
            return Ok(found);
        }
        listed = beside_the_host(judge, asked, candidates);
        if let Some(found) = listed.take_if(|found| found.order_kept == 0) {
            return Ok(found);
        }
    }
    if let Some(Some(reason)) = judge.in_the_way.get() {
        return Err(reason.clone());
    }
    let found = judge.refine(asked, BTreeMap::new());
    let order_matters = found.as_ref().map_or(true, |found| found.order_kept > 0);
    let fewer = |other: &Proved, found: &Result<Proved, String>| {
        let lines = |found: &Proved| found.proposal.lines.1;
        found
            .as_ref()
            .map_or(true, |found| lines(other) < lines(found))
    };
    if let Some(other) = listed.filter(|other| order_matters && fewer(other, &found)) {
        return Ok(other);
    }
    if let Ok(found) = &found
        && order_matters
        && found.placement == Placement::CompositionHead
    {
        asked.position = Position::Tail;
        if let Ok(other) = judge.refine(asked, BTreeMap::new())
            && other.proposal.lines.1 < found.proposal.lines.1
        {
            return Ok(other);
        }
    }
    found
}

/// The features in the list that the host's own file is in, behind it.
fn beside_the_host(
    judge: &mut Judge<'_>,
    asked: &Request<'_>,
    candidates: &dyn Fn() -> Vec<Place>,
) -> Option<Proved> {
    for place in candidates() {
        let (Place::Modules { files: beside, .. } | Place::Imports(beside)) = &place;
        let mut single = Request {
            beside: Some(beside),
            ..asked.clone()
        };
        if !judge.stands_behind(&single) {
            continue;
        }
        let Place::Modules { all, .. } = &place else {
            return judge.refine(&mut single, BTreeMap::new()).ok();
        };
        // A list that many hosts are made from takes a directory.
        let mut together = all.as_ref().map(|all| Request {
            auto_import: true,
            list: Some(all),
            ..asked.clone()
        });
        let found = match &mut together {
            Some(together) if judge.reaches_others(&single) => {
                judge.refine(together, BTreeMap::new())
            }
            _ => judge.refine(&mut single, BTreeMap::new()),
        };
        if let Ok(found) = found {
            return Some(found);
        }
    }
    None
}
