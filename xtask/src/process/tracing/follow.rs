//! The one that watches, and the one that becomes the program.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, IoSliceMut};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, raise};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use rustix::process::WaitOptions;

use super::calls::{self, Call};
use super::filter::{self, KNOWN};
use super::together::Together;
use super::{Seen, Traced};

/// The longest path that the kernel takes.
const LONGEST: usize = 4096;

/// Threads count, too (`__WALL`).
const EVERYTHING: WaitOptions = WaitOptions::from_bits_retain(0x4000_0000);

/// Becomes a program that this process's parent watches; the first word is what
/// [`trace`] has put there.
///
/// It comes back only with what went wrong.
pub fn become_traced(words: &[OsString]) -> io::Error {
    let [watcher, program, arguments @ ..] = words else {
        return io::Error::from(io::ErrorKind::InvalidInput);
    };
    if let Err(error) = prepare(watcher) {
        return error;
    }
    #[allow(clippy::disallowed_methods)]
    Command::new(program).args(arguments).exec()
}

/// Gets ready to be watched by the process with this number.
fn prepare(watcher: &OsStr) -> io::Result<()> {
    // Until it is watched nobody else ends it together with the one that watches.
    let kill = Some(rustix::process::Signal::KILL);
    rustix::process::set_parent_process_death_signal(kill)?;
    // It may be gone already.
    let parent = rustix::process::getppid().map_or(0, |it| it.as_raw_pid());
    if watcher.to_str() != Some(&parent.to_string()) {
        return Err(io::Error::other("nobody watches"));
    }
    ptrace::traceme()?;
    // Whoever watches gets ready.
    raise(Signal::SIGSTOP)?;
    seccompiler::apply_filter(&filter::program()).map_err(io::Error::other)
}

