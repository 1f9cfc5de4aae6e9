//! A leak on its way to the receiver: as a count, and as a record in the trace of who took the connection.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use opentelemetry::Context;
use opentelemetry::context::FutureExt;
use opentelemetry::trace::{Span, TraceContextExt, Tracer, TracerProvider};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value};
use poolscope::hyper::{ConnectLayer, RequestLayer};
use poolscope::{Origin, Scope};
use poolscope_semconv::{attr, event, metric};
use tokio::net::TcpListener;
use tower::{Layer, Service};

use crate::arrival::text;
use crate::export;
use crate::receiver::{Manner, Receiver, any_port};
use crate::traffic::wait_for;

/// The last value of a count that has arrived.
fn last(receiver: &Receiver, name: &str) -> Option<i64> {
    let received = receiver.received();
    let (_, request) = received.metrics.last()?;
    let metrics = request.resource_metrics.iter().flat_map(|of| &of.scope_metrics).flat_map(|of| &of.metrics);
    let Some(Data::Sum(sum)) = &metrics.into_iter().find(|metric| metric.name == name)?.data else {
        return None;
    };
    match sum.data_points.as_slice() {
        [point] => point.value.as_ref().map(|value| match value {
            Value::AsInt(value) => *value,
            Value::AsDouble(value) => panic!("{value} is no count"),
        }),
        points => panic!("{} points for one pool", points.len()),
    }
}

fn records(receiver: &Receiver, name: &str) -> Vec<LogRecord> {
    let received = receiver.received();
    let logs = received.logs.iter().flat_map(|request| &request.resource_logs);
    let records = logs.flat_map(|logs| &logs.scope_logs).flat_map(|scope| &scope.log_records);
    records.filter(|record| record.event_name == name).cloned().collect()
}

#[tokio::test]
async fn a_leak_arrives_as_a_count_and_as_a_record_in_its_trace() {
    let receiver = Receiver::grpc(Manner::default());
    let scope = Scope::builder().leak_threshold(Some(Duration::from_millis(100))).build();
    let telemetry =
        export(&scope, &receiver.url()).metrics_interval(Duration::from_millis(50)).start().unwrap();

    let listener = TcpListener::bind(any_port()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let app = axum::Router::new().route("/", axum::routing::get(async || vec![b'x'; 128 << 10]));
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let client = scope.client("reports");
    let connector = ConnectLayer::new(&client).layer(HttpConnector::new());
    let mut service =
        RequestLayer::new(&client).layer(Client::builder(TokioExecutor::new()).build(connector));
    let request = http::Request::get(format!("http://{addr}/")).body(Empty::<Bytes>::new()).unwrap();
    let span = telemetry.tracer_provider().tracer("test").start("nightly");
    let trace = span.span_context().trace_id().to_bytes();
    let call = Origin::named("nightly report").in_scope(|| {
        let _entered = Context::current_with_span(span).attach();
        service.call(request)
    });
    let parked = call.with_context(Context::new()).await.unwrap();

    let [suspected, active] = [metric::LEAK_SUSPECTED.name, metric::LEAK_ACTIVE.name];
    wait_for("the counts", || [suspected, active].map(|name| last(&receiver, name)) == [Some(1); 2]).await;
    wait_for("the record", || !records(&receiver, event::LEAK_SUSPECTED).is_empty()).await;
    let connection = scope.snapshot().pools[0].open[0].id;
    parked.into_body().collect().await.unwrap();
    wait_for("the return", || [suspected, active].map(|name| last(&receiver, name)) == [Some(1), Some(0)])
        .await;
    wait_for("its record", || !records(&receiver, event::LEAK_RETURNED).is_empty()).await;
    telemetry.shutdown();
    server.abort();

    for name in [event::LEAK_SUSPECTED, event::LEAK_RETURNED] {
        let records = records(&receiver, name);
        let [record] = records.as_slice() else { panic!("{} of {name}", records.len()) };
        assert_eq!((&record.trace_id[..], record.span_id.len()), (&trace[..], 8), "{name}");
        for (key, expected) in [
            (attr::CLIENT_NAME, "reports"),
            (attr::HTTP_REQUEST_METHOD, "GET"),
            (attr::SERVER_ADDRESS, "127.0.0.1"),
            (attr::LEAK_ORIGIN, "nightly report"),
            (attr::CONNECTION_ID, &format!("IntValue({connection})")),
        ] {
            assert_eq!(text(&record.attributes, key).as_deref(), Some(expected), "{name}");
        }
    }
}
