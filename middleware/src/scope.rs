//! [`Scope`]: where everything is counted.

mod long_lived;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

#[cfg(feature = "reqwest")]
use poolscope_semconv::value::Observation;

use crate::clock::Instant;
use crate::event::{Events, Listener};
#[cfg(feature = "otlp")]
use crate::registry::ExemplarFilter;
use crate::registry::ServerSnapshot;
use crate::registry::{Board, ExemplarSwitch, HealthSnapshot, ResourceSnapshot};
use crate::registry::{
    BreakerSource, ClientInner, ClientScope, Connection, MirrorSwitch, Mirroring, Mirrors, Named, Pool,
    PoolLimit, RetryStats, ScopeSnapshot, Sources, TimeoutStats,
};
use crate::registry::{QueueSnapshot, SessionsSnapshot, SupervisorSnapshot, TasksSnapshot};
use crate::watch::Watch;

#[cfg(feature = "server")]
mod servers;

/// Most pools of one scope by default.
pub const DEFAULT_MAX_POOLS: usize = 1_000;

/// Most open connections that a snapshot lists one by one for each pool by default.
pub const DEFAULT_MAX_LISTED_CONNECTIONS: usize = 100;

/// How long a response may be left alone, neither read nor dropped, before its connection is reported as leaked, by
/// default.
pub const DEFAULT_LEAK_THRESHOLD: Duration = Duration::from_secs(60);

/// Where everything is counted: the registry of pools, breakers, retries and timeouts. Cheap to clone; clones are one.
///
/// A program usually has one scope. Layers are made from it, and [`Scope::snapshot`] tells what they saw.
///
/// ```
/// let scope = poolscope::Scope::new();
/// assert!(scope.snapshot().pools.is_empty());
/// ```
#[derive(Debug, Clone)]
pub struct Scope {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    since: SystemTime,
    clients: Mutex<Vec<Arc<ClientInner>>>,
    limit: PoolLimit,
    max_listed: usize,
    leak_threshold: Option<Duration>,
    watch: Arc<Watch>,
    ids: AtomicU64,
    events: Arc<Events>,
    breakers: Sources,
    retries: Named<RetryStats>,
    timeouts: Named<TimeoutStats>,
    #[cfg(feature = "shutdown")]
    shutdown: crate::shutdown::State,
    #[cfg(any(feature = "otlp", feature = "otlp-sdk"))]
    flushes: Mutex<Vec<Arc<dyn crate::export::FlushAtEnd>>>,
    #[cfg(all(feature = "breaker", feature = "shutdown"))]
    tasks: Mutex<Vec<Weak<dyn Task>>>,
    resources: Board<ResourceSnapshot>,
    health: Board<HealthSnapshot>,
    sessions: Board<SessionsSnapshot>,
    tasks_of_groups: Board<TasksSnapshot>,
    queues: Board<QueueSnapshot>,
    #[cfg(all(feature = "task", feature = "shutdown"))]
    open_groups: Mutex<Vec<Weak<crate::task::Shared>>>,
    supervisors: Board<SupervisorSnapshot>,
    #[cfg(all(feature = "supervisor", feature = "shutdown"))]
    supervised: Mutex<Vec<Weak<crate::supervisor::Shared>>>,
    #[cfg(all(feature = "session", feature = "shutdown"))]
    open_sessions: Mutex<Vec<Weak<crate::session::Shared>>>,
    servers: Board<ServerSnapshot>,
    #[cfg(all(feature = "server", feature = "shutdown"))]
    open_servers: Mutex<Vec<Weak<crate::server::Shared>>>,
    exemplars: Arc<ExemplarSwitch>,
    mirrors: MirrorSwitch,
    #[cfg(feature = "trace")]
    tracing: crate::trace::Tracing,
}

/// Work of a thread that is to be finished before the program ends.
#[cfg(all(feature = "breaker", feature = "shutdown"))]
pub(crate) trait Task: std::fmt::Debug + Send + Sync {
    /// Waits until what there is to do now is done, and no longer than this.
    fn finish(&self, within: Duration);
}

/// How long a shutdown waits for the work of each thread.
#[cfg(all(feature = "breaker", feature = "shutdown"))]
const FINISH_WITHIN: Duration = Duration::from_secs(5);

