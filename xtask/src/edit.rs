//! Changes as values: text edits of one file, change sets of a tree.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::tree::TreePath;

/// Replaces one byte range of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextEdit {
    /// What goes; an empty range inserts.
    pub range: Range<usize>,
    /// What comes.
    pub insert: String,
}

/// Edits of one text: sorted, disjoint, applied once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextEdits(Vec<TextEdit>);

/// Two edits that touch the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("edits overlap at bytes {0:?} and {1:?}")]
pub struct Overlap(pub Range<usize>, pub Range<usize>);

impl TextEdits {
    /// Sorts the edits and checks that they are disjoint. Several insertions
    /// at one place keep the order in which they were given.
    pub fn new(mut edits: Vec<TextEdit>) -> Result<Self, Overlap> {
        edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
        for pair in edits.windows(2) {
            if pair[0].range.end > pair[1].range.start {
                return Err(Overlap(pair[0].range.clone(), pair[1].range.clone()));
            }
        }
        Ok(Self(edits))
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text with all edits applied; `None` when an edit does not fit the
    /// text (out of bounds, or inside a character).
    pub fn apply(&self, text: &str) -> Option<String> {
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for edit in &self.0 {
            out.push_str(text.get(at..edit.range.start)?);
            text.get(edit.range.clone())?;
            out.push_str(&edit.insert);
            at = edit.range.end;
        }
        out.push_str(text.get(at..)?);
        Some(out)
    }
}

/// What becomes of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A file that must not exist yet.
    Create {
        /// The whole content.
        contents: Vec<u8>,
        /// Whether the executable bit is set.
        executable: bool,
    },
    /// A file that exists and keeps its mode.
    Modify {
        /// The content that the plan was made from; anything else on disk is
        /// somebody else's change, and the plan no longer holds.
        before: Vec<u8>,
        /// The whole new content.
        contents: Vec<u8>,
    },
    /// A file that exists and goes.
    Delete {
        /// As for [`Change::Modify`].
        before: Vec<u8>,
    },
}

impl Change {
    /// `create`, `modify` or `delete`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Modify { .. } => "modify",
            Self::Delete { .. } => "delete",
        }
    }
}

/// All changes of one refactoring, by path.
pub type ChangeSet = BTreeMap<TreePath, Change>;

/// Two change sets, the second made from what the first leaves, as one.
///
/// A file that is made and goes again is not in the result.
#[must_use]
pub fn then(first: ChangeSet, second: ChangeSet) -> ChangeSet {
    let mut both = first;
    for (path, change) in second {
        let joined = match (both.remove(&path), change) {
            (Some(Change::Create { executable, .. }), Change::Modify { contents, .. }) => {
                Some(Change::Create {
                    contents,
                    executable,
                })
            }
            (Some(Change::Create { .. }), Change::Delete { .. }) => None,
            (Some(Change::Modify { before, .. }), Change::Modify { contents, .. })
            | (Some(Change::Delete { before }), Change::Create { contents, .. }) => {
                Some(Change::Modify { before, contents })
            }
            (Some(Change::Modify { before, .. }), Change::Delete { .. }) => {
                Some(Change::Delete { before })
            }
            (_, change) => Some(change),
        };
        both.extend(joined.map(|change| (path, change)));
    }
    both.retain(
        |_, change| !matches!(change, Change::Modify { before, contents } if before == contents),
    );
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(range: Range<usize>, insert: &str) -> TextEdit {
        TextEdit {
            range,
            insert: insert.to_owned(),
        }
    }

    #[test]
    fn edits_apply_in_order_of_place() {
        let edits = TextEdits::new(vec![edit(4..5, "E"), edit(0..1, "A"), edit(2..2, "+")]);
        assert_eq!(edits.unwrap().apply("abcdef").as_deref(), Some("Ab+cdEf"));
    }

    #[test]
    fn overlapping_edits_are_refused() {
        assert!(TextEdits::new(vec![edit(0..3, ""), edit(2..4, "")]).is_err());
    }

    #[test]
    fn an_edit_that_does_not_fit_is_refused() {
        assert_eq!(
            TextEdits::new(vec![edit(2..9, "")]).unwrap().apply("abc"),
            None
        );
        assert_eq!(
            TextEdits::new(vec![edit(1..2, "")]).unwrap().apply("ü"),
            None
        );
    }

    #[test]
    fn change_sets_join() {
        let create = |text: &str| Change::Create {
            contents: text.into(),
            executable: false,
        };
        let modify = |before: &str, after: &str| Change::Modify {
            before: before.into(),
            contents: after.into(),
        };
        let delete = |before: &str| Change::Delete {
            before: before.into(),
        };
        let check = |first: Change, second: Change, expect: Option<Change>| {
            let set = |change| ChangeSet::from([(TreePath::new("a").unwrap(), change)]);
            let joined = then(set(first), set(second));
            assert_eq!(joined.into_values().next(), expect);
        };
        check(create("1"), modify("1", "2"), Some(create("2")));
        check(create("1"), delete("1"), None);
        check(modify("0", "1"), modify("1", "2"), Some(modify("0", "2")));
        check(modify("0", "1"), modify("1", "0"), None);
        check(modify("0", "1"), delete("1"), Some(delete("0")));
        check(delete("0"), create("1"), Some(modify("0", "1")));
        check(delete("0"), create("0"), None);
    }
}
