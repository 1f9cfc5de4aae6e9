//! What a decoded OTLP request means: plain data that borrows from the request, between decoding and the store.

use std::borrow::Cow;

use poolscope_semconv::value::{ConnectPhase, Observation};
use poolscope_wire::{PhaseKind, SpanKind};

/// Who sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sender<'a> {
    pub(crate) service: &'a str,
    pub(crate) instance: &'a str,
    pub(crate) language: &'a str,
    pub(crate) version: &'a str,
}

/// All that one resource says about pools, breakers and what else protects calls in one request.
#[derive(Debug, Default)]
pub(crate) struct Report<'a> {
    pub(crate) sender: Sender<'a>,
    pub(crate) pools: Vec<PoolReading<'a>>,
    pub(crate) breakers: Vec<BreakerReading<'a>>,
    pub(crate) protection: Vec<ProtectionReading<'a>>,
    pub(crate) sessions: Vec<SessionReading<'a>>,
    pub(crate) dropped: Vec<DroppedReading<'a>>,
}

/// What the connections of a pool lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum PoolKind {
    #[default]
    Http,
    Database,
}

/// The part of a pool's identity that a point carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Destination<'a> {
    pub(crate) kind: PoolKind,
    /// Name of the client, or of the pool where it is one of a database.
    pub(crate) client: &'a str,
    pub(crate) scheme: &'a str,
    pub(crate) address: &'a str,
    pub(crate) port: u16,
}

impl<'a> Destination<'a> {
    /// Senders leave the port out where it is the scheme's own.
    pub(crate) fn new(client: &'a str, scheme: &'a str, address: &'a str, port: Option<u16>) -> Self {
        let usual = match scheme {
            "https" => 443,
            "http" => 80,
            _ => 0,
        };
        Self { kind: PoolKind::Http, client, scheme, address, port: port.unwrap_or(usual) }
    }

    /// A database pool has a name, and what it leads to is a part of that; else it is told by where it leads.
    pub(crate) fn database(name: &'a str, namespace: &'a str, address: &'a str, port: Option<u16>) -> Self {
        let kind = PoolKind::Database;
        match name {
            "" => Self { kind, client: namespace, scheme: "", address, port: port.unwrap_or(0) },
            name => Self { kind, client: name, ..Self::default() },
        }
    }
}

/// What a point of a pool measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PoolFigure {
    /// Open connections; the label is the state.
    Open,
    /// Connections that are being established.
    Connecting,
    InFlight,
    Pending,
    /// Most connections that the pool opens.
    Max,
    /// Most idle connections that it keeps.
    IdleMax,
    /// Fewest idle connections that it keeps.
    IdleMin,
    /// Connections that are reported as leaked now.
    Leaked,
    /// Most requests that the limit lets be in flight.
    Limit,
    /// Requests in flight under the limit.
    Limited,
    /// Requests that wait for their turn under the limit.
    Queued,
    /// Time that the oldest of them has waited.
    OldestWait,
    /// Requests that asked the limit; marked if they were refused.
    Asked,
    /// The label is the outcome.
    Acquires,
    Opened,
    /// The label is the `error.type`; the part may be known.
    Failed,
    /// Connects that were given up.
    Abandoned,
    /// Closed without having served a request.
    Wasted,
    StaleReuse,
    /// Waits for a connection that were given up.
    Timeouts,
    /// All that were ever reported as leaked.
    Leaks,
    Retransmits,
    /// The label is the reason; marked if it was concluded.
    Closed,
    /// Time to establish a connection.
    Create,
    /// Time of the part of it.
    Phase,
    /// Time between two uses.
    Idle,
    /// Requests of closed connections.
    Requests,
    Rtt,
    /// Bytes; the label is the direction.
    Io,
    Wait,
    /// .NET's wait for a connection, which stands in for [`PoolFigure::Wait`].
    Queue,
    Use,
    /// The label is the status code or `error.type`; marked if it is a failure.
    Duration,
    /// Life of closed connections, whose count stands in for [`PoolFigure::Closed`].
    Lifetime,
}

impl PoolFigure {
    /// True if it holds at a moment, and is not counted.
    pub(crate) fn is_gauge(self) -> bool {
        matches!(
            self,
            Self::Open
                | Self::Connecting
                | Self::InFlight
                | Self::Pending
                | Self::Max
                | Self::IdleMax
                | Self::IdleMin
                | Self::Leaked
                | Self::Limit
                | Self::Limited
                | Self::Queued
                | Self::OldestWait
        )
    }

    /// True if it tells how many there are at a moment; a limit does not.
    pub(crate) fn is_count(self) -> bool {
        let is_other =
            matches!(self, Self::Max | Self::IdleMax | Self::IdleMin | Self::Limit | Self::OldestWait);
        self.is_gauge() && !is_other
    }
}

/// One point of a pool.
#[derive(Debug)]
pub(crate) struct PoolReading<'a> {
    pub(crate) destination: Destination<'a>,
    pub(crate) figure: PoolFigure,
    pub(crate) label: Cow<'a, str>,
    pub(crate) marked: bool,
    /// Part of a connect.
    pub(crate) phase: Option<ConnectPhase>,
    pub(crate) observation: Observation,
    pub(crate) protocol: Option<&'a str>,
    pub(crate) reading: Reading<'a>,
}