impl Scope {
    /// A scope with the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A scope with limits of its own.
    #[must_use]
    pub fn builder() -> ScopeBuilder {
        ScopeBuilder {
            max_pools: DEFAULT_MAX_POOLS,
            max_listed: DEFAULT_MAX_LISTED_CONNECTIONS,
            leak_threshold: Some(DEFAULT_LEAK_THRESHOLD),
        }
    }

    /// The client of a name, made when it is new. Layers for hyper or for reqwest are made from it; not for both, which see
    /// connections in different ways and would count them wrong under one name.
    #[must_use]
    pub fn client(&self, name: &str) -> ClientScope {
        let mut clients = self.inner.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let known = clients.iter().find(|client| client.name() == name).cloned();
        let client = known.unwrap_or_else(|| {
            let Inner { max_listed, leak_threshold, exemplars, .. } = &*self.inner;
            let client = ClientInner::new(name, *max_listed, *leak_threshold, Arc::clone(exemplars));
            let client = Arc::new(client);
            clients.push(Arc::clone(&client));
            client
        });
        ClientScope::new(self.clone(), client)
    }

    /// Everything that the scope knows now, sorted. Takes short locks that no request waits for.
    #[must_use]
    pub fn snapshot(&self) -> ScopeSnapshot {
        let now = Instant::now();
        let clients = self.clients();
        #[cfg(feature = "reqwest")]
        self.pools().iter().for_each(|pool| crate::reqwest::close_expired(pool, now));
        let mut pools: Vec<_> = clients.iter().flat_map(|client| client.snapshot(now)).collect();
        pools.sort_by(|a, b| {
            (&a.client, &a.host, a.port, a.scheme).cmp(&(&b.client, &b.host, b.port, b.scheme))
        });
        let overflowed =
            clients.iter().map(|client| (client.name().to_owned(), client.overflowed())).collect();
        let mut limits: Vec<_> = clients.iter().filter_map(|client| client.total_limit()).collect();
        limits.sort_by(|a, b| a.client.cmp(&b.client));
        let (kernel_refused, kernel_overflows) = self.kernel();
        ScopeSnapshot {
            at: SystemTime::now(),
            since: self.inner.since,
            pools,
            breakers: self.inner.breakers.snapshot(),
            retries: self.inner.retries.all().into_iter().map(|(name, stats)| stats.snapshot(name)).collect(),
            timeouts: self
                .inner
                .timeouts
                .all()
                .into_iter()
                .map(|(name, stats)| stats.snapshot(name))
                .collect(),
            limits,
            resources: self.inner.resources.rows(),
            health: self.inner.health.rows(),
            sessions: self.inner.sessions.rows(),
            servers: self.inner.servers.rows(),
            tasks: self.inner.tasks_of_groups.rows(),
            queues: self.inner.queues.rows(),
            supervisors: self.inner.supervisors.rows(),
            overflowed,
            kernel_refused,
            kernel_overflows,
        }
    }

    /// Why the kernel can't be asked, and how often it lost messages; of interest where a pool depends on it.
    #[cfg(feature = "reqwest")]
    fn kernel(&self) -> (Option<String>, u64) {
        if self.pools().iter().all(|pool| pool.observation() == Observation::Exact) {
            return (None, 0);
        }
        (crate::reqwest::kernel_refused(), crate::reqwest::kernel_overflows())
    }

    #[cfg(not(feature = "reqwest"))]
    fn kernel(&self) -> (Option<String>, u64) {
        (None, 0)
    }

    /// Ends in order: has servers accept no more and lets them finish what they work on, refuses new requests where a
    /// [`ShutdownLayer`](crate::shutdown::ShutdownLayer) is, and new sessions, tells the sessions to end that are there and
    /// supervised connections to close, waits until what is under way has ended, tells the tasks of groups to end and waits for
    /// them too, cuts at the deadline what has not ended, asks
    /// idle connections to close where that can be done, waits for breakers to be saved where they are kept, sends the
    /// telemetry that is left, and reports.
    ///
    /// The deadline is the one of requests, sessions and tasks. What comes after it has bounds of its own: requests that are cut have
    /// 250 ms to give back what they hold, and the flush of telemetry has 5 s.
    ///
    /// The scope goes on to count; what is refused stays refused. Needs a tokio runtime with its time driver on.
    ///
    /// Don't await it within a request that goes through a shutdown layer of the same scope: it would wait for itself, and
    /// be cut with that request at the deadline, before it has sent telemetry or reported. Spawn it as a task. The same holds
    /// for who holds a session, for whose end it would wait until the deadline, and a task of a group would be dropped while it
    /// waits.
    #[cfg(feature = "shutdown")]
    pub async fn shutdown(&self, deadline: Duration) -> crate::shutdown::ShutdownReport {
        crate::shutdown::run(self, deadline).await
    }

