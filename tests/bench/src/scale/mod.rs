//! A client that is shared, with all protection, beside a client made for each request: what sharing is worth, and that it
//! lasts through a thousand requests at a time.
//!
//! Both ask the same server, a process of its own, in turns of a burst each: so many tasks begin at once and do their
//! requests one after the other. What protects the shared client is [`poolscope::Stack`] with two timeouts, retry, breaker
//! and a limit of requests in flight; a client made for one request has nothing around it. It meets the server for the first
//! time, as it would in a program, so that over TLS it has no session to resume; its settings are made before, which they
//! would not be in a program.

mod burst;
mod hyper;
mod limits;
mod reqwest;
mod server;
mod tls;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;
use poolscope::breaker::BreakerLayer;
use poolscope::limit::LimitLayer;
use poolscope::retry::{RetryLayer, RetryPolicy};
use poolscope::timeout::TimeoutLayer;
use poolscope::{Scope, Stack};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use self::burst::Burst;
pub use self::server::serve_scale;
use self::server::{Counts, Server};
use self::tls::Trust;

/// Which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScaleClient {
    /// hyper-util's legacy client
    Hyper,
    /// reqwest
    Reqwest,
}

/// What is asked, how and where.
#[derive(Debug, Clone, clap::Args)]
pub struct ScaleOptions {
    /// The HTTP client
    #[arg(long)]
    client: ScaleClient,
    /// Over TLS
    #[arg(long)]
    tls: bool,
    /// Requests at a time
    #[arg(long, default_value_t = 1_000)]
    concurrency: usize,
    /// Requests that each of these tasks does, one after the other, in a round
    #[arg(long, default_value_t = 5)]
    each: usize,
    /// Rounds of the shared client, and as many of clients made for one request
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Requests of the shared client that the server gets at a time, at most
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Program of the server [default: the one beside this program]
    #[arg(long)]
    server_program: Option<PathBuf>,
}

/// How long the last connection may take to be counted on both sides.
const SETTLE: Duration = Duration::from_secs(5);

/// Does all rounds and tells the figures as JSON.
///
/// # Errors
///
/// A limit of the system that is too low, or a server that does not start. Requests that fail are counted.
pub fn scale(options: &ScaleOptions) -> Result<Value> {
    // Idle ones of the shared client, and those of a burst of clients made for one request, some of them closing.
    let connections = 3 * options.concurrency + options.limit as usize;
    limits::allow_open_files(connections)?;
    let program = match &options.server_program {
        Some(program) => program.clone(),
        None => std::env::current_exe()?
            .with_file_name("poolscope-bench-scale-server")
            .with_extension(std::env::consts::EXE_EXTENSION),
    };
    let mut server = Server::start(&program, options.tls, connections)?;
    let trust = options.tls.then(|| Trust::new(server.certificate.clone())).transpose()?;
    let (runtime, scope) = (Runtime::new()?, Scope::new());
    let _inside = runtime.enter();
    let protected = protected(&scope, options.limit)?;
    let [shared, fresh] = match options.client {
        ScaleClient::Hyper => hyper::clients(protected, &server, trust.as_ref())?,
        ScaleClient::Reqwest => reqwest::clients(protected, &server, trust.as_ref())?,
    };
    let mut bursts: [Vec<Burst>; 2] = Default::default();
    for round in 0..options.rounds {
        let mut turn = [(&shared, 0), (&fresh, 1)];
        if round % 2 == 1 {
            turn.reverse();
        }
        for (client, kind) in turn {
            bursts[kind].push(runtime.block_on(client(options.concurrency, options.each)));
        }
    }
    let (seen, [shared, fresh]) = settled(&scope, &mut server)?;
    let ratios = bursts[0].iter().zip(&bursts[1]).map(|(shared, fresh)| shared.mean() / fresh.mean());
    Ok(json!({
        "concurrency": options.concurrency,
        "limit": options.limit,
        "rounds": options.rounds,
        "shared": told(&bursts[0], shared),
        "seen": { "opened": seen.opened, "acquired": seen.acquired, "retries": seen.retries },
        "fresh": told(&bursts[1], fresh),
        "mean_ratio": burst::median(ratios),
    }))
}

/// The layers around the shared client.
type Protected = Stack<(), (), TimeoutLayer, RetryLayer, BreakerLayer, LimitLayer, TimeoutLayer>;

fn protected(scope: &Scope, limit: u32) -> Result<Protected> {
    let client = scope.client("shared");
    Ok(Stack::new(&client)
        .call_timeout(TimeoutLayer::new(scope, "call", Duration::from_secs(30))?)
        .retry(RetryPolicy::new(scope, "shared"))
        .breaker(BreakerLayer::new(scope))
        .limit(LimitLayer::builder(&client).per_destination(limit).build()?)
        .attempt(TimeoutLayer::new(scope, "attempt", Duration::from_secs(10))?))
}

/// What the layers have seen of the shared client.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Connections.
    opened: u64,
    /// Requests that got a connection.
    acquired: u64,
    /// Attempts beyond the first.
    retries: u64,
}

impl Seen {
    fn of(scope: &Scope) -> Self {
        let seen = scope.snapshot();
        Self {
            opened: seen.pools.iter().map(|pool| pool.opened).sum(),
            acquired: seen.pools.iter().map(|pool| pool.acquired).sum(),
            retries: seen.retries.iter().flat_map(|retry| &retry.attempts).map(|(_, count)| count).sum(),
        }
    }
}

/// What both sides have counted, when they agree. A connection may be open on one side a moment before the other knows.
fn settled(scope: &Scope, server: &mut Server) -> Result<(Seen, [Counts; 2])> {
    let deadline = Instant::now() + SETTLE;
    loop {
        let (seen, counts) = (Seen::of(scope), server.counts()?);
        if (seen.opened, seen.acquired) == (counts[0].accepted, counts[0].requests)
            || Instant::now() > deadline
        {
            return Ok((seen, counts));
        }
        std::thread::sleep(SETTLE / 100);
    }
}

/// The figures of one kind of client; times are medians of the rounds.
fn told(bursts: &[Burst], counts: Counts) -> Value {
    let median = |time: fn(&Burst) -> f64| burst::median(bursts.iter().map(time));
    json!({
        "requests": bursts.iter().map(|burst| burst.done() + burst.failed).sum::<usize>(),
        "failed": bursts.iter().map(|burst| burst.failed).sum::<usize>(),
        "error": bursts.iter().find_map(|burst| burst.error.as_deref()),
        "mean_ns": median(Burst::mean),
        "p50_ns": median(|burst| burst.quantile(0.5)),
        "p99_ns": median(|burst| burst.quantile(0.99)),
        "server": { "accepted": counts.accepted, "most_open": counts.most_open, "requests": counts.requests },
    })
}
