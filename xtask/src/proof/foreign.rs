//! Hosts that read each other's configurations: what is not equal on one of them may
//! show on those that read it.

use rustc_hash::FxHashMap;

use super::{HostVerdict, Judgement};
use crate::model::term::{Key, Term, TermKind as K};
use crate::model::{Definition, Fleet, Host, Wrapper, foreign_reads, read_of};
use crate::options::{OptionTable, PathKind, View};
use crate::syntax::hir::Name;

/// Carries differences on to the hosts that read them.
pub(super) fn spread(
    before: &Fleet,
    after: &Fleet,
    table: &OptionTable<'_>,
    verdicts: &mut [HostVerdict],
) {
    let view = table.for_release(None);
    let mut reads: FxHashMap<String, Vec<(Name, Vec<Name>)>> = FxHashMap::default();
    for host in before.hosts.iter().chain(&after.hosts) {
        let own = reads.entry(host.name.clone()).or_default();
        own.extend(foreign_reads(host));
    }
    loop {
        let found: Vec<(usize, String)> = (verdicts.iter().enumerate())
            .filter(|(_, verdict)| verdict.judgement < Judgement::Unknown)
            .filter_map(|(at, verdict)| {
                let mut own = reads.get(&verdict.host)?.iter();
                own.find_map(|(name, path)| {
                    let changed = verdicts.iter().find(|other| {
                        other.host != verdict.host
                            && (name.is_empty() || *other.host == **name)
                            && other.judgement > Judgement::Equal
                            && reaches(before, after, view, other, path)
                    })?;
                    Some((at, changed.host.clone()))
                })
            })
            .collect();
        if found.is_empty() {
            return;
        }
        for (at, name) in found {
            if let Some(verdict) = verdicts.get_mut(at) {
                verdict.add(
                    Judgement::Unknown,
                    format!("it reads the configuration of `{name}`, which is not equal"),
                );
                verdict.judgement = Judgement::Unknown;
            }
        }
    }
}

/// Whether a difference of a host may show where `path` of its configuration is read.
fn reaches(
    before: &Fleet,
    after: &Fleet,
    view: View<'_, '_>,
    verdict: &HostVerdict,
    path: &[Name],
) -> bool {
    let sides = [before, after].map(|fleet| fleet.host(&verdict.host));
    let [Some(before), Some(after)] = sides else {
        return true;
    };
    let mut paths = vec![path.to_vec()];
    let mut at = 0;
    while let Some(path) = paths.get(at).cloned() {
        at += 1;
        let touched = |difference: &super::Difference| {
            difference.path.is_empty() || overlaps(&difference.path, &path)
        };
        if path.is_empty() || verdict.differences.iter().any(touched) {
            return true;
        }
        let mut known = false;
        for host in [before, after] {
            for beside in forced_with(host, view, &path) {
                if !paths.contains(&beside) {
                    paths.push(beside);
                }
            }
            let declared = |host: &Host| {
                let mut all = host.declarations.iter();
                all.any(|it| it.path.iter().zip(&path).all(|(a, b)| a == b))
            };
            known |= declared(host);
            let own = |it: &&Definition| overlaps(&it.path, &path);
            for definition in host.definitions.iter().filter(own) {
                known = true;
                for read in read_of(definition) {
                    if !paths.contains(&read) {
                        paths.push(read);
                    }
                }
            }
        }
        // What NixOS makes of the rest of the configuration may depend on any of it.
        if !known {
            return true;
        }
    }
    false
}

/// Paths of what is evaluated, as far as to see what it is, when a path is read: to
/// merge one attribute of an option all definitions of its siblings are asked whether
/// they are conditions or priorities, and one that fails then fails the reader.
fn forced_with(host: &Host, view: View<'_, '_>, path: &[Name]) -> Vec<Vec<Name>> {
    let names: Vec<&str> = path.iter().map(|name| &**name).collect();
    let end = match host.path_kind(view, &names) {
        PathKind::Inside { option, .. } => option,
        PathKind::Namespace | PathKind::Option(_) => return Vec::new(),
        _ => names.len().saturating_sub(1),
    };
    let Some(option) = path.get(..end).filter(|option| !option.is_empty()) else {
        return Vec::new();
    };
    let beside = |it: &&Definition| {
        it.path.len() > end && overlaps(&it.path, option) && !overlaps(&it.path, path)
    };
    let may_fail = |it: &&Definition| {
        let is_condition = |wrapper: &(usize, Wrapper)| matches!(wrapper.1, Wrapper::If(_));
        it.wrappers.iter().any(is_condition) || !is_plain(&it.value)
    };
    let named = |it: &Definition| -> Vec<Name> {
        it.path
            .iter()
            .map_while(|key| match key {
                Key::Name(name) => Some(name.clone()),
                Key::Term(_) => None,
            })
            .collect()
    };
    let definitions = host.definitions.iter();
    definitions
        .filter(|it| beside(it) && may_fail(it))
        .map(named)
        .collect()
}

/// Whether a term is a value as it stands.
fn is_plain(term: &Term) -> bool {
    matches!(
        term.kind(),
        K::Null
            | K::Bool(_)
            | K::Int(_)
            | K::Float(_)
            | K::Str(_)
            | K::Path(..)
            | K::List(_)
            | K::Set(..)
            | K::Lambda(..)
    )
}

fn overlaps(keys: &[Key], path: &[Name]) -> bool {
    keys.iter().zip(path).all(|(key, name)| match key {
        Key::Name(key) => key == name,
        Key::Term(_) => true,
    })
}
