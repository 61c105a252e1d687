//! What a fleet of 17 hosts takes: the monolithic one of the fixtures and the
//! one of this repository, which is made of feature modules.
#![allow(clippy::unwrap_used)]

mod common;

use std::hint::black_box;

use common::{Tables, repository, respelt, tree_of};
use criterion::{Criterion, criterion_group, criterion_main};
use xtask::model::{Fleet, ParseCache};

fn fleets(criterion: &mut Criterion) {
    let tables = Tables::new();
    for (name, directory) in [
        ("monolithic", repository().join("tests/fixtures/legacy")),
        ("features", repository()),
    ] {
        let tree = tree_of(&directory);
        let after = respelt(&tree);
        criterion.bench_function(&format!("model/{name}"), |bencher| {
            bencher.iter(|| {
                black_box(Fleet::load(&tree, &tables.options, &ParseCache::default()));
            });
        });
        criterion.bench_function(&format!("inventory/{name}"), |bencher| {
            bencher.iter(|| black_box(tables.inventory(&tree)));
        });
        criterion.bench_function(&format!("proof/{name}"), |bencher| {
            bencher.iter(|| black_box(tables.proof(&tree, &after)));
        });
    }
}

criterion_group!(benches, fleets);
criterion_main!(benches);
