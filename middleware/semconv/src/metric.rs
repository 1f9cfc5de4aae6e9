//! Metrics: name, kind, unit, description, attributes and bucket bounds.

use crate::attr;
use crate::def::{Level, Origin, Stability, sentence};

/// What an instrument counts and how its points add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Monotonic sum.
    Counter,
    /// Sum that also falls.
    UpDownCounter,
    /// Last value; sums of it mean nothing.
    Gauge,
    /// Distribution over fixed bounds.
    Histogram,
}

/// One metric of the contract.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricDef {
    /// Instrument name.
    pub name: &'static str,
    /// Instrument kind.
    pub kind: MetricKind,
    /// UCUM unit.
    pub unit: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// What is to be known beside it; often nothing.
    pub note: &'static str,
    /// Who defined it.
    pub origin: Origin,
    /// How firm it is.
    pub stability: Stability,
    /// Whether its definition wants it sent unasked. We send all of it, each part once it is in use.
    pub level: Level,
    /// Keys that every point carries.
    pub required: &'static [&'static str],
    /// Keys that a point carries when they are known.
    pub optional: &'static [&'static str],
    /// Upper bounds of the buckets in [`MetricDef::unit`]; empty unless the kind is [`MetricKind::Histogram`].
    pub bounds: &'static [f64],
}

