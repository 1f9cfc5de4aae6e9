//! Closed sets of attribute values, the same in code, telemetry, wire and browser.

use crate::def::{ValueDef, sentence};

/// Defines an enum whose variants are the values of one attribute, with the text and the sentence of each in one place.
macro_rules! values {
    ($($(#[doc = $doc:literal])* $name:ident { $($(#[doc = $vdoc:literal])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[doc = $vdoc])* $variant,)* }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Text and sentence of every value, in the order of declaration.
            pub const DEFS: &'static [ValueDef] =
                &[$(ValueDef { text: $text, sentence: sentence(concat!($($vdoc),*)) }),*];

            /// Number of values.
            pub const COUNT: usize = Self::ALL.len();

            /// The text that travels.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value of a text; `None` if the set has no such value.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }

            /// Place of the value in [`Self::ALL`], for tables that have one slot for each.
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}

values! {
    /// State of an open connection (`http.connection.state`); `upgraded` is ours, the convention has no word for it.
    ConnectionState {
        /// Open, and no request uses it.
        Idle = "idle",
        /// At least one request is in flight on it.
        Active = "active",
        /// It left HTTP by a 101 or a CONNECT and is no longer the pool's.
        Upgraded = "upgraded",
    }

    /// How an acquire ended.
    AcquireOutcome {
        /// An idle connection was ready.
        Reused = "reused",
        /// A connection was opened, and this was its first request.
        New = "new",
        /// No connection was ready, and one that another request had used became free first.
        Waited = "waited",
        /// No connection could be had.
        Failed = "failed",
        /// The request was dropped before it had a connection.
        Canceled = "canceled",
    }

    /// Why a connection was closed.
    CloseReason {
        /// It was idle for longer than the pool keeps connections.
        IdleTimeout = "idle_timeout",
        /// The peer closed it while no request used it.
        PeerClosedIdle = "peer_closed_idle",
        /// The peer closed it while a request used it.
        PeerClosedActive = "peer_closed_active",
        /// The peer reset it.
        Reset = "reset",
        /// It failed in another way.
        Error = "error",
        /// One side broke the protocol: an answer that is none, bytes that nobody asked for, an HTTP/2 error.
        ProtocolError = "protocol_error",
        /// One side asked for it by `Connection: close`, or the protocol has no keep-alive. An answer that is cut short all
        /// the same shows by its request, which fails.
        ConnectionClose = "connection_close",
        /// The peer said GOAWAY: it takes no more streams on this HTTP/2 connection.
        Goaway = "goaway",
        /// It was taken out of use after errors or timeouts, so that the pool did not use it again.
        Poisoned = "poisoned",
        /// It reached the age at which connections are replaced.
        MaxAge = "max_age",
        /// Its server answered with an error of its own (5xx), after which it was not to be used again.
        Evicted = "evicted",
        /// The program asked for its idle connections to be closed.
        Requested = "requested",
        /// A request was dropped before its response had begun, by its caller or by a timeout, so the connection could not
        /// be used again.
        RequestDropped = "request_dropped",
        /// A response was dropped before its body was read, so the connection could not be used again.
        BodyDropped = "body_dropped",
        /// An upgraded connection came to its end.
        UpgradeEnded = "upgrade_ended",
        /// It was never used: when it was ready, the pool had another HTTP/2 connection that serves all requests.
        Redundant = "redundant",
        /// The client and all of its clones were dropped.
        ClientDropped = "client_dropped",
        /// The task that drove it was dropped without an end of its own, as a runtime does when it shuts down.
        RuntimeShutdown = "runtime_shutdown",
        /// Our side closed it, and why can't be told: the pool had no room for it, or dropped it in another way.
        ClientClosed = "client_closed",
    }

    /// Whether a figure was seen or concluded.
    Certainty {
        /// It was seen to happen.
        Known = "known",
        /// It was concluded from what was seen.
        Inferred = "inferred",
    }

    /// How a pool's connections are observed.
    Observation {
        /// Every open and close is seen.
        Exact = "exact",
        /// Every open is seen, and every close is told by the kernel; only why it closed is concluded.
        Kernel = "kernel",
        /// Closes are concluded from what requests show.
        Estimated = "estimated",
    }

    /// Class of a request's failure (`error.type`); a failing status is its code instead.
    ErrorType {
        /// The host's name could not be resolved.
        Dns = "dns",
        /// No connection could be established.
        Connect = "connect",
        /// The TLS handshake failed.
        Tls = "tls",
        /// A timeout fired.
        Timeout = "timeout",
        /// The peer reset the connection.
        ConnectionReset = "connection_reset",
        /// The peer reset the HTTP/2 stream.
        StreamReset = "stream_reset",
        /// The peer closed the connection before the message was complete.
        IncompleteMessage = "incomplete_message",
        /// The peer broke the protocol.
        Protocol = "protocol",
        /// The client did not follow a redirect: there were too many, or it must not.
        Redirect = "redirect",
        /// The request or its body could not be sent.
        Request = "request",
        /// The response body failed.
        Body = "body",
        /// The breaker rejected the call.
        BreakerOpen = "breaker_open",
        /// A limit of requests in flight refused the call.
        LimitExceeded = "limit_exceeded",
        /// The program shuts down, and the call was refused or cut for it.
        Shutdown = "shutdown",
        /// The resource guard did not let the call through.
        ResourcesExhausted = "resources_exhausted",
        /// The caller dropped the request.
        Canceled = "canceled",
        /// The client of a server left before it had its answer.
        ClientDisconnected = "client_disconnected",
        /// What worked on the request panicked.
        Panic = "panic",
        /// None of the above; the convention's own word.
        Other = "_OTHER",
    }

    /// A part of establishing a connection.
    ConnectPhase {
        /// The host's name is looked up.
        Dns = "dns",
        /// The transport is connected.
        Tcp = "tcp",
        /// TLS is negotiated.
        Tls = "tls",
        /// Transport and TLS together, where they can't be told apart.
        TcpTls = "tcp_tls",
    }

    /// Why requests wait for a connection.
    BlockingReason {
        /// Connections to the destination fail to be established.
        ConnectFailing = "connect_failing",
        /// A connection is being established for them.
        Connecting = "connecting",
        /// Connections are held by those who seem to have forgotten them.
        Leaked = "leaked",
        /// Every connection is in use: the pool is too small for its load.
        InUse = "in_use",
        /// As many requests are in flight as the limit of the pool, or of its client, allows.
        Limit = "limit",
        /// None of these is seen.
        Unknown = "unknown",
    }

    /// Version of the internet protocol (`network.type`).
    NetworkType {
        /// IPv4.
        V4 = "ipv4",
        /// IPv6.
        V6 = "ipv6",
    }

    /// Direction of bytes (`network.io.direction`).
    IoDirection {
        /// Sent.
        Transmit = "transmit",
        /// Received.
        Receive = "receive",
    }

    /// State of a breaker.
    BreakerState {
        /// Calls pass.
        Closed = "closed",
        /// Calls are rejected.
        Open = "open",
        /// A few calls pass to find out whether the destination has recovered.
        HalfOpen = "half_open",
        /// Held open by the user.
        ForcedOpen = "forced_open",
        /// Held closed by the user.
        ForcedClosed = "forced_closed",
        /// Calls pass and are judged, and the breaker never opens.
        MetricsOnly = "metrics_only",
    }

    /// Why a breaker changed its state.
    BreakerReason {
        /// The share of failed calls reached the limit.
        FailureRatio = "failure_ratio",
        /// The share of calls for which nothing could be connected reached the limit.
        ConnectFailureRatio = "connect_failure_ratio",
        /// The share of calls that took too long reached the limit.
        SlowCallRatio = "slow_call_ratio",
        /// As many calls in a row failed as the limit allows.
        ConsecutiveFailures = "consecutive_failures",
        /// It was open before the program was started anew.
        Restored = "restored",
        /// The time to stay open was over.
        OpenTimeElapsed = "open_time_elapsed",
        /// The trial calls succeeded.
        TrialSucceeded = "trial_succeeded",
        /// A trial call failed.
        TrialFailed = "trial_failed",
        /// The user asked for it.
        Manual = "manual",
        /// A command from the dashboard asked for it.
        Forced = "forced",
        /// What a command from the dashboard asked for is over.
        ForceEnded = "force_ended",
        /// A resource of the process was used up.
        Resources = "resources",
        /// The resources of the process are below their limits again.
        ResourcesFreed = "resources_freed",
        /// A health probe succeeded before the time to stay open was over.
        ProbeSucceeded = "probe_succeeded",
        /// A breaker of another crate decided it, and does not tell why.
        External = "external",
    }

    /// How a call under a breaker ended.
    BreakerOutcome {
        /// It succeeded.
        Success = "success",
        /// It failed.
        Failure = "failure",
        /// It was dropped before its end, or is not to be judged.
        Ignored = "ignored",
        /// The breaker did not let it through.
        Rejected = "rejected",
    }

    /// How much of a resource is used.
    ResourceState {
        /// Less than the soft limit.
        Normal = "normal",
        /// The soft limit was reached, the hard one was not.
        Warning = "warning",
        /// The hard limit was reached: requests are refused.
        Exhausted = "exhausted",
    }

    /// A limit of a resource.
    LimitKind {
        /// From here on there is a warning.
        Soft = "soft",
        /// From here on requests are refused.
        Hard = "hard",
    }

    /// What probes say of a destination.
    HealthState {
        /// No probe has ended yet.
        Unknown = "unknown",
        /// It answers as it should.
        Healthy = "healthy",
        /// It answers slowly, or a probe has failed lately.
        Degraded = "degraded",
        /// As many probes in a row failed as the threshold says.
        Failing = "failing",
    }

    /// How a health probe ended.
    ProbeOutcome {
        /// The answer was as expected and in time.
        Success = "success",
        /// The answer was as expected and took too long.
        Slow = "slow",
        /// There was no answer, not in time, or not the expected one.
        Failure = "failure",
    }

    /// How a call under a retry policy ended.
    RetryOutcome {
        /// The first attempt succeeded, or failed in a way that no retry mends.
        FirstTry = "first_try",
        /// A later attempt succeeded.
        AfterRetry = "after_retry",
        /// The last attempt that is allowed failed.
        Exhausted = "exhausted",
        /// A retry was due and the budget refused it.
        BudgetRefused = "budget_refused",
        /// A retry was due and the request can't be sent twice.
        NotReplayable = "not_replayable",
        /// The call was dropped before its end.
        Canceled = "canceled",
    }

    /// Whether a named timeout fired.
    TimeoutOutcome {
        /// The call ended in time.
        InTime = "in_time",
        /// The timeout fired.
        Fired = "fired",
        /// The call was dropped before either.
        Canceled = "canceled",
    }

    /// What came of asking a limit of requests in flight.
    LimitOutcome {
        /// There was room.
        AtOnce = "at_once",
        /// There was room after a wait.
        AfterWait = "after_wait",
        /// There was no room, and none to wait.
        QueueFull = "queue_full",
        /// There was no room in time.
        TimedOut = "timed_out",
        /// The request was dropped while it waited.
        Canceled = "canceled",
    }

    /// Why a session ended: the first reason that there was.
    SessionEnd {
        /// Its holder was done with it.
        Completed = "completed",
        /// Its holder gave it up because of an error.
        Error = "error",
        /// It was not active for too long.
        IdleTimeout = "idle_timeout",
        /// It was there for as long as it may be.
        MaxDuration = "max_duration",
        /// Its other end did not answer when it was asked whether it is there.
        Unresponsive = "unresponsive",
        /// Room was needed for another one.
        Evicted = "evicted",
        /// The program, or this part of it, shuts down.
        Shutdown = "shutdown",
        /// Its holder was dropped before it was done: the task was cancelled, say, or the client is gone.
        Dropped = "dropped",
        /// Its holder panicked.
        Panicked = "panicked",
    }

    /// How a ping of a session ended.
    PingOutcome {
        /// It was answered, or something else came.
        Answered = "answered",
        /// Nothing came in time.
        Missed = "missed",
    }

    /// Why a server's connection was closed.
    ServerCloseReason {
        /// The client closed it while no request was in flight.
        ClientClosed = "client_closed",
        /// The client closed it while a request was in flight.
        ClientClosedActive = "client_closed_active",
        /// The client reset it.
        ClientReset = "client_reset",
        /// One side asked for it by `Connection: close`, or the protocol has no keep-alive.
        ConnectionClose = "connection_close",
        /// It was idle for too long.
        IdleTimeout = "idle_timeout",
        /// It reached the age at which connections are replaced.
        MaxAge = "max_age",
        /// The head of a request did not come in time.
        HeadersTimeout = "headers_timeout",
        /// The body of a request stopped coming.
        ReadTimeout = "read_timeout",
        /// The client stopped reading what was sent to it.
        WriteTimeout = "write_timeout",
        /// The client is gone without a word: it answered neither the kernel nor the pings of its session.
        Unresponsive = "unresponsive",
        /// The client broke the protocol.
        ProtocolError = "protocol_error",
        /// The TLS handshake failed.
        TlsHandshakeFailed = "tls_handshake_failed",
        /// The TLS handshake did not end in time.
        TlsHandshakeTimeout = "tls_handshake_timeout",
        /// Transport failed in another way.
        IoError = "io_error",
        /// What worked on a request panicked.
        Panicked = "panicked",
        /// It left HTTP, and came to its end after that.
        UpgradeEnded = "upgrade_ended",
        /// The program shuts down, and it could end in order.
        Shutdown = "shutdown",
        /// The program shuts down, and it was cut at the deadline.
        ShutdownCut = "shutdown_cut",
        /// The program closed it, and why can't be told: its task was dropped, say.
        Dropped = "dropped",
    }

    /// Why a server turned a connection away.
    RejectReason {
        /// There are as many connections as there may be.
        MaxConnections = "max_connections",
        /// There are as many TLS handshakes under way as there may be.
        MaxHandshakes = "max_handshakes",
    }

    /// How far a request was that its client left.
    DisconnectPhase {
        /// It had no answer yet.
        Waiting = "waiting",
        /// Its answer was not over.
        Responding = "responding",
    }

    /// How a task ended.
    TaskOutcome {
        /// By itself.
        Completed = "completed",
        /// It was told to end, and did.
        Cancelled = "cancelled",
        /// It was cut: it did not end in time when it was told to, or its runtime was gone.
        Aborted = "aborted",
        /// It panicked.
        Panicked = "panicked",
    }

    /// Why a queue dropped an item.
    QueueDropReason {
        /// It was the oldest, and room was needed.
        Oldest = "oldest",
        /// It was the newest, and there was no room.
        Newest = "newest",
        /// Nobody takes items any more.
        Closed = "closed",
    }

    /// State of a supervised connection.
    SupervisorState {
        /// It is being established.
        Connecting = "connecting",
        /// It is there.
        Connected = "connected",
        /// The next attempt waits for its time.
        Waiting = "waiting",
        /// A breaker lets no attempt through.
        BreakerOpen = "breaker_open",
        /// It is closed in order.
        Closing = "closing",
        /// Nobody works on it any more.
        Stopped = "stopped",
    }

    /// Why a supervised connection came into its state.
    SupervisorReason {
        /// It begins.
        Started = "started",
        /// The connection is established.
        Established = "established",
        /// No connection could be established.
        ConnectFailed = "connect_failed",
        /// No connection was established in time.
        ConnectTimeout = "connect_timeout",
        /// The other end closed it.
        PeerClosed = "peer_closed",
        /// It failed.
        Failed = "failed",
        /// Nothing came for too long.
        Silent = "silent",
        /// A message could not be sent in time.
        MessageTimeout = "message_timeout",
        /// The handler of a message failed.
        HandlerFailed = "handler_failed",
        /// The handler of a message took too long.
        HandlerTimeout = "handler_timeout",
        /// The handler panicked.
        HandlerPanicked = "handler_panicked",
        /// The other end did not answer when it was asked whether it is there.
        Unresponsive = "unresponsive",
        /// The breaker rejects attempts.
        BreakerRejected = "breaker_rejected",
        /// It is time for the next attempt.
        Retry = "retry",
        /// There were as many attempts as there may be.
        AttemptsExhausted = "attempts_exhausted",
        /// The program is done with it.
        Requested = "requested",
        /// The program shuts down.
        Shutdown = "shutdown",
        /// It was dropped.
        Dropped = "dropped",
    }

    /// A telemetry signal.
    Signal {
        /// Metrics.
        Metrics = "metrics",
        /// Spans.
        Spans = "spans",
        /// Events.
        Events = "events",
    }
}

/// Methods that the convention knows; every other is [`METHOD_OTHER`].
pub const METHODS: &[&str] =
    &["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", "QUERY"];

/// Stands for everything beyond a limit of names: destinations, breakers, policies, causes.
pub const OVERFLOW: &str = "_OTHER";

/// Value of `http.request.method` for a method that the convention does not know.
pub const METHOD_OTHER: &str = "_OTHER";

/// Values of `network.protocol.version`; HTTP/1.0 and 1.1 share connections, so connections name both `1.1`.
pub mod protocol_version {
    /// HTTP/1.0.
    pub const HTTP_1_0: &str = "1.0";
    /// HTTP/1.1.
    pub const HTTP_1_1: &str = "1.1";
    /// HTTP/2.
    pub const HTTP_2: &str = "2";
    /// HTTP/3.
    pub const HTTP_3: &str = "3";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_survives_the_way_there_and_back() {
        for state in BreakerState::ALL {
            assert_eq!(BreakerState::parse(state.as_str()), Some(*state));
        }
        for reason in CloseReason::ALL {
            assert_eq!(CloseReason::parse(reason.as_str()), Some(*reason));
            assert_eq!(CloseReason::ALL[reason.index()], *reason);
        }
        assert_eq!(ErrorType::parse("no such thing"), None);
    }
}
