//! Repositories for tests.
#![allow(dead_code)]

pub mod need;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use xtask::process::{DuctRunner, Invocation, Output, Runner};
use xtask::tree::TreePath;
use xtask::workspace::Workspace;

/// A temporary repository; gone with this value.
pub struct Repository {
    outer: TempDir,
}

impl Repository {
    /// These files, executable where the text starts with `#!`, a link where
    /// it starts with `->`; all committed.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let repository = Self::plain(files);
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.commit("first");
        repository
    }

    /// The same without git.
    pub fn plain(files: &[(&str, &str)]) -> Self {
        let outer = tempfile::tempdir().unwrap();
        let repository = Self { outer };
        fs::create_dir(repository.root()).unwrap();
        for (name, text) in files {
            repository.write(name, text);
        }
        repository
    }

    pub fn root(&self) -> PathBuf {
        self.outer.path().join("it's a \"fleet\"")
    }

    /// A directory beside the repository.
    pub fn outside(&self) -> &Path {
        self.outer.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if let Some(target) = text.strip_prefix("->") {
            symlink(target, path).unwrap();
            return;
        }
        fs::write(&path, text).unwrap();
        if text.starts_with("#!") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    pub fn git(&self, args: &[&str]) -> Output {
        let invocation = Invocation::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@host.example"])
            .args(args)
            .directory(self.root());
        DuctRunner::default().run(&invocation).unwrap()
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
    }

    pub fn workspace(&self) -> Workspace {
        open(&self.root()).unwrap()
    }

    /// Everything that a user could notice: files, modes, links, directories, index.
    pub fn state(&self) -> State {
        let mut files = BTreeMap::new();
        collect(&self.root(), &self.root(), &mut files);
        let index = if self.root().join(".git").exists() {
            self.git(&["ls-files", "--stage", "-z"]).stdout
        } else {
            Vec::new()
        };
        State { files, index }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub files: BTreeMap<PathBuf, (u32, Vec<u8>)>,
    pub index: Vec<u8>,
}

fn collect(root: &Path, directory: &Path, files: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path == root.join(".git") {
            continue;
        }
        let metadata = fs::symlink_metadata(&path).unwrap();
        let contents = if metadata.is_dir() {
            collect(root, &path, files);
            Vec::new()
        } else if metadata.is_symlink() {
            fs::read_link(&path)
                .unwrap()
                .as_os_str()
                .as_bytes()
                .to_vec()
        } else {
            fs::read(&path).unwrap()
        };
        let name = path.strip_prefix(root).unwrap().to_owned();
        files.insert(name, (metadata.permissions().mode(), contents));
    }
}

pub fn open(directory: &Path) -> Result<Workspace, xtask::problem::Problem> {
    Workspace::open(Arc::new(DuctRunner::default()), directory)
}

/// What keeps a command from asking Nix for derivations: these repositories have
/// no inputs that could be evaluated.
#[allow(dead_code)]
pub fn without_nix(args: &[&str]) -> Option<&'static str> {
    let asks = matches!(args, ["migrate", "host", ..] | ["prove", ..]);
    (asks && !args.contains(&"--no-nix")).then_some("--no-nix")
}

pub fn path(text: &str) -> TreePath {
    TreePath::new(text).unwrap()
}
