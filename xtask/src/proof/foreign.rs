//! Hosts that read each other's configurations: what is not equal on one of them may
//! show on those that read it.

use rustc_hash::FxHashMap;

use super::{HostVerdict, Judgement};
use crate::model::term::Key;
use crate::model::{Definition, Fleet, Host, foreign_reads, read_of};
use crate::syntax::hir::Name;

/// Carries differences on to the hosts that read them.
pub(super) fn spread(before: &Fleet, after: &Fleet, verdicts: &mut [HostVerdict]) {
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
                            && reaches(before, after, other, path)
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
fn reaches(before: &Fleet, after: &Fleet, verdict: &HostVerdict, path: &[Name]) -> bool {
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

fn overlaps(keys: &[Key], path: &[Name]) -> bool {
    keys.iter().zip(path).all(|(key, name)| match key {
        Key::Name(key) => key == name,
        Key::Term(_) => true,
    })
}
