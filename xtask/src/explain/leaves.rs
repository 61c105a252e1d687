//! What differs between two derivations: the deepest ones that changed by
//! themselves, not through what they are built from.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use similar::{ChangeTag, TextDiff};

use super::aterm::Derivation;

/// Derivations that were looked at before it is given up: no closure has more.
const LIMIT: usize = 200_000;

/// One derivation that changed by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Its name, without hash and `.drv`.
    pub name: String,
    /// Store path before; `None` if it is new.
    pub before: Option<String>,
    /// Store path after; `None` if it is gone.
    pub after: Option<String>,
    /// What changed: the variable, and lines with `-` or `+` in front.
    pub changes: Vec<(String, Vec<String>)>,
}

/// Finds the leaves. `read` gives derivations by store path.
pub fn leaves(before: &str, after: &str, read: &dyn Fn(&str) -> Option<Derivation>) -> Vec<Leaf> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut left = VecDeque::from([(before.to_owned(), after.to_owned())]);
    while let Some((old, new)) = left.pop_front() {
        if old == new || seen.len() > LIMIT || !seen.insert((old.clone(), new.clone())) {
            continue;
        }
        let (Some(a), Some(b)) = (read(&old), read(&new)) else {
            continue;
        };
        let (pairs, gone, come) = matched(&a, &b);
        for path in gone.iter().chain(&come) {
            let is_gone = gone.contains(path);
            found.push(Leaf {
                name: name(path).to_owned(),
                before: is_gone.then(|| (*path).to_owned()),
                after: (!is_gone).then(|| (*path).to_owned()),
                changes: Vec::new(),
            });
        }
        let changes = changes(&a, &b);
        if !changes.is_empty() {
            found.push(Leaf {
                name: name(&new).to_owned(),
                before: Some(old.clone()),
                after: Some(new.clone()),
                changes,
            });
        }
        left.extend(
            pairs
                .into_iter()
                .filter(|(old, new)| old != new)
                .map(|(old, new)| (old.to_owned(), new.to_owned())),
        );
    }
    found.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.after.cmp(&b.after)));
    found.dedup();
    found
}

/// The name of a store path, without hash and `.drv`.
fn name(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    let name = file.split_once('-').map_or(file, |(_, name)| name);
    name.strip_suffix(".drv").unwrap_or(name)
}

type Matched<'d> = (Vec<(&'d str, &'d str)>, Vec<&'d str>, Vec<&'d str>);

/// Inputs of two derivations, paired: equal ones, then those of one name in order.
fn matched<'d>(a: &'d Derivation, b: &'d Derivation) -> Matched<'d> {
    let mut by_name: BTreeMap<&str, (Vec<&str>, Vec<&str>)> = BTreeMap::new();
    for path in a.inputs.keys().filter(|path| !b.inputs.contains_key(*path)) {
        by_name.entry(name(path)).or_default().0.push(path);
    }
    for path in b.inputs.keys().filter(|path| !a.inputs.contains_key(*path)) {
        by_name.entry(name(path)).or_default().1.push(path);
    }
    let (mut pairs, mut gone, mut come) = (Vec::new(), Vec::new(), Vec::new());
    for (old, new) in by_name.into_values() {
        let common = old.len().min(new.len());
        pairs.extend(old.iter().copied().zip(new.iter().copied()));
        gone.extend(old.into_iter().skip(common));
        come.extend(new.into_iter().skip(common));
    }
    (pairs, gone, come)
}

/// A text with the hashes taken from the paths of the store in it: where only
/// they differ, something else has changed.
fn hashless(text: &str) -> String {
    const STORE: &str = "/nix/store/";
    const HASH: usize = 32;
    let mut parts = text.split(STORE);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(STORE);
        plain.push_str(match part.get(..HASH) {
            Some(hash) if hash.bytes().all(|it| it.is_ascii_alphanumeric()) => {
                part.get(HASH..).unwrap_or_default()
            }
            _ => part,
        });
    }
    plain
}

