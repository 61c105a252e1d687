//! The judgement by derivation, for every command that has a proof.

use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use super::nix::{Setup, help, span};
use super::outcome::Failure;
use crate::engine::derivations::Derivations;
use crate::engine::evaluation::Results;
use crate::model::Fleet;
use crate::problem::{Problem, Span};
use crate::proof::derivation::{DerivationJudgement, DerivationVerdict};
use crate::proof::{HostVerdict, Judgement};
use crate::tree::Tree;
use crate::workspace::Workspace;

/// Judgements by derivation, by host.
pub(super) type Verdicts = BTreeMap<String, DerivationVerdict>;

/// Judges by derivation.
pub(super) struct Judge(Setup);

impl Judge {
    /// `None`, and a remark, where Nix is not there.
    ///
    /// # Errors
    ///
    /// See [`Setup::find`].
    pub(super) fn find(
        context: &Context,
        workspace: &Workspace,
        tree: &Tree,
    ) -> Result<Option<Self>, Failure> {
        match Setup::find(context, workspace, tree) {
            Ok(setup) => Ok(Some(Self(setup))),
            Err(failure) if failure.problems.iter().all(|it| it.code == "no-nix") => {
                for problem in failure.problems {
                    context.ui.remark(&format!(
                        "not checked by derivation: {} (--no-nix says that this is meant)",
                        problem.message
                    ));
                }
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    /// As [`Judge::find`], unless the user wants none.
    pub(super) fn find_unless(
        unwanted: bool,
        context: &Context,
        workspace: &Workspace,
        tree: &Tree,
    ) -> Result<Option<Self>, Failure> {
        if unwanted {
            return Ok(None);
        }
        Self::find(context, workspace, tree)
    }

    /// What Nix makes of hosts before and after, and the judgement on each; `fleet`
    /// has all hosts that the model knows.
    pub(super) fn judge(
        &self,
        context: &Context,
        before: &Tree,
        after: &Tree,
        hosts: &[String],
        fleet: &Fleet,
    ) -> Result<Verdicts, Failure> {
        let total = u64::try_from(hosts.len() * 2).unwrap_or(u64::MAX);
        let progress = context.ui.progress();
        let task = progress.task("derivations", total);
        let done = |host: &str| task.advance(host);
        let derivations = Derivations {
            nix: &self.0.nix,
            stand: &self.0.stand,
            inputs: self.0.inputs.clone(),
            jobs: self.0.jobs,
            memory: &self.0.memory,
            state: &self.0.state,
            done: &done,
        };
        let first = derivations.of(before, hosts)?;
        context.check_interrupted()?;
        // Where nothing evaluates, the other state need not be looked at.
        let second = if first.hosts.values().any(Result::is_ok) {
            derivations.of(after, hosts)?
        } else {
            first.clone()
        };
        context.check_interrupted()?;
        tell_failures(context, &first, before, fleet);
        if second != first {
            tell_failures(context, &second, after, fleet);
        }
        Ok(derivations.verdicts(&first, &second))
    }
}

/// Why a host does not evaluate: what is said, where, and what to do.
type Cause = (String, Option<Span>, Option<String>);

/// Says which hosts do not evaluate, each cause once, and which hosts only
/// Nix knows.
fn tell_failures(context: &Context, results: &Results, tree: &Tree, fleet: &Fleet) {
    let mut causes: BTreeMap<Cause, Vec<&str>> = BTreeMap::new();
    for (host, result) in &results.hosts {
        if let Err(refusal) = result {
            let cause = (
                refusal.text.clone(),
                span(refusal.at.as_ref(), tree),
                help(refusal, tree, context),
            );
            causes.entry(cause).or_default().push(host);
        }
    }
    let problems: Vec<Problem> = causes
        .into_iter()
        .map(|((text, span, help), hosts)| {
            let hosts = match hosts.as_slice() {
                [one] => (*one).to_owned(),
                [first, rest @ ..] => format!("{first} and {} more", rest.len()),
                [] => String::new(),
            };
            let mut problem = Problem::warning("nix-failed", format!("{hosts}: {text}"));
            if let Some(help) = help {
                problem = problem.help(help);
            }
            Problem { span, ..problem }
        })
        .collect();
    context.ui.problems(&problems, Some(tree));
    let modelled: BTreeSet<&str> = fleet.hosts.iter().map(|it| it.name.as_str()).collect();
    let names = results.names.iter().flatten().map(String::as_str);
    let known: BTreeSet<&str> = names.collect();
    let unseen: Vec<&str> = known.difference(&modelled).copied().collect();
    if !unseen.is_empty() {
        let problem = Problem::warning(
            "hosts-differ",
            format!("only Nix sees these hosts: {}", unseen.join(", ")),
        )
        .help("how they are made could not be followed in flake.nix; nothing is proved of them");
        context.ui.problems(&[problem], Some(tree));
    }
}

/// Whether the two judgements contradict each other: then one of them is wrong,
/// and that is a defect of this tool.
pub(super) fn disagreements(verdicts: &[HostVerdict], second: &Verdicts) -> Vec<Problem> {
    let equal = |verdict: &&HostVerdict| verdict.judgement == Judgement::Equal;
    verdicts
        .iter()
        .filter(equal)
        .filter_map(|verdict| {
            let other = second.get(&verdict.host)?;
            (other.judgement == DerivationJudgement::Different).then(|| {
                let why = other.reasons.join("; ");
                Problem::error(
                    "judgements-disagree",
                    format!("{}: equal by module input, but {why}", verdict.host),
                )
                .help("this is a defect of this tool, or the host depends on where or when it is evaluated: please report it with the diff")
            })
        })
        .collect()
}

/// Says how many hosts have which verdict, and what differs.
pub(super) fn tell(context: &Context, second: &Verdicts) {
    if second.is_empty() {
        return;
    }
    for (host, verdict) in second {
        if verdict.judgement == DerivationJudgement::Different {
            let why = verdict.reasons.join("; ");
            context.ui.text(&format!("{host}: by derivation: {why}"));
        }
        if verdict.message_location {
            context.ui.detail(&format!(
                "{host}: message-location: warnings name other files, and say the same"
            ));
        }
    }
    context
        .ui
        .text(&format!("by derivation: {}", summary(second)));
}

/// Whether nothing is different but hosts of which another order was accepted.
pub(super) fn holds(second: &Verdicts, verdicts: &[HostVerdict], accepted: Judgement) -> bool {
    verdicts.iter().all(|verdict| {
        let differs = second
            .get(&verdict.host)
            .is_some_and(|it| it.judgement == DerivationJudgement::Different);
        !differs || (verdict.judgement == accepted && accepted == Judgement::OrderOnly)
    })
}

/// The judgement on a host in a word.
pub(super) fn word(second: &Verdicts, host: &str) -> &'static str {
    second
        .get(host)
        .map_or(DerivationJudgement::NotChecked, |it| it.judgement)
        .as_str()
}

/// The worst of all judgements, for a commit's trailer.
pub(super) fn overall(second: &Verdicts) -> &'static str {
    let judgements = second.values().map(|verdict| verdict.judgement);
    judgements
        .max()
        .unwrap_or(DerivationJudgement::NotChecked)
        .as_str()
}

fn summary(second: &Verdicts) -> String {
    let mut counts: BTreeMap<DerivationJudgement, usize> = BTreeMap::new();
    for verdict in second.values() {
        *counts.entry(verdict.judgement).or_default() += 1;
    }
    let parts: Vec<String> = counts
        .iter()
        .map(|(judgement, hosts)| format!("{hosts} {}", judgement.as_str()))
        .collect();
    parts.join(", ")
}
