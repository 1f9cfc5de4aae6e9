//! [`Connector`]: what the connect layers for hyper and reqwest share: attempts, connections, failures.

use std::sync::Arc;

use http::{Extensions, Uri};
use hyper_util::client::legacy::connect::{Connection as HyperConnection, HttpInfo};
use poolscope_semconv::value::ConnectPhase;

use crate::clock::Instant;
use crate::registry::{Attempt, ClientScope, Connection, ConnectorLife, Ends, Established, Pool, Protocol};
use crate::{current, trace};

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
    pub(crate) fn start(pool: Arc<Pool>) -> Arc<Attempt> {
        current::connect_started();
        Attempt::start(pool, Instant::now())
    }

    /// A connect made a connection.
    pub(crate) fn opened(&self, attempt: &Attempt, io: &impl HyperConnection) -> Arc<Connection> {
        let now = Instant::now();
        let (ends, protocol) = self.describe(io);
        let report = attempt.succeeded(ends.peer, now);
        let setup = trace::setup_span(self.client.scope(), &report);
        let made = Established {
            took: report.took,
            ends,
            protocol,
            setup,
            client: Some(Arc::downgrade(&self.life)),
        };
        attempt.pool().opened(self.client.next_connection_id(), made, now)
    }

    /// A connect failed.
    pub(crate) fn failed(&self, attempt: &Attempt, error: &(dyn std::error::Error + 'static)) {
        let report = attempt.failed(error, Instant::now());
        trace::setup_span(self.client.scope(), &report);
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

/// Addresses of a connection, as hyper-util tells them.
pub(crate) fn ends_of(info: &HttpInfo) -> Ends {
    Ends { local: Some(info.local_addr()), peer: Some(info.remote_addr()) }
}

/// Marks the begin of a part of the connect that is being polled, and gives back what marks its end.
pub(crate) fn begin(phase: ConnectPhase) -> Option<Arc<Attempt>> {
    let attempt = current::attempt()?;
    attempt.begin(phase);
    Some(attempt)
}
