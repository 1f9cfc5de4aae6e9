//! Clients of a scope and the pools of each.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use poolscope_semconv::value::Observation;

use super::exemplar::ExemplarSwitch;
use super::gate::Gate;
use super::key::{Destination, DestinationRef, Scheme};
use super::last;
use super::limit::TotalLimitSnapshot;
use super::pool::{Pool, PoolConfig};
use super::snapshot::PoolSnapshot;
use super::upkeep::Rules;
use crate::Scope;
use crate::clock::Instant;
use crate::event::PoolName;

/// Host of the pool that takes the requests to destinations beyond the limit of pools.
const OVERFLOW_HOST: &str = poolscope_semconv::value::OVERFLOW;

/// The destination of that pool; no request can go to port 0.
pub(super) fn overflow() -> Destination {
    Destination { scheme: Scheme::Http, host: OVERFLOW_HOST.into(), port: 0 }
}

/// How long hyper-util and reqwest keep idle connections unless told otherwise.
pub(super) const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// One HTTP client of a scope: the part of the pool key that the user names.
///
/// Two clients to the same destination are two pools, because each of them keeps its own connections. Give each client
/// a name of its own; two layers with one name count into the same pools.
///
/// ```
/// let scope = poolscope::Scope::new();
/// let payments = scope.client("payments");
/// assert_eq!(payments.name(), "payments");
/// ```
#[derive(Debug, Clone)]
pub struct ClientScope {
    // One count to raise for each clone, since layers clone it for each request.
    shared: Arc<(Scope, Arc<ClientInner>)>,
}

/// Number of the next client.
static NEXT: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
pub(crate) struct ClientInner {
    /// No other client of the process has it, also after this one; its address may be another's by then, while a
    /// connection keeps a pool of this one alive.
    number: u64,
    name: Arc<str>,
    pools: papaya::HashMap<Destination, Arc<Pool>, RandomState>,
    config: Mutex<PoolConfig>,
    /// Leak thresholds of single pools.
    leak_thresholds: Mutex<Vec<(Destination, Option<Duration>)>>,
    /// Takes the requests to destinations beyond the limit of pools.
    overflow: OnceLock<Arc<Pool>>,
    /// Limits the requests in flight to all destinations together, once a limit layer wants that.
    total: OnceLock<Arc<Gate>>,
    /// Takes what telemetry itself does with a client that is observed; shown nowhere, or telemetry would feed itself.
    unseen: OnceLock<Arc<Pool>>,
}

impl ClientScope {
    pub(crate) fn new(scope: Scope, inner: Arc<ClientInner>) -> Self {
        Self { shared: Arc::new((scope, inner)) }
    }

    fn inner(&self) -> &Arc<ClientInner> {
        &self.shared.1
    }

