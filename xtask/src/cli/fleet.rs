//! Reading fleets, and hosts by the names that people type.

use crate::model::{Fleet, Host, ParseCache};
use crate::options::OptionTable;
use crate::problem::Problem;
use crate::tree::Tree;

use super::context::Context;
use super::outcome::{Failure, Outcome};

/// What reading fleets needs, shared between the states of one repository:
/// files that are equal are parsed once.
pub(super) struct Reader {
    pub table: OptionTable<'static>,
    pub cache: ParseCache,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            table: OptionTable::embedded(),
            cache: ParseCache::default(),
        }
    }

    /// All hosts of a tree, findings not told yet.
    pub(super) fn load(&self, tree: &Tree) -> Fleet {
        Fleet::load(tree, &self.table, &self.cache)
    }

    /// The same where nothing is going to be proved.
    pub(super) fn draft(&self, tree: &Tree) -> Fleet {
        Fleet::draft(tree, &self.table, &self.cache)
    }

    /// The finding that there is no host.
    pub(super) fn no_hosts() -> Problem {
        Problem::error(
            "no-hosts",
            "flake.nix defines no nixosConfigurations that could be found",
        )
        .help("a host is an attribute of `outputs.nixosConfigurations`; what could not be followed is above")
    }

    /// All hosts of the working tree; what could not be followed is said. A
    /// flake without hosts is a finding of its own.
    pub(super) fn load_told(&self, tree: &Tree, context: &Context) -> Result<Fleet, Failure> {
        let fleet = context.cancel.harmless(|| self.load(tree));
        Self::told(fleet, tree, context)
    }

    /// The hosts of an earlier tree and of the working tree, read side by side;
    /// of the working tree what could not be followed is said.
    pub(super) fn load_both(
        &self,
        before: &Tree,
        after: &Tree,
        context: &Context,
    ) -> Result<(Fleet, Fleet), Failure> {
        let (before, now) = context
            .cancel
            .harmless(|| rayon::join(|| self.load(before), || self.load(after)));
        Ok((before, Self::told(now, after, context)?))
    }

    fn told(fleet: Fleet, tree: &Tree, context: &Context) -> Result<Fleet, Failure> {
        context.ui.problems(&fleet.problems, Some(tree));
        if fleet.hosts.is_empty() {
            return Err(Self::no_hosts().into());
        }
        Ok(fleet)
    }
}

/// As much of a name as fits into a message, without control characters.
pub(super) fn shown(name: &str) -> String {
    const LONGEST: usize = 60;
    let mut text: String = name
        .chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect();
    if name.chars().count() > LONGEST {
        text.push('…');
    }
    text
}

/// The known name that is nearest to what was typed, if one is near.
pub(super) fn nearest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 200;
    if typed.len() > LONGEST {
        return None;
    }
    // A third of the letters may be wrong, and swapped neighbours are one error.
    let tolerated = (typed.chars().count() / 3).max(1);
    known
        .map(|name| (strsim::osa_distance(typed, name), name))
        .filter(|(distance, _)| *distance <= tolerated)
        .min()
        .map(|(_, name)| name)
}

/// The hosts of these names, each once, in the order of the command line; all
/// hosts if there are no names.
pub(super) fn select<'f>(fleet: &'f Fleet, names: &[String]) -> Result<Vec<&'f Host>, Failure> {
    if names.is_empty() {
        return Ok(fleet.hosts.iter().collect());
    }
    let mut hosts: Vec<&Host> = Vec::new();
    let mut problems = Vec::new();
    for name in names {
        match fleet.host(name) {
            Some(host) if hosts.iter().any(|known| known.name == host.name) => {}
            Some(host) => hosts.push(host),
            None => problems.push(unknown(fleet, name)),
        }
    }
    if problems.is_empty() {
        Ok(hosts)
    } else {
        Err(Failure {
            outcome: Outcome::Failed,
            problems,
        })
    }
}

fn unknown(fleet: &Fleet, name: &str) -> Problem {
    let known = || fleet.hosts.iter().map(|host| host.name.as_str());
    let problem = Problem::error(
        "no-such-host",
        format!("no host is called `{}`", shown(name)),
    );
    match nearest(name, known()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => {
            const SHOWN: usize = 20;
            let count = fleet.hosts.len();
            let mut names: Vec<&str> = known().take(SHOWN).collect();
            if count > SHOWN {
                names.push("…");
            }
            problem.help(format!("there are {count}: {}", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_shown_tamely() {
        assert_eq!(shown("a\n\u{1b}[31m"), "a\\n\\u{1b}[31m");
        assert_eq!(shown(&"x".repeat(4096)).chars().count(), 61);
    }

    #[test]
    fn the_nearest_name_is_found() {
        let known = ["beacon", "anvil", "porthole-lobby"];
        let check =
            |typed, expect| assert_eq!(nearest(typed, known.into_iter()), expect, "{typed}");
        check("becon", Some("beacon"));
        check("porthole_lobby", Some("porthole-lobby"));
        check("zzz", None);
        check(&"b".repeat(4096), None);
    }
}
