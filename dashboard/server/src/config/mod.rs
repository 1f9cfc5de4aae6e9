//! What can be set, with the defaults and why they are what they are.
//!
//! A field with its attribute is all that a setting needs: its flag, its environment variable, its key in the
//! configuration file, its line in `--help` and in `--print-config` and its default all come from there.

mod access;
mod file;
mod load;
mod number;
mod print;
mod secret;

#[cfg(test)]
mod tests;

pub use access::{Access, DEFAULT_LOGIN_LIFE_S, Login, Tls};
pub use file::FileError;
pub use load::{LoadError, Loaded, Source, load};
pub(crate) use number::{at_least, bound, within};

pub use secret::{Secret, SecretError};

pub use crate::trace::TraceUrl;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Command};

use crate::host::named_host;
use crate::prometheus::Prometheus;
use crate::rules::RuleArg;

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

/// Where the browser finds the dashboard. Loopback, where nobody has to log in.
pub const DEFAULT_HTTP_ADDR: SocketAddr = loopback(4320);
/// The port that OpenTelemetry gives OTLP over gRPC.
pub const DEFAULT_OTLP_GRPC_ADDR: SocketAddr = loopback(4317);
/// The port that OpenTelemetry gives OTLP over HTTP.
pub const DEFAULT_OTLP_HTTP_ADDR: SocketAddr = loopback(4318);
/// Seconds of history: an incident is looked at the day after, and yesterday at the same hour is what it is compared with.
pub const DEFAULT_RETENTION_S: u64 = 24 * 3600;
/// Seconds after which what is silent leaves the overview: as long as an incident is looked at while it happens.
pub const DEFAULT_FORGET_AFTER_S: u64 = 15 * 60;
/// Mebibytes of the file with `--store`: a day of a thousand busy pools.
pub const DEFAULT_STORE_MAX_MB: u64 = 1_024;
/// Mebibytes of all histories together. A busy pool with a day of history takes about 320 kB, one with 30 days 740 kB.
pub const DEFAULT_MAX_HISTORY_MB: usize = 512;
/// Pools at once. Their series take some 20 kB each, beside the history.
pub const DEFAULT_MAX_POOLS: usize = 2_000;
/// Series of one pool, breaker or whatever else protects: status codes, close reasons and protocols together stay far below.
pub const DEFAULT_MAX_SERIES: usize = 256;
/// Reports of one pool that are kept as they came: a quarter of an hour at one report a second, and some room.
pub const DEFAULT_MAX_POINTS: usize = 1_000;
/// Breakers at once.
pub const DEFAULT_MAX_BREAKERS: usize = 2_000;
/// Retry policies, timeouts, limits of clients, health probes and resources at once.
pub const DEFAULT_MAX_PROTECTION: usize = 2_000;
/// Instances of all services together.
pub const DEFAULT_MAX_INSTANCES: usize = 1_000;
/// Connections of one pool that are kept one by one, closed ones too. With its lane one takes some 10 kB at most.
pub const DEFAULT_MAX_LANES: usize = 1_000;
/// Stretches of the lane of one connection: what it did from second to second for some minutes, and less exactly before.
pub const DEFAULT_MAX_LANE_SEGMENTS: usize = 300;
/// Room for the lanes of all connections together, in stretches of 32 bytes; a connection takes 8 of them besides its own.
pub const DEFAULT_MAX_SEGMENTS: usize = 1_000_000;
/// Events that are kept: half of them routine, of which older ones go first, and half notable, of which older ones are thinned.
pub const DEFAULT_MAX_EVENTS: usize = 5_000;
/// Attributes that are kept of one event.
pub const DEFAULT_MAX_EVENT_ATTRIBUTES: usize = 32;
/// Traces that are kept.
pub const DEFAULT_MAX_TRACES: usize = 2_000;
/// Spans of one trace: a page of the waterfall that somebody still reads.
pub const DEFAULT_MAX_TRACE_SPANS: usize = 200;
/// Bytes of all traces together.
pub const DEFAULT_MAX_TRACE_BYTES: usize = 32 * 1024 * 1024;
/// Milliseconds from which on a trace is slow: where people begin to notice that they wait.
pub const DEFAULT_SLOW_TRACE_MS: u64 = 500;
/// Bytes of one text: a name, an attribute value, a sentence.
pub const DEFAULT_MAX_TEXT_BYTES: usize = 512;
/// Browsers that listen to the live stream at once: each takes a connection, and some are left for everything else.
pub const DEFAULT_MAX_STREAMS: usize = 200;
/// Connections of one listener at once: far more than browsers and exporters of a machine need, and far fewer than files
/// that a process may open.
pub const DEFAULT_MAX_CONNECTIONS: usize = 256;
/// Bytes of one OTLP request as it travels; also gRPC's customary limit.
pub const DEFAULT_MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of one OTLP request after decompression.
pub const DEFAULT_MAX_INFLATED_BYTES: usize = 16 * 1024 * 1024;
/// OTLP requests that are decoded at once. Each can take 150 MB at worst, however it is made.
pub const DEFAULT_MAX_REQUESTS: usize = 4;

