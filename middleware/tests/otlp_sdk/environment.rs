//! What the environment says, in a process of its own, since the SDK reads that of the process.

use std::process::{Command, Output};

use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use poolscope::Scope;
use poolscope::otlp_sdk::OtlpSdk;
use tracing_subscriber::layer::SubscriberExt;

use crate::arrival::work;
use crate::receiver::{Manner, Receiver};
use crate::records;

/// Tells a test that it runs in a process of its own, with the environment that it is about.
const CHILD: &str = "POOLSCOPE_TEST_CHILD";

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs a test again in a process of its own.
fn run(test: &str, environment: &[(&str, &str)]) -> Output {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "--nocapture", test]).env(CHILD, "1");
    child.envs(environment.iter().copied()).output().unwrap()
}

/// The program that is looked at.
async fn program() {
    let scope = Scope::new();
    let telemetry = OtlpSdk::new(&scope).start().unwrap();
    // All that any crate says goes to the same receiver: a loop, were it told what sending makes them say.
    let bridge = OpenTelemetryTracingBridge::new(telemetry.logger_provider());
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(bridge)).unwrap();
    tracing::info!("checkout");
    work(&scope).await;
    // What this one made them say would be sent by the end.
    telemetry.flush().unwrap();
    telemetry.shutdown().unwrap();
    let [pool, _] = &scope.snapshot().pools[..] else { panic!("two pools") };
    assert_eq!(pool.client, "payments", "nothing of the exporter's is a pool");
}

#[test]
fn it_says_where_and_how_and_the_exporters_own_words_are_not_sent() {
    if is_child() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(program());
    }
    for (receiver, protocol) in
        [(Receiver::grpc(Manner::default()), "grpc"), (Receiver::http(Manner::default()), "HTTP/protobuf")]
    {
        let output = run(
            "environment::it_says_where_and_how_and_the_exporters_own_words_are_not_sent",
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
                ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
                ("OTEL_EXPORTER_OTLP_HEADERS", "tenant=blue"),
                ("OTEL_SERVICE_NAME", "shop"),
                ("OTEL_RESOURCE_ATTRIBUTES", "service.version=7"),
            ],
        );
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let received = receiver.received();
        for headers in &received.headers {
            let encoding = headers.get("grpc-encoding").or_else(|| headers.get("content-encoding"));
            assert_eq!(
                (encoding.unwrap().as_bytes(), headers["tenant"].as_bytes()),
                (&b"gzip"[..], &b"blue"[..])
            );
        }
        let said: Vec<_> = records(&received).iter().map(|(scope, _)| (*scope).to_owned()).collect();
        assert!(said.iter().any(|scope| scope == module_path!()), "{said:?}");
        assert!(
            said.iter().all(|scope| !["h2", "tonic", "reqwest"].iter().any(|of| scope.starts_with(of))),
            "{said:?}"
        );
        let metrics = &received.metrics[0].1.resource_metrics[0];
        let resource = &metrics.resource.as_ref().unwrap().attributes;
        for (key, value) in [("service.name", "shop"), ("service.version", "7")] {
            assert_eq!(crate::text(resource, key).as_deref(), Some(value));
        }
    }
}

#[test]
fn a_protocol_that_is_not_offered_is_named() {
    if is_child() {
        let error = OtlpSdk::new(&Scope::new()).start().unwrap_err();
        return println!("{error}");
    }
    let output = run(
        "environment::a_protocol_that_is_not_offered_is_named",
        &[("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json")],
    );
    let said = String::from_utf8_lossy(&output.stdout);
    let sentence = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is \"http/json\", but must be grpc or http/protobuf";
    assert!(output.status.success() && said.contains(sentence), "{said}");
}
