//! The module model: what a flake hands to the module system, per host.

mod eval;
pub mod files;
pub mod flake;
mod modules;
mod norm;
mod prims;
pub mod show;
pub mod term;
mod value;
