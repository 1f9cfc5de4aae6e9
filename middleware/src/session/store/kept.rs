//! [`SessionStore`]: what is kept, and for how long.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::notification::RemovalCause;
use moka::ops::compute::{CompResult, Op};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use poolscope_semconv::value::SessionEnd;

use super::id::SessionId;
use super::tend;
use crate::event::Event;
use crate::registry::SessionsSnapshot;
use crate::session::life::Life;
use crate::session::presence::end_of;
use crate::session::refused::Refused;
use crate::session::registry::Shared;
use crate::session::table::Rules;

/// A store of server-side sessions. Cheap to clone; clones are one. See the [module](super) for an example.
///
/// When the last clone is dropped, what is in it is gone, and so are its figures.
pub struct SessionStore<V> {
    inner: Arc<Inner<V>>,
}

/// How many bytes there may be, and how many a value has.
pub(super) struct Bytes<V> {
    pub(super) max: u64,
    pub(super) of: Arc<dyn Fn(&V) -> usize + Send + Sync>,
}

/// One session with its value.
struct Kept<V> {
    life: Arc<Life>,
    value: Arc<V>,
}

/// What a store and its task share.
pub(super) struct Inner<V> {
    pub(super) shared: Arc<Shared>,
    rules: Rules,
    bytes: Option<Bytes<V>>,
    cache: Cache<SessionId, Arc<Kept<V>>>,
    ends: Arc<Ends>,
}

/// Counts out those that the cache removes. It is held by the cache, so it does not hold it.
struct Ends {
    shared: Arc<Shared>,
    idle_timeout: Option<Duration>,
    /// In the order in which they began.
    there: Mutex<BTreeMap<u64, (SessionId, Arc<Life>)>>,
    /// By how many nanoseconds the latest of those was removed late that were removed since this was last asked.
    late: AtomicU64,
}

impl Ends {
    fn there(&self) -> MutexGuard<'_, BTreeMap<u64, (SessionId, Arc<Life>)>> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn removed(&self, life: &Life, cause: RemovalCause) {
        let now = self.shared.now();
        let reason = match cause {
            RemovalCause::Replaced => return,
            RemovalCause::Expired => {
                let late = now.saturating_sub(life.active() + self.idle_timeout.unwrap_or_default());
                self.is_late(late);
                SessionEnd::IdleTimeout
            }
            RemovalCause::Size => SessionEnd::Evicted,
            // Whoever removed it has told why.
            RemovalCause::Explicit => SessionEnd::Dropped,
        };
        if self.there().remove(&life.id).is_none() {
            return;
        }
        life.tell(reason, now);
        let reason = life.told().map_or(reason, |told| told.reason);
        if reason != SessionEnd::Completed {
            self.shared.emit(&Event::SessionEnded(end_of(&self.shared, life, reason, None)));
        }
        self.shared.leave(life, reason);
    }

    fn is_late(&self, late: Duration) {
        self.late.fetch_max(u64::try_from(late.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }
}

impl<V: Send + Sync + 'static> SessionStore<V> {
    pub(super) fn new(shared: Arc<Shared>, rules: Rules, bytes: Option<Bytes<V>>) -> Self {
        let ends = Arc::new(Ends {
            shared: Arc::clone(&shared),
            idle_timeout: rules.idle_timeout,
            there: Mutex::default(),
            late: AtomicU64::new(0),
        });
        let counts = Arc::clone(&ends);
        let mut cache = Cache::builder()
            // By default, it would rather keep who was asked for often before than who is here now.
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(move |_, kept: Arc<Kept<V>>, cause| counts.removed(&kept.life, cause));
        if let Some(idle) = rules.idle_timeout {
            cache = cache.time_to_idle(idle);
        }
        let most = rules.max_sessions as u64;
        cache = match &bytes {
            None => cache.max_capacity(most),
            Some(Bytes { max, of }) => {
                let (share, of) = (max.div_ceil(most), Arc::clone(of));
                cache.max_capacity(*max).weigher(move |_, kept| {
                    let bytes = (of(&kept.value) as u64).max(share);
                    u32::try_from(bytes).unwrap_or(u32::MAX)
                })
            }
        };
        let inner = Arc::new(Inner { shared, rules, bytes, cache: cache.build(), ends });
        let closes = Arc::downgrade(&inner);
        inner.shared.on_close(move || {
            if let Some(inner) = closes.upgrade() {
                inner.remove_all();
            }
        });
        Self { inner }
    }

    /// Keeps a value, and gives the id by which it is asked for.
    ///
    /// The key is what the session is called in snapshots, and in the events that tell of its end; several may have the same. It
    /// leaves the process with telemetry, so don't use what a client proves its identity with.
    ///
    /// Needs a tokio runtime with its time driver on.
    ///
    /// # Errors
    ///
    /// The program shuts down, there is no runtime here, the system has no random numbers, or the value alone is larger than
    /// everything that may be kept.
    pub fn create(&self, key: &str, value: V) -> Result<SessionId, Refused> {
        let inner = &self.inner;
        if !tend::is_running(inner) {
            return Err(inner.shared.no_runtime());
        }
        if inner.is_too_large(&value) {
            return Err(inner.shared.too_large());
        }
        let id = SessionId::random().map_err(|_| inner.shared.no_id())?;
        let life = inner.shared.begin_life(key)?;
        inner.ends.there().insert(life.id, (id.clone(), Arc::clone(&life)));
        inner.cache.insert(id.clone(), Arc::new(Kept { life: Arc::clone(&life), value: Arc::new(value) }));
        // The task sleeps while nothing is there, and may have looked before this was.
        inner.shared.sweep_now.notify_one();
        // Who has to go for it goes now.
        inner.cache.run_pending_tasks();
        if life.told().is_some() {
            // It was closed meanwhile.
            inner.cache.invalidate(id.as_str());
        }
        Ok(id)
    }

    /// The value of a session. Its idle time begins again.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<V>> {
        let kept = self.inner.cache.get(id)?;
        let value = self.inner.is_there(&kept.life).then(|| Arc::clone(&kept.value))?;
        kept.life.touch(self.inner.shared.now());
        Some(value)
    }

    /// Keeps another value from now on, made of the one before, and gives it. Its idle time begins again; how long it has been
    /// there goes on. Nobody else changes it meanwhile. `None` if it is not there, and if the new value alone is larger than
    /// everything that may be kept: then the session is evicted.
    pub fn update(&self, id: &str, change: impl FnOnce(&V) -> V) -> Option<Arc<V>> {
        let inner = &self.inner;
        // Nothing is put in where nothing is.
        let id = inner
            .cache
            .get(id)
            .and_then(|kept| inner.ends.there().get(&kept.life.id).map(|one| one.0.clone()))?;
        let updated = inner.cache.entry(id).and_compute_with(|entry| match entry {
            Some(entry) if inner.is_there(&entry.value().life) => {
                let kept = entry.value();
                let (life, value) = (Arc::clone(&kept.life), change(&kept.value));
                if inner.is_too_large(&value) {
                    // The cache would have all others make room for it first.
                    life.tell(SessionEnd::Evicted, inner.shared.now());
                    return Op::Remove;
                }
                life.touch(inner.shared.now());
                Op::Put(Arc::new(Kept { life, value: Arc::new(value) }))
            }
            _ => Op::Nop,
        });
        inner.cache.run_pending_tasks();
        match updated {
            CompResult::ReplacedWith(entry) => Some(Arc::clone(&entry.into_value().value)),
            _ => None,
        }
    }

    /// Ends a session, as it should be, and gives its value.
    pub fn remove(&self, id: &str) -> Option<Arc<V>> {
        let kept = self.inner.cache.get(id).filter(|kept| self.inner.is_there(&kept.life))?;
        kept.life.tell(SessionEnd::Completed, self.inner.shared.now());
        self.inner.cache.invalidate(id);
        Some(Arc::clone(&kept.value))
    }

    /// Sessions that are there now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.shared.table().len()
    }

    /// True if no session is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends all sessions, and refuses new ones from now on. Tells how many there were. A shutdown of the scope does the same.
    pub fn close(&self) -> usize {
        self.inner.shared.close()
    }

    /// Everything that is known of the sessions; the same is in the snapshots of the scope.
    #[must_use]
    pub fn snapshot(&self) -> SessionsSnapshot {
        self.inner.shared.snapshot()
    }
}

