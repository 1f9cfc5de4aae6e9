//! The server about itself: what it received and what became of it, what it holds, and who looks.

mod counts;
mod memory;
mod prometheus;
mod ready;
mod report;

pub(crate) use counts::{AtDoor, Counts, Reason, SignalKind};
pub(crate) use prometheus::metrics;
pub(crate) use ready::{Ready, ready};
