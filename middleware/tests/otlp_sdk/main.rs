//! The SDK's pipeline, against a real receiver.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod arrival;
mod ends;
mod environment;
#[path = "../otlp/manner.rs"]
#[expect(dead_code, reason = "the tests of the other export use more of it")]
mod manner;
#[path = "../otlp/receiver.rs"]
#[expect(dead_code, reason = "the tests of the other export use more of it")]
mod receiver;
#[path = "../otlp/traffic.rs"]
#[expect(dead_code, reason = "the tests of the other export use more of it")]
mod traffic;

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use poolscope::Scope;
use poolscope::otlp_sdk::{OtlpSdk, Protocol};

use manner::Received;
use receiver::{Manner, Receiver};

/// A receiver of each protocol.
fn receivers() -> [(Receiver, Protocol); 2] {
    [
        (Receiver::grpc(Manner::default()), Protocol::Grpc),
        (Receiver::http(Manner::default()), Protocol::HttpBinary),
    ]
}

fn export(scope: &Scope, receiver: &Receiver, protocol: Protocol) -> OtlpSdk {
    OtlpSdk::new(scope).service_name("shop").endpoint(receiver.url()).protocol(protocol)
}

/// An attribute as text.
fn text(pairs: &[KeyValue], key: &str) -> Option<String> {
    let value = pairs.iter().find(|pair| pair.key == key)?.value.as_ref()?.value.as_ref()?;
    Some(match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("{key} is {other:?}"),
    })
}

/// All log records, with the name of their scope.
fn records(received: &Received) -> Vec<(&str, &LogRecord)> {
    let resources = received.logs.iter().flat_map(|request| &request.resource_logs);
    let scopes = resources.flat_map(|logs| &logs.scope_logs);
    let named = |scope| -> &str { Option::as_ref(scope).map_or("", |scope: &Named| &scope.name) };
    scopes
        .flat_map(|scope| scope.log_records.iter().map(move |record| (named(&scope.scope), record)))
        .collect()
}

type Named = opentelemetry_proto::tonic::common::v1::InstrumentationScope;
