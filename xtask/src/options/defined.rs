//! Which options the modules of nixpkgs define by themselves.
//!
//! The list is text like the table, made by the same script, and looked up in
//! the same way. It holds only options whose order of definitions may show:
//! `path`, first and last release, and how: `defined`, or `forwarded` where
//! nixpkgs only passes on what was defined at a renamed option.

use super::Release;
use super::table::{Entry, PathKind, View, Walk, from_key};

pub(super) const EMBEDDED: &str = include_str!("../../data/defined-by-nixpkgs.txt");

/// The rows of the list, without its head.
pub(super) fn body(mut text: &str) -> &str {
    while text.starts_with('#') {
        text = text.split_once('\n').map_or("", |(_, rest)| rest);
    }
    text
}

/// Since when, until when, and how.
fn parse(line: &str) -> Option<(&str, Release, Release, &str)> {
    let mut columns = line.split('\t');
    let row = (
        columns.next()?,
        columns.next()?.parse().ok()?,
        columns.next()?.parse().ok()?,
        columns.next()?,
    );
    columns.next().is_none().then_some(row)
}

/// A row that starts with `key` says `defined` in the release.
fn lists(list: &str, key: &str, release: Release) -> bool {
    from_key(list, key)
        .lines()
        .take_while(|line| line.starts_with(key))
        .filter_map(parse)
        .any(|(_, since, until, by)| since <= release && release <= until && by == "defined")
}

impl View<'_, '_> {
    /// Some module of nixpkgs may define the option that the path is at, below
    /// or above: definitions that a migration moves may then change their
    /// places relative to those.
    ///
    /// `false` is a promise, for the releases that the table was made from and
    /// for systems that use a renamed option by one name only. `true` also
    /// where nothing is known: paths that are not in the table, and options
    /// whose order of definitions does not show
    /// ([`OptionType::order_matters`]). Not counted is what the type of a
    /// submodule defines in it, because that stands before all definitions of
    /// the submodule wherever those are.
    pub fn defined_by_nixpkgs<S: AsRef<str>>(&self, path: &[S]) -> bool {
        let Some(list) = self.definitions() else {
            return true;
        };
        // As with `lookup`, only releases that have the path are asked.
        let mut known = false;
        for mut walk in self.walks() {
            let kind = walk.kind(path);
            if kind == PathKind::Unknown {
                continue;
            }
            known = true;
            if walk.defined(list, &kind) {
                return true;
            }
        }
        !known
    }
}

