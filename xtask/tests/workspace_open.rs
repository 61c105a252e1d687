//! What `Workspace` sees of repositories of every shape.
// Helpers of tests fail as tests do, and say so as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_macros)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use xtask::process::{DuctRunner, Invocation, Runner};
use xtask::tree::{Kind, TreePath};
use xtask::workspace::Workspace;

fn git(directory: &Path, args: &[&str]) {
    let invocation = Invocation::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@host.example"])
        .args(args)
        .directory(directory);
    DuctRunner::default().run(&invocation).unwrap();
}

fn open(directory: &Path) -> Result<Workspace, xtask::problem::Problem> {
    Workspace::open(Arc::new(DuctRunner::default()), directory)
}

/// A repository with one commit in a directory with an awkward name.
fn repository() -> (TempDir, std::path::PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("it's a \"fleet\"\n$(x)");
    fs::create_dir_all(root.join("hosts/web")).unwrap();
    fs::write(root.join("flake.nix"), "{ }").unwrap();
    fs::write(root.join("hosts/web/default.nix"), "{ a = 1; }").unwrap();
    fs::write(root.join("run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(root.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("web", root.join("hosts/alias")).unwrap();
    git(&root, &["init", "--quiet", "--initial-branch=main"]);
    git(&root, &["add", "--all"]);
    git(&root, &["commit", "--quiet", "--message=one"]);
    (outer, root)
}

fn path(text: &str) -> TreePath {
    TreePath::new(text).unwrap()
}

#[test]
fn tracked_files_with_the_contents_of_the_work_tree() {
    let (_outer, root) = repository();
    fs::write(root.join("untracked.nix"), "{ }").unwrap();
    fs::write(root.join("hosts/web/default.nix"), "{ a = 2; }").unwrap();
    let workspace = open(&root.join("hosts/web")).unwrap();
    let tree = workspace.snapshot().unwrap().tree;
    let seen: Vec<_> = tree
        .files()
        .map(|(path, kind)| (path.as_str(), kind))
        .collect();
    assert_eq!(
        seen,
        [
            ("flake.nix", Kind::File),
            ("hosts/alias", Kind::Symlink),
            ("hosts/web/default.nix", Kind::File),
            ("run", Kind::Executable),
        ]
    );
    assert_eq!(
        tree.text(&path("hosts/alias/default.nix")).unwrap(),
        "{ a = 2; }"
    );
    let before = workspace.snapshot_at("HEAD").unwrap().tree;
    assert_eq!(
        before.text(&path("hosts/web/default.nix")).unwrap(),
        "{ a = 1; }"
    );
    assert_eq!(before.text(&path("flake.nix")).unwrap(), "{ }");
}

#[test]
fn hostile_names_are_read_or_reported() {
    let (_outer, root) = repository();
    for name in [
        &b"-rf"[..],
        b"a\nb.nix",
        b"q\"uote'.nix",
        b"bad\xff.nix",
        b":(glob)x",
    ] {
        fs::write(root.join(OsStr::from_bytes(name)), name).unwrap();
    }
    git(&root, &["add", "--all"]);
    let snapshot = open(&root).unwrap().snapshot().unwrap();
    for name in ["-rf", "a\nb.nix", "q\"uote'.nix", ":(glob)x"] {
        assert_eq!(snapshot.tree.text(&path(name)).unwrap(), name);
    }
    assert_eq!(snapshot.problems.len(), 1);
    let problem = &snapshot.problems[0];
    assert_eq!(problem.code, "name-not-utf8");
    assert!(
        problem.message.contains(r"$'bad\xff.nix'"),
        "{}",
        problem.message
    );
}

#[test]
fn a_revision_is_read_in_many_pieces() {
    let (_outer, root) = repository();
    for n in 0..50 {
        fs::write(root.join(format!("f{n}")), format!("old {n}\n").repeat(n)).unwrap();
    }
    git(&root, &["add", "--all"]);
    git(&root, &["commit", "--quiet", "--message=two"]);
    for n in 0..50 {
        fs::remove_file(root.join(format!("f{n}"))).unwrap();
    }
    let workspace = open(&root).unwrap();
    let tree = workspace.snapshot_at("HEAD").unwrap().tree;
    for n in (0..50).rev() {
        assert_eq!(
            tree.text(&path(&format!("f{n}"))).unwrap(),
            format!("old {n}\n").repeat(n)
        );
    }
    assert!(
        workspace
            .snapshot()
            .unwrap()
            .tree
            .entry(&path("f1"))
            .is_none()
    );
    assert!(
        workspace
            .snapshot_at("HEAD^")
            .unwrap()
            .tree
            .entry(&path("f1"))
            .is_none()
    );
    for bad in ["", "nope", "--all", "a\0b", "HEAD:flake.nix"] {
        let problem = workspace.snapshot_at(bad).err().unwrap();
        assert_eq!(problem.code, "no-such-revision", "{bad:?}");
    }
}

#[test]
fn a_flake_in_a_subdirectory_is_its_own_tree() {
    let (_outer, root) = repository();
    fs::write(root.join("hosts/web/flake.nix"), "{ inner = 1; }").unwrap();
    git(&root, &["add", "--all"]);
    let workspace = open(&root.join("hosts/web")).unwrap();
    let tree = workspace.snapshot().unwrap().tree;
    assert_eq!(tree.text(&path("flake.nix")).unwrap(), "{ inner = 1; }");
    assert_eq!(tree.files().count(), 2);
    assert!(
        workspace
            .snapshot_at("HEAD")
            .unwrap()
            .tree
            .entry(&path("default.nix"))
            .is_some()
    );
    assert_ne!(
        workspace.state_directory(),
        open(&root).unwrap().state_directory()
    );
}

#[test]
fn of_a_sparse_checkout_without_changes_the_commit_counts() {
    let (_scratch, root) = repository();
    fs::create_dir(root.join("deep")).unwrap();
    fs::write(root.join("deep/file.nix"), "{ }").unwrap();
    git(&root, &["add", "."]);
    git(&root, &["commit", "--quiet", "--message", "deep"]);
    git(&root, &["sparse-checkout", "set", "hosts"]);
    assert!(!root.join("deep").exists(), "not a sparse checkout");
    let workspace = open(&root).unwrap();
    let snapshot = workspace.snapshot().unwrap();
    assert!(snapshot.tree.entry(&path("deep/file.nix")).is_some());
    assert!(
        snapshot
            .problems
            .iter()
            .any(|it| it.code == "sparse-checkout")
    );
    assert_eq!(workspace.not_checked_out().unwrap(), 1);
    // With a change Nix takes what is in the directory.
    fs::write(root.join("flake.nix"), "{ outputs = { ... }: { }; }").unwrap();
    let snapshot = workspace.snapshot().unwrap();
    assert!(snapshot.tree.entry(&path("deep/file.nix")).is_none());
    assert_eq!(workspace.not_checked_out().unwrap(), 0);
}

#[test]
fn without_git_ignore_rules_hold() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path();
    fs::create_dir(root.join("sub")).unwrap();
    for (name, text) in [
        ("flake.nix", "{ }"),
        (".gitignore", "result\n"),
        ("result", "x"),
        ("sub/a.nix", "1"),
    ] {
        fs::write(root.join(name), text).unwrap();
    }
    let workspace = open(&root.join("sub")).unwrap();
    assert!(workspace.git().is_none());
    let tree = workspace.snapshot().unwrap().tree;
    let seen: Vec<_> = tree.files().map(|(path, _)| path.as_str()).collect();
    assert_eq!(seen, [".gitignore", "flake.nix", "sub/a.nix"]);
    assert_eq!(workspace.snapshot_at("HEAD").err().unwrap().code, "no-git");
}

#[test]
fn what_is_no_flake_says_so() {
    let code = |path: &Path| open(path).err().unwrap().code;
    let outer = tempfile::tempdir().unwrap();
    assert_eq!(code(outer.path()), "not-a-flake");
    assert_eq!(code(&outer.path().join("nowhere")), "no-such-directory");
    fs::write(outer.path().join("file"), "").unwrap();
    assert_eq!(code(&outer.path().join("file")), "no-such-directory");
    git(outer.path(), &["init", "--quiet"]);
    fs::write(outer.path().join("flake.nix"), "{ }").unwrap();
    let problem = open(outer.path()).unwrap().snapshot().err().unwrap();
    assert_eq!(problem.code, "flake-not-tracked");
}
