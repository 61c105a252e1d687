//! What NixOS declares: which paths are options and of which type.
//!
//! The table is made from real option declarations by `scripts/option-table`
//! and covers the releases named in its head. Options of other inputs
//! (home-manager, disko, …) and of the repository itself are not in it; they
//! are [`PathKind::Unknown`] here.

mod defined;
mod release;
mod table;
mod types;

pub use release::{Release, ReleaseError};
pub use table::{OptionTable, PathKind, Row, View};
pub use types::{OptionType, Scalar, Separator};
