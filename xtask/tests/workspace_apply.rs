//! A change of the tree is made whole or not at all, whatever happens.
// Helpers of tests fail as tests do, and say so as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_macros)]

mod common;

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};

use common::{Repository, State, path};
use xtask::edit::{Change, ChangeSet};
use xtask::problem::Problem;
use xtask::process::Cancel;
use xtask::workspace::{ApplyError, Point, Recovered, Request, Watch, Workspace};

const REQUEST: Request<'static> = Request {
    label: "migrate host web",
    git_add: true,
};

fn fleet() -> Vec<(&'static str, &'static str)> {
    vec![
        ("flake.nix", "{ }"),
        ("hosts/web/default.nix", "{ old = 1; }"),
        ("hosts/web/extra/only.nix", "{ gone = 1; }"),
        ("hosts/web/run", "#!/bin/sh\nold"),
        ("hosts/alias", "->web"),
    ]
}

/// Creates, in new directories too, modifies and deletes, the last file of two
/// directories among it.
fn changes() -> ChangeSet {
    let create = |text: &str, executable| Change::Create {
        contents: text.into(),
        executable,
    };
    let modify = |before: &str, after: &str| Change::Modify {
        before: before.into(),
        contents: after.into(),
    };
    ChangeSet::from([
        (
            path("modules/features/nginx.nix"),
            create("{ new = 1; }", false),
        ),
        (
            path("modules/features/-odd\n'name\".nix"),
            create("{ odd = 1; }", false),
        ),
        (path("bin/tool"), create("#!/bin/sh", true)),
        (
            path("hosts/web/default.nix"),
            modify("{ old = 1; }", "{ new = 1; }"),
        ),
        (
            path("hosts/web/run"),
            modify("#!/bin/sh\nold", "#!/bin/sh\nnew"),
        ),
        (
            path("hosts/web/extra/only.nix"),
            Change::Delete {
                before: b"{ gone = 1; }".to_vec(),
            },
        ),
    ])
}

fn apply(
    workspace: &Workspace,
    changes: &ChangeSet,
    watch: &mut dyn Watch,
) -> Result<(), ApplyError> {
    let lock = workspace.lock().unwrap();
    workspace.apply(&lock, changes, REQUEST, watch).map(drop)
}

fn undo(workspace: &Workspace) -> Result<(), ApplyError> {
    let lock = workspace.lock().unwrap();
    workspace.undo(&lock, &mut Cancel::default()).map(drop)
}

fn recover(workspace: &Workspace) -> Result<Recovered, ApplyError> {
    let lock = workspace.lock().unwrap();
    workspace.recover(&lock, &mut Cancel::default())
}

/// Stops at the n-th point (of those that count).
struct StopAt {
    left: usize,
    counts: fn(Point) -> bool,
    how: fn() -> ApplyError,
    last: Option<Point>,
}

impl StopAt {
    fn new(n: usize, counts: fn(Point) -> bool, how: fn() -> ApplyError) -> Self {
        Self {
            left: n,
            counts,
            how,
            last: None,
        }
    }
}

impl Watch for StopAt {
    fn at(&mut self, point: Point) -> Result<(), ApplyError> {
        if !(self.counts)(point) {
            return Ok(());
        }
        if self.left == 0 {
            self.last = Some(point);
            return Err((self.how)());
        }
        self.left -= 1;
        Ok(())
    }
}

fn abandoned() -> ApplyError {
    ApplyError::Abandoned
}

fn new_state(repository: &Repository) -> State {
    let state = repository.state();
    let text =
        |name: &str| String::from_utf8(state.files[std::path::Path::new(name)].1.clone()).unwrap();
    assert_eq!(text("hosts/web/default.nix"), "{ new = 1; }");
    assert_eq!(text("modules/features/-odd\n'name\".nix"), "{ odd = 1; }");
    assert_eq!(
        state.files[std::path::Path::new("bin/tool")].0 & 0o777,
        0o755
    );
    assert_eq!(
        state.files[std::path::Path::new("hosts/web/run")].0 & 0o777,
        0o755
    );
    assert!(
        !state
            .files
            .contains_key(std::path::Path::new("hosts/web/extra"))
    );
    let index = String::from_utf8(state.index.clone()).unwrap();
    assert!(
        index.contains("\tbin/tool\0") && !index.contains("only.nix"),
        "{index}"
    );
    state
}

