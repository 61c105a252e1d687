//! Journals of rollouts on the disk: one file each, below `.fleet/rollouts/` of
//! the repository.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::journal::rollout::{Decoded, End, decode, encode};
use crate::problem::Problem;
use crate::rollout::{Event, Sink, State, fold};

/// The journals of a repository.
#[derive(Debug, Clone)]
pub struct Journals {
    directory: PathBuf,
}

/// The right to roll out from this repository. It ends with its owner.
#[derive(Debug)]
pub struct Owner {
    _file: File,
}

/// One journal as it was read.
#[derive(Debug)]
pub struct Read1 {
    /// Of the rollout.
    pub id: String,
    /// Its records.
    pub decoded: Decoded,
    /// What they come to.
    pub state: State,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal<F> {
    file: File,
    end: End,
    /// Is given every line that was written.
    written: F,
}

fn broken(path: &Path, error: impl std::fmt::Display) -> Problem {
    Problem::error("bad-journal", format!("{}: {error}", path.display()))
}

impl Journals {
    /// Those of the repository at `root`.
    pub fn of(root: &Path) -> Self {
        Self {
            directory: root.join(".fleet/rollouts"),
        }
    }

    /// Where roots are that hold what a rollout brings.
    pub fn roots(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.roots"))
    }

    fn path(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.jsonl"))
    }

    fn prepare(&self) -> Result<(), Problem> {
        let unwritable = |error: io::Error| broken(&self.directory, error);
        fs::create_dir_all(&self.directory).map_err(unwritable)?;
        // Nothing of it belongs to the flake.
        let ignore = self.directory.join("../.gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n").map_err(unwritable)?;
        }
        Ok(())
    }

    /// Makes this process the one that rolls out.
    ///
    /// # Errors
    /// Another one does (code `rollout-runs`).
    pub fn own(&self) -> Result<Owner, Problem> {
        self.prepare()?;
        let path = self.directory.join("lock");
        let unwritable = |error: io::Error| broken(&path, error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(unwritable)?;
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let who = self.owner().map(|pid| format!(" (process {pid})"));
            return Err(Problem::error(
                "rollout-runs",
                format!(
                    "another rollout of this repository is under way{}",
                    who.unwrap_or_default()
                ),
            )
            .help("`rollout status` shows it, `rollout abort` takes it back"));
        }
        // For `abort` and for the message above; the lock is the flock.
        file.set_len(0).map_err(unwritable)?;
        writeln!(file, "{}", std::process::id()).map_err(unwritable)?;
        Ok(Owner { _file: file })
    }

    /// The process that rolls out now, if there is one.
    pub fn owner(&self) -> Option<i32> {
        let path = self.directory.join("lock");
        let file = File::open(&path).ok()?;
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
            return None;
        }
        let mut text = String::new();
        File::open(path).ok()?.read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    }

    /// The names of all rollouts, oldest first.
    pub fn list(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| Some(name.strip_suffix(".jsonl")?.to_owned()))
            .collect();
        names.sort();
        names
    }

    /// A name for a new rollout: they sort as they were begun here, whatever the
    /// clock says, and differ from those of other operators.
    pub fn name(&self, now: jiff::Timestamp) -> String {
        let number = |name: &String| name.split('-').next()?.parse::<u32>().ok();
        let last = self.list().iter().filter_map(number).max().unwrap_or(0);
        let seed = format!("{now}-{}-{:?}", std::process::id(), self.directory);
        let unique = blake3::hash(seed.as_bytes()).to_hex();
        let day = now.strftime("%Y%m%d");
        let short: String = unique.chars().take(8).collect();
        format!("{:04}-{day}-{short}", last + 1)
    }

    /// Reads one.
    ///
    /// # Errors
    /// It is damaged, or of another version.
    pub fn read(&self, id: &str) -> Result<Read1, Problem> {
        let path = self.path(id);
        let bytes = fs::read(&path).map_err(|error| broken(&path, error))?;
        let decoded = decode(&bytes).map_err(|error| broken(&path, error))?;
        let state = fold(decoded.events()).map_err(|error| broken(&path, error))?;
        Ok(Read1 {
            id: id.to_owned(),
            decoded,
            state,
        })
    }

    /// Begins one.
    ///
    /// # Errors
    /// It cannot be written, or is there.
    pub fn create<F: FnMut(&str)>(&self, id: &str, written: F) -> Result<Journal<F>, Problem> {
        self.prepare()?;
        let path = self.path(id);
        let opened = OpenOptions::new().append(true).create_new(true).open(&path);
        let file = opened.map_err(|error| broken(&path, error))?;
        // The name of a new file has to be on the disk as well.
        let directory = File::open(&self.directory).and_then(|directory| directory.sync_all());
        directory.map_err(|error| broken(&path, error))?;
        Ok(Journal {
            file,
            end: End::default(),
            written,
        })
    }

    /// Goes on with one; what a crash has torn at its end is cut off.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn append<F: FnMut(&str)>(&self, read: &Read1, written: F) -> Result<Journal<F>, Problem> {
        let path = self.path(&read.id);
        let failed = |error: io::Error| broken(&path, error);
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(failed)?;
        let length = u64::try_from(read.decoded.valid_length).unwrap_or(u64::MAX);
        file.set_len(length).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ok(Journal {
            file,
            end: read.decoded.end.clone(),
            written,
        })
    }
}

impl<F: FnMut(&str)> Sink for Journal<F> {
    type Error = Problem;

    fn append(&mut self, events: &[Event]) -> Result<(), Problem> {
        let failed = |error: &dyn std::fmt::Display| {
            Problem::error(
                "bad-journal",
                format!("the journal cannot be written: {error}"),
            )
            .help("`rollout resume` goes on once it can be")
        };
        let now = jiff::Timestamp::now().as_millisecond();
        let now = u64::try_from(now).unwrap_or_default();
        let mut end = self.end.clone();
        let mut text = String::new();
        for event in events {
            text += &encode(&mut end, now, event).map_err(|error| failed(&error))?;
        }
        self.file
            .write_all(text.as_bytes())
            .map_err(|error| failed(&error))?;
        self.file.sync_data().map_err(|error| failed(&error))?;
        self.end = end;
        text.lines().for_each(|line| (self.written)(line));
        Ok(())
    }
}