/// What a point of a breaker measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum BreakerFigure {
    /// 0 or 1; the label is the state.
    State,
    /// The label is the reason.
    Transitions,
    /// The label is the outcome.
    Calls,
    /// The share of such calls in the window.
    Ratio(Judged),
    /// The share of such calls at which it opens.
    Limit(Judged),
    WindowCalls,
    OpenRemaining,
}

/// Calls that a breaker judges the share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Judged {
    Failed,
    Slow,
    /// Nothing could be connected for them.
    Unconnected,
}

impl Judged {
    pub(crate) const COUNT: usize = 3;
}

/// One point of a breaker.
#[derive(Debug)]
pub(crate) struct BreakerReading<'a> {
    pub(crate) name: &'a str,
    pub(crate) figure: BreakerFigure,
    pub(crate) label: &'a str,
    pub(crate) reading: Reading<'a>,
}

/// What protects calls beside breakers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ProtectionKind {
    Retry,
    Timeout,
    /// The limit of all requests of a client.
    Limit,
    Probe,
    Resource,
}

/// What a point of something that protects measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ProtectionFigure {
    /// The label is the outcome.
    RetryCalls,
    /// The label is the cause.
    RetryAttempts,
    /// The label is the status code or `error.type` that calls ended with.
    RetryResults,
    RetryDelay,
    /// The label is the outcome.
    TimeoutCalls,
    /// The label is the destination; empty if there is one for all.
    TimeoutLimit,
    TimeoutUsed,
    LimitMax,
    LimitInUse,
    LimitQueued,
    LimitQueueMax,
    /// 0 or 1; the label is the state.
    ProbeState,
    /// The label is the outcome.
    Probes,
    ProbeDuration,
    ResourceUsage,
    ResourcePeak,
    /// The label is the kind of the limit.
    ResourceLimit,
    ResourceRefused,
}

impl ProtectionFigure {
    pub(crate) fn kind(self) -> ProtectionKind {
        match self {
            Self::RetryCalls | Self::RetryAttempts | Self::RetryResults | Self::RetryDelay => {
                ProtectionKind::Retry
            }
            Self::TimeoutCalls | Self::TimeoutLimit | Self::TimeoutUsed => ProtectionKind::Timeout,
            Self::LimitMax | Self::LimitInUse | Self::LimitQueued | Self::LimitQueueMax => {
                ProtectionKind::Limit
            }
            Self::ProbeState | Self::Probes | Self::ProbeDuration => ProtectionKind::Probe,
            Self::ResourceUsage | Self::ResourcePeak | Self::ResourceLimit | Self::ResourceRefused => {
                ProtectionKind::Resource
            }
        }
    }

    /// True if it is counted, and does not hold at a moment.
    pub(crate) fn is_counted(self) -> bool {
        matches!(
            self,
            Self::RetryCalls
                | Self::RetryAttempts
                | Self::RetryResults
                | Self::TimeoutCalls
                | Self::Probes
                | Self::ResourceRefused
        )
    }
}

/// One point of something that protects.
#[derive(Debug)]
pub(crate) struct ProtectionReading<'a> {
    /// Of the policy, timeout, client, probe or resource.
    pub(crate) name: &'a str,
    /// The guard of a resource; empty for everything else.
    pub(crate) guard: &'a str,
    pub(crate) figure: ProtectionFigure,
    pub(crate) label: Cow<'a, str>,
    pub(crate) reading: Reading<'a>,
}

/// What a point of a registry of sessions measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SessionFigure {
    Active,
    Limit,
    Started,
    Refused,
    /// The label is the reason.
    Ended,
    Duration,
    Overdue,
    OldestAge,
    LateSweeps,
}

impl SessionFigure {
    /// True if it is counted, and does not hold at a moment.
    pub(crate) fn is_counted(self) -> bool {
        matches!(self, Self::Started | Self::Refused | Self::Ended | Self::LateSweeps)
    }
}

/// One point of a registry of sessions.
#[derive(Debug)]
pub(crate) struct SessionReading<'a> {
    pub(crate) name: &'a str,
    pub(crate) figure: SessionFigure,
    pub(crate) label: &'a str,
    pub(crate) reading: Reading<'a>,
}

/// How much of a signal a sender lost.
#[derive(Debug)]
pub(crate) struct DroppedReading<'a> {
    pub(crate) signal: &'a str,
    pub(crate) reading: Reading<'a>,
}

/// A value, and the series and the time that it belongs to.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    /// Hash of metric and attributes, the same whenever the series is seen again.
    pub(crate) series: u64,
    pub(crate) start_ns: u64,
    pub(crate) time_ns: u64,
    pub(crate) value: Value<'a>,
}

/// Buckets of one histogram. SDKs have 15 unless their user gives bounds, and whoever gives some counts them in tens; a
/// pool keeps a dozen sums over them for each of its series and for each second of the last minute.
pub(crate) const MAX_BUCKETS: usize = 256;

