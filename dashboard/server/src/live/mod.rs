//! The live stream: the whole picture first, then only what changed.
//!
//! One task publishes. It puts an update together once, whoever listens, and does nothing while nobody does. Each
//! listener has a small buffer of its own; who does not empty it in time misses updates and gets the whole picture again.

mod gather;
mod publisher;
mod sse;
mod streams;
mod told;

pub(crate) use publisher::publish;
pub(crate) use sse::stream;
pub(crate) use streams::{Streams, network};
