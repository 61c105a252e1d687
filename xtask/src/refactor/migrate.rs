//! Propose, prove, refine: a migration is proposed from syntax, judged by the
//! model, and whatever the judgement falls on stays with the host.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::anatomy::NotAModule;
use super::catalogue::{Catalogue, SeenThrough};
use super::compose::Position;
use super::directory;
use super::group::Grouping;
use super::host::{self, Kept, Request, Unreadable};
use super::locals::SHARES;
use super::namespace::Namespace;
use super::placement;
use crate::edit::{Change, ChangeSet};
use crate::model::{Fleet, Host, ParseCache};
use crate::options::OptionTable;
use crate::problem::Span;
use crate::proof::{self, HostVerdict, Judgement};
use crate::taxonomy::Taxonomy;
use crate::tree::{Tree, TreePath};

mod blame;
mod judge;
mod pass;
mod placed;

use judge::Judge;
use pass::pass;
use placed::placed;

/// Files of one host that are taken apart in one migration, at most.
const ENTRIES: usize = 8;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct MigrateRequest<'a> {
    /// The host.
    pub host: &'a str,
    /// How its definitions are grouped.
    pub grouping: Grouping,
    /// Attribute path of all features; `None` follows the repository's habit.
    pub namespace: Option<String>,
    /// Directory of feature files; `None` follows the repository's habit.
    pub directory: Option<TreePath>,
    /// Whether a change of nothing but the order of lists is accepted.
    pub accept_order_only: bool,
}

/// What everything is judged against.
pub struct Knowledge<'a> {
    /// The options of NixOS.
    pub table: &'a OptionTable<'a>,
    /// Features by option path.
    pub taxonomy: &'a Taxonomy,
    /// Parsed files, shared between evaluations.
    pub cache: &'a ParseCache,
}

/// What became of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// There are changes, and they are proved.
    Migrated,
    /// There is nothing to do.
    Unchanged,
    /// It cannot be migrated.
    Refused,
}

/// Where the host takes its features from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// The host's file imports them, before anything else.
    CompositionHead,
    /// The host's file imports them, after everything else.
    CompositionTail,
    /// A directory that is imported as a whole.
    AutoImport,
    /// The list of modules that the host is made from, behind its own file.
    ModuleList,
    /// The imports that bring in the host's own file, behind it.
    ImportList,
}

/// The plan for one host.
#[derive(Debug, Clone)]
pub struct MigratePlan {
    /// The host.
    pub host: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was refused, or why there is nothing to do.
    pub reason: Option<String>,
    /// The place of the reason.
    pub span: Option<Span>,
    /// The file that was split.
    pub entry: Option<TreePath>,
    /// Whether the host has more files with several concerns.
    pub has_others: bool,
    /// What to write.
    pub changes: ChangeSet,
    /// Features, with the lines that moved into each.
    pub features: BTreeMap<String, usize>,
    /// What stays although it is of none of the host's own classes.
    pub kept: Vec<Kept>,
    /// Non-blank lines of the entry, before and after.
    pub lines: (usize, usize),
    /// Non-blank lines of definitions that are of none of the host's classes.
    pub movable: usize,
    /// Where features are imported.
    pub placement: Option<Placement>,
    /// How the definitions were grouped, as [`super::editable`] text.
    pub grouping: String,
    /// The judgement on every host.
    pub verdicts: Vec<HostVerdict>,
    /// The fleet with the changes, as it was judged; of a plan that is migrated.
    pub after: Option<Arc<Fleet>>,
}

impl MigratePlan {
    fn new(host: &str, outcome: Outcome, reason: Option<String>) -> Self {
        Self {
            host: host.to_owned(),
            outcome,
            reason,
            span: None,
            entry: None,
            has_others: false,
            changes: ChangeSet::new(),
            features: BTreeMap::new(),
            kept: Vec::new(),
            lines: (0, 0),
            movable: 0,
            placement: None,
            grouping: String::new(),
            verdicts: Vec::new(),
            after: None,
        }
    }

