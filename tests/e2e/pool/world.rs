//! A client, the servers that it talks to, and what must hold between them and the kernel at the end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use poolscope::event::ConnectionClosed;
use poolscope::{ConnectionCounts, Event, LimitOutcome, PoolSnapshot, Scope};
use poolscope_semconv::value::Observation;
use poolscope_tests::client::{Client, Kind, Settings};
use poolscope_tests::nginx::Nginx;
use poolscope_tests::proxy::Proxy;
use poolscope_tests::sampler::Sampler;
use poolscope_tests::tls::Alpn;
use poolscope_tests::upstream::{Counts, Options, Reply, Upstream, answer};
use poolscope_tests::{kernel, wait};

use super::reasons::{Told, Why};

/// More connections than any scenario has, so that each of them is listed.
const ALL: usize = 5_000;

/// How long a connection takes until it is back in the pool, where nothing outside of hyper shows it.
pub(super) const BACK_IN_POOL: Duration = Duration::from_millis(10);

/// What a client connects to, and the server's own counts where it is asked for them here.
pub(super) struct Server {
    addr: SocketAddr,
    counts: Option<Arc<Counts>>,
    /// Who sees the requests, if that is another one.
    behind: Option<Arc<Counts>>,
}

impl Server {
    /// One that does not count.
    pub(super) fn at(addr: SocketAddr) -> Self {
        Self { addr, counts: None, behind: None }
    }

    /// A proxy that only sees that there is a tunnel, and the one at the other end.
    pub(super) fn tunnel(proxy: &Proxy, upstream: &Upstream) -> Self {
        Self { behind: Some(Arc::clone(upstream.counts())), ..Self::from(proxy) }
    }

    /// Requests over each connection that was accepted; a tunnel's far end counts them in the same order.
    fn requests(&self) -> Option<Vec<u64>> {
        let counts = self.behind.as_ref().or(self.counts.as_ref())?;
        Some(counts.by_connection().iter().map(|(_, requests)| *requests).collect())
    }
}

impl From<&Upstream> for Server {
    fn from(upstream: &Upstream) -> Self {
        Self { counts: Some(Arc::clone(upstream.counts())), ..Self::at(upstream.addr()) }
    }
}

impl From<&Proxy> for Server {
    fn from(proxy: &Proxy) -> Self {
        Self { counts: Some(Arc::clone(proxy.counts())), ..Self::at(proxy.addr()) }
    }
}

impl From<&Nginx> for Server {
    fn from(nginx: &Nginx) -> Self {
        Self::at(nginx.addr())
    }
}

/// An observed client, and everything that tells what its connections really do.
pub(super) struct World {
    pub(super) kind: Kind,
    pub(super) scope: Scope,
    pub(super) client: Client,
    servers: Vec<Server>,
    sampler: Sampler,
    /// The closes that were told as events.
    closes: Arc<Mutex<Vec<ConnectionClosed>>>,
    given_up: u64,
    refused: u64,
    compares_totals: bool,
}