/// No time that is told here is longer than 30 years, and no count of a distribution needs a greater bound. What is
/// beyond would not even fit the numbers that browsers are told.
pub(crate) const GREATEST: f64 = 1e9;

/// True for what a bucket may end with.
pub(crate) fn is_plausible_bound(bound: f64) -> bool {
    bound.is_finite() && bound.abs() <= GREATEST
}

/// The value of a point; a delta is what was added since the point before.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Number { value: f64, delta: bool },
    Histogram { bounds: Cow<'a, [f64]>, counts: Cow<'a, [u64]>, delta: bool },
}

/// A log record that is an event.
#[derive(Debug)]
pub(crate) struct EventRecord<'a> {
    pub(crate) sender: Sender<'a>,
    pub(crate) name: &'a str,
    pub(crate) time_ns: u64,
    /// OTLP severity number.
    pub(crate) severity: i32,
    pub(crate) body: Option<Cow<'a, str>>,
    pub(crate) attributes: Vec<(&'a str, Cow<'a, str>)>,
    /// Connections of a pool's snapshot, which are no attributes here.
    pub(crate) rows: Vec<&'a str>,
    /// Attributes beyond the limit.
    pub(crate) dropped_attributes: usize,
    pub(crate) trace_id: &'a [u8],
}

impl EventRecord<'_> {
    /// Text of an attribute.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_ref())
    }

    /// Number of an attribute, if it is one.
    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        self.get(key)?.parse().ok().filter(|number: &f64| number.is_finite())
    }
}

/// A span.
#[derive(Debug)]
pub(crate) struct SpanRecord<'a> {
    pub(crate) sender: Sender<'a>,
    pub(crate) trace_id: u128,
    pub(crate) span_id: u64,
    /// The span above; 0 if it begins its trace.
    pub(crate) parent: u64,
    pub(crate) kind: SpanKind,
    pub(crate) name: &'a str,
    pub(crate) start_ns: u64,
    /// Never before the begin.
    pub(crate) end_ns: u64,
    pub(crate) failed: bool,
    /// Class of the failure, if it failed and tells it.
    pub(crate) error: Option<Cow<'a, str>>,
    pub(crate) error_text: &'a str,
    /// The part of a request or set-up that it stands for.
    pub(crate) part: Option<PhaseKind>,
    /// It is the set-up of a connection.
    pub(crate) is_setup: bool,
    /// A call that was turned away before it became a request.
    pub(crate) is_refusal: bool,
    pub(crate) call: Option<CallRecord<'a>>,
    pub(crate) destination: Option<Destination<'a>>,
    /// Name of the breaker that it names.
    pub(crate) breaker: Option<&'a str>,
    /// Address and port of the other side.
    pub(crate) peer: Option<(&'a str, Option<u16>)>,
    pub(crate) attributes: Vec<(&'a str, Cow<'a, str>)>,
    pub(crate) notes: Vec<NoteRecord<'a>>,
    /// Trace and span of each.
    pub(crate) links: Vec<(u128, u64)>,
    /// Attributes, notes and links beyond the bounds.
    pub(crate) dropped: usize,
}

/// What a span tells of a moment.
#[derive(Debug)]
pub(crate) struct NoteRecord<'a> {
    pub(crate) name: &'a str,
    pub(crate) time_ns: u64,
    pub(crate) attributes: Vec<(&'a str, Cow<'a, str>)>,
}

/// What a span tells as an HTTP request of a client. Times are in seconds, and finite.
#[derive(Debug)]
pub(crate) struct CallRecord<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: Cow<'a, str>,
    pub(crate) status_code: Option<u16>,
    pub(crate) resends: u32,
    pub(crate) connection: Option<u64>,
    pub(crate) acquire: Option<&'a str>,
    /// From its begin until it had a connection.
    pub(crate) wait_s: Option<f64>,
    /// Before its begin, for its turn under a limit.
    pub(crate) limit_s: Option<f64>,
    /// From its begin until the head of the answer was there.
    pub(crate) headers_s: Option<f64>,
    pub(crate) idle_s: Option<f64>,
    pub(crate) stale: bool,
}

/// Items of a request that could not be taken, and why the first of them could not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rejected {
    pub(crate) count: u64,
    pub(crate) reason: Option<String>,
}

impl Rejected {
    /// Counts items; the reason is made only for the first.
    pub(crate) fn add(&mut self, count: usize, reason: impl FnOnce() -> String) {
        self.count += count as u64;
        self.reason.get_or_insert_with(reason);
    }

    /// Counts what else of the request could not be taken.
    pub(crate) fn append(&mut self, more: Self) {
        self.count += more.count;
        self.reason = self.reason.take().or(more.reason);
    }

    /// One sentence for the sender.
    pub(crate) fn sentence(&self) -> String {
        self.reason.as_ref().map_or_else(String::new, |reason| match self.count {
            1 => reason.clone(),
            count => format!("{reason} (the first of {count} that were rejected)"),
        })
    }
}
