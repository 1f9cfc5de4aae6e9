//! What both exports, `otlp` and `otlp-sdk`, have in common.

mod events;
mod instance;

pub(crate) use events::{EventLog, logger};
pub(crate) use instance::random_uuid;

/// An export that a shutdown of the scope asks to send what it has.
pub(crate) trait FlushAtEnd: std::fmt::Debug + Send + Sync {
    /// Blocks the thread, for a time that the export bounds.
    fn flush_at_end(&self);
}
