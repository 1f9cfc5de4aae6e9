//! [`Saver`]: the thread that saves the breakers of a layer after changes.

use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Weak};

use super::BreakerStore;
use crate::breaker::circuits::Circuits;

/// Wakes the thread; it ends with the last of these.
#[derive(Debug, Clone)]
pub(in crate::breaker) struct Saver(SyncSender<()>);

impl Saver {
    /// Starts the thread.
    pub(in crate::breaker) fn start(
        store: Arc<dyn BreakerStore>,
        circuits: Weak<Circuits>,
    ) -> std::io::Result<Self> {
        // One that waits is enough: it saves what is true when it is its turn.
        let (wake, woken) = sync_channel(1);
        std::thread::Builder::new().name("poolscope-breakers".into()).spawn(move || {
            while woken.recv().is_ok() {
                let Some(circuits) = circuits.upgrade() else { return };
                let breakers = circuits.stored();
                drop(circuits);
                if let Err(error) = store.save(&breakers) {
                    tracing::warn!("the states of breakers can't be kept for the next start: {error}");
                }
            }
        })?;
        Ok(Self(wake))
    }

    /// A breaker has changed.
    pub(in crate::breaker) fn wake(&self) {
        match self.0.try_send(()) {
            // A thread that has panicked over the user's store is gone, and nothing else with it.
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }
}
