//! One writer at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::{Errno, FdFlags};

use super::Workspace;
use crate::problem::Problem;

/// The right to change the working tree. It ends with this value, or with the
/// process, however that ends.
pub struct Lock {
    file: File,
}

impl Lock {
    /// Runs `body` while the children that it starts hold the lock too.
    ///
    /// When this process is killed, a git that it has started goes on and
    /// writes the index; nobody may look at the index before that is done.
    pub(super) fn with_children<T>(&self, body: impl FnOnce() -> T) -> T {
        // Without these flags the lock only ends a little early.
        let _ = rustix::io::fcntl_setfd(&self.file, FdFlags::empty());
        let result = body();
        let _ = rustix::io::fcntl_setfd(&self.file, FdFlags::CLOEXEC);
        result
    }
}

/// How long the last child of a killed run is waited for.
const PATIENCE: Duration = Duration::from_millis(700);

/// Takes the lock of an open file; `false` if somebody has it.
fn take(file: &File) -> Result<bool, Errno> {
    let started = Instant::now();
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) if started.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

impl Workspace {
    /// Takes the lock.
    ///
    /// # Errors
    /// Another run has it (code `locked`), or the state directory cannot be written.
    pub fn lock(&self) -> Result<Lock, Problem> {
        let path = self.state_directory().join("lock");
        let unwritable = |error: std::io::Error| {
            Problem::error("state-not-writable", format!("{}: {error}", path.display())).help(
                "the journal of a migration lives there; make it writable, or look with --dry-run",
            )
        };
        fs::create_dir_all(self.state_directory()).map_err(unwritable)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(unwritable)?;
        match take(&file) {
            Ok(true) => {}
            Ok(false) => {
                let mut owner = String::new();
                let _ = file.read_to_string(&mut owner);
                let owner = owner.trim().parse::<u32>();
                let who = owner.map_or_else(|_| String::new(), |pid| format!(" (process {pid})"));
                return Err(Problem::error(
                    "locked",
                    format!("another run{who} is changing this repository"),
                )
                .help("wait until it is done; the lock ends with its owner"));
            }
            Err(error) => return Err(unwritable(error.into())),
        }
        // Only for the message above; the lock is the flock.
        let _ = file.set_len(0);
        let _ = file.rewind();
        let _ = writeln!(file, "{}", std::process::id());
        Ok(Lock { file })
    }
}
