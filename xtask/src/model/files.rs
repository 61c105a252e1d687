//! Files of a tree in their compact form, and digests of what paths hold.

mod digest;

use std::sync::{Arc, RwLock};

use rustc_hash::{FxHashMap, FxHashSet};

use super::term::{Digest, Term};
use crate::problem::{Problem, Span};
use crate::syntax::{self, hir};
use crate::tree::{Tree, TreePath};

/// Parsed texts by content; shared between snapshots, threads and runs.
#[derive(Default)]
pub struct ParseCache(RwLock<FxHashMap<Digest, Arc<hir::File>>>);

/// The files of one tree.
pub struct Files<'t> {
    /// The tree.
    pub tree: &'t Tree,
    cache: &'t ParseCache,
    files: RwLock<FxHashMap<TreePath, Result<Arc<hir::File>, String>>>,
    imported: RwLock<FxHashSet<TreePath>>,
    digests: RwLock<FxHashMap<TreePath, Digest>>,
    terms: RwLock<FxHashMap<TreePath, Term>>,
}

impl<'t> Files<'t> {
    /// No file is read yet.
    pub fn new(tree: &'t Tree, cache: &'t ParseCache) -> Self {
        Self {
            tree,
            cache,
            files: RwLock::default(),
            imported: RwLock::default(),
            digests: RwLock::default(),
            terms: RwLock::default(),
        }
    }

    /// The file that `import path` reads: `default.nix` for a directory. Refused
    /// where Nix reads its relative paths from another place than where it stands.
    pub fn module_file(&self, path: &TreePath) -> Result<TreePath, String> {
        let resolve = |path: &TreePath| self.tree.resolve(path).map_err(|error| error.to_string());
        let missing = || format!("{path} does not exist in the repository");
        let mut place = resolve(path)?;
        // Nix follows a link that is named itself, and no other.
        let mut written = match path.parent().zip(path.file_name()) {
            Some((parent, name)) if resolve(&parent)?.join(name).as_ref() != Some(&place) => {
                place.clone()
            }
            _ => path.clone(),
        };
        if self.tree.entry(&place).is_none() && self.tree.is_directory(&place) {
            written = written.join("default.nix").ok_or_else(missing)?;
            place = resolve(&written)?;
        }
        if self.tree.entry(&place).is_none() {
            return Err(missing());
        }
        if written != place {
            let file = self.file(&place)?;
            if references(&file, &written) != references(&file, &place) {
                return Err(format!(
                    "{path} is reached through a symbolic link, and names other files"
                ));
            }
        }
        Ok(place)
    }

    /// The compact form of a file.
    pub fn file(&self, path: &TreePath) -> Result<Arc<hir::File>, String> {
        if let Ok(files) = self.files.read()
            && let Some(found) = files.get(path)
        {
            return found.clone();
        }
        let loaded = self.load(path);
        if let Ok(mut files) = self.files.write() {
            files.insert(path.clone(), loaded.clone());
        }
        loaded
    }

    fn load(&self, path: &TreePath) -> Result<Arc<hir::File>, String> {
        let bytes = self.tree.read(path).map_err(|error| error.to_string())?;
        let digest = Digest::of(&bytes);
        if let Ok(cache) = self.cache.0.read()
            && let Some(file) = cache.get(&digest)
        {
            return Ok(Arc::clone(file));
        }
        let text = self.tree.text(path).map_err(|error| error.to_string())?;
        let file = Arc::new(syntax::lower(Arc::from(text)));
        if let Ok(mut cache) = self.cache.0.write() {
            cache.insert(digest, Arc::clone(&file));
        }
        Ok(file)
    }

    /// The normal form of a file that stands for itself, made once for all hosts.
    pub(super) fn term(
        &self,
        path: &TreePath,
        make: impl FnOnce() -> Option<Term>,
    ) -> Option<Term> {
        if let Some(term) = self.terms.read().ok()?.get(path) {
            return Some(term.clone());
        }
        let term = make()?;
        self.terms.write().ok()?.insert(path.clone(), term.clone());
        Some(term)
    }

    /// The file as something that is evaluated; reading is not enough for that.
    pub fn imported(&self, path: &TreePath) -> Result<Arc<hir::File>, String> {
        if let Ok(mut imported) = self.imported.write() {
            imported.insert(path.clone());
        }
        self.file(path)
    }

    /// What is wrong with the files that were evaluated so far.
    pub fn problems(&self) -> Vec<Problem> {
        let (Ok(files), Ok(imported)) = (self.files.read(), self.imported.read()) else {
            return Vec::new();
        };
        let mut problems = Vec::new();
        for (path, file) in files.iter().filter(|(path, _)| imported.contains(*path)) {
            match file {
                Ok(file) => {
                    // What follows the first error is often a consequence of it.
                    problems.extend(file.errors.first().map(|error| {
                        let span = Span {
                            path: path.clone(),
                            start: error.start,
                            end: error.end,
                        };
                        Problem::error("syntax-error", error.message.clone())
                            .at(span)
                            .help("nothing of this file is known until it is mended")
                    }));
                }
                Err(why) => {
                    problems.push(Problem::warning("unreadable", why.clone()));
                }
            }
        }
        problems.sort_by(|a, b| (&a.span, &a.message).cmp(&(&b.span, &b.message)));
        problems
    }

    /// Whether anything stands at a path: its digest is not that of nothing.
    pub fn exists(&self, path: &TreePath) -> bool {
        let here =
            |path: &TreePath| self.tree.entry(path).is_some() || self.tree.is_directory(path);
        here(path) || self.tree.resolve(path).is_ok_and(|place| here(&place))
    }
}

/// The places in the tree that a file's path literals lead to; of a path with
/// interpolation the directory that is certain.
pub fn references(file: &hir::File, path: &TreePath) -> Vec<TreePath> {
    let directory = path.parent().unwrap_or_else(TreePath::root);
    let mut found = Vec::new();
    for expr in file.exprs() {
        let hir::Expr::Path(hir::PathBase::Relative, parts) = expr else {
            continue;
        };
        let mut text = String::new();
        for part in parts {
            match part {
                hir::Part::Text(part) => text.push_str(part),
                hir::Part::Expr(_) => {
                    text.truncate(text.rfind('/').unwrap_or(0));
                    break;
                }
            }
        }
        found.extend(directory.join(&text));
    }
    found.sort();
    found.dedup();
    found
}

/// The digest of a path at which nothing stands.
pub(super) fn missing() -> Digest {
    Digest::of(b"missing")
}
