//! Exports as services send them, one of each signal, and the roads on which they come.

use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::*;

pub(super) const PROTOBUF: &str = "application/x-protobuf";
pub(super) const JSON: &str = "application/json";

/// One export, in both of its forms.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) path: &'static str,
    pub(super) grpc_path: &'static str,
    pub(super) json: Vec<u8>,
    pub(super) protobuf: Vec<u8>,
}

/// One of each signal.
pub(super) fn samples() -> [Sample; 3] {
    let now = now_ns();
    let pool = [text(attr::SERVER_ADDRESS, "pay"), text(attr::URL_SCHEME, "https")];
    let mut states = pool.to_vec();
    states.push(text(attr::HTTP_CONNECTION_STATE, "idle"));
    let open = json!({ "attributes": states, "startTimeUnixNano": now, "timeUnixNano": now, "asInt": "2" });
    let waits = json!({
        "attributes": pool, "timeUnixNano": now, "count": "3", "sum": 0.2, "explicitBounds": [0.1, 0.2],
        "bucketCounts": ["1", "2", "0"],
        "exemplars": [{ "timeUnixNano": now, "asDouble": 0.1, "traceId": "0af7651916cd43dd8448eb211c80319c" }],
    });
    let metrics = json!({ "resourceMetrics": [{ "resource": resource(), "scopeMetrics": [{ "metrics": [
        { "name": metric::HTTP_CLIENT_OPEN_CONNECTIONS.name,
          "sum": { "aggregationTemporality": 2, "dataPoints": [open] } },
        { "name": metric::CONNECTION_WAIT_TIME.name, "unit": "s",
          "histogram": { "aggregationTemporality": 2, "dataPoints": [waits] } },
    ] }] }] });
    let span = json!({
        "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "GET", "kind": 3,
        "startTimeUnixNano": now, "endTimeUnixNano": now, "attributes": pool, "status": { "code": 2, "message": "no" },
        "events": [{ "name": "e", "timeUnixNano": now }],
        "links": [{ "traceId": "1af7651916cd43dd8448eb211c80319c", "spanId": "c7ad6b7169203331" }],
    });
    let traces =
        json!({ "resourceSpans": [{ "resource": resource(), "scopeSpans": [{ "spans": [span] }] }] });
    [
        sample::<ExportMetricsServiceRequest>("metrics", "metrics.v1.Metrics", &metrics),
        sample::<ExportTraceServiceRequest>("traces", "trace.v1.Trace", &traces),
        of_logs(&transition()),
    ]
}

fn of_logs(request: &ExportLogsServiceRequest) -> Sample {
    sample::<ExportLogsServiceRequest>("logs", "logs.v1.Logs", &serde_json::to_value(request).unwrap())
}

fn sample<S: prost::Message + DeserializeOwned>(path: &str, service: &str, json: &Json) -> Sample {
    let request: S = serde_json::from_value(json.clone()).unwrap();
    Sample {
        path: format!("/v1/{path}").leak(),
        grpc_path: format!("/opentelemetry.proto.collector.{service}Service/Export").leak(),
        json: serde_json::to_vec(json).unwrap(),
        protobuf: request.encode_to_vec(),
    }
}

/// Now, as JSON has it.
pub(super) fn now_ns() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_nanos().to_string()
}

/// A connection by gRPC over which anything can be sent.
pub(super) struct Wire(SendRequest<Full<bytes::Bytes>>);

impl Wire {
    pub(super) async fn open(program: &Program) -> Self {
        let stream = TcpStream::connect(program.grpc).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    /// The code of the answer.
    pub(super) async fn call(&mut self, path: &str, encoding: Option<&str>, body: Vec<u8>) -> Code {
        let uri = format!("http://localhost{path}");
        let mut request =
            http::Request::post(uri).header("content-type", "application/grpc").header("te", "trailers");
        if let Some(encoding) = encoding {
            request = request.header("grpc-encoding", encoding);
        }
        let request = request.body(Full::from(body)).unwrap();
        let (head, body) = self.0.send_request(request).await.unwrap().into_parts();
        let trailers = body.collect().await.unwrap().trailers().cloned();
        let code = |headers: &http::HeaderMap| {
            headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
        };
        code(&head.headers).or_else(|| code(&trailers?)).unwrap()
    }
}

/// A message with what gRPC writes before it.
pub(super) fn framed(flag: u8, len: usize, message: &[u8]) -> Vec<u8> {
    let mut frame = vec![flag];
    frame.extend(u32::try_from(len).unwrap().to_be_bytes());
    frame.extend(message);
    frame
}
