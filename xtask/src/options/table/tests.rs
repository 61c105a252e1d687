use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const SMALL: &str = "\
# releases: 20.09 24.11
# path\ttype\tsince\tuntil\tflags
a-b\tbool\t20.09\t24.11\t-
a.b\tbool\t20.09\t24.11\t-
a.lists\tlistOf(str)\t20.09\t20.09\t-
a.lists\tnullOr(listOf(str))\t24.11\t24.11\t-
a.\"x.y\"\tint\t20.09\t24.11\t-
free\tsubmodule+freeform(attrsOf(attrsOf(str)))\t20.09\t24.11\t-
free.server.port\tint\t20.09\t24.11\t-
json\tsubmodule+freeform(nullOr(either(bool,attrsOf(rec))))\t20.09\t24.11\t-
json.server.port\tint\t20.09\t24.11\t-
moved.deep\tstr\t24.11\t24.11\t-
moved\tattrs\t20.09\t20.09\t-
opaque\teither(str,attrsOf(str))\t20.09\t24.11\t-
users\tattrsOf(submodule)\t24.11\t24.11\t-
users\tloaOf(submodule)\t20.09\t20.09\t-
users.*.jobs\tattrsOf(submodule)\t20.09\t24.11\t-
users.*.jobs.*.lines\tlines\t20.09\t24.11\t-
users.*.shell\tnullOr(path)\t20.09\t24.11\t-
users.*.sub.name\tstr\t20.09\t24.11\t-
";

fn sorted(text: &str) -> String {
    let (mut head, mut rows) = (Vec::new(), Vec::new());
    for line in text.lines() {
        if line.starts_with('#') {
            head.push(line);
        } else {
            rows.push(line);
        }
    }
    rows.sort_unstable();
    head.extend(rows);
    head.join("\n") + "\n"
}

fn show(kind: &PathKind) -> String {
    match kind {
        PathKind::Namespace => "namespace".into(),
        PathKind::Unknown => "unknown".into(),
        PathKind::Option(kind) => format!("option {kind}"),
        PathKind::Inside {
            option,
            submodules,
            element,
        } => format!("inside {option} {submodules} {element}"),
    }
}

fn check_in(text: &str, release: Option<&str>, path: &[&str], expect: &str) {
    let table = OptionTable::parse(text);
    let release = release.map(|text| text.parse().unwrap());
    let kind = table.for_release(release).lookup(path);
    assert_eq!(show(&kind), expect, "{path:?} in {release:?}");
}

#[test]
fn paths_are_namespaces_options_or_inside_options() {
    let text = sorted(SMALL);
    let check = |path: &[&str], expect| check_in(&text, Some("24.11"), path, expect);
    check(&[], "namespace");
    check(&["a"], "namespace");
    check(&["a", "b"], "option bool");
    check(&["a-b"], "option bool");
    check(&["a", "x.y"], "option int");
    check(&["a", "x", "y"], "unknown");
    check(&["a", "b", "c"], "inside 2 0 ?");
    check(&["b"], "unknown");
    check(&["a", "*"], "unknown");
    check(&["users"], "option attrsOf(submodule)");
    check(&["users", "bob"], "inside 1 0 submodule");
    check(&["users", "*"], "inside 1 0 submodule");
    check(&["users", "bob", "shell"], "inside 1 1 nullOr(path)");
    check(&["users", "bob", "sub"], "inside 1 1 namespace");
    check(&["users", "bob", "sub", "name"], "inside 1 1 str");
    check(&["users", "bob", "other"], "inside 1 1 ?");
    check(&["users", "bob", "jobs", "x", "lines"], "inside 1 2 lines");
    check(&["opaque", "x"], "inside 1 0 ?");
    check(&["moved", "deep"], "option str");
}

#[test]
fn free_forms_take_what_is_not_declared() {
    let text = sorted(SMALL);
    let check = |path: &[&str], expect| check_in(&text, None, path, expect);
    check(&["free", "server", "port"], "inside 1 1 int");
    check(&["free", "server", "host"], "inside 1 1 str");
    check(&["free", "other"], "inside 1 1 attrsOf(str)");
    check(&["free", "server"], "inside 1 1 namespace");
    check(&["json", "server", "port"], "inside 1 1 int");
    // Undeclared names below `server` are merged by `either`, as a whole.
    check(&["json", "server"], "inside 1 1 ?");
    check(&["json", "other"], "inside 1 1 ?");
}

