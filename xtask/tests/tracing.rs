//! What a process asks the kernel for is seen, however it asks.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::disallowed_types
)]

mod common;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use xtask::engine::tracer::Tracer;
use xtask::process::{DuctRunner, Invocation};
use xtask::validate::reads::{Aspect, Reads};
use xtask::validate::trace;

/// A directory, and a place for a trace beside it.
struct Scene {
    outer: TempDir,
    tracer: Tracer,
}

impl Scene {
    fn new() -> Option<Self> {
        common::need::need_tracing()?;
        let program = Path::new(env!("CARGO_BIN_EXE_xtask"));
        let scene = Self {
            outer: tempfile::tempdir().unwrap(),
            tracer: Tracer::find(&DuctRunner::default(), program)?,
        };
        fs::create_dir_all(scene.root().join("d/e")).unwrap();
        for name in ["a", "b", "d/c", "d/e/f"] {
            fs::write(scene.root().join(name), name).unwrap();
        }
        Some(scene)
    }

    fn root(&self) -> PathBuf {
        self.outer.path().canonicalize().unwrap().join("root")
    }

    fn file(&self) -> PathBuf {
        self.outer.path().join("trace")
    }

    fn command(&self, words: &[&str]) -> Command {
        let invocation = Invocation::new(words[0]).args(&words[1..]);
        let traced = self.tracer.around(invocation, &self.file());
        let mut command = Command::new(&traced.program);
        command
            .args(&traced.args)
            .current_dir(self.root())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command in the directory; what it has read there.
    fn reads(&self, words: &[&str]) -> (Output, Option<Reads>) {
        let output = self.command(words).output().unwrap();
        (output, self.trace())
    }

    fn trace(&self) -> Option<Reads> {
        let trace = trace::paths(&fs::read(self.file()).ok()?)?;
        Some(trace::read(&trace, &self.root()))
    }
}

/// Where nothing forbids it, it works: otherwise all tests that need it would be left
/// out without a word.
#[test]
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
fn where_tracing_is_allowed_it_works() {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let scope = read("/proc/sys/kernel/yama/ptrace_scope");
    let status = read("/proc/self/status");
    let is = |line: &str| status.lines().any(|it| it == line);
    let is_free = matches!(scope.trim(), "" | "0" | "1");
    if is_free && is("Seccomp:\t0") && is("TracerPid:\t0") {
        let program = Path::new(env!("CARGO_BIN_EXE_xtask"));
        assert!(Tracer::find(&DuctRunner::default(), program).is_some());
    }
}

#[test]
fn everything_that_is_asked_for_is_seen() {
    use Aspect::{Contents, Kind};
    let Some(scene) = Scene::new() else { return };
    let root = scene.root();
    let absolute = root.join("a");
    for (words, expect) in [
        (
            vec!["cat", absolute.to_str().unwrap()],
            vec![("a", Contents)],
        ),
        (
            vec!["cat", "b", "d/../d/c"],
            vec![("b", Contents), ("d/c", Contents)],
        ),
        (vec!["cat", "gone"], vec![("gone", Contents)]),
        (
            vec!["sh", "-c", "test -e gone; test -d d/e"],
            vec![("gone", Kind), ("d/e", Kind)],
        ),
        (vec!["ls", "d"], vec![("d", Contents)]),
        // From descriptors, of children, and of children of children.
        (
            vec!["sh", "-c", "(cd d && (cat e/f)) & wait"],
            vec![("d", Kind), ("d/e/f", Contents)],
        ),
        (
            vec!["find", "d", "-name", "f"],
            vec![("d", Contents), ("d/e", Contents)],
        ),
        (vec!["readlink", "b"], vec![("b", Contents)]),
    ] {
        let (_, reads) = scene.reads(&words);
        let reads = reads.unwrap();
        for (path, aspect) in expect {
            let seen = reads.iter().find(|(it, _)| it.as_str() == path);
            assert!(
                seen.is_some_and(|(_, seen)| seen >= aspect),
                "{words:?} {path}: {reads:?}"
            );
        }
    }
}

#[test]
fn what_is_not_asked_for_is_not_seen() {
    let Some(scene) = Scene::new() else { return };
    let (_, reads) = scene.reads(&["cat", "d/c"]);
    let reads = reads.unwrap();
    let seen: Vec<_> = reads.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(seen, ["d/c"]);
}

#[test]
fn output_and_status_are_the_programs_own() {
    let Some(scene) = Scene::new() else { return };
    let (output, reads) = scene.reads(&["sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(
        (&*output.stdout, &*output.stderr),
        (&b"out\n"[..], &b"err\n"[..])
    );
    assert!(reads.is_some());
    let (output, _) = scene.reads(&["sh", "-c", "kill -s SEGV $$"]);
    assert_eq!(output.status.code(), Some(128 + 11));
    let (output, _) = scene.reads(&["no-such-program"]);
    assert_eq!(output.status.code(), Some(127));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no-such-program"));
    // Signals that have no name arrive, too.
    let script = "trap 'echo here' 40; kill -s 40 $$; echo there";
    let (output, _) = scene.reads(&["bash", "-c", script]);
    assert_eq!(output.stdout, b"here\nthere\n");
}

fn wait_for(what: impl Fn() -> bool) {
    let started = Instant::now();
    while !what() {
        assert!(started.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z")
}

fn sleeps(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.contains("(sleep) S")
}

/// Whatever it has started ends with the one that watches, and there is no trace.
#[test]
fn a_killed_tracer_leaves_no_process_and_no_trace() {
    let Some(scene) = Scene::new() else { return };
    let script = "sleep 600 & echo $! > pid; setsid sleep 600 & echo $! > other; wait";
    let mut child = scene.command(&["sh", "-c", script]).spawn().unwrap();
    let pid = |name: &str| fs::read_to_string(scene.root().join(name)).unwrap_or_default();
    // A program that is still being loaded ends without its tracer anyway.
    wait_for(|| sleeps(&pid("pid")) && sleeps(&pid("other")));
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(9));
    wait_for(|| !runs(&pid("pid")) && !runs(&pid("other")));
    assert_eq!(scene.trace(), None);
}

/// At any moment, also before the program has begun.
#[test]
fn a_kill_at_the_start_leaves_nothing() {
    let Some(scene) = Scene::new() else { return };
    for delay in 0..40 {
        let length = format!("6{delay:03}");
        let mut child = scene.command(&["sleep", &length]).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(100 * delay));
        child.kill().unwrap();
        child.wait().unwrap();
        let is_left = || {
            let all = fs::read_dir("/proc").unwrap().flatten();
            all.into_iter().any(|process| {
                let words = fs::read(process.path().join("cmdline")).unwrap_or_default();
                let mut words = words.split(|byte| *byte == 0);
                words.any(|word| word == length.as_bytes())
                    && runs(&process.file_name().to_string_lossy())
            })
        };
        wait_for(|| !is_left());
    }
}
