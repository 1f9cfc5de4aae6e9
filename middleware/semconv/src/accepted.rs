//! Names of other senders, which the receiving side understands and Poolscope itself never emits.
//!
//! Pools and servers of other languages tell of themselves by these. The `http.client.*` metrics that we emit too are in
//! [`crate::metric`], their attributes in [`crate::attr`]. Source, unless told otherwise: OpenTelemetry's semantic
//! conventions, v1.44.0.

use crate::attr as ours;
use crate::metric::MetricKind::{self, Counter, Histogram, UpDownCounter};

/// A metric that another sender may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptedMetric {
    /// Instrument name.
    pub name: &'static str,
    /// Instrument kind.
    pub kind: MetricKind,
    /// UCUM unit. One of `ms` is to be divided by 1,000.
    pub unit: &'static str,
    /// Keys that its points may carry and that are understood.
    pub attributes: &'static [&'static str],
}

/// Attribute keys of other senders.
pub mod attr {
    /// Name of a database pool.
    pub const DB_POOL_NAME: &str = "db.client.connection.pool.name";
    /// State of a database connection, see [`super::DbConnectionState`].
    pub const DB_STATE: &str = "db.client.connection.state";
    /// Name of a database pool, before semantic conventions v1.26.
    pub const DB_POOL_NAME_OLD: &str = "db.client.connections.pool.name";
    /// State of a database connection, before semantic conventions v1.26.
    pub const DB_STATE_OLD: &str = "db.client.connections.state";
    /// Name of a database pool, before semantic conventions v1.25; Java's agent still sends it.
    pub const POOL_NAME: &str = "pool.name";
    /// State of a database connection, before semantic conventions v1.25; Java's agent still sends it.
    pub const STATE: &str = "state";
    /// Database product, such as `postgresql`.
    pub const DB_SYSTEM_NAME: &str = "db.system.name";
    /// Name of the database.
    pub const DB_NAMESPACE: &str = "db.namespace";
    /// Template of the route that a server matched.
    pub const HTTP_ROUTE: &str = "http.route";
    /// Protocol of the application, such as `http` or `web_sockets`.
    pub const NETWORK_PROTOCOL_NAME: &str = "network.protocol.name";
    /// `tcp`, `udp`, `unix` and the like.
    pub const NETWORK_TRANSPORT: &str = "network.transport";
    /// Version of TLS.
    pub const TLS_PROTOCOL_VERSION: &str = "tls.protocol.version";
    /// Host of the destination, before semantic conventions v1.21.
    pub const NET_PEER_NAME: &str = "net.peer.name";
    /// Port of the destination, before semantic conventions v1.21.
    pub const NET_PEER_PORT: &str = "net.peer.port";
    /// Method, before semantic conventions v1.21.
    pub const HTTP_METHOD: &str = "http.method";
    /// Status code, before semantic conventions v1.21.
    pub const HTTP_STATUS_CODE: &str = "http.status_code";
    /// Scheme of the URL, before semantic conventions v1.21.
    pub const HTTP_SCHEME: &str = "http.scheme";
    /// Whole URL, before semantic conventions v1.21.
    pub const HTTP_URL: &str = "http.url";
    /// Path and query of the URL, before semantic conventions v1.21.
    pub const HTTP_TARGET: &str = "http.target";
    /// Ordinal of a resend, before semantic conventions v1.21.
    pub const HTTP_RESEND_COUNT: &str = "http.resend_count";
    /// Class of an exception, of the event that tells it.
    pub const EXCEPTION_TYPE: &str = "exception.type";
    /// What an exception says, of the event that tells it.
    pub const EXCEPTION_MESSAGE: &str = "exception.message";
    /// Pod that the sender runs in.
    pub const K8S_POD_NAME: &str = "k8s.pod.name";
    /// Container that the sender runs in.
    pub const CONTAINER_ID: &str = "container.id";
    /// Host that the sender runs on.
    pub const HOST_NAME: &str = "host.name";
}

/// State of a database connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DbConnectionState {
    /// In the pool.
    Idle,
    /// Out of the pool.
    Used,
}

impl DbConnectionState {
    /// The state of a text; `None` if it is no state of a database connection.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "idle" => Some(Self::Idle),
            "used" => Some(Self::Used),
            _ => None,
        }
    }
}

const CLIENT: &[&str] = &[
    ours::HTTP_REQUEST_METHOD,
    ours::SERVER_ADDRESS,
    ours::SERVER_PORT,
    ours::URL_SCHEME,
    ours::ERROR_TYPE,
    ours::HTTP_RESPONSE_STATUS_CODE,
    ours::NETWORK_PROTOCOL_VERSION,
];

