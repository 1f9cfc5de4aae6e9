//! From OTLP messages to what they mean. Pure: no clock, no state, and nothing that comes in can make it panic.

mod attributes;
mod breaker;
mod foreign;
mod logs;
mod metric;
mod metrics;
mod pool;
mod protection;
mod resource;
mod session;
mod spans;
mod value;

#[cfg(test)]
mod tests;

pub(crate) use logs::logs;
pub(crate) use metrics::{KnownMetric, known_metrics, metrics};
pub(crate) use resource::sender;
pub(crate) use spans::spans;
