//! The records of one change of the working tree, and what to do about one
//! that was cut off.

use serde::{Deserialize, Serialize};

/// A file as it was, or is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// BLAKE3 of the contents, in hexadecimal.
    pub hash: String,
    /// Permission bits.
    pub mode: u32,
}

impl FileState {
    /// The state of a file with these contents.
    pub fn new(contents: &[u8], mode: u32) -> Self {
        Self {
            hash: blake3::hash(contents).to_hex().to_string(),
            mode,
        }
    }
}

/// An entry of git's index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IndexState {
    /// Not there.
    Absent,
    /// This mode and object.
    Entry {
        /// File mode, such as `100644`.
        mode: String,
        /// Object name.
        object: String,
    },
}

/// What becomes of the index entry of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IndexTarget {
    /// Nothing.
    Keep,
    /// The file is added as it then is on disk.
    Add,
    /// Exactly this.
    Set(IndexState),
}

/// One path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Relative to the root of the flake, no symbolic link on the way.
    pub path: String,
    /// `None`: nothing stood there.
    pub before: Option<FileState>,
    /// `None`: nothing shall stand there.
    pub after: Option<FileState>,
    /// The index entry before.
    pub index_before: IndexState,
    /// The index entry after.
    pub index_after: IndexTarget,
}

/// A directory that is made, or that may go when it is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// Relative to the root of the flake.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
}

/// What a transaction is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// A change that can be taken back later.
    Change,
    /// Takes back the change with this number.
    Undo(u64),
}

/// Everything that is needed to finish a transaction or to take it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Distinguishes the names of temporary files.
    pub id: String,
    /// What for.
    pub purpose: Purpose,
    /// The command, for people.
    pub label: String,
    /// The paths.
    pub steps: Vec<Step>,
    /// Directories that did not exist, parents first.
    pub created_directories: Vec<Directory>,
    /// Directories that hold what is deleted, children first.
    pub emptied_directories: Vec<Directory>,
}

/// One line of a transaction's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// What is about to happen; old and new contents are safe on disk.
    Intent(Box<Intent>),
    /// Everything is in place.
    Committed,
}

/// How far a transaction got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The tree was not touched.
    Staging,
    /// The tree may be anything between old and new.
    Running(Box<Intent>),
    /// The tree is the new one.
    Committed(Box<Intent>),
}

/// Folds the records of one transaction.
pub fn phase(records: Vec<Record>) -> Phase {
    records
        .into_iter()
        .fold(Phase::Staging, |phase, record| match (phase, record) {
            (Phase::Staging, Record::Intent(intent)) => Phase::Running(intent),
            (Phase::Running(intent), Record::Committed) => Phase::Committed(intent),
            (phase, _) => phase,
        })
}

/// What stands at the path of a step now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Now {
    /// What stood there before.
    Before,
    /// What shall stand there.
    After,
    /// Nothing, though something stood there and something shall.
    Gone,
    /// Something else.
    Edited,
}

/// Compares what is there (a hash; `None` for nothing) with a step.
///
/// Modes are not looked at: a changed permission is no lost work.
pub fn now(step: &Step, hash: Option<&str>) -> Now {
    let is = |state: &Option<FileState>| state.as_ref().map(|state| state.hash.as_str()) == hash;
    if is(&step.before) {
        Now::Before
    } else if is(&step.after) {
        Now::After
    } else if hash.is_none() {
        Now::Gone
    } else {
        Now::Edited
    }
}

/// What recovery does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing was touched: the staged files go.
    Discard,
    /// The tree becomes the old one.
    TakeBack,
    /// The tree is the new one: what is left is done.
    Finish,
    /// These paths were edited after the crash; writing over them would lose work.
    Blocked(Vec<String>),
}

/// Decides from the journal and from what stands at each step's path.
pub fn decide(phase: &Phase, now: &[Now]) -> Decision {
    match phase {
        Phase::Staging => Decision::Discard,
        Phase::Committed(_) => Decision::Finish,
        Phase::Running(intent) => {
            let edited: Vec<String> = intent
                .steps
                .iter()
                .zip(now)
                .filter(|(_, now)| **now == Now::Edited)
                .map(|(step, _)| step.path.clone())
                .collect();
            if edited.is_empty() {
                Decision::TakeBack
            } else {
                Decision::Blocked(edited)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(before: Option<&str>, after: Option<&str>) -> Step {
        let state = |text: Option<&str>| text.map(|text| FileState::new(text.as_bytes(), 0o644));
        Step {
            path: "a".to_owned(),
            before: state(before),
            after: state(after),
            index_before: IndexState::Absent,
            index_after: IndexTarget::Keep,
        }
    }

    fn hash(text: &str) -> String {
        FileState::new(text.as_bytes(), 0).hash
    }

    #[test]
    fn what_stands_there_is_told_apart() {
        let modify = step(Some("old"), Some("new"));
        assert_eq!(now(&modify, Some(&hash("old"))), Now::Before);
        assert_eq!(now(&modify, Some(&hash("new"))), Now::After);
        assert_eq!(now(&modify, Some(&hash("mine"))), Now::Edited);
        assert_eq!(now(&modify, None), Now::Gone);
        assert_eq!(now(&step(None, Some("new")), None), Now::Before);
        assert_eq!(now(&step(Some("old"), None), None), Now::After);
    }

    #[test]
    fn recovery_never_writes_over_an_edit() {
        let intent = Box::new(Intent {
            id: String::new(),
            purpose: Purpose::Change,
            label: String::new(),
            steps: vec![step(Some("old"), Some("new"))],
            created_directories: vec![],
            emptied_directories: vec![],
        });
        let running = phase(vec![Record::Intent(intent.clone())]);
        assert_eq!(decide(&running, &[Now::After]), Decision::TakeBack);
        assert_eq!(
            decide(&running, &[Now::Edited]),
            Decision::Blocked(vec!["a".to_owned()])
        );
        let committed = phase(vec![Record::Intent(intent), Record::Committed]);
        assert_eq!(decide(&committed, &[Now::Edited]), Decision::Finish);
        assert_eq!(decide(&phase(vec![]), &[]), Decision::Discard);
        assert_eq!(
            decide(&phase(vec![Record::Committed]), &[]),
            Decision::Discard
        );
    }
}
