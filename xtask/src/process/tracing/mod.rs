//! Watching for which files a program, and all that it starts, asks the kernel.
//!
//! A filter in the kernel stops the program once at every call that names a file, and
//! nowhere else; the name is read from its memory, and it goes on. Nothing is looked
//! at that the kernel answers: who asks for a file depends on it, whatever stands
//! there.
//!
//! One process of ours watches ([`trace`]), another becomes the program ([`become_traced`]).
//! The program ends with the one that watches, however that ends.

// The numbers of calls and the names of registers differ.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod calls;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod filter;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod follow;
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
#[path = "nowhere.rs"]
mod follow;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod together;

pub use follow::{become_traced, trace};

use std::path::Path;

/// A call that named a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen<'a> {
    /// The file, absolute; as it was named otherwise, `..` and links included.
    pub path: &'a Path,
    /// What is in it may count, not only what stands there.
    pub contents: bool,
}

/// How a program has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traced {
    /// Exit status, or 128 and the signal that has ended it.
    pub status: u8,
    /// Whether every call was understood.
    pub complete: bool,
}
