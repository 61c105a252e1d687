//! Files below a root, reached without following any symbolic link.
//!
//! Each directory on the way is opened from its parent, so nothing that is
//! swapped for a link in the meantime can lead a write out of the repository.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::tree::TreePath;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// A regular file.
    File {
        contents: Vec<u8>,
        /// Permission bits.
        mode: u32,
        owner: (u32, u32),
    },
    /// Anything else, in words.
    Other(&'static str),
}

/// An open directory, the root of everything here.
pub(super) struct Place {
    root: OwnedFd,
}

const DIRECTORY: OFlags = OFlags::DIRECTORY
    .union(OFlags::RDONLY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

fn name(path: &TreePath) -> io::Result<&str> {
    path.file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the root itself is no file"))
}

impl Place {
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let root = rustix::fs::open(root, DIRECTORY, Mode::empty())?;
        Ok(Self { root })
    }

    /// Opens a directory below the root.
    pub(super) fn directory(&self, path: &TreePath) -> io::Result<OwnedFd> {
        let mut current = rustix::io::dup(&self.root)?;
        for component in path.components() {
            current = rustix::fs::openat(&current, component, DIRECTORY, Mode::empty())?;
        }
        Ok(current)
    }

    /// Opens the directory that holds a path.
    pub(super) fn parent(&self, path: &TreePath) -> io::Result<OwnedFd> {
        self.directory(&path.parent().unwrap_or_else(TreePath::root))
    }

    /// The path with the symbolic links among its parents resolved; `None` if
    /// one of them leaves the repository or runs in a circle.
    pub(super) fn resolve(&self, path: &TreePath) -> io::Result<Option<TreePath>> {
        let mut current = path.clone();
        for _ in 0..32 {
            match self.first_link(&current)? {
                None => return Ok(Some(current)),
                Some(None) => return Ok(None),
                Some(Some(next)) => current = next,
            }
        }
        Ok(None)
    }

    /// Replaces the first link among the parents: `None` if there is none,
    /// `Some(None)` if it leaves the repository.
    fn first_link(&self, path: &TreePath) -> io::Result<Option<Option<TreePath>>> {
        let components: Vec<&str> = path.components().collect();
        let mut directory = rustix::io::dup(&self.root)?;
        let mut walked = TreePath::root();
        for (index, component) in components.iter().enumerate() {
            if index + 1 == components.len() {
                break;
            }
            match rustix::fs::openat(&directory, *component, DIRECTORY, Mode::empty()) {
                Ok(next) => directory = next,
                Err(Errno::NOENT) => break,
                // Linux says ENOTDIR or ELOOP for a link, others EMLINK.
                Err(error) => {
                    let Ok(target) = rustix::fs::readlinkat(&directory, *component, Vec::new())
                    else {
                        return Err(error.into());
                    };
                    let rest = components.get(index + 1..).unwrap_or_default().join("/");
                    return Ok(Some(
                        target
                            .to_str()
                            .ok()
                            .filter(|target| !target.starts_with('/'))
                            .and_then(|target| walked.join(target))
                            .and_then(|target| target.join(&rest)),
                    ));
                }
            }
            walked = walked.join(component).unwrap_or(walked);
        }
        Ok(None)
    }

    /// What stands at a path; links are not followed.
    pub(super) fn look(&self, path: &TreePath) -> io::Result<Found> {
        let parent = match self.parent(path) {
            Ok(parent) => parent,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        let name = name(path)?;
        let stat = match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(Found::Nothing),
            Err(error) => return Err(error.into()),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Ok(Found::Other("a directory")),
            FileType::Symlink => return Ok(Found::Other("a symbolic link")),
            _ => return Ok(Found::Other("a special file")),
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(&parent, name, flags, Mode::empty())?);
        let metadata = file.metadata()?;
        let mut contents = Vec::new();
        file.read_to_end(&mut contents)?;
        Ok(Found::File {
            contents,
            mode: metadata.mode() & 0o7777,
            owner: (metadata.uid(), metadata.gid()),
        })
    }

    /// Permission bits of a directory; `None` if nothing stands there.
    pub(super) fn directory_mode(&self, path: &TreePath) -> io::Result<Option<u32>> {
        match self.directory(path) {
            Ok(directory) => Ok(Some(rustix::fs::fstat(&directory)?.st_mode & 0o7777)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a directory; one that is there already is as good.
    pub(super) fn make_directory(&self, path: &TreePath, mode: u32) -> io::Result<()> {
        let parent = self.parent(path)?;
        match rustix::fs::mkdirat(&parent, name(path)?, Mode::from_raw_mode(mode)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a directory if it is empty; whether it is gone.
    pub(super) fn remove_directory(&self, path: &TreePath) -> io::Result<bool> {
        let parent = match self.parent(path) {
            Ok(parent) => parent,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        };
        let name = name(path)?;
        if rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).is_err() {
            return Ok(true);
        }
        match rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves a staged file to a path: over what stands there, or, if
    /// `replace` is false, only where nothing does.
    pub(super) fn put(
        &self,
        staged: &Path,
        path: &TreePath,
        replace: bool,
        sibling: &str,
    ) -> io::Result<()> {
        let parent = self.parent(path)?;
        let name = name(path)?;
        match place_file(rustix::fs::CWD, staged, &parent, name, replace) {
            Err(Errno::XDEV) => {}
            result => return Ok(result?),
        }
        // The state directory is on another file system: a copy beside the
        // target makes the last step atomic again.
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let copy = || -> io::Result<()> {
            let mut from = File::open(staged)?;
            let mode = from.metadata()?.mode() & 0o7777;
            let mut to = File::from(rustix::fs::openat(
                &parent,
                sibling,
                flags,
                Mode::from_raw_mode(0o600),
            )?);
            io::copy(&mut from, &mut to)?;
            rustix::fs::fchmod(&to, Mode::from_raw_mode(mode))?;
            to.sync_all()?;
            Ok(place_file(
                &parent,
                Path::new(sibling),
                &parent,
                name,
                replace,
            )?)
        };
        let result = copy();
        if result.is_err() {
            let _ = rustix::fs::unlinkat(&parent, sibling, AtFlags::empty());
        }
        result
    }

    /// Removes a file; one that is gone already is as good.
    pub(super) fn remove(&self, path: &TreePath) -> io::Result<()> {
        self.remove_beside(path, name(path)?)
    }

    /// Removes `name` from the directory that holds `path`.
    pub(super) fn remove_beside(&self, path: &TreePath, name: &str) -> io::Result<()> {
        let parent = match self.parent(path) {
            Ok(parent) => parent,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        // A read-only file system refuses even what would change nothing.
        if rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).is_err() {
            return Ok(());
        }
        match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the names in a directory durable; one that is gone needs nothing.
    pub(super) fn sync_directory(&self, path: &TreePath) -> io::Result<()> {
        match self.directory(path) {
            Ok(directory) => Ok(rustix::fs::fsync(&directory)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Follows nothing: the target of a link, for messages.
    pub(super) fn link_target(&self, path: &TreePath) -> Option<String> {
        let parent = self.parent(path).ok()?;
        let target = rustix::fs::readlinkat(&parent, path.file_name()?, Vec::new()).ok()?;
        let bytes = target.into_bytes();
        Some(
            std::ffi::OsString::from_vec(bytes)
                .to_string_lossy()
                .into_owned(),
        )
    }
}

fn place_file(
    from: impl rustix::fd::AsFd,
    staged: &Path,
    parent: &OwnedFd,
    name: &str,
    replace: bool,
) -> Result<(), Errno> {
    if replace {
        return rustix::fs::renameat(&from, staged, parent, name);
    }
    // A hard link is the portable way to never replace what someone else made.
    match rustix::fs::linkat(&from, staged, parent, name, AtFlags::empty()) {
        Ok(()) => rustix::fs::unlinkat(&from, staged, AtFlags::empty()),
        Err(Errno::PERM | Errno::NOTSUP | Errno::NOSYS | Errno::MLINK) => {
            match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => rustix::fs::renameat(&from, staged, parent, name),
                Ok(_) => Err(Errno::EXIST),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}
