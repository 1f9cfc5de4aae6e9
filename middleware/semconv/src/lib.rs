//! Every name that Poolscope emits: metrics, spans, events, attributes, units, bucket bounds and closed value sets.
//!
//! OpenTelemetry's own names are used wherever its semantic conventions (v1.44.0) have one; all others start with
//! `poolscope.` and are shaped like `db.client.connection.*`. Nothing else in the workspace spells such a name, so this
//! crate is the telemetry contract, and its tests hold the rules that every name keeps.
//!
//! ```
//! use poolscope_semconv::{metric, value::AcquireOutcome};
//!
//! assert_eq!(metric::CONNECTION_WAIT_TIME.name, "poolscope.connection.wait_time");
//! assert_eq!(AcquireOutcome::parse("reused"), Some(AcquireOutcome::Reused));
//! ```

pub mod accepted;
pub mod attr;
pub mod def;
pub mod event;
pub mod metric;
pub mod protocol;
pub mod span;
pub mod value;

/// Name of the instrumentation scope of everything that the middleware emits.
pub const SCOPE_NAME: &str = "poolscope";

/// What every name of ours starts with.
pub const PREFIX: &str = "poolscope.";

/// Version of the OpenTelemetry semantic conventions that the non-`poolscope.` names follow.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";