    /// Name of the client.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner().name
    }

    /// Scope that the client belongs to.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.shared.0
    }

    /// Tells how long the HTTP client keeps idle connections, when that is not the 90 s that hyper-util and reqwest
    /// have by default. It decides which closes are taken for idle timeouts. Holds for pools that are made later.
    #[must_use]
    pub fn pool_idle_timeout(self, timeout: Duration) -> Self {
        self.with_config(|config| config.idle_timeout = timeout)
    }

    /// How long a response may be left alone, neither read nor dropped, before its connection is reported as leaked;
    /// `None` for ever. By default, this is the scope's threshold. Holds for pools that are made later.
    #[must_use]
    pub fn leak_threshold(self, threshold: Option<Duration>) -> Self {
        self.with_config(|config| config.leak_threshold = threshold)
    }

    /// Like [`ClientScope::leak_threshold`] for the one pool that requests to this URI go to, by its scheme, host and
    /// port: longer for a destination whose answers are streams that are read seldom, shorter for one that has few
    /// connections to give. A URI without a host names no pool. Holds if the pool is made later.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let scope = poolscope::Scope::new();
    /// let reports = http::Uri::from_static("https://reports.example");
    /// let client = scope.client("web").leak_threshold_of(&reports, Some(Duration::from_secs(600)));
    /// # let _ = client;
    /// ```
    #[must_use]
    pub fn leak_threshold_of(self, uri: &http::Uri, threshold: Option<Duration>) -> Self {
        if let Some(destination) = DestinationRef::from_uri(uri) {
            let mut known = self.inner().leak_thresholds.lock().unwrap_or_else(PoisonError::into_inner);
            known.push((destination.to_owned(), threshold));
        }
        self
    }

    pub(crate) fn replace(self, rules: Rules) -> Self {
        self.with_config(|config| config.hygiene = Some(rules))
    }

    pub(crate) fn observation(self, observation: Observation) -> Self {
        self.with_config(|config| config.observation = observation)
    }

    fn with_config(self, change: impl FnOnce(&mut PoolConfig)) -> Self {
        change(&mut self.inner().config.lock().unwrap_or_else(PoisonError::into_inner));
        self
    }

    /// The pool that a request goes to by its URI. Costs a comparison when the last request of this thread went there too.
    #[inline]
    pub(crate) fn pool_at(&self, uri: &http::Uri) -> Arc<Pool> {
        if crate::trace::is_suppressed() {
            return self.unseen();
        }
        last::pool_at(self.inner().number, uri).unwrap_or_else(|| self.find_at(uri))
    }

    #[cold]
    fn find_at(&self, uri: &http::Uri) -> Arc<Pool> {
        let destination =
            DestinationRef::from_uri(uri).unwrap_or_else(|| DestinationRef::new("http", "", None));
        let pool = self.find(&destination);
        last::remember(self.inner().number, Some(uri), &pool);
        pool
    }

    #[cold]
    fn unseen(&self) -> Arc<Pool> {
        Arc::clone(self.inner().unseen.get_or_init(|| Arc::new(Pool::unseen())))
    }

    /// The pool of a destination. Costs a comparison when the last request of this thread went there too.
    pub(crate) fn pool(&self, destination: &DestinationRef<'_>) -> Arc<Pool> {
        if crate::trace::is_suppressed() {
            return self.unseen();
        }
        let client = self.inner().number;
        last::pool(client, destination).unwrap_or_else(|| {
            let pool = self.find(destination);
            last::remember(client, None, &pool);
            pool
        })
    }

    /// Looks the pool of a destination up, or makes it. Takes no lock and allocates nothing once the pool exists.
    fn find(&self, destination: &DestinationRef<'_>) -> Arc<Pool> {
        let pools = self.inner().pools.pin();
        if let Some(pool) = pools.get(destination) {
            return Arc::clone(pool);
        }
        if !self.scope().claim_pool() {
            return Arc::clone(self.inner().overflow.get_or_init(|| {
                let key = overflow();
                let pool = Arc::clone(pools.get_or_insert(key.clone(), self.make(key)));
                self.made(&pool);
                pool
            }));
        }
        let key = destination.to_owned();
        let made = self.make(key.clone());
        let kept = pools.get_or_insert(key, Arc::clone(&made));
        self.made(kept);
        if !Arc::ptr_eq(kept, &made) {
            // Another thread was first, and has claimed a place for the pool itself.
            self.scope().give_back_pool();
        }
        Arc::clone(kept)
    }

    fn make(&self, destination: Destination) -> Arc<Pool> {
        let mut config = self.inner().config.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let known = self.inner().leak_thresholds.lock().unwrap_or_else(PoisonError::into_inner);
        // The last word on a pool counts.
        if let Some((_, threshold)) = known.iter().rev().find(|(pool, _)| *pool == destination) {
            config.leak_threshold = *threshold;
        }
        drop(known);
        let name = PoolName {
            client: Arc::clone(&self.inner().name),
            scheme: destination.scheme.as_str(),
            host: destination.host.as_ref().into(),
            port: destination.port,
        };
        let pool = Pool::new(name, destination, config, Arc::clone(self.scope().events()));
        pool.rotation.watched_by(self.scope().watch());
        // Before anybody has it, so that no record is missed.
        if let Some(mirrors) = self.scope().mirrors() {
            pool.mirror(Some(&mirrors));
        }
        Arc::new(pool)
    }

    /// A pool is among the others now.
    fn made(&self, pool: &Pool) {
        // Whoever began or ceased to mirror since it was made may not have seen it there.
        pool.mirror(self.scope().mirrors().as_ref());
        self.scope().watch_new_pool();
    }

    /// The limit of all requests of the client, made by the first who asks for it.
    #[cfg(feature = "limit")]
    pub(crate) fn total_limit(&self, make: impl FnOnce() -> Gate) -> &Arc<Gate> {
        self.inner().total.get_or_init(|| Arc::new(make()))
    }

    /// Its pools.
    #[cfg(any(feature = "hyper", feature = "reqwest"))]
    pub(crate) fn pools(&self) -> Vec<Arc<Pool>> {
        self.inner().pools()
    }

    pub(crate) fn next_connection_id(&self) -> u64 {
        self.scope().next_id()
    }
}

impl ClientInner {
    pub(crate) fn new(
        name: &str,
        max_listed: usize,
        leak_threshold: Option<Duration>,
        exemplars: Arc<ExemplarSwitch>,
    ) -> Self {
        Self {
            number: NEXT.fetch_add(1, Relaxed),
            name: name.into(),
            pools: papaya::HashMap::with_hasher(RandomState::default()),
            config: Mutex::new(PoolConfig {
                observation: Observation::Exact,
                idle_timeout: DEFAULT_IDLE_TIMEOUT,
                max_listed,
                leak_threshold,
                hygiene: None,
                exemplars,
            }),
            leak_thresholds: Mutex::default(),
            overflow: OnceLock::new(),
            total: OnceLock::new(),
            unseen: OnceLock::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn overflowed(&self) -> u64 {
        self.overflow.get().map_or(0, |pool| pool.requests())
    }

    pub(crate) fn pools(&self) -> Vec<Arc<Pool>> {
        self.pools.pin().values().cloned().collect()
    }

    pub(crate) fn total_limit(&self) -> Option<TotalLimitSnapshot> {
        self.total.get().map(|gate| TotalLimitSnapshot::of(&self.name, gate))
    }

    pub(crate) fn snapshot(&self, now: Instant) -> Vec<PoolSnapshot> {
        self.pools().iter().map(|pool| pool.snapshot(now)).collect()
    }
}

/// How many pools there may be, over all clients of a scope.
#[derive(Debug)]
pub(crate) struct PoolLimit {
    used: AtomicUsize,
    max: usize,
}

impl PoolLimit {
    pub(crate) fn new(max: usize) -> Self {
        Self { used: AtomicUsize::new(0), max }
    }

    /// Gives a place back that was not needed.
    pub(crate) fn give_back(&self) {
        self.used.fetch_sub(1, Relaxed);
    }

    /// Takes a place; false if none is left.
    pub(crate) fn claim(&self) -> bool {
        self.used.fetch_update(Relaxed, Relaxed, |used| (used < self.max).then_some(used + 1)).is_ok()
    }
}
