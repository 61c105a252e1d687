//! `migrate host`: split monolithic hosts into feature modules and compositions.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::super::context::Context;
use super::super::derivation::{self, Judge};
use super::super::fleet::{Reader, select};
use super::super::outcome::{Failure, Outcome};
use super::grouping::GroupingArguments;
use super::show::{self, Migration};
use crate::config::Config;
use crate::edit::{self, ChangeSet};
use crate::guard;
use crate::model::Fleet;
use crate::problem::Problem;
use crate::process::Quoted;
use crate::proof::{Judgement, compare};
use crate::refactor::group::{Grouping, STAYS, components, left_out_reason, matches};
use crate::refactor::migrate::{self, Knowledge, MigratePlan, MigrateRequest, migrate_host};
use crate::taxonomy::Taxonomy;
use crate::tree::{Tree, TreePath};
use crate::ui;
use crate::workspace::{Lock, Request, Workspace};

#[derive(Debug, Default, Args)]
pub(in crate::cli) struct Arguments {
    /// The hosts
    #[arg(value_name = "NAME", required = true)]
    hosts: Vec<String>,
    /// Show the diff and the proof, and leave no trace
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    grouping: GroupingArguments,
    /// Go on although this differs; recorded in the commit
    #[arg(long, value_enum, value_name = "WHAT")]
    accept: Option<Accept>,
    /// Leave git's index alone; Nix sees new files only after `git add`
    #[arg(long, conflicts_with = "commit")]
    no_git_add: bool,
    /// Do not ask Nix for derivations, even if it is there
    #[arg(long)]
    no_nix: bool,
    /// Commit the result, with the proof in the trailers
    #[arg(long, conflicts_with = "dry_run")]
    commit: bool,
}