/// Starts a program of ours that calls [`become_traced`] with what follows its own
/// word, and hands on what the command asks for until it ends. What it has started and
/// what has not ended by then is killed when this process ends.
///
/// # Errors
///
/// It cannot be started, or may not be watched.
pub fn trace(
    itself: (&OsStr, &OsStr),
    command: &[OsString],
    on: &mut dyn FnMut(Seen<'_>),
) -> io::Result<Traced> {
    // The program gets such a signal, too, and decides what it does.
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    #[allow(clippy::disallowed_methods)]
    let child = Command::new(itself.0)
        .arg(itself.1)
        .arg(std::process::id().to_string())
        .args(command)
        .spawn()?;
    let root = i32::try_from(child.id()).map_err(io::Error::other)?;
    let mut follower = Follower {
        calls: calls::all().collect(),
        known: HashSet::new(),
        together: Together::new(),
        complete: true,
        memory: Box::new([0; LONGEST]),
    };
    loop {
        let (thread, status) = match rustix::process::wait(EVERYTHING) {
            Ok(Some((thread, status))) => (thread.as_raw_pid(), status.as_raw()),
            Ok(None) | Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        if libc::WIFSTOPPED(status) {
            let signal = follower.stopped(Pid::from_raw(thread), root, status, on)?;
            go_on(Pid::from_raw(thread), signal)?;
            continue;
        }
        follower.known.remove(&thread);
        if thread == root {
            let status = if libc::WIFSIGNALED(status) {
                128 + libc::WTERMSIG(status)
            } else {
                libc::WEXITSTATUS(status)
            };
            return Ok(Traced {
                status: u8::try_from(status).unwrap_or(u8::MAX),
                complete: follower.complete,
            });
        }
    }
}

struct Follower {
    calls: Vec<&'static Call>,
    /// Threads that have begun.
    known: HashSet<i32>,
    together: Together,
    complete: bool,
    memory: Box<[u8; LONGEST]>,
}

impl Follower {
    /// Looks at a thread that has stopped; the signal with which it goes on.
    fn stopped(
        &mut self,
        thread: Pid,
        root: i32,
        status: i32,
        on: &mut dyn FnMut(Seen<'_>),
    ) -> io::Result<i32> {
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            0 if signal == libc::SIGSTOP && self.known.insert(thread.as_raw()) => {
                if thread.as_raw() == root {
                    // All that it starts is watched with the same options.
                    ptrace::setoptions(
                        thread,
                        Options::PTRACE_O_EXITKILL
                            | Options::PTRACE_O_TRACESECCOMP
                            | Options::PTRACE_O_TRACEEXEC
                            | Options::PTRACE_O_TRACECLONE
                            | Options::PTRACE_O_TRACEFORK
                            | Options::PTRACE_O_TRACEVFORK,
                    )?;
                } else {
                    self.together.begun(thread);
                }
                Ok(0)
            }
            0 => Ok(signal),
            libc::PTRACE_EVENT_SECCOMP => {
                self.together.stopped(thread);
                if let Err(error) = self.asks(thread, on) {
                    // One that was killed in the meantime asks for nothing.
                    self.complete &= error == Errno::ESRCH;
                }
                Ok(0)
            }
            _ => Ok(0),
        }
    }

    /// Hands on what a thread asks for.
    fn asks(&mut self, thread: Pid, on: &mut dyn FnMut(Seen<'_>)) -> nix::Result<()> {
        if ptrace::getevent(thread)? != KNOWN {
            return Err(Errno::ENOSYS);
        }
        let asked = calls::asked(thread)?;
        let is_it = |call: &&&Call| u64::try_from(call.number) == Ok(asked.number);
        let call = **self.calls.iter().find(is_it).ok_or(Errno::ENOSYS)?;
        let argument = |at: usize| asked.arguments.get(at).copied().unwrap_or(0);
        let Some(length) = self.text(thread, argument(call.path))? else {
            // The kernel cannot read it either.
            return Ok(());
        };
        let text = self.memory.get(..length).unwrap_or_default();
        let path = Path::new(OsStr::from_bytes(text));
        let contents = call.contents;
        if path.is_absolute() {
            on(Seen { path, contents });
        } else if !text.is_empty() {
            let directory = directory(thread, call.directory.map(argument))?;
            let path = &directory.join(path);
            on(Seen { path, contents });
        }
        // Nothing after a descriptor: what that leads to was opened by its name.
        Ok(())
    }

    /// The length of the text at an address of a thread, which is now in our memory;
    /// `None` if no text that the kernel takes is there.
    fn text(&mut self, thread: Pid, address: u64) -> nix::Result<Option<usize>> {
        /// Most paths are shorter.
        const USUAL: usize = 256;
        /// Pages are of this size or a multiple of it.
        const PAGE: usize = 4096;
        let address = usize::try_from(address).map_err(|_| Errno::ENOSYS)?;
        let mut length = 0;
        while length < LONGEST {
            let base = address.wrapping_add(length);
            // What lies beyond the page may not be there.
            let len = (PAGE - base % PAGE).min(USUAL).min(LONGEST - length);
            let Some(room) = self.memory.get_mut(length..length + len) else {
                break;
            };
            let remote = [RemoteIoVec { base, len }];
            let read = match process_vm_readv(thread, &mut [IoSliceMut::new(room)], &remote) {
                Ok(0) | Err(Errno::EFAULT) => return Ok(None),
                Ok(read) => read,
                Err(error) => return Err(error),
            };
            let read = room.get(..read).unwrap_or_default();
            if let Some(end) = read.iter().position(|byte| *byte == 0) {
                return Ok(Some(length + end));
            }
            length += read.len();
        }
        Ok(None)
    }
}

/// The directory from which a thread's path leads.
fn directory(thread: Pid, descriptor: Option<u64>) -> nix::Result<PathBuf> {
    // The upper half of the register does not count.
    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
    let descriptor = descriptor.map(|it| it as u32 as i32);
    let link = match descriptor {
        None | Some(libc::AT_FDCWD) => format!("/proc/{thread}/cwd"),
        Some(descriptor) => format!("/proc/{thread}/fd/{descriptor}"),
    };
    std::fs::read_link(link)
        .ok()
        .filter(|path| path.is_absolute())
        .ok_or(Errno::EBADF)
}

/// Lets a thread go on, with a signal if that is not 0. One that has ended needs none.
fn go_on(thread: Pid, signal: i32) -> io::Result<()> {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: the kernel takes the signal as a number and touches no memory of ours.
    // nix would refuse signals that it has no name for.
    #[allow(unsafe_code)]
    let done = unsafe { libc::ptrace(libc::PTRACE_CONT, thread.as_raw(), nothing, signal) };
    match Errno::result(done) {
        Ok(_) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
