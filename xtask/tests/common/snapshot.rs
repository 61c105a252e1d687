//! Trees of directories.

use std::path::Path;
use std::sync::Arc;

use xtask::process::DuctRunner;
use xtask::tree::Tree;
use xtask::workspace::Workspace;

/// The tree of a directory as a flake sees it.
pub fn tree_of(directory: &Path) -> Result<Tree, String> {
    Workspace::open(Arc::new(DuctRunner::default()), directory)
        .and_then(|workspace| workspace.snapshot())
        .map(|snapshot| snapshot.tree)
        .map_err(|problem| format!("{problem:?}"))
}