impl World {
    pub(super) fn new(kind: Kind, settings: Settings, servers: impl IntoIterator<Item = Server>) -> Self {
        let scope = Scope::builder().max_listed_connections(ALL).build();
        let closes = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&closes);
        scope.listen(move |event: &Event| {
            if let Event::ConnectionClosed(closed) = event {
                told.lock().unwrap().push(closed.clone());
            }
        });
        let client = Client::new(&scope, kind, settings).unwrap();
        let servers: Vec<_> = servers.into_iter().collect();
        let peers: Vec<_> = servers.iter().map(|server| server.addr).collect();
        let sampler = Sampler::start(&scope, &peers);
        Self {
            kind,
            scope,
            client,
            servers,
            sampler,
            closes,
            given_up: 0,
            refused: 0,
            compares_totals: false,
        }
    }

    /// Counts a server too that has taken the place of another one, at its address.
    pub(super) fn add(&mut self, server: impl Into<Server>) {
        self.servers.push(server.into());
    }

    /// So many requests came to a server and are given up before it answers. Only the answer tells which connection a
    /// request of reqwest has, and sometimes that it has one, so that fewer may be told.
    pub(super) fn gives_up(&mut self, requests: u64) {
        self.given_up += if self.kind.is_reqwest() { requests } else { 0 };
    }

    /// Which connection a request had is not known for sure, so only the requests of all connections are compared.
    pub(super) fn compares_totals(&mut self) {
        self.compares_totals = true;
    }

    /// Sends requests until the client has opened a second connection, because the server sends it away from the first. A
    /// request that is sent before the client hears of that may be refused, and the server has no request then.
    pub(super) async fn until_reopened(&mut self, url: &str) {
        while self.pool().opened < 2 {
            self.refused += u64::from(self.client.read(url).await.is_err());
            tokio::time::sleep(BACK_IN_POOL).await;
        }
    }

    /// Requests that the server has refused unseen.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// Reads a response to its end and waits until the connection can be used again.
    pub(super) async fn read(&self, url: &str) {
        self.client.read(url).await.unwrap();
        tokio::time::sleep(BACK_IN_POOL).await;
    }

    /// The pool of a scenario with one destination.
    pub(super) fn pool(&self) -> PoolSnapshot {
        let mut pools = self.scope.snapshot().pools;
        assert_eq!(pools.len(), 1, "one destination is one pool: {pools:#?}");
        pools.remove(0)
    }

    /// Our ends of the connections that we have not closed, as the kernel knows them.
    pub(super) fn held(&self) -> Vec<SocketAddr> {
        let mut peers: Vec<_> = self.servers.iter().map(|server| server.addr).collect();
        peers.sort();
        peers.dedup();
        peers.iter().flat_map(|peer| kernel::held_to(*peer).unwrap()).collect()
    }

    /// Waits until the kernel has so many connections of ours.
    pub(super) async fn until_held(&self, count: usize) {
        wait::until("the kernel to have them", async || self.held(), |held| held.len() == count).await;
    }

    /// Waits until nothing is going on, and checks what holds then for every pool.
    pub(super) async fn settled(&self) -> Vec<PoolSnapshot> {
        let (pools, ..) = wait::until(
            "quiet pools that agree with kernel and servers",
            async || {
                let pools = self.scope.snapshot().pools;
                let requests = Requests::of(self, &pools);
                (pools, self.held().len() as u64, self.servers_sum(Counts::open), requests)
            },
            |(pools, kernel, servers, requests)| {
                let counts = sum(pools);
                let is_quiet =
                    pools.iter().all(|pool| (pool.pending(), pool.in_flight(), pool.connecting) == (0, 0, 0));
                let is_same = counts.open() == *kernel && servers.is_none_or(|servers| servers == *kernel);
                is_quiet && counts.active == 0 && is_same && requests.agree()
            },
        )
        .await;
        pools.iter().for_each(check_quiet);
        let observation = if self.kind.is_reqwest() { Observation::Kernel } else { Observation::Exact };
        assert!(pools.iter().all(|pool| pool.observation == observation));
        if let Some(accepted) = self.servers_sum(Counts::accepted) {
            assert_eq!(pools.iter().map(|pool| pool.opened).sum::<u64>(), accepted, "opened and accepted");
        }
        pools
    }

    /// What must hold at the end of every scenario: the pools are quiet and agree with kernel and servers, connections
    /// were closed for these reasons, and once the client is gone every gauge is at zero.
    pub(super) async fn end(self, closes: &[(Why, u64)]) {
        self.end_with(closes, Why::ClientGone).await;
    }

    /// The same, where there is more to tell of how the connections end that are still open.
    pub(super) async fn end_with(self, closes: &[(Why, u64)], rest: Why) {
        let (kind, pools) = (self.kind, self.settled().await);
        check_reasons(&pools, kind, closes);
        let rest = (rest, sum(&pools).open());
        check_reasons(&self.torn_down().await, kind, &[closes, &[rest]].concat());
    }

    /// The same, where it depends on the moment how many connections end for each of some reasons.
    pub(super) async fn end_by_any_of(self, reasons: &[Why]) {
        let kind = self.kind;
        self.settled().await;
        let possible: Vec<_> = reasons.iter().flat_map(|why| why.told(kind)).collect();
        for (reason, certainty, count) in self.torn_down().await.iter().flat_map(|pool| &pool.closed) {
            assert!(possible.contains(&&(*reason, *certainty)), "{count} closed: {reason:?}, {certainty:?}");
        }
    }

    /// Drops the client, and waits until every gauge is at zero.
    async fn torn_down(self) -> Vec<PoolSnapshot> {
        let Self { scope, client, servers, sampler, closes, given_up, .. } = self;
        drop(client);
        let peers: Vec<_> = servers.iter().map(|server| server.addr).collect();
        wait::until(
            "the kernel to have no connection of a client that is gone",
            async || peers.iter().map(|peer| kernel::held_to(*peer).unwrap().len()).sum::<usize>(),
            |held| *held == 0,
        )
        .await;
        let pools = all_at_zero(&scope).await;
        let findings = sampler.finish().unwrap();
        assert!(findings.quiet > 0, "no quiet sample");
        assert_eq!(findings.disagreements, [], "books and kernel");
        if let Some(served) = servers.iter().map(Server::requests).collect::<Option<Vec<_>>>() {
            let useless = served.concat().iter().filter(|requests| **requests == 0).count() as u64;
            let wasted = pools.iter().map(|pool| pool.wasted).sum::<u64>();
            assert!(
                (useless..=useless + given_up).contains(&wasted),
                "{wasted} wasted, {useless} never used"
            );
        }
        let mut told = BTreeMap::new();
        for closed in &*closes.lock().unwrap() {
            *told.entry((closed.reason, closed.certainty)).or_insert(0) += 1;
        }
        assert_eq!(told, tally(&pools), "closes as events and in the books");
        pools
    }

    /// `None` if a server does not count here.
    fn servers_sum(&self, count: impl Fn(&Counts) -> u64) -> Option<u64> {
        self.servers.iter().map(|server| server.counts.as_deref().map(&count)).sum()
    }
}

