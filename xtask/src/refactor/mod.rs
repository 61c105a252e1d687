//! Refactorings: a model and a request become a plan.

pub mod anatomy;
pub mod carve;
pub mod comments;
pub mod paths;
pub mod reindent;
pub mod scope;
