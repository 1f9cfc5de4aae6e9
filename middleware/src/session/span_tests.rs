//! Tests of the spans of sessions, as an exporter gets them.

use std::future::pending;
use std::time::{Duration, SystemTime};

use opentelemetry::Context;
use opentelemetry::trace::{SpanId, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider, SpanData};
use poolscope_semconv::attr;
use tokio::time::{sleep, timeout};

use super::tests::SECOND;
use super::*;
use crate::Scope;

/// A scope that traces, and what comes of it.
struct Traced {
    scope: Scope,
    provider: SdkTracerProvider,
    spans: InMemorySpanExporter,
}

impl Traced {
    fn sampled(sampler: Sampler) -> Self {
        let spans = InMemorySpanExporter::default();
        let provider =
            SdkTracerProvider::builder().with_sampler(sampler).with_simple_exporter(spans.clone()).build();
        let scope = Scope::new();
        assert!(scope.set_tracer_provider(&provider));
        Self { scope, provider, spans }
    }

    fn new() -> Self {
        Self::sampled(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
    }

    fn chats(&self) -> Sessions {
        let chats = self.scope.sessions("chat").idle_timeout(60 * SECOND).overdue_after(SECOND);
        chats.liveness(10 * SECOND, SECOND, 2).build().unwrap()
    }

    /// A request, whose span ends when this returns: long before what it has opened.
    fn within_request<T>(&self, opens: impl FnOnce() -> T) -> T {
        let request = self.provider.tracer("server").start("GET /chat");
        let context = Context::new().with_span(request);
        let opened = {
            let _inside = context.clone().attach();
            opens()
        };
        context.span().end();
        opened
    }

    fn all(&self) -> Vec<SpanData> {
        self.spans.get_finished_spans().unwrap()
    }

    /// The spans of sessions.
    fn of_sessions(&self) -> Vec<SpanData> {
        self.all().into_iter().filter(|span| span.name == "session chat").collect()
    }
}

fn value(span: &SpanData, key: &str) -> Option<String> {
    span.attributes.iter().find(|pair| pair.key.as_str() == key).map(|pair| pair.value.to_string())
}

fn reason(span: &SpanData) -> String {
    value(span, attr::SESSION_END_REASON).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_session_is_below_the_request_that_opened_it_for_as_long_as_it_lasted() {
    let traced = Traced::new();
    let chats = traced.chats();
    let began = SystemTime::now();
    let session = traced.within_request(|| chats.begin("room 7").unwrap());
    session.sent(10);
    session.received(3);
    session.received(4);
    sleep(5 * SECOND).await;
    assert_eq!(traced.all().len(), 1, "nothing of it is held meanwhile");
    session.complete();

    let all = traced.all();
    let [request, span] = &all[..] else { panic!("{all:?}") };
    assert_eq!((&*span.name, &span.span_kind), ("session chat", &SpanKind::Internal));
    assert_eq!(span.parent_span_id, request.span_context.span_id());
    assert_eq!(span.span_context.trace_id(), request.span_context.trace_id());
    let late = span.start_time.duration_since(began).unwrap();
    assert!(late < Duration::from_secs(2), "{late:?}");
    assert_eq!(span.end_time.duration_since(span.start_time).unwrap(), 5 * SECOND);
    let told = [
        (attr::SESSION_NAME, "chat"),
        (attr::SESSION_ID, "1"),
        (attr::SESSION_KEY, "room 7"),
        (attr::SESSION_END_REASON, "completed"),
        (attr::SESSION_MESSAGES_SENT, "1"),
        (attr::SESSION_MESSAGES_RECEIVED, "2"),
        (attr::SESSION_SENT, "10"),
        (attr::SESSION_RECEIVED, "7"),
        (attr::SESSION_MISSED_PINGS, "0"),
    ];
    for (key, expected) in told {
        assert_eq!(value(span, key).as_deref(), Some(expected), "{key}");
    }
    assert_eq!((span.attributes.len(), &span.status), (told.len(), &Status::Unset));
}

#[tokio::test(start_paused = true)]
async fn each_way_out_ends_the_span_once_and_only_a_failure_is_an_error() {
    let traced = Traced::new();
    let chats = traced.chats();
    chats.begin("a").unwrap().fail("broken pipe");
    drop(chats.begin("a").unwrap());
    let panics = chats.begin("a").unwrap();
    let panics = tokio::spawn(async move {
        panics.touch();
        panic!("expected");
    });
    assert!(panics.await.unwrap_err().is_panic());
    let cancelled = chats.begin("a").unwrap();
    let task = tokio::spawn(async move { cancelled.ended().await });
    tokio::task::yield_now().await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    // One that answers once, and then no more.
    let silent = chats.begin("a").unwrap();
    for turn in 0..4 {
        silent.ping_due().await;
        if turn == 1 {
            silent.pong();
        }
    }
    assert_eq!(silent.ended().await, SessionEnd::Unresponsive);
    drop(silent);
    let cut = tokio::spawn(chats.begin("a").unwrap().run(|session| async move {
        let _session = session;
        pending::<()>().await;
    }));
    chats.close();
    assert!(cut.await.unwrap().is_err());

    let spans = traced.of_sessions();
    let told: Vec<_> = spans
        .iter()
        .map(|span| (reason(span), span.status.clone(), value(span, attr::ERROR_TYPE).unwrap_or_default()))
        .collect();
    let row = |reason: SessionEnd, status, error: &str| (reason.to_string(), status, error.to_owned());
    let expected = [
        row(SessionEnd::Error, Status::error("broken pipe"), "_OTHER"),
        row(SessionEnd::Dropped, Status::Unset, ""),
        row(SessionEnd::Panicked, Status::error(""), "panic"),
        row(SessionEnd::Dropped, Status::Unset, ""),
        row(SessionEnd::Unresponsive, Status::error(""), "timeout"),
        row(SessionEnd::Shutdown, Status::Unset, ""),
    ];
    assert_eq!(told, expected);
    // The first of them was made up for by an answer.
    assert_eq!(value(&spans[4], attr::SESSION_MISSED_PINGS).as_deref(), Some("3"));
    assert!(spans.iter().all(|span| span.parent_span_id == SpanId::INVALID), "nothing was above them");
}

#[tokio::test(start_paused = true)]
async fn a_span_lasts_until_the_last_task_of_the_session_is_gone() {
    let traced = Traced::new();
    let chats = traced.chats();
    let session = chats.begin("a").unwrap();
    session.spawn_with("deaf", |_| pending::<()>());
    sleep(2 * SECOND).await;
    drop(session);
    assert!(traced.all().is_empty());
    timeout(5 * SECOND, chats.all_ended()).await.unwrap();
    let spans = traced.of_sessions();
    let lasted = spans[0].end_time.duration_since(spans[0].start_time).unwrap();
    assert!((3 * SECOND..4 * SECOND).contains(&lasted) && spans.len() == 1, "{lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_sees_has_no_span() {
    // Below a span that is not sampled, whatever would be decided of one without it.
    let unseen = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build();
    let traced = Traced { provider: unseen, ..Traced::sampled(Sampler::AlwaysOn) };
    traced.within_request(|| traced.chats().begin("a").unwrap()).complete();
    // Within what telemetry itself does.
    {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        traced.chats().begin("a").unwrap().complete();
    }
    assert!(traced.all().is_empty(), "{:?}", traced.all());
    traced.chats().begin("a").unwrap().complete();
    assert_eq!(traced.all().len(), 1, "the same without either");

    // Where the sampler does not want it.
    let traced = Traced::sampled(Sampler::AlwaysOff);
    traced.chats().begin("a").unwrap().complete();
    assert!(traced.all().is_empty());

    // A scope without a tracer, below a span of somebody else.
    let traced = Traced { scope: Scope::new(), ..Traced::new() };
    traced.within_request(|| traced.chats().begin("a").unwrap()).complete();
    assert_eq!(traced.all().len(), 1, "the request itself");
}

#[cfg(feature = "tracing")]
#[tokio::test(start_paused = true)]
async fn where_spans_are_those_of_tracing_there_is_none() {
    let traced = Traced { scope: Scope::new(), ..Traced::new() };
    assert!(traced.scope.trace_by_tracing());
    traced.within_request(|| traced.chats().begin("a").unwrap()).complete();
    assert!(traced.of_sessions().is_empty());
}
