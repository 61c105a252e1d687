//! A repository on disk: reading it, changing it atomically, taking it back.

mod open;
mod snapshot;

pub use open::Workspace;
pub use snapshot::Snapshot;
