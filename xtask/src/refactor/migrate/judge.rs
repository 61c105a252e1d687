//! Proposals and what the proof says of them.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::{Knowledge, MigratePlan, Outcome, Placement};
use crate::edit::{Change, ChangeSet};
use crate::model::Fleet;
use crate::proof::{self, Difference, HostVerdict, Judgement};
use crate::refactor::anatomy::{Anatomy, ItemId};
use crate::refactor::catalogue::Catalogue;
use crate::refactor::compose::Position;
use crate::refactor::group::Groups;
use crate::refactor::host::{self, Proposal, Request};
use crate::refactor::placement;
use crate::tree::{Tree, TreePath};

/// Proposals that are judged before a host is refused.
pub(super) const ROUNDS: usize = 24;

/// Rounds in which parts of a feature may be blamed before all of it stays.
const PATIENCE: usize = 2;

/// A proposal that was judged equal.
pub(super) struct Proved {
    pub(super) proposal: Proposal,
    pub(super) verdicts: Vec<HostVerdict>,
    pub(super) placement: Placement,
    pub(super) order_kept: usize,
}

impl Proved {
    pub(super) fn plan(self, host: &str) -> MigratePlan {
        let unchanged = self.proposal.changes.is_empty();
        let outcome = if unchanged {
            Outcome::Unchanged
        } else {
            Outcome::Migrated
        };
        let reason = unchanged.then(|| match self.proposal.kept.is_empty() {
            true => "nothing to do: the host is a composition already".to_owned(),
            false => "nothing to do: what is left has to stay".to_owned(),
        });
        let mut plan = MigratePlan::new(host, outcome, reason);
        plan.changes = self.proposal.changes;
        plan.features = self.proposal.features;
        plan.kept = self.proposal.kept;
        plan.lines = self.proposal.lines;
        plan.placement = Some(self.placement);
        plan.verdicts = self.verdicts;
        plan
    }
}

pub(super) struct Judge<'a> {
    pub(super) tree: &'a Tree,
    pub(super) fleet: &'a Fleet,
    pub(super) anatomy: &'a Anatomy,
    pub(super) groups: &'a Groups,
    pub(super) catalogue: &'a Catalogue<'a>,
    pub(super) knowledge: &'a Knowledge<'a>,
    pub(super) accept_order_only: bool,
    /// The host that is asked for, in a fleet of its own.
    pub(super) alone: OnceCell<Fleet>,
    /// Why nothing can be changed, once that was asked.
    pub(super) in_the_way: OnceCell<Option<String>>,
}

