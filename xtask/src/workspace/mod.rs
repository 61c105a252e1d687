//! A repository on disk: reading it, changing it atomically, taking it back.

mod apply;
mod draft;
mod lock;
mod open;
mod place;
mod snapshot;
mod staging;
mod transaction;
mod undo;

pub use apply::{ApplyError, Done, Point, Recovered, Request, Watch};
pub use lock::Lock;
pub use open::Workspace;
pub use snapshot::Snapshot;
