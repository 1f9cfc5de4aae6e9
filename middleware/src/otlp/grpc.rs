//! One attempt over gRPC.
//!
//! Requests come encoded, so that all attempts share the bytes and all signals share this client.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use poolscope_semconv::value::Signal;
use prost::Message as _;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::answer::{Answer, Message, Refused, Taken, shortened};
use super::config::Target;
use super::error::OtlpError;
use super::http::{MAX_ANSWER, USER_AGENT, is_dashboard};
use super::retry::is_transient_status;

/// How often the kernel asks an idle peer whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// A gRPC receiver of one signal.
#[derive(Debug)]
pub(super) struct GrpcClient {
    endpoint: Endpoint,
    channel: Channel,
    headers: MetadataMap,
    path: PathAndQuery,
    gzip: bool,
}

impl GrpcClient {
    /// Prepares a way to the target; nothing is connected yet. Must be called inside of the event loop's context, where the
    /// channel puts its worker.
    pub(super) fn new(target: &Target) -> Result<Self, OtlpError> {
        let endpoint = Endpoint::from_shared(target.endpoint.clone())
            .and_then(|endpoint| endpoint.user_agent(USER_AGENT))
            .map_err(|error| target.refused(&error))?
            .connect_timeout(target.timeout)
            .tcp_keepalive(Some(KEEP_ALIVE));
        #[cfg(feature = "otlp-tls")]
        let endpoint = if target.endpoint.starts_with("https:") {
            endpoint.tls_config(tls(target)).map_err(|error| target.refused(&error))?
        } else {
            endpoint
        };
        let channel = endpoint.connect_lazy();
        let headers = MetadataMap::from_headers(target.headers.clone());
        let path = PathAndQuery::from_static(match target.signal {
            Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Signal::Spans => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Signal::Events => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        });
        Ok(Self { endpoint, channel, headers, path, gzip: target.gzip })
    }

    pub(super) async fn send(&self, body: Bytes) -> Answer {
        let mut client = Grpc::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER);
        if self.gzip {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        if let Err(error) = client.ready().await {
            return Answer { is_dashboard: false, result: Err(Refused::unanswered(&error)) };
        }
        let mut request = tonic::Request::new(body);
        request.metadata_mut().clone_from(&self.headers);
        match client.unary(request, self.path.clone(), Encoded).await {
            Ok(answer) => Answer {
                is_dashboard: is_dashboard(answer.metadata().as_ref()),
                result: Ok(Taken::new(answer.into_inner())),
            },
            Err(status) => {
                let is_dashboard = is_dashboard(status.metadata().as_ref());
                Answer { is_dashboard, result: Err(refused(&status)) }
            }
        }
    }

    /// Sends nothing but a header, and tells the headers of the answer; `None` if there was none.
    #[cfg(feature = "control")]
    pub(super) async fn ask(&self, question: http::HeaderValue) -> Option<http::HeaderMap> {
        use poolscope_semconv::protocol::control::HEADER;
        let mut client = Grpc::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER);
        client.ready().await.ok()?;
        let mut headers = self.headers.clone().into_headers();
        headers.insert(HEADER, question);
        let request =
            tonic::Request::from_parts(MetadataMap::from_headers(headers), Default::default(), Bytes::new());
        let answer = client.unary(request, self.path.clone(), Encoded).await.ok()?;
        Some(answer.metadata().clone().into_headers())
    }

    /// Leaves the connection, which answers no more, for a new one.
    pub(super) fn reconnect(&mut self) {
        self.channel = self.endpoint.connect_lazy();
    }
}

/// What a status means.
fn refused(status: &Status) -> Refused {
    // tonic makes these itself, out of an error that is behind them; a status that a receiver sent has none.
    if let Some(cause) = std::error::Error::source(status) {
        return Refused::unanswered(cause);
    }
    // An answer beyond the limit gets a code that the specification would have tried again.
    if status.code() == Code::OutOfRange && status.message().contains("decoded message length too large") {
        return Refused::for_good("its answer is too large");
    }
    let details = status.get_error_details();
    let info = details.retry_info();
    Refused {
        is_transient: is_transient_status(status.code(), info.is_some()),
        is_answered: true,
        is_tls: false,
        pause: info.and_then(|info| info.retry_delay),
        reason: format!("{:?}: {}", status.code(), shortened(status.message())),
    }
}

#[cfg(feature = "otlp-tls")]
fn tls(target: &Target) -> tonic::transport::ClientTlsConfig {
    use tonic::transport::{Certificate, ClientTlsConfig, Identity};
    let tls = match &target.tls.roots {
        Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    match &target.tls.identity {
        Some((chain, key)) => tls.identity(Identity::from_pem(chain, key)),
        None => tls,
    }
}

/// Sends bytes that are a message already, and reads the answer of any signal.
#[derive(Debug, Clone, Copy)]
struct Encoded;

impl Codec for Encoded {
    type Encode = Bytes;
    type Decode = Message;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, body: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(body);
        Ok(())
    }
}

impl Decoder for Encoded {
    type Item = Message;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Message>, Status> {
        let body = buffer.copy_to_bytes(buffer.remaining());
        let message = Message::decode(body).map_err(|_| Status::internal("its answer is not OTLP"))?;
        Ok(Some(message))
    }
}
