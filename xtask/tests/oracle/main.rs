//! The model against real Nix: `lib.evalModules` is what says who is right.
//!
//! `FLEET_TEST_NIXPKGS` names a nixpkgs checkout, `FLEET_TEST_NIXPKGS_LIB`
//! further directories that hold nixpkgs' `lib` (separated by `:`). Without Nix
//! or without either the tests report themselves as skipped.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

#[allow(dead_code)]
#[path = "../common/need.rs"]
mod need;

#[path = "../common/mutate.rs"]
mod mutate;

#[path = "../common/verdicts.rs"]
mod verdicts;

#[path = "../common/seed.rs"]
mod seed;

#[path = "../common/snapshot.rs"]
mod snapshot;

mod evaluate;
mod fleets;
mod import_trees;
mod merge;
mod migrated;
mod mutation;
mod nix;
mod record;
mod refused;
mod standin;
mod tree_text;
