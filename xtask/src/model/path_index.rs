//! Option paths as a trie: what stands at, above or below a path is found
//! without looking at every path.

use rustc_hash::FxHashMap;

use crate::syntax::hir::Name;

/// Entries (indices into a list of the caller's) by path.
#[derive(Debug, Clone)]
pub struct PathIndex {
    /// The first is the root, the empty path.
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    children: FxHashMap<Name, usize>,
    /// The entries of exactly this path, in the order of insertion.
    entries: Vec<usize>,
    /// How many entries are at this path or below.
    count: usize,
}

impl Default for PathIndex {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }
}

impl<P: AsRef<[Name]>> FromIterator<P> for PathIndex {
    /// Every path with its place in the sequence as its entry.
    fn from_iter<I: IntoIterator<Item = P>>(paths: I) -> Self {
        let mut index = Self::default();
        for (entry, path) in paths.into_iter().enumerate() {
            index.insert(path.as_ref(), entry);
        }
        index
    }
}

impl PathIndex {
    /// Adds an entry at a path.
    pub fn insert(&mut self, path: &[Name], entry: usize) {
        let mut at = 0;
        for name in path {
            self.nodes[at].count += 1;
            at = match self.nodes[at].children.get(name) {
                Some(child) => *child,
                None => {
                    let child = self.nodes.len();
                    self.nodes.push(Node::default());
                    self.nodes[at].children.insert(name.clone(), child);
                    child
                }
            };
        }
        self.nodes[at].count += 1;
        self.nodes[at].entries.push(entry);
    }

    /// The nodes from the root down along a path, as far as they exist; whether
    /// they reach its end.
    fn along<S: AsRef<str>>(&self, path: &[S]) -> (Vec<&Node>, bool) {
        let mut nodes = vec![&self.nodes[0]];
        let mut at = 0;
        for name in path {
            match self.nodes[at].children.get(name.as_ref()) {
                Some(child) => at = *child,
                None => return (nodes, false),
            }
            nodes.push(&self.nodes[at]);
        }
        (nodes, true)
    }

    /// Whether an entry is at exactly this path.
    pub fn contains(&self, path: &[Name]) -> bool {
        let (nodes, whole) = self.along(path);
        whole && nodes.last().is_some_and(|node| !node.entries.is_empty())
    }

    /// Whether an entry is at the path, above it or below it.
    pub fn overlaps(&self, path: &[Name]) -> bool {
        self.count_overlapping(path) > 0
    }

    /// How many entries are at the path, above it or below it.
    pub fn count_overlapping(&self, path: &[Name]) -> usize {
        let (nodes, whole) = self.along(path);
        let above = nodes.iter().map(|node| node.entries.len()).sum::<usize>();
        match nodes.last() {
            // What is exactly here was counted as above already.
            Some(last) if whole => above + last.count - last.entries.len(),
            _ => above,
        }
    }

    /// The entries at the path, above it or below it, in no certain order.
    pub fn overlapping(&self, path: &[Name]) -> Vec<usize> {
        let (nodes, whole) = self.along(path);
        let mut found: Vec<usize> = nodes
            .iter()
            .flat_map(|node| node.entries.iter().copied())
            .collect();
        if let Some(last) = nodes.last()
            && whole
        {
            let mut below: Vec<usize> = last.children.values().copied().collect();
            while let Some(at) = below.pop() {
                found.extend(&self.nodes[at].entries);
                below.extend(self.nodes[at].children.values());
            }
        }
        found
    }

    /// The entry that was inserted first among those at the path or above it;
    /// without one, whether there are entries below.
    pub fn first_at_or_above<S: AsRef<str>>(&self, path: &[S]) -> Result<usize, bool> {
        let (nodes, whole) = self.along(path);
        let entries = nodes.iter().flat_map(|node| &node.entries);
        entries
            .min()
            .copied()
            .ok_or(whole && self.nodes[0].count > 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_path() -> impl Strategy<Value = Vec<Name>> {
        proptest::collection::vec("[abc]".prop_map(Name::from), 0..4)
    }

    proptest! {
        #[test]
        fn all_questions_are_answered_as_by_looking_at_every_path(
            paths in proptest::collection::vec(any_path(), 0..12), asked in any_path()
        ) {
            let index: PathIndex = paths.iter().collect();
            let overlap = |path: &&Vec<Name>| path.iter().zip(&asked).all(|(a, b)| a == b);
            let expect: Vec<usize> = (0..paths.len()).filter(|at| overlap(&&paths[*at])).collect();
            let mut found = index.overlapping(&asked);
            found.sort_unstable();
            prop_assert_eq!(&found, &expect);
            prop_assert_eq!(index.count_overlapping(&asked), expect.len());
            prop_assert_eq!(index.overlaps(&asked), !expect.is_empty());
            prop_assert_eq!(index.contains(&asked), paths.contains(&asked));
            let above = expect.iter().find(|at| paths[**at].len() <= asked.len());
            prop_assert_eq!(
                index.first_at_or_above(&asked),
                above.copied().ok_or(!expect.is_empty())
            );
        }
    }
}