impl<V: Send + Sync + 'static> Inner<V> {
    /// False for a session that is over, although the cache still has it.
    fn is_there(&self, life: &Life) -> bool {
        let age = self.shared.now().saturating_sub(life.began);
        life.told().is_none() && self.rules.max_duration.is_none_or(|max| age < max)
    }

    /// True for a value that alone is more than everything that may be kept.
    fn is_too_large(&self, value: &V) -> bool {
        self.bytes.as_ref().is_some_and(|bytes| (bytes.of)(value) as u64 > bytes.max)
    }

    fn remove_all(&self) {
        let all: Vec<_> = self.ends.there().values().map(|(id, _)| id.clone()).collect();
        all.iter().for_each(|id| self.cache.invalidate(id.as_str()));
    }

    /// Removes those that are over, and tells by how much the latest of them was late.
    pub(super) fn tend(&self) -> Duration {
        let now = self.shared.now();
        if let Some(max) = self.rules.max_duration {
            let there = self.ends.there();
            let are_old = there.values().take_while(|(_, life)| life.began + max <= now);
            let old: Vec<_> = are_old.cloned().collect();
            drop(there);
            for (id, life) in old {
                if life.tell(SessionEnd::MaxDuration, self.shared.now()) {
                    self.ends.is_late(self.shared.now().saturating_sub(life.began + max));
                }
                self.cache.invalidate(id.as_str());
            }
        }
        self.cache.run_pending_tasks();
        Duration::from_nanos(self.ends.late.swap(0, Relaxed))
    }

    /// Nothing is there that could come to its end.
    pub(super) fn is_empty(&self) -> bool {
        self.ends.there().is_empty()
    }
}

impl<V> Drop for Inner<V> {
    fn drop(&mut self) {
        // Its task sees that it is gone.
        self.shared.sweep_now.notify_one();
    }
}

impl<V> Clone for SessionStore<V> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<V> fmt::Debug for SessionStore<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionStore").field("name", &self.inner.shared.name).finish_non_exhaustive()
    }
}
