//! Watching what a process reads.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::{Invocation, Runner, find_program};
use crate::tools::nix::under;
use crate::validate::trace::ARGUMENTS;

/// `strace`, where it is there and may trace.
pub struct Tracer {
    program: PathBuf,
}

impl Tracer {
    /// Looks for it in `path` (the value of `PATH`), and tries it.
    pub fn find(runner: &dyn Runner, path: &OsStr) -> Option<Self> {
        let tracer = Self {
            program: find_program("strace", path)?,
        };
        let nothing = Invocation::new("true").deadline(Duration::from_secs(10));
        let tried = runner.run(&tracer.around(nothing, Path::new("/dev/null")));
        tried.is_ok().then_some(tracer)
    }

    /// The command, watched; what is seen goes to a file.
    pub fn around(&self, invocation: Invocation, file: &Path) -> Invocation {
        let mut words: Vec<OsString> = vec![self.program.clone().into()];
        words.extend(ARGUMENTS.iter().map(OsString::from));
        words.extend(["-o".into(), file.into(), "--".into()]);
        under(&words, invocation).as_a_whole()
    }
}
