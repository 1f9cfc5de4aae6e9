//! [`Connector`]: what the connect layers for hyper and reqwest share: attempts, connections, failures.

use std::cell::RefCell;
use std::error::Error;
use std::sync::Arc;
use std::task::Poll;

use http::{Extensions, Uri};
use hyper_util::client::legacy::connect::{Connection as HyperConnection, HttpInfo};
use poolscope_semconv::value::ErrorType;

use crate::clock::Instant;
use crate::registry::{
    Attempt, ClientScope, Connection, ConnectorLife, Ends, Established, Pool, Protocol, Report,
};
use crate::trace::SetupSpan;
use crate::{classify, current, trace};

/// One layered connector. Its clones share it, so it lives for as long as the client that has them.
#[derive(Debug)]
pub(crate) struct Connector {
    client: ClientScope,
    http2_only: bool,
    life: Arc<ConnectorLife>,
}

impl Connector {
    /// `http2_only` is for clients that speak HTTP/2 without negotiation.
    pub(crate) fn new(client: &ClientScope, http2_only: bool) -> Self {
        Self { client: client.clone(), http2_only, life: Arc::new(ConnectorLife) }
    }

    /// The pool of a destination. A connector is called in the task of a request, so the destination is known mostly.
    pub(crate) fn pool_at(&self, uri: &Uri) -> Arc<Pool> {
        self.client.pool_at(uri)
    }

    /// A connect begins; the request that is being polled waits for it.
    pub(crate) fn start(self: &Arc<Self>, pool: Arc<Pool>) -> Connecting {
        current::connect_started(&pool);
        let attempt = Attempt::start(pool, Instant::now());
        let is_suppressed = trace::is_suppressed();
        Connecting { connector: Arc::clone(self), attempt, is_suppressed, is_over: false }
    }

    pub(crate) fn scope(&self) -> &crate::Scope {
        self.client.scope()
    }

    fn setup_span(&self, report: &Report<'_>, is_suppressed: bool) -> SetupSpan {
        if is_suppressed { SetupSpan::default() } else { trace::setup_span(self.scope(), report) }
    }

    /// Addresses and protocol of a new connection.
    pub(crate) fn describe(&self, io: &impl HyperConnection) -> (Ends, Protocol) {
        let connected = io.connected();
        let mut extras = Extensions::new();
        connected.get_extras(&mut extras);
        let ends = extras.get::<HttpInfo>().map_or_else(Ends::default, ends_of);
        let is_http2 = self.http2_only || connected.is_negotiated_h2();
        (ends, if is_http2 { Protocol::Http2 } else { Protocol::Http1 })
    }
}

/// A connect that is being made; dropped before its end, it is given up.
#[derive(Debug)]
pub(crate) struct Connecting {
    connector: Arc<Connector>,
    attempt: Arc<Attempt>,
    /// It was begun by telemetry itself; asked at the begin, since its end may be in another task.
    is_suppressed: bool,
    is_over: bool,
}

impl Connecting {
    pub(crate) fn connector(&self) -> &Connector {
        &self.connector
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        self.attempt.pool()
    }

    /// Runs one poll of it.
    pub(crate) fn poll<R>(&self, poll: impl FnOnce() -> R) -> R {
        current::poll_attempt(&self.attempt, poll)
    }

    /// It made a connection.
    pub(crate) fn opened(&mut self, io: &impl HyperConnection) -> Arc<Connection> {
        self.is_over = true;
        let now = Instant::now();
        let (ends, protocol) = self.connector.describe(io);
        let report = self.attempt.succeeded(ends.peer, now);
        let (round_trip, setup) = (report.round_trip(), self.setup_span(&report));
        let client = Some(Arc::downgrade(&self.connector.life));
        let made = Established { round_trip, ends, protocol, setup, client };
        self.pool().opened(self.connector.client.next_connection_id(), made, now)
    }

    /// It failed.
    pub(crate) fn failed(&mut self, error: &(dyn Error + 'static)) {
        self.is_over = true;
        let report = self.attempt.failed(error, Instant::now());
        if let Some(error) = report.error {
            current::connect_failed(error);
        }
        self.setup_span(&report);
    }

    fn setup_span(&self, report: &Report<'_>) -> SetupSpan {
        self.connector.setup_span(report, self.is_suppressed)
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // Who gives a request up drops it outside of its polls. In one, either a time limit between the request and the
        // connector has ended this connect, as reqwest's `connect_timeout` does, or the pool wants it no more; how the poll
        // ends tells.
        if current::is_in_request() && !std::thread::panicking() {
            let dropped = Dropped {
                connector: Arc::clone(&self.connector),
                attempt: Arc::clone(&self.attempt),
                is_suppressed: self.is_suppressed,
            };
            if let Some(before) = DROPPED.replace(Some(dropped)) {
                before.end(false);
            }
            current::connect_dropped();
        } else {
            let report = self.attempt.given_up(current::drop_cause(), Instant::now());
            self.setup_span(&report);
        }
    }
}

thread_local! {
    /// The connect that was dropped in the poll of the request that is being polled.
    static DROPPED: RefCell<Option<Dropped>> = const { RefCell::new(None) };
}

/// A connect that was dropped, and it is not known yet why.
struct Dropped {
    connector: Arc<Connector>,
    attempt: Arc<Attempt>,
    is_suppressed: bool,
}

impl Dropped {
    fn end(self, is_limit: bool) {
        let Self { connector, attempt, is_suppressed } = self;
        let now = Instant::now();
        let report =
            if is_limit { attempt.timed_out(now) } else { attempt.given_up(ErrorType::Canceled, now) };
        connector.setup_span(&report, is_suppressed);
    }
}

/// A poll is over in which a connect was dropped. A time limit fails the request, and so may the pool.
#[cold]
pub(crate) fn dropped_in_poll<T, E: Error + 'static>(poll: &Poll<Result<T, E>>) {
    if let Some(dropped) = DROPPED.take() {
        dropped.end(matches!(poll, Poll::Ready(Err(error)) if !classify::is_no_longer_wanted(error)));
    }
}

/// Addresses of a connection, as hyper-util tells them.
pub(crate) fn ends_of(info: &HttpInfo) -> Ends {
    Ends { local: Some(info.local_addr()), peer: Some(info.remote_addr()) }
}