    /// Non-blank lines that left the entry with their definitions.
    pub fn moved(&self) -> usize {
        self.features.values().sum()
    }
}

/// Plans the migration of one host.
pub fn migrate_host(
    tree: &Tree,
    fleet: &Fleet,
    request: &MigrateRequest<'_>,
    knowledge: &Knowledge<'_>,
) -> MigratePlan {
    let Some(host) = fleet.host(request.host) else {
        let reason = format!("there is no host `{}`", request.host);
        return MigratePlan::new(request.host, Outcome::Refused, Some(reason));
    };
    let mut plan = pass(tree, fleet, host, request, knowledge);
    // What stood in the way of one group may be gone with another, and the host
    // may have another file with concerns of its own.
    for _ in 0..ENTRIES {
        let shares = plan.kept.iter().any(|kept| kept.reason.starts_with(SHARES));
        if plan.outcome != Outcome::Migrated || !(shares || plan.has_others) {
            break;
        }
        let after_tree = tree.with(&plan.changes);
        let after = Fleet::draft(&after_tree, knowledge.table, knowledge.cache);
        let Some(host) = after.host(request.host) else {
            break;
        };
        let more = pass(&after_tree, &after, host, request, knowledge);
        if more.outcome != Outcome::Migrated {
            break;
        }
        plan = join(tree, fleet, plan, more, knowledge);
    }
    prove(tree, fleet, plan, knowledge)
}

/// The judgement on all of it: drafts do not see what is read where the flake is
/// handed on.
fn prove(
    tree: &Tree,
    fleet: &Fleet,
    mut plan: MigratePlan,
    knowledge: &Knowledge<'_>,
) -> MigratePlan {
    if plan.outcome != Outcome::Migrated {
        return plan;
    }
    let after = Fleet::load(&tree.with(&plan.changes), knowledge.table, knowledge.cache);
    plan.verdicts = proof::compare(fleet, &after, knowledge.table);
    let bad = |verdict: &&HostVerdict| verdict.judgement >= Judgement::Unknown;
    let Some(verdict) = plan.verdicts.iter().find(bad) else {
        plan.after = Some(Arc::new(after));
        return plan;
    };
    let difference = verdict
        .differences
        .iter()
        .max_by_key(|difference| difference.judgement);
    let message = difference.map_or("it would not be equal", |it| it.message.as_str());
    let reason = format!("host `{}`: {message}", verdict.host);
    let span = difference.and_then(|difference| difference.before.first().cloned());
    let mut refused = MigratePlan::new(&plan.host, Outcome::Refused, Some(reason));
    refused.lines = (plan.lines.0, plan.lines.0);
    refused.movable = plan.movable;
    refused.entry = plan.entry;
    refused.span = span;
    refused
}

/// Two plans of one host, one after the other, as one.
fn join(
    tree: &Tree,
    fleet: &Fleet,
    mut plan: MigratePlan,
    more: MigratePlan,
    knowledge: &Knowledge<'_>,
) -> MigratePlan {
    for (path, change) in more.changes {
        let change = match (plan.changes.remove(&path), change) {
            (Some(Change::Create { executable, .. }), Change::Modify { contents, .. }) => {
                Change::Create {
                    contents,
                    executable,
                }
            }
            (Some(Change::Modify { before, .. }), Change::Modify { contents, .. }) => {
                Change::Modify { before, contents }
            }
            (_, change) => change,
        };
        plan.changes.insert(path, change);
    }
    for (name, lines) in more.features {
        *plan.features.entry(name).or_default() += lines;
    }
    plan.has_others = more.has_others;
    if plan.entry == more.entry {
        plan.kept = more.kept;
        plan.lines.1 = more.lines.1;
    } else {
        plan.kept.extend(more.kept);
        plan.lines.0 += more.lines.0;
        plan.lines.1 += more.lines.1;
        plan.movable += more.movable;
        plan.entry = more.entry;
    }
    let after = Fleet::draft(&tree.with(&plan.changes), knowledge.table, knowledge.cache);
    plan.verdicts = proof::compare(fleet, &after, knowledge.table);
    plan
}

