//! Which changed lines made an option differ.

use similar::{DiffTag, TextDiff};

use crate::problem::Span;
use crate::proof::Difference;
use crate::tree::{Tree, TreePath};

/// The changed lines of all files that two trees do not have in common, as spans
/// of the later one; lines that are gone are a span without length.
pub fn hunks(before: &Tree, after: &Tree) -> Vec<Span> {
    let mut spans = Vec::new();
    for (path, _) in after.files() {
        let same = match (before.entry(path), after.entry(path)) {
            (Some(old), Some(new)) => std::sync::Arc::ptr_eq(old, new),
            _ => false,
        };
        if !same {
            spans.extend(hunks_of(path, before, after));
        }
    }
    spans
}

fn hunks_of(path: &TreePath, before: &Tree, after: &Tree) -> Vec<Span> {
    let old = before.text(path).unwrap_or_default();
    let Ok(new) = after.text(path) else {
        return Vec::new();
    };
    if old == new {
        return Vec::new();
    }
    // Where each line begins, and where the last one ends.
    let mut starts = vec![0];
    starts.extend(new.split_inclusive('\n').scan(0, |at, line| {
        *at += line.len();
        Some(*at)
    }));
    let offset = |line: usize| {
        let offset = starts.get(line).or(starts.last()).copied();
        u32::try_from(offset.unwrap_or(0)).unwrap_or(u32::MAX)
    };
    TextDiff::from_lines(&old, &new)
        .ops()
        .iter()
        .filter(|op| op.tag() != DiffTag::Equal)
        .map(|op| Span {
            path: path.clone(),
            start: offset(op.new_range().start),
            end: offset(op.new_range().end),
        })
        .collect()
}

/// For each difference the changed lines that made it: those inside its own
/// definitions; where there are none, those that stand in no definition that
/// differs (locals, functions, data).
pub fn causes(differences: &[&Difference], hunks: &[Span]) -> Vec<Vec<Span>> {
    let inside = |hunk: &Span, span: &Span| {
        hunk.path == span.path && hunk.start <= span.end && hunk.end >= span.start
    };
    let own = |difference: &Difference, hunk: &Span| {
        difference.after.iter().any(|span| inside(hunk, span))
    };
    let free: Vec<&Span> = hunks
        .iter()
        .filter(|hunk| !differences.iter().any(|it| own(it, hunk)))
        .collect();
    differences
        .iter()
        .map(|difference| {
            let mine: Vec<Span> = hunks
                .iter()
                .filter(|hunk| own(difference, hunk))
                .cloned()
                .collect();
            if mine.is_empty() {
                free.iter().map(|hunk| (*hunk).clone()).collect()
            } else {
                mine
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::Judgement;

    #[test]
    fn lines_belong_to_the_definition_around_them_or_to_those_without_any() {
        let before = Tree::from_texts([
            ("a.nix", "x = 1;\ny = [\n  2\n];\nz = local;\n"),
            ("b", "1\n"),
        ]);
        let after = Tree::from_texts([
            ("a.nix", "x = 1;\ny = [\n  3\n];\nz = local;\n"),
            ("b", "2\n"),
        ]);
        let hunks = hunks(&before, &after);
        let shown: Vec<(&str, u32, u32)> = hunks
            .iter()
            .map(|span| (span.path.as_str(), span.start, span.end))
            .collect();
        assert_eq!(shown, [("a.nix", 13, 17), ("b", 0, 2)]);
        let difference = |start, end| Difference {
            judgement: Judgement::Different,
            path: Vec::new(),
            message: String::new(),
            before: Vec::new(),
            after: vec![Span {
                path: TreePath::new("a.nix").unwrap(),
                start,
                end,
            }],
        };
        let (y, z) = (difference(7, 20), difference(21, 31));
        let causes = causes(&[&y, &z], &hunks);
        assert_eq!(causes, [vec![hunks[0].clone()], vec![hunks[1].clone()]]);
    }
}
