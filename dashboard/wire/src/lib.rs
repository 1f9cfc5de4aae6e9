//! What travels between the dashboard server and its browser UI: plain data, JSON, nothing else; and how both say figures.
//!
//! Times are Unix milliseconds (`*_ms`), durations are seconds (`*_s`), ratios are 0 to 1. A figure that is not known is
//! `None`, never zero. Closed value sets travel as their text from the telemetry contract, except those that the UI
//! decides on, which are enums here.

mod breaker;
mod control;
mod event;
mod group;
mod history;
pub mod json;
mod lanes;
mod news;
mod own;
mod pool;
mod protection;
mod rule;
mod session;
mod source;
mod status;
mod stream;
pub mod text;
mod trace;
mod warning;

pub use breaker::{Breaker, BreakerState, ForcedBy, Share, Transition};
pub use control::{CONTROL_HEADER, Control, ControlAction, ControlList, ControlOrder, ControlState};
pub use event::{Event, KEPT_HEADER, MATCHING_HEADER};
pub use group::PoolGroup;
pub use history::{
    BreakerCounts, BreakerDetail, BreakerPoint, FigureHistory, FigurePoint, Range, Silence, StateSpan,
    StoreFile,
};
pub use lanes::{ConnectionLane, ConnectionLanes, LaneClose, LaneCounts, LaneLeak, LaneSegment, LaneState};
pub use news::{Number, PoolNews, SparkLine, SparkPoint};
pub use own::{Browser, Loss, Own, SignalFigures};
pub use pool::{
    Connections, CountByReason, FailedConnects, Health, Lack, Observation, PoolDetail, PoolKind, PoolLimit,
    PoolPoint, PoolSummary, Severity, Spread,
};
pub use protection::{
    ClientLimitFigures, Count, Percentiles, ProbeFigures, Protection, ProtectionFigures, QueueFigures,
    ResourceFigures, RetryFigures, ServerFigures, SupervisorFigures, TaskFigures, TimeoutFigures,
    TimeoutLimit,
};
pub use rule::{Level, Rule, RuleSetting, Unit};
pub use session::{SessionPoint, Sessions};
pub use source::PrometheusStatus;
pub use status::{Instance, Limit, Received, Service, Status};
pub use stream::{Full, ServerMessage, Update};
pub use trace::{
    Call, ClockShift, ConnectionSetUp, OutLink, Phase, PhaseKind, Refusal, Refuser, Span, SpanKind, SpanLink,
    SpanNote, TraceDetail, TraceList, TraceStatus, TraceSummary,
};
pub use warning::{Figure, PastWarning, Subject, Warning, WarningLog};

/// Version of this contract; the UI reloads itself when the server speaks another.
pub const WIRE_VERSION: u32 = 11;

/// Paths of the read API.
pub mod path {
    /// [`crate::Status`].
    pub const STATUS: &str = "/api/v1/status";
    /// List of [`crate::Service`].
    pub const SERVICES: &str = "/api/v1/services";
    /// List of [`crate::PoolSummary`]; `/{id}` below it is one [`crate::PoolDetail`], also of a [`crate::PoolGroup`].
    pub const POOLS: &str = "/api/v1/pools";
    /// Below a pool: its [`crate::ConnectionLanes`].
    pub const CONNECTIONS: &str = "connections";
    /// List of [`crate::PoolGroup`].
    pub const GROUPS: &str = "/api/v1/groups";
    /// List of [`crate::Breaker`]; `/{id}` below it is one [`crate::BreakerDetail`].
    pub const BREAKERS: &str = "/api/v1/breakers";
    /// The [`crate::ControlList`], and by POST a [`crate::ControlOrder`], answered by its [`crate::Control`]. Nothing is
    /// there unless the server offers control.
    pub const CONTROL: &str = "/api/v1/control";
    /// List of [`crate::Protection`]; `/{id}` below it is one [`crate::FigureHistory`].
    pub const PROTECTION: &str = "/api/v1/protection";
    /// List of [`crate::Sessions`]; `/{id}` below it is one [`crate::FigureHistory`].
    pub const SESSIONS: &str = "/api/v1/sessions";
    /// List of [`crate::Warning`], worst first.
    pub const WARNINGS: &str = "/api/v1/warnings";
    /// One [`crate::WarningLog`].
    pub const WARNING_LOG: &str = "/api/v1/warnings/log";
    /// List of [`crate::RuleSetting`].
    pub const RULES: &str = "/api/v1/rules";
    /// List of [`crate::Event`], newest first.
    pub const EVENTS: &str = "/api/v1/events";
    /// One [`crate::TraceList`]; `/{trace_id}` below it is one [`crate::TraceDetail`].
    pub const TRACES: &str = "/api/v1/traces";
    /// Server-sent events, each one [`crate::ServerMessage`].
    pub const STREAM: &str = "/api/v1/stream";
    /// Answers `ok` while the server runs.
    pub const HEALTH: &str = "/healthz";
    /// Answers `ready` while the server serves, else with status 503.
    pub const READY: &str = "/readyz";
    /// The server's own figures, as Prometheus reads them.
    pub const METRICS: &str = "/metrics";
    /// The page to log in, where that is asked for.
    pub const LOGIN: &str = "/login";
    /// Ends a login, by POST.
    pub const LOGOUT: &str = "/logout";
}

/// What stands for an instance that has no id, where one is chosen.
pub const NO_ID: &str = "no id";

/// Body of every answer of the read API that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct ApiError {
    /// One sentence that names what was wrong and what to do.
    pub error: String,
}