impl Judge<'_> {
    /// Proposes until the judgement is equal on every host.
    pub(super) fn refine(
        &mut self,
        request: &mut Request<'_>,
        mut keep: BTreeMap<ItemId, String>,
    ) -> Result<Proved, String> {
        let mut rounds: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for round in 0..ROUNDS {
            let proposal = host::propose(
                self.tree,
                self.anatomy,
                self.groups,
                request,
                self.catalogue,
                &keep,
            )?;
            if proposal.changes.is_empty() {
                return Ok(self.proved(proposal, Vec::new(), request, &keep));
            }
            let verdicts = self.judge(request.host, &proposal.changes);
            let bad = self.bad(&verdicts);
            if bad.is_empty() {
                return Ok(self.proved(proposal, verdicts, request, &keep));
            }
            let blamed = self.blame(&bad, &proposal);
            if blamed.is_empty() {
                return match self.in_the_way(request) {
                    Some(reason) => Err(reason),
                    None => self.one_by_one(request, keep),
                };
            }
            // What an existing feature cannot take over may make one of its own.
            let unfit: BTreeSet<String> = blamed
                .keys()
                .filter_map(|id| proposal.taken.get(id))
                .filter(|name| proposal.existing.contains(*name) && !request.avoid.contains(*name))
                .cloned()
                .collect();
            request.avoid.extend(unfit.iter().cloned());
            // A feature that fails in one way after the other is given up.
            for (id, reason) in blamed {
                if proposal
                    .taken
                    .get(&id)
                    .is_some_and(|name| unfit.contains(name))
                {
                    continue;
                }
                if let Some(feature) = proposal.taken.get(&id) {
                    rounds.entry(feature.clone()).or_default().insert(round);
                    let group = self.groups.features.get(feature);
                    if rounds
                        .get(feature)
                        .is_some_and(|rounds| rounds.len() > PATIENCE)
                    {
                        for other in group.into_iter().flat_map(|group| &group.items) {
                            keep.entry(*other).or_insert_with(|| reason.clone());
                        }
                    }
                }
                keep.insert(id, reason);
            }
        }
        Err("no part of it could be moved without a change".to_owned())
    }

    /// The first proposal, if it is equal as it is.
    pub(super) fn at_once(&self, request: &Request<'_>) -> Option<Proved> {
        let keep = BTreeMap::new();
        let proposal = host::propose(
            self.tree,
            self.anatomy,
            self.groups,
            request,
            self.catalogue,
            &keep,
        );
        let proposal = proposal.ok()?;
        if proposal.changes.is_empty() {
            return Some(self.proved(proposal, Vec::new(), request, &keep));
        }
        let verdicts = self.judge(request.host, &proposal.changes);
        let is_equal = self.bad(&verdicts).is_empty();
        is_equal.then(|| self.proved(proposal, verdicts, request, &keep))
    }

    fn proved(
        &self,
        proposal: Proposal,
        verdicts: Vec<HostVerdict>,
        request: &Request<'_>,
        keep: &BTreeMap<ItemId, String>,
    ) -> Proved {
        Proved {
            proposal,
            verdicts,
            placement: match (request.auto_import, request.position) {
                _ if request.list.is_some() => Placement::ModuleList,
                _ if request.beside.is_some_and(|it| it.in_modules) => Placement::ModuleList,
                _ if request.beside.is_some() => Placement::ImportList,
                (true, _) => Placement::AutoImport,
                (false, Position::Head) => Placement::CompositionHead,
                (false, Position::Tail) => Placement::CompositionTail,
            },
            order_kept: keep.len(),
        }
    }

    /// Whether the list that a request brings gives features the place next to
    /// the host's file.
    pub(super) fn stands_behind(&self, request: &Request<'_>) -> bool {
        let proposal = host::propose(
            self.tree,
            self.anatomy,
            self.groups,
            request,
            self.catalogue,
            &BTreeMap::new(),
        );
        let Ok(proposal) = proposal else { return false };
        self.host_after(request.host, &proposal.changes)
            .host(request.host)
            .is_some_and(|host| {
                let is_part = |path: &TreePath| {
                    proposal.changes.contains_key(path)
                        || path.parent().as_ref() == Some(request.directory)
                };
                placement::stands_behind(host, request.entry, &is_part)
            })
    }

    /// Whether hosts that do not share the host's file would take its features.
    pub(super) fn reaches_others(&self, request: &Request<'_>) -> bool {
        let keep = BTreeMap::new();
        let (tree, groups) = (self.tree, self.groups);
        let proposal = host::propose(tree, self.anatomy, groups, request, self.catalogue, &keep);
        let Ok(proposal) = proposal else { return true };
        let (table, cache) = (self.knowledge.table, self.knowledge.cache);
        let after = Fleet::draft(&tree.with(&proposal.changes), table, cache);
        let is_new = |file: &TreePath| {
            let is_feature = file.parent().as_ref() == Some(request.directory);
            is_feature && proposal.changes.contains_key(file)
        };
        after.hosts.iter().any(|host| {
            !host.module_files().any(|file| file == request.entry)
                && host.module_files().any(is_new)
        })
    }

    /// The fleet as it would be with nothing in it but one host.
    fn host_after(&self, host: &str, changes: &ChangeSet) -> Fleet {
        let tree = self.tree.with(changes);
        Fleet::draft_host(&tree, self.knowledge.table, self.knowledge.cache, host)
    }

    /// The judgement on the host itself, and only if that is good the one on all
    /// hosts.
    fn judge(&self, host: &str, changes: &ChangeSet) -> Vec<HostVerdict> {
        let alone = self.alone.get_or_init(|| {
            let (table, cache) = (self.knowledge.table, self.knowledge.cache);
            Fleet::draft_host(self.tree, table, cache, host)
        });
        let after = self.host_after(host, changes);
        let verdicts = proof::compare(alone, &after, self.knowledge.table);
        if !self.bad(&verdicts).is_empty() || self.fleet.hosts.len() == 1 {
            return verdicts;
        }
        let (table, cache) = (self.knowledge.table, self.knowledge.cache);
        let after = Fleet::draft(&self.tree.with(changes), table, cache);
        proof::compare(self.fleet, &after, table)
    }

    /// Why no host with the entry can change at all: some host reads all of it.
    pub(super) fn in_the_way(&self, request: &Request<'_>) -> Option<String> {
        let reason = self.in_the_way.get_or_init(|| {
            let before = self.tree.text(request.entry).ok()?;
            let contents = format!("{before}\n#\n").into_bytes();
            let before = before.into_bytes();
            let change = Change::Modify { before, contents };
            let changes = ChangeSet::from([(request.entry.clone(), change)]);
            let verdicts = self.judge(request.host, &changes);
            verdicts.iter().find_map(|verdict| {
                let bad = self.bad(std::slice::from_ref(verdict));
                let message = &bad.first()?.message;
                let is_named = message.starts_with("host `") || verdict.host == request.host;
                Some(match is_named {
                    true => message.clone(),
                    false => format!("host `{}`: {message}", verdict.host),
                })
            })
        });
        reason.clone()
    }

    fn bad<'v>(&self, verdicts: &'v [HostVerdict]) -> Vec<&'v Difference> {
        verdicts
            .iter()
            .flat_map(|verdict| &verdict.differences)
            .filter(|difference| match difference.judgement {
                Judgement::Equal => false,
                Judgement::OrderOnly => !self.accept_order_only,
                Judgement::Unknown | Judgement::Different => true,
            })
            .collect()
    }

    /// Nothing points at what is wrong: features are tried one by one.
    fn one_by_one(
        &self,
        request: &Request<'_>,
        mut keep: BTreeMap<ItemId, String>,
    ) -> Result<Proved, String> {
        let names: Vec<&String> = self.groups.features.keys().collect();
        for name in names {
            let mut others = keep.clone();
            for (other, group) in &self.groups.features {
                if other != name {
                    for id in &group.items {
                        others.entry(*id).or_default();
                    }
                }
            }
            let attempt = host::propose(
                self.tree,
                self.anatomy,
                self.groups,
                request,
                self.catalogue,
                &others,
            );
            let reason = match attempt {
                Ok(proposal) if proposal.changes.is_empty() => continue,
                Ok(proposal) => {
                    let verdicts = self.judge(request.host, &proposal.changes);
                    match self.bad(&verdicts).first() {
                        None => continue,
                        Some(difference) => difference.message.clone(),
                    }
                }
                Err(reason) => reason,
            };
            if let Some(group) = self.groups.features.get(name) {
                for id in &group.items {
                    keep.entry(*id).or_insert_with(|| reason.clone());
                }
            }
        }
        let proposal = host::propose(
            self.tree,
            self.anatomy,
            self.groups,
            request,
            self.catalogue,
            &keep,
        )?;
        if proposal.changes.is_empty() {
            return Ok(self.proved(proposal, Vec::new(), request, &keep));
        }
        let verdicts = self.judge(request.host, &proposal.changes);
        match self.bad(&verdicts).first() {
            None => Ok(self.proved(proposal, verdicts, request, &keep)),
            Some(difference) => Err(difference.message.clone()),
        }
    }
}