/// Bytes of the head of a request, its path and query too: far more than a browser with many cookies sends.
pub const DEFAULT_MAX_HEADER_BYTES: usize = 16 * 1024;
/// Seconds from the first byte of a request to the end of its head; also from a connection to its first request.
pub const DEFAULT_HEADER_TIMEOUT_S: u64 = 10;
/// Seconds after which a connection without a request, or without a byte, is closed. Twice as long as exporters pause
/// by default, so that they keep theirs.
pub const DEFAULT_IDLE_TIMEOUT_S: u64 = 120;

/// Seconds that anything is kept at most: 30 days.
const MAX_KEEP_S: u64 = 30 * 24 * 3600;
/// A lane of fewer stretches tells nothing.
const MIN_LANE_SEGMENTS: u64 = 4;
/// A shorter text tells no name from another.
const MIN_TEXT_BYTES: u64 = 16;
/// A request, its head or a trace does not fit in less.
const MIN_BYTES: u64 = 1024;
/// Of a request: one that takes more of the memory is a slip of who sends it, or of who sets the bound.
const MAX_BODY_BYTES: u64 = 1024 * 1024 * 1024;
/// Of all histories: a tebibyte, more than a machine has to give.
const MAX_HISTORY_MB: u64 = 1024 * 1024;

/// Configuration of a [`crate::Server`]; also its command line.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Addresses and time")]
pub struct Config {
    /// Address of the dashboard for browsers; port 0 takes a free one
    #[arg(long, env = "POOLSCOPE_HTTP_ADDR", default_value_t = DEFAULT_HTTP_ADDR, value_name = "ADDR")]
    pub http_addr: SocketAddr,
    /// Address that takes OTLP over gRPC
    #[arg(long, env = "POOLSCOPE_OTLP_GRPC_ADDR", default_value_t = DEFAULT_OTLP_GRPC_ADDR, value_name = "ADDR")]
    pub otlp_grpc_addr: SocketAddr,
    /// Address that takes OTLP over HTTP, as protobuf or JSON
    #[arg(long, env = "POOLSCOPE_OTLP_HTTP_ADDR", default_value_t = DEFAULT_OTLP_HTTP_ADDR, value_name = "ADDR")]
    pub otlp_http_addr: SocketAddr,
    /// Host name by which browsers and senders may ask; can be given several times. Names of loopback are allowed
    /// always, addresses in digits where the listener is not on loopback
    #[arg(long, env = "POOLSCOPE_ALLOWED_HOST", value_delimiter = ',', value_parser = named_host, value_name = "HOST")]
    pub allowed_host: Vec<String>,
    /// Seconds of history, a day if nothing is said and 2592000 (30 days) at most; the older, the coarser
    #[arg(long = "retention", env = "POOLSCOPE_RETENTION", default_value_t = DEFAULT_RETENTION_S,
        value_parser = within::<1, MAX_KEEP_S>, value_name = "SECONDS")]
    pub retention_s: u64,
    /// Seconds after which a silent pool or breaker leaves the overview; its history stays for the retention
    #[arg(long = "forget-after", env = "POOLSCOPE_FORGET_AFTER", default_value_t = DEFAULT_FORGET_AFTER_S,
        value_parser = within::<1, MAX_KEEP_S>, value_name = "SECONDS")]
    pub forget_after_s: u64,
    /// File in which all that the pages show survives a restart; made if there is none
    #[arg(long, env = "POOLSCOPE_STORE", value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// Mebibytes of that file, best a power of two since it grows by doubling; the oldest goes first
    #[arg(long, env = "POOLSCOPE_STORE_MAX_MB", default_value_t = DEFAULT_STORE_MAX_MB,
        value_parser = within::<16, { u64::MAX }>, value_name = "MIB")]
    pub store_max_mb: u64,
    /// Milliseconds from which on a trace is slow, and kept longer than quick ones
    #[arg(long, env = "POOLSCOPE_SLOW_TRACE_MS", default_value_t = DEFAULT_SLOW_TRACE_MS,
        value_parser = within::<0, { u64::MAX }>, value_name = "MS")]
    pub slow_trace_ms: u64,
    /// Where a trace is shown elsewhere, such as http://jaeger:16686/trace/{trace_id}
    #[arg(long, env = "POOLSCOPE_TRACE_URL", value_name = "TEMPLATE")]
    pub trace_url: Option<TraceUrl>,
    /// Limit of a rule that warns, such as `low_reuse=0.5`, `long_waits=0.2/2` (with what is bad) or `leak=off`; can be
    /// given several times. The page About lists all rules
    #[arg(long, env = "POOLSCOPE_RULE", value_delimiter = ',', value_name = "NAME=LIMIT")]
    pub rule: Vec<RuleArg>,
    /// Who may look and who may send
    #[command(flatten)]
    pub access: Access,
    /// Certificates
    #[command(flatten)]
    pub tls: Tls,
    /// Where the figures are from
    #[command(flatten)]
    pub prometheus: Prometheus,
    /// Bounds of what is kept and taken
    #[command(flatten)]
    pub limits: Limits,
}

