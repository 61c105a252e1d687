//! The engineer of a NixOS fleet repository.
//!
//! Two halves. The **core** decides and is pure: [`tree`], [`edit`], [`problem`], [`config`],
//! [`syntax`], [`model`], [`options`], [`taxonomy`], [`inventory`], [`refactor`],
//! [`proof`], [`validate`], [`explain`], [`lock`], [`guard`], [`rollout`], [`journal`]. The **shell** acts: [`process`], [`tools`],
//! [`workspace`], [`engine`], [`ui`], [`cli`]. `ARCHITECTURE.md` has the whole map.

pub mod adopt;
pub mod config;
pub mod edit;
pub mod explain;
pub mod guard;
pub mod inventory;
pub mod journal;
pub mod lock;
pub mod model;
pub mod options;
pub mod problem;
pub mod proof;
pub mod refactor;
pub mod rollout;
pub mod syntax;
pub mod taxonomy;
pub mod tree;
pub mod validate;

pub mod cli;
pub mod engine;
pub mod process;
pub mod tools;
pub mod ui;
pub mod workspace;

/// Reading a fleet is many small terms on all processors; glibc's allocator makes them
/// wait for each other (`cargo bench --bench fleet`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
