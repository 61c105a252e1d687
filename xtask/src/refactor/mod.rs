//! Refactorings: a model and a request become a plan.

pub mod anatomy;
pub mod canonical;
pub mod carve;
pub mod catalogue;
pub mod comments;
pub mod compose;
mod directory;
pub mod draft;
mod drafts;
pub mod editable;
pub mod emit;
mod entry;
pub mod existing;
pub mod group;
pub mod host;
pub mod identity;
pub mod leaves;
pub mod locals;
pub mod migrate;
pub mod namespace;
pub mod option;
pub mod paths;
pub mod placement;
pub mod reindent;
pub mod scope;
#[cfg(test)]
mod tests;
