//! Sends requests that are encoded already, by OTLP over gRPC or HTTP, one after the other on one connection.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message as _;

/// How OTLP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP, as protobuf.
    Http,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Metrics.
    Metrics,
    /// Logs.
    Logs,
}

impl Signal {
    fn path(self, protocol: Protocol) -> &'static str {
        match (protocol, self) {
            (Protocol::Grpc, Self::Metrics) => {
                "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
            }
            (Protocol::Grpc, Self::Logs) => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            (Protocol::Http, Self::Metrics) => "/v1/metrics",
            (Protocol::Http, Self::Logs) => "/v1/logs",
        }
    }
}

/// Sends to one receiver.
#[derive(Debug)]
pub struct Sender {
    client: Client<HttpConnector, Full<Bytes>>,
    protocol: Protocol,
    to: SocketAddr,
}

impl Sender {
    /// A sender to an address.
    #[must_use]
    pub fn new(protocol: Protocol, to: SocketAddr) -> Self {
        let is_grpc = protocol == Protocol::Grpc;
        let mut connector = HttpConnector::new();
        // As exporters do: a head and a body that wait for each other would be measured, 40 ms each.
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).http2_only(is_grpc).build(connector);
        Self { client, protocol, to }
    }

    /// Sends one request, and waits for its answer.
    ///
    /// # Errors
    /// If it is not taken as a whole.
    pub async fn send(&self, signal: Signal, message: &[u8]) -> Result<()> {
        let request = Request::post(format!("http://{}{}", self.to, signal.path(self.protocol)));
        let (request, body) = match self.protocol {
            Protocol::Grpc => {
                let request =
                    request.header(header::CONTENT_TYPE, "application/grpc").header(header::TE, "trailers");
                (request, framed(message)?)
            }
            Protocol::Http => {
                let request = request.header(header::CONTENT_TYPE, "application/x-protobuf");
                (request, Bytes::copy_from_slice(message))
            }
        };
        let response = self.client.request(request.body(Full::new(body))?).await?;
        taken(response, self.protocol)
            .await
            .with_context(|| format!("{} did not take all that was sent", self.to))
    }
}

/// A gRPC message that is not compressed.
fn framed(message: &[u8]) -> Result<Bytes> {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len())?);
    frame.put_slice(message);
    Ok(frame.freeze())
}

/// Fails unless all was taken. The answers of the signals differ in the names of their fields only, which are not sent.
async fn taken(response: Response<Incoming>, protocol: Protocol) -> Result<()> {
    let (head, body) = response.into_parts();
    let body = body.collect().await?;
    let status = |map: &http::HeaderMap| map.get("grpc-status").map(|status| status.as_bytes() == b"0");
    let is_refused = body.trailers().and_then(status).or_else(|| status(&head.headers)) == Some(false);
    let body = body.to_bytes();
    if !head.status.is_success() || is_refused {
        bail!("{}: {:?} {}", head.status, head.headers, String::from_utf8_lossy(&body));
    }
    let frame = if protocol == Protocol::Grpc { 5 } else { 0 };
    let answer = ExportMetricsServiceResponse::decode(body.get(frame..).unwrap_or_default())?;
    match answer.partial_success {
        Some(part) if part.rejected_data_points > 0 || !part.error_message.is_empty() => {
            bail!("{} were rejected: {}", part.rejected_data_points, part.error_message)
        }
        _ => Ok(()),
    }
}
