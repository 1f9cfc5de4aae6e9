//! How it ends: in time, by every way, and with a scope that goes on.

use std::time::{Duration, Instant};

use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::trace::Sampler;
use poolscope::Scope;
use poolscope::otlp_sdk::{DEFAULT_SHUTDOWN_TIMEOUT, OtlpSdk, Protocol};
use poolscope_semconv::event;

use crate::manner::Reply;
use crate::receiver::{Manner, Receiver};
use crate::traffic::{failed_request, free_addr};
use crate::{export, receivers, records};

fn failures(receiver: &Receiver) -> usize {
    let received = receiver.received();
    records(&received).iter().filter(|(_, record)| record.event_name == event::CONNECTION_FAILED).count()
}

#[tokio::test]
async fn what_is_dropped_has_sent_all_and_the_scope_goes_on() {
    for (receiver, protocol) in receivers() {
        let scope = Scope::new();
        let telemetry = export(&scope, &receiver, protocol).start().unwrap();
        let tracer_provider = telemetry.tracer_provider().clone();
        failed_request(&scope).await;
        drop(telemetry);
        assert_eq!(failures(&receiver), 1);
        let exports = |receiver: &Receiver| receiver.received().headers.len();
        assert_eq!(exports(&receiver), 3, "one of each signal");
        failed_request(&scope).await;
        assert_eq!(scope.snapshot().pools.len(), 2, "it counts on");
        assert!(tracer_provider.force_flush().is_err(), "a clone of a provider keeps nothing alive");
        assert_eq!(exports(&receiver), 3);

        // The place of the bridge is free again.
        let again = export(&scope, &receiver, protocol).start().unwrap();
        failed_request(&scope).await;
        again.shutdown().unwrap();
        assert_eq!(failures(&receiver), 2, "what happened between them is told by the metrics alone");
        assert_eq!(receiver.received().metrics.len(), 2);
    }
}

#[tokio::test]
async fn a_second_one_beside_it_is_refused() {
    let receiver = Receiver::grpc(Manner::default());
    let scope = Scope::new();
    let telemetry = export(&scope, &receiver, Protocol::Grpc).start().unwrap();
    let error = export(&scope, &receiver, Protocol::Grpc).start().unwrap_err().to_string();
    assert!(error.starts_with("the scope has a bridge to a MeterProvider already"), "{error}");
    telemetry.shutdown().unwrap();
}

#[tokio::test]
async fn an_end_in_order_sends_what_there_is() {
    let receiver = Receiver::grpc(Manner::default());
    let scope = Scope::new();
    let telemetry = export(&scope, &receiver, Protocol::Grpc).start().unwrap();
    failed_request(&scope).await;
    scope.shutdown(Duration::from_secs(1)).await;
    assert_eq!(failures(&receiver), 1);
    assert_eq!(receiver.received().metrics.len(), 1);
    assert_eq!(receiver.received().traces.len(), 1);
    drop(telemetry);
}

#[tokio::test]
async fn a_receiver_that_never_answers_holds_up_no_end() {
    const NEVER: &[Reply] = &[Reply::Silent { taken: false }; 20];
    for (receiver, protocol) in [
        (Receiver::grpc(Manner::scripted(NEVER)), Protocol::Grpc),
        (Receiver::http(Manner::scripted(NEVER)), Protocol::HttpBinary),
    ] {
        let scope = Scope::new();
        let telemetry = export(&scope, &receiver, protocol).start().unwrap();
        failed_request(&scope).await;
        let started = Instant::now();
        let result = telemetry.shutdown();
        assert!(
            matches!(result, Err(OTelSdkError::Timeout(_) | OTelSdkError::InternalFailure(_))),
            "{result:?}"
        );
        let lasted = started.elapsed();
        assert!(lasted >= DEFAULT_SHUTDOWN_TIMEOUT, "it gave up after {lasted:?}");
        assert!(lasted < DEFAULT_SHUTDOWN_TIMEOUT + Duration::from_secs(1), "{lasted:?}");
    }
}

#[tokio::test]
async fn an_end_says_that_nobody_listened() {
    let scope = Scope::new();
    let nobody = format!("http://{}", free_addr());
    let telemetry = OtlpSdk::new(&scope).endpoint(nobody).start().unwrap();
    failed_request(&scope).await;
    telemetry.shutdown().unwrap_err();
}

#[tokio::test]
async fn hooks_reach_the_sdk_s_own_builders() {
    use opentelemetry_sdk::metrics::{Aggregation, Instrument, Stream};
    let receiver = Receiver::grpc(Manner::default());
    let scope = Scope::new();
    let telemetry = export(&scope, &receiver, Protocol::Grpc)
        .tracer_provider(|builder| builder.with_sampler(Sampler::AlwaysOff))
        .meter_provider(|builder| {
            builder.with_view(|instrument: &Instrument| {
                let is_kept = instrument.name() == "poolscope.connection.acquires";
                (!is_kept)
                    .then(|| Stream::builder().with_aggregation(Aggregation::Drop).build().ok())
                    .flatten()
            })
        })
        .start()
        .unwrap();
    failed_request(&scope).await;
    telemetry.shutdown().unwrap();
    let received = receiver.received();
    assert_eq!(received.traces.len(), 0);
    let metrics = &received.metrics[0].1.resource_metrics[0].scope_metrics[0].metrics;
    let names: Vec<_> = metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(names, ["poolscope.connection.acquires"]);
}
