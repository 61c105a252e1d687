//! The one cancellation flag of the process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Says that the user wants out. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    asked: Arc<AtomicBool>,
    /// How many pieces of work are under way that may be left in the middle.
    harmless: Arc<Mutex<usize>>,
    /// What was done last and stays.
    stays: Arc<Mutex<Option<String>>>,
}

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
            signal_hook::flag::register_conditional_shutdown(
                signal,
                130,
                Arc::clone(&cancel.asked),
            )?;
            signal_hook::flag::register(signal, Arc::clone(&cancel.asked))?;
        }
        Ok(cancel)
    }

    /// Asks everything that looks at this flag to stop.
    pub fn cancel(&self) {
        self.asked.store(true, Ordering::SeqCst);
    }

    /// Whether somebody asked.
    pub fn is_cancelled(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Notes what is done and stays, whatever becomes of the rest.
    pub fn stays(&self, what: &str) {
        *self.stays.lock().unwrap_or_else(PoisonError::into_inner) = Some(what.to_owned());
    }

    /// What was done last and stays; nothing was changed if there is none.
    pub fn last_done(&self) -> Option<String> {
        let stays = self.stays.lock();
        stays.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does work that touches nothing outside of this process, so that it may be
    /// left in the middle: reading, planning, comparing.
    pub fn harmless<T>(&self, work: impl FnOnce() -> T) -> T {
        struct Leave<'a>(&'a Cancel);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                *self.0.lock() -= 1;
            }
        }
        *self.lock() += 1;
        let _leave = Leave(self);
        work()
    }

    /// If somebody asked and there is nothing but harmless work, what keeps it so:
    /// as long as it lives, nobody can go on to anything else.
    pub fn leave(&self) -> Option<impl Sized + '_> {
        let harmless = self.lock();
        (self.is_cancelled() && *harmless > 0).then_some(harmless)
    }

    /// The same for a part of the work around which there is something to lose:
    /// what is harmless there may not be left in the middle.
    pub fn within(&self) -> Self {
        Self {
            asked: Arc::clone(&self.asked),
            harmless: Arc::default(),
            stays: Arc::clone(&self.stays),
        }
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.harmless.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_harmless_may_be_left() {
        let cancel = Cancel::default();
        cancel.harmless(|| assert!(cancel.leave().is_none(), "nobody asked"));
        cancel.cancel();
        assert!(cancel.leave().is_none(), "nothing harmless is under way");
        cancel.harmless(|| {
            assert!(cancel.leave().is_some());
            assert!(cancel.within().leave().is_none());
        });
        assert!(cancel.leave().is_none());
    }
}
