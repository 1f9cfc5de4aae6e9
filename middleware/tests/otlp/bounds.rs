//! A receiver that is down or silent costs bounded time, and what is lost is counted.

use std::time::{Duration, Instant};

use opentelemetry::trace::{Span, Tracer, TracerProvider};
use poolscope::Scope;
use poolscope::otlp::{Otlp, OtlpError};
use poolscope_semconv::value::Signal;

use crate::receiver::{Manner, Receiver, Reply, any_port};
use crate::traffic::{failed_request, free_addr, traffic, wait_for};
use crate::{export, http_export};

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

#[tokio::test]
async fn nobody_listens() {
    let url = format!("http://{}", free_addr());
    for over_http in [false, true] {
        let scope = Scope::new();
        let export = if over_http { http_export(&scope, &url) } else { export(&scope, &url) };
        let started = Instant::now();
        let telemetry = export.start().unwrap();
        assert!(seconds(started) < 1.0, "start took {}", seconds(started));
        traffic(&scope, "payments").await;
        wait_for("lost metrics", || telemetry.dropped(Signal::Metrics) > 0).await;
        wait_for("lost spans", || telemetry.dropped(Signal::Spans) >= 4).await;
        wait_for("lost events", || telemetry.dropped(Signal::Events) >= 2).await;
        let started = Instant::now();
        telemetry.shutdown();
        assert!(seconds(started) < 6.0, "shutdown took {}", seconds(started));
    }
}

#[tokio::test]
async fn somebody_listens_and_is_silent() {
    let silent = std::net::TcpListener::bind(any_port()).unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    for over_http in [false, true] {
        let scope = Scope::new();
        let export = if over_http { http_export(&scope, &url) } else { export(&scope, &url) };
        // Longer than any shutdown may take, so that the shutdown must give up by itself.
        let telemetry = export.timeout(Duration::from_secs(60)).start().unwrap();
        traffic(&scope, "payments").await;
        let started = Instant::now();
        telemetry.shutdown_within(Duration::from_secs(1));
        assert!(seconds(started) < 2.0, "shutdown took {}", seconds(started));
    }
}

#[cfg(feature = "shutdown")]
#[tokio::test]
async fn the_shutdown_of_a_scope_does_not_wait_for_a_silent_receiver() {
    let silent = std::net::TcpListener::bind(any_port()).unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let scope = Scope::new();
    let telemetry = export(&scope, &url).timeout(Duration::from_secs(60)).start().unwrap();
    let tracer = telemetry.tracer_provider().tracer("test");
    tracer.start("span").end();
    traffic(&scope, "payments").await;
    let started = Instant::now();
    assert!(scope.shutdown(Duration::ZERO).await.is_clean());
    assert!((4.0..6.0).contains(&seconds(started)), "shutdown took {}", seconds(started));
    telemetry.shutdown_within(Duration::from_secs(1));
}

#[tokio::test]
async fn events_while_the_export_ends_are_sent_or_counted() {
    let receiver = Receiver::http(Manner::scripted(&[Reply::Silent { taken: false }; 100]));
    let scope = Scope::new();
    let telemetry = http_export(&scope, &receiver.url()).start().unwrap();
    failed_request(&scope).await;
    let ending = telemetry.shutdown_async(Duration::from_millis(800));
    // The end begins first.
    let (lost, ()) = tokio::join!(ending, async {
        for _ in 0..3 {
            failed_request(&scope).await;
        }
    });
    assert_eq!(lost.events, 4);
}

#[tokio::test]
async fn a_limit_beyond_all_time_is_no_limit() {
    let receiver = Receiver::grpc(Manner::default());
    let telemetry = export(&Scope::new(), &receiver.url()).start().unwrap();
    telemetry.shutdown_within(Duration::MAX);
    assert!(!receiver.received().metrics.is_empty());
}

#[test]
fn ending_spans_never_waits_for_a_receiver() {
    let silent = std::net::TcpListener::bind(any_port()).unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let telemetry = export(&Scope::new(), &url).start().unwrap();
    let tracer = telemetry.tracer_provider().tracer("test");
    let started = Instant::now();
    for _ in 0..50_000 {
        tracer.start("span").end();
    }
    assert!(seconds(started) < 5.0, "50,000 spans took {}", seconds(started));
    telemetry.shutdown_within(Duration::from_millis(500));
}

#[test]
fn the_end_releases_the_scope() {
    let scope = Scope::new();
    let source = crate::traffic::Asked::default();
    let count = std::sync::Arc::clone(&source.observed);
    scope.show_breakers(source);
    let telemetry = export(&scope, &format!("http://{}", free_addr())).start().unwrap();
    drop(scope);
    assert_eq!(std::sync::Arc::strong_count(&count), 2, "the exporter holds the scope");
    telemetry.shutdown();
    // The thread ends after the shutdown was released.
    let started = Instant::now();
    while std::sync::Arc::strong_count(&count) > 1 {
        assert!(seconds(started) < 5.0, "something still holds the scope");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn a_source_that_panics_ends_no_export() {
    struct Bad;
    impl poolscope::BreakerSource for Bad {
        fn breakers(&self) -> Vec<poolscope::BreakerSnapshot> {
            panic!("a bad source")
        }
    }
    let scope = Scope::new();
    scope.show_breakers(Bad);
    let export = export(&scope, &format!("http://{}", free_addr()));
    let telemetry = export.metrics_interval(Duration::from_millis(20)).start().unwrap();
    wait_for("three lost exports", || telemetry.dropped(Signal::Metrics) >= 3).await;
    telemetry.shutdown();
}

#[test]
fn a_wrong_setting_is_an_error_and_starts_nothing() {
    let scope = Scope::new();
    let error = Otlp::new(&scope)
        .environment(|name| (name == "OTEL_EXPORTER_OTLP_PROTOCOL").then(|| "http/json".to_owned()))
        .start()
        .unwrap_err();
    assert!(matches!(error, OtlpError::Setting { .. }));
    assert_eq!(
        error.to_string(),
        "OTEL_EXPORTER_OTLP_PROTOCOL is \"http/json\", but must be grpc or http/protobuf (http/json is not offered; \
         http/protobuf goes to the same port)"
    );
}

#[cfg(feature = "otlp-tls")]
#[tokio::test]
async fn a_receiver_without_the_tls_that_was_asked_for_is_a_counted_loss() {
    let plain = Receiver::grpc(Manner::default());
    let url = plain.url().replace("http:", "https:");
    let scope = Scope::new();
    for export in [export(&scope, &url), http_export(&scope, &url)] {
        let telemetry = export.start().unwrap();
        wait_for("lost metrics", || telemetry.dropped(Signal::Metrics) > 0).await;
        telemetry.shutdown();
    }
}
