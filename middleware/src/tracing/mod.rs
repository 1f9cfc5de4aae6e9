//! Spans and events in programs that use `tracing`.
//!
//! # Spans
//!
//! A program that has `tracing-opentelemetry` needs nothing of this module for its spans: give the scope the tracer provider
//! that the layer has ([`Scope::set_tracer_provider`](crate::Scope::set_tracer_provider)). The layer makes the OpenTelemetry
//! context of a span current while it is entered, so a request within `#[instrument]` is below that span, also after an
//! `.await`; a task that is spawned needs `.in_current_span()`. In the other direction, what the client runs for a request
//! until the head of the answer is there, from inner layers to the resolver, has the request's span as its parent; so has a
//! connect that goes on in the background when its request has found another connection.
//!
//! This needs the layer's context activation, which is on by default. A request that has no parent and is not sampled is no
//! parent either: what runs within it is sampled by itself.
//!
//! [`Scope::trace_by_tracing`](crate::Scope::trace_by_tracing) makes spans of `tracing` instead, for `fmt`, for other layers,
//! and for programs without OpenTelemetry. They have the target `poolscope`, the same names, in `otel.name`, and the same
//! attributes, with differences that `tracing` makes:
//!
//! - A span begins when it is made. So the wait for a connection is a span only where the layer sees it begin, and the parts of
//!   a connection's set-up are spans only where they are marked, by the resolver, by the transport and by TLS. The attribute
//!   `poolscope.acquire.wait` is there always.
//! - Sessions have none: a span keeps the one above it open, and a session outlasts the request that opened it.
//! - Links and `traceparent` need `tracing-opentelemetry` with its context activation. Without it, the request carries the
//!   OpenTelemetry context that is current, if there is one.
//! - A span costs more, sampled or not: the layer collects its fields before it asks the sampler. Counted by callgrind, around a
//!   service that answers at once: 27,000 instructions a request with `tracing-opentelemetry` 0.34 (without location, threads
//!   and target), 8,600 with nothing but a registry, 300 without a subscriber. OpenTelemetry's own cost 7,900, and 1,900 where
//!   they are not sampled.
//! - With `tracing/log` on and no subscriber, each span and each event becomes lines of the crate `log`.
//!
//! # Events
//!
//! [`TracingEvents`] is a listener that emits each [`Event`](crate::Event) as one of `tracing`.
//!
//! ```
//! use poolscope::{Scope, tracing::TracingEvents};
//!
//! let scope = Scope::new();
//! scope.trace_by_tracing(); // or scope.set_tracer_provider(&provider)
//! scope.listen(TracingEvents);
//! ```

mod events;
mod setup;
mod span;

pub use events::TracingEvents;
pub(crate) use setup::OpenSetup;
pub(crate) use span::{Handle, TracingSpan, TracingSpans, wait};

/// Target of every span and event.
pub(crate) const TARGET: &str = "poolscope";
