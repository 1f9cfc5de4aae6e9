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
use crate::trace::{Caller, OpenSetup, SetupSpan};
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
        let is_suppressed = trace::is_suppressed();
        let spans = if is_suppressed { OpenSetup::default() } else { trace::open_setup(self.scope(), &pool) };
        let attempt = Attempt::start(pool, spans, Instant::now());
        let begun = Begun { connector: Arc::clone(self), attempt, is_suppressed };
        Connecting { begun, caller: Caller::current(), is_over: false }
    }

    pub(crate) fn scope(&self) -> &crate::Scope {
        self.client.scope()
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
    begun: Begun,
    caller: Caller,
    is_over: bool,
}

/// A connect that has begun, and has to be told the end of.
#[derive(Debug, Clone)]
struct Begun {
    connector: Arc<Connector>,
    attempt: Arc<Attempt>,
    /// It was begun by telemetry itself; asked at the begin, since its end may be in another task.
    is_suppressed: bool,
}

impl Begun {
    fn setup_span(&self, report: &Report<'_>) -> SetupSpan {
        if self.is_suppressed {
            return SetupSpan::default();
        }
        trace::setup_span(self.connector.scope(), self.attempt.spans(), report)
    }

    /// A time limit has ended it.
    fn timed_out(&self) {
        self.setup_span(&self.attempt.timed_out(Instant::now()));
    }

    /// Nobody wants it any more.
    fn given_up(&self, cause: ErrorType) {
        self.setup_span(&self.attempt.given_up(cause, Instant::now()));
    }
}

impl Connecting {
    pub(crate) fn connector(&self) -> &Connector {
        &self.begun.connector
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        self.begun.attempt.pool()
    }

    /// Runs one poll of it.
    pub(crate) fn poll<R>(&self, poll: impl FnOnce() -> R) -> R {
        let _entered = self.caller.enter();
        current::poll_attempt(&self.begun.attempt, poll)
    }

    /// It made a connection.
    pub(crate) fn opened(&mut self, io: &impl HyperConnection) -> Arc<Connection> {
        self.is_over = true;
        let now = Instant::now();
        let (ends, protocol) = self.connector().describe(io);
        let report = self.begun.attempt.succeeded(ends.peer, now);
        let (round_trip, setup) = (report.round_trip(), self.begun.setup_span(&report));
        let client = Some(Arc::downgrade(&self.connector().life));
        let made = Established { round_trip, ends, protocol, setup, client };
        self.pool().opened(self.connector().client.next_connection_id(), made, now)
    }

    /// It failed.
    pub(crate) fn failed(&mut self, error: &(dyn Error + 'static)) {
        self.is_over = true;
        let report = self.begun.attempt.failed(error, Instant::now());
        if let Some(error) = report.error {
            current::connect_failed(error);
        }
        self.begun.setup_span(&report);
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        current::dropped_from(self.pool());
        // Who gives a request up drops it outside of its polls. In one, either a time limit between the request and the
        // connector has ended this connect, as reqwest's `connect_timeout` does, or the pool wants it no more; how the poll
        // ends tells.
        if current::is_in_request() && !std::thread::panicking() {
            if let Some(before) = DROPPED.replace(Some(self.begun.clone())) {
                before.given_up(ErrorType::Canceled);
            }
            current::connect_dropped();
        } else {
            self.begun.given_up(current::drop_cause());
        }
    }
}

thread_local! {
    /// The connect that was dropped in the poll of the request that is being polled.
    static DROPPED: RefCell<Option<Begun>> = const { RefCell::new(None) };
}

/// A poll is over in which a connect was dropped. A time limit fails the request, and so may the pool.
#[cold]
pub(crate) fn dropped_in_poll<T, E: Error + 'static>(poll: &Poll<Result<T, E>>) {
    match (DROPPED.take(), poll) {
        (None, _) => {}
        (Some(dropped), Poll::Ready(Err(error))) if !classify::is_no_longer_wanted(error) => {
            dropped.timed_out();
        }
        (Some(dropped), _) => dropped.given_up(ErrorType::Canceled),
    }
}

/// Addresses of a connection, as hyper-util tells them.
pub(crate) fn ends_of(info: &HttpInfo) -> Ends {
    Ends { local: Some(info.local_addr()), peer: Some(info.remote_addr()) }
}
