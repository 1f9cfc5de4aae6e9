//! The task that has a store remove what is over.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::sleep;

use super::kept::Inner;
use crate::session::sweep::{Ends, PROMISED, claim};

/// Time from one look to the next, while something is there.
const TEND_EVERY: Duration = Duration::from_millis(100);

/// True if the store is tended: starts the task, if there is none, in the runtime that is current here.
pub(super) fn is_running<V: Send + Sync + 'static>(inner: &Arc<Inner<V>>) -> bool {
    let store = Arc::downgrade(inner);
    claim(&inner.shared, |ends| tend_for_ever(ends, store))
}

/// Tends the store until it is gone. It is not held in between.
async fn tend_for_ever<V: Send + Sync + 'static>(_ends: Ends, store: Weak<Inner<V>>) {
    let Some(now) = store.upgrade().map(|inner| Arc::clone(&inner.shared.sweep_now)) else { return };
    while let Some(inner) = store.upgrade() {
        let shared = &inner.shared;
        let began = shared.now();
        let late = inner.tend();
        shared.sweeps.record(shared.now().saturating_sub(began));
        if late > PROMISED {
            shared.late_sweeps.fetch_add(1, Relaxed);
        }
        let is_empty = inner.is_empty();
        drop(inner);
        if is_empty {
            now.notified().await;
        }
        sleep(TEND_EVERY).await;
    }
}
