//! Carries out what the core decided: bounded workers around foreign programs.

pub mod build;
pub mod closure;
pub mod derivations;
pub mod evaluation;
pub mod memory;
pub mod names;
pub mod rollout;
pub mod stand;
pub mod standin;
pub mod tracer;
pub mod validation;
pub mod vm;
