//! Spans and events in programs that use `tracing`.
//!
//! # Spans
//!
//! A program that has `tracing-opentelemetry` needs nothing of this module for its spans: give the scope the tracer provider
//! that the layer has ([`Scope::set_tracer_provider`](crate::Scope::set_tracer_provider)). The layer makes the OpenTelemetry
//! context of a span current while it is entered, so a request within `#[instrument]` is below that span, also after an
//! `.await`; a task that is spawned needs `.in_current_span()`. In the other direction, what the client runs for a request,
//! from inner layers to the resolver, has the request's span as its parent.
//!
//! This is lost where the layer's `with_context_activation(false)` was called, and above or below a span that a filter took
//! out. A request that is not sampled and has no parent is none to others: what runs within it is judged by itself.
//!
//! [`Scope::trace_by_tracing`](crate::Scope::trace_by_tracing) makes spans of `tracing` instead, for `fmt`, for other layers,
//! and for programs without OpenTelemetry. They have the target `poolscope`, the same names, in `otel.name`, and the same
//! attributes, with differences that `tracing` makes:
//!
//! - A span begins when it is made. So the wait for a connection is a span only where the layer sees it begin, and the parts of
//!   a connection's set-up are spans only where they are marked, by the resolver, by the transport and by TLS. The attribute
//!   `poolscope.acquire.wait` is there always.
//! - Links and `traceparent` need `tracing-opentelemetry` with its context activation, which is on by default. Without it, the
//!   request carries the OpenTelemetry context that is current, if there is one.
//! - A span costs more, sampled or not: the layer collects its fields before it asks the sampler.
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
