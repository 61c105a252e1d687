//! How long it takes to read a fleet and to say who needs whom.
#![allow(clippy::unwrap_used, clippy::disallowed_macros)]

#[path = "../tests/common/fleet.rs"]
mod fleet;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use xtask::config::Config;
use xtask::inventory::Inventory;
use xtask::model::{Fleet, ParseCache};
use xtask::options::OptionTable;
use xtask::taxonomy::Taxonomy;
use xtask::tree::Tree;

fn take(tree: &Tree, table: &OptionTable<'_>, taxonomy: &Taxonomy) -> Inventory {
    let fleet = Fleet::load(tree, table, &ParseCache::default());
    Inventory::take(&fleet, tree, taxonomy, &Config::default())
}

/// All files below a directory, as they are on disk.
fn disk(root: &Path) -> Tree {
    let mut files = Vec::new();
    let mut directories = vec![PathBuf::from(root)];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                files.push((name, text));
            }
        }
    }
    Tree::from_texts(
        files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str())),
    )
}

/// The most memory that this process has ever had, in MB.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024)
}

fn inventory(criterion: &mut Criterion) {
    let taxonomy = Taxonomy::embedded();
    let table = OptionTable::embedded();
    let legacy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/legacy");
    let legacy = disk(&legacy);
    criterion.bench_function("inventory/17 hosts", |bencher| {
        bencher.iter(|| black_box(take(&legacy, &table, &taxonomy)));
    });
    criterion.bench_function("model/17 hosts", |bencher| {
        bencher.iter(|| black_box(Fleet::load(&legacy, &table, &ParseCache::default())));
    });
    let mut group = criterion.benchmark_group("inventory/generated");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(10));
    for hosts in [100, 300, 1000] {
        let tree = fleet::generate(hosts);
        group.throughput(Throughput::Elements(hosts as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(hosts),
            &tree,
            |bencher, tree| {
                bencher.iter(|| black_box(take(tree, &table, &taxonomy)));
            },
        );
        if let Some(peak) = peak() {
            println!("peak memory after {hosts} hosts: {peak} MB");
        }
    }
    group.finish();
}

criterion_group!(benches, inventory);
criterion_main!(benches);
