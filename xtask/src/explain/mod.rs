//! From a changed definition to what it changed in the closure.

pub mod aterm;
pub mod causes;
pub mod join;
pub mod leaves;
