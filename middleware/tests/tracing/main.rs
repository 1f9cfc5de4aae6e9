//! Programs that use `tracing`: parents in both directions, spans and events as those of `tracing`, over real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod below;
mod events;
mod spans;
mod support;
