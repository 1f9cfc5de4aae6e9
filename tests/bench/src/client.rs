//! [`Client`]: one case, set up and ready to do requests.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use poolscope::{PoolSnapshot, Scope};
use tokio::runtime::{self, Runtime};

use crate::case::{Case, Stack};
use crate::load::Round;
use crate::metrics::Metrics;
use crate::{clock, hyper, reqwest};

/// What is asked, how and where.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Options {
    /// The HTTP client
    #[arg(long)]
    pub stack: Stack,
    /// What is put around it
    #[arg(long)]
    pub case: Case,
    /// Address of the server
    #[arg(long)]
    pub server: SocketAddr,
    /// Requests at a time
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
    /// Connections opened.
    pub connections: Option<u64>,
    /// Requests counted.
    pub requests: Option<u64>,
    /// Spans exported.
    pub spans: Option<u64>,
}

/// One case on one thread.
pub struct Client {
    runtime: Runtime,
    round: Round,
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
        let (round, watch) = match stack {
            Stack::HyperHttp1 => hyper::case(case, false, server, concurrency)?,
            Stack::HyperHttp2 => hyper::case(case, true, server, concurrency)?,
            Stack::Reqwest => reqwest::case(case, server, concurrency)?,
        };
        drop(inside);
        Ok(Self { runtime, round, watch })
    }

    /// Does so many requests.
    pub fn run(&self, requests: usize) -> Result<Cost> {
        let (started, cpu_before) = (Instant::now(), clock::process_time());
        self.runtime.block_on((self.round)(requests))?;
        let wall = started.elapsed();
        self.watch.flush()?;
        let cpu = clock::process_time().zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
        Ok(Cost { wall, cpu })
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
    counts_requests: bool,
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
        self.counts_requests = true;
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
        let pools = self.scope.as_ref().map(|scope| scope.snapshot().pools);
        let sum = |of: fn(&PoolSnapshot) -> u64| pools.as_ref().map(|pools| pools.iter().map(of).sum());
        let requests = match &self.metrics {
            Some(metrics) => Some(metrics.flush()?),
            None => sum(|pool| pool.released).filter(|_| self.counts_requests),
        };
        Ok(Seen { connections: sum(|pool| pool.opened), requests, spans: self.flush()? })
    }
}
