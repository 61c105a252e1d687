//! Watching what a process reads.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::process::tracing::{Seen, become_traced, trace};
use crate::process::{Invocation, Runner};
use crate::tools::nix::under;
use crate::validate::reads::Aspect;
use crate::validate::trace;

/// This program as the kernel knows it, also when its file was replaced since.
pub const ITSELF: &str = "/proc/self/exe";

/// As first words of the command line: watch what follows a file's name and write
/// there what it reads, …
const WATCH: &str = "trace-reads";
/// … and become what follows, watched by the parent.
const BECOME: &str = "become-traced";

/// What a shell says of a command that could not be started.
const NOT_STARTED: u8 = 127;

/// Watches processes, where that is allowed.
pub struct Tracer {
    program: PathBuf,
}

impl Tracer {
    /// Tries whether this program, or another copy of it, may watch processes here.
    pub fn find(runner: &dyn Runner, program: &Path) -> Option<Self> {
        let tracer = Self {
            program: program.to_owned(),
        };
        let file = tempfile::NamedTempFile::new().ok()?;
        let nothing = Invocation::new("true").deadline(Duration::from_secs(10));
        runner.run(&tracer.around(nothing, file.path())).ok()?;
        let read = trace::paths(&fs::read(file.path()).ok()?)?;
        // It was started, at the least.
        (!read.is_empty()).then_some(tracer)
    }

    /// The command, watched; what is seen goes to a file when it ends.
    pub fn around(&self, invocation: Invocation, file: &Path) -> Invocation {
        let words = [
            OsString::from(&self.program),
            WATCH.into(),
            file.into(),
            self.program.clone().into(),
        ];
        under(&words, invocation)
    }
}

/// Does what [`Tracer::around`] asks this program for, if these words do: watches, or is
/// watched.
pub fn serve(words: &[OsString]) -> Option<ExitCode> {
    let [_, what, rest @ ..] = words else {
        return None;
    };
    let done = match (what.to_str()?, rest) {
        (WATCH, [file, itself, command @ ..]) => watch(Path::new(file), itself, command),
        (BECOME, command) => Err(become_traced(command)),
        _ => return None,
    };
    Some(match done {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            let program = rest.get(if what == WATCH { 2 } else { 1 });
            let program = program.map_or(String::new(), |it| it.to_string_lossy().into_owned());
            let _ = writeln!(io::stderr(), "{program}: {error}");
            ExitCode::from(NOT_STARTED)
        }
    })
}

fn watch(file: &Path, itself: &OsStr, command: &[OsString]) -> io::Result<u8> {
    let mut seen: [HashSet<Box<[u8]>>; 2] = Default::default();
    let [kinds, contents] = &mut seen;
    let traced = trace((itself, BECOME.as_ref()), command, &mut |it: Seen<'_>| {
        let of = if it.contents {
            &mut *contents
        } else {
            &mut *kinds
        };
        let path = it.path.as_os_str().as_bytes();
        // Most are asked for again and again.
        if !of.contains(path) {
            of.insert(path.into());
        }
    })?;
    if traced.complete {
        let mut text = Vec::new();
        for (aspect, paths) in [(Aspect::Kind, kinds), (Aspect::Contents, contents)] {
            paths
                .iter()
                .for_each(|path| trace::add(&mut text, aspect, path));
        }
        trace::end(&mut text);
        // Without it, or with a part of it, nothing is recorded.
        let _ = fs::write(file, text);
    }
    Ok(traced.status)
}