    /// Asks idle connections to close where that can be done, which is over hyper; tells how many.
    #[cfg(feature = "shutdown")]
    pub(crate) fn close_idle(&self) -> usize {
        self.pools().iter().map(|pool| pool.close_idle()).sum()
    }

    #[cfg(feature = "shutdown")]
    pub(crate) fn shutdown_state(&self) -> &crate::shutdown::State {
        &self.inner.shutdown
    }

    /// Waits for the work of threads, without blocking the caller's.
    #[cfg(all(feature = "breaker", feature = "shutdown"))]
    pub(crate) async fn finish_tasks(&self) {
        let tasks = self.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let finish = |task: Arc<dyn Task>| tokio::task::spawn_blocking(move || task.finish(FINISH_WITHIN));
        // All of them at once, so that their times don't add up.
        let waits: Vec<_> = tasks.iter().filter_map(Weak::upgrade).map(finish).collect();
        for wait in waits {
            let _ = wait.await;
        }
    }

    /// Sends what telemetry there is, without blocking the caller's thread.
    #[cfg(feature = "shutdown")]
    pub(crate) async fn flush_telemetry(&self) {
        #[cfg(any(feature = "otlp", feature = "otlp-sdk"))]
        {
            let flushes = self.inner.flushes.lock().unwrap_or_else(PoisonError::into_inner).clone();
            // Side by side, since each may take as long as the shutdown has for all of them.
            let flushes: Vec<_> = flushes
                .into_iter()
                .map(|flush| tokio::task::spawn_blocking(move || flush.flush_at_end()))
                .collect();
            for flush in flushes {
                // One that panics has nothing left to send.
                let _ = flush.await;
            }
        }
    }

