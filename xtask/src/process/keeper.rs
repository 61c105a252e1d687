//! Ending whole groups when this process is killed.
//!
//! A child is told of its parent's end by the kernel; what it has started itself is
//! not. `strace` tries the kernel out with children that stop themselves: if it is
//! killed in that moment, they would stand there for ever. So somebody stays behind who
//! reads from a pipe, and kills what is left when the pipe is closed by our end.

use std::io::Write;
use std::process::{ChildStdin, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::group::signal_groups;
use rustix::process::Signal;

/// Reads `begin GROUP` and `end GROUP`; at the end of its input kills what has begun
/// and not ended.
const SCRIPT: &str = r#"
groups=
while read -r what group; do
    rest=
    for known in $groups; do
        [ "$known" = "$group" ] || rest="$rest $known"
    done
    groups=$rest
    [ "$what" = end ] || groups="$groups $group"
done
for group in $groups; do
    kill -s KILL -- "-$group" 2>/dev/null
done
"#;

/// Who is told; `None` before the first group, and where there is no shell.
static KEEPER: Mutex<Option<ChildStdin>> = Mutex::new(None);

/// A group that ends with this process.
pub(super) struct Kept {
    pid: u32,
}

impl Kept {
    /// Keeps the group that a child leads.
    pub(super) fn new(pid: u32) -> Self {
        let mut keeper = keeper();
        if keeper.is_none() {
            *keeper = start();
        }
        tell(&mut keeper, "begin", pid);
        Self { pid }
    }

    /// The child was killed: what it has started is to end too.
    pub(super) fn kill(&self) {
        signal_groups(&[self.pid], Signal::KILL);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        tell(&mut keeper(), "end", self.pid);
    }
}

fn keeper() -> MutexGuard<'static, Option<ChildStdin>> {
    KEEPER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// That it is not there costs what a kill at the wrong moment leaves, no more.
fn tell(keeper: &mut Option<ChildStdin>, what: &str, pid: u32) {
    let told = keeper.as_mut().map(|input| writeln!(input, "{what} {pid}"));
    if matches!(told, Some(Err(_))) {
        *keeper = None;
    }
}

#[allow(clippy::disallowed_methods)]
fn start() -> Option<ChildStdin> {
    use std::os::unix::process::CommandExt;
    let mut command = std::process::Command::new("sh");
    // It outlives this process, and an interruption of its terminal.
    command.process_group(0);
    let child = command
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    child.ok()?.stdin.take()
}

#[cfg(test)]
mod tests {
    use crate::process::{DuctRunner, Invocation, Runner};

    /// A child of a child that was killed ends, too.
    #[test]
    fn what_a_killed_child_has_started_ends() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; kill -s KILL $$", file.display());
        let invocation = Invocation::new("sh").args(["-c", &script]).as_a_whole();
        assert!(
            DuctRunner::default()
                .follow(&invocation, &mut |_| {})
                .is_err()
        );
        let pid: i32 = std::fs::read_to_string(&file)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let runs = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z")
        };
        for _ in 0..500 {
            if !runs() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("it runs");
    }
}
