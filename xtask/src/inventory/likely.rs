//! Hosts that a flake makes out of the model's sight, by the directories that people
//! keep their hosts in and by what Nix says. Nothing is claimed of them but that they
//! are there.

use std::collections::BTreeSet;

use super::{HostEntry, Inventory};
use crate::model::Fleet;
use crate::problem::Problem;
use crate::tree::{Tree, TreePath};

/// Last names of directories that hold one host an entry.
const DIRECTORIES: [&str; 5] = [
    "hosts",
    "machines",
    "systems",
    "servers",
    "nixosConfigurations",
];

/// The same, with what is above it.
const NESTED: &str = "configurations/nixos";

/// Parts of systems' names that directories between are called.
const PLATFORMS: [&str; 2] = ["x86_64-linux", "aarch64-linux"];

/// Entries of a host's own directory.
const ENTRIES: [&str; 2] = ["configuration.nix", "default.nix"];

/// Names that say of themselves that they are no host.
const SHARED: [&str; 12] = [
    "common",
    "shared",
    "default",
    "modules",
    "profiles",
    "base",
    "lib",
    "templates",
    "roles",
    "home",
    "darwin",
    "nixos",
];

/// The likely hosts beside those that were found.
pub(super) fn hosts(fleet: &Fleet, tree: &Tree) -> Vec<HostEntry> {
    let is_hidden = |code: &str| code == "hosts-not-followed";
    if !fleet.problems.iter().any(|problem| is_hidden(problem.code)) {
        return Vec::new();
    }
    let mut known: BTreeSet<String> = fleet.hosts.iter().map(|host| host.name.clone()).collect();
    let mut found = Vec::new();
    for (path, _) in tree.files() {
        let Some((name, directory)) = host_of(path) else {
            continue;
        };
        if SHARED.contains(&name) || name.starts_with(['.', '_']) || !known.insert(name.to_owned())
        {
            continue;
        }
        found.push(HostEntry {
            name: name.to_owned(),
            not_followed: Some(format!(
                "it seems to be a host by its place in {directory}; the flake makes it in a way that is not followed"
            )),
            entry: Some(path.clone()),
            entry_lines: tree.text(path).map_or(0, |text| text.lines().count()),
            ..HostEntry::default()
        });
    }
    found
}

impl Inventory {
    /// Takes in the hosts that Nix has named: what is only likely is then certain or
    /// gone, and where Nix and the model see different hosts, that is said.
    pub fn reconcile(&mut self, names: &[String]) {
        let is_named = |entry: &HostEntry| names.contains(&entry.name);
        let strangers: Vec<String> = self
            .hosts
            .iter()
            .filter(|entry| entry.not_followed.is_none() && !is_named(entry))
            .map(|entry| entry.name.clone())
            .collect();
        if !strangers.is_empty() {
            self.problems.push(
                Problem::warning(
                    "hosts-differ",
                    format!("Nix does not see these hosts: {}", strangers.join(", ")),
                )
                .help("flake.nix was not understood as Nix does; please report it"),
            );
        }
        self.hosts
            .retain(|entry| entry.not_followed.is_none() || is_named(entry));
        const WHY: &str = "Nix names it; the flake makes it in a way that is not followed";
        for name in names {
            match self.hosts.iter_mut().find(|entry| entry.name == *name) {
                Some(entry) if entry.module_files.is_empty() => {
                    if entry.not_followed.is_some() {
                        entry.not_followed = Some(WHY.to_owned());
                    }
                }
                Some(_) => {}
                None => self.hosts.push(HostEntry {
                    name: name.clone(),
                    not_followed: Some(WHY.to_owned()),
                    ..HostEntry::default()
                }),
            }
        }
        self.hosts.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

/// `hosts/NAME/default.nix`, `systems/PLATFORM/NAME/default.nix`: name and directory.
fn host_of(path: &TreePath) -> Option<(&str, &str)> {
    let (directory, entry) = path.as_str().rsplit_once('/')?;
    if !ENTRIES.contains(&entry) {
        return None;
    }
    let (mut above, name) = directory.rsplit_once('/')?;
    let last = |path: &'_ str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let holder = above;
    if PLATFORMS.contains(&last(above).as_str()) {
        above = above.rsplit_once('/')?.0;
    }
    // A fleet keeps its hosts near the top.
    let is_near = above.matches('/').count() <= 1;
    let holds_hosts = DIRECTORIES.contains(&last(above).as_str()) || above.ends_with(NESTED);
    (is_near && holds_hosts).then_some((name, holder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_by_their_place() {
        let check = |path: &str, expect: Option<&str>| {
            let path = TreePath::new(path).unwrap();
            assert_eq!(host_of(&path).map(|(name, _)| name), expect, "{path}");
        };
        check("hosts/web/default.nix", Some("web"));
        check("machines/web/configuration.nix", Some("web"));
        check("systems/x86_64-linux/web/default.nix", Some("web"));
        check("configurations/nixos/web/default.nix", Some("web"));
        check("systems/aarch64-darwin/mac/default.nix", None);
        check("hosts/web/hardware.nix", None);
        check("hosts/default.nix", None);
        check("modules/nixos/web/default.nix", None);
        check("modules/services/web/default.nix", None);
        check("a/b/c/hosts/web/default.nix", None);
    }
}
