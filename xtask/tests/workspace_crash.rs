//! Real processes, really killed; file systems that are really full.
// Helpers of tests fail as tests do, and say so as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_macros)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::need::skip;
use common::{Repository, State, path};
use xtask::edit::{Change, ChangeSet};
use xtask::process::{Cancel, DuctRunner, Invocation, Runner};
use xtask::workspace::{ApplyError, Point, Recovered, Request, Watch, Workspace};

const CHILD: &str = "FLEET_TEST_CHILD";

const REQUEST: Request<'static> = Request {
    label: "migrate host web",
    git_add: true,
};

fn fleet() -> Repository {
    Repository::new(&[
        ("flake.nix", "{ }"),
        ("hosts/web/default.nix", "{ old = 1; }"),
        ("hosts/web/extra/only.nix", "{ gone = 1; }"),
    ])
}

fn changes() -> ChangeSet {
    let create = |text: String| Change::Create {
        contents: text.into_bytes(),
        executable: false,
    };
    let mut changes = ChangeSet::from([
        (
            path("hosts/web/default.nix"),
            Change::Modify {
                before: b"{ old = 1; }".to_vec(),
                contents: b"{ new = 1; }".to_vec(),
            },
        ),
        (
            path("hosts/web/extra/only.nix"),
            Change::Delete {
                before: b"{ gone = 1; }".to_vec(),
            },
        ),
    ]);
    for n in 0..6 {
        let name = format!("modules/features/f{n}/default.nix");
        changes.insert(path(&name), create(format!("{{ f{n} = 1; }}\n").repeat(50)));
    }
    changes
}

fn apply(workspace: &Workspace, watch: &mut dyn Watch) -> Result<(), ApplyError> {
    let lock = workspace.lock().unwrap();
    workspace.apply(&lock, &changes(), REQUEST, watch).map(drop)
}

fn undo(workspace: &Workspace) -> Result<(), ApplyError> {
    let lock = workspace.lock().unwrap();
    workspace.undo(&lock, &mut Cancel::default()).map(drop)
}

fn recover(workspace: &Workspace) -> Result<Recovered, ApplyError> {
    let lock = workspace.lock().unwrap();
    workspace.recover(&lock, &mut Cancel::default())
}

/// Old and new state of a fleet.
fn both(repository: &Repository) -> (State, State) {
    let workspace = repository.workspace();
    let old = repository.state();
    apply(&workspace, &mut Cancel::default()).unwrap();
    let new = repository.state();
    undo(&workspace).unwrap();
    assert_eq!(repository.state(), old);
    (old, new)
}

