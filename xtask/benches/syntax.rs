//! What our syntax layer costs beyond the parser: every Nix file of a nixpkgs
//! (`FLEET_TEST_NIXPKGS`) is read, parsed and walked, by ours and by rnix alone.
#![allow(clippy::unwrap_used, clippy::disallowed_macros)]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;
use rowan::ast::AstNode;
use xtask::syntax;

const ROUNDS: usize = 5;

/// Reads one text and visits what it is; returns how much that was.
type Reader = fn(String) -> usize;

fn nix_files(root: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = ignore::WalkBuilder::new(root)
        .standard_filters(false)
        .build()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .map(ignore::DirEntry::into_path)
        .filter(|path| path.extension().is_some_and(|end| end == "nix"))
        .collect();
    files.sort();
    files
}

/// Visits every node and token.
fn walk(root: &rnix::Root) -> usize {
    root.syntax().preorder_with_tokens().count()
}

fn bare(text: String) -> usize {
    walk(&rnix::Root::parse(&text).tree())
}

/// The lossless tree, as edits use it.
fn lossless(text: String) -> usize {
    walk(&syntax::parse(&text).0)
}

/// The compact form, as evaluation uses it.
fn compact(text: String) -> usize {
    syntax::lower(Arc::from(text)).exprs().count()
}

fn time(files: &[PathBuf], read: Reader) -> f64 {
    let started = Instant::now();
    let total: usize = files
        .par_iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .map(read)
        .sum();
    black_box(total);
    started.elapsed().as_secs_f64()
}

fn main() {
    // `cargo test --benches` only wants to know that it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let Some(root) = std::env::var_os("FLEET_TEST_NIXPKGS") else {
        println!("skipped: FLEET_TEST_NIXPKGS names no nixpkgs");
        return;
    };
    let files = nix_files(Path::new(&root));
    let readers: [(&str, Reader); 3] =
        [("rnix", bare), ("lossless", lossless), ("compact", compact)];
    let mut times = [(); 3].map(|()| Vec::new());
    // In turns, so that whatever else the machine does hits all alike.
    for _ in 0..ROUNDS {
        for (times, (_, read)) in times.iter_mut().zip(readers) {
            times.push(time(&files, read));
        }
    }
    println!("{} files", files.len());
    let mut base = None;
    for (times, (name, _)) in times.iter_mut().zip(readers) {
        times.sort_by(f64::total_cmp);
        let median = times[ROUNDS / 2];
        let base = *base.get_or_insert(median);
        println!("{name:<10} {median:>7.3} s   {:.2} x rnix", median / base);
    }
}
