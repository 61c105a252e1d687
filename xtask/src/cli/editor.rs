//! Text that a person edits, in the editor of their choice.

use std::fs;

use crate::problem::Problem;
use crate::process::hand_over;

/// Where the editor's command line stands, first come first served.
const VARIABLES: [&str; 2] = ["VISUAL", "EDITOR"];

/// The editor that every POSIX system has.
const DEFAULT: &str = "vi";

/// Opens the editor on a text. `None` if it was left as it was.
///
/// # Errors
///
/// The editor fails, or what it leaves is no text.
pub(super) fn edit(text: &str) -> Result<Option<String>, Problem> {
    let editor = VARIABLES
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|command| !command.trim().is_empty())
        .unwrap_or_else(|| DEFAULT.to_owned());
    let failed = |what: String| {
        Problem::error("no-editor", format!("the editor `{editor}` {what}"))
            .help("set EDITOR to a program that edits the file it is given")
    };
    let unusable = |error: std::io::Error| failed(format!("cannot be used: {error}"));
    let file = tempfile::Builder::new()
        .suffix(".ini")
        .tempfile()
        .map_err(unusable)?;
    fs::write(file.path(), text).map_err(unusable)?;
    if !hand_over(&editor, file.path().as_os_str()).map_err(unusable)? {
        return Err(failed(
            "ended with an error; nothing was taken over".to_owned(),
        ));
    }
    // Many editors replace the file: it is read by its name.
    let edited = fs::read_to_string(file.path()).map_err(unusable)?;
    Ok((edited != text).then_some(edited))
}