#[test]
fn a_change_is_made_and_taken_back_byte_for_byte() {
    let repository = Repository::new(&fleet());
    let extra = repository.root().join("hosts/web/extra");
    fs::set_permissions(extra, fs::Permissions::from_mode(0o710)).unwrap();
    let workspace = repository.workspace();
    let before = repository.state();
    apply(&workspace, &changes(), &mut Cancel::default()).unwrap();
    let after = new_state(&repository);
    assert_eq!(recover(&workspace).unwrap(), Recovered::Nothing);
    undo(&workspace).unwrap();
    assert_eq!(repository.state(), before);
    assert_eq!(
        undo(&workspace).unwrap_err().problem().code,
        "nothing-to-undo"
    );
    apply(&workspace, &changes(), &mut Cancel::default()).unwrap();
    repository.commit("migrated");
    undo(&workspace).unwrap();
    assert_eq!(repository.state().files, before.files);
    assert_ne!(after, before);
}

#[test]
fn without_git_and_without_adding() {
    let repository = Repository::plain(&fleet());
    let state = tempfile::tempdir().unwrap();
    // The only test of this binary that needs the variable; others have git.
    let workspace = with_state_home(state.path(), || repository.workspace());
    let before = repository.state();
    apply(&workspace, &changes(), &mut Cancel::default()).unwrap();
    assert_ne!(repository.state(), before);
    undo(&workspace).unwrap();
    assert_eq!(repository.state(), before);

    let repository = Repository::new(&fleet());
    let workspace = repository.workspace();
    let before = repository.state();
    let lock = workspace.lock().unwrap();
    let request = Request {
        git_add: false,
        ..REQUEST
    };
    workspace
        .apply(&lock, &changes(), request, &mut Cancel::default())
        .unwrap();
    assert_eq!(repository.state().index, before.index);
    workspace.undo(&lock, &mut Cancel::default()).unwrap();
    assert_eq!(repository.state(), before);
}

/// Tests run in processes of their own under nextest and in threads under
/// `cargo test`; the variable is read only without git.
#[allow(unsafe_code)]
fn with_state_home<T>(directory: &std::path::Path, body: impl FnOnce() -> T) -> T {
    // SAFETY: no other test of this binary reads or writes the environment
    // through anything but the standard library, which holds a lock.
    unsafe { std::env::set_var("XDG_STATE_HOME", directory) };
    body()
}

#[test]
fn killed_at_every_point_recovery_gives_old_or_new() {
    let mut seen = (0, 0);
    for n in 0.. {
        let repository = Repository::new(&fleet());
        let workspace = repository.workspace();
        let before = repository.state();
        let mut watch = StopAt::new(n, |_| true, abandoned);
        match apply(&workspace, &changes(), &mut watch) {
            Ok(()) => break,
            Err(ApplyError::Abandoned) => {}
            Err(other) => panic!("{other:?}"),
        }
        assert!(workspace.is_half_done());
        assert_eq!(
            apply(&workspace, &changes(), &mut Cancel::default())
                .unwrap_err()
                .problem()
                .code,
            "half-done"
        );
        match recover(&workspace).unwrap() {
            Recovered::Old(_) => {
                assert_eq!(repository.state(), before, "{:?}", watch.last);
                seen.0 += 1;
            }
            Recovered::New(_) => {
                new_state(&repository);
                undo(&workspace).unwrap();
                assert_eq!(repository.state(), before);
                seen.1 += 1;
            }
            Recovered::Nothing => panic!("nothing to recover at {:?}", watch.last),
        }
        assert!(!workspace.is_half_done());
        apply(&workspace, &changes(), &mut Cancel::default()).unwrap();
        new_state(&repository);
    }
    assert!(seen.0 > 10 && seen.1 >= 1, "{seen:?}");
}

#[test]
fn killed_while_undoing_recovery_gives_old_or_new() {
    for n in 0.. {
        let repository = Repository::new(&fleet());
        let workspace = repository.workspace();
        let before = repository.state();
        apply(&workspace, &changes(), &mut Cancel::default()).unwrap();
        let after = repository.state();
        let lock = workspace.lock().unwrap();
        let mut watch = StopAt::new(n, |_| true, abandoned);
        let result = workspace.undo(&lock, &mut watch);
        drop(lock);
        if result.is_ok() {
            break;
        }
        match recover(&workspace).unwrap() {
            // An undo taken back leaves the change, and it can still be undone.
            Recovered::Old(_) => {
                assert_eq!(repository.state(), after, "{:?}", watch.last);
                undo(&workspace).unwrap();
                assert_eq!(repository.state(), before);
            }
            Recovered::New(_) => assert_eq!(repository.state(), before),
            Recovered::Nothing => panic!("nothing to recover"),
        }
        assert_eq!(
            undo(&workspace).unwrap_err().problem().code,
            "nothing-to-undo"
        );
    }
}

