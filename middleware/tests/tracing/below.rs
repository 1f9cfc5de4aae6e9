//! OpenTelemetry's own spans in a program that uses tracing-opentelemetry.

use std::sync::Arc;

use opentelemetry::trace::{SpanId, TracerProvider};
use opentelemetry_sdk::trace::Sampler;
use poolscope::Scope;
use poolscope_semconv::span;
use tokio::sync::Semaphore;
use tracing::{Instrument, info_span};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::*;

/// What must hold for one request to `/` within [`handler`], whatever makes its span.
fn check_parents(program: &Program, upstream: &Upstream) {
    let (handler, request) = (program.one("handler"), program.one("GET"));
    assert_eq!(request.parent_span_id, id(&handler));
    let trace = handler.span_context.trace_id();
    assert_eq!(upstream.parents(), [format!("00-{trace}-{}-01", id(&request))]);
    for name in ["sign", "token", "resolve"] {
        let inner = program.one(name);
        assert_eq!(inner.parent_span_id, id(&request), "{name}");
        assert_eq!(inner.span_context.trace_id(), trace);
        assert!(request.start_time <= inner.start_time && inner.end_time <= request.end_time, "{name}");
    }
    let setup = program.one(span::CONNECTION_SETUP);
    assert_eq!(setup.parent_span_id, SpanId::INVALID);
    assert_ne!(setup.span_context.trace_id(), trace);
    assert_eq!(request.links.links.len(), 1);
    assert_eq!(request.links.links[0].span_context, setup.span_context);
}

#[tokio::test]
async fn a_request_is_below_the_span_it_is_made_in_and_above_those_within_it() {
    for make in CLIENTS {
        let (program, upstream) = (Program::new(), Upstream::start().await);
        let get = make(&program.direct(), open());
        handler(&get, upstream.url("/")).await.unwrap();
        check_parents(&program, &upstream);
        drop(program);
        // The same by spans of `tracing`.
        let (program, upstream) = (Program::new(), Upstream::start().await);
        let get = make(&by_tracing(), open());
        handler(&get, upstream.url("/")).await.unwrap();
        check_parents(&program, &upstream);
    }
}

#[tokio::test]
async fn a_spawned_task_takes_its_span_along_only_if_it_is_told_to() {
    for scope in [|program: &Program| program.direct(), |_: &Program| by_tracing()] {
        let (program, upstream) = (Program::new(), Upstream::start().await);
        let get: Arc<Get> = Arc::new(hyper(&scope(&program), open()));
        let outer = info_span!("outer");
        let task = |get: Arc<Get>, url| async move { get(url).await.unwrap() };
        outer
            .in_scope(|| tokio::spawn(task(get.clone(), upstream.url("/")).in_current_span()))
            .await
            .unwrap();
        outer.in_scope(|| tokio::spawn(task(get.clone(), upstream.url("/")))).await.unwrap();
        drop(outer);
        let parents: Vec<_> = program.requests().iter().map(|request| request.parent_span_id).collect();
        assert_eq!(parents, [id(&program.one("outer")), SpanId::INVALID]);
    }
}

#[tokio::test]
async fn a_request_ends_with_its_body() {
    for make in CLIENTS {
        for scope in [|program: &Program| program.direct(), |_: &Program| by_tracing()] {
            let (program, upstream) = (Program::new(), Upstream::start().await);
            let get = make(&scope(&program), open());
            handler(&get, upstream.url("/slow")).await.unwrap();
            let (handler, request) = (program.one("handler"), program.one("GET"));
            assert!(took(&request) >= SLOW, "{:?}", took(&request));
            assert!(handler.start_time <= request.start_time && request.end_time <= handler.end_time);
        }
    }
}