    /// Has the work of a thread finished before the program ends, as long as the thread is there.
    #[cfg(all(feature = "breaker", feature = "shutdown"))]
    pub(crate) fn finish_at_end(&self, task: Weak<dyn Task>) {
        let mut tasks = self.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| task.strong_count() > 0);
        tasks.push(task);
    }

    /// Has telemetry sent before the program ends.
    #[cfg(any(feature = "otlp", feature = "otlp-sdk"))]
    pub(crate) fn flush_at_end(&self, flush: Arc<dyn crate::export::FlushAtEnd>) {
        self.inner.flushes.lock().unwrap_or_else(PoisonError::into_inner).push(flush);
    }

    /// Tells every event to a listener from now on, in the task or thread where it happens. A listener that panics is
    /// counted and asked again; it never harms the request.
    pub fn listen(&self, listener: impl Listener) {
        self.inner.events.listen(Arc::new(listener));
    }

    /// Shows the breakers of a source in snapshots and telemetry. The breaker layer of this crate does so by itself.
    pub fn show_breakers(&self, source: impl BreakerSource) {
        self.inner.breakers.add(Arc::new(source));
    }

    /// Makes client spans with the tracer of a provider, below the context that is current at the call, and injects
    /// their context into the request by the global propagator. The first provider stays; false if there was one.
    #[cfg(feature = "trace")]
    pub fn set_tracer_provider<P>(&self, provider: &P) -> bool
    where
        P: opentelemetry::trace::TracerProvider,
        P::Tracer: opentelemetry::trace::Tracer<Span: Send + Sync> + Send + Sync + 'static,
    {
        self.inner.tracing.set(provider)
    }

    /// Makes spans of the crate `tracing` instead of OpenTelemetry's: call it before anything else gives the scope a tracer,
    /// as the `otlp` export does. See [`crate::tracing`] for what differs. False if the scope had a tracer.
    #[cfg(feature = "tracing")]
    pub fn trace_by_tracing(&self) -> bool {
        self.inner.tracing.set_spans_of_tracing()
    }

    fn clients(&self) -> Vec<Arc<ClientInner>> {
        self.inner.clients.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The scope without a hold on it.
    pub(crate) fn downgrade(&self) -> ScopeRef {
        ScopeRef(Arc::downgrade(&self.inner))
    }

    fn pools(&self) -> Vec<Arc<Pool>> {
        self.clients().iter().flat_map(|client| client.pools()).collect()
    }

    /// The watch without a hold on it: gone when its thread is.
    pub(crate) fn watch(&self) -> Weak<Watch> {
        Arc::downgrade(&self.inner.watch)
    }

    /// Starts the thread that looks after the pools, if it does not run yet.
    pub(crate) fn start_watch(&self) {
        self.inner.watch.start(ScopeRef(Arc::downgrade(&self.inner)));
    }

    /// There is a pool to look after that is new.
    pub(crate) fn watch_new_pool(&self) {
        self.start_watch();
        self.inner.watch.call();
    }

    /// Closes a connection, which is gone already, a moment later: by then its request has told how it ended.
    pub(crate) fn close_soon(&self, connection: Arc<Connection>) {
        self.start_watch();
        self.inner.watch.close_soon(connection);
    }

    /// What the watch thread does now and then; tells after which time it wants to be called again.
    pub(crate) fn look_after(&self, now: Instant) -> Duration {
        let mut interval = crate::watch::LONGEST_SLEEP;
        for pool in self.pools() {
            #[cfg(feature = "reqwest")]
            crate::reqwest::close_expired(&pool, now);
            pool.forget_closed(now);
            pool.look_for_leaks(now);
            if let Some(next) = pool.look_after_connections(now) {
                interval = interval.min(next);
            }
            if let Some(threshold) = pool.leak_threshold() {
                interval = interval.min(crate::registry::look_interval(threshold));
            }
        }
        interval
    }

    pub(crate) fn events(&self) -> &Arc<Events> {
        &self.inner.events
    }

    /// A prefix for the names of breakers that no other breaker layer of the scope has.
    pub(crate) fn distinct_breaker_prefix(&self, prefix: Option<Arc<str>>) -> Option<Arc<str>> {
        self.inner.breakers.distinct_prefix(prefix)
    }

    pub(crate) fn claim_pool(&self) -> bool {
        self.inner.limit.claim()
    }

    pub(crate) fn give_back_pool(&self) {
        self.inner.limit.give_back();
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.inner.ids.fetch_add(1, Relaxed) + 1
    }

    pub(crate) fn retry_stats(&self, name: &str) -> Arc<RetryStats> {
        self.inner.retries.get(name, |name| {
            let stats = RetryStats::new();
            stats.mirror(self.mirrors().as_ref(), name);
            stats
        })
    }

    pub(crate) fn timeout_stats(&self, name: &str) -> Arc<TimeoutStats> {
        self.inner.timeouts.get(name, |name| {
            let stats = TimeoutStats::new();
            stats.mirror(self.mirrors().as_ref(), name);
            stats
        })
    }

    /// Keeps requests that stand for others, as many as this filter lets through.
    #[cfg(feature = "otlp")]
    pub(crate) fn want_exemplars(&self, filter: ExemplarFilter) {
        self.inner.exemplars.want(filter);
    }

    /// Who mirrors the histograms of what is made now.
    pub(crate) fn mirrors(&self) -> Option<Arc<dyn Mirrors>> {
        self.inner.mirrors.now()
    }

    /// Every record of a histogram goes to a mirror besides from now on; false if there are mirrors already.
    pub(crate) fn begin_mirrors(&self, mirrors: &Arc<dyn Mirrors>) -> bool {
        self.inner.mirrors.begin(mirrors, |mirrors| self.mirror_all(mirrors))
    }

    /// Records go to no mirrors any more.
    pub(crate) fn end_mirrors(&self) {
        self.inner.mirrors.end(|mirrors| self.mirror_all(mirrors));
    }

    fn mirror_all(&self, mirrors: Mirroring<'_>) {
        self.pools().iter().for_each(|pool| pool.mirror(mirrors));
        self.inner.retries.all().iter().for_each(|(name, stats)| stats.mirror(mirrors, name));
        self.inner.timeouts.all().iter().for_each(|(name, stats)| stats.mirror(mirrors, name));
        self.inner.health.mirror(mirrors);
        self.inner.sessions.mirror(mirrors);
        self.inner.tasks_of_groups.mirror(mirrors);
        self.inner.supervisors.mirror(mirrors);
        self.inner.servers.mirror(mirrors);
    }

    /// Those who watch resources.
    pub(crate) fn resources(&self) -> &Board<ResourceSnapshot> {
        &self.inner.resources
    }

    /// Those who probe destinations.
    pub(crate) fn health(&self) -> &Board<HealthSnapshot> {
        &self.inner.health
    }

    /// Connections that all pools have open.
    #[cfg(feature = "guard")]
    pub(crate) fn open_connections(&self) -> u64 {
        self.pools().iter().map(|pool| pool.open_count()).sum()
    }

    /// Requests that wait for a connection, and those that ever had one.
    #[cfg(feature = "guard")]
    pub(crate) fn acquires(&self) -> (u64, u64) {
        self.pools()
            .iter()
            .map(|pool| pool.acquires())
            .fold((0, 0), |sum, add| (sum.0 + add.0, sum.1 + add.1))
    }

    #[cfg(feature = "trace")]
    pub(crate) fn tracing(&self) -> &crate::trace::Tracing {
        &self.inner.tracing
    }
}