#[test]
fn killed_while_recovering_can_be_recovered() {
    for n in 0.. {
        let repository = Repository::new(&fleet());
        let workspace = repository.workspace();
        let before = repository.state();
        let at_commit = |point| point == Point::Forward("commit");
        let result = apply(
            &workspace,
            &changes(),
            &mut StopAt::new(0, at_commit, abandoned),
        );
        assert!(matches!(result, Err(ApplyError::Abandoned)));
        let lock = workspace.lock().unwrap();
        let result = workspace.recover(&lock, &mut StopAt::new(n, |_| true, abandoned));
        drop(lock);
        if result.is_ok() {
            assert!(n > 5, "only {n} points");
            break;
        }
        recover(&workspace).unwrap();
        assert_eq!(repository.state(), before);
    }
}

#[test]
fn a_failure_at_every_point_takes_everything_back() {
    fn forward(point: Point) -> bool {
        matches!(point, Point::Forward(_))
    }
    fn full() -> ApplyError {
        let error = io::Error::from(io::ErrorKind::StorageFull);
        ApplyError::Failed(Problem::error("write-failed", error.to_string()))
    }
    for how in [full as fn() -> ApplyError, || ApplyError::Cancelled] {
        for n in 0.. {
            let repository = Repository::new(&fleet());
            let workspace = repository.workspace();
            let before = repository.state();
            if apply(&workspace, &changes(), &mut StopAt::new(n, forward, how)).is_ok() {
                assert!(n > 10);
                break;
            }
            assert_eq!(repository.state(), before);
            assert!(!workspace.is_half_done());
        }
    }
}

/// Somebody writes a file between two steps.
struct Meddle<F: FnMut()>(Point, Option<F>);

impl<F: FnMut()> Watch for Meddle<F> {
    fn at(&mut self, point: Point) -> Result<(), ApplyError> {
        if point == self.0
            && let Some(mut act) = self.1.take()
        {
            act();
        }
        Ok(())
    }
}

#[test]
fn what_someone_else_changed_is_never_overwritten() {
    for (name, text) in [
        ("hosts/web/default.nix", "mine"),
        ("hosts/web/run", "mine"),
        ("hosts/web/extra/only.nix", "mine"),
        ("modules/features/nginx.nix", "mine"),
    ] {
        for point in ["stage", "begin", "directory", "before"] {
            let repository = Repository::new(&fleet());
            let workspace = repository.workspace();
            let act = || repository.write(name, text);
            if point == "before" {
                act();
            }
            let before = repository.state();
            let mut watch = Meddle(Point::Forward(point), Some(act));
            let error = apply(&workspace, &changes(), &mut watch).unwrap_err();
            assert_eq!(
                error.problem().code,
                "changed-meanwhile",
                "{name} at {point}"
            );
            assert!(
                error.problem().message.contains(name),
                "{}",
                error.problem().message
            );
            let mut expected = before;
            let present = repository.state();
            let mine = present.files[std::path::Path::new(name)].clone();
            assert_eq!(mine.1, text.as_bytes());
            expected.files.insert(name.into(), mine);
            for made in ["modules", "modules/features"] {
                // A directory that now holds somebody's file stays.
                if name.starts_with(made)
                    && let Some(entry) = present.files.get(std::path::Path::new(made))
                {
                    expected.files.insert(made.into(), entry.clone());
                }
            }
            assert_eq!(present, expected, "{name} at {point}");
            assert!(!workspace.is_half_done(), "{name} at {point}");
        }
    }
}

#[test]
fn edits_after_a_crash_or_a_change_are_not_lost() {
    let repository = Repository::new(&fleet());
    let workspace = repository.workspace();
    let before = repository.state();
    apply(&workspace, &changes(), &mut Cancel::default()).unwrap();
    repository.write("hosts/web/default.nix", "mine");
    let problem = undo(&workspace).unwrap_err().problem();
    assert_eq!(problem.code, "edited-since");
    assert!(problem.message.contains("hosts/web/default.nix"));
    repository.write("hosts/web/default.nix", "{ new = 1; }");
    undo(&workspace).unwrap();
    assert_eq!(repository.state(), before);

    let at_commit = |point| point == Point::Forward("commit");
    let _ = apply(
        &workspace,
        &changes(),
        &mut StopAt::new(0, at_commit, abandoned),
    );
    repository.write("hosts/web/default.nix", "mine");
    assert_eq!(
        recover(&workspace).unwrap_err().problem().code,
        "edited-since"
    );
    assert_eq!(
        fs::read(repository.root().join("hosts/web/default.nix")).unwrap(),
        b"mine"
    );
    fs::remove_file(repository.root().join("hosts/web/default.nix")).unwrap();
    assert!(matches!(
        recover(&workspace).unwrap(),
        Recovered::Old(Some(_))
    ));
    assert_eq!(repository.state(), before);
}

