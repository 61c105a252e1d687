//! Where nothing can be watched: both say so.

use std::ffi::{OsStr, OsString};
use std::io;

use super::{Seen, Traced};

/// Says that it does not work here.
pub fn become_traced(_: &[OsString]) -> io::Error {
    io::Error::from(io::ErrorKind::Unsupported)
}

/// Says that it does not work here.
///
/// # Errors
///
/// Always.
pub fn trace(
    _: (&OsStr, &OsStr),
    _: &[OsString],
    _: &mut dyn FnMut(Seen<'_>),
) -> io::Result<Traced> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}