impl Default for Scope {
    fn default() -> Self {
        Self::new()
    }
}

/// A scope that may be gone.
#[derive(Debug)]
pub(crate) struct ScopeRef(Weak<Inner>);

impl ScopeRef {
    pub(crate) fn upgrade(&self) -> Option<Scope> {
        self.0.upgrade().map(|inner| Scope { inner })
    }
}

/// Limits of a [`Scope`].
#[derive(Debug, Clone)]
pub struct ScopeBuilder {
    max_pools: usize,
    max_listed: usize,
    leak_threshold: Option<Duration>,
}

impl ScopeBuilder {
    /// Most pools, over all clients. Requests to destinations beyond it are counted in one overflow pool for each
    /// client. By default, this is [`DEFAULT_MAX_POOLS`].
    #[must_use]
    pub fn max_pools(mut self, max: usize) -> Self {
        self.max_pools = max;
        self
    }

    /// Most open connections that a snapshot lists one by one for each pool; counts are not touched by it. By default,
    /// this is [`DEFAULT_MAX_LISTED_CONNECTIONS`].
    #[must_use]
    pub fn max_listed_connections(mut self, max: usize) -> Self {
        self.max_listed = max;
        self
    }

    /// How long a response may be left alone, neither read nor dropped, before its connection is reported as leaked;
    /// `None` for ever. By default, this is [`DEFAULT_LEAK_THRESHOLD`]. A client can have
    /// [its own](ClientScope::leak_threshold).
    #[must_use]
    pub fn leak_threshold(mut self, threshold: Option<Duration>) -> Self {
        self.leak_threshold = threshold;
        self
    }

    /// Makes the scope.
    #[must_use]
    pub fn build(self) -> Scope {
        Scope {
            inner: Arc::new(Inner {
                since: SystemTime::now(),
                clients: Mutex::default(),
                limit: PoolLimit::new(self.max_pools),
                max_listed: self.max_listed,
                leak_threshold: self.leak_threshold,
                watch: Arc::default(),
                ids: AtomicU64::new(0),
                events: Arc::default(),
                breakers: Sources::default(),
                retries: Named::default(),
                timeouts: Named::default(),
                #[cfg(feature = "shutdown")]
                shutdown: crate::shutdown::State::default(),
                #[cfg(any(feature = "otlp", feature = "otlp-sdk"))]
                flushes: Mutex::default(),
                #[cfg(all(feature = "breaker", feature = "shutdown"))]
                tasks: Mutex::default(),
                resources: Board::default(),
                health: Board::default(),
                sessions: Board::default(),
                tasks_of_groups: Board::default(),
                queues: Board::default(),
                #[cfg(all(feature = "task", feature = "shutdown"))]
                open_groups: Mutex::default(),
                supervisors: Board::default(),
                #[cfg(all(feature = "supervisor", feature = "shutdown"))]
                supervised: Mutex::default(),
                #[cfg(all(feature = "session", feature = "shutdown"))]
                open_sessions: Mutex::default(),
                servers: Board::default(),
                #[cfg(all(feature = "server", feature = "shutdown"))]
                open_servers: Mutex::default(),
                exemplars: Arc::default(),
                mirrors: MirrorSwitch::default(),
                #[cfg(feature = "trace")]
                tracing: crate::trace::Tracing::default(),
            }),
        }
    }
}
