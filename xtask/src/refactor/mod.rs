//! Refactorings: a model and a request become a plan.

pub mod anatomy;
pub mod comments;
pub mod reindent;
pub mod scope;
