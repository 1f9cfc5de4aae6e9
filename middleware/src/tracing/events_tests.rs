//! Tests of [`super::TracingEvents`]: nothing of an event is lost on the way.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use opentelemetry::logs::Severity;
use tracing::field::{Field, Visit};
use tracing::subscriber::with_default;
use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt};

use super::*;
use crate::event::record::tests::{attributes, body, every_event, record};

/// An event of `tracing`.
#[derive(Debug, Clone, Default)]
struct Seen {
    name: String,
    target: String,
    level: String,
    fields: BTreeMap<String, String>,
    trace: Option<TraceId>,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.insert(field.name().to_owned(), value.to_string());
    }
}

#[derive(Clone, Default)]
struct Seeing(Arc<Mutex<Vec<Seen>>>);

impl<S: tracing::Subscriber> Layer<S> for Seeing {
    fn on_event(&self, event: &tracing::Event<'_>, _: LayerContext<'_, S>) {
        let about = event.metadata();
        let span = Context::current().span().span_context().clone();
        let mut seen = Seen {
            name: about.name().to_owned(),
            target: about.target().to_owned(),
            level: about.level().to_string(),
            trace: span.is_valid().then(|| span.trace_id()),
            ..Seen::default()
        };
        event.record(&mut seen);
        self.0.lock().expect("no test panics with it").push(seen);
    }
}

fn emitted(event: &Event) -> Seen {
    let seeing = Seeing::default();
    let subscriber = tracing_subscriber::registry().with(seeing.clone());
    with_default(subscriber, || TracingEvents.on_event(event));
    let mut seen = seeing.0.lock().expect("no test panics with it");
    assert_eq!(seen.len(), 1, "{event:?}");
    seen.remove(0)
}

#[test]
fn every_event_is_what_it_is_over_otlp() {
    for event in every_event() {
        let (mut seen, record) = (emitted(&event), record(&event));
        assert_eq!(Some(&*seen.name), record.event_name());
        assert_eq!(seen.target, "poolscope");
        let level = match record.severity_number() {
            Some(Severity::Error) => "ERROR",
            Some(Severity::Warn) => "WARN",
            Some(Severity::Info) => "INFO",
            Some(Severity::Debug) => "DEBUG",
            other => panic!("{other:?}"),
        };
        assert_eq!(seen.level, level);
        assert_eq!(seen.fields.remove("message"), Some(body(&record)));
        if let Some(trace) = record.trace_context() {
            assert_eq!(seen.trace, Some(trace.trace_id), "layers that ask OpenTelemetry find the trace");
            assert_eq!(seen.fields.remove(TRACE_ID), Some(trace.trace_id.to_string()));
            assert_eq!(seen.fields.remove(SPAN_ID), Some(trace.span_id.to_string()));
        }
        assert_eq!(seen.fields, attributes(&record), "{}", seen.name);
    }
}

#[test]
fn nobody_who_listens_costs_nothing_and_harms_nothing() {
    for event in every_event() {
        with_default(tracing::subscriber::NoSubscriber::default(), || TracingEvents.on_event(&event));
    }
    assert_eq!(Context::current().span().span_context(), &SpanContext::empty_context());
}
