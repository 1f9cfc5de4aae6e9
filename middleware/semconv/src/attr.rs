//! Attribute keys of metrics, spans, events and resources.

use crate::def::{Origin, Stability, ValueDef, Values, sentence};

/// Type of an attribute's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeType {
    /// Text.
    String,
    /// Whole number.
    Int,
    /// Number.
    Double,
    /// Truth.
    Boolean,
    /// Several texts.
    StringArray,
}

impl AttributeType {
    /// The word that OpenTelemetry has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
            Self::Double => "double",
            Self::Boolean => "boolean",
            Self::StringArray => "string[]",
        }
    }
}

/// One attribute of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttributeDef {
    /// Its key.
    pub name: &'static str,
    /// Type of its value.
    pub kind: AttributeType,
    /// What it says.
    pub sentence: &'static str,
    /// Which values it may have.
    pub values: Values,
    /// How firm it is.
    pub stability: Stability,
    /// When something carries it that need not; `None` means when it is known.
    pub condition: Option<&'static str>,
    /// What a value may look like.
    pub examples: &'static [&'static str],
}

impl AttributeDef {
    /// Who defined it.
    #[must_use]
    pub fn origin(&self) -> Origin {
        if self.name.starts_with(crate::PREFIX) { Origin::Poolscope } else { Origin::OpenTelemetry }
    }

    /// The values that are written down, all or some.
    #[must_use]
    pub fn known_values(&self) -> &'static [ValueDef] {
        match self.values {
            Values::Any => &[],
            Values::Closed(values) | Values::Open(values) => values,
        }
    }
}

/// Which values an attribute may have: any, those `in` a set, or those that are `like` one.
macro_rules! values_of {
    () => {
        Values::Any
    };
    (in $set:ident) => {
        Values::Closed(crate::value::$set::DEFS)
    };
    (like $set:ident) => {
        Values::Open(crate::value::$set::DEFS)
    };
}

/// How firm an attribute is; ours have nothing written.
macro_rules! stability_of {
    () => {
        Stability::Development
    };
    ($stability:ident) => {
        Stability::$stability
    };
}

/// Something that may be missing.
macro_rules! option_of {
    () => {
        None
    };
    ($value:literal) => {
        Some($value)
    };
}