/// Bounds for request, wait and use times, in seconds.
///
/// Source: OpenTelemetry's advice for `http.client.request.duration`.
pub const REQUEST_BOUNDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Bounds for the life of a connection, in seconds.
///
/// Source: OpenTelemetry's advice for `http.client.connection.duration`.
pub const CONNECTION_BOUNDS: &[f64] =
    &[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// Bounds for the wait for a connection, in seconds.
///
/// An idle connection is had within microseconds, so the convention's first bound of 5 ms would hide every healthy wait:
/// three bounds are put below it, and the two that no one waits for are left out.
pub const WAIT_BOUNDS: &[f64] =
    &[0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Bounds for parts of establishing a connection and for round trips, in seconds: from loopback to another continent.
pub const NETWORK_BOUNDS: &[f64] =
    &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Bounds for the requests that a connection has served. The first bucket holds those that were never used, the second
/// those that served one request: both are connections that were set up in vain, or nearly so.
pub const REQUESTS_BOUNDS: &[f64] =
    &[0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 10_000.0, 100_000.0];

/// Bounds for the share of a limit that was used. What fires has used all of it, and a little more.
pub const BUDGET_BOUNDS: &[f64] = &[0.1, 0.25, 0.5, 0.75, 0.9, 1.0];

/// Bounds for what may last for a day, in seconds: the life of a session, a task, or a connection of a server.
///
/// None is more than 2.5 times the one before, so that a percentile is told within about twice of what it is, of a client
/// that only looks in as of one that stays for a day.
pub const LIFE_BOUNDS: &[f64] = &[
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 120.0, 300.0, 600.0, 1_500.0,
    3_600.0, 7_200.0, 18_000.0, 43_200.0, 86_400.0,
];

/// Attributes that name a pool; every pool metric carries them.
pub const POOL_KEYS: &[&str] =
    &[attr::CLIENT_NAME, attr::URL_SCHEME, attr::SERVER_ADDRESS, attr::SERVER_PORT];

const POOL_OPTIONAL: &[&str] = &[attr::OBSERVATION];

const LIMIT_OPTIONAL: &[&str] =
    &[attr::URL_SCHEME, attr::SERVER_ADDRESS, attr::SERVER_PORT, attr::OBSERVATION];

/// Who defined a metric, how firm and how necessary it is; ours have nothing written.
macro_rules! source_of {
    () => {
        (Origin::Poolscope, Stability::Development, Level::Recommended)
    };
    ($origin:ident $stability:ident $level:ident) => {
        (Origin::$origin, Stability::$stability, Level::$level)
    };
}

/// Defines the constants and the list of all of them in one place, so that none can be left out of [`ALL`]. The comment of a
/// metric is its note. One that is not ours has `@Origin Stability Level` before its name.
macro_rules! metrics {
    ($($(#[doc = $doc:literal])* $(@$origin:ident $stability:ident $level:ident)? $id:ident =
        $kind:ident $name:literal $unit:literal $required:expr, $optional:expr, $bounds:expr, $description:literal;)*) => {
        $(
            #[doc = $description]
            #[doc = ""]
            $(#[doc = $doc])*
            pub const $id: MetricDef = MetricDef {
                name: $name,
                kind: MetricKind::$kind,
                unit: $unit,
                description: $description,
                note: sentence(concat!($($doc),*)),
                origin: source_of!($($origin $stability $level)?).0,
                stability: source_of!($($origin $stability $level)?).1,
                level: source_of!($($origin $stability $level)?).2,
                required: $required,
                optional: $optional,
                bounds: $bounds,
            };
        )*
        /// Every metric of the contract, in the order of this file.
        pub const ALL: &[&MetricDef] = &[$(&$id),*];
    };
}

metrics! {
    /// One point for each attempt, from the call to the response headers.
    @OpenTelemetry Stable Recommended HTTP_CLIENT_REQUEST_DURATION = Histogram "http.client.request.duration" "s"
        &[attr::HTTP_REQUEST_METHOD, attr::CLIENT_NAME, attr::URL_SCHEME, attr::SERVER_ADDRESS, attr::SERVER_PORT],
        &[attr::HTTP_RESPONSE_STATUS_CODE, attr::ERROR_TYPE, attr::NETWORK_PROTOCOL_VERSION, attr::OBSERVATION, attr::OTEL_METRIC_OVERFLOW],
        REQUEST_BOUNDS,
        "Duration of HTTP client requests.";
    /// Without `http.request.method`: a pool counts its requests as one number, and one for each method would multiply series.
    @OpenTelemetry Development OptIn HTTP_CLIENT_ACTIVE_REQUESTS = UpDownCounter "http.client.active_requests" "{request}"
        POOL_KEYS, POOL_OPTIONAL, &[], "Number of active HTTP requests.";
    @OpenTelemetry Development OptIn HTTP_CLIENT_OPEN_CONNECTIONS = UpDownCounter "http.client.open_connections" "{connection}"
        &[attr::HTTP_CONNECTION_STATE, attr::CLIENT_NAME, attr::URL_SCHEME, attr::SERVER_ADDRESS, attr::SERVER_PORT],
        &[attr::NETWORK_PROTOCOL_VERSION, attr::OBSERVATION], &[],
        "Number of outbound HTTP connections that are currently active or idle on the client.";
    /// Recorded when the connection closes.
    @OpenTelemetry Development OptIn HTTP_CLIENT_CONNECTION_DURATION = Histogram "http.client.connection.duration" "s"
        POOL_KEYS, &[attr::NETWORK_PROTOCOL_VERSION, attr::OBSERVATION], CONNECTION_BOUNDS,
        "The duration of the successfully established outbound HTTP connections.";
    /// Only requests that found no connection ready. Without `http.request.method`, by which no wait differs,
    /// and `network.protocol.version`, which is known only afterwards.
    @DotNet Development Recommended HTTP_CLIENT_REQUEST_TIME_IN_QUEUE = Histogram "http.client.request.time_in_queue" "s"
        POOL_KEYS, POOL_OPTIONAL, REQUEST_BOUNDS,
        "The amount of time requests spent on a queue waiting for an available connection.";
    /// Of the look-ups that were made to establish a connection, where these can be told apart.
    @OpenTelemetry Development Recommended DNS_LOOKUP_DURATION = Histogram "dns.lookup.duration" "s"
        &[attr::DNS_QUESTION_NAME, attr::CLIENT_NAME, attr::URL_SCHEME, attr::SERVER_ADDRESS, attr::SERVER_PORT],
        &[attr::ERROR_TYPE, attr::OBSERVATION], REQUEST_BOUNDS,
        "Measures the time taken to perform a DNS lookup.";

    /// Shaped like `db.client.connection.*`.
    CONNECTION_ACQUIRES = Counter "poolscope.connection.acquires" "{acquire}"
        &[attr::ACQUIRE_OUTCOME, attr::CLIENT_NAME, attr::URL_SCHEME, attr::SERVER_ADDRESS, attr::SERVER_PORT], POOL_OPTIONAL, &[],
        "Acquires that ended, by outcome.";
    /// Shaped like `db.client.connection.pending_requests`.
    CONNECTION_PENDING_REQUESTS = UpDownCounter "poolscope.connection.pending_requests" "{request}"
        POOL_KEYS, POOL_OPTIONAL, &[], "Requests that have asked for a connection and not yet acquired one.";
    /// Shaped like `db.client.connection.wait_time`. Every acquire that succeeded, also those that did not wait.
    CONNECTION_WAIT_TIME = Histogram "poolscope.connection.wait_time" "s"
        POOL_KEYS, POOL_OPTIONAL, WAIT_BOUNDS, "Time from asking for a connection to having one.";
    /// Shaped like `db.client.connection.use_time`.
    CONNECTION_USE_TIME = Histogram "poolscope.connection.use_time" "s"
        POOL_KEYS, POOL_OPTIONAL, REQUEST_BOUNDS,
        "Time from having a connection to the end of the response body.";
    /// Shaped like `db.client.connection.create_time`.
    CONNECTION_CREATE_TIME = Histogram "poolscope.connection.create_time" "s"
        POOL_KEYS, POOL_OPTIONAL, REQUEST_BOUNDS, "Time to establish a connection: name look-up, transport and TLS together.";
    /// Only the parts that can be told apart.
    CONNECTION_PHASE_TIME = Histogram "poolscope.connection.phase_time" "s"
        &[attr::CONNECT_PHASE, attr::CLIENT_NAME, attr::URL_SCHEME, attr::SERVER_ADDRESS, attr::SERVER_PORT],
        POOL_OPTIONAL, NETWORK_BOUNDS, "Time of one part of establishing a connection.";
    CONNECTION_CONNECTING = UpDownCounter "poolscope.connection.connecting" "{connection}"
        POOL_KEYS, POOL_OPTIONAL, &[], "Connections that are being established.";
    CONNECTION_OPENED = Counter "poolscope.connection.opened" "{connection}"
        POOL_KEYS, POOL_OPTIONAL, &[], "Connections that were established.";
    CONNECTION_FAILED = Counter "poolscope.connection.failed" "{connection}"
        &[attr::ERROR_TYPE, attr::CLIENT_NAME, attr::URL_SCHEME, attr::SERVER_ADDRESS, attr::SERVER_PORT],
        &[attr::CONNECT_PHASE, attr::OBSERVATION], &[],
        "Connections that could not be established, by error and by the part that failed.";
    CONNECTION_CLOSED = Counter "poolscope.connection.closed" "{connection}"
        &[attr::CLOSE_REASON, attr::CLOSE_CERTAINTY, attr::CLIENT_NAME, attr::URL_SCHEME, attr::SERVER_ADDRESS, attr::SERVER_PORT],
        POOL_OPTIONAL, &[], "Connections that were closed, by reason.";
    CONNECTION_IO = Counter "poolscope.connection.io" "By"
        &[attr::NETWORK_IO_DIRECTION, attr::CLIENT_NAME, attr::URL_SCHEME, attr::SERVER_ADDRESS, attr::SERVER_PORT],
        POOL_OPTIONAL, &[], "Bytes sent and received over the pool's connections, below HTTP and above TLS.";
    CONNECTION_ABANDONED = Counter "poolscope.connection.abandoned" "{connection}"
        POOL_KEYS, POOL_OPTIONAL, &[], "Connects that were given up, because the request that they were made for was dropped.";
    /// Recorded when a connection is used again.
    CONNECTION_IDLE_TIME = Histogram "poolscope.connection.idle_time" "s"
        POOL_KEYS, POOL_OPTIONAL, CONNECTION_BOUNDS, "Time that a connection had been idle before it was used again.";
    /// Recorded when the connection closes.
    CONNECTION_REQUESTS = Histogram "poolscope.connection.requests" "{request}"
        POOL_KEYS, POOL_OPTIONAL, REQUESTS_BOUNDS, "Requests that a connection served until it closed.";
    CONNECTION_WASTED = Counter "poolscope.connection.wasted" "{connection}"
        POOL_KEYS, POOL_OPTIONAL, &[], "Connections that were closed without having served a request.";
    CONNECTION_STALE_REUSE = Counter "poolscope.connection.stale_reuse" "{request}"
        POOL_KEYS, POOL_OPTIONAL, &[],
        "Requests that failed before any answer because the peer was closing the connection that the pool gave them after it had been idle; concluded from how soon.";
    /// What the kernel says when the connection closes; only where it can be asked.
    CONNECTION_RTT = Histogram "poolscope.connection.rtt" "s"
        POOL_KEYS, POOL_OPTIONAL, NETWORK_BOUNDS, "Shortest round trip of a connection in the minutes before it closed.";
    /// What the kernel says when the connection closes; only where it can be asked.
    CONNECTION_RETRANSMITS = Counter "poolscope.connection.retransmits" "{segment}"
        POOL_KEYS, POOL_OPTIONAL, &[], "TCP segments that were sent again, over the connections that are closed.";
    LEAK_SUSPECTED = Counter "poolscope.leak.suspected" "{connection}"
        POOL_KEYS, POOL_OPTIONAL, &[], "Connections that were reported as leaked, those included that came back.";
    LEAK_ACTIVE = UpDownCounter "poolscope.leak.active" "{connection}"
        POOL_KEYS, POOL_OPTIONAL, &[], "Connections that are reported as leaked now.";
    STREAM_ACTIVE = UpDownCounter "poolscope.stream.active" "{stream}"
        POOL_KEYS, POOL_OPTIONAL, &[], "Requests in flight over HTTP/2 connections, several of which share one connection.";

    /// One series per state, always all present; 1 for the state that holds, 0 for the others.
    BREAKER_STATE = UpDownCounter "poolscope.breaker.state" "1"
        &[attr::BREAKER_NAME, attr::BREAKER_STATE], &[], &[], "1 for the state that the breaker is in, 0 for every other.";
    BREAKER_TRANSITIONS = Counter "poolscope.breaker.transitions" "{transition}"
        &[attr::BREAKER_NAME, attr::BREAKER_FROM, attr::BREAKER_TO, attr::BREAKER_REASON], &[], &[],
        "Changes of the breaker's state, by reason.";
    BREAKER_CALLS = Counter "poolscope.breaker.calls" "{call}"
        &[attr::BREAKER_NAME, attr::BREAKER_OUTCOME], &[], &[], "Calls that the breaker admitted or rejected, by outcome.";
    BREAKER_FAILURE_RATIO = Gauge "poolscope.breaker.failure_ratio" "1"
        &[attr::BREAKER_NAME], &[], &[], "Share of failed calls in the breaker's window; absent below the minimum of calls.";
    BREAKER_FAILURE_RATIO_LIMIT = Gauge "poolscope.breaker.failure_ratio.limit" "1"
        &[attr::BREAKER_NAME], &[], &[], "Share of failed calls at which the breaker opens.";
    BREAKER_SLOW_CALL_RATIO = Gauge "poolscope.breaker.slow_call_ratio" "1"
        &[attr::BREAKER_NAME], &[], &[],
        "Share of calls in the breaker's window that took too long; absent below the minimum of calls, and where that is not judged.";
    BREAKER_SLOW_CALL_RATIO_LIMIT = Gauge "poolscope.breaker.slow_call_ratio.limit" "1"
        &[attr::BREAKER_NAME], &[], &[], "Share of slow calls at which the breaker opens; absent where that is not judged.";
    BREAKER_CONNECT_FAILURE_RATIO = Gauge "poolscope.breaker.connect_failure_ratio" "1"
        &[attr::BREAKER_NAME], &[], &[],
        "Share of calls in the breaker's window for which nothing could be connected; absent below the minimum of calls.";
    BREAKER_CONNECT_FAILURE_RATIO_LIMIT = Gauge "poolscope.breaker.connect_failure_ratio.limit" "1"
        &[attr::BREAKER_NAME], &[], &[],
        "Share of such calls at which the breaker opens; absent where that is not judged apart.";
    BREAKER_WINDOW_CALLS = Gauge "poolscope.breaker.window_calls" "{call}"
        &[attr::BREAKER_NAME], &[], &[], "Calls in the breaker's window.";
    BREAKER_OPEN_REMAINING = Gauge "poolscope.breaker.open_remaining" "s"
        &[attr::BREAKER_NAME], &[], &[], "Time until an open breaker lets the next call try; 0 in every other state.";

    RETRY_CALLS = Counter "poolscope.retry.calls" "{call}"
        &[attr::RETRY_NAME, attr::RETRY_OUTCOME], &[], &[], "Calls that ended under the retry policy, by outcome.";
    RETRY_ATTEMPTS = Counter "poolscope.retry.attempts" "{attempt}"
        &[attr::RETRY_NAME, attr::RETRY_REASON], &[], &[], "Attempts beyond the first, by what caused them.";
    /// A call that was dropped has none.
    RETRY_RESULTS = Counter "poolscope.retry.results" "{call}"
        &[attr::RETRY_NAME], &[attr::HTTP_RESPONSE_STATUS_CODE, attr::ERROR_TYPE], &[],
        "Results that calls under the retry policy ended with, whatever was tried again before.";
    RETRY_DELAY = Histogram "poolscope.retry.delay" "s"
        &[attr::RETRY_NAME], &[], REQUEST_BOUNDS, "Time that a call waited before it was tried again.";

    TIMEOUT_CALLS = Counter "poolscope.timeout.calls" "{call}"
        &[attr::TIMEOUT_NAME, attr::TIMEOUT_OUTCOME], &[], &[], "Calls under a named timeout, by whether it fired.";
    /// A timeout that adapts has one for each destination.
    TIMEOUT_LIMIT = Gauge "poolscope.timeout.limit" "s"
        &[attr::TIMEOUT_NAME], &[attr::URL_SCHEME, attr::SERVER_ADDRESS, attr::SERVER_PORT], &[],
        "Time after which the named timeout fires.";
    /// Calls that were dropped before their end are not in it.
    TIMEOUT_BUDGET_USED = Histogram "poolscope.timeout.budget_used" "1"
        &[attr::TIMEOUT_NAME], &[], BUDGET_BOUNDS, "Share of its limit that a call under the named timeout used.";

    /// Of a pool, or of all pools of a client where no destination is named.
    LIMIT_MAX = UpDownCounter "poolscope.limit.max" "{request}"
        &[attr::CLIENT_NAME], LIMIT_OPTIONAL, &[], "Most requests that the limit lets be in flight.";
    /// Each request to the end of its response body.
    LIMIT_IN_USE = UpDownCounter "poolscope.limit.in_use" "{request}"
        &[attr::CLIENT_NAME], LIMIT_OPTIONAL, &[], "Requests in flight under the limit.";
    LIMIT_QUEUED = UpDownCounter "poolscope.limit.queued" "{request}"
        &[attr::CLIENT_NAME], LIMIT_OPTIONAL, &[], "Requests that wait for their turn under the limit.";
    LIMIT_QUEUE_MAX = UpDownCounter "poolscope.limit.queue_max" "{request}"
        &[attr::CLIENT_NAME], LIMIT_OPTIONAL, &[], "Most requests that may wait for their turn under the limit.";
    LIMIT_OLDEST_WAIT = Gauge "poolscope.limit.oldest_wait" "s"
        POOL_KEYS, POOL_OPTIONAL, &[], "Time that the oldest of those has waited who wait for their turn; 0 if none does.";
    LIMIT_CALLS = Counter "poolscope.limit.calls" "{call}"
        &[attr::LIMIT_OUTCOME, attr::CLIENT_NAME, attr::URL_SCHEME, attr::SERVER_ADDRESS, attr::SERVER_PORT], POOL_OPTIONAL, &[],
        "Requests that asked a limit, by what came of it.";
    /// Shaped like the wait for a connection, which it is a part of.
    LIMIT_WAIT_TIME = Histogram "poolscope.limit.wait_time" "s"
        POOL_KEYS, POOL_OPTIONAL, WAIT_BOUNDS, "Time in the queue of a limit, for those who had to wait, also in vain.";

    /// The last time that the guard looked.
    RESOURCE_USAGE = Gauge "poolscope.resource.usage" "{unit}"
        &[attr::GUARD_NAME, attr::RESOURCE_NAME], &[], &[],
        "How much of a resource the process uses: bytes of memory, otherwise a count.";
    RESOURCE_PEAK = Gauge "poolscope.resource.peak" "{unit}"
        &[attr::GUARD_NAME, attr::RESOURCE_NAME], &[], &[], "The most that the guard has seen used of a resource.";
    RESOURCE_LIMIT = Gauge "poolscope.resource.limit" "{unit}"
        &[attr::GUARD_NAME, attr::RESOURCE_NAME, attr::RESOURCE_LIMIT_KIND], &[], &[],
        "Use of a resource from which on the guard warns (soft) or refuses requests (hard); absent where there is no limit.";
    RESOURCE_REFUSED = Counter "poolscope.resource.refused" "{request}"
        &[attr::GUARD_NAME, attr::RESOURCE_NAME], &[], &[], "Requests that were refused because a resource was used up.";

    /// One series per state, always all present; 1 for the state that holds, 0 for the others.
    HEALTH_STATE = UpDownCounter "poolscope.health.state" "1"
        &[attr::HEALTH_NAME, attr::HEALTH_STATE], &[], &[],
        "1 for the state that probes say the destination is in, 0 for every other.";
    HEALTH_PROBES = Counter "poolscope.health.probes" "{probe}"
        &[attr::HEALTH_NAME, attr::HEALTH_OUTCOME], &[], &[], "Health probes, by outcome.";
    /// Absent before the first probe has ended; it grows beyond the interval where nobody probes any more.
    HEALTH_PROBE_AGE = Gauge "poolscope.health.probe_age" "s"
        &[attr::HEALTH_NAME], &[], &[], "Time since the last health probe ended.";
    /// Those too that ran into their timeout.
    HEALTH_PROBE_DURATION = Histogram "poolscope.health.probe_duration" "s"
        &[attr::HEALTH_NAME], &[], REQUEST_BOUNDS, "Time from the start of a health probe to the end of its answer, or to its failure.";

    /// From its begin until its holder has let go of it, so also while it is told to end.
    SESSION_ACTIVE = UpDownCounter "poolscope.session.active" "{session}"
        &[attr::SESSION_NAME], &[], &[], "Sessions that are there now.";
    SESSION_LIMIT = UpDownCounter "poolscope.session.limit" "{session}"
        &[attr::SESSION_NAME], &[], &[], "Most sessions that may be there at a time.";
    SESSION_STARTED = Counter "poolscope.session.started" "{session}"
        &[attr::SESSION_NAME], &[], &[], "Sessions that began.";
    SESSION_REFUSED = Counter "poolscope.session.refused" "{session}"
        &[attr::SESSION_NAME], &[], &[], "Sessions that could not begin: there were too many, or the program shut down.";
    /// Counted when its holder has let go of it.
    SESSION_ENDED = Counter "poolscope.session.ended" "{session}"
        &[attr::SESSION_NAME, attr::SESSION_END_REASON], &[], &[], "Sessions that are gone, by the reason for which they ended.";
    /// Recorded when its holder has let go of it.
    SESSION_DURATION = Histogram "poolscope.session.duration" "s"
        &[attr::SESSION_NAME], &[], LIFE_BOUNDS, "Time from the begin of a session until it was gone.";
    /// What stays above zero is a leak: a task, and a connection perhaps, that nobody wants any more.
    SESSION_OVERDUE = UpDownCounter "poolscope.session.overdue" "{session}"
        &[attr::SESSION_NAME], &[], &[], "Sessions that were told to end and are still there after the time that they had for it.";
    SESSION_OLDEST_AGE = Gauge "poolscope.session.oldest_age" "s"
        &[attr::SESSION_NAME], &[], &[], "Time since the oldest of the sessions began that are there now; 0 if there is none.";
    /// A sweep tells sessions to end whose time is over.
    SESSION_SWEEP_DURATION = Histogram "poolscope.session.sweep_duration" "s"
        &[attr::SESSION_NAME], &[], NETWORK_BOUNDS, "Time that a sweep over the sessions took.";
    SESSION_HANDLERS_CUT = Counter "poolscope.session.handlers_cut" "{handler}"
        &[attr::SESSION_NAME], &[], &[], "Handlers of sessions that were cut, since they did not end when their session was told to.";
    /// The runtime was busy, or there were very many sessions to end.
    SESSION_LATE_SWEEPS = Counter "poolscope.session.late_sweeps" "{sweep}"
        &[attr::SESSION_NAME], &[], &[], "Sweeps by which a session was told to end more than 250 ms after its deadline.";

    SESSION_MESSAGES = Counter "poolscope.session.messages" "{message}"
        &[attr::SESSION_NAME, attr::NETWORK_IO_DIRECTION], &[], &[], "Messages that sessions sent and received, without those that only ask whether the other end is there.";
    SESSION_IO = Counter "poolscope.session.io" "By"
        &[attr::SESSION_NAME, attr::NETWORK_IO_DIRECTION], &[], &[], "Bytes of the messages that sessions sent and received.";
    SESSION_ERRORS = Counter "poolscope.session.errors" "{error}"
        &[attr::SESSION_NAME], &[], &[], "Errors of the transport of sessions.";
    SESSION_PINGS = Counter "poolscope.session.pings" "{ping}"
        &[attr::SESSION_NAME, attr::PING_OUTCOME], &[], &[], "Pings that asked whether the other end of a session is there, by outcome.";
    SESSION_PING_TIME = Histogram "poolscope.session.ping_time" "s"
        &[attr::SESSION_NAME], &[], REQUEST_BOUNDS, "Time from a ping of a session to its answer.";

    /// One point for each request, from its head to the end of its answer's head. Without `server.address`, which is what the
    /// client wrote there, and so without bound.
    @OpenTelemetry Stable Required HTTP_SERVER_REQUEST_DURATION = Histogram "http.server.request.duration" "s"
        &[attr::HTTP_REQUEST_METHOD, attr::URL_SCHEME, attr::SERVER_NAME],
        &[attr::HTTP_ROUTE, attr::HTTP_RESPONSE_STATUS_CODE, attr::ERROR_TYPE, attr::NETWORK_PROTOCOL_VERSION, attr::OTEL_METRIC_OVERFLOW],
        REQUEST_BOUNDS, "Duration of HTTP server requests.";
    /// Counted until the answer's body has ended, and over HTTP/1 is sent. Without `server.address`, as the duration is.
    @OpenTelemetry Development OptIn HTTP_SERVER_ACTIVE_REQUESTS = UpDownCounter "http.server.active_requests" "{request}"
        &[attr::HTTP_REQUEST_METHOD, attr::URL_SCHEME, attr::SERVER_NAME], &[], &[], "Number of active HTTP server requests.";
    SERVER_DISCONNECTED = Counter "poolscope.server.request.disconnected" "{request}"
        &[attr::SERVER_NAME, attr::SERVER_DISCONNECT_PHASE], &[], &[], "Requests that their client left before they had their whole answer.";
    /// Shaped like `kestrel.active_connections`.
    SERVER_OPEN_CONNECTIONS = UpDownCounter "poolscope.server.open_connections" "{connection}"
        &[attr::SERVER_NAME, attr::HTTP_CONNECTION_STATE], &[], &[], "Connections of a server that are open, by state.";
    /// Shaped like `kestrel.queued_connections`.
    SERVER_QUEUED_CONNECTIONS = UpDownCounter "poolscope.server.queued_connections" "{connection}"
        &[attr::SERVER_NAME], &[], &[], "Connections that were accepted and wait to be served: for their turn, or for their TLS handshake.";
    SERVER_CONNECTION_MAX = UpDownCounter "poolscope.server.connection.limit" "{connection}"
        &[attr::SERVER_NAME], &[], &[], "Most connections that a server may have at a time.";
    SERVER_ACCEPTED = Counter "poolscope.server.connection.accepted" "{connection}"
        &[attr::SERVER_NAME], &[], &[], "Connections that a server accepted from its socket, those included that it turned away.";
    /// Shaped like `kestrel.rejected_connections`.
    SERVER_CONNECTION_REJECTED = Counter "poolscope.server.connection.rejected" "{connection}"
        &[attr::SERVER_NAME, attr::SERVER_REJECT_REASON], &[], &[], "Connections that a server turned away, by reason.";
    SERVER_ACCEPT_ERRORS = Counter "poolscope.server.accept_errors" "{error}"
        &[attr::SERVER_NAME], &[], &[], "Times that no connection could be accepted from the socket, for want of open files say.";
    /// Shaped like `kestrel.upgraded_connections`.
    SERVER_UPGRADED = Counter "poolscope.server.connection.upgraded" "{connection}"
        &[attr::SERVER_NAME], &[], &[], "Connections that left HTTP by a 101 or a CONNECT.";
    SERVER_CONNECTION_CLOSED = Counter "poolscope.server.connection.closed" "{connection}"
        &[attr::SERVER_NAME, attr::SERVER_CLOSE_REASON], &[], &[], "Connections of a server that were closed, by reason.";
    /// Shaped like `kestrel.connection.duration`, with bounds for connections that were upgraded, which last for hours.
    /// Recorded when the connection closes.
    SERVER_CONNECTION_DURATION = Histogram "poolscope.server.connection.duration" "s"
        &[attr::SERVER_NAME], &[], LIFE_BOUNDS, "Time that a server's connection was open.";
    /// Recorded when the connection closes.
    SERVER_CONNECTION_REQUESTS = Histogram "poolscope.server.connection.requests" "{request}"
        &[attr::SERVER_NAME], &[], REQUESTS_BOUNDS, "Requests that a server's connection served until it closed.";
    SERVER_CONNECTION_IO = Counter "poolscope.server.connection.io" "By"
        &[attr::SERVER_NAME, attr::NETWORK_IO_DIRECTION], &[], &[], "Bytes sent and received over a server's connections, below HTTP and above TLS where TLS is ours.";
    /// Shaped like `kestrel.tls_handshake.duration`.
    SERVER_TLS_HANDSHAKE_DURATION = Histogram "poolscope.server.tls_handshake.duration" "s"
        &[attr::SERVER_NAME], &[attr::ERROR_TYPE], REQUEST_BOUNDS, "Duration of the TLS handshakes of a server, where TLS is ours.";

    TASK_ACTIVE = UpDownCounter "poolscope.task.active" "{task}"
        &[attr::TASK_GROUP], &[], &[], "Tasks of a group that run now.";
    TASK_STARTED = Counter "poolscope.task.started" "{task}"
        &[attr::TASK_GROUP], &[], &[], "Tasks of a group that began.";
    TASK_ENDED = Counter "poolscope.task.ended" "{task}"
        &[attr::TASK_GROUP, attr::TASK_OUTCOME], &[], &[], "Tasks of a group that ended, by outcome.";
    TASK_RUN_TIME = Histogram "poolscope.task.duration" "s"
        &[attr::TASK_GROUP], &[], LIFE_BOUNDS, "Time from the begin of a task to its end.";

    QUEUE_LENGTH = UpDownCounter "poolscope.queue.length" "{item}"
        &[attr::QUEUE_NAME], &[], &[], "Items that are in a queue now.";
    QUEUE_LIMIT = UpDownCounter "poolscope.queue.limit" "{item}"
        &[attr::QUEUE_NAME], &[], &[], "Most items that a queue may hold.";
    QUEUE_HIGH_WATER = Gauge "poolscope.queue.high_water" "{item}"
        &[attr::QUEUE_NAME], &[], &[], "Most items that were in a queue at a time, since it was made.";
    QUEUE_PUSHED = Counter "poolscope.queue.pushed" "{item}"
        &[attr::QUEUE_NAME], &[], &[], "Items that were put into a queue, those included that it dropped later.";
    QUEUE_DROPS = Counter "poolscope.queue.drops" "{item}"
        &[attr::QUEUE_NAME, attr::QUEUE_DROP_REASON], &[], &[], "Items that a queue dropped, by reason.";

    /// 1 for the state that it is in, 0 for each other.
    SUPERVISOR_STATE = UpDownCounter "poolscope.supervisor.state" "{supervisor}"
        &[attr::SUPERVISOR_NAME, attr::SUPERVISOR_STATE], &[], &[], "State of a supervised connection.";
    SUPERVISOR_CONNECTS = Counter "poolscope.supervisor.connects" "{connect}"
        &[attr::SUPERVISOR_NAME], &[], &[], "Attempts of a supervisor to establish its connection.";
    /// Its connection was lost while it was sent, or the supervisor stopped before.
    SUPERVISOR_LOST = Counter "poolscope.supervisor.lost" "{message}"
        &[attr::SUPERVISOR_NAME], &[], &[], "Messages that a supervisor took and did not send.";
    SUPERVISOR_TRANSITIONS = Counter "poolscope.supervisor.transitions" "{transition}"
        &[attr::SUPERVISOR_NAME, attr::SUPERVISOR_STATE, attr::SUPERVISOR_REASON], &[], &[], "Changes of the state of a supervised connection, by the state that it came into and why.";
    SUPERVISOR_CONNECT_TIME = Histogram "poolscope.supervisor.connect_time" "s"
        &[attr::SUPERVISOR_NAME], &[], REQUEST_BOUNDS, "Time to establish a supervised connection; only of attempts that succeeded.";
    SUPERVISOR_CONNECTION_DURATION = Histogram "poolscope.supervisor.connection.duration" "s"
        &[attr::SUPERVISOR_NAME], &[], LIFE_BOUNDS, "Time that a supervised connection was there; recorded when it is gone.";
    SUPERVISOR_DELAY = Histogram "poolscope.supervisor.delay" "s"
        &[attr::SUPERVISOR_NAME], &[], CONNECTION_BOUNDS, "Time that a supervisor waited before an attempt.";

    /// What the messages would have told was learned by asking.
    KERNEL_OVERFLOWS = Counter "poolscope.kernel.overflows" "{overflow}"
        &[], &[], &[], "Times that the kernel lost messages about closed connections, because they came too fast.";
    /// Dropped telemetry is counted, never silent.
    TELEMETRY_DROPPED = Counter "poolscope.telemetry.dropped" "{item}"
        &[attr::TELEMETRY_SIGNAL], &[], &[], "Telemetry items that were lost before they reached the receiver.";
    POOL_OVERFLOW = Counter "poolscope.pool.overflow" "{request}"
        &[attr::CLIENT_NAME], &[], &[], "Requests that were counted in the overflow pool because the limit of pools was reached.";
}

/// Looks a metric up by its name.
#[must_use]
pub fn find(name: &str) -> Option<&'static MetricDef> {
    ALL.iter().copied().find(|def| def.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_belong_to_a_known_namespace() {
        let mut seen = HashSet::new();
        for def in ALL {
            assert!(seen.insert(def.name), "{} is defined twice", def.name);
            let is_ours = def.name.starts_with(crate::PREFIX);
            assert_eq!(
                is_ours,
                def.origin == Origin::Poolscope,
                "{} is not in the namespace of its origin",
                def.name
            );
        }
    }

    #[test]
    fn only_histograms_have_bounds_and_these_rise() {
        for def in ALL {
            assert_eq!(def.kind == MetricKind::Histogram, !def.bounds.is_empty(), "{}", def.name);
            assert!(def.bounds.windows(2).all(|pair| pair[0] < pair[1]), "{}", def.name);
        }
    }

    #[test]
    fn no_life_from_a_hundredth_of_a_second_to_a_day_is_told_much_too_long() {
        assert_eq!((LIFE_BOUNDS.first(), LIFE_BOUNDS.last()), (Some(&0.01), Some(&86_400.0)));
        assert!(LIFE_BOUNDS.windows(2).all(|pair| pair[1] / pair[0] <= 2.5), "{LIFE_BOUNDS:?}");
    }

    #[test]
    fn attributes_are_declared_and_not_both_required_and_optional() {
        for def in ALL {
            for key in def.required.iter().chain(def.optional) {
                assert!(attr::ALL.contains(key), "{} uses the undeclared {key}", def.name);
            }
            assert!(def.required.iter().all(|key| !def.optional.contains(key)), "{}", def.name);
        }
    }

    #[test]
    fn pool_metrics_carry_the_whole_pool_key() {
        for def in ALL.iter().filter(|def| def.required.contains(&attr::SERVER_ADDRESS)) {
            assert!(POOL_KEYS.iter().all(|key| def.required.contains(key)), "{}", def.name);
        }
    }
}