const OLD_CLIENT: &[&str] =
    &[attr::HTTP_METHOD, attr::NET_PEER_NAME, attr::NET_PEER_PORT, attr::HTTP_SCHEME, attr::HTTP_STATUS_CODE];

const SERVER: &[&str] = &[
    ours::HTTP_REQUEST_METHOD,
    ours::URL_SCHEME,
    ours::ERROR_TYPE,
    ours::HTTP_RESPONSE_STATUS_CODE,
    attr::HTTP_ROUTE,
    ours::NETWORK_PROTOCOL_VERSION,
    ours::SERVER_ADDRESS,
    ours::SERVER_PORT,
];

const DB: &[&str] =
    &[attr::DB_POOL_NAME, attr::DB_SYSTEM_NAME, attr::DB_NAMESPACE, ours::SERVER_ADDRESS, ours::SERVER_PORT];

const DB_OLD: &[&str] = &[attr::DB_POOL_NAME_OLD, attr::POOL_NAME];

const KESTREL: &[&str] =
    &[ours::SERVER_ADDRESS, ours::SERVER_PORT, ours::NETWORK_TYPE, attr::NETWORK_TRANSPORT];

/// Defines the constants and the list of all of them in one place, so that none can be left out of [`ALL`].
macro_rules! accepted {
    ($($(#[$doc:meta])* $id:ident = $kind:ident $name:literal $unit:literal $attributes:expr;)*) => {
        $(
            $(#[$doc])*
            pub const $id: AcceptedMetric =
                AcceptedMetric { name: $name, kind: $kind, unit: $unit, attributes: $attributes };
        )*
        /// Every metric that is understood and never sent, in the order of this file.
        pub const ALL: &[&AcceptedMetric] = &[$(&$id),*];
    };
}

accepted! {
    /// Bytes of request bodies that a client sent.
    HTTP_CLIENT_REQUEST_BODY_SIZE = Histogram "http.client.request.body.size" "By" CLIENT;
    /// Bytes of response bodies that a client received.
    HTTP_CLIENT_RESPONSE_BODY_SIZE = Histogram "http.client.response.body.size" "By" CLIENT;
    /// Duration of client requests, before semantic conventions v1.21.
    HTTP_CLIENT_DURATION_OLD = Histogram "http.client.duration" "ms" OLD_CLIENT;

    /// Bytes of request bodies that a server received.
    HTTP_SERVER_REQUEST_BODY_SIZE = Histogram "http.server.request.body.size" "By" SERVER;
    /// Bytes of response bodies that a server sent.
    HTTP_SERVER_RESPONSE_BODY_SIZE = Histogram "http.server.response.body.size" "By" SERVER;

    /// Connections of a database pool, by state.
    DB_CONNECTION_COUNT = UpDownCounter "db.client.connection.count" "{connection}"
        &[attr::DB_POOL_NAME, attr::DB_STATE, attr::DB_SYSTEM_NAME, attr::DB_NAMESPACE, ours::SERVER_ADDRESS, ours::SERVER_PORT];
    /// Most idle connections that a database pool keeps.
    DB_CONNECTION_IDLE_MAX = UpDownCounter "db.client.connection.idle.max" "{connection}" DB;
    /// Fewest idle connections that a database pool keeps.
    DB_CONNECTION_IDLE_MIN = UpDownCounter "db.client.connection.idle.min" "{connection}" DB;
    /// Most connections that a database pool opens.
    DB_CONNECTION_MAX = UpDownCounter "db.client.connection.max" "{connection}" DB;
    /// Those who wait for a connection of a database pool.
    DB_CONNECTION_PENDING_REQUESTS = UpDownCounter "db.client.connection.pending_requests" "{request}" DB;
    /// Waits for a connection of a database pool that were too long.
    DB_CONNECTION_TIMEOUTS = Counter "db.client.connection.timeouts" "{timeout}" DB;
    /// Time to make a connection of a database pool.
    DB_CONNECTION_CREATE_TIME = Histogram "db.client.connection.create_time" "s" DB;
    /// Time to have a connection of a database pool.
    DB_CONNECTION_WAIT_TIME = Histogram "db.client.connection.wait_time" "s" DB;
    /// Time that a connection was out of a database pool.
    DB_CONNECTION_USE_TIME = Histogram "db.client.connection.use_time" "s" DB;

    /// [`DB_CONNECTION_COUNT`] before semantic conventions v1.26, as those below.
    DB_CONNECTIONS_USAGE_OLD = UpDownCounter "db.client.connections.usage" "{connection}"
        &[attr::DB_POOL_NAME_OLD, attr::POOL_NAME, attr::DB_STATE_OLD, attr::STATE];
    /// [`DB_CONNECTION_IDLE_MAX`] as it was.
    DB_CONNECTIONS_IDLE_MAX_OLD = UpDownCounter "db.client.connections.idle.max" "{connection}" DB_OLD;
    /// [`DB_CONNECTION_IDLE_MIN`] as it was.
    DB_CONNECTIONS_IDLE_MIN_OLD = UpDownCounter "db.client.connections.idle.min" "{connection}" DB_OLD;
    /// [`DB_CONNECTION_MAX`] as it was.
    DB_CONNECTIONS_MAX_OLD = UpDownCounter "db.client.connections.max" "{connection}" DB_OLD;
    /// [`DB_CONNECTION_PENDING_REQUESTS`] as it was.
    DB_CONNECTIONS_PENDING_REQUESTS_OLD = UpDownCounter "db.client.connections.pending_requests" "{request}" DB_OLD;
    /// [`DB_CONNECTION_TIMEOUTS`] as it was.
    DB_CONNECTIONS_TIMEOUTS_OLD = Counter "db.client.connections.timeouts" "{timeout}" DB_OLD;
    /// [`DB_CONNECTION_CREATE_TIME`] as it was.
    DB_CONNECTIONS_CREATE_TIME_OLD = Histogram "db.client.connections.create_time" "ms" DB_OLD;
    /// [`DB_CONNECTION_WAIT_TIME`] as it was.
    DB_CONNECTIONS_WAIT_TIME_OLD = Histogram "db.client.connections.wait_time" "ms" DB_OLD;
    /// [`DB_CONNECTION_USE_TIME`] as it was.
    DB_CONNECTIONS_USE_TIME_OLD = Histogram "db.client.connections.use_time" "ms" DB_OLD;

    /// Connections that a Kestrel server has.
    KESTREL_ACTIVE_CONNECTIONS = UpDownCounter "kestrel.active_connections" "{connection}" KESTREL;
    /// Life of connections at a Kestrel server; the error is why it was closed.
    KESTREL_CONNECTION_DURATION = Histogram "kestrel.connection.duration" "s"
        &[ours::SERVER_ADDRESS, ours::SERVER_PORT, ours::NETWORK_TYPE, attr::NETWORK_TRANSPORT, attr::NETWORK_PROTOCOL_NAME,
          ours::NETWORK_PROTOCOL_VERSION, attr::TLS_PROTOCOL_VERSION, ours::ERROR_TYPE];
    /// Connections that a Kestrel server turned away.
    KESTREL_REJECTED_CONNECTIONS = Counter "kestrel.rejected_connections" "{connection}" KESTREL;
    /// Connections that wait for a Kestrel server to begin with them.
    KESTREL_QUEUED_CONNECTIONS = UpDownCounter "kestrel.queued_connections" "{connection}" KESTREL;
    /// HTTP/2 and HTTP/3 requests that wait for a Kestrel server to begin with them.
    KESTREL_QUEUED_REQUESTS = UpDownCounter "kestrel.queued_requests" "{request}"
        &[ours::SERVER_ADDRESS, ours::SERVER_PORT, ours::NETWORK_TYPE, attr::NETWORK_TRANSPORT, attr::NETWORK_PROTOCOL_NAME,
          ours::NETWORK_PROTOCOL_VERSION];
    /// WebSockets that a Kestrel server has.
    KESTREL_UPGRADED_CONNECTIONS = UpDownCounter "kestrel.upgraded_connections" "{connection}" KESTREL;
    /// Duration of TLS handshakes at a Kestrel server.
    KESTREL_TLS_HANDSHAKE_DURATION = Histogram "kestrel.tls_handshake.duration" "s"
        &[ours::SERVER_ADDRESS, ours::SERVER_PORT, ours::NETWORK_TYPE, attr::NETWORK_TRANSPORT, attr::TLS_PROTOCOL_VERSION,
          ours::ERROR_TYPE];
    /// TLS handshakes that a Kestrel server is in.
    KESTREL_ACTIVE_TLS_HANDSHAKES = UpDownCounter "kestrel.active_tls_handshakes" "{handshake}" KESTREL;
}

/// Looks a metric up by its name.
#[must_use]
pub fn find(name: &str) -> Option<&'static AcceptedMetric> {
    ALL.iter().copied().find(|metric| metric.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_none_is_sent_by_us() {
        let mut seen = HashSet::new();
        for metric in ALL {
            assert!(seen.insert(metric.name), "{} is named twice", metric.name);
            assert_eq!(crate::metric::find(metric.name), None, "{}", metric.name);
            assert_eq!(find(metric.name), Some(*metric));
        }
    }
}
