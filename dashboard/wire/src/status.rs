//! The server about itself, and who sends to it.

use serde::{Deserialize, Serialize};

use crate::{Lack, Own, PrometheusStatus, StoreFile};

/// What was received, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Received {
    /// OTLP requests that were taken.
    pub requests: u64,
    /// OTLP requests that were refused: malformed, too large, of a wrong type.
    pub refused_requests: u64,
    /// Metric points that were taken.
    pub metric_points: u64,
    /// Spans that were taken.
    pub spans: u64,
    /// Log records that were taken.
    pub log_records: u64,
    /// Items that were rejected inside requests that were taken.
    pub rejected_items: u64,
}

/// A bound of the server and how full it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limit {
    /// What is bounded, in words: "pools", "events".
    pub name: String,
    /// How much there is.
    pub used: u64,
    /// How much there can be.
    pub max: u64,
    /// How often something was dropped or evicted for it.
    pub hits: u64,
    /// True if what is bounded is a number of bytes.
    pub is_bytes: bool,
}

impl Limit {
    /// The name of the bound of events, which pages look for.
    pub const EVENTS: &'static str = "events";
    /// The name of the bound of pools that are silent for so long that no list has them.
    pub const SILENT_POOLS: &'static str = "silent pools with history";

    /// A bound on how many there are of something.
    #[must_use]
    pub fn new(name: impl Into<String>, used: u64, max: u64, hits: u64) -> Self {
        Self { name: name.into(), used, max, hits, is_bytes: false }
    }

    /// A bound on bytes.
    #[must_use]
    pub fn of_bytes(name: impl Into<String>, used: u64, max: u64, hits: u64) -> Self {
        Self { is_bytes: true, ..Self::new(name, used, max, hits) }
    }
}

/// The server about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Status {
    /// Version of the server.
    pub version: String,
    /// [`crate::WIRE_VERSION`] of the server.
    pub wire_version: u32,
    /// When it started.
    pub started_ms: u64,
    /// Its clock.
    pub now_ms: u64,
    /// How far back it keeps history, if that has come in for so long.
    pub retention_ms: u64,
    /// Address that takes OTLP over gRPC.
    pub otlp_grpc: String,
    /// Address that takes OTLP over HTTP.
    pub otlp_http: String,
    /// How it goes with asking Prometheus, where the figures are from there.
    #[serde(default)]
    pub prometheus: Option<PrometheusStatus>,
    /// What was received.
    pub received: Received,
    /// Bounds and how full they are.
    pub limits: Vec<Limit>,
    /// Browsers that listen to the live stream.
    pub streams: u64,
    /// The file of the history; `None` if there shall be none.
    pub store_file: Option<StoreFile>,
    /// Its own health.
    pub own: Own,
}

/// A running instance of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Instance {
    /// `service.instance.id`.
    pub id: String,
    /// `telemetry.sdk.language`.
    pub language: String,
    /// `service.version`.
    pub version: String,
    /// Number of its pools.
    pub pools: u64,
    /// Number of its breakers.
    pub breakers: u64,
    /// Number of what else protects its calls.
    pub protection: u64,
    /// Number of its registries of sessions.
    pub sessions: u64,
    /// Events that it sent since it is known.
    pub events: u64,
    /// Spans that it sent since it is known.
    pub spans: u64,
    /// When it was first heard.
    pub first_seen_ms: u64,
    /// When it was last heard.
    pub last_seen_ms: u64,
    /// How often it reports metrics; `None` until that is known.
    pub interval_ms: Option<u64>,
    /// By how much its clock is ahead of the server's, negative if it is behind; also the time that a report is on its way.
    pub clock_offset_ms: Option<i64>,
    /// True if it should have reported by now and did not.
    pub vanished: bool,
    /// Items that it lost before they came here, by signal, since it is known.
    pub dropped: Vec<(String, u64)>,
    /// What its pools do not tell.
    pub lacks: Vec<Lack>,
}

/// A service that sends.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Service {
    /// `service.name`.
    pub name: String,
    /// Its instances, by id.
    pub instances: Vec<Instance>,
}
