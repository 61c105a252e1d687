//! What every validation begins with.

use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use crate::cli::context::Context;
use crate::cli::fleet::Reader;
use crate::cli::nix::Setup;
use crate::cli::outcome::Failure;
use crate::config::Config;
use crate::engine::tracer::{ITSELF, Tracer};
use crate::engine::validation::Commit;
use crate::model::Fleet;
use crate::tools::nix::Nix;
use crate::workspace::{Snapshot, Workspace};

/// The fleet as it stands, and whoever evaluates it.
pub(super) struct Start {
    pub(super) workspace: Workspace,
    pub(super) snapshot: Snapshot,
    pub(super) config: Config,
    pub(super) fleet: Fleet,
    pub(super) commit: Commit,
    pub(super) nix: Nix,
    pub(super) tracer: Option<Tracer>,
}

impl Start {
    /// Reads the fleet, and asks git, Nix and the kernel in the meantime: where nothing
    /// has changed, that is nearly all that there is to do.
    ///
    /// # Errors
    ///
    /// There is no flake, no host or no Nix.
    pub(super) fn read(context: &Context) -> Result<Self, Failure> {
        // Reading may need the deep stack of this thread; those that wait need none.
        thread::scope(|scope| {
            let nix = scope.spawn(|| Setup::nix(context));
            let tracer = scope.spawn(|| Tracer::find(&*context.runner, Path::new(ITSELF)));
            let workspace = context.workspace()?;
            let (commit, read) = thread::scope(|scope| {
                let commit = scope.spawn(|| context.commit(&workspace));
                let read = || {
                    let (snapshot, config) = context.read(&workspace)?;
                    let fleet = Reader::new().load_told(&snapshot.tree, context)?;
                    Ok::<_, Failure>((snapshot, config, fleet))
                };
                let read = read();
                (commit.join().unwrap_or_else(|it| resume_unwind(it)), read)
            });
            let (snapshot, config, fleet) = read?;
            let commit = commit?;
            Ok(Self {
                snapshot,
                config,
                fleet,
                commit,
                nix: nix.join().unwrap_or_else(|it| resume_unwind(it))?,
                tracer: tracer.join().unwrap_or_else(|it| resume_unwind(it)),
                workspace,
            })
        })
    }
}