#[test]
fn the_release_decides_and_without_one_all_must_agree() {
    let text = sorted(SMALL);
    let check = |release, path: &[&str], expect| check_in(&text, release, path, expect);
    check(Some("20.09"), &["a", "lists"], "option listOf(str)");
    check(Some("24.11"), &["a", "lists"], "option nullOr(listOf(str))");
    check(None, &["a", "lists"], "option ?");
    check(Some("22.05"), &["a", "lists"], "option ?");
    check(Some("25.05"), &["a", "lists"], "option nullOr(listOf(str))");
    check(Some("19.03"), &["a", "lists"], "option listOf(str)");
    check(Some("20.09"), &["moved", "deep"], "inside 1 0 ?");
    check(Some("24.11"), &["moved"], "namespace");
    check(None, &["moved"], "unknown");
    check(None, &["moved", "deep"], "unknown");
    check(None, &["users"], "option loaOf(submodule)");
    check(None, &["users", "bob", "shell"], "inside 1 1 nullOr(path)");
}

#[test]
fn an_empty_table_knows_nothing() {
    check_in("", None, &["a"], "unknown");
    check_in("# releases:\n", Some("24.11"), &["a"], "unknown");
    check_in("# releases: 24.11", Some("24.11"), &["a"], "unknown");
}

#[test]
fn conditions_pass_only_above_options() {
    let text = sorted(SMALL);
    let table = OptionTable::parse(&text);
    let view = table.for_release(None);
    let check = |path: &[&str], split, pass| {
        let kind = view.lookup(path);
        assert_eq!(
            (kind.splittable(), kind.conditions_pass()),
            (split, pass),
            "{path:?}"
        );
    };
    check(&["a"], true, true);
    check(&["users"], true, false);
    check(&["users", "bob"], true, false);
    check(&["users", "bob", "sub"], true, true);
    check(&["a", "b"], false, false);
    check(&["opaque"], false, false);
    check(&["nowhere"], false, false);
}

#[test]
fn real_options_are_found() {
    let table = OptionTable::embedded();
    let check = |release: &str, path: &str, expect: &str| {
        let path: Vec<&str> = path.split('.').collect();
        let kind = table
            .for_release(Some(release.parse().unwrap()))
            .lookup(&path);
        assert_eq!(show(&kind), expect, "{path:?} in {release}");
    };
    check("24.11", "services", "namespace");
    check(
        "24.11",
        "environment.systemPackages",
        "option listOf(package)",
    );
    check("24.11", "services.openssh.extraConfig", "option lines");
    check(
        "24.11",
        "services.openssh.settings.X11Forwarding",
        "inside 3 1 nullOr(bool)",
    );
    check(
        "20.09",
        "users.users.alice.extraGroups",
        "inside 2 1 listOf(str)",
    );
    check(
        "24.11",
        "services.nginx.virtualHosts.web.locations./.extraConfig",
        "inside 3 2 lines",
    );
    check(
        "24.11",
        "systemd.services.x.serviceConfig.ExecStart",
        "inside 2 1 custom(systemd-option)",
    );
    check("24.11", "home-manager.users.alice", "inside 2 0 submodule");
    check(
        "24.11",
        "boot.kernel.sysctl",
        "option submodule+freeform(attrsOf(custom(sysctl-option-value)))",
    );
    check(
        "20.09",
        "networking.wireguard.interfaces.wg0.ips",
        "inside 3 1 listOf(str)",
    );
}

#[test]
fn the_table_is_sorted_unique_and_well_formed() {
    let table = OptionTable::embedded();
    assert!(table.releases().len() >= 2, "{:?}", table.releases());
    let mut before = "";
    let mut ranges: BTreeMap<&str, Vec<(Release, Release)>> = BTreeMap::new();
    let mut count = 0;
    for line in table.rows.text.lines() {
        assert!(before < line, "not sorted by bytes: {line}");
        before = line;
        let row = Row::parse(line).unwrap_or_else(|| panic!("malformed: {line}"));
        assert!(
            row.kind == "?" || OptionType::parse(row.kind) != OptionType::Unknown,
            "type: {line}"
        );
        assert!(row.since <= row.until, "range: {line}");
        for release in [row.since, row.until] {
            assert!(table.releases().contains(&release), "release: {line}");
        }
        let known = ["-", "apply", "readOnly", "internal", "alias", "removed"];
        assert!(
            row.flags.split(',').all(|flag| known.contains(&flag)),
            "flags: {line}"
        );
        assert!(
            !row.path.is_empty() && !row.path.contains(' '),
            "path: {line}"
        );
        ranges
            .entry(row.path)
            .or_default()
            .push((row.since, row.until));
        count += 1;
    }
    for (path, mut ranges) in ranges {
        ranges.sort_unstable();
        let apart = ranges.windows(2).all(|pair| pair[0].1 < pair[1].0);
        assert!(apart, "ranges of {path} overlap");
    }
    assert!(count >= 10_000, "only {count} rows");
    assert!(table.rows.text.ends_with('\n'));
}