impl Arguments {
    /// One host, judged by definitions alone.
    pub(super) fn of(host: &str) -> Self {
        Self {
            hosts: vec![host.to_owned()],
            no_nix: true,
            ..Self::default()
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Accept {
    /// Another order of lists whose order may show
    OrderOnly,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<Outcome, Failure> {
    let workspace = context.workspace()?;
    let lock = if arguments.dry_run {
        None
    } else {
        Some(workspace.lock()?)
    };
    let (snapshot, config) = context.read(&workspace)?;
    if lock.is_some() {
        let problems = guard::judge(&context.facts(&workspace, &config)?);
        if guard::refuses(&problems) {
            return Err(Failure {
                outcome: Outcome::Refused,
                problems,
            });
        }
        context.ui.problems(&problems, None);
    }
    let reader = Reader::new();
    let fleet = Arc::new(reader.load_told(&snapshot.tree, context)?);
    let hosts = select(&fleet, &arguments.hosts)?;
    let names: Vec<String> = hosts.iter().map(|host| host.name.clone()).collect();
    let job = Job {
        arguments,
        context,
        workspace: &workspace,
        reader: &reader,
        taxonomy: arguments.grouping.taxonomy(&config)?,
        grouping: arguments.grouping.grouping()?,
        directory: arguments.grouping.directory(&config)?,
        config,
        judge: OnceCell::new(),
    };
    match lock {
        Some(lock) if arguments.commit => job.one_by_one(&names, snapshot.tree, &fleet, &lock),
        lock => job.all_at_once(&names, snapshot.tree, &fleet, lock.as_ref()),
    }
}

struct Job<'a> {
    arguments: &'a Arguments,
    context: &'a Context,
    workspace: &'a Workspace,
    reader: &'a Reader,
    taxonomy: Taxonomy,
    grouping: Grouping,
    directory: Option<TreePath>,
    config: Config,
    judge: OnceCell<Option<Judge>>,
}

impl Job<'_> {
    /// Who asks Nix; looked for when there is something to ask, so that until then
    /// nothing is left behind by leaving.
    fn judge(&self, tree: &Tree) -> Result<Option<&Judge>, Failure> {
        if self.judge.get().is_none() {
            let no_nix = self.arguments.no_nix;
            let found = Judge::find_unless(no_nix, self.context, self.workspace, tree)?;
            return Ok(self.judge.get_or_init(|| found).as_ref());
        }
        Ok(self.judge.get().and_then(Option::as_ref))
    }

    /// Work that may be left in the middle, as long as there is nothing else yet.
    fn harmless<T>(&self, work: impl FnOnce() -> T) -> T {
        match self.judge.get() {
            None => self.context.cancel.harmless(work),
            Some(_) => work(),
        }
    }

    /// Plans these hosts, each on what the ones before it leave.
    fn plan(
        &self,
        names: &[String],
        tree: &Tree,
        fleet: &Arc<Fleet>,
    ) -> Result<(Migration, Arc<Fleet>), Failure> {
        let knowledge = Knowledge {
            table: &self.reader.table,
            taxonomy: &self.taxonomy,
            cache: &self.reader.cache,
        };
        let total = u64::try_from(names.len()).unwrap_or(u64::MAX);
        let task = self.context.ui.progress().task("migrate", total);
        let mut changes = ChangeSet::new();
        let mut plans: Vec<MigratePlan> = Vec::new();
        let mut after = None;
        for name in names {
            self.context.check_interrupted()?;
            let request = MigrateRequest {
                host: name,
                grouping: self.grouping.clone(),
                namespace: self.config.namespace.clone(),
                directory: self.directory.clone(),
                accept_order_only: self.arguments.accept == Some(Accept::OrderOnly),
            };
            let (tree, fleet) = match &after {
                None => (tree, fleet),
                Some((tree, fleet)) => (tree, fleet),
            };
            let mut plan = self.harmless(|| migrate_host(tree, fleet, &request, &knowledge));
            task.advance(name);
            if let Some(fleet) = plan.after.take() {
                let tree = tree.with(&plan.changes);
                changes = edit::then(changes, plan.changes.clone());
                after = Some((tree, fleet));
            }
            plans.push(plan);
        }
        drop(task);
        let (after_tree, after) =
            after.map_or((None, None), |(tree, fleet)| (Some(tree), Some(fleet)));
        // One proof over everything, whatever the single plans have said.
        let now = after.as_ref().unwrap_or(fleet);
        let verdicts = self.harmless(|| compare(fleet, now, &self.reader.table));
        let after_tree = after_tree.unwrap_or_else(|| tree.clone());
        let names: Vec<String> = verdicts.iter().map(|it| it.host.clone()).collect();
        let judge = match changes.is_empty() {
            true => None,
            false => self.judge(tree)?,
        };
        let derivations = match judge {
            Some(judge) => judge.judge(self.context, tree, &after_tree, &names, now)?,
            None => derivation::Verdicts::new(),
        };
        let migration = Migration {
            before: tree.clone(),
            after: after_tree,
            plans,
            changes,
            verdicts,
            derivations,
        };
        Ok((migration, after.unwrap_or_else(|| Arc::clone(fleet))))
    }

    /// Features that were named, to be taken or left, and that no host has: nothing is
    /// written for a name that was not meant so.
    fn check_names(&self, migration: &Migration) -> Result<(), Failure> {
        let plans = &migration.plans;
        let moved: BTreeSet<&String> = plans.iter().flat_map(|it| it.features.keys()).collect();
        let is_left_out = |name: &String| {
            let reason = left_out_reason(name);
            let mut kept = plans.iter().flat_map(|plan| &plan.kept);
            kept.any(|kept| kept.reason == reason)
        };
        // A pattern of which everything stays has matched something.
        let is_kept = |pattern: &str| {
            let mut kept = plans.iter().flat_map(|plan| &plan.kept);
            kept.any(|kept| matches(pattern, &components(&kept.path)))
        };
        let made = self.grouping.features.iter();
        let made = made.filter(|(name, pattern)| name != STAYS && !is_kept(pattern));
        let named = self.grouping.only.iter().chain(&self.grouping.except);
        let named = named.chain(made.map(|(name, _)| name));
        let unknown = named.filter(|name| !moved.contains(name) && !is_left_out(name));
        let problems: Vec<Problem> = unknown
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(|name| {
                let what = format!(
                    "nothing here goes into a feature called {}",
                    Quoted(OsStr::new(name))
                );
                let problem = match migration.changes.is_empty() {
                    true => Problem::warning("unknown-feature", what),
                    false => Problem::error("unknown-feature", what),
                };
                problem.help("`cargo xtask migrate plan HOST` lists the features of a host")
            })
            .collect();
        if problems.is_empty() || migration.changes.is_empty() {
            self.context.ui.problems(&problems, None);
            return Ok(());
        }
        let outcome = Outcome::Failed;
        Err(Failure { outcome, problems })
    }

    /// Whether the plans may be written: everything is proved, nothing refused.
    fn holds(&self, migration: &Migration) -> bool {
        let accepted = match self.arguments.accept {
            Some(Accept::OrderOnly) => Judgement::OrderOnly,
            None => Judgement::Equal,
        };
        let refused = |plan: &MigratePlan| plan.outcome == migrate::Outcome::Refused;
        let proved = migration
            .verdicts
            .iter()
            .all(|verdict| verdict.judgement <= accepted);
        let derived = derivation::holds(&migration.derivations, &migration.verdicts, accepted);
        proved && derived && !migration.plans.iter().any(refused)
    }

    /// Everything in one change of the tree.
    fn all_at_once(
        &self,
        names: &[String],
        tree: Tree,
        fleet: &Arc<Fleet>,
        lock: Option<&Lock>,
    ) -> Result<Outcome, Failure> {
        let (migration, _) = self.plan(names, &tree, fleet)?;
        self.check_names(&migration)?;
        let holds = self.holds(&migration);
        show::migration(&migration, holds, self.arguments.dry_run, self.context);
        if !holds {
            show::document(&migration, self.arguments.dry_run, self.context);
            return Ok(Outcome::Findings);
        }
        if let Some(lock) = lock
            && !migration.changes.is_empty()
        {
            self.confirm(&migration)?;
            self.write(&migration, names, lock)?;
            show::written(&migration, self.context);
        }
        show::document(&migration, self.arguments.dry_run, self.context);
        Ok(Outcome::Done)
    }

    /// A change and a commit for each host.
    fn one_by_one(
        &self,
        names: &[String],
        tree: Tree,
        fleet: &Arc<Fleet>,
        lock: &Lock,
    ) -> Result<Outcome, Failure> {
        // Nothing is committed unless everything holds.
        let (whole, _) = self.plan(names, &tree, fleet)?;
        self.check_names(&whole)?;
        let holds = self.holds(&whole);
        show::migration(&whole, holds, false, self.context);
        if !holds {
            show::document(&whole, false, self.context);
            return Ok(Outcome::Findings);
        }
        if !whole.changes.is_empty() {
            self.confirm(&whole)?;
        }
        let (mut tree, mut fleet) = (tree, Arc::clone(fleet));
        for name in names {
            let names = std::slice::from_ref(name);
            let (migration, after) = self.plan(names, &tree, &fleet)?;
            fleet = after;
            tree = migration.after.clone();
            if migration.changes.is_empty() {
                continue;
            }
            let paths = self.write(&migration, names, lock)?;
            let commit = self.commit(&migration, &paths, lock)?;
            let short: String = commit.chars().take(12).collect();
            let text = format!("committed {name} as {short}");
            self.context.cancel.stays(&text);
            self.context.ui.text(&text);
        }
        show::document(&whole, false, self.context);
        Ok(Outcome::Done)
    }

    fn confirm(&self, migration: &Migration) -> Result<(), Failure> {
        let count = migration.changes.len();
        if self.context.global.yes
            || self
                .context
                .ui
                .confirm(&format!("change {}?", ui::count(count, "file")))
        {
            Ok(())
        } else {
            Err(Problem::error("interrupted", "not confirmed; nothing was changed").into())
        }
    }

    fn write(
        &self,
        migration: &Migration,
        names: &[String],
        lock: &Lock,
    ) -> Result<Vec<String>, Failure> {
        let label = format!("migrate host {}", names.join(" "));
        let request = Request {
            label: &label,
            git_add: !self.arguments.no_git_add,
        };
        let mut watch = self.context.cancel.clone();
        let done = self
            .workspace
            .apply(lock, &migration.changes, request, &mut watch)?;
        Ok(done.paths)
    }

    /// Commits what was written; takes it back if that is refused.
    fn commit(
        &self,
        migration: &Migration,
        paths: &[String],
        lock: &Lock,
    ) -> Result<String, Failure> {
        let Some(git) = self.workspace.git() else {
            self.workspace
                .undo(lock, &mut self.context.cancel.clone())?;
            return Err(Problem::error(
                "no-git",
                "there is no git repository to commit to; everything was taken back",
            )
            .into());
        };
        let (message, trailers) = show::commit_message(migration);
        let paths: Vec<&OsStr> = paths.iter().map(AsRef::as_ref).collect();
        git.commit(&message, &trailers, &paths).map_err(|error| {
            let problem = Problem::error("commit-failed", error.to_string());
            match self
                .workspace
                .undo(lock, &mut crate::process::Cancel::default())
            {
                Ok(_) => Failure::from(
                    problem
                        .help("nothing was changed; without --commit the result stays uncommitted"),
                ),
                Err(second) => Failure {
                    outcome: Outcome::Failed,
                    problems: vec![problem, second.problem()],
                },
            }
        })
    }
}