fn pass_in(
    tree: &Tree,
    fleet: &Fleet,
    host: &Host,
    request: &MigrateRequest<'_>,
    namespace: &Namespace,
    plain: bool,
    knowledge: &Knowledge<'_>,
) -> MigratePlan {
    let refuse = |reason: String, span: Option<Span>| MigratePlan {
        span,
        ..MigratePlan::new(request.host, Outcome::Refused, Some(reason))
    };
    if let Err(why) = &host.call {
        return refuse(
            format!("the host cannot be followed: {why}"),
            host.span.clone(),
        );
    }
    if host.exhausted {
        return refuse(
            "the host's configuration is too large to follow".to_owned(),
            None,
        );
    }
    let seen_through = SeenThrough::new(fleet);
    let catalogue = Catalogue {
        host: Some(host),
        seen_through: Some(&seen_through),
        ..Catalogue::new(knowledge.table, knowledge.taxonomy)
    };
    let Some(entry) = host::entry(tree, fleet, host, &namespace.directory, &catalogue) else {
        let reason = "no file of the repository is imported by this host alone";
        return refuse(reason.to_owned(), host.span.clone());
    };
    let catalogue = Catalogue {
        entry: Some(&entry),
        ..catalogue
    };
    let mut grouping = request.grouping.clone();
    grouping
        .reserved
        .extend(fleet.hosts.iter().map(|host| host.name.clone()));
    let roles = host::roles(tree, &entry);
    grouping.role = roles.first().cloned();
    let mut asked = Request {
        host: &host.name,
        entry: &entry,
        namespace: &namespace.attribute,
        directory: &namespace.directory,
        grouping: &grouping,
        position: Position::Head,
        auto_import: !plain
            && directory::is_read(tree, &host.name, &namespace.directory, knowledge),
        list: None,
        beside: None,
        roles: &roles,
        avoid: BTreeSet::new(),
        plain,
    };
    let (anatomy, groups) = match host::dissect(tree, &asked, &catalogue) {
        Ok(found) => found,
        Err(Unreadable::Read(why)) => return refuse(why, None),
        Err(Unreadable::Shape(shape)) => {
            let (what, range) = match shape {
                NotAModule::Syntax { message, range } => {
                    (format!("syntax error: {message}"), range)
                }
                NotAModule::Shape(construct) => (
                    format!("{}; {}", construct.what, construct.help),
                    construct.range,
                ),
            };
            let span = Span {
                path: entry.clone(),
                start: u32::try_from(range.start).unwrap_or(u32::MAX),
                end: u32::try_from(range.end).unwrap_or(u32::MAX),
            };
            return refuse(what, Some(span));
        }
    };
    let mut judge = Judge {
        tree,
        fleet,
        anatomy: &anatomy,
        groups: &groups,
        catalogue: &catalogue,
        knowledge,
        accept_order_only: request.accept_order_only,
        alone: OnceCell::new(),
        in_the_way: OnceCell::new(),
    };
    let best = placed(&mut judge, &mut asked, &|| {
        placement::candidates(tree, host, &entry, &namespace.directory)
    });
    let mut plan = match best {
        Ok(found) => found.plan(request.host),
        Err(reason) => refuse(reason, None),
    };
    plan.has_others = host::has_others(tree, fleet, host, &entry, &namespace.directory, &catalogue);
    plan.entry = Some(entry.clone());
    plan.movable = host::movable_lines(&anatomy, &catalogue);
    plan.grouping = super::editable::render(&anatomy, &groups);
    plan
}
