//! Fleets that others wrote: which hosts are found, and what becomes of each.
//!
//! `FLEET_TEST_FLEETS=DIR cargo nextest run -p xtask --cargo-profile dev
//! --test migrations --run-ignored only --no-capture foreign`

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use xtask::model::{Fleet, ParseCache};
use xtask::options::OptionTable;
use xtask::proof::Judgement;
use xtask::refactor::migrate::{Knowledge, MigratePlan, MigrateRequest, Outcome, migrate_host};
use xtask::taxonomy::Taxonomy;

use crate::tree_of;

/// Lines from which on an entry counts as large.
const LARGE: usize = 100;

/// What one host may take; a test without optimisation gets more.
const LIMIT: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 2 });

/// What became of all hosts.
#[derive(Default)]
struct Summary {
    hosts: usize,
    outcomes: BTreeMap<&'static str, usize>,
    placements: BTreeMap<String, usize>,
    /// Moved shares of large entries, in percent; those that did not migrate
    /// count as nothing.
    large: Vec<usize>,
    migrated: usize,
    slowest: Duration,
    wrong: Vec<String>,
}

fn fleets() -> Option<Vec<PathBuf>> {
    let Some(directory) = std::env::var_os("FLEET_TEST_FLEETS") else {
        eprintln!("skipped: FLEET_TEST_FLEETS names no directory of flakes");
        return None;
    };
    let mut found: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("flake.nix").is_file())
        .collect();
    found.sort();
    Some(found)
}

impl Summary {
    fn fleet(&mut self, root: &Path, table: &OptionTable<'_>, taxonomy: &Taxonomy) {
        let name = root.file_name().unwrap().to_string_lossy().into_owned();
        let tree = tree_of(root);
        let cache = ParseCache::default();
        let start = Instant::now();
        let fleet = Fleet::load(&tree, table, &cache);
        let count = fleet.hosts.len();
        eprintln!("\n{name}: {count} hosts in {:.2?}", start.elapsed());
        for problem in &fleet.problems {
            eprintln!("  {}: {}", problem.code, problem.message);
        }
        let knowledge = Knowledge {
            table,
            taxonomy,
            cache: &cache,
        };
        for host in &fleet.hosts {
            let request = MigrateRequest {
                host: &host.name,
                grouping: Default::default(),
                namespace: None,
                directory: None,
                accept_order_only: false,
            };
            let start = Instant::now();
            let plan = catch_unwind(AssertUnwindSafe(|| {
                migrate_host(&tree, &fleet, &request, &knowledge)
            }));
            let place = format!("{name} {}", host.name);
            match plan {
                Ok(plan) => self.host(&place, &plan, start.elapsed()),
                Err(_) => self.wrong.push(format!("{place}: panic")),
            }
        }
    }

    fn host(&mut self, place: &str, plan: &MigratePlan, time: Duration) {
        let outcome = match plan.outcome {
            Outcome::Migrated => "migrated",
            Outcome::Unchanged => "unchanged",
            Outcome::Refused => "refused",
        };
        let (lines, movable, moved) = (plan.lines.0, plan.movable, plan.moved());
        let share = moved * 100 / movable.max(1);
        let placement = plan.placement.map(|it| format!("{it:?}"));
        let placement = placement.unwrap_or_default();
        eprintln!(
            "{place}\t{outcome}\t{lines}\t{moved}/{movable}\t{share}%\t{}\t{placement}\t{time:.2?}\t{}",
            plan.features.len(),
            plan.reason.as_deref().unwrap_or_default(),
        );
        self.hosts += 1;
        *self.outcomes.entry(outcome).or_default() += 1;
        let is_migrated = plan.outcome == Outcome::Migrated;
        if is_migrated {
            *self.placements.entry(placement).or_default() += 1;
        }
        // What has nothing to move is a composition, however long.
        if lines >= LARGE && movable > 0 {
            self.large.push(if is_migrated { share } else { 0 });
            self.migrated += usize::from(is_migrated);
        }
        self.slowest = self.slowest.max(time);
        let differs = |verdict: &&_| {
            let verdict: &xtask::proof::HostVerdict = verdict;
            verdict.judgement != Judgement::Equal
        };
        if is_migrated && plan.verdicts.iter().any(|it| differs(&it)) {
            self.wrong.push(format!("{place}: migrated, but not equal"));
        }
        if plan.outcome == Outcome::Refused && plan.reason.is_none() {
            self.wrong
                .push(format!("{place}: refused without a reason"));
        }
        if time > LIMIT {
            self.wrong.push(format!("{place}: took {time:.2?}"));
        }
    }
}

#[test]
#[ignore = "needs foreign fleets, of use when the migration changes"]
fn foreign_fleets_migrate_or_are_refused() {
    let Some(fleets) = fleets() else { return };
    let (table, taxonomy) = (OptionTable::embedded(), Taxonomy::embedded());
    let mut summary = Summary::default();
    for root in &fleets {
        summary.fleet(root, &table, &taxonomy);
    }
    let Summary { mut large, .. } = summary;
    large.sort_unstable();
    let median = large.get(large.len() / 2).copied().unwrap_or_default();
    eprintln!(
        "\n{} fleets, {} hosts: {:?}\nplaced: {:?}\nentries of {LARGE} lines and more: {} of {} migrated, \
         median of the movable share that left: {median} %\nslowest host: {:.2?}",
        fleets.len(),
        summary.hosts,
        summary.outcomes,
        summary.placements,
        summary.migrated,
        large.len(),
        summary.slowest,
    );
    assert!(summary.wrong.is_empty(), "{}", summary.wrong.join("\n"));
}
