//! Where breakers are shown, ours and other crates'.

use std::sync::{Arc, Mutex, PoisonError};

use super::snapshot::BreakerSnapshot;

/// Something that can tell the state of circuit breakers. Ours do; an adapter makes another crate's breaker visible.
pub trait BreakerSource: Send + Sync + 'static {
    /// Every breaker of this source as it is now. Called once per snapshot, never on a request's way.
    fn breakers(&self) -> Vec<BreakerSnapshot>;
}

/// All sources, in the order in which they came.
#[derive(Default)]
pub(crate) struct Sources(Mutex<Vec<Arc<dyn BreakerSource>>>);

impl Sources {
    pub(crate) fn add(&self, source: Arc<dyn BreakerSource>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    /// The breakers of all sources by name; the sources are asked outside of the lock.
    pub(crate) fn snapshot(&self) -> Vec<BreakerSnapshot> {
        let sources = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut breakers: Vec<_> = sources.iter().flat_map(|source| source.breakers()).collect();
        breakers.sort_by(|a, b| a.name.cmp(&b.name));
        breakers
    }
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}