/// Starts a test of this binary as a process of its own.
#[allow(clippy::disallowed_methods)] // a process that this test kills, its children not
fn start(test: &str, directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .env(CHILD, directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn child_directory() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// Not a test: changes and takes back, over and over, until it is killed.
#[test]
#[ignore = "the process that others kill"]
fn child_that_changes_for_ever() {
    let Some(directory) = child_directory() else {
        return;
    };
    let workspace = common::open(&directory).unwrap();
    loop {
        apply(&workspace, &mut Cancel::default()).unwrap();
        undo(&workspace).unwrap();
    }
}

/// A small generator: the moments only have to be spread.
struct Moments(u64);

impl Moments {
    fn next_below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn kill_at_random_moments(rounds: usize) {
    let repository = fleet();
    let (old, new) = both(&repository);
    let workspace = repository.workspace();
    let mut moments = Moments(7);
    let mut half_done = 0;
    for round in 0..rounds {
        let mut child = start("child_that_changes_for_ever", &repository.root());
        std::thread::sleep(Duration::from_micros(15_000 + moments.next_below(150_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        half_done += usize::from(workspace.is_half_done());
        let recovered = recover(&workspace).unwrap();
        let state = repository.state();
        assert!(
            state == old || state == new,
            "round {round}: {recovered:?}: {state:#?}"
        );
        assert!(!workspace.is_half_done());
        if state == new {
            undo(&workspace).unwrap();
        }
        assert_eq!(repository.state(), old, "round {round}");
    }
    println!("{half_done} of {rounds} kills left something half done");
    assert!(
        half_done * 5 > rounds,
        "only {half_done} of {rounds} kills hit"
    );
}

#[test]
fn killed_at_random_moments() {
    kill_at_random_moments(25);
}

#[test]
#[ignore = "takes a minute"]
fn killed_at_three_hundred_random_moments() {
    kill_at_random_moments(300);
}

/// Slow enough to be interrupted.
struct Slowly(Cancel);

impl Watch for Slowly {
    fn at(&mut self, point: Point) -> Result<(), ApplyError> {
        if point == Point::Forward("file") {
            let mark = std::env::var_os("FLEET_TEST_MARK").unwrap();
            fs::write(mark, "").unwrap();
        }
        std::thread::sleep(Duration::from_millis(30));
        self.0.at(point)
    }
}

/// Not a test: changes slowly and says how it ended.
#[test]
#[ignore = "the process that others interrupt"]
fn child_that_changes_slowly() {
    let Some(directory) = child_directory() else {
        return;
    };
    let cancel = Cancel::on_signals().unwrap();
    let runner = std::sync::Arc::new(DuctRunner::new(cancel.clone()));
    let workspace = Workspace::open(runner, &directory).unwrap();
    assert!(matches!(
        apply(&workspace, &mut Slowly(cancel)),
        Err(ApplyError::Cancelled)
    ));
}

#[test]
fn an_interruption_takes_everything_back() {
    let repository = fleet();
    let old = repository.state();
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let mark = repository.outside().join("mark");
        let _ = fs::remove_file(&mark);
        // The child inherits the variable through `start`.
        let mut child = start_marked("child_that_changes_slowly", &repository.root(), &mark);
        let started = Instant::now();
        while !mark.exists() {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "the child did not begin"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_ne!(repository.state(), old);
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, signal).unwrap();
        assert!(child.wait().unwrap().success(), "it was not taken back");
        assert_eq!(repository.state(), old);
        assert!(!repository.workspace().is_half_done());
    }
}

#[allow(clippy::disallowed_methods)] // as for `start`
fn start_marked(test: &str, directory: &Path, mark: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .env(CHILD, directory)
        .env("FLEET_TEST_MARK", mark)
        .stdin(Stdio::null())
        // `cargo xtask test` counts what test binaries print.
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// A mounted file system; unmounted with this value.
struct Mount(PathBuf);

impl Mount {
    fn new(point: &Path, args: &[&str]) -> Option<Self> {
        fs::create_dir_all(point).unwrap();
        let mount = Invocation::new("mount").args(args).arg(point);
        match DuctRunner::default().run(&mount) {
            Ok(_) => Some(Self(point.to_owned())),
            Err(error) => {
                skip(
                    "mount",
                    &format!("file systems cannot be mounted here: {}", error.stderr_tail),
                );
                None
            }
        }
    }

    fn remount(&self, options: &str) {
        let mount = Invocation::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(&self.0);
        DuctRunner::default().run(&mount).unwrap();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let umount = Invocation::new("umount").arg("--lazy").arg(&self.0);
        let _ = DuctRunner::default().run(&umount);
    }
}

/// Copies a repository into a mounted file system.
fn moved_into(repository: &Repository, mount: &Mount) -> PathBuf {
    let to = mount.0.join("fleet");
    let copy = Invocation::new("cp")
        .arg("-a")
        .arg(repository.root())
        .arg(&to);
    DuctRunner::default().run(&copy).unwrap();
    to
}

#[test]
fn a_full_disk_leaves_the_tree_as_it_was() {
    let repository = fleet();
    let point = repository.outside().join("small");
    let Some(mount) = Mount::new(
        &point,
        &["-t", "tmpfs", "-o", "size=1m,nr_inodes=400", "tmpfs"],
    ) else {
        return;
    };
    let root = moved_into(&repository, &mount);
    let workspace = common::open(&root).unwrap();
    drop(workspace.lock().unwrap());
    let read = |name: &str| fs::read(root.join(name)).unwrap();
    let mut failures = 0;
    // Less room each time, page by page, until nothing fits any more.
    for room in (0..16).rev() {
        let filler = root.join("filler");
        let free = rustix::fs::statvfs(&root).unwrap();
        let pages = free.f_bavail.saturating_sub(room);
        fs::write(
            &filler,
            vec![0_u8; usize::try_from(pages * free.f_frsize).unwrap()],
        )
        .unwrap();
        let result = apply(&workspace, &mut Cancel::default());
        let succeeded = match result {
            Ok(()) => true,
            Err(ApplyError::Failed(problem)) => {
                failures += 1;
                assert!(
                    problem.message.contains("space") || problem.code == "git-failed",
                    "{}",
                    problem.message
                );
                false
            }
            Err(other) => panic!("room {room}: {other:?}"),
        };
        assert_eq!(
            read("hosts/web/default.nix"),
            if succeeded {
                &b"{ new = 1; }"[..]
            } else {
                b"{ old = 1; }"
            }
        );
        assert_eq!(root.join("modules").exists(), succeeded, "room {room}");
        assert_eq!(root.join("hosts/web/extra/only.nix").exists(), !succeeded);
        assert!(!workspace.is_half_done(), "room {room}");
        fs::remove_file(&filler).unwrap();
        if succeeded {
            undo(&workspace).unwrap();
        }
    }
    assert!(failures > 4, "only {failures} of 16 did not fit");
}

#[test]
fn a_read_only_file_system_is_refused() {
    let repository = fleet();
    let point = repository.outside().join("fixed");
    let Some(mount) = Mount::new(&point, &["-t", "tmpfs", "tmpfs"]) else {
        return;
    };
    let root = moved_into(&repository, &mount);
    mount.remount("ro");
    let workspace = common::open(&root).unwrap();
    assert_eq!(workspace.snapshot().unwrap().tree.files().count(), 3);
    let problem = workspace.lock().err().unwrap();
    assert_eq!(problem.code, "state-not-writable");
}

#[test]
fn the_tree_alone_read_only_takes_everything_back() {
    let repository = fleet();
    let hosts = repository.root().join("hosts");
    let before = repository.state();
    let hosts_text = hosts.to_str().unwrap().to_owned();
    let Some(mount) = Mount::new(&hosts, &["--bind", &hosts_text]) else {
        return;
    };
    mount.remount("bind,ro");
    let workspace = repository.workspace();
    let problem = apply(&workspace, &mut Cancel::default())
        .unwrap_err()
        .problem();
    assert!(problem.message.contains("Read-only"), "{}", problem.message);
    assert!(!workspace.is_half_done());
    drop(mount);
    assert_eq!(repository.state(), before);
}

#[test]
fn state_on_another_file_system() {
    let repository = fleet();
    let state = repository.root().join(".git/fleet");
    let Some(_mount) = Mount::new(&state, &["-t", "tmpfs", "tmpfs"]) else {
        return;
    };
    both(&repository);
}
