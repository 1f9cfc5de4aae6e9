//! Where breakers are shown, ours and other crates'.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::snapshot::BreakerSnapshot;

/// Something that can tell the state of circuit breakers. Ours do; an adapter makes another crate's breaker visible.
///
/// An adapter asks the breaker, or keeps what the breaker's hooks tell, and fills in what is known. The snapshot is all that
/// telemetry and the dashboard need: they conclude from `transitions` and `state` when it opened. For the crate failsafe
/// there is an adapter already, behind the feature `failsafe`.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicBool, AtomicU64, Ordering::Relaxed}};
///
/// use poolscope::{BreakerOutcome, BreakerSnapshot, BreakerSource, BreakerState, Scope};
///
/// /// A fuse of your own, which stays blown until somebody replaces it.
/// #[derive(Default)]
/// struct Fuse {
///     blown: AtomicBool,
///     rejected: AtomicU64,
/// }
///
/// /// Shows the fuse for as long as somebody else holds it.
/// struct Shown(std::sync::Weak<Fuse>);
///
/// impl BreakerSource for Shown {
///     fn breakers(&self) -> Vec<BreakerSnapshot> {
///         let Some(fuse) = self.0.upgrade() else { return Vec::new() };
///         let state = if fuse.blown.load(Relaxed) { BreakerState::Open } else { BreakerState::Closed };
///         let mut seen = BreakerSnapshot::new("payments", state);
///         seen.calls = vec![(BreakerOutcome::Rejected, fuse.rejected.load(Relaxed))];
///         vec![seen]
///     }
/// }
///
/// let scope = Scope::new();
/// let fuse = Arc::new(Fuse::default());
/// scope.show_breakers(Shown(Arc::downgrade(&fuse)));
/// fuse.blown.store(true, Relaxed);
/// assert_eq!(scope.snapshot().breakers[0].state, BreakerState::Open);
/// ```
pub trait BreakerSource: Send + Sync + 'static {
    /// Every breaker of this source as it is now. Called once per snapshot, never on a request's way.
    fn breakers(&self) -> Vec<BreakerSnapshot>;
}

/// All sources, in the order in which they came.
#[derive(Default)]
pub(crate) struct Sources {
    sources: Mutex<Vec<Arc<dyn BreakerSource>>>,
    /// How many sources have asked for a prefix.
    prefixes: Mutex<BTreeMap<Option<Arc<str>>, u32>>,
}

impl Sources {
    /// The prefix, with a number if another source has it already.
    pub(crate) fn distinct_prefix(&self, prefix: Option<Arc<str>>) -> Option<Arc<str>> {
        let mut prefixes = self.prefixes.lock().unwrap_or_else(PoisonError::into_inner);
        let count = prefixes.entry(prefix.clone()).or_default();
        *count += 1;
        match (*count, &prefix) {
            (1, _) => prefix,
            (count, None) => Some(format!("#{count}").into()),
            (count, Some(prefix)) => Some(format!("{prefix} #{count}").into()),
        }
    }

    pub(crate) fn add(&self, source: Arc<dyn BreakerSource>) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    /// The breakers of all sources by name; the sources are asked outside of the lock.
    pub(crate) fn snapshot(&self) -> Vec<BreakerSnapshot> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner).clone();
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

#[cfg(test)]
mod tests {
    use super::Sources;

    #[test]
    fn no_two_sources_have_one_prefix() {
        let sources = Sources::default();
        let ask = |prefix: Option<&str>| {
            sources.distinct_prefix(prefix.map(Into::into)).map(|name| name.to_string())
        };
        assert_eq!(ask(None), None);
        assert_eq!(ask(None).as_deref(), Some("#2"));
        assert_eq!(ask(Some("shop")).as_deref(), Some("shop"));
        assert_eq!(ask(Some("shop")).as_deref(), Some("shop #2"));
    }
}