/// A connect that its request did not need goes on in the background, with its look-up.
#[tokio::test]
async fn a_look_up_that_outlives_its_request_is_below_it_all_the_same() {
    for scope in [|program: &Program| program.direct(), |_: &Program| by_tracing()] {
        let (program, upstream) = (Program::new(), Upstream::start().await);
        let gate = Arc::new(Semaphore::new(1));
        let get = hyper(&scope(&program), gate.clone());
        let (slow, second) =
            tokio::join!(get(upstream.url("/slow")).instrument(info_span!("first")), async {
                // The first has the only connection, and the next look-up waits at the gate.
                while program.all().iter().all(|span| span.name != "resolve") {
                    tokio::task::yield_now().await;
                }
                get(upstream.url("/")).instrument(info_span!("second")).await
            });
        slow.unwrap();
        second.unwrap();
        let second = program.one("second");
        let request = program.requests().into_iter().find(|one| one.parent_span_id == id(&second)).unwrap();
        assert_eq!(program.all().iter().filter(|span| span.name == "resolve").count(), 1);
        gate.add_permits(1);
        let late = loop {
            let resolved = program.all().into_iter().filter(|span| span.name == "resolve").nth(1);
            if let Some(late) = resolved {
                break late;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(late.parent_span_id, id(&request));
        assert!(late.start_time > request.end_time);
    }
}

#[tokio::test]
async fn what_is_not_sampled_is_in_no_trace_and_says_so_to_the_server() {
    for scope in [|program: &Program| program.direct(), |_: &Program| by_tracing()] {
        let sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOff));
        let (program, upstream) = (Program::with(sampler, Activation::On), Upstream::start().await);
        let get = reqwest(&scope(&program), open());
        let trace = async {
            get(upstream.url("/")).await.unwrap();
            use opentelemetry::trace::TraceContextExt;
            opentelemetry::Context::current().span().span_context().trace_id()
        };
        let trace = trace.instrument(info_span!("outer")).await;
        assert_eq!(program.all(), []);
        let parents = upstream.parents();
        let (start, end) = (format!("00-{trace}-"), "-00");
        assert!(parents[0].starts_with(&start) && parents[0].ends_with(end), "{parents:?}");
    }
}

#[tokio::test]
async fn without_context_activation_only_spans_of_tracing_know_their_parents() {
    let sampler = || Sampler::AlwaysOn;
    let (program, upstream) = (Program::with(sampler(), Activation::Off), Upstream::start().await);
    handler(&hyper(&program.direct(), open()), upstream.url("/")).await.unwrap();
    assert_eq!(program.one("GET").parent_span_id, SpanId::INVALID);
    assert_eq!(program.one("sign").parent_span_id, id(&program.one("handler")));
    drop(program);

    let program = Program::with(sampler(), Activation::Off);
    handler(&hyper(&by_tracing(), open()), upstream.url("/")).await.unwrap();
    let request = program.one("GET");
    assert_eq!(request.parent_span_id, id(&program.one("handler")));
    assert_eq!(program.one("sign").parent_span_id, id(&request));
    assert_eq!(upstream.parents()[1], "none", "nobody tells its identity");
    assert!(request.links.links.is_empty());
}

#[tokio::test]
async fn a_subscriber_without_opentelemetry_changes_nothing_for_a_provider() {
    let program = Program::new();
    let _other = tracing::subscriber::set_default(
        tracing_subscriber::registry().with(tracing_subscriber::fmt::layer().with_test_writer()),
    );
    let upstream = Upstream::start().await;
    handler(&hyper(&program.direct(), open()), upstream.url("/")).await.unwrap();
    assert_eq!(program.one("GET").parent_span_id, SpanId::INVALID);
    assert_eq!(
        program.all().len(),
        5,
        "the request, its wait, the set-up and its parts: {:#?}",
        program.all()
    );
}

#[tokio::test]
async fn the_tracer_of_a_scope_is_chosen_once() {
    let program = Program::new();
    let scope = program.direct();
    assert!(!scope.trace_by_tracing());
    let scope = by_tracing();
    assert!(!scope.set_tracer_provider(&program.provider));
    let _ = program.provider.tracer("other");
    assert!(!Scope::clone(&scope).trace_by_tracing());
}