impl Config {
    /// How long history is kept.
    #[must_use]
    pub fn retention(&self) -> Duration {
        Duration::from_secs(self.retention_s)
    }

    /// Milliseconds that lanes are kept: what the connections of a pool did one by one is too much to keep for long.
    pub(crate) fn lane_retention_ms(&self) -> u64 {
        self.retention_s.min(self.forget_after_s).saturating_mul(1_000)
    }
}

impl Default for Config {
    fn default() -> Self {
        defaults()
    }
}

/// Bounds. Whatever is dropped for one of them is counted and shown on the About page.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(next_help_heading = "Limits; what is dropped for one is counted on the About page")]
pub struct Limits {
    /// Pools at once; the one that was silent for longest makes room
    #[arg(long, env = "POOLSCOPE_MAX_POOLS", default_value_t = DEFAULT_MAX_POOLS,
        value_parser = at_least::<1>, value_name = "N")]
    pub max_pools: usize,
    /// Series of one pool, breaker or whatever else protects
    #[arg(long, env = "POOLSCOPE_MAX_SERIES", default_value_t = DEFAULT_MAX_SERIES,
        value_parser = at_least::<1>, value_name = "N")]
    pub max_series: usize,
    /// Mebibytes of all histories together; the oldest goes first
    #[arg(long, env = "POOLSCOPE_MAX_HISTORY_MB", default_value_t = DEFAULT_MAX_HISTORY_MB,
        value_parser = bound::<1, MAX_HISTORY_MB>, value_name = "MIB")]
    pub max_history_mb: usize,
    /// Reports of one pool that are kept as they came; with more, those of the last quarter of an hour are merged early
    #[arg(long, env = "POOLSCOPE_MAX_POINTS", default_value_t = DEFAULT_MAX_POINTS,
        value_parser = at_least::<1>, value_name = "N")]
    pub max_points: usize,
    /// Breakers at once
    #[arg(long, env = "POOLSCOPE_MAX_BREAKERS", default_value_t = DEFAULT_MAX_BREAKERS,
        value_parser = at_least::<1>, value_name = "N")]
    pub max_breakers: usize,
    /// Retry policies, timeouts, limits of clients, health probes and resources at once; as many registries of sessions
    #[arg(long, env = "POOLSCOPE_MAX_PROTECTION", default_value_t = DEFAULT_MAX_PROTECTION,
        value_parser = at_least::<1>, value_name = "N")]
    pub max_protection: usize,
    /// Instances of all services together
    #[arg(long, env = "POOLSCOPE_MAX_INSTANCES", default_value_t = DEFAULT_MAX_INSTANCES,
        value_parser = at_least::<1>, value_name = "N")]
    pub max_instances: usize,
    /// Connections of one pool that are kept one by one, closed ones too
    #[arg(long, env = "POOLSCOPE_MAX_LANES", default_value_t = DEFAULT_MAX_LANES,
        value_parser = at_least::<1>, value_name = "N")]
    pub max_lanes: usize,
    /// Stretches of the lane of one connection; beyond it the oldest lose detail
    #[arg(long, env = "POOLSCOPE_MAX_LANE_SEGMENTS", default_value_t = DEFAULT_MAX_LANE_SEGMENTS,
        value_parser = at_least::<MIN_LANE_SEGMENTS>, value_name = "N")]
    pub max_lane_segments: usize,
    /// Stretches of the lanes of all connections together; a connection counts as 8 more
    #[arg(long, env = "POOLSCOPE_MAX_SEGMENTS", default_value_t = DEFAULT_MAX_SEGMENTS,
        value_parser = at_least::<1>, value_name = "N")]
    pub max_segments: usize,
    /// Events that are kept
    #[arg(long, env = "POOLSCOPE_MAX_EVENTS", default_value_t = DEFAULT_MAX_EVENTS,
        value_parser = at_least::<1>, value_name = "N")]
    pub max_events: usize,
    /// Traces that are kept; quick good ones make room first
    #[arg(long, env = "POOLSCOPE_MAX_TRACES", default_value_t = DEFAULT_MAX_TRACES,
        value_parser = at_least::<1>, value_name = "N")]
    pub max_traces: usize,
    /// Spans that are kept of one trace
    #[arg(long, env = "POOLSCOPE_MAX_TRACE_SPANS", default_value_t = DEFAULT_MAX_TRACE_SPANS,
        value_parser = at_least::<1>, value_name = "N")]
    pub max_trace_spans: usize,
    /// Bytes of all traces together
    #[arg(long, env = "POOLSCOPE_MAX_TRACE_BYTES", default_value_t = DEFAULT_MAX_TRACE_BYTES,
        value_parser = at_least::<MIN_BYTES>, value_name = "BYTES")]
    pub max_trace_bytes: usize,
    /// Attributes that are kept of one event or span
    #[arg(long, env = "POOLSCOPE_MAX_EVENT_ATTRIBUTES", default_value_t = DEFAULT_MAX_EVENT_ATTRIBUTES,
        value_parser = at_least::<1>, value_name = "N")]
    pub max_event_attributes: usize,
    /// Bytes of one name, value or sentence
    #[arg(long, env = "POOLSCOPE_MAX_TEXT_BYTES", default_value_t = DEFAULT_MAX_TEXT_BYTES,
        value_parser = at_least::<MIN_TEXT_BYTES>, value_name = "BYTES")]
    pub max_text_bytes: usize,
    /// Browsers that listen to the live stream at once
    #[arg(long, env = "POOLSCOPE_MAX_STREAMS", default_value_t = DEFAULT_MAX_STREAMS,
        value_parser = at_least::<1>, value_name = "N")]
    pub max_streams: usize,
    /// Connections of one listener at once; the one that was idle for longest makes room, and one address gets at most
    /// seven eighths
    #[arg(long, env = "POOLSCOPE_MAX_CONNECTIONS", default_value_t = DEFAULT_MAX_CONNECTIONS,
        value_parser = at_least::<1>, value_name = "N")]
    pub max_connections: usize,
    /// Bytes of one OTLP request over HTTP as it travels; over gRPC those after decompression are its bound
    #[arg(long, env = "POOLSCOPE_MAX_BODY_BYTES", default_value_t = DEFAULT_MAX_BODY_BYTES,
        value_parser = bound::<MIN_BYTES, MAX_BODY_BYTES>, value_name = "BYTES")]
    pub max_body_bytes: usize,
    /// Bytes of one OTLP request after decompression
    #[arg(long, env = "POOLSCOPE_MAX_INFLATED_BYTES", default_value_t = DEFAULT_MAX_INFLATED_BYTES,
        value_parser = bound::<MIN_BYTES, MAX_BODY_BYTES>, value_name = "BYTES")]
    pub max_inflated_bytes: usize,
    /// OTLP requests that are decoded at once; each can take some 150 MB of memory at worst
    #[arg(long, env = "POOLSCOPE_MAX_REQUESTS", default_value_t = DEFAULT_MAX_REQUESTS,
        value_parser = at_least::<1>, value_name = "N")]
    pub max_requests: usize,
    /// Bytes of the head of a request: path, query and headers
    #[arg(long, env = "POOLSCOPE_MAX_HEADER_BYTES", default_value_t = DEFAULT_MAX_HEADER_BYTES,
        value_parser = at_least::<MIN_BYTES>, value_name = "BYTES")]
    pub max_header_bytes: usize,
    /// Seconds that the head of a request may take to arrive
    #[arg(long = "header-timeout", env = "POOLSCOPE_HEADER_TIMEOUT", default_value_t = DEFAULT_HEADER_TIMEOUT_S,
        value_parser = within::<1, 3600>, value_name = "SECONDS")]
    pub header_timeout_s: u64,
    /// Seconds after which a connection is closed that nobody uses, or that takes nothing more
    #[arg(long = "idle-timeout", env = "POOLSCOPE_IDLE_TIMEOUT", default_value_t = DEFAULT_IDLE_TIMEOUT_S,
        value_parser = within::<1, { 24 * 3600 }>, value_name = "SECONDS")]
    pub idle_timeout_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        defaults()
    }
}

/// The defaults that the fields name. The environment is left out: a library must not read it unasked.
pub(crate) fn defaults<A: Args>() -> A {
    let command = A::augment_args(Command::new("defaults")).mut_args(|arg| arg.env(None::<&str>));
    let matches = command.get_matches_from(["defaults"]);
    // A test holds it.
    A::from_arg_matches(&matches).expect("every field has a default or is optional")
}
