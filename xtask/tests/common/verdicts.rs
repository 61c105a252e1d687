//! What Nix and the proof say of single changes, counted by kind.

use std::collections::BTreeMap;

use xtask::model::Host;
use xtask::proof::{HostVerdict, Judgement};
use xtask::tree::Tree;

use crate::mutate::{KINDS, Mutation, mutate};
use crate::seed::Seed;

/// Changes of one kind that are tried before it is given up.
const ATTEMPTS: u64 = 4_000;

/// As many changes of every kind as asked for, each with the host it is made to.
pub fn choose<'h>(
    per_kind: usize,
    first: u64,
    tree: &Tree,
    hosts: &[&'h Host],
) -> Vec<(&'h Host, Mutation, String)> {
    let mut chosen = Vec::new();
    let only = std::env::var("FLEET_TEST_KIND").ok();
    for (index, what) in KINDS.iter().enumerate() {
        if only.as_ref().is_some_and(|only| only != what) {
            continue;
        }
        let mut found = 0;
        for number in 0..ATTEMPTS {
            if found == per_kind {
                break;
            }
            let number = first + number;
            let mut seed = Seed::new(number * KINDS.len() as u64 + index as u64);
            let host = *seed.pick(hosts);
            let Some(mutation) = mutate(what, &mut seed, tree, host) else {
                continue;
            };
            found += 1;
            let label = format!(
                "{what} (seed {number}) {} {}: {}",
                host.name,
                mutation.path.as_str(),
                first_line(tree, &mutation)
            );
            chosen.push((host, mutation, label));
        }
        assert_eq!(found, per_kind, "too few places for {what}");
    }
    chosen
}

/// The first line that a change makes different, as it is then.
fn first_line(tree: &Tree, mutation: &Mutation) -> String {
    let before = tree.text(&mutation.path).unwrap_or_default();
    let mut own = before.lines();
    let changed = mutation
        .text
        .as_deref()
        .unwrap_or_default()
        .lines()
        .find(|line| own.next() != Some(*line));
    changed.unwrap_or_default().trim().to_owned()
}

/// Judgements by kind of change and by what Nix says.
#[derive(Default)]
pub struct Verdicts {
    counts: BTreeMap<(&'static str, bool), BTreeMap<&'static str, usize>>,
    wrong: Vec<String>,
    /// What changes nothing that Nix sees, and is not called equal.
    strict: Vec<String>,
}

impl Verdicts {
    /// Notes one change; `difference` is what Nix sees of it, empty for nothing.
    pub fn add(
        &mut self,
        mutation: &Mutation,
        label: &str,
        difference: &[String],
        own: &HostVerdict,
    ) {
        let same = difference.is_empty();
        *self
            .counts
            .entry((mutation.what, same))
            .or_default()
            .entry(own.judgement.as_str())
            .or_default() += 1;
        let why = own.differences.first().map(|own| own.message.as_str());
        let wrong = match own.judgement {
            Judgement::Equal => !same,
            // Where Nix refuses the change, or where only declarations could tell (of
            // which a record of definitions knows nothing), that is the right answer; and
            // where a local that nobody uses stands for what no `with` binds: Nix refuses
            // it only if it had evaluated the set of the `with` before.
            Judgement::Unknown => {
                same && !matches!(mutation.what, "empty set added" | "unbound name")
            }
            _ => mutation.cosmetic && same,
        };
        if !wrong && same && own.judgement != Judgement::Equal {
            self.strict
                .push(format!("{label}: {}", why.unwrap_or_default()));
        }
        if wrong {
            let seen = difference.first().map_or("nothing", String::as_str);
            self.wrong.push(format!(
                "{label}: called {} ({}); Nix sees {seen}",
                own.judgement.as_str(),
                why.unwrap_or("no reason given"),
            ));
        }
    }

    /// Prints the table; fails if a judgement is wrong.
    pub fn finish(self) {
        let mut total = 0;
        for what in KINDS {
            for same in [false, true] {
                let Some(judgements) = self.counts.get(&(what, same)) else {
                    continue;
                };
                let count: usize = judgements.values().sum();
                total += count;
                let real = if same { "same" } else { "changed" };
                eprintln!("{what:20} {count:4} {real:8} {judgements:?}");
            }
        }
        for text in &self.strict {
            eprintln!("  strict: {}", text.chars().take(300).collect::<String>());
        }
        eprintln!("{total} changes, {} judged wrongly", self.wrong.len());
        for text in &self.wrong {
            eprintln!("  {}", text.chars().take(600).collect::<String>());
        }
        assert!(self.wrong.is_empty(), "{} wrong", self.wrong.len());
    }
}