/// Defines the keys, what they mean and the lists of all of them in one place, so that none can be left out. An attribute is
/// written `ID: Type = "key"`, with `in Set` or `like Set` after the type, and with `[Stability]`, `when "condition"` and
/// `such as "example"` after the key.
macro_rules! attributes {
    ($($(#[doc = $doc:literal])* $id:ident: $type:ident $(in $closed:ident)? $(like $open:ident)? =
        $name:literal $([$stability:ident])? $(when $condition:literal)? $(such as $($example:literal),+)?;)*) => {
        $(
            $(#[doc = $doc])*
            $(#[doc = concat!("\n\nSee [`crate::value::", stringify!($closed), "`].")])?
            $(#[doc = concat!("\n\nSee [`crate::value::", stringify!($open), "`].")])?
            pub const $id: &str = $name;
        )*

        /// Every attribute key of the contract.
        pub const ALL: &[&str] = &[$($id),*];

        /// Every attribute of the contract, in the order of this file.
        pub const DEFS: &[AttributeDef] = &[$(AttributeDef {
            name: $name,
            kind: AttributeType::$type,
            sentence: sentence(concat!($($doc),*)),
            values: values_of!($(in $closed)? $(like $open)?),
            stability: stability_of!($($stability)?),
            condition: option_of!($($condition)?),
            examples: &[$($($example),+)?],
        }),*];
    };
}

attributes! {
    // --- OpenTelemetry: resource
    /// Name of the service that sends.
    SERVICE_NAME: String = "service.name" [Stable];
    /// Identity of one running instance of a service.
    SERVICE_INSTANCE_ID: String = "service.instance.id" [Stable];
    /// Version of the service that sends.
    SERVICE_VERSION: String = "service.version" [Stable];
    /// Name of the SDK or exporter that sends.
    TELEMETRY_SDK_NAME: String = "telemetry.sdk.name" [Stable];
    /// Language of the SDK that sends.
    TELEMETRY_SDK_LANGUAGE: String = "telemetry.sdk.language" [Stable];
    /// Version of the SDK that sends.
    TELEMETRY_SDK_VERSION: String = "telemetry.sdk.version" [Stable];

    // --- OpenTelemetry: HTTP and network
    /// Address of the client of a request, as its connection or a proxy that is trusted tells it.
    CLIENT_ADDRESS: String = "client.address" [Stable];
    /// Name that is looked up.
    DNS_QUESTION_NAME: String = "dns.question.name" [Development];
    /// Class of error: one of the words below or a status code; absent on success.
    ERROR_TYPE: String like ErrorType = "error.type" [Stable] when "if the operation failed";
    /// State of a connection.
    HTTP_CONNECTION_STATE: String in ConnectionState = "http.connection.state" [Development];
    /// Method, or `_OTHER`.
    HTTP_REQUEST_METHOD: String = "http.request.method" [Stable];
    /// The method as it was sent, when `http.request.method` is `_OTHER`.
    HTTP_REQUEST_METHOD_ORIGINAL: String = "http.request.method_original" [Stable] when "if `http.request.method` is `_OTHER`";
    /// Ordinal of a resend; absent on the first attempt.
    HTTP_REQUEST_RESEND_COUNT: Int = "http.request.resend_count" [Stable];
    /// Template of the route that a server matched; only where the program tells it.
    HTTP_ROUTE: String = "http.route" [Stable];
    /// Status code of the response.
    HTTP_RESPONSE_STATUS_CODE: Int = "http.response.status_code" [Stable] when "if an answer was received";
    /// `transmit` or `receive`.
    NETWORK_IO_DIRECTION: String in IoDirection = "network.io.direction" [ReleaseCandidate];
    /// Address of the peer of the connection.
    NETWORK_PEER_ADDRESS: String = "network.peer.address" [Stable];
    /// Port of the peer of the connection.
    NETWORK_PEER_PORT: Int = "network.peer.port" [Stable];
    /// `1.0`, `1.1`, `2` or `3`.
    NETWORK_PROTOCOL_VERSION: String = "network.protocol.version" [Stable];
    /// Version of the internet protocol.
    NETWORK_TYPE: String in NetworkType = "network.type" [Stable];
    /// Host of the destination.
    SERVER_ADDRESS: String = "server.address" [Stable];
    /// Port of the destination.
    SERVER_PORT: Int = "server.port" [Stable];
    /// Path of the URL.
    URL_PATH: String = "url.path" [Stable];
    /// Query of the URL, without its values.
    URL_QUERY: String = "url.query" [Stable];
    /// Absolute URL without credentials.
    URL_FULL: String = "url.full" [Stable];
    /// Template of the path, with names for what varies; only where the program tells it.
    URL_TEMPLATE: String = "url.template" [Development];
    /// `http` or `https`.
    URL_SCHEME: String = "url.scheme" [Stable];
    /// What the client says that it is.
    USER_AGENT_ORIGINAL: String = "user_agent.original" [Stable];

    // --- OpenTelemetry: what other senders use for their pools
    /// Marks the series that takes what is beyond a cardinality limit.
    OTEL_METRIC_OVERFLOW: Boolean = "otel.metric.overflow" [Development] when "if the series takes what is beyond a limit";

    // --- ours: pools
    /// Name that the user gave the client; several clients to one destination are several pools.
    CLIENT_NAME: String = "poolscope.client.name" such as "payments";
    /// How the figures were learned; absent means exact.
    OBSERVATION: String in Observation = "poolscope.observation" when "if not exact";
    /// How an acquire ended.
    ACQUIRE_OUTCOME: String in AcquireOutcome = "poolscope.acquire.outcome";
    /// Time that a request waited for its connection, in seconds.
    ACQUIRE_WAIT: Double = "poolscope.acquire.wait";
    /// Time from the begin of a request's span until the head of its answer was there, in seconds; what follows is its body.
    RESPONSE_HEADERS_TIME: Double = "poolscope.response.headers_time" when "if an answer was received";
    /// Identity of a connection, unique in its process.
    CONNECTION_ID: Int = "poolscope.connection.id";
    /// Why a connection was closed.
    CLOSE_REASON: String in CloseReason = "poolscope.connection.close_reason";
    /// Whether the reason was seen or concluded.
    CLOSE_CERTAINTY: String in Certainty = "poolscope.connection.close_certainty";
    /// Part of establishing a connection.
    CONNECT_PHASE: String in ConnectPhase = "poolscope.connection.phase";
    /// Seconds that the connection had been idle before the request.
    CONNECTION_IDLE_TIME: Double = "poolscope.connection.idle_time";
    /// Requests that the connection has served.
    CONNECTION_REQUESTS: Int = "poolscope.connection.requests";
    /// Seconds that the connection was open.
    CONNECTION_LIFETIME: Double = "poolscope.connection.lifetime";
    /// Seconds in which at least one request used the connection.
    CONNECTION_ACTIVE_TIME: Double = "poolscope.connection.active_time";
    /// True if the connection was closed without having served a request.
    CONNECTION_WASTED: Boolean = "poolscope.connection.wasted" when "if it is so";
    /// Bytes that were sent over the connection.
    CONNECTION_SENT: Int = "poolscope.connection.sent";
    /// Bytes that were received over the connection.
    CONNECTION_RECEIVED: Int = "poolscope.connection.received";
    /// Round trip time of the connection by the kernel, in seconds.
    CONNECTION_RTT: Double = "poolscope.connection.rtt";
    /// Segments of the connection that the kernel sent again.
    CONNECTION_RETRANSMITS: Int = "poolscope.connection.retransmits";
    /// True if the peer had closed the connection that the request was given from the pool.
    CONNECTION_STALE: Boolean = "poolscope.connection.stale" when "if it is so";

    /// Seconds that a connection has been held without being read.
    LEAK_HELD: Double = "poolscope.leak.held";
    /// Who took the connection: a place in the code or the name that the program gave.
    LEAK_ORIGIN: String = "poolscope.leak.origin" such as "src/report.rs:41:18", "nightly report";

    // --- ours: protection
    /// Name of a breaker: the destination, or the key that the user chose.
    BREAKER_NAME: String = "poolscope.breaker.name" such as "http://pay.example:80";
    /// State of a breaker.
    BREAKER_STATE: String in BreakerState = "poolscope.breaker.state";
    /// State before a transition.
    BREAKER_FROM: String in BreakerState = "poolscope.breaker.from";
    /// State after a transition.
    BREAKER_TO: String in BreakerState = "poolscope.breaker.to";
    /// Why a transition happened.
    BREAKER_REASON: String in BreakerReason = "poolscope.breaker.reason";
    /// How a call under a breaker ended.
    BREAKER_OUTCOME: String in BreakerOutcome = "poolscope.breaker.outcome";
    /// Time until an open breaker tries again, in seconds.
    BREAKER_OPEN_FOR: Double = "poolscope.breaker.open_for";
    /// Share of failed calls in the window when a transition happened.
    BREAKER_FAILURE_RATIO: Double = "poolscope.breaker.failure_ratio";
    /// Share of calls in the window that took too long.
    BREAKER_SLOW_CALL_RATIO: Double = "poolscope.breaker.slow_call_ratio";
    /// Share of calls in the window for which nothing could be connected.
    BREAKER_CONNECT_FAILURE_RATIO: Double = "poolscope.breaker.connect_failure_ratio";
    /// Calls in the window when a transition happened.
    BREAKER_WINDOW_CALLS: Int = "poolscope.breaker.window_calls";
    /// Who moved a breaker from the dashboard.
    BREAKER_FORCED_BY: String = "poolscope.breaker.forced_by" such as "token login (10.1.2.x)";
    /// Why, in the words of who did.
    BREAKER_FORCED_WHY: String = "poolscope.breaker.forced_why" such as "upstream is being moved";
    /// Time until a breaker that is held from the dashboard is let go, in seconds.
    BREAKER_FORCED_FOR: Double = "poolscope.breaker.forced_for";
    /// Name of a retry policy.
    RETRY_NAME: String = "poolscope.retry.name" such as "checkout";
    /// How a call under a retry policy ended.
    RETRY_OUTCOME: String in RetryOutcome = "poolscope.retry.outcome";
    /// What caused a retry: a status code or an `error.type`.
    RETRY_REASON: String = "poolscope.retry.reason" such as "503", "connect";
    /// Attempts of a call, the first included.
    RETRY_ATTEMPTS: Int = "poolscope.retry.attempts";
    /// Name of a timeout.
    TIMEOUT_NAME: String = "poolscope.timeout.name" such as "headers", "call";
    /// Whether a named timeout fired.
    TIMEOUT_OUTCOME: String in TimeoutOutcome = "poolscope.timeout.outcome";
    /// Time after which a named timeout fired, in seconds.
    TIMEOUT_LIMIT: Double = "poolscope.timeout.limit";
    /// Time that had really passed when a named timeout fired, in seconds.
    TIMEOUT_ELAPSED: Double = "poolscope.timeout.elapsed";
    /// What came of asking a limit.
    LIMIT_OUTCOME: String in LimitOutcome = "poolscope.limit.outcome";
    /// Most requests that a limit lets be in flight.
    LIMIT_MAX: Int = "poolscope.limit.max";
    /// Requests in flight under a limit.
    LIMIT_IN_USE: Int = "poolscope.limit.in_use";
    /// Requests that wait for their turn under a limit.
    LIMIT_QUEUED: Int = "poolscope.limit.queued";
    /// Time that a request waited for its turn under a limit, before its span began, in seconds.
    LIMIT_WAIT: Double = "poolscope.limit.wait";
    /// Requests that a limit refused since that was last told.
    LIMIT_REFUSED: Int = "poolscope.limit.refused";

    // --- ours: resources and health
    /// Name of a resource guard.
    GUARD_NAME: String = "poolscope.guard.name" such as "resources";
    /// Name of a resource: `open_files`, `memory`, `connections`, or what the program counts itself.
    RESOURCE_NAME: String = "poolscope.resource.name" such as "open_files", "memory";
    /// Which limit of a resource.
    RESOURCE_LIMIT_KIND: String in LimitKind = "poolscope.resource.limit_kind";
    /// How much of a resource was used when something happened: bytes of memory, otherwise a count.
    RESOURCE_USAGE: Int = "poolscope.resource.usage";
    /// The limit of a resource that an event is about, in the unit of its usage.
    RESOURCE_LIMIT: Int = "poolscope.resource.limit";
    /// Name of a health probe: the destination, unless the user chose another.
    HEALTH_NAME: String = "poolscope.health.name" such as "http://pay.example:80";
    /// State that probes say a destination is in.
    HEALTH_STATE: String in HealthState = "poolscope.health.state";
    /// The state before it changed.
    HEALTH_FROM: String in HealthState = "poolscope.health.from";
    /// Why a destination is in a state, in words.
    HEALTH_REASON: String = "poolscope.health.reason" such as "3 of 3 probes failed, last: timeout after 1s";
    /// How a probe ended.
    HEALTH_OUTCOME: String in ProbeOutcome = "poolscope.health.outcome";

    // --- ours: sessions
    /// Name of a registry of sessions.
    SESSION_NAME: String = "poolscope.session.name" such as "chat";
    /// Why a session ended.
    SESSION_END_REASON: String in SessionEnd = "poolscope.session.end_reason";
    /// Number of a session, unique in its registry.
    SESSION_ID: Int = "poolscope.session.id";
    /// What the program calls a session.
    SESSION_KEY: String = "poolscope.session.key" such as "room 7";
    /// Time since a session began, in seconds.
    SESSION_DURATION: Double = "poolscope.session.duration";
    /// Time since a session was last active, in seconds.
    SESSION_IDLE_TIME: Double = "poolscope.session.idle_time";
    /// Time since there was a reason for a session to end, in seconds; next to none where its holder had it.
    SESSION_ENDING_TIME: Double = "poolscope.session.ending_time";
    /// What the error says that a session was given up for, in words.
    SESSION_ERROR_MESSAGE: String = "poolscope.session.error.message" such as "broken pipe";
    /// Messages that a session sent.
    SESSION_MESSAGES_SENT: Int = "poolscope.session.messages_sent";
    /// Messages that a session received.
    SESSION_MESSAGES_RECEIVED: Int = "poolscope.session.messages_received";
    /// Bytes of the messages that a session sent.
    SESSION_SENT: Int = "poolscope.session.sent";
    /// Bytes of the messages that a session received.
    SESSION_RECEIVED: Int = "poolscope.session.received";
    /// Pings of a session that were not answered, in all.
    SESSION_MISSED_PINGS: Int = "poolscope.session.missed_pings";
    /// How a ping of a session ended.
    PING_OUTCOME: String in PingOutcome = "poolscope.session.ping_outcome";

    // --- ours: servers
    /// Name of a server: one listener, and all that it accepts.
    SERVER_NAME: String = "poolscope.server.name" such as "api";
    /// Why a server's connection was closed.
    SERVER_CLOSE_REASON: String in ServerCloseReason = "poolscope.server.close_reason";
    /// Why a server turned a connection away.
    SERVER_REJECT_REASON: String in RejectReason = "poolscope.server.reject_reason";
    /// How far a request was that its client left.
    SERVER_DISCONNECT_PHASE: String in DisconnectPhase = "poolscope.server.disconnect_phase";
    /// Connections that were turned away since this was last told.
    SERVER_REJECTED: Int = "poolscope.server.rejected";
    /// Most connections of a server at a time.
    SERVER_CONNECTION_LIMIT: Int = "poolscope.server.connection_limit";

    // --- ours: tasks, queues, supervised connections
    /// Name of a group of tasks.
    TASK_GROUP: String = "poolscope.task.group" such as "chat";
    /// Name of a task, which several of a group may have.
    TASK_NAME: String = "poolscope.task.name" such as "writer";
    /// How a task ended.
    TASK_OUTCOME: String in TaskOutcome = "poolscope.task.outcome";
    /// Time since a task began, in seconds.
    TASK_DURATION: Double = "poolscope.task.duration";
    /// What a panic said.
    TASK_PANIC_MESSAGE: String = "poolscope.task.panic.message" such as "index out of bounds";
    /// Name of a queue.
    QUEUE_NAME: String = "poolscope.queue.name" such as "chat outbox";
    /// Why a queue dropped an item.
    QUEUE_DROP_REASON: String in QueueDropReason = "poolscope.queue.drop_reason";
    /// Items that a queue dropped since this was last told.
    QUEUE_DROPPED: Int = "poolscope.queue.dropped";
    /// Most items of a queue.
    QUEUE_CAPACITY: Int = "poolscope.queue.capacity";
    /// Name of a supervisor, which keeps one connection of a client alive.
    SUPERVISOR_NAME: String = "poolscope.supervisor.name" such as "prices";
    /// State of a supervised connection.
    SUPERVISOR_STATE: String in SupervisorState = "poolscope.supervisor.state";
    /// The state before it changed.
    SUPERVISOR_FROM: String in SupervisorState = "poolscope.supervisor.from";
    /// Why a supervised connection came into its state.
    SUPERVISOR_REASON: String in SupervisorReason = "poolscope.supervisor.reason";
    /// Attempts since the connection was last there, this one included.
    SUPERVISOR_ATTEMPT: Int = "poolscope.supervisor.attempt";
    /// Time until the next attempt, in seconds.
    SUPERVISOR_DELAY: Double = "poolscope.supervisor.delay";
    /// What the error says, in words.
    SUPERVISOR_ERROR_MESSAGE: String = "poolscope.supervisor.error.message" such as "connection refused";

    // --- ours: a pool at the moment of an event
    /// Open connections of the pool.
    POOL_OPEN: Int = "poolscope.pool.open";
    /// Connections of the pool with at least one request.
    POOL_ACTIVE: Int = "poolscope.pool.active";
    /// Connections of the pool without a request.
    POOL_IDLE: Int = "poolscope.pool.idle";
    /// Connections that were being established for the pool.
    POOL_CONNECTING: Int = "poolscope.pool.connecting";
    /// Requests that waited for a connection of the pool, or for their turn under its limit.
    POOL_WAITING: Int = "poolscope.pool.waiting";
    /// Time that the oldest of those has waited who wait for a connection of the pool, in seconds.
    POOL_OLDEST_WAIT: Double = "poolscope.pool.oldest_wait";
    /// Why they wait.
    POOL_BLOCKED_BY: String in BlockingReason = "poolscope.pool.blocked_by";
    /// Connections of the pool, some of them if there are many. Each is a row of words: identity; state (`idle`, `active`,
    /// `draining`, `upgraded`); requests in flight; age; time since it is idle, or else since requests use it without a
    /// break; requests served; time in which requests used it, all times in seconds; address of the other end, or `-`.
    POOL_CONNECTIONS: StringArray = "poolscope.pool.connections" such as "17 idle 0 72.4 2.5 40 31.2 10.0.0.7:443";

    // --- ours: telemetry about telemetry
    /// Which signal was lost.
    TELEMETRY_SIGNAL: String in Signal = "poolscope.telemetry.signal";
}

/// Keys that the resource of every sender of ours carries.
pub const RESOURCE_KEYS: &[&str] =
    &[SERVICE_NAME, SERVICE_INSTANCE_ID, TELEMETRY_SDK_NAME, TELEMETRY_SDK_LANGUAGE, TELEMETRY_SDK_VERSION];

/// Looks an attribute up by its key.
#[must_use]
pub fn find(name: &str) -> Option<&'static AttributeDef> {
    DEFS.iter().find(|def| def.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
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

    #[test]
    fn every_attribute_says_what_it_is_and_text_of_ours_what_it_looks_like() {
        for def in DEFS {
            assert!(def.sentence.ends_with('.') && !def.sentence.starts_with(' '), "{def:?}");
            assert!(!def.sentence.contains("[`"), "{} links to where a table can't follow", def.name);
            let is_free_text = def.kind == AttributeType::String && def.values == Values::Any;
            if is_free_text && def.origin() == Origin::Poolscope {
                assert!(!def.examples.is_empty(), "{} has no example", def.name);
            }
        }
        assert_eq!(find(CLOSE_REASON).unwrap().known_values().len(), crate::value::CloseReason::COUNT);
    }
}
