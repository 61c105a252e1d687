//! Closures: built, held, and brought to a target.

use std::time::Duration;

use super::agent::Failed;
use super::connection::{CallError, Deadline};
use super::work::{Target, ended};
use crate::rollout::{BuildOn, Outcome, StorePath, Via};

impl Target {
    pub(super) fn build(&self, closure: &StorePath, on: BuildOn, deadline: Deadline) -> Outcome {
        let derivation = self.planned.derivation.as_ref().map(|path| path.0.as_str());
        let store = &self.present.store;
        let failed = |text: String| {
            if self.present.connection.open().is_err() {
                Outcome::Lost
            } else {
                Outcome::Failed(text)
            }
        };
        match (on, derivation) {
            (BuildOn::Existing, _) => Outcome::Done,
            (BuildOn::Local, _) => {
                let built =
                    store.build(&self.planned.name, &closure.0, derivation, deadline.left());
                built.map_or_else(Outcome::Failed, |()| Outcome::Done)
            }
            (BuildOn::Remote, None) => {
                Outcome::Failed(format!("what {closure} is built from is unknown"))
            }
            (BuildOn::Remote, Some(derivation)) => {
                let connection = &self.present.connection;
                let copied = store.copy(connection, &[derivation], false, deadline.left());
                if let Err(text) = copied {
                    return failed(text);
                }
                let words = ["build", derivation];
                match self.verb(Via::Present, &words, deadline.left()) {
                    Ok(_) => Outcome::Done,
                    Err(Failed::Call(CallError::Lost(_))) if deadline.is_over() => {
                        Outcome::TimedOut
                    }
                    Err(other) => ended(other),
                }
            }
        }
    }

    pub(super) fn copy(
        &self,
        closures: &[StorePath],
        substitute: bool,
        deadline: Deadline,
    ) -> Outcome {
        let mut words = vec!["hold"];
        words.extend(closures.iter().map(|path| path.0.as_str()));
        if let Err(failed) = self.verb(Via::Present, &words, deadline.left()) {
            return ended(failed);
        }
        let Some(closure) = closures.first() else {
            return Outcome::Done;
        };
        // A closure that was built there, or is gone back to, is there already.
        let elsewhere = !std::path::Path::new(&closure.0).exists();
        let connection = &self.present.connection;
        if elsewhere {
            let there = connection.call(&["test", "-e", &closure.0], deadline.left());
            return match there {
                Ok(output) if output.status == 0 => Outcome::Done,
                Ok(_) => Outcome::Failed(format!("{closure} is neither here nor there")),
                Err(error) => ended(Failed::Call(error)),
            };
        }
        let store = &self.present.store;
        match store.copy(connection, &[&closure.0], substitute, deadline.left()) {
            Ok(()) => Outcome::Done,
            Err(_) if deadline.is_over() => Outcome::TimedOut,
            Err(text) => match connection.open() {
                // It is asked first whether the link is what is wrong.
                Ok(_) if connection.call(&["true"], Duration::from_secs(10)).is_ok() => {
                    Outcome::Failed(text)
                }
                _ => Outcome::Lost,
            },
        }
    }
}
