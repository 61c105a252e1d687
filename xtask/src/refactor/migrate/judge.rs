//! Proposals and what the proof says of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::{Knowledge, MigratePlan, Outcome, Placement};
use crate::edit::{Change, ChangeSet};
use crate::model::term::Key;
use crate::model::{Fleet, Origin};
use crate::proof::{self, Difference, HostVerdict, Judgement};
use crate::refactor::anatomy::{Anatomy, ItemId};
use crate::refactor::catalogue::Catalogue;
use crate::refactor::compose::Position;
use crate::refactor::emit;
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
    /// What was loaded last.
    pub(super) last: RefCell<Option<(ChangeSet, Rc<Fleet>)>>,
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
            let (after, verdicts) = self.judge(&proposal.changes);
            if !request.auto_import
                && imports_itself(&after, request, &proposal.changes)
                && self.arrive_unlisted(request, &proposal.changes)
            {
                request.auto_import = true;
                continue;
            }
            let bad = self.bad(&verdicts);
            if bad.is_empty() {
                return Ok(self.proved(proposal, verdicts, request, &keep));
            }
            let blamed = self.blame(&bad, &proposal);
            if blamed.is_empty() {
                return self.one_by_one(request, keep);
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

    /// The first proposal, if it is equal as it is and nothing of it arrives
    /// unasked at other hosts.
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
        let (after, verdicts) = self.judge(&proposal.changes);
        let is_equal = self.bad(&verdicts).is_empty();
        let arrives = !request.auto_import && imports_itself(&after, request, &proposal.changes);
        (is_equal && !arrives).then(|| self.proved(proposal, verdicts, request, &keep))
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
        self.after(&proposal.changes)
            .host(request.host)
            .is_some_and(|host| placement::stands_behind(host, request.entry, request.directory))
    }

    /// Whether other hosts import the new files even where no list names them: a
    /// list that the proposal itself adds them to is no directory that is read.
    fn arrive_unlisted(&self, request: &Request<'_>, changes: &ChangeSet) -> bool {
        let created: ChangeSet = changes
            .iter()
            .filter(|(_, change)| matches!(change, Change::Create { .. }))
            .map(|(path, change)| (path.clone(), change.clone()))
            .collect();
        imports_itself(&self.after(&created), request, &created)
    }

    /// The fleet as it would be; the last answer is kept.
    fn after(&self, changes: &ChangeSet) -> Rc<Fleet> {
        let last = self.last.take().filter(|(of, _)| of == changes);
        let (_, fleet) = last.unwrap_or_else(|| {
            let tree = self.tree.with(changes);
            let fleet = Fleet::load(&tree, self.knowledge.table, self.knowledge.cache);
            (changes.clone(), Rc::new(fleet))
        });
        self.last
            .replace(Some((changes.clone(), Rc::clone(&fleet))));
        fleet
    }

    fn judge(&self, changes: &ChangeSet) -> (Rc<Fleet>, Vec<HostVerdict>) {
        let after = self.after(changes);
        let verdicts = proof::compare(self.fleet, &after, self.knowledge.table);
        (after, verdicts)
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

    /// The moved items that differences are about.
    fn blame(&self, bad: &[&Difference], proposal: &Proposal) -> BTreeMap<ItemId, String> {
        let mut blamed = BTreeMap::new();
        for difference in bad {
            let reason = match difference.judgement {
                Judgement::OrderOnly => "the order of its definitions would change".to_owned(),
                _ => difference.message.clone(),
            };
            let mut found: BTreeSet<ItemId> = BTreeSet::new();
            for span in &difference.before {
                if span.path != self.anatomy.path {
                    continue;
                }
                for id in proposal.taken.keys() {
                    let range = emit::node_range(&self.anatomy.items[*id].node);
                    if range.start < span.end as usize && (span.start as usize) < range.end {
                        found.insert(*id);
                    }
                }
            }
            if found.is_empty() {
                found = self.items_at(&difference.path, proposal);
            }
            if found.is_empty() {
                // Another host of a feature that had to change.
                let files: BTreeSet<&str> = difference
                    .before
                    .iter()
                    .chain(&difference.after)
                    .filter_map(|span| span.path.file_name()?.strip_suffix(".nix"))
                    .collect();
                let of_these =
                    |(id, name): (&ItemId, &String)| files.contains(name.as_str()).then_some(*id);
                found = proposal.taken.iter().filter_map(of_these).collect();
            }
            for id in found {
                blamed.entry(id).or_insert_with(|| reason.clone());
            }
        }
        blamed
    }

    /// Moved items whose path lies on the way to, or below, another.
    fn items_at(&self, path: &[Key], proposal: &Proposal) -> BTreeSet<ItemId> {
        let names: Vec<&str> = path
            .iter()
            .map_while(|key| match key {
                Key::Name(name) => Some(&**name),
                Key::Term(_) => None,
            })
            .collect();
        if names.is_empty() {
            return BTreeSet::new();
        }
        proposal
            .taken
            .keys()
            .copied()
            .filter(|id| {
                let own = &self.anatomy.items[*id].path;
                own.iter().zip(&names).all(|(a, b)| a == b)
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
                    let (_, verdicts) = self.judge(&proposal.changes);
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
        let (_, verdicts) = self.judge(&proposal.changes);
        match self.bad(&verdicts).first() {
            None => Ok(self.proved(proposal, verdicts, request, &keep)),
            Some(difference) => Err(difference.message.clone()),
        }
    }
}

/// Whether generated files are imported without the host naming them.
pub(super) fn imports_itself(after: &Fleet, request: &Request<'_>, changes: &ChangeSet) -> bool {
    let created: BTreeSet<&TreePath> = changes
        .iter()
        .filter(|(_, change)| matches!(change, Change::Create { .. }))
        .map(|(path, _)| path)
        .collect();
    after
        .hosts
        .iter()
        .filter(|host| host.name != request.host)
        .flat_map(|host| &host.modules)
        .any(|module| matches!(&module.origin, Origin::File(path) if created.contains(path)))
}
