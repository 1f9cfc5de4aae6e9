//! [`Client`]: one case, set up and ready to do requests.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use poolscope::{BreakerOutcome, LimitOutcome, Scope, ScopeSnapshot};
use tokio::runtime::{self, Runtime};

use crate::case::{Case, Stack};
use crate::clock::Started;
use crate::load::{Round, SharedRound};
use crate::metrics::Metrics;
use crate::{accept, hyper, reqwest, service};

/// What is asked, how and where.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Options {
    /// What is asked, and by which HTTP client
    #[arg(long)]
    pub stack: Stack,
    /// What is put around it
    #[arg(long)]
    pub case: Case,
    /// Address of the server; only the HTTP clients ask it
    #[arg(long)]
    pub server: SocketAddr,
    /// Requests at a time; of a service, always one
    #[arg(long, default_value_t = 64)]
    pub concurrency: usize,
}

/// What a round has cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// From the first request to the end of the last answer.
    pub wall: Duration,
    /// Processor time of all threads, the export of what the round has left included; `None` where it is not known.
    pub cpu: Option<Duration>,
}

/// What the layers of a case have seen so far; `None` for what they don't look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Connections opened, or accepted.
    pub connections: Option<u64>,
    /// Requests counted.
    pub requests: Option<u64>,
    /// Spans exported.
    pub spans: Option<u64>,
}

/// One case on one thread, unless two share it.
pub struct Client {
    runtime: Runtime,
    round: Round,
    shared: Option<SharedRound>,
    watch: Watch,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// Sets a case up. What it sets for the whole process (subscriber, propagator) stays, so some cases can only be set
    /// up once.
    pub fn new(options: &Options) -> Result<Self> {
        // The C library does without locks and cancellation points in a process that never had a second thread. A program
        // that exports telemetry has one, so no case may gain from having none.
        let _ = thread::spawn(|| {}).join();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let inside = runtime.enter();
        let Options { stack, case, server, concurrency } = *options;
        let mut shared = None;
        let (round, watch) = match stack {
            Stack::HyperHttp1 => hyper::case(case, false, server, concurrency)?,
            Stack::HyperHttp2 => hyper::case(case, true, server, concurrency)?,
            Stack::Reqwest => reqwest::case(case, server, concurrency)?,
            Stack::Server => accept::case(case, concurrency)?,
            Stack::Service => {
                let (rounds, watch) = service::case(case)?;
                shared = Some(rounds.two_threads);
                (rounds.one_thread, watch)
            }
        };
        drop(inside);
        Ok(Self { runtime, round, shared, watch })
    }

    /// Does so many requests.
    pub fn run(&self, requests: usize) -> Result<Cost> {
        let started = Started::now();
        self.runtime.block_on((self.round)(requests))?;
        let wall = started.wall();
        self.watch.flush()?;
        Ok(Cost { wall, cpu: started.cpu() })
    }

    /// Does so many requests on two threads, half of them on each, which share what is around the service.
    ///
    /// # Errors
    ///
    /// Those of a request, and any stack but [`Stack::Service`]: only what does no more than a few atomic operations
    /// tells what it costs to share them.
    pub fn share(&self, requests: usize) -> Result<Cost> {
        let shared = self.shared.as_ref().context("only the cases of a service run on two threads")?;
        shared(requests)
    }

    /// What the layers have seen of all rounds.
    pub fn seen(&self) -> Result<Seen> {
        self.watch.seen()
    }
}

/// Looks at what the layers of a case have seen.
#[derive(Default)]
pub(crate) struct Watch {
    scope: Option<Scope>,
    requests: Option<fn(&ScopeSnapshot) -> u64>,
    metrics: Option<Metrics>,
    spans: Option<Box<dyn Fn() -> Result<u64>>>,
}

impl Watch {
    /// A scope that sees only connections.
    pub(crate) fn connections(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// A scope that sees connections and requests.
    pub(crate) fn requests(mut self, scope: Scope) -> Self {
        self.requests = Some(|seen| seen.pools.iter().map(|pool| pool.released).sum());
        self.connections(scope)
    }

    /// A scope whose server sees connections and requests.
    pub(crate) fn served(mut self, scope: Scope) -> Self {
        self.requests = Some(|seen| {
            let results = seen.servers.iter().flat_map(|server| &server.results);
            results.map(|row| row.result.duration.count()).sum()
        });
        self.connections(scope)
    }

    /// A scope whose breakers see requests.
    pub(crate) fn breakers(mut self, scope: Scope) -> Self {
        self.requests = Some(|seen| {
            let calls = seen.breakers.iter().flat_map(|breaker| &breaker.calls);
            calls.filter(|(outcome, _)| *outcome == BreakerOutcome::Success).map(|(_, count)| count).sum()
        });
        self.connections(scope)
    }

    /// A scope whose retry policies see requests.
    pub(crate) fn retries(mut self, scope: Scope) -> Self {
        self.requests =
            Some(|seen| seen.retries.iter().flat_map(|retry| &retry.results).map(|row| row.calls).sum());
        self.connections(scope)
    }

    /// A scope whose limits see requests.
    pub(crate) fn limits(mut self, scope: Scope) -> Self {
        self.requests = Some(|seen| {
            let limits = seen.pools.iter().filter_map(|pool| pool.limit.as_ref());
            limits.map(|limit| limit.outcome(LimitOutcome::AtOnce)).sum()
        });
        self.connections(scope)
    }

    pub(crate) fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Spans; `flush` exports them and tells how many there were.
    pub(crate) fn spans(mut self, flush: impl Fn() -> Result<u64> + 'static) -> Self {
        self.spans = Some(Box::new(flush));
        self
    }

    /// Exports what waits for it, so that it is paid for in the round that has made it.
    fn flush(&self) -> Result<Option<u64>> {
        self.spans.as_ref().map(|flush| flush()).transpose()
    }

    fn seen(&self) -> Result<Seen> {
        let seen = self.scope.as_ref().map(Scope::snapshot);
        let requests = match &self.metrics {
            Some(metrics) => Some(metrics.flush()?),
            None => seen.as_ref().zip(self.requests).map(|(seen, of)| of(seen)),
        };
        let connections = seen.map(|seen| {
            let opened = seen.pools.iter().map(|pool| pool.opened);
            opened.chain(seen.servers.iter().map(|server| server.accepted)).sum()
        });
        Ok(Seen { connections, requests, spans: self.flush()? })
    }
}