impl Walk<'_, '_> {
    /// The question of [`View::defined_by_nixpkgs`], after the walk.
    fn defined(&mut self, list: &str, kind: &PathKind) -> bool {
        if *kind == PathKind::Namespace {
            if !self.key.is_empty() {
                self.key.push('.');
            }
            return lists(list, &self.key, self.column);
        }
        // What has no row of its own belongs to the nearest one above. A cut
        // inside a quoted name finds no row and goes on to the next.
        loop {
            if let Entry::Option(kind) = self.entry() {
                self.key.push('\t');
                return !kind.order_matters() || lists(list, &self.key, self.column);
            }
            match self.key.rfind('.') {
                Some(at) => self.key.truncate(at),
                None => return true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::options::{OptionTable, OptionType};

    const TABLE: &str = "\
# releases: 20.09 24.11
a.\"x.y\"\tattrs\t20.09\t24.11\t-
a.flag\tbool\t20.09\t24.11\t-
a.lists\tlistOf(str)\t20.09\t24.11\t-
b.new\tlines\t24.11\t24.11\t-
b.old\tlines\t20.09\t20.09\t-
sub\tattrsOf(submodule)\t20.09\t24.11\t-
sub.*.free\tsubmodule+freeform(attrsOf(listOf(str)))\t20.09\t24.11\t-
sub.*.lines\tlines\t20.09\t24.11\t-
sub.*.paths\tlistOf(path)\t20.09\t24.11\t-
";
    const LIST: &str = "\
# head
a.\"x.y\"\t20.09\t20.09\tdefined
a.lists\t24.11\t24.11\tdefined
b.old\t20.09\t20.09\tforwarded
sub\t20.09\t24.11\tdefined
sub.*.lines\t20.09\t20.09\tdefined
sub.*.lines\t24.11\t24.11\tforwarded
";

    #[track_caller]
    fn check_in(table: &OptionTable<'_>, release: Option<&str>, path: &str, expect: bool) {
        let path: Vec<_> = path.split('/').filter(|name| !name.is_empty()).collect();
        let release = release.map(|text| text.parse().unwrap());
        let found = table.for_release(release).defined_by_nixpkgs(&path);
        assert_eq!(found, expect, "{path:?} in {release:?}");
    }

    #[test]
    fn a_row_counts_in_its_releases() {
        let table = OptionTable::parse(TABLE).with_definitions(LIST);
        let check = |release, path, expect| check_in(&table, Some(release), path, expect);
        check("20.09", "a/lists", false);
        check("24.11", "a/lists", true);
        // Between releases either may hold, behind the last the last one does.
        check("23.05", "a/lists", true);
        check("25.05", "a/lists", true);
        check("20.09", "a/x.y", true);
        check("24.11", "a/x.y", false);
        check("20.09", "sub/any/lines", true);
        check_in(&table, None, "a/lists", true);
        check_in(&table, None, "sub/any/paths", false);
    }

    #[test]
    fn renamed_options_are_not_defined() {
        let table = OptionTable::parse(TABLE).with_definitions(LIST);
        check_in(&table, Some("20.09"), "b/old", false);
        check_in(&table, Some("24.11"), "sub/any/lines", false);
    }

    #[test]
    fn the_nearest_row_above_decides() {
        let table = OptionTable::parse(TABLE).with_definitions(LIST);
        let check = |path, expect| check_in(&table, Some("24.11"), path, expect);
        check("sub", true);
        check("sub/any", true);
        check("sub/any/free/undeclared", false);
        check("a/x.y/deep/er", false);
        check("a/lists/deeper", true);
    }

    #[test]
    fn above_options_any_of_them_counts() {
        let table = OptionTable::parse(TABLE).with_definitions(LIST);
        check_in(&table, Some("24.11"), "a", true);
        check_in(&table, Some("24.11"), "b", false);
        check_in(&table, Some("24.11"), "", true);
    }

    #[test]
    fn what_is_not_known_may_be_defined() {
        let table = OptionTable::parse(TABLE).with_definitions(LIST);
        check_in(&table, Some("24.11"), "elsewhere", true);
        check_in(&table, Some("24.11"), "sub/any/undeclared", true);
        check_in(&table, Some("24.11"), "b/old", true);
        check_in(&table, Some("24.11"), "a/flag", true);
        let without = OptionTable::parse(TABLE);
        check_in(&without, Some("24.11"), "sub/any/paths", true);
    }

    #[test]
    fn well_known_options() {
        let table = OptionTable::embedded();
        let check = |release, path, expect| check_in(&table, Some(release), path, expect);
        for release in ["20.09", "24.11"] {
            check(release, "environment/systemPackages", true);
            check(release, "environment/etc/hosts/text", true);
            check(release, "networking/firewall/allowedTCPPorts", true);
            check(release, "networking/firewall/extraCommands", true);
            check(release, "systemd/packages", true);
            check(release, "systemd/services/any/path", true);
            check(release, "systemd/tmpfiles/rules", true);
            check(release, "boot/kernelModules", true);
            check(release, "boot/kernelParams", true);
            check(release, "users/users/any/extraGroups", true);
            check(release, "services/udev/extraRules", true);
            check(release, "services/openssh/extraConfig", true);
            check(release, "services/fail2ban/ignoreIP", false);
            check(release, "services/openssh/ports", false);
            check(release, "programs/tmux/extraConfig", false);
            check(release, "networking/wireguard/interfaces/wg0/ips", false);
            check(release, "services/restic/backups/home/paths", false);
        }
        check("20.09", "fonts/fonts", true);
        check("24.11", "fonts/packages", true);
    }

    #[test]
    fn the_list_is_sorted_unique_and_well_formed() {
        assert!(EMBEDDED.len() < 300_000, "{} bytes", EMBEDDED.len());
        let table = OptionTable::embedded();
        let mut ordered: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for row in table.rows() {
            if OptionType::parse(row.kind).order_matters() {
                ordered.entry(row.path).or_default().push(row);
            }
        }
        let mut before = ("", "");
        for line in body(EMBEDDED).lines() {
            assert!(before.0 < line, "not sorted by bytes: {line}");
            let (path, since, until, by) =
                parse(line).unwrap_or_else(|| panic!("malformed: {line}"));
            assert!(since <= until, "range: {line}");
            assert!(["defined", "forwarded"].contains(&by), "{line}");
            for release in [since, until] {
                let mut rows = ordered.get(path).into_iter().flatten();
                let listed = rows.any(|row| row.covers(release));
                assert!(listed, "no ordered option of the table: {line}");
            }
            if before.1 == path {
                let (_, _, previous, _) = parse(before.0).unwrap();
                assert!(previous < since, "two rows for one release: {line}");
            }
            before = (line, path);
        }
    }
}
