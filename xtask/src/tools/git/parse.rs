//! What git's machine-readable formats say.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::GitError;

/// An answer that does not have the documented form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError(String);

impl ParseError {
    fn new(record: &[u8]) -> Self {
        Self(String::from_utf8_lossy(record).escape_debug().to_string())
    }

    pub(super) fn of(self, command: &'static str) -> GitError {
        GitError::Answer {
            command,
            cause: self.0,
        }
    }
}

/// One line of `git ls-files --stage`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// File mode: `100644`, `100755`, `120000` (symbolic link), `160000` (submodule).
    pub mode: String,
    /// Object name.
    pub object: String,
    /// 0, or 1 to 3 while a merge is not resolved.
    pub stage: u8,
    /// As git spells it.
    pub path: PathBuf,
}

/// One line of `git ls-tree -r`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// As for [`Staged::mode`].
    pub mode: String,
    /// Object name.
    pub object: String,
    /// As git spells it.
    pub path: PathBuf,
}

/// One changed path of `git status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusEntry {
    /// The two letters: index, work tree; `??` if untracked, `UU` and others if unmerged.
    pub code: String,
    /// Relative to the top of the work tree.
    pub path: PathBuf,
}

impl StatusEntry {
    /// Whether git knows nothing of the path.
    pub fn is_untracked(&self) -> bool {
        self.code == "??"
    }
}

/// What `git status` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// The branch; `None` if HEAD is detached.
    pub branch: Option<String>,
    /// The commit; `None` before the first one.
    pub commit: Option<String>,
    /// What is not as committed.
    pub entries: Vec<StatusEntry>,
}

impl Status {
    /// Whether every tracked file is as committed.
    pub fn is_clean(&self) -> bool {
        self.entries.iter().all(StatusEntry::is_untracked)
    }
}

fn records(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes
        .split(|byte| *byte == 0)
        .filter(|record| !record.is_empty())
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// The first `N` space-separated fields, and the rest.
fn fields<const N: usize>(record: &[u8]) -> Option<([&str; N], &[u8])> {
    let mut rest = record;
    let mut out = [""; N];
    for field in &mut out {
        let end = rest.iter().position(|byte| *byte == b' ')?;
        *field = std::str::from_utf8(rest.get(..end)?).ok()?;
        rest = rest.get(end + 1..)?;
    }
    Some((out, rest))
}

/// Splits at the tab between the facts and the path.
fn at_tab(record: &[u8]) -> Option<(&str, &[u8])> {
    let tab = record.iter().position(|byte| *byte == b'\t')?;
    Some((
        std::str::from_utf8(record.get(..tab)?).ok()?,
        record.get(tab + 1..)?,
    ))
}

pub(super) fn staged(bytes: &[u8]) -> Result<Vec<Staged>, ParseError> {
    let one = |record| {
        let (facts, name) = at_tab(record)?;
        let mut facts = facts.split(' ');
        Some(Staged {
            mode: facts.next()?.to_owned(),
            object: facts.next()?.to_owned(),
            stage: facts.next()?.parse().ok()?,
            path: path(name),
        })
    };
    records(bytes)
        .map(|record| one(record).ok_or_else(|| ParseError::new(record)))
        .collect()
}

pub(super) fn tree(bytes: &[u8]) -> Result<Vec<TreeEntry>, ParseError> {
    let one = |record| {
        let (facts, name) = at_tab(record)?;
        let mut facts = facts.split(' ');
        let mode = facts.next()?.to_owned();
        let _type = facts.next()?;
        Some(TreeEntry {
            mode,
            object: facts.next()?.to_owned(),
            path: path(name),
        })
    };
    records(bytes)
        .map(|record| one(record).ok_or_else(|| ParseError::new(record)))
        .collect()
}

pub(super) fn status(bytes: &[u8]) -> Result<Status, ParseError> {
    let mut status = Status::default();
    for record in records(bytes) {
        let bad = || ParseError::new(record);
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| bad());
        let mut entry = |code: &str, name: &[u8]| {
            status.entries.push(StatusEntry {
                code: code.to_owned(),
                path: path(name),
            });
        };
        match (record.first(), record.get(2..)) {
            (Some(b'#'), Some(header)) => {
                let header = text(header)?;
                if let Some(branch) = header.strip_prefix("branch.head ") {
                    status.branch = (branch != "(detached)").then(|| branch.to_owned());
                } else if let Some(commit) = header.strip_prefix("branch.oid ") {
                    status.commit = (commit != "(initial)").then(|| commit.to_owned());
                }
            }
            (Some(b'1'), Some(rest)) => {
                let ([code, ..], name) = fields::<7>(rest).ok_or_else(bad)?;
                entry(code, name);
            }
            (Some(b'u'), Some(rest)) => {
                let ([code, ..], name) = fields::<9>(rest).ok_or_else(bad)?;
                entry(code, name);
            }
            (Some(b'?'), Some(name)) => entry("??", name),
            (Some(b'!'), Some(_)) => {}
            _ => return Err(bad()),
        }
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_survive() {
        let input = b"100644 aa 0\t-rf\n\"x\"\x00120000 bb 2\ta\tb\xff\0";
        let entries = staged(input).unwrap();
        assert_eq!(entries[0].path, path(b"-rf\n\"x\""));
        assert_eq!(
            (entries[1].path.clone(), entries[1].stage),
            (path(b"a\tb\xff"), 2)
        );
        assert!(staged(b"100644 aa\0").is_err());
    }

    #[test]
    fn status_records_of_every_kind() {
        let input = b"# branch.oid 12ab\0# branch.head main\0\
            1 .M N... 100644 100644 100644 aa bb a b.nix\0\
            u UU N... 100644 100644 100644 100644 aa bb cc both\0? new\n1\0";
        let status = status(input).unwrap();
        assert_eq!(status.branch.as_deref(), Some("main"));
        assert_eq!(status.commit.as_deref(), Some("12ab"));
        let seen: Vec<_> = status
            .entries
            .iter()
            .map(|entry| (entry.code.as_str(), entry.path.to_str().unwrap()))
            .collect();
        assert_eq!(seen, [(".M", "a b.nix"), ("UU", "both"), ("??", "new\n1")]);
    }

    #[test]
    fn a_detached_head_has_no_branch() {
        let status = status(b"# branch.oid (initial)\0# branch.head (detached)\0").unwrap();
        assert_eq!(status, Status::default());
    }

    #[test]
    fn trees_list_modes_and_objects() {
        let entries = tree(b"100755 blob aa\tbin/x\0").unwrap();
        assert_eq!(entries[0].mode, "100755");
        assert_eq!(entries[0].path, path(b"bin/x"));
    }
}