/// What changed in a derivation itself.
fn changes(a: &Derivation, b: &Derivation) -> Vec<(String, Vec<String>)> {
    let names: BTreeSet<&String> = a.environment.keys().chain(b.environment.keys()).collect();
    let mut changes = Vec::new();
    let mut add = |name: &str, old: &str, new: &str| {
        let (old, new) = (hashless(old), hashless(new));
        if old != new {
            changes.push((name.to_owned(), lines(&old, &new)));
        }
    };
    for name in names {
        let value = |side: &Derivation| side.environment.get(name).cloned().unwrap_or_default();
        add(name, &value(a), &value(b));
    }
    add("builder", &a.builder, &b.builder);
    add(
        "arguments",
        &a.arguments.join("\n"),
        &b.arguments.join("\n"),
    );
    // A source of the same name with other contents shows in its hash alone.
    if a.sources != b.sources {
        let of = |side: &Derivation| side.sources.iter().cloned().collect::<BTreeSet<_>>();
        let (old, new) = (of(a), of(b));
        let mut lines: Vec<String> = old.difference(&new).map(|it| format!("-{it}")).collect();
        lines.extend(new.difference(&old).map(|it| format!("+{it}")));
        changes.push(("sources".to_owned(), lines));
    }
    changes
}

/// The lines, or the words of long lines, in which two texts differ.
fn lines(old: &str, new: &str) -> Vec<String> {
    /// Lines beyond this say no more.
    const SHOWN: usize = 12;
    /// Characters of a line beyond this say no more.
    const WIDTH: usize = 160;
    let one_line = |text: &str| !text.contains('\n');
    // Lists of paths, and JSON, stand in one line.
    let (old, new) = if one_line(old) && one_line(new) {
        (apart(old), apart(new))
    } else {
        (old.to_owned(), new.to_owned())
    };
    let diff = TextDiff::from_lines(&old, &new);
    diff.iter_all_changes()
        .filter_map(|change| {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => return None,
            };
            let line = change.value().trim_end_matches('\n');
            let shown: String = line.chars().take(WIDTH).collect();
            let more = if shown.len() < line.len() { "…" } else { "" };
            Some(format!("{sign}{shown}{more}"))
        })
        .take(SHOWN)
        .collect()
}

/// A line, cut where its parts end.
fn apart(text: &str) -> String {
    if !text.starts_with(['{', '[']) {
        return text.replace(' ', "\n");
    }
    let mut parts = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        parts.push(c);
        if matches!(c, ',' | '{' | '[') {
            parts.push('\n');
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derivation(text: &str, inputs: &[&str]) -> Derivation {
        let environment = [("text".to_owned(), text.to_owned())];
        Derivation {
            environment: environment.into_iter().collect(),
            inputs: inputs
                .iter()
                .map(|path| ((*path).to_owned(), vec!["out".to_owned()]))
                .collect(),
            ..Derivation::default()
        }
    }

    #[test]
    fn the_deepest_change_is_found_and_what_follows_from_it_is_not() {
        let hash = |letter: char| letter.to_string().repeat(32);
        let path = |letter: char, name: &str| format!("/nix/store/{}-{name}", hash(letter));
        let store: BTreeMap<String, Derivation> = [
            (
                path('a', "system.drv"),
                derivation(
                    &path('c', "unit"),
                    &[&path('c', "unit.drv"), &path('x', "same.drv")],
                ),
            ),
            (
                path('b', "system.drv"),
                derivation(
                    &path('d', "unit"),
                    &[
                        &path('d', "unit.drv"),
                        &path('x', "same.drv"),
                        &path('n', "new.drv"),
                    ],
                ),
            ),
            (path('c', "unit.drv"), derivation("a\nport=1\nz", &[])),
            (path('d', "unit.drv"), derivation("a\nport=2\nz", &[])),
        ]
        .into();
        let read = |path: &str| store.get(path).cloned();
        let found = leaves(&path('a', "system.drv"), &path('b', "system.drv"), &read);
        let names: Vec<(&str, usize)> = found
            .iter()
            .map(|leaf| (leaf.name.as_str(), leaf.changes.len()))
            .collect();
        assert_eq!(names, [("new", 0), ("unit", 1)]);
        assert_eq!(
            found[1].changes,
            [(
                "text".to_owned(),
                vec!["-port=1".to_owned(), "+port=2".to_owned()]
            )]
        );
    }
}
