//! A command as a value.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What to start, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The program, looked up in `PATH` unless it has a slash.
    pub program: OsString,
    /// Its arguments, without the program.
    pub args: Vec<OsString>,
    /// The working directory; the caller's own if `None`.
    pub directory: Option<PathBuf>,
    /// Environment changes in order; `None` removes a variable.
    pub environment: Vec<(OsString, Option<OsString>)>,
    /// What the child reads on standard input; nothing by default.
    pub stdin: Vec<u8>,
    /// How long it may take before its whole group is killed; for ever if `None`.
    pub deadline: Option<Duration>,
    /// An interruption does not end it: it is short, and half of it would be
    /// worse than all of it.
    pub shielded: bool,
}

impl Invocation {
    /// A command without arguments.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            directory: None,
            environment: Vec::new(),
            stdin: Vec::new(),
            deadline: None,
            shielded: false,
        }
    }

    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// With more arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// In this working directory.
    #[must_use]
    pub fn directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// With a variable set.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Without a variable.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), None));
        self
    }

    /// With this on standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// With a deadline.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Not ended by an interruption.
    #[must_use]
    pub fn shielded(mut self) -> Self {
        self.shielded = true;
        self
    }
}

/// The command as one would type it into a shell.
impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Quoted(&self.program))?;
        for arg in &self.args {
            write!(f, " {}", Quoted(arg))?;
        }
        Ok(())
    }
}

/// A word quoted for a POSIX shell, on one line whatever is in it.
pub struct Quoted<'a>(pub &'a OsStr);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.as_bytes();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+#^".contains(byte);
        match std::str::from_utf8(bytes) {
            Ok(text) if !bytes.is_empty() && bytes.iter().all(plain) => f.write_str(text),
            Ok(text) if !text.chars().any(char::is_control) => {
                write!(f, "'{}'", text.replace('\'', r"'\''"))
            }
            _ => {
                // $'…' is the one quoting that can spell every byte.
                f.write_str("$'")?;
                for chunk in bytes.utf8_chunks() {
                    for character in chunk.valid().chars() {
                        match character {
                            '\n' => f.write_str(r"\n")?,
                            '\t' => f.write_str(r"\t")?,
                            '\'' | '\\' => write!(f, "\\{character}")?,
                            c if c.is_control() => {
                                let mut buffer = [0; 4];
                                for byte in c.encode_utf8(&mut buffer).bytes() {
                                    write!(f, "\\x{byte:02x}")?;
                                }
                            }
                            c => write!(f, "{c}")?,
                        }
                    }
                    for byte in chunk.invalid() {
                        write!(f, "\\x{byte:02x}")?;
                    }
                }
                f.write_str("'")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        let check = |word: &[u8], expect: &str| {
            assert_eq!(Quoted(OsStr::from_bytes(word)).to_string(), expect);
        };
        check(b"--flake=.#web", "--flake=.#web");
        check(b"", "''");
        check(b"a b", "'a b'");
        check(b"it's; rm", r"'it'\''s; rm'");
        check(b"a\nb", r"$'a\nb'");
        check(b"\xff'", r"$'\xff\''");
        check("grün".as_bytes(), "'grün'");
    }
}
