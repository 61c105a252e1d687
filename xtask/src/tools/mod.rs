//! Foreign programs: how they are called and what their output means.

pub mod debian;
pub mod git;
pub mod nix;
pub mod programs;
pub mod ssh;