/// How many requests there were, by all that count them.
#[derive(Debug)]
struct Requests {
    /// Those that have had a connection.
    acquired: u64,
    /// Those of each connection, open or closed; fewest first.
    told: Vec<u64>,
    /// Those that servers saw of each connection; fewest first. `None` if one does not count here.
    served: Option<Vec<u64>>,
    /// Those of each open connection, told and served, where the server sees the same connection.
    open: Vec<(u64, u64)>,
    given_up: u64,
    refused: u64,
    compares_totals: bool,
}

impl Requests {
    fn of(world: &World, pools: &[PoolSnapshot]) -> Self {
        let open: Vec<_> = pools.iter().flat_map(|pool| &pool.open).collect();
        let closed = world.closes.lock().unwrap();
        let mut told: Vec<_> = closed.iter().map(|closed| closed.requests).collect();
        drop(closed);
        told.extend(open.iter().map(|connection| connection.requests));
        told.sort();
        let served: Option<Vec<_>> = world.servers.iter().map(Server::requests).collect();
        let served = served.map(|served| {
            let mut served = served.concat();
            served.sort();
            served
        });
        let direct = world.servers.iter().filter(|server| server.behind.is_none());
        // A pair of addresses that comes again is the last one's.
        let by_end: BTreeMap<_, _> = direct
            .filter_map(|server| server.counts.as_ref())
            .flat_map(|counts| counts.by_connection())
            .collect();
        let open = open.iter().filter_map(|connection| {
            let served = by_end.get(&connection.local?)?;
            Some((connection.requests, *served))
        });
        Self {
            acquired: pools.iter().map(|pool| pool.acquired).sum(),
            told,
            served,
            open: open.collect(),
            given_up: world.given_up,
            refused: world.refused,
            compares_totals: world.compares_totals,
        }
    }

    fn agree(&self) -> bool {
        let Some(served) = &self.served else { return true };
        let (told_total, total) = (self.told.iter().sum::<u64>(), served.iter().sum::<u64>());
        let is_same = |told: u64, served: u64| {
            (told.saturating_sub(self.refused)..=told + self.given_up).contains(&served)
        };
        (self.acquired..=self.acquired + self.given_up).contains(&(total + self.refused))
            && is_same(told_total, total)
            && self.told.len() == served.len()
            && (self.compares_totals
                || self.told.iter().zip(served).all(|(told, served)| is_same(*told, *served))
                    && self.open.iter().all(|(told, served)| is_same(*told, *served)))
    }
}