#[test]
fn links_lead_inside_or_nowhere() {
    let repository = Repository::new(&fleet());
    let outside = repository.outside().join("elsewhere");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("default.nix"), "theirs").unwrap();
    symlink("../../elsewhere", repository.root().join("hosts/out")).unwrap();
    symlink(&outside, repository.root().join("hosts/absolute")).unwrap();
    symlink("loop", repository.root().join("hosts/loop")).unwrap();
    symlink("default.nix", repository.root().join("hosts/web/link.nix")).unwrap();
    repository.commit("links");
    let workspace = repository.workspace();
    let before = repository.state();
    let modify = |name: &str, text: &str| {
        let change = Change::Modify {
            before: text.into(),
            contents: b"changed".to_vec(),
        };
        ChangeSet::from([(path(name), change)])
    };
    for (name, code) in [
        ("hosts/out/default.nix", "link-leaves-repository"),
        ("hosts/absolute/default.nix", "link-leaves-repository"),
        ("hosts/loop/default.nix", "link-leaves-repository"),
        ("hosts/web/link.nix", "not-a-file"),
        ("hosts/web", "not-a-file"),
    ] {
        let error = apply(&workspace, &modify(name, "theirs"), &mut Cancel::default());
        assert_eq!(error.unwrap_err().problem().code, code, "{name}");
    }
    assert_eq!(repository.state(), before);
    assert_eq!(fs::read(outside.join("default.nix")).unwrap(), b"theirs");
    let through = modify("hosts/alias/default.nix", "{ old = 1; }");
    apply(&workspace, &through, &mut Cancel::default()).unwrap();
    assert_eq!(
        fs::read(repository.root().join("hosts/web/default.nix")).unwrap(),
        b"changed"
    );
    assert!(repository.root().join("hosts/alias").is_symlink());
    undo(&workspace).unwrap();
    assert_eq!(repository.state(), before);
}

#[test]
fn one_run_at_a_time() {
    let repository = Repository::new(&fleet());
    let (first, second) = (repository.workspace(), repository.workspace());
    let lock = first.lock().unwrap();
    let problem = second.lock().err().unwrap();
    assert_eq!(problem.code, "locked");
    assert!(problem.message.contains(&std::process::id().to_string()));
    drop(lock);
    second.lock().unwrap();
}

#[test]
fn an_ignored_file_or_a_locked_index_takes_everything_back() {
    let repository = Repository::new(&fleet());
    let workspace = repository.workspace();
    repository.write(".gitignore", "modules\n");
    repository.commit("ignore");
    let before = repository.state();
    let problem = apply(&workspace, &changes(), &mut Cancel::default())
        .unwrap_err()
        .problem();
    assert!(problem.message.contains("modules"), "{}", problem.message);
    assert_eq!(repository.state(), before);
    repository.write(".gitignore", "");
    repository.commit("no ignore");
    let before = repository.state();
    let lock_file = repository.root().join(".git/index.lock");
    fs::write(&lock_file, "").unwrap();
    let problem = apply(&workspace, &changes(), &mut Cancel::default())
        .unwrap_err()
        .problem();
    assert!(problem.help.unwrap().contains("lock"));
    fs::remove_file(&lock_file).unwrap();
    assert_eq!(repository.state(), before);
    assert!(!workspace.is_half_done());
}

#[test]
fn a_torn_journal_line_counts_as_not_written() {
    let repository = Repository::new(&fleet());
    let workspace = repository.workspace();
    let before = repository.state();
    let at_commit = |point| point == Point::Forward("commit");
    let _ = apply(
        &workspace,
        &changes(),
        &mut StopAt::new(0, at_commit, abandoned),
    );
    let journal = workspace.state_directory().join("pending/journal");
    let mut bytes = fs::read(&journal).unwrap();
    bytes.extend_from_slice(b"1 0123 \"comm");
    fs::write(&journal, bytes).unwrap();
    assert!(matches!(
        recover(&workspace).unwrap(),
        Recovered::Old(Some(_))
    ));
    assert_eq!(repository.state(), before);
}
