//! Carries out what the core decided: bounded workers around foreign programs.

pub mod derivations;
pub mod evaluation;
pub mod stand;