#[test]
fn every_row_is_found_at_its_path() {
    let table = OptionTable::embedded();
    for row in table.rows().step_by(7) {
        let Some(path) = components(row.path) else {
            panic!("path: {}", row.path);
        };
        let kind = table.for_release(Some(row.until)).lookup(&path);
        let found = kind.value_type().cloned();
        // A declared name may stand beside a free name of the same set.
        if path.iter().any(|name| name == "*") && kind == PathKind::Unknown {
            panic!("{} is not found", row.path);
        }
        assert_eq!(found, Some(OptionType::parse(row.kind)), "{}", row.path);
    }
}

#[test]
fn modules_outside_of_nixpkgs_are_known_where_nixpkgs_has_nothing() {
    let table = OptionTable::embedded();
    let view = table.for_release(None);
    let others = OptionTable::parse(THIRD_PARTY);
    assert_eq!(others.releases(), []);
    assert!(others.rows().count() > 50);
    let lines: Vec<&str> = table.third_party.text.lines().collect();
    assert!(lines.is_sorted());
    assert_eq!(lines.len(), others.rows().count(), "a row is malformed");
    for row in others.rows() {
        let path = components(row.path).unwrap();
        let found = view.lookup(&path).value_type().cloned();
        assert_eq!(found, Some(OptionType::parse(row.kind)), "{}", row.path);
        let covered = [row.since, row.until] == [table.releases[0], table.releases[1]];
        assert!(covered, "{}", row.path);
        let own = Walk::new(&table.rows, row.until).kind(&path);
        assert_eq!(own, PathKind::Unknown, "{} is an option of NixOS", row.path);
    }
    assert_eq!(view.lookup(&["secrix"]), PathKind::Namespace);
    assert_eq!(view.lookup(&["secrix", "unheard-of"]), PathKind::Unknown);
    // Every home is a module system of its own.
    let home = view.lookup(&["home-manager", "users", "alice", "programs"]);
    assert_eq!(home.value_type(), Some(&OptionType::Unknown));
}

/// The components of a row's path, quotes undone.
fn components(path: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = path;
    loop {
        if rest.starts_with('"') {
            let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            parts.push(stream.next()?.ok()?);
            rest = &rest[stream.byte_offset()..];
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            parts.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
        match rest.strip_prefix('.') {
            Some(tail) => rest = tail,
            None => return rest.is_empty().then_some(parts),
        }
    }
}

proptest! {
    #[test]
    fn bisection_finds_what_a_scan_finds(
        mut lines in proptest::collection::btree_set("[a-c]{1,3}(\\.[a-c]{1,2}){0,2}", 0..30),
        key in "[a-c]{0,3}\\.?"
    ) {
        lines.remove("");
        let text: String = lines.iter().map(|l| format!("{l}\tbool\t20.09\t20.09\t-\n")).collect();
        let found: Vec<_> = OptionTable::starting_with(&text, &key).map(|r| r.path.to_owned()).collect();
        let expect: Vec<_> = text
            .lines()
            .filter(|l| l.starts_with(&key))
            .map(|l| l.split('\t').next().unwrap().to_owned())
            .collect();
        // The text is sorted by whole lines, as the table is.
        let mut rows: Vec<_> = text.lines().collect();
        rows.sort_unstable();
        prop_assume!(rows == text.lines().collect::<Vec<_>>());
        prop_assert_eq!(found, expect);
    }

    #[test]
    fn any_path_can_be_looked_up(path in proptest::collection::vec("\\PC{0,6}", 0..6)) {
        let table = OptionTable::embedded();
        let _ = table.for_release(None).lookup(&path);
    }
}
