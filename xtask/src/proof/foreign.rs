//! Hosts that read each other's configurations: what is not equal on one of them may
//! show on those that read it.

use rustc_hash::FxHashMap;

use super::{HostVerdict, Judgement};
use crate::model::term::{Key, Term, TermKind as K};
use crate::model::{
    Definition, Fleet, Host, Slice, Wrapper, foreign_reads, foreign_reads_in, terms_of,
};
use crate::options::{OptionTable, OptionType, PathKind, View};
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
                            && reaches(before, after, view, verdicts, other, path)
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
    verdicts: &[HostVerdict],
    verdict: &HostVerdict,
    path: &[Name],
) -> bool {
    let sides = [before, after].map(|fleet| fleet.host(&verdict.host));
    let [Some(before), Some(after)] = sides else {
        return true;
    };
    let hosts = [before, after];
    // It reads hosts where that is not followed, itself among them.
    if hosts.iter().any(|host| host.reads_hosts) {
        return true;
    }
    let everywhere = |it: &super::Difference| fails_all(hosts, view, &it.path);
    if verdict.differences.iter().any(everywhere) {
        return true;
    }
    let mut paths = vec![path.to_vec()];
    let mut at = 0;
    while let Some(path) = paths.get(at).cloned() {
        at += 1;
        let touched = |it: &super::Difference| {
            overlaps(&it.path, &path) || undeclared_beside(hosts, view, &it.path, &path)
        };
        if path.is_empty() || verdict.differences.iter().any(touched) {
            return true;
        }
        let mut known = false;
        let mut slice = Slice::default();
        let mut through_flake = Vec::new();
        for host in hosts {
            for beside in forced_with(host, view, &path) {
                if !paths.contains(&beside) {
                    paths.push(beside);
                }
            }
            for declaration in &host.declarations {
                if declaration.path.iter().zip(&path).all(|(a, b)| a == b) {
                    known = true;
                    let terms = declaration.default.iter().chain([&declaration.effect]);
                    let terms: Vec<Term> = terms.cloned().collect();
                    terms.iter().for_each(|it| slice.add(it));
                    through_flake.extend(foreign_reads_in(host, terms));
                }
            }
            for definition in host
                .definitions
                .iter()
                .filter(|it| overlaps(&it.path, &path))
            {
                known = true;
                terms_of(definition).for_each(|it| slice.add(it));
                let terms = terms_of(definition).cloned().collect();
                through_flake.extend(foreign_reads_in(host, terms));
            }
        }
        for (name, path) in through_flake {
            if *name == *verdict.host {
                slice.paths.insert(path);
                continue;
            }
            let differs = |it: &HostVerdict| it.judgement > Judgement::Equal;
            if name.is_empty() || verdicts.iter().any(|it| *it.host == *name && differs(it)) {
                return true;
            }
        }
        // What NixOS makes of the rest of the configuration may depend on any of it.
        if !known || adds_to(hosts, view, &path) {
            return true;
        }
        if slice.packages && names_any(verdict, |name| name == "nixpkgs") {
            return true;
        }
        if slice.arguments {
            if names_any(verdict, is_of_arguments) {
                return true;
            }
            let of_arguments =
                |it: &&Definition| it.path.iter().any(|key| named(key, is_of_arguments));
            for host in hosts {
                let definitions = host.definitions.iter().filter(of_arguments);
                definitions.flat_map(terms_of).for_each(|it| slice.add(it));
            }
        }
        for read in slice.paths {
            if !paths.contains(&read) {
                paths.push(read);
            }
        }
    }
    false
}

fn named(key: &Key, is: fn(&str) -> bool) -> bool {
    matches!(key, Key::Name(name) if is(name))
}

fn names_any(verdict: &HostVerdict, is: fn(&str) -> bool) -> bool {
    let mut differences = verdict.differences.iter();
    differences.any(|it| it.path.iter().any(|key| named(key, is)))
}

/// `_module.args`, `extraSpecialArgs`: what is below them are arguments of modules.
fn is_of_arguments(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with("args")
}

/// The fixed names that a path begins with.
fn fixed(path: &[Key]) -> Vec<&str> {
    path.iter()
        .map_while(|key| match key {
            Key::Name(name) => Some(&**name),
            Key::Term(_) => None,
        })
        .collect()
}

/// Whether what is defined at a path counts for everything that is read of the host:
/// whatever is read, all namespaces are looked into for what no option is.
fn fails_all(hosts: [&Host; 2], view: View<'_, '_>, path: &[Key]) -> bool {
    let names = fixed(path);
    hosts.iter().any(|host| match host.path_kind(view, &names) {
        PathKind::Namespace => true,
        PathKind::Unknown => {
            let of_nixpkgs = |first| view.lookup(&[first]) == PathKind::Namespace;
            names.first().is_none_or(|first| of_nixpkgs(*first))
        }
        _ => false,
    })
}

/// Whether what is defined at a path is no option of the submodule that is read.
fn undeclared_beside(
    hosts: [&Host; 2],
    view: View<'_, '_>,
    defined: &[Key],
    read: &[Name],
) -> bool {
    let names = fixed(defined);
    hosts.iter().any(|host| match host.path_kind(view, &names) {
        PathKind::Inside {
            option,
            submodules: 1..,
            element: OptionType::Unknown,
        } => defined.get(..option).is_some_and(|it| overlaps(it, read)),
        _ => false,
    })
}

/// Whether modules of nixpkgs may add to what is read there.
fn adds_to(hosts: [&Host; 2], view: View<'_, '_>, path: &[Name]) -> bool {
    let names: Vec<&str> = path.iter().map(|name| &**name).collect();
    hosts.iter().any(|host| {
        let kind = host.path_kind(view, &names);
        let adds = kind.value_type().is_some_and(|kind| {
            kind.is_ordered_list() || kind.merges_per_attribute() || *kind == OptionType::Attrs
        });
        let own = host
            .declarations
            .iter()
            .any(|it| it.path.iter().zip(path).all(|(a, b)| a == b));
        adds && !own && view.defined_by_nixpkgs(path)
    })
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
