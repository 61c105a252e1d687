//! What a process has read, as it is written down and read below some places.
//!
//! One entry for each path: a letter for how much of it was looked at, the path, and a
//! zero byte. The last entry is a mark: a trace without it is none.

use std::path::{Component, Path, PathBuf};

use super::reads::{Aspect, Reads};
use crate::tree::TreePath;

const KIND: u8 = b'k';
const CONTENTS: u8 = b'c';
const END: &[u8] = b"end\0";

/// Adds an entry to a trace: a path, absolute, as it was named.
pub fn add(trace: &mut Vec<u8>, aspect: Aspect, path: &[u8]) {
    trace.push(match aspect {
        Aspect::Kind => KIND,
        Aspect::Contents => CONTENTS,
    });
    trace.extend_from_slice(path);
    trace.push(0);
}

/// Ends a trace.
pub fn end(trace: &mut Vec<u8>) {
    trace.extend_from_slice(END);
}

/// All paths of a trace; `None` if it is not whole.
pub fn paths(trace: &[u8]) -> Option<Vec<(Aspect, PathBuf)>> {
    let entries = trace.strip_suffix(END)?;
    let Some(entries) = entries.strip_suffix(b"\0") else {
        return entries.is_empty().then(Vec::new);
    };
    entries
        .split(|byte| *byte == 0)
        .map(|entry| {
            let (letter, path) = entry.split_first()?;
            let aspect = match *letter {
                KIND => Aspect::Kind,
                CONTENTS => Aspect::Contents,
                _ => return None,
            };
            // A name that is no text is none of the tree.
            let path = String::from_utf8_lossy(path);
            path.starts_with('/')
                .then(|| (aspect, lexical(Path::new(&*path))))
        })
        .collect()
}

/// What was read below `place`.
pub fn read(paths: &[(Aspect, PathBuf)], place: &Path) -> Reads {
    let mut reads = Reads::default();
    for (aspect, path) in paths {
        if let Ok(below) = path.strip_prefix(place)
            && let Some(path) = below.to_str().and_then(TreePath::new)
        {
            reads.add(path, *aspect);
        }
    }
    reads
}

/// The path without `.` and `..`, links not looked at.
fn lexical(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(entries: &[(Aspect, &str)]) -> Vec<u8> {
        let mut trace = Vec::new();
        for (aspect, path) in entries {
            add(&mut trace, *aspect, path.as_bytes());
        }
        end(&mut trace);
        trace
    }

    #[test]
    fn what_was_read_below_a_place_is_found() {
        use Aspect::{Contents, Kind};
        let trace = trace(&[
            (Contents, "/v/1/a.nix"),
            (Kind, "/v/1/b"),
            (Contents, "/v/1/d"),
            (Kind, "/v/1/d"),
            (Contents, "/v/1/d/../it's \"a\"\nü"),
            (Kind, "/v/1/./"),
            (Kind, "/v/2/other"),
            (Kind, "/v/11"),
            (Kind, "/v"),
        ]);
        let reads = read(&paths(&trace).unwrap(), Path::new("/v/1"));
        let found: Vec<_> = reads.iter().map(|(path, it)| (path.as_str(), it)).collect();
        let expect = [
            ("", Kind),
            ("a.nix", Contents),
            ("b", Kind),
            ("d", Contents),
            ("it's \"a\"\nü", Contents),
        ];
        assert_eq!(found, expect);
    }

    #[test]
    fn a_trace_without_its_end_is_none() {
        let whole = trace(&[(Aspect::Kind, "/a"), (Aspect::Contents, "/end")]);
        assert_eq!(paths(&whole).map(|it| it.len()), Some(2));
        assert_eq!(paths(&trace(&[])), Some(Vec::new()));
        for end in 0..whole.len() {
            assert_eq!(paths(&whole[..end]), None, "{end}");
        }
    }

    #[test]
    fn rubbish_is_none() {
        for text in ["x/a\0end\0", "\0end\0", "krelative\0end\0", "k/aend\0"] {
            assert_eq!(paths(text.as_bytes()), None, "{text:?}");
        }
    }
}
