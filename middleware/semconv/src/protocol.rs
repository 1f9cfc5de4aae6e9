//! What the exporter and the dashboard say to each other beside OTLP.

pub mod control;

/// Header (and gRPC metadata key) by which the dashboard introduces itself in every OTLP answer.
///
/// An exporter that sees it sends metrics every second, so that the picture is live, instead of every minute.
pub const DASHBOARD_HEADER: &str = "poolscope-dashboard";
