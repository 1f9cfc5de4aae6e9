//! Attribute keys of metrics, spans, events and resources.

/// Defines the constants and the list of all of them in one place, so that none can be left out of [`ALL`].
macro_rules! attributes {
    ($($(#[$doc:meta])* $id:ident = $name:literal;)*) => {
        $($(#[$doc])* pub const $id: &str = $name;)*
        /// Every attribute key of the contract.
        pub const ALL: &[&str] = &[$($id),*];
    };
}

attributes! {
    // --- OpenTelemetry: resource
    /// Name of the service that sends.
    SERVICE_NAME = "service.name";
    /// Identity of one running instance of a service.
    SERVICE_INSTANCE_ID = "service.instance.id";
    /// Version of the service that sends.
    SERVICE_VERSION = "service.version";
    /// Name of the SDK or exporter that sends.
    TELEMETRY_SDK_NAME = "telemetry.sdk.name";
    /// Language of the SDK that sends.
    TELEMETRY_SDK_LANGUAGE = "telemetry.sdk.language";
    /// Version of the SDK that sends.
    TELEMETRY_SDK_VERSION = "telemetry.sdk.version";

    // --- OpenTelemetry: HTTP and network
    /// Name that is looked up.
    DNS_QUESTION_NAME = "dns.question.name";
    /// What an error says, in words.
    ERROR_MESSAGE = "error.message";
    /// Class of error: a [`crate::value::ErrorType`] or a status code; absent on success.
    ERROR_TYPE = "error.type";
    /// State of a connection, see [`crate::value::ConnectionState`].
    HTTP_CONNECTION_STATE = "http.connection.state";
    /// Method, or `_OTHER`.
    HTTP_REQUEST_METHOD = "http.request.method";
    /// The method as it was sent, when [`HTTP_REQUEST_METHOD`] is `_OTHER`.
    HTTP_REQUEST_METHOD_ORIGINAL = "http.request.method_original";
    /// Ordinal of a resend; absent on the first attempt.
    HTTP_REQUEST_RESEND_COUNT = "http.request.resend_count";
    /// Status code of the response.
    HTTP_RESPONSE_STATUS_CODE = "http.response.status_code";
    /// `transmit` or `receive`, see [`crate::value::IoDirection`].
    NETWORK_IO_DIRECTION = "network.io.direction";
    /// Address of the peer of the connection.
    NETWORK_PEER_ADDRESS = "network.peer.address";
    /// Port of the peer of the connection.
    NETWORK_PEER_PORT = "network.peer.port";
    /// `1.0`, `1.1`, `2` or `3`.
    NETWORK_PROTOCOL_VERSION = "network.protocol.version";
    /// Host of the destination.
    SERVER_ADDRESS = "server.address";
    /// Port of the destination.
    SERVER_PORT = "server.port";
    /// Absolute URL without credentials.
    URL_FULL = "url.full";
    /// `http` or `https`.
    URL_SCHEME = "url.scheme";

    // --- OpenTelemetry: what other senders use for their pools
    /// Marks the series that takes what is beyond a cardinality limit.
    OTEL_METRIC_OVERFLOW = "otel.metric.overflow";

    // --- ours: pools
    /// Name that the user gave the client; several clients to one destination are several pools.
    CLIENT_NAME = "poolscope.client.name";
    /// How the figures were learned, see [`crate::value::Observation`]; absent means exact.
    OBSERVATION = "poolscope.observation";
    /// How an acquire ended, see [`crate::value::AcquireOutcome`].
    ACQUIRE_OUTCOME = "poolscope.acquire.outcome";
    /// Time that a request waited for its connection, in seconds.
    ACQUIRE_WAIT = "poolscope.acquire.wait";
    /// Identity of a connection, unique in its process.
    CONNECTION_ID = "poolscope.connection.id";
    /// Why a connection was closed, see [`crate::value::CloseReason`].
    CLOSE_REASON = "poolscope.connection.close_reason";
    /// Whether the reason was seen or concluded, see [`crate::value::Certainty`].
    CLOSE_CERTAINTY = "poolscope.connection.close_certainty";
    /// Part of establishing a connection; see [`crate::value::ConnectPhase`].
    CONNECT_PHASE = "poolscope.connection.phase";
    /// Seconds that the connection had been idle before the request.
    CONNECTION_IDLE_TIME = "poolscope.connection.idle_time";
    /// Requests that the connection has served.
    CONNECTION_REQUESTS = "poolscope.connection.requests";
    /// Seconds that the connection was open.
    CONNECTION_LIFETIME = "poolscope.connection.lifetime";
    /// Bytes that were sent over the connection.
    CONNECTION_SENT = "poolscope.connection.sent";
    /// Bytes that were received over the connection.
    CONNECTION_RECEIVED = "poolscope.connection.received";
    /// Round trip time of the connection by the kernel, in seconds.
    CONNECTION_RTT = "poolscope.connection.rtt";
    /// Segments of the connection that the kernel sent again.
    CONNECTION_RETRANSMITS = "poolscope.connection.retransmits";
    /// True if the peer had closed the connection that the request was given from the pool.
    CONNECTION_STALE = "poolscope.connection.stale";

    /// Seconds that a connection has been held without being read.
    LEAK_HELD = "poolscope.leak.held";
    /// Who took the connection: a place in the code or the name that the program gave.
    LEAK_ORIGIN = "poolscope.leak.origin";

    // --- ours: protection
    /// Name of a breaker: the destination, or the key that the user chose.
    BREAKER_NAME = "poolscope.breaker.name";
    /// State of a breaker, see [`crate::value::BreakerState`].
    BREAKER_STATE = "poolscope.breaker.state";
    /// State before a transition.
    BREAKER_FROM = "poolscope.breaker.from";
    /// State after a transition.
    BREAKER_TO = "poolscope.breaker.to";
    /// Why a transition happened, see [`crate::value::BreakerReason`].
    BREAKER_REASON = "poolscope.breaker.reason";
    /// How a call under a breaker ended, see [`crate::value::BreakerOutcome`].
    BREAKER_OUTCOME = "poolscope.breaker.outcome";
    /// Time until an open breaker tries again, in seconds.
    BREAKER_OPEN_FOR = "poolscope.breaker.open_for";
    /// Share of failed calls in the window when a transition happened.
    BREAKER_FAILURE_RATIO = "poolscope.breaker.failure_ratio";
    /// Share of calls in the window that took too long.
    BREAKER_SLOW_CALL_RATIO = "poolscope.breaker.slow_call_ratio";
    /// Share of calls in the window for which nothing could be connected.
    BREAKER_CONNECT_FAILURE_RATIO = "poolscope.breaker.connect_failure_ratio";
    /// Calls in the window when a transition happened.
    BREAKER_WINDOW_CALLS = "poolscope.breaker.window_calls";
    /// Name of a retry policy.
    RETRY_NAME = "poolscope.retry.name";
    /// How a call under a retry policy ended, see [`crate::value::RetryOutcome`].
    RETRY_OUTCOME = "poolscope.retry.outcome";
    /// What caused a retry: a status code or an `error.type`.
    RETRY_REASON = "poolscope.retry.reason";
    /// Attempts of a call, the first included.
    RETRY_ATTEMPTS = "poolscope.retry.attempts";
    /// Name of a timeout.
    TIMEOUT_NAME = "poolscope.timeout.name";
    /// Whether a named timeout fired, see [`crate::value::TimeoutOutcome`].
    TIMEOUT_OUTCOME = "poolscope.timeout.outcome";
    /// Time after which a named timeout fired, in seconds.
    TIMEOUT_LIMIT = "poolscope.timeout.limit";
    /// Time that had really passed when a named timeout fired, in seconds.
    TIMEOUT_ELAPSED = "poolscope.timeout.elapsed";
    /// What came of asking a limit, see [`crate::value::LimitOutcome`].
    LIMIT_OUTCOME = "poolscope.limit.outcome";
    /// Most requests that a limit lets be in flight.
    LIMIT_MAX = "poolscope.limit.max";
    /// Requests in flight under a limit.
    LIMIT_IN_USE = "poolscope.limit.in_use";
    /// Requests that wait for their turn under a limit.
    LIMIT_QUEUED = "poolscope.limit.queued";
    /// Time that a request waited for its turn under a limit, before its span began, in seconds.
    LIMIT_WAIT = "poolscope.limit.wait";
    /// Requests that a limit refused since that was last told.
    LIMIT_REFUSED = "poolscope.limit.refused";

    // --- ours: resources and health
    /// Name of a resource guard.
    GUARD_NAME = "poolscope.guard.name";
    /// Name of a resource: `open_files`, `memory`, `connections`, or what the program counts itself.
    RESOURCE_NAME = "poolscope.resource.name";
    /// Which limit of a resource, see [`crate::value::LimitKind`].
    RESOURCE_LIMIT_KIND = "poolscope.resource.limit_kind";
    /// How much of a resource was used when something happened: bytes of memory, otherwise a count.
    RESOURCE_USAGE = "poolscope.resource.usage";
    /// The limit of a resource that an event is about, in the unit of its usage.
    RESOURCE_LIMIT = "poolscope.resource.limit";
    /// Name of a health probe: the destination, unless the user chose another.
    HEALTH_NAME = "poolscope.health.name";
    /// State that probes say a destination is in, see [`crate::value::HealthState`].
    HEALTH_STATE = "poolscope.health.state";
    /// The state before it changed.
    HEALTH_FROM = "poolscope.health.from";
    /// Why a destination is in a state, in words.
    HEALTH_REASON = "poolscope.health.reason";
    /// How a probe ended, see [`crate::value::ProbeOutcome`].
    HEALTH_OUTCOME = "poolscope.health.outcome";

    // --- ours: sessions
    /// Name of a registry of sessions.
    SESSION_NAME = "poolscope.session.name";
    /// Why a session ended, see [`crate::value::SessionEnd`].
    SESSION_END_REASON = "poolscope.session.end_reason";
    /// Number of a session, unique in its registry.
    SESSION_ID = "poolscope.session.id";
    /// What the program calls a session.
    SESSION_KEY = "poolscope.session.key";
    /// Time since a session began, in seconds.
    SESSION_DURATION = "poolscope.session.duration";
    /// Time since a session was last active, in seconds.
    SESSION_IDLE_TIME = "poolscope.session.idle_time";
    /// Time since there was a reason for a session to end, in seconds; next to none where its holder had it.
    SESSION_ENDING_TIME = "poolscope.session.ending_time";

    // --- ours: a pool at the moment of an event
    /// Open connections of the pool.
    POOL_OPEN = "poolscope.pool.open";
    /// Connections of the pool with at least one request.
    POOL_ACTIVE = "poolscope.pool.active";
    /// Connections of the pool without a request.
    POOL_IDLE = "poolscope.pool.idle";
    /// Connections that were being established for the pool.
    POOL_CONNECTING = "poolscope.pool.connecting";
    /// Requests that waited for a connection of the pool, or for their turn under its limit.
    POOL_WAITING = "poolscope.pool.waiting";

    // --- ours: telemetry about telemetry
    /// Which signal was lost, see [`crate::value::Signal`].
    TELEMETRY_SIGNAL = "poolscope.telemetry.signal";
}

#[cfg(test)]
mod tests {
    use super::ALL;
    use std::collections::HashSet;

    #[test]
    fn keys_are_unique() {
        let unique: HashSet<_> = ALL.iter().collect();
        assert_eq!(unique.len(), ALL.len());
    }

    #[test]
    fn keys_are_lower_case_words_in_a_namespace() {
        for key in ALL {
            assert!(key.contains('.'), "{key} has no namespace");
            assert!(key.chars().all(|c| c.is_ascii_lowercase() || c == '.' || c == '_'), "{key}");
        }
    }
}
