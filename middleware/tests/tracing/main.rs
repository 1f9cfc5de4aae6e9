//! Programs that use `tracing`: parents in both directions, spans and events as those of `tracing`, over real sockets.

mod below;
mod events;
mod spans;
mod support;
