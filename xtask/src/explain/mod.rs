//! From a changed definition to what it changed in the closure.

pub mod aterm;
pub mod join;
pub mod leaves;
