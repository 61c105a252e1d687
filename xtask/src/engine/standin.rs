//! The offline stand-in for a flake's inputs, which this program carries.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use include_dir::{Dir, DirEntry, include_dir};

use crate::problem::Problem;
use crate::process::Quoted;

/// See its README.
static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../nix/standin");

/// Repositories whose flakes the stand-in takes the place of, and systems that
/// it can build for on any machine.
pub const REPOSITORIES: &[&str] = &["nixpkgs", "nixinate", "secrix", "nixos-hardware"];

/// Options of Nix without which nothing of it can be built.
pub const BUILD_OPTIONS: &[&str] = &[
    "--option",
    "sandbox",
    "false",
    "--option",
    "extra-platforms",
    "aarch64-linux x86_64-linux",
    "--option",
    "substitute",
    "false",
];

/// Whether an input that a lock file calls `name`, from the repository `repository`,
/// has a place in the stand-in.
pub fn stands_for(name: &str, repository: Option<&str>) -> bool {
    let known = |word: &str| {
        let word = word.to_ascii_lowercase();
        REPOSITORIES.contains(&word.as_str()) || word.starts_with("nixpkgs")
    };
    known(repository.unwrap_or(name))
}

/// Writes the stand-in below a directory, unless it is there, and returns its
/// place, which changes with its contents.
///
/// # Errors
///
/// The directory cannot be written.
pub fn unpack(directory: &Path) -> Result<PathBuf, Problem> {
    let place = directory.join(format!("standin-{}", digest()));
    if place.is_dir() {
        return Ok(place);
    }
    let unwritable = |error: io::Error| {
        let shown = Quoted(directory.as_os_str());
        Problem::error("no-scratch", format!("{shown}: {error}"))
    };
    fs::create_dir_all(directory).map_err(unwritable)?;
    let scratch = tempfile::Builder::new()
        .prefix("standin-")
        .tempdir_in(directory)
        .map_err(unwritable)?;
    write(&FILES, scratch.path()).map_err(unwritable)?;
    match fs::rename(scratch.path(), &place) {
        Ok(()) => {}
        // Another run was faster.
        Err(_) if place.is_dir() => {}
        Err(error) => return Err(unwritable(error)),
    }
    Ok(place)
}

fn write(from: &Dir<'_>, to: &Path) -> io::Result<()> {
    for entry in from.entries() {
        let Some(name) = entry.path().file_name() else {
            continue;
        };
        let target = to.join(name);
        match entry {
            DirEntry::Dir(directory) => {
                fs::create_dir(&target)?;
                write(directory, &target)?;
            }
            DirEntry::File(file) => fs::write(&target, file.contents())?,
        }
    }
    Ok(())
}

fn digest() -> String {
    fn add(directory: &Dir<'_>, hasher: &mut blake3::Hasher) {
        for file in directory.files() {
            hasher.update(file.path().as_os_str().as_encoded_bytes());
            hasher.update(&(file.contents().len() as u64).to_le_bytes());
            hasher.update(file.contents());
        }
        directory.dirs().for_each(|inner| add(inner, hasher));
    }
    let mut hasher = blake3::Hasher::new();
    add(&FILES, &mut hasher);
    hasher.finalize().to_hex().chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_once_and_whole() {
        let directory = tempfile::tempdir().unwrap();
        let place = unpack(directory.path()).unwrap();
        assert!(place.join("flake.nix").is_file());
        fs::write(place.join("mark"), "").unwrap();
        assert_eq!(unpack(directory.path()).unwrap(), place);
        assert!(place.join("mark").is_file());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn inputs_are_known_by_repository_first() {
        assert!(stands_for("pkgs", Some("nixpkgs")));
        assert!(stands_for("nixpkgs-unstable", None));
        assert!(!stands_for("nixpkgs", Some("my-own")));
        assert!(!stands_for("disko", Some("disko")));
    }
}