/// Waits until every gauge of a scope is at zero.
pub(super) async fn all_at_zero(scope: &Scope) -> Vec<PoolSnapshot> {
    let zero = ConnectionCounts::default();
    let pools = wait::until(
        "all gauges at zero",
        async || scope.snapshot().pools,
        |pools| {
            pools.iter().all(|pool| {
                let requests = [pool.pending(), pool.in_flight(), pool.streams, pool.leaks_active];
                let lists = [pool.open.len(), pool.held.len(), usize::from(pool.waiting.is_some())];
                (pool.counts(), pool.connecting, requests, lists) == (zero, 0, [0; 4], [0; 3])
            })
        },
    )
    .await;
    pools.iter().for_each(check_quiet);
    pools
}

/// Closes over all pools, by what is told of them.
fn tally(pools: &[PoolSnapshot]) -> BTreeMap<Told, u64> {
    let mut tally = BTreeMap::new();
    for (reason, certainty, count) in pools.iter().flat_map(|pool| &pool.closed) {
        *tally.entry((*reason, *certainty)).or_insert(0) += count;
    }
    tally
}

/// Closes, over all pools, are those that are expected: as many, and each told in one of the ways in which it can be.
fn check_reasons(pools: &[PoolSnapshot], kind: Kind, expected: &[(Why, u64)]) {
    let all = tally(pools);
    let mut left = all.clone();
    for (why, count) in expected {
        let mut missing = *count;
        for told in why.told(kind) {
            let left = left.entry(*told).or_default();
            let taken = missing.min(*left);
            (missing, *left) = (missing - taken, *left - taken);
        }
        assert_eq!(missing, 0, "closes for {why:?} are missing in {all:?}");
    }
    assert!(left.values().all(|count| *count == 0), "closed {all:?}, expected {expected:?}");
}

fn sum(pools: &[PoolSnapshot]) -> ConnectionCounts {
    pools.iter().fold(ConnectionCounts::default(), |sum, pool| sum + pool.counts())
}

/// What holds for every pool at every moment.
pub(super) fn check_always(pool: &PoolSnapshot) {
    assert_eq!(pool.opened - pool.closed_total(), pool.counts().open());
    assert!(pool.acquires_started >= pool.acquired);
    assert!(pool.acquired >= pool.released);
}

/// What holds for every pool when nothing is going on.
pub(super) fn check_quiet(pool: &PoolSnapshot) {
    check_always(pool);
    assert_eq!(pool.open.len() as u64, pool.counts().open(), "each open connection is listed");
    let outcomes: u64 = pool.acquires.iter().map(|(_, count)| count).sum();
    assert_eq!(outcomes, pool.acquires_started, "every acquire has one outcome");
    let results: u64 = pool.results.iter().map(|row| row.duration.count()).sum();
    // Who is refused by a limit is no request yet.
    let refused = pool.limit.as_ref().map_or(0, |limit| {
        [LimitOutcome::QueueFull, LimitOutcome::TimedOut, LimitOutcome::Canceled]
            .map(|outcome| limit.outcome(outcome))
            .iter()
            .sum()
    });
    assert_eq!(results + refused, pool.acquires_started, "every request has one result");
    let lives: u64 = pool.lifetime.iter().map(|(_, lives)| lives.count()).sum();
    assert_eq!(lives, pool.closed_total(), "every connection has one life");
    assert_eq!((pool.wait.count(), pool.usage.count()), (pool.acquired, pool.released));
    assert_eq!(pool.streams, 0);
}

/// How an upstream for a client is set up.
pub(super) fn options(kind: Kind) -> Options {
    Options { tls: kind.is_tls().then_some(Alpn::Both), ..Options::default() }
}

pub(super) async fn ok(_: Request<Incoming>) -> Reply {
    answer(StatusCode::OK, "hello")
}

/// Answers after a while.
pub(super) async fn slow(_: Request<Incoming>) -> Reply {
    tokio::time::sleep(Duration::from_millis(200)).await;
    answer(StatusCode::OK, "hello")
}
