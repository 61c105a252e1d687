//! The one kind of child that a person works with.

use std::ffi::OsStr;
use std::io;

/// Hands the terminal over to a command line of the user's own (`$EDITOR`),
/// with one more argument, as git does; returns whether it ended well. It shares
/// our process group, or it could not read the terminal.
///
/// # Errors
///
/// There is no shell to start it.
pub fn hand_over(command: &str, argument: &OsStr) -> io::Result<bool> {
    let script = format!("{command} \"$@\"");
    let words: [&OsStr; 4] = ["-c".as_ref(), script.as_ref(), command.as_ref(), argument];
    let output = duct::cmd("sh", words).unchecked().run()?;
    Ok(output.status.success())
}
