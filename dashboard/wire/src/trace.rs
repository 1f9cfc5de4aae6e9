//! Traces: where the time of a call went.

use serde::{Deserialize, Serialize};

/// How a trace went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceStatus {
    /// Quick, and nothing failed.
    #[default]
    Good,
    /// It took as long as the server calls slow, or longer.
    Slow,
    /// A breaker, a limit or a resource guard turned a call of it away, and no request failed.
    Rejected,
    /// A span of it failed.
    Failed,
}

/// Which side of a call a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanKind {
    /// A part of something in its process.
    #[default]
    Internal,
    /// It answers a call.
    Server,
    /// It calls.
    Client,
    /// It sends a message.
    Producer,
    /// It takes a message.
    Consumer,
}

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseKind {
    /// It waits for its turn under a limit of requests in flight.
    #[default]
    Limit,
    /// It waits for a connection.
    Wait,
    /// Its name is looked up, while it waits for the connection.
    Dns,
    /// The transport of its connection is made.
    Tcp,
    /// The TLS handshake of its connection.
    Tls,
    /// Transport and TLS, where they can't be told apart.
    TcpTls,
    /// It is sent, and the head of the answer comes.
    Headers,
    /// The body of the answer comes.
    Body,
    /// Head and body of the answer, where they can't be told apart.
    Exchange,
}

/// A part of a request, placed in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Phase {
    /// Which part.
    pub kind: PhaseKind,
    /// When it began, since the begin of the trace; in the set-up of a connection, since the begin of that.
    pub start_s: f64,
    /// How long it took.
    pub duration_s: f64,
}

/// What turns calls away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refuser {
    /// A breaker that is not closed.
    #[default]
    Breaker,
    /// A limit of requests in flight.
    Limit,
    /// A resource guard.
    Guard,
}

/// A call that was turned away before it was sent: by whom, as its span tells it. What that does not tell is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Refusal {
    /// What turned it away.
    pub by: Refuser,
    /// Name of the breaker, of the client whose limit it is, or of the guard.
    pub name: String,
    /// Where the call was to go.
    pub destination: String,
    /// What there was too little of.
    pub resource: String,
    /// The breaker, by id.
    pub breaker: Option<String>,
}

/// One line of the list of traces.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TraceSummary {
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// When it began.
    pub at_ms: u64,
    /// How long it took.
    pub duration_s: f64,
    /// How it went.
    pub status: TraceStatus,
    /// Service of its first span.
    pub service: String,
    /// Name of its first span.
    pub name: String,
    /// Method and address of its longest failed request, or of its longest one.
    pub request: Option<String>,
    /// Why the first span that failed did: an `error.type`, a status code, or what it says itself.
    pub error: Option<String>,
    /// The first call of it that was turned away.
    pub refusal: Option<Refusal>,
    /// True if something failed and was tried again with success, so that the trace as a whole did not fail.
    pub recovered: bool,
    /// Parts of its requests, the first of them if there are many, since the begin of its first span.
    pub phases: Vec<Phase>,
    /// HTTP requests, each attempt counted.
    pub requests: u64,
    /// Attempts that sent a request again.
    pub resends: u64,
    /// Spans that are kept.
    pub spans: u64,
    /// Pools that its requests went through, by id.
    pub pools: Vec<String>,
    /// True if spans of it are missing.
    pub incomplete: bool,
}

/// Answer to a question for traces.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TraceList {
    /// The first of those that match.
    pub traces: Vec<TraceSummary>,
    /// How many match.
    pub matching: u64,
    /// How many are kept.
    pub kept: u64,
    /// From how long on a trace is slow.
    pub slow_s: f64,
    /// True if spans have ever come.
    pub any_spans: bool,
    /// Since when all that failed are kept; those that began before are a sample. `None` if none has made room.
    pub failed_since_ms: Option<u64>,
    /// The same of those that were slow.
    pub slow_since_ms: Option<u64>,
    /// The same of those that were turned away.
    pub rejected_since_ms: Option<u64>,
}

/// Something that a span tells of a moment, such as an exception.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SpanNote {
    /// Its name.
    pub name: String,
    /// When, since the begin of the trace.
    pub at_s: f64,
    /// Its attributes, bounded in number and length.
    pub attributes: Vec<(String, String)>,
}

