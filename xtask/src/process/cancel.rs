//! The one cancellation flag of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Says that the user wants out. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A flag that SIGINT, SIGTERM and SIGHUP set. A second signal ends the
    /// process at once with status 130; the journal then has what `recover` needs.
    ///
    /// # Errors
    /// The system refuses to install a handler.
    pub fn on_signals() -> std::io::Result<Self> {
        let cancel = Self::default();
        for signal in [
            signal_hook::consts::SIGINT,
            signal_hook::consts::SIGTERM,
            signal_hook::consts::SIGHUP,
        ] {
            // Order matters: the first handler looks at the flag that the
            // second one is about to set.
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&cancel.0))?;
            signal_hook::flag::register(signal, Arc::clone(&cancel.0))?;
        }
        Ok(cancel)
    }

    /// Asks everything that looks at this flag to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether somebody asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
