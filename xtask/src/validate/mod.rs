//! Validation: what an evaluation has read, and whether that still stands.

pub mod reads;
pub mod record;
pub mod report;
pub mod trace;