/// A span elsewhere that a span points to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SpanLink {
    /// Trace of the span.
    pub trace_id: String,
    /// The span.
    pub span_id: String,
    /// True if it is kept here.
    pub kept: bool,
    /// True if it is the set-up of the connection that served the request.
    pub set_up: bool,
}

/// The set-up of the connection that served a request.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ConnectionSetUp {
    /// Trace of the set-up.
    pub trace_id: String,
    /// True if the request waited for it; its parts then are among those of the request.
    pub waited_for: bool,
    /// How long the connection had been open when the request began.
    pub opened_before_s: f64,
    /// How long the set-up took.
    pub duration_s: f64,
    /// Its parts.
    pub phases: Vec<Phase>,
    /// Address of the other side.
    pub peer: Option<String>,
}

/// What a span tells as an HTTP request of a client.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Call {
    /// Method.
    pub method: String,
    /// Address without credentials, as its sender tells it.
    pub url: String,
    /// Status code of the answer.
    pub status_code: Option<u16>,
    /// Which attempt it is, from 1 on.
    pub attempt: u64,
    /// Pool that it went through, by id.
    pub pool: Option<String>,
    /// Connection that served it, unique in its process.
    pub connection: Option<u64>,
    /// How it got its connection: a value of the telemetry contract, such as `reused`.
    pub acquire: Option<String>,
    /// How long its connection had been idle.
    pub idle_s: Option<f64>,
    /// True if the peer had closed the connection already.
    pub stale: bool,
    /// Set-up of the connection, if it is kept.
    pub set_up: Option<ConnectionSetUp>,
}

/// One span of a trace.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Span {
    /// 16 hexadecimal digits.
    pub span_id: String,
    /// Span that it is below.
    pub parent: Option<String>,
    /// True if that one is not here.
    pub parent_missing: bool,
    /// How many spans it is below.
    pub depth: u64,
    /// Its name.
    pub name: String,
    /// Service that sent it.
    pub service: String,
    /// Instance of the service.
    pub instance: String,
    /// Its side.
    pub kind: SpanKind,
    /// When it began, since the begin of the trace.
    pub start_s: f64,
    /// How long it took.
    pub duration_s: f64,
    /// True if it failed.
    pub failed: bool,
    /// Why: an `error.type` or a status code.
    pub error: Option<String>,
    /// What it says itself of its failure.
    pub error_text: Option<String>,
    /// The part of the request or set-up above that it stands for.
    pub part: Option<PhaseKind>,
    /// What it tells as an HTTP request of a client.
    pub call: Option<Call>,
    /// Breaker that it names, by id.
    pub breaker: Option<String>,
    /// Its parts, in the order of time.
    pub phases: Vec<Phase>,
    /// Attributes as they came, bounded in number and length.
    pub attributes: Vec<(String, String)>,
    /// Attributes and moments beyond the bounds.
    pub dropped: u64,
    /// What it tells of moments.
    pub notes: Vec<SpanNote>,
    /// Spans elsewhere that it points to.
    pub links: Vec<SpanLink>,
}

/// A service whose clock is off from the one that called it; its spans are shifted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ClockShift {
    /// The service.
    pub service: String,
    /// Its instance.
    pub instance: String,
    /// By how much its spans are shifted; positive where its clock is behind.
    pub shift_s: f64,
}

/// Another place that shows a trace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OutLink {
    /// Host of the address.
    pub host: String,
    /// The address, always of http or https.
    pub url: String,
}

/// One trace.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TraceDetail {
    /// What the list tells of it.
    pub summary: TraceSummary,
    /// From its begin to the end of its last span; what the waterfall shows.
    pub extent_s: f64,
    /// Its spans, each below its parent, in the order of time.
    pub spans: Vec<Span>,
    /// True if the span that it begins with is not here.
    pub root_missing: bool,
    /// Spans for which there was no room in the trace.
    pub dropped_spans: u64,
    /// True if earlier spans of it made room for other traces.
    pub evicted_before: bool,
    /// How far the clock of its sender is off from the server's, if so far that it is placed at its arrival instead;
    /// positive where it is ahead.
    pub clock_off_s: Option<f64>,
    /// Services whose clocks are off from those that called them.
    pub clocks: Vec<ClockShift>,
    /// True if it is the set-up of a connection.
    pub is_set_up: bool,
    /// The newest traces whose requests the connection served, if it is the set-up of one.
    pub served: Vec<TraceSummary>,
    /// Where it is shown elsewhere.
    pub elsewhere: Option<OutLink>,
}
