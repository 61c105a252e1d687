//! The calls of the kernel that name files.

use nix::libc;
use nix::sys::ptrace;
use nix::unistd::Pid;

/// How a call names a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    /// Its number on this architecture.
    pub(super) number: libc::c_long,
    /// The argument that holds the directory from which the path leads, if not the
    /// working directory.
    pub(super) directory: Option<usize>,
    /// The argument that holds the path.
    pub(super) path: usize,
    /// Whether it may come to contents; otherwise it asks what stands there.
    pub(super) contents: bool,
}

const fn at(number: libc::c_long, contents: bool) -> Call {
    Call {
        number,
        directory: Some(0),
        path: 1,
        contents,
    }
}

const fn plain(number: libc::c_long, contents: bool) -> Call {
    Call {
        number,
        directory: None,
        path: 0,
        contents,
    }
}

/// Calls of every architecture. Whoever lists a directory has opened it; a file that
/// gets another name could be read by that.
const EVERYWHERE: &[Call] = &[
    at(libc::SYS_openat, true),
    at(libc::SYS_openat2, true),
    at(libc::SYS_readlinkat, true),
    at(libc::SYS_execveat, true),
    plain(libc::SYS_execve, true),
    at(libc::SYS_newfstatat, false),
    at(libc::SYS_statx, false),
    at(libc::SYS_faccessat, false),
    at(libc::SYS_faccessat2, false),
    at(libc::SYS_name_to_handle_at, true),
    at(libc::SYS_open_tree, true),
    at(libc::SYS_linkat, true),
    at(libc::SYS_renameat2, true),
    plain(libc::SYS_getxattr, true),
    plain(libc::SYS_lgetxattr, true),
    plain(libc::SYS_listxattr, true),
    plain(libc::SYS_llistxattr, true),
    plain(libc::SYS_chdir, false),
    plain(libc::SYS_truncate, false),
];

#[cfg(target_arch = "x86_64")]
const HERE: &[Call] = &[
    plain(libc::SYS_open, true),
    plain(libc::SYS_readlink, true),
    plain(libc::SYS_stat, false),
    plain(libc::SYS_lstat, false),
    plain(libc::SYS_access, false),
    plain(libc::SYS_link, true),
    plain(libc::SYS_rename, true),
    at(libc::SYS_renameat, true),
];

#[cfg(target_arch = "aarch64")]
const HERE: &[Call] = &[at(libc::SYS_renameat, true)];

/// All calls at which a program is stopped.
pub(super) fn all() -> impl Iterator<Item = &'static Call> {
    EVERYWHERE.iter().chain(HERE)
}

/// A call that a stopped thread is about to make.
pub(super) struct Asked {
    pub(super) number: u64,
    pub(super) arguments: [u64; 6],
}

/// What a stopped thread is about to ask.
#[cfg(target_arch = "x86_64")]
pub(super) fn asked(thread: Pid) -> nix::Result<Asked> {
    let it = ptrace::getregs(thread)?;
    Ok(Asked {
        number: it.orig_rax,
        arguments: [it.rdi, it.rsi, it.rdx, it.r10, it.r8, it.r9],
    })
}

/// What a stopped thread is about to ask.
#[cfg(target_arch = "aarch64")]
pub(super) fn asked(thread: Pid) -> nix::Result<Asked> {
    let [a, b, c, d, e, f, _, _, number, ..] = ptrace::getregs(thread)?.regs;
    Ok(Asked {
        number,
        arguments: [a, b, c, d, e, f],
    })
}
