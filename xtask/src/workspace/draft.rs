//! From a change set to the steps of a transaction.

use std::collections::BTreeMap;
use std::io;

use super::apply::ApplyError;
use super::place::{Found, Place};
use super::staging::{Directories, Draft, Permissions, missing_parents};
use crate::edit::{Change, ChangeSet};
use crate::journal::transaction::{Directory, IndexState, IndexTarget};
use crate::problem::Problem;
use crate::tree::TreePath;

/// Our own user and group.
pub(super) fn own() -> (u32, u32) {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    (user.as_raw(), group.as_raw())
}

/// Compares every change with what is there.
pub(super) fn draft(
    place: &Place,
    changes: &ChangeSet,
    git_add: bool,
) -> Result<Vec<Draft>, ApplyError> {
    let mut drafts: BTreeMap<TreePath, Draft> = BTreeMap::new();
    let mut changed = Vec::new();
    for (asked, change) in changes {
        let io = |error: io::Error| ApplyError::from_io(asked.as_str(), &error);
        let refuse = |code, message: String| ApplyError::Refused(Problem::error(code, message));
        let path = place.resolve(asked).map_err(io)?.ok_or_else(|| {
            refuse(
                "link-leaves-repository",
                format!("{asked}: a symbolic link on the way leaves the repository"),
            )
        })?;
        let found = place.look(&path).map_err(io)?;
        if let Found::Other(what) = found {
            let target = place
                .link_target(&path)
                .map(|target| format!(" to {target}"))
                .unwrap_or_default();
            return Err(refuse(
                "not-a-file",
                format!("{asked}: {what}{target} stands there"),
            ));
        }
        let before = match found {
            Found::File {
                contents,
                mode,
                owner,
            } => Some((contents, mode, owner)),
            _ => None,
        };
        let present = before.as_ref().map(|(contents, ..)| contents.as_slice());
        let (expected, after, index_after) = match change {
            Change::Create {
                contents,
                executable,
            } => {
                let permissions = Permissions::Fresh {
                    executable: *executable,
                };
                (
                    None,
                    Some((contents.clone(), permissions)),
                    IndexTarget::Add,
                )
            }
            Change::Modify {
                before: expected,
                contents,
            } => {
                let (mode, owner) = before
                    .as_ref()
                    .map_or_else(|| (0o644, own()), |(_, mode, owner)| (*mode, *owner));
                let after = (contents.clone(), Permissions::Exact(mode, owner));
                (Some(expected.as_slice()), Some(after), IndexTarget::Keep)
            }
            Change::Delete { before: expected } => (
                Some(expected.as_slice()),
                None,
                IndexTarget::Set(IndexState::Absent),
            ),
        };
        if present != expected {
            changed.push(path);
            continue;
        }
        let draft = Draft {
            path: path.clone(),
            before,
            after,
            index_before: IndexState::Absent,
            index_after: if git_add {
                index_after
            } else {
                IndexTarget::Keep
            },
        };
        if drafts.insert(path.clone(), draft).is_some() {
            return Err(refuse(
                "changed-twice",
                format!("{path}: two changes reach this file through different links"),
            ));
        }
    }
    if !changed.is_empty() {
        return Err(ApplyError::Changed(changed));
    }
    Ok(drafts.into_values().collect())
}

/// Directories that a fresh change makes and may empty.
pub(super) fn directories(place: &Place, drafts: &[Draft]) -> Result<Directories, ApplyError> {
    let mut created: BTreeMap<TreePath, u32> = BTreeMap::new();
    let mut emptied: BTreeMap<TreePath, u32> = BTreeMap::new();
    for draft in drafts {
        let io = |error: io::Error| ApplyError::from_io(draft.path.as_str(), &error);
        if draft.after.is_some() {
            for path in missing_parents(place, &draft.path).map_err(io)? {
                created.insert(path, 0o777);
            }
        } else {
            let mut current = draft.path.parent();
            while let Some(path) = current.filter(|path| !path.as_str().is_empty()) {
                if let Some(mode) = place.directory_mode(&path).map_err(io)? {
                    emptied.insert(path.clone(), mode);
                }
                current = path.parent();
            }
        }
    }
    let list = |(path, mode): (TreePath, u32)| Directory {
        path: path.as_str().to_owned(),
        mode,
    };
    Ok(Directories {
        created: created.into_iter().map(list).collect(),
        emptied: emptied.into_iter().rev().map(list).collect(),
    })
}
